// Which weights a run takes, and where the program's own files lie.
#pragma once
#include <string>
#include <vector>

#include "src/cli/settings.h"
#include "src/weights/model_files.h"

namespace swag::cli {

/// Where NETWORK.safetensors is looked for: $SWAG_WEIGHTS when it is a folder, weights/ beside the program
/// (or above it, or in its share folder), the user's data directory.
std::vector<std::string> weight_folders();

/// The user's data directory for weights, where fetched ones go; it need not exist.
std::string user_weight_folder();

/// The programs that fetch and convert: python3 and curl of $PATH where they can be trusted, and the
/// convert_weights.py of the source tree or of the installation. Throws Error(kWeights) without the latter.
ModelTools model_tools();

/// The file that $SWAG_WEIGHTS names, for every network; empty when it is a folder or not set. Throws
/// Error(kWeights) when it names nothing.
std::string weights_of_environment();

/// The file that `--weights auto` takes for a network: weights_of_environment(), then NETWORK.safetensors in
/// the folders. Empty when there is none.
std::string find_weights(const std::string& network);

/// The file that --weights names: as it stands, or else by its bare name in the folders. Throws
/// Error(kWeights).
std::string weight_file(const std::string& name);

/// The file that these settings take their weights from, "" where they take none. One that a picture names is
/// looked for by its bare name alone, in the folders. Throws Error(kWeights) when it is not there.
std::string weight_file_of(const Settings& settings);

/// Whether --weights names a file, not a way to make weights.
bool is_weight_file(const std::string& weights);

/// For `splitmix:SEED`, its seed; false for anything else. Throws Error(kUsage) for a seed that is none.
bool parse_splitmix(const std::string& weights, uint64_t& seed);

/// Turns `auto` into what it stands for, of the weights and of the pooling, and the name of a file into the
/// one of weight_file_of(). Returns a warning, or nothing. Throws Error(kWeights) when there is none.
std::string resolve_weights(Settings& settings);

/// The preset that suits a VGG's weights: "trained" for those from elsewhere, "random" or, for fitted ones,
/// "default". Where that cannot be told "default": what is wrong with the weights is for resolve_weights()
/// and loading to say. Other networks have "default", whatever their weights.
std::string preset_for_weights(const Settings& settings);

/// The weights as a picture may tell them: a file by its name alone, whose folders are nobody's business.
std::string bare_name(const std::string& weights);

}  // namespace swag::cli
