// Models for the commands that look inside (`dump`, `bench`), past the C API.
#pragma once
#include "src/cli/settings.h"
#include "src/run/stylizer.h"

namespace swag::cli {

/// The settings' network with its weights, `auto` resolved; they must not need fitting. Throws Error.
Model make_model(const Settings& settings);

}  // namespace swag::cli
