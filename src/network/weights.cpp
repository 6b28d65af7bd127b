#include "src/network/weights.h"

#include "src/support/error.h"

namespace swag {

const std::vector<float>& Weights::at(const std::string& name) const {
  const auto found = values.find(name);
  if (found == values.end()) {
    throw Error(Status::kInternal, "no parameter " + name + " in the weights of " + network);
  }
  return found->second;
}

}  // namespace swag
