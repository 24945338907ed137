// z = (x - t) / exp(s) or back, in one pass over x (B, E) and theta (B, 2, E).
#pragma once

#include "jobs.h"
#include "simd.h"

namespace {

template <class T, int RULE, bool INVERSE>
INLINE void affine_vector(T a, const T* x, const T* theta, const T* raw, T* z, T* log_det) {
  const Vec<T> in = load(x), t = load(theta), r = load(raw);
  const Vec<T> s = RULE == AFFINE_EXP ? r : RULE == AFFINE_TANH ? a * vtanh<T>(r / a) : softplus<T>(-(r + T(2)));
  const Vec<T> scale = vexp<T>(s);
  store<T>(z, INVERSE ? in * scale + t : (in - t) / scale);
  store<T>(log_det, INVERSE ? s : -s);
}

template <class T, int RULE, bool INVERSE> void affine_row(const AffineJob& j, const T* x, const T* theta, T* z, T* log_det) {
  constexpr int W = lanes<T>;
  const int64_t E = j.events;
  if (E < W) {
    T room[5][W] = {};
    const T* from[3] = {x, theta, theta + E};
    for (int i = 0; i < 3; ++i) std::memcpy(room[i], from[i], E * sizeof(T));
    affine_vector<T, RULE, INVERSE>(T(j.a), room[0], room[1], room[2], room[3], room[4]);
    std::memcpy(z, room[3], E * sizeof(T));
    std::memcpy(log_det, room[4], E * sizeof(T));
    return;
  }
  for (int64_t e = 0;; e = e + 2 * W <= E ? e + W : E - W) {  // the last vector overlaps the one before it
    affine_vector<T, RULE, INVERSE>(T(j.a), x + e, theta + e, theta + E + e, z + e, log_det + e);
    if (e + W >= E) return;
  }
}

template <class T, int RULE> void affine_with(const AffineJob& j, int64_t first, int64_t last) {
  for (int64_t b = first; b < last; ++b) {
    const int64_t at = b * j.events;
    const T *x = (const T*)j.x + at, *theta = (const T*)j.theta + b * j.theta_stride;
    T *z = (T*)j.z + at, *log_det = (T*)j.log_det + at;
    if (j.inverse) affine_row<T, RULE, true>(j, x, theta, z, log_det);
    else affine_row<T, RULE, false>(j, x, theta, z, log_det);
  }
}

template <class T> void affine(const AffineJob& j, int64_t first, int64_t last) {
  switch (j.rule) {
    case AFFINE_EXP: return affine_with<T, AFFINE_EXP>(j, first, last);
    case AFFINE_TANH: return affine_with<T, AFFINE_TANH>(j, first, last);
    default: return affine_with<T, AFFINE_SIGMOID>(j, first, last);
  }
}

}  // namespace
