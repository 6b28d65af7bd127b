// Launches whose counts can be worked out by hand: count_cases.cu runs them, test_count.cpp has the figures.
#pragma once

namespace swag::count_cases {

void copy(int stride, int offset, unsigned blocks = 4,
          unsigned threads = 256);  // y[i] = x[stride i + offset]
void transpose_naive();             // 32 x 32, a row per warp
void transpose_shared(int pad);     // 0 or 1: floats at the end of a shared row
void broadcast();                   // of a word of device memory and one of shared memory
void shared_pairs(int stride);      // float2 number stride * lane
void shared_quads(int stride);      // float4 number stride * lane
void device_quads();
void shared_bytes();
void odd_lanes();
void atomics();                   // 32 lanes on one word of shared memory, and on one of device memory
void many_visits(int visits);     // a loop without a barrier
void unrolled();                  // two reads on one line, unrolled_line()
void inner_loops();               // lane i goes round i % 3 + 1 times
void borders();                   // lanes leave out the taps beyond the row's end
void barriers(unsigned threads);  // 3 of them
int unrolled_line();

}  // namespace swag::count_cases
