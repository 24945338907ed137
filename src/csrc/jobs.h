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

// The sequential inverse of x -> z = map(x_i; theta_i(x_<i)) with a masked network whose units are sorted by degree, all
// of it in the order in which positions become known. ends[k] counts a layer's units of degree <= k, k = 0 .. n.
struct SweepLayer {
  const void *weight, *bias;  // (units, ld), of which leading blocks are read; (units,), or (units, B) with bias_rows
  const int32_t* ends;        // (n + 1,)
  int64_t units, ld;
};

enum Activation { RELU, TANH, ELU, SILU };
enum Map { SHIFT, AFFINE_EXP, AFFINE_TANH, AFFINE_SIGMOID, GATE, SPLINE, BERNOULLI, CATEGORICAL };
enum Encoding { NUMBERS, SIGNS, ONE_HOT };  // what the first layer reads of a value: itself, 2x - 1, or indicators

// The affine maps, theta (B, 2, E); the other arrays are (B, E), contiguous.
struct AffineJob {
  int64_t rows, events, theta_stride;
  int32_t rule, inverse;  // AFFINE_EXP, AFFINE_TANH or AFFINE_SIGMOID
  double a;               // bound of the tanh
  const void *x, *theta;
  void *z, *log_det;
};

// Rows of B numbers that a gradient needs: hidden units of each layer, their activations' slopes (SiLU only), theta
// (size * n) in the network's order of outputs, and the log-det of each position. g_kept: gradients at the units'
// pre-activations, and at theta.
struct SweepJob {
  int64_t rows, positions, numbers, layers, size, bins;
  int32_t activation, residual, map, encoding, bias_rows, natural;
  double a, b;              // bound of a scale or spline; bias and floor of a gate
  const SweepLayer* layer;
  const void *out, *out_bias, *direct;  // (size, n, units), (size, n), (size, n, n * numbers) or null
  const int32_t* order;                 // (n,)
  const void* z;                        // (B, n); float64 for staircases
  void *x, *log_det, *kept;             // (B, n), (B,), rows or null
  const void *g_x, *g_log_det;
  void *g_z, *g_kept;
};

// WaveNet, `steps` moments of `rows` streams. Channels, gates and skips are padded with zeros to whole cache lines, and a
// matrix is (in, out), its rows `ld` apart. The state of the streams, from call to call: values, ring, gates and step.
enum Draw { THETA, DRAW_CATEGORICAL, DRAW_LOGISTICS };

struct WaveJob {
  int64_t rows, steps, step, numbers, first, inputs, classes;  // numbers of a moment; inputs: first * numbers
  int64_t layers, kernel, channels, gates, skips, size, padded_channels, padded_gates, padded_skips, padded_out;
  int64_t context, upsample, context_rows;  // of a series; else the gates hold the context's part already
  int32_t draw, components;
  double centre, spread, temperature, floor, levels;
  const void *inlet, *taps, *bias, *given;  // (.., ldc), (layers, kernel, channels, 2 ldg), (layers, 2 ldg), (layers, context, 2 ldg)
  const void *mix, *skip, *skip_bias;       // (layers - 1, gates, ldc), (layers, gates, lds), (lds,)
  const void *hidden, *hidden_bias, *last, *last_bias;
  const int64_t* dilations;
  const void* series;          // (rows, context_rows, context)
  void *values, *ring, *gate;  // (rows, inputs); spans one after the other, (span, rows, ldc); (layers, rows, 2 ldg)
  const void *previous, *z, *known;  // (rows, numbers) or null; (rows, steps, numbers) doubles; the same or null
  void *theta, *x, *log_det;   // (rows, size * numbers), one step; (rows, steps, numbers); (rows, steps)
};

// log p (B, D) of cells whose columns' laws take their numbers of theta, column i's from starts[i] to starts[i + 1]: logits
// of its masses, then, where there is a rest, its logit, and weights, means and log-scales of the components. gradient, null
// or (B, starts[D]): of each cell's log p with respect to its own numbers.
struct LawsJob {
  int64_t rows, columns, components, widest, theta_stride;  // widest: the most numbers of a column
  const int64_t *starts, *masses, *absent, *rest, *gridded;  // (D + 1,), (D,); absent: -1 where no cell is missing
  const double *cells, *known, *others;                      // (D,): of a whole cell, of a known value, of another one
  const int64_t* atom;                                       // (B, D), -1 where the value is none
  const double* x;                                           // (B, D)
  const void *low, *high, *width, *log_det, *theta;          // (B, D) each; theta's rows are theta_stride apart
  void *log_p, *gradient;
};

// One instruction set's kernels, each for float and double, on the rows first .. last - 1.
struct Kernels {
  const char* name;
  void (*spline[2])(const SplineJob&, int64_t first, int64_t last);
  void (*sweep[2])(const SweepJob&, int64_t first, int64_t last);
  void (*sweep_vjp[2])(const SweepJob&, int64_t first, int64_t last);
  void (*affine[2])(const AffineJob&, int64_t first, int64_t last);
  void (*wave[2])(const WaveJob&, int64_t first, int64_t last);
  void (*laws[2])(const LawsJob&, int64_t first, int64_t last);
};
