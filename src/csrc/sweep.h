// Inverting an autoregressive transform in one sweep over the positions: each hidden unit is computed once, when the
// last input that it reads is known, and every weight is read once for a tile of samples.
//
// Positions go in blocks. What a block's units and outputs read of earlier ones is one product with many rows, which
// keeps the arithmetic dense; only what they read of each other is done position by position.
#pragma once

#include "elementwise.h"
#include "maps.h"

namespace {

constexpr int64_t BLOCK = 16, MOST_LAYERS = 64;

template <class T> struct Net {  // typed views of the job
  const SweepJob& j;
  int64_t n, P, L, numbers, units_last;
  const T *out, *direct;
  int64_t first_row[MOST_LAYERS + 1];  // of each layer among the kept rows
  explicit Net(const SweepJob& job)
      : j(job), n(job.positions), P(job.size), L(job.layers), numbers(job.numbers),
        units_last(job.layer[job.layers - 1].units), out((const T*)job.out), direct((const T*)job.direct) {
    first_row[0] = 0;
    for (int64_t l = 0; l < L; ++l) first_row[l + 1] = first_row[l] + job.layer[l].units;
  }
  const T* weight(int64_t l) const { return (const T*)j.layer[l].weight; }
  int64_t ld(int64_t l) const { return j.layer[l].ld; }
  int64_t end(int64_t l, int64_t degree) const { return degree < 0 ? 0 : j.layer[l].ends[degree]; }
  // how much of what layer l reads has a degree of at most this
  int64_t reads(int64_t l, int64_t degree) const { return l ? end(l - 1, degree) : degree * numbers; }
  int64_t theta_row() const { return first_row[L] * (j.activation == SILU ? 2 : 1); }
  int64_t slope_row() const { return theta_row() + P * n; }
};

template <class T> INLINE void activate(int activation, Vec<T> a, Vec<T>& value, Vec<T>& slope) {
  switch (activation) {
    case RELU: value = a > T(0) ? a : Vec<T>{}; value = a == a ? value : a; break;
    case TANH: value = vtanh<T>(a); break;
    case ELU: value = a > T(0) ? a : expm1_negative<T>(a); break;
    default: {
      const Vec<T> s = sigmoid<T>(a);
      value = a * s;
      slope = s * (T(1) + a * (T(1) - s));
    }
  }
}

template <class T> INLINE Vec<T> slope_of(int activation, Vec<T> value) {
  if (activation == RELU) return value > T(0) ? all(T(1)) : Vec<T>{};
  if (activation == TANH) return T(1) - value * value;
  return value > T(0) ? all(T(1)) : value + T(1);
}

template <class T> INLINE void keep_row(void* kept, int64_t rows, int64_t row, int64_t at, const T* values, int64_t count) {
  std::memcpy((T*)kept + row * rows + at, values, count * sizeof(T));
}

template <class T, int V> struct Sweep : Net<T> {
  using Net<T>::j; using Net<T>::n; using Net<T>::P; using Net<T>::L; using Net<T>::numbers;
  T *h[MOST_LAYERS], *d[MOST_LAYERS], *inputs, *theta, *total, *x, *slope, *sum;
  double* z;
  Scratch<T> scratch;

  static int64_t room(const Net<T>& m) {
    const int64_t hidden = m.first_row[m.L] * (m.j.activation == SILU ? 2 : 1) + (m.j.residual ? m.j.layer[0].units : 0);
    return (hidden + m.n * m.numbers + m.P * BLOCK + m.n + 2 + m.n * (int64_t)(sizeof(double) / sizeof(T))) * TILE<T, V>;
  }
  explicit Sweep(const SweepJob& job) : Net<T>(job), scratch(room(*this)) {
    for (int64_t l = 0; l < L; ++l) {
      h[l] = scratch.take(j.layer[l].units * TILE<T, V>);
      d[l] = j.activation == SILU ? scratch.take(j.layer[l].units * TILE<T, V>) : h[l];
    }
    total = scratch.take(j.residual ? j.layer[0].units * TILE<T, V> : 0);
    inputs = scratch.take(n * numbers * TILE<T, V>);
    theta = scratch.take(P * BLOCK * TILE<T, V>);
    x = scratch.take(n * TILE<T, V>);
    slope = scratch.take(TILE<T, V>);
    sum = scratch.take(TILE<T, V>);
    z = (double*)scratch.take(n * TILE<T, V> * (int64_t)(sizeof(double) / sizeof(T)));
  }

  void biases(int64_t l, int64_t from, int64_t to, int64_t at, int64_t count) {
    const T* bias = (const T*)j.layer[l].bias;
    for (int64_t u = from; u < to; ++u) {
      T* row = h[l] + u * TILE<T, V>;
      if (l == 0 && j.bias_rows) std::memcpy(row, bias + u * j.rows + at, count * sizeof(T));
      else for (int i = 0; i < TILE<T, V>; i += lanes<T>) store<T>(row + i, all(bias[u]));
    }
  }

  void finish(int64_t l, int64_t from, int64_t to) {  // pre-activations become what the next layer reads
    const bool adds = j.residual && l % 2 == 0;
    for (int64_t i = from * TILE<T, V>; i < to * TILE<T, V>; i += lanes<T>) {
      Vec<T> a = load(h[l] + i), value, s{};
      if (adds) {
        if (l) a += load(total + i);
        store<T>(total + i, a);
      }
      activate<T>(j.activation, a, value, s);
      store<T>(h[l] + i, value);
      if (j.activation == SILU) store<T>(d[l] + i, s);
    }
  }

  void weigh(int64_t l, int64_t from, int64_t to, int64_t k0, int64_t k1) {  // rows from..to read k0..k1 below
    product<T, V>(this->weight(l) + from * this->ld(l) + k0, this->ld(l), 1, (l ? h[l - 1] : inputs) + k0 * TILE<T, V>, k1 - k0,
               h[l] + from * TILE<T, V>, to - from);
  }

  // theta of positions i0..i1 reads units u0..u1 and inputs k0..k1
  void outputs(int64_t block, int64_t i0, int64_t i1, int64_t u0, int64_t u1, int64_t k0, int64_t k1) {
    const int64_t H = this->units_last, N = n * numbers;
    if (j.natural && i1 - i0 > 1) {  // rows that lie together in memory
      for (int64_t p = 0; p < P; ++p) {
        T* to = theta + (p * BLOCK + i0 - block) * TILE<T, V>;
        product<T, V>(this->out + (p * n + i0) * H + u0, H, 1, h[L - 1] + u0 * TILE<T, V>, u1 - u0, to, i1 - i0);
        if (this->direct) product<T, V>(this->direct + (p * n + i0) * N + k0, N, 1, inputs + k0 * TILE<T, V>, k1 - k0, to, i1 - i0);
      }
      return;
    }
    for (int64_t i = i0; i < i1; ++i) {
      T* to = theta + (i - block) * TILE<T, V>;
      product<T, V>(this->out + j.order[i] * H + u0, n * H, 1, h[L - 1] + u0 * TILE<T, V>, u1 - u0, to, P, BLOCK);
      if (this->direct)
        product<T, V>(this->direct + j.order[i] * N + k0, n * N, 1, inputs + k0 * TILE<T, V>, k1 - k0, to, P, BLOCK);
    }
  }

  void encode(int64_t i) {
    const T* value = x + i * TILE<T, V>;
    T* to = inputs + i * numbers * TILE<T, V>;
    if (j.encoding == NUMBERS) { std::memcpy(to, value, sizeof(T) * TILE<T, V>); return; }
    for (int s = 0; s < TILE<T, V>; ++s)
      if (j.encoding == SIGNS) to[s] = 2 * value[s] - 1;
      else for (int64_t c = 0; c < numbers; ++c) to[c * TILE<T, V> + s] = value[s] == T(c);
  }

  void read_noise(int64_t at, int64_t count) {
    const bool wide = j.map == BERNOULLI || j.map == CATEGORICAL;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t s = 0; s < count; ++s) {
        const int64_t from = (at + s) * n + j.order[i];
        if (wide) z[i * TILE<T, V> + s] = ((const double*)j.z)[from];
        else ((T*)z)[i * TILE<T, V> + s] = ((const T*)j.z)[from];
      }
  }

