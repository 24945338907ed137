// One value from a staircase CDF at one position: the sampling of univariate/discrete.py, in doubles.
#pragma once

#include "jobs.h"
#include "maps.h"
#include "simd.h"

namespace {

struct Draws { double z, known, by_temperature; };  // known: NaN where the value is to be drawn
struct Drawn { double x, surprise; };               // surprise: -log P(x)

INLINE double total_of(const double* a, int64_t padded) {
  Vec<double> sum{};
  for (int64_t c = 0; c < padded; c += lanes<double>) sum += load(a + c);
  double total = 0;
  for (int n = 0; n < lanes<double>; ++n) total += sum[n];
  return total;
}

// a[c] -> exp(a[c] - max), of n numbers and padding up to whole vectors; NaN for all if one is NaN. Returns the max.
INLINE double relative_exp(double* a, int64_t n, int64_t padded) {
  double top = a[0], poison = 0;
  for (int64_t c = 0; c < n; ++c) {
    top = a[c] > top ? a[c] : top;
    poison += a[c] != a[c] ? a[c] : 0;
  }
  for (int64_t c = n; c < padded; ++c) a[c] = -__builtin_inf();
  for (int64_t c = 0; c < padded; c += lanes<double>) store<double>(a + c, exp_negative<double>(load(a + c) - top) + poison);
  return top + poison;
}

INLINE int64_t whole_vectors(int64_t n) { return (n + lanes<double> - 1) / lanes<double> * lanes<double>; }
INLINE double log_of(double a) { return vlog<double>(all(a))[0]; }

// Of `classes` logits that lie `ld` apart.
template <class T> Drawn categorical_draw(const Draws& one, const T* logits, int64_t ld, int64_t classes, double* room) {
  const int64_t padded = whole_vectors(classes);
  for (int64_t c = 0; c < classes; ++c) room[c] = (double)logits[c * ld] * one.by_temperature;
  const double top = relative_exp(room, classes, padded), total = total_of(room, padded);
  const double at = (one.z > LEAST_NOISE ? one.z : LEAST_NOISE) * total;
  Drawn out{one.known, __builtin_inf()};
  if (one.known != one.known) {
    int64_t chosen = 0;
    double below = room[0];
    while (chosen + 1 < classes && at > below) below += room[++chosen];
    while (chosen > 0 && room[chosen] == 0) --chosen;  // rounding must not end in a barred class
    out.x = (double)chosen;
  }
  const int64_t index = out.x >= 0 && out.x < (double)classes ? (int64_t)out.x : 0;
  if (out.x == (double)index) out.surprise = log_of(total) + top - (double)logits[index * ld] * one.by_temperature;
  return out;
}

// A mixture of logistics cut into bins whose outer ones are open.
struct Logistics {
  double *weight, *log_weight, *mean, *rate;
  int64_t padded;
  double levels;

  double at(double x) const { return x * 2 / (levels - 1) - 1; }
  double below(double x) const {
    if (!(x > 0)) return x == x ? 0 : x;
    Vec<double> sum{};
    for (int64_t k = 0; k < padded; k += lanes<double>)
      sum += load(weight + k) * sigmoid<double>((at(x) - 1 / (levels - 1) - load(mean + k)) * load(rate + k));
    double total = 0;
    for (int n = 0; n < lanes<double>; ++n) total += sum[n];
    return total;
  }
  double log_mass(double x, double* room, int64_t components) const {
    const double half = 1 / (levels - 1);
    for (int64_t k = 0; k < padded; k += lanes<double>) {
      const Vec<double> a = (at(x) + half - load(mean + k)) * load(rate + k), b = (at(x) - half - load(mean + k)) * load(rate + k);
      Vec<double> log_p = x <= 0 ? -softplus<double>(-a) : -softplus<double>(b);
      if (x > 0 && x < levels - 1) log_p -= softplus<double>(-a) - vlog<double>(-expm1_negative<double>(b - a));
      store<double>(room + k, load(log_weight + k) + log_p);
    }
    const double top = relative_exp(room, components, padded);
    return top == -__builtin_inf() ? top : top + log_of(total_of(room, padded));
  }
};

template <class T> Drawn logistics_draw(const Draws& one, const T* theta, int64_t ld, const WaveJob& j, double* room) {
  const int64_t K = j.components, padded = whole_vectors(K);
  const Logistics m{room, room + padded, room + 2 * padded, room + 3 * padded, padded, j.levels};
  const double widen = -log_of(one.by_temperature);
  for (int64_t k = 0; k < padded; ++k) {
    m.log_weight[k] = k < K ? (double)theta[k * ld] * one.by_temperature : -__builtin_inf();
    m.weight[k] = m.log_weight[k];
    m.mean[k] = k < K ? (double)theta[(K + k) * ld] : 0;
    const double scale = k < K ? (double)theta[(2 * K + k) * ld] + widen : 0;
    m.rate[k] = scale < j.floor ? -j.floor : -scale;
  }
  const double top = relative_exp(m.weight, K, padded), total = total_of(m.weight, padded), log_total = top + log_of(total);
  for (int64_t k = 0; k < padded; k += lanes<double>) {
    store<double>(m.weight + k, load(m.weight + k) / total);
    store<double>(m.log_weight + k, load(m.log_weight + k) - log_total);
    store<double>(m.rate + k, vexp<double>(load(m.rate + k)));
  }
  Drawn out{one.known, 0};
  if (one.known != one.known) {
    double low = 0, high = j.levels - 1;
    while (low < high) {  // the largest x whose step begins at or below z
      const double middle = __builtin_ceil((low + high) / 2);
      if (m.below(middle) <= one.z) low = middle;
      else high = middle - 1;
    }
    out.x = low;
  }
  out.surprise = -m.log_mass(out.x, room + 4 * padded, K);
  return out;
}

}  // namespace
