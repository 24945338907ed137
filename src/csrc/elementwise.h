// Runs a kernel of one vector over x (B, E) and theta (B, P, E).
//
// Where E fills vectors well, vectors lie along E and the last one overlaps the one before it. Otherwise, so that few
// columns cost no more than many, rows are packed side by side first: each copy moves one whole vector, and what it
// moved too much is overwritten by the next.
#pragma once

#include <cstdlib>

#include "jobs.h"
#include "spline.h"

namespace {

template <class T> class Scratch {  // aligned for whole vectors
 public:
  explicit Scratch(int64_t n) : raw_(std::malloc(n * sizeof(T) + FLUVIAL_BYTES)) {
    next_ = (T*)(((uintptr_t)raw_ + FLUVIAL_BYTES - 1) / FLUVIAL_BYTES * FLUVIAL_BYTES);
  }
  ~Scratch() { std::free(raw_); }
  Scratch(const Scratch&) = delete;
  T* take(int64_t n) { T* p = next_; next_ += n; return p; }

 private:
  void* raw_;
  T* next_;
};

// Copies n elements, a whole vector at a time where target and source have room for that.
template <class T> INLINE void spill(T* to, const T* from, int64_t n, const T* to_end, const T* from_end) {
  constexpr int W = lanes<T>;
  for (int64_t i = 0; i < n; i += W) {
    if (to + i + W <= to_end && from + i + W <= from_end) store<T>(to + i, load(from + i));
    else std::memcpy(to + i, from + i, (n - i < W ? n - i : W) * sizeof(T));
  }
}

template <class T> INLINE bool fills(int64_t events) {
  constexpr int W = lanes<T>;
  return events >= W && 5 * events >= 4 * ((events + W - 1) / W * W);
}

template <class T, int K, bool INVERSE, bool GRADIENT>
void along_events(const SplineJob& j, int64_t first, int64_t last) {
  const Shape<T> s{(int)j.bins, j.circular != 0, (T)j.bound};
  const int64_t E = j.events, P = s.size();
  constexpr int W = lanes<T>;
  for (int64_t b = first; b < last; ++b) {
    const T* theta = (const T*)j.theta + b * j.theta_stride;
    T* g_theta = (T*)j.g_theta + (GRADIENT ? b * P * E : 0);
    for (int64_t e = 0;; e = e + 2 * W <= E ? e + W : E - W) {
      const int64_t i = b * E + e;
      const Element<T> a = {(const T*)j.x + i, (const T*)j.y + i, (const T*)j.slope + i, (const T*)j.g_y + i,
                            (const T*)j.g_slope + i, (T*)(GRADIENT ? j.g_x : j.y) + i, (T*)j.slope + i};
      spline_vector<T, K, INVERSE, GRADIENT>(s, a, theta + e, E, g_theta + e, E);
      if (e + W >= E) break;
    }
  }
}

template <class T, int K, bool INVERSE, bool GRADIENT>
void packed(const SplineJob& j, int64_t first, int64_t last) {
  const Shape<T> s{(int)j.bins, j.circular != 0, (T)j.bound};
  constexpr int W = lanes<T>;
  const int64_t E = j.events, P = s.size(), together = (4 * W + E - 1) / E;
  const int64_t ld = (together * E + W - 1) / W * W + W;  // one vector to spare
  Scratch<T> scratch(ld * ((GRADIENT ? 2 : 1) * P + 7));
  T *theta = scratch.take(ld * P), *g_theta = GRADIENT ? scratch.take(ld * P) : nullptr, *columns[7];
  std::memset(theta, 0, ld * P * sizeof(T));  // spare lanes hold numbers
  for (T*& c : columns) c = scratch.take(ld);
  const void* inputs[5] = {j.x, INVERSE && GRADIENT ? j.y : nullptr, INVERSE && GRADIENT ? j.slope : nullptr,
                           GRADIENT ? j.g_y : nullptr, GRADIENT ? j.g_slope : nullptr};
  void* outputs[2] = {GRADIENT ? j.g_x : j.y, GRADIENT ? nullptr : j.slope};
  const T* theta_end = (const T*)j.theta + (j.rows - 1) * j.theta_stride + P * E;
  T* g_end = (T*)j.g_theta + (GRADIENT ? last * P * E : 0);
  for (int64_t b0 = first; b0 < last; b0 += together) {
    const int64_t rows = last - b0 < together ? last - b0 : together, n = rows * E;
    for (int c = 0; c < 5; ++c)
      if (inputs[c]) std::memcpy(columns[c], (const T*)inputs[c] + b0 * E, n * sizeof(T));
    for (int64_t b = 0; b < rows; ++b) {
      const T* from = (const T*)j.theta + (b0 + b) * j.theta_stride;
      for (int64_t p = 0; p < P; ++p) spill<T>(theta + p * ld + b * E, from + p * E, E, theta + (p + 1) * ld, theta_end);
    }
    for (int64_t i = 0; i < n; i += W) {
      const Element<T> a = {columns[0] + i, columns[1] + i, columns[2] + i, columns[3] + i,
                            columns[4] + i, columns[5] + i, columns[6] + i};
      spline_vector<T, K, INVERSE, GRADIENT>(s, a, theta + i, ld, g_theta + i, ld);
    }
    for (int c = 0; c < 2; ++c)
      if (outputs[c]) std::memcpy((T*)outputs[c] + b0 * E, columns[5 + c], n * sizeof(T));
    if (!GRADIENT) continue;
    for (int64_t b = 0; b < rows; ++b) {
      T* to = (T*)j.g_theta + (b0 + b) * P * E;
      for (int64_t p = 0; p < P; ++p) spill<T>(to + p * E, g_theta + p * ld + b * E, E, g_end, g_theta + (p + 1) * ld);
    }
  }
}

template <class T, int K, bool INVERSE, bool GRADIENT>
void spline_rows(const SplineJob& j, int64_t first, int64_t last) {
  if (fills<T>(j.events)) along_events<T, K, INVERSE, GRADIENT>(j, first, last);
  else packed<T, K, INVERSE, GRADIENT>(j, first, last);
}

template <class T, int K> void spline_with(const SplineJob& j, int64_t first, int64_t last) {
  if (j.gradient) (j.inverse ? spline_rows<T, K, true, true> : spline_rows<T, K, false, true>)(j, first, last);
  else (j.inverse ? spline_rows<T, K, true, false> : spline_rows<T, K, false, false>)(j, first, last);
}

template <class T> void spline(const SplineJob& j, int64_t first, int64_t last) {
  if (j.bins == 8) spline_with<T, 8>(j, first, last);  // every recipe's default, unrolled
  else spline_with<T, 0>(j, first, last);
}

}  // namespace
