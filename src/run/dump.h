// What a run computes at its first evaluation, for comparison with the reference (`swag dump`).
#pragma once
#include <map>
#include <string>
#include <vector>

#include "src/backend/backend.h"
#include "src/image/image.h"
#include "src/objective/objective.h"
#include "src/run/stylizer.h"

namespace swag {

/// Named float64 tensors: gradient, content_loss, total_loss, style_loss.<tap>, feature_stats.<tap>,
/// gram_stats.<tap>, entropy.<tap>, temperature.<tap>; shapes as tools/reference.py writes them.
struct Dump {
  struct Entry {
    std::string name;
    std::vector<int64_t> shape;
    std::vector<double> values;
  };
  std::vector<Entry> entries;
  std::vector<std::vector<uint8_t>> signs;  // of the image's forward pass, see Executor::signs
  const Entry& at(const std::string& name) const;
};

/// All images at their decoded sizes; `image` has the content's size. `imposed_signs` (of a double precision
/// run) takes the way back of that run.
Dump dump_objective(Backend& backend, const Model& model, DType dtype, const ObjectiveOptions& options,
                    const Image& content, const std::vector<Image>& styles, const std::vector<double>& blend,
                    const Image& image, const std::vector<std::vector<uint8_t>>* imposed_signs = nullptr,
                    Conv2dAlgorithm conv = Conv2dAlgorithm::kAuto);

}  // namespace swag
