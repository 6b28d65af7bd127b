// The one optimiser loop: images in, scales from coarse to fine, the best picture out.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/backend/backend.h"
#include "src/image/image.h"
#include "src/network/graph.h"
#include "src/network/weights.h"
#include "src/run/options.h"

namespace swag {

/// A network and its weights; never changed, so contexts may share it.
struct Model {
  Graph graph;
  Weights weights;
  bool average_pooling = false;
};

struct Progress {
  int scale = 0, scales = 1;
  int width = 0, height = 0;          // of this scale
  int iteration = 0, iterations = 0;  // optimiser steps, of this scale
  int64_t evaluations = 0;            // over all scales
  double loss = 0;                    // total of the last evaluation
  double content_loss = 0, style_loss = 0, tv_loss = 0;
  double fraction = 0;  // of the whole run's expected work
  bool done = false;
};

enum class LogLevel { kVerbose, kInfo, kWarning };

struct Callbacks {
  std::function<bool(const Progress&)> progress;                  // false: stop; may be empty
  std::function<void(LogLevel, const std::string& message)> log;  // may be empty
};

class Stylizer {
 public:
  /// Checks everything and prepares the first scale. Throws Error.
  Stylizer(std::shared_ptr<const Model> model, std::unique_ptr<Backend> backend,
           const StylizeOptions& options, Image content, std::vector<Image> styles, const Image* init_image,
           const Callbacks& callbacks);
  ~Stylizer();

  /// One optimiser step, with as many evaluations as its line search needs. Returns where the run stands;
  /// `done` when there is nothing left to do. Throws Error(kInterrupted) when the progress callback asks for
  /// it (further steps go on from there), Error(kDiverged) when the loss stays non-finite from the best state
  /// on (further steps say so again), and Error(kMemory) when there is no memory for the next scale (a
  /// further step tries again). Whatever it throws, the best image remains.
  Progress step();

  const Progress& progress() const;

  /// The best image so far, at the output's size, with the content's alpha.
  Image image() const;

  /// How the weights and the device are called, for people.
  std::string description() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace swag
