// Marks functions that host code and kernels share. Only nvcc asks for it.
#pragma once

#ifdef __CUDACC__
#define SWAG_HOST_DEVICE __host__ __device__
#else
#define SWAG_HOST_DEVICE
#endif
