// Where reading and writing of pictures lies, in one place for the fuzz targets.
#pragma once
#if __has_include("src/codecs/decode.h")
#include "src/codecs/decode.h"
#include "src/codecs/encode.h"
#else
#include "src/codecs/decode.h"
#include "src/codecs/encode.h"
#endif
