// out += w src for a tile of samples: rows are units, a row holds the tile's samples side by side.
#pragma once

#include "simd.h"

namespace {

template <class T, int V> constexpr int TILE = V * lanes<T>;  // samples, V vectors of them
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int MOST_ROWS = 6;  // of 32 registers: 24 sums, 6 weights, 1 source
#else
constexpr int MOST_ROWS = 3;
#endif

// N rows at once; w's element (n, j) is at n * row + j * column; the next row of out is `next` rows further.
template <class T, int V, int N>
void some_rows(const T* w, int64_t row, int64_t column, const T* source, int64_t k, T* out, int64_t next) {
  Vec<T> sum[N][V];
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[n][v] = load(out + n * next * TILE<T, V> + v * lanes<T>);
  for (int64_t j = 0; j < k; ++j) {
    Vec<T> weight[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) weight[n] = all(w[n * row + j * column]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const Vec<T> s = load(source + j * TILE<T, V> + v * lanes<T>);
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) sum[n][v] += weight[n] * s;
    }
  }
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store<T>(out + n * next * TILE<T, V> + v * lanes<T>, sum[n][v]);
}

template <class T, int V>
void product(const T* w, int64_t row, int64_t column, const T* source, int64_t k, T* out, int64_t rows,
             int64_t next = 1) {
  if (k <= 0) return;
  for (; rows >= MOST_ROWS; rows -= MOST_ROWS) {
    some_rows<T, V, MOST_ROWS>(w, row, column, source, k, out, next);
    w += MOST_ROWS * row;
    out += MOST_ROWS * next * TILE<T, V>;
  }
  switch (rows) {
#if defined(__AVX512F__) || defined(__aarch64__)
    case 5: return some_rows<T, V, 5>(w, row, column, source, k, out, next);
    case 4: return some_rows<T, V, 4>(w, row, column, source, k, out, next);
    case 3: return some_rows<T, V, 3>(w, row, column, source, k, out, next);
#endif
    case 2: return some_rows<T, V, 2>(w, row, column, source, k, out, next);
    case 1: return some_rows<T, V, 1>(w, row, column, source, k, out, next);
  }
}

}  // namespace
