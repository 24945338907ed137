// The gradient of the sweep, positions in reverse: a gradient at z needs those at all later positions, so this is the
// exact solution of a triangular system, in which again each unit is visited once.
#pragma once

#include "sweep.h"

namespace {

template <class T, int V> struct Pull : Net<T> {
  using Net<T>::j; using Net<T>::n; using Net<T>::P; using Net<T>::L;
  T *g_pre[MOST_LAYERS], *g_theta, *g_inputs, *theta, *z, *x, *slope, *g_slope, *g_z, *row;
  Scratch<T> scratch;

  static int64_t room(const Net<T>& m) { return (m.first_row[m.L] + m.P * m.n + m.n + m.P + 6) * TILE<T, V>; }
  explicit Pull(const SweepJob& job) : Net<T>(job), scratch(room(*this)) {
    for (int64_t l = 0; l < L; ++l) g_pre[l] = scratch.take(j.layer[l].units * TILE<T, V>);
    g_theta = scratch.take(P * n * TILE<T, V>);
    g_inputs = scratch.take(n * TILE<T, V>);
    theta = scratch.take(P * TILE<T, V>);
    z = scratch.take(TILE<T, V>);
    x = scratch.take(TILE<T, V>);
    slope = scratch.take(TILE<T, V>);
    g_slope = scratch.take(TILE<T, V>);
    g_z = scratch.take(TILE<T, V>);
    row = scratch.take(TILE<T, V>);
  }

  void kept(int64_t row, int64_t at, int64_t count, T* to) const {
    std::memcpy(to, (const T*)j.kept + row * j.rows + at, count * sizeof(T));
  }

  // at units from..to of the last layer: what the outputs of positions i0..i1 send
  void from_outputs(int64_t from, int64_t to, int64_t i0, int64_t i1) {
    const int64_t H = this->units_last;
    T* target = g_pre[L - 1] + from * TILE<T, V>;
    for (int64_t p = 0; p < P; ++p) {
      const T* sent = g_theta + p * n * TILE<T, V>;
      if (j.natural) product<T, V>(this->out + (p * n + i0) * H + from, 1, H, sent + i0 * TILE<T, V>, i1 - i0, target, to - from);
      else
        for (int64_t i = i0; i < i1; ++i)
          product<T, V>(this->out + (p * n + j.order[i]) * H + from, 1, H, sent + i * TILE<T, V>, 1, target, to - from);
    }
  }

  // at what layer l reads, from..to, what its units u0..u1 send
  void from_layer(int64_t l, int64_t from, int64_t to, int64_t u0, int64_t u1) {
    T* target = (l ? g_pre[l - 1] : g_inputs) + from * TILE<T, V>;
    product<T, V>(this->weight(l) + u0 * this->ld(l) + from, 1, this->ld(l), g_pre[l] + u0 * TILE<T, V>, u1 - u0, target, to - from);
  }

  void from_direct(int64_t from, int64_t to, int64_t i0, int64_t i1) {
    if (!this->direct) return;
    for (int64_t p = 0; p < P; ++p)
      for (int64_t i = i0; i < i1; ++i)
        product<T, V>(this->direct + (p * n + j.order[i]) * n + from, 1, 1, g_theta + (p * n + i) * TILE<T, V>, 1,
                   g_inputs + from * TILE<T, V>, to - from);
  }

  // gradients at the outputs of units from..to become those at their pre-activations
  void finish(int64_t l, int64_t from, int64_t to, int64_t at, int64_t count) {
    const bool silu = j.activation == SILU, adds = j.residual && l % 2 == 0 && l + 2 < L;
    for (int64_t u = from; u < to; ++u) {
      kept(this->first_row[l] + u + (silu ? this->first_row[L] : 0), at, count, row);
      for (int s = 0; s < TILE<T, V>; s += lanes<T>) {
        T* g = g_pre[l] + u * TILE<T, V> + s;
        const Vec<T> value = load(row + s);
        Vec<T> sent = load(g) * (silu ? value : slope_of<T>(j.activation, value));
        if (adds) sent += load(g_pre[l + 2] + u * TILE<T, V> + s);
        store<T>(g, sent);
      }
    }
  }

  void tile(int64_t at, int64_t count) {
    std::memset(g_pre[0], 0, (this->first_row[L] + P * n + n) * TILE<T, V> * sizeof(T));  // up to g_inputs' end
    std::memcpy(g_slope, (const T*)j.g_log_det + at, count * sizeof(T));
    for (int64_t i1 = n; i1 > 0; i1 -= (i1 - 1) % BLOCK + 1) block(i1 - (i1 - 1) % BLOCK - 1, i1, at, count);
    for (int64_t l = 0; l < L; ++l)
      for (int64_t u = 0; u < j.layer[l].units; ++u)
        keep_row<T>(j.g_kept, j.rows, this->first_row[l] + u, at, g_pre[l] + u * TILE<T, V>, count);
  }

  void block(int64_t i0, int64_t i1, int64_t at, int64_t count) {
    from_outputs(this->end(L - 1, i0 - 1), this->end(L - 1, i1 - 1), i1, n);
    for (int64_t l = L - 1; l > 0; --l)
      from_layer(l, this->end(l - 1, i0 - 1), this->end(l - 1, i1 - 1), this->end(l, i1 - 1), j.layer[l].units);
    from_layer(0, i0, i1, this->end(0, i1 - 1), j.layer[0].units);
    from_direct(i0, i1, i1, n);
    for (int64_t i = i1 - 1; i >= i0; --i) {
      from_layer(0, i, i + 1, this->end(0, i), this->end(0, i1 - 1));
      from_direct(i, i + 1, i + 1, i1);
      position(i, at, count);
      for (int64_t l = L - 1; l >= 0; --l) {
        const int64_t from = this->end(l, i - 1), to = this->end(l, i);
        if (l == L - 1) from_outputs(from, to, i, i1);
        else from_layer(l + 1, from, to, this->end(l + 1, i - 1), this->end(l + 1, i1 - 1));
        finish(l, from, to, at, count);
      }
    }
  }

  void position(int64_t i, int64_t at, int64_t count) {
    const int64_t where = j.order[i];
    for (int64_t s = 0; s < count; ++s) {
      const int64_t from = (at + s) * n + where;
      z[s] = ((const T*)j.z)[from];
      x[s] = ((const T*)j.x)[from];
      g_inputs[i * TILE<T, V> + s] += ((const T*)j.g_x)[from];
    }
    for (int64_t p = 0; p < P; ++p) kept(this->theta_row() + p * n + where, at, count, theta + p * TILE<T, V>);
    kept(this->slope_row() + where, at, count, slope);
    map_pull<T, V>(j, z, x, slope, theta, TILE<T, V>, g_inputs + i * TILE<T, V>, g_slope, g_z, g_theta + i * TILE<T, V>, n * TILE<T, V>);
    for (int64_t s = 0; s < count; ++s) ((T*)j.g_z)[(at + s) * n + where] = g_z[s];
    for (int64_t p = 0; p < P; ++p)
      keep_row<T>(j.g_kept, j.rows, this->first_row[L] + p * n + where, at, g_theta + (p * n + i) * TILE<T, V>, count);
  }
};

template <class T> void sweep_vjp(const SweepJob& j, int64_t first, int64_t last) {
  in_tiles<Pull<T, 4>, TILE<T, 4>>(j, first, last);
}

}  // namespace
