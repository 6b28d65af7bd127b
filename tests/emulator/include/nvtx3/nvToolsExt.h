// The part of NVIDIA's Tools Extension (NVTX 3) that this project uses; the emulator remembers what was
// opened.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/// Opens a range within those that the calling thread has open. Returns its depth, from 0.
int nvtxRangePushA(const char* message);

/// Closes the thread's innermost range. Returns its depth; negative when none was open.
int nvtxRangePop(void);

#ifdef __cplusplus
}
#endif
