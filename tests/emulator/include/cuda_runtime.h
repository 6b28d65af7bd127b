// Stands in for CUDA's header of this name: a `.cu` file then compiles as host C++ and runs on the emulator.
#pragma once
#include "cuda_runtime_api.h"
#include "emulator/atomics.h"
#include "emulator/builtins.h"
#include "emulator/device_math.h"
#include "emulator/launch.h"
#include "emulator/memory_access.h"
#include "emulator/warp.h"
