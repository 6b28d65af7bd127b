#include "src/cli/make_model.h"

#include "src/cli/weights_search.h"
#include "src/support/error.h"
#include "src/weights/weights.h"

namespace swag::cli {

Model make_model(const Settings& settings) {
  Settings resolved = settings;
  resolve_weights(resolved);
  Model model;
  model.average_pooling = resolved.pooling == "avg";
  model.graph = make_network(resolved.network, model.average_pooling);
  uint64_t seed = resolved.api.seed;
  if (resolved.weights == "fitted") {
    throw Error(Status::kUsage,
                "--weights: weights are not fitted here; give a file, random or splitmix:SEED");
  }
  if (resolved.weights == "random") {
    model.weights = random_weights(model.graph, seed);
  } else if (parse_splitmix(resolved.weights, seed)) {
    model.weights = splitmix_weights(model.graph, seed);
  } else {
    model.weights = load_weights(resolved.weights, model.graph);
  }
  return model;
}

}  // namespace swag::cli
