// What the dispatcher hands to the kernels: plain structs of pointers, the same for every instruction set.
#pragma once

#include <cstdint>

// The rational-quadratic spline of theta (B, P, E), P = 3K - 1, or 3K on a circle; the other arrays are (B, E), contiguous.
// Forward: x -> y, slope (the log-det). Its gradient, given g_y and g_slope: g_x, g_theta. The inverse reads x for the
// spline's y and the other way round; its gradient also reads what it returned.
struct SplineJob {
  int64_t rows, events, bins, theta_stride;
  int32_t circular, inverse, gradient;
  double bound;
  const void *x, *theta;
  void *y, *slope;  // results, or for the gradient what they were
  const void *g_y, *g_slope;
  void *g_x, *g_theta;
};

// One instruction set's kernels, each for float and double, on the rows first .. last - 1.
struct Kernels {
  const char* name;
  void (*spline[2])(const SplineJob&, int64_t first, int64_t last);
};
