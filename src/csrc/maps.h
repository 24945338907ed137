// The one-dimensional maps of univariate/ at one position, for a tile of samples; theta's rows are `ld` numbers apart.
#pragma once

#include "jobs.h"
#include "product.h"
#include "spline.h"

namespace {

template <class T, int V> INLINE void at_vectors(int64_t ld, const SweepJob& j, const T* z, const T* theta, T* x, T* slope) {
  for (int i = 0; i < TILE<T, V>; i += lanes<T>) {
    const Vec<T> in = load(z + i), t = load(theta + i), raw = j.size > 1 ? load(theta + ld + i) : t;
    Vec<T> out = in + t, s{};
    if (j.map == GATE) {
      const Vec<T> g = T(j.b) + T(1 - j.b) * sigmoid<T>(raw + T(j.a));
      out = (in - (T(1) - g) * t) / g;
      s = -vlog<T>(g);
    } else if (j.map != SHIFT) {
      s = j.map == AFFINE_EXP ? raw
          : j.map == AFFINE_TANH ? T(j.a) * vtanh<T>(raw * T(1 / j.a)) : softplus<T>(-(raw + T(2)));
      out = in * vexp<T>(s) + t;
    }
    store<T>(x + i, out);
    store<T>(slope + i, s);
  }
}

// log(1 + exp(-|a|)) - min(a, 0) is -log sigmoid(a), as softplus(-a) is.
template <class T, int V> void bernoulli(const double* z, const T* theta, T* x, T* slope) {
  double sure[TILE<T, V>];
  for (int i = 0; i < TILE<T, V>; ++i) sure[i] = -(double)theta[i];
  for (int i = 0; i < TILE<T, V>; i += lanes<double>) store<double>(sure + i, sigmoid<double>(load(sure + i)));
  for (int i = 0; i < TILE<T, V>; ++i) x[i] = z[i] > sure[i];
  for (int i = 0; i < TILE<T, V>; i += lanes<T>) {
    const Vec<T> logit = load(theta + i);
    store<T>(slope + i, softplus<T>(load(x + i) > T(0.5) ? -logit : logit));
  }
}

constexpr double LEAST_NOISE = 2.2250738585072014e-308;  // 0 lies on the step of the first class that is not barred

// The class on whose step of the CDF z lies; slope: -log P(x), from the logits.
template <class T, int V> void categorical(const double* z, const T* theta, int64_t ld, int64_t classes, T* x, T* slope) {
  for (int i = 0; i < TILE<T, V>; i += lanes<double>) {
    auto logits = [&](int64_t c) {
      Vec<double> v;
      for (int n = 0; n < lanes<double>; ++n) v[n] = theta[c * ld + i + n];
      return v;
    };
    Vec<double> top = logits(0), total{}, below{}, chosen{}, logit = top;
    for (int64_t c = 1; c < classes; ++c) { const Vec<double> l = logits(c); top = l > top ? l : top; }
    for (int64_t c = 0; c < classes; ++c) total += exp_negative<double>(logits(c) - top);
    const Vec<double> at = larger<double>(load(z + i), all(LEAST_NOISE)) * total;
    for (int64_t c = 0; c + 1 < classes; ++c) {
      below += exp_negative<double>(logits(c) - top);
      const auto beyond = at > below;
      chosen = beyond ? all(double(c + 1)) : chosen;
      logit = beyond ? logits(c + 1) : logit;
    }
    const Vec<double> surprise = vlog<double>(total) + top - logit;
    for (int n = 0; n < lanes<double>; ++n) { x[i + n] = T(chosen[n]); slope[i + n] = T(surprise[n]); }
  }
}

template <class T, int V, bool GRADIENT>
void spline_tile(const SweepJob& j, const Element<T>& e, const T* theta, int64_t ld, T* g_theta, int64_t g_ld) {
  const Shape<T> s{(int)j.bins, j.size == 3 * j.bins, (T)j.a};
  for (int i = 0; i < TILE<T, V>; i += lanes<T>) {
    const Element<T> a = {e.x + i, e.y + i, e.slope + i, e.g_y + i, e.g_slope + i, e.out1 + i, e.out2 + i};
    if (j.bins == 8) spline_vector<T, 8, true, GRADIENT>(s, a, theta + i, ld, g_theta + i, g_ld);
    else spline_vector<T, 0, true, GRADIENT>(s, a, theta + i, ld, g_theta + i, g_ld);
  }
}

// x and the log-det of the inverse map. z holds doubles for staircases.
template <class T, int V> void map_inverse(const SweepJob& j, const void* z, const T* theta, int64_t ld, T* x, T* slope) {
  switch (j.map) {
    case SPLINE: return spline_tile<T, V, false>(j, {(const T*)z, x, slope, x, x, x, slope}, theta, ld, x, 0);
    case BERNOULLI: return bernoulli<T, V>((const double*)z, theta, x, slope);
    case CATEGORICAL: return categorical<T, V>((const double*)z, theta, ld, j.size, x, slope);
    default: return at_vectors<T, V>(ld, j, (const T*)z, theta, x, slope);
  }
}

// Gradients at z and theta, given those at x and at the log-det.
template <class T, int V>
void map_pull(const SweepJob& j, const T* z, const T* x, const T* slope, const T* theta, int64_t ld, const T* g_x,
              const T* g_slope, T* g_z, T* g_theta, int64_t g_ld) {
  if (j.map == SPLINE) return spline_tile<T, V, true>(j, {z, x, slope, g_x, g_slope, g_z, g_z}, theta, ld, g_theta, g_ld);
  for (int i = 0; i < TILE<T, V>; i += lanes<T>) {
    const Vec<T> g = load(g_x + i), t = load(theta + i), raw = j.size > 1 ? load(theta + ld + i) : t;
    Vec<T> of_z = g, of_t = g, of_raw{};
    if (j.map == GATE) {
      const Vec<T> p = sigmoid<T>(raw + T(j.a)), by_gate = T(1) / (T(j.b) + T(1 - j.b) * p);
      of_z = g * by_gate;
      of_t = g - of_z;
      of_raw = (g * (t - load(x + i)) - load(g_slope + i)) * by_gate * T(1 - j.b) * p * (T(1) - p);
    } else if (j.map != SHIFT) {
      of_z = g * vexp<T>(load(slope + i));
      const Vec<T> of_s = of_z * load(z + i) + load(g_slope + i), u = vtanh<T>(raw * T(1 / j.a));
      of_raw = j.map == AFFINE_EXP ? of_s
               : j.map == AFFINE_TANH ? of_s * (T(1) - u * u) : -of_s * sigmoid<T>(-(raw + T(2)));
    }
    store<T>(g_z + i, of_z);
    store<T>(g_theta + i, of_t);
    if (j.size > 1) store<T>(g_theta + g_ld + i, of_raw);
  }
}

}  // namespace
