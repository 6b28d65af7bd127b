// One function, several instruction sets: the compiler makes a copy for each, and the loader takes the best
// that the machine runs. For loops that the compiler turns into vector instructions; the convolution's
// register tile, which is laid out for its registers, has files of its own (gemm_micro_kernel.h).
#pragma once

// What chooses the copy is a feature of glibc, and runs before the sanitizers are ready.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#if defined(__clang__)
#if __clang_major__ >= 14 && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define VECTOR_CLONES __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#endif
#else
#define VECTOR_CLONES __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#endif
#endif
#ifndef VECTOR_CLONES
#define VECTOR_CLONES
#endif