  void tile(int64_t at, int64_t count) {
    read_noise(at, count);
    std::memset(sum, 0, sizeof(T) * TILE<T, V>);
    for (int64_t l = 0; l < L; ++l) {  // units that read the context alone
      biases(l, 0, this->end(l, 0), at, count);
      weigh(l, 0, this->end(l, 0), 0, this->reads(l, 0));
      finish(l, 0, this->end(l, 0));
    }
    for (int64_t i0 = 0; i0 < n; i0 += BLOCK) block(i0, i0 + BLOCK < n ? i0 + BLOCK : n, at, count);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t s = 0; s < count; ++s) ((T*)j.x)[(at + s) * n + j.order[i]] = x[i * TILE<T, V> + s];
    std::memcpy((T*)j.log_det + at, sum, count * sizeof(T));
    if (!j.kept) return;
    for (int64_t l = 0; l < L; ++l)
      for (int64_t u = 0; u < j.layer[l].units; ++u) {
        keep_row<T>(j.kept, j.rows, this->first_row[l] + u, at, h[l] + u * TILE<T, V>, count);
        if (j.activation == SILU)
          keep_row<T>(j.kept, j.rows, this->first_row[L] + this->first_row[l] + u, at, d[l] + u * TILE<T, V>, count);
      }
  }

  void block(int64_t i0, int64_t i1, int64_t at, int64_t count) {
    const T* bias = (const T*)j.out_bias;
    for (int64_t p = 0; p < P; ++p)
      for (int64_t i = i0; i < i1; ++i)
        for (int s = 0; s < TILE<T, V>; s += lanes<T>)
          store<T>(theta + (p * BLOCK + i - i0) * TILE<T, V> + s, all(bias[p * n + j.order[i]]));
    outputs(i0, i0, i1, 0, this->end(L - 1, i0), 0, i0 * numbers);
    for (int64_t l = 0; l < L; ++l) {
      const int64_t from = this->end(l, i0), to = this->end(l, i1 < n ? i1 : n - 1);
      biases(l, from, to, at, count);
      weigh(l, from, to, 0, this->reads(l, i0));
    }
    for (int64_t i = i0; i < i1; ++i) {
      outputs(i0, i, i + 1, this->end(L - 1, i0), this->end(L - 1, i), i0 * numbers, i * numbers);
      const T* own = theta + (i - i0) * TILE<T, V>;
      const bool wide = j.map == BERNOULLI || j.map == CATEGORICAL;
      const void* noise = wide ? (const void*)(z + i * TILE<T, V>) : (const void*)((T*)z + i * TILE<T, V>);
      map_inverse<T, V>(j, noise, own, BLOCK * TILE<T, V>, x + i * TILE<T, V>, slope);
      for (int s = 0; s < TILE<T, V>; s += lanes<T>) store<T>(sum + s, load(sum + s) + load(slope + s));
      if (j.kept) {
        for (int64_t p = 0; p < P; ++p)
          keep_row<T>(j.kept, j.rows, this->theta_row() + p * n + j.order[i], at, own + p * BLOCK * TILE<T, V>, count);
        keep_row<T>(j.kept, j.rows, this->slope_row() + j.order[i], at, slope, count);
      }
      if (i + 1 == n) return;
      encode(i);
      for (int64_t l = 0; l < L; ++l) {
        weigh(l, this->end(l, i), this->end(l, i + 1), this->reads(l, i0), this->reads(l, i + 1));
        finish(l, this->end(l, i), this->end(l, i + 1));
      }
    }
  }
};

template <class Tiles, int size> void in_tiles(const SweepJob& j, int64_t first, int64_t last) {
  Tiles one(j);
  for (int64_t at = first; at < last; at += size) one.tile(at, last - at < size ? last - at : size);
}

template <class T> void sweep(const SweepJob& j, int64_t first, int64_t last) {
  if (last - first > TILE<T, 2>) in_tiles<Sweep<T, 4>, TILE<T, 4>>(j, first, last);
  else in_tiles<Sweep<T, 2>, TILE<T, 2>>(j, first, last);  // few samples
}

}  // namespace
