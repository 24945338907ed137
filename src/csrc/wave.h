// WaveNet one moment at a time. A row is a stream; vectors lie along the channels, so one stream fills them as well as many.
#pragma once

#include "draw.h"
#include "elementwise.h"

namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int WIDE = 4;  // vectors of a sum; with 4 streams, 16 sums, 4 weights and a source of 32 registers
#else
constexpr int WIDE = 2;
#endif

// S streams and V vectors: out = from + in w, w (k, ld).
template <class T, int S, int V>
void streams(const T* in, int64_t in_ld, int64_t k, const T* w, int64_t ld, const T* from, int64_t from_ld, T* out, int64_t out_ld) {
  constexpr int W = lanes<T>;
  Vec<T> sum[S][V];
#pragma GCC unroll 8
  for (int s = 0; s < S; ++s)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[s][v] = load(from + s * from_ld + v * W);
  for (int64_t j = 0; j < k; ++j) {
    Vec<T> weight[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) weight[v] = load(w + j * ld + v * W);
#pragma GCC unroll 8
    for (int s = 0; s < S; ++s) {
      const Vec<T> value = all(in[s * in_ld + j]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[s][v] += value * weight[v];
    }
  }
#pragma GCC unroll 8
  for (int s = 0; s < S; ++s)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store<T>(out + s * out_ld + v * W, sum[s][v]);
}

template <class T> struct Rows { T* at; int64_t ld; };  // of a matrix

template <class T, int V>
void columns(int64_t rows, Rows<const T> in, int64_t k, const T* w, int64_t ld, Rows<const T> from, Rows<T> out) {
  auto some = [&](auto kernel, int64_t s) {
    kernel(in.at + s * in.ld, in.ld, k, w, ld, from.at + s * from.ld, from.ld, out.at + s * out.ld, out.ld);
  };
  int64_t s = 0;
  for (; s + 4 <= rows; s += 4) some(streams<T, 4, V>, s);
  for (; s + 2 <= rows; s += 2) some(streams<T, 2, V>, s);
  if (s < rows) some(streams<T, 1, V>, s);
}

// out = from + in w for `rows` streams and n columns, whole vectors of them.
template <class T> void into(int64_t rows, Rows<const T> in, int64_t k, const T* w, int64_t n, Rows<const T> from, Rows<T> out) {
  constexpr int W = lanes<T>;
  int64_t c = 0;
  if (rows == 1)  // one stream: more sums, or each would wait for itself
    for (; c + 2 * WIDE * W <= n; c += 2 * WIDE * W)
      streams<T, 1, 2 * WIDE>(in.at, in.ld, k, w + c, n, from.at + c, from.ld, out.at + c, out.ld);
  for (; c + WIDE * W <= n; c += WIDE * W) columns<T, WIDE>(rows, in, k, w + c, n, {from.at + c, from.ld}, {out.at + c, out.ld});
  for (; c < n; c += W) columns<T, 1>(rows, in, k, w + c, n, {from.at + c, from.ld}, {out.at + c, out.ld});
}

// tanh(u / 2) sigmoid(v) by one division: (1 - e^-u) / ((1 + e^-u)(1 + e^-v)). Beyond the limits nothing changes any more.
template <class T> INLINE Vec<T> gated(Vec<T> u, Vec<T> v) {
  const Vec<T> limit = all(T(sizeof(T) == 4 ? 40 : 300)), low = -limit;
  const Vec<T> a = vexp<T>(-smaller<T>(larger<T>(u, low), limit)), b = vexp<T>(-smaller<T>(larger<T>(v, low), limit));
  const Vec<T> y = (T(1) - a) / ((T(1) + a) * (T(1) + b)), sum = u + v;
  return (u == u) & (v == v) ? y : sum;
}

template <class T> struct Wave {
  const WaveJob& j;
  const int64_t B, C, G, S, O, first, count;  // padded widths; the streams of this share
  Scratch<T> scratch;
  T *h, *open, *y, *skip, *hidden, *theta;
  double* wide;

  Wave(const WaveJob& job, int64_t a, int64_t b)
      : j(job), B(job.rows), C(job.padded_channels), G(job.padded_gates), S(job.padded_skips), O(job.padded_out), first(a),
        count(b - a), scratch((b - a) * (C + 3 * G + 2 * S + O) + 5 * (job.size + FLUVIAL_BYTES) * (int64_t)(sizeof(double) / sizeof(T))) {
    h = scratch.take(count * C);
    open = scratch.take(count * 2 * G);
    y = scratch.take(count * G);
    skip = scratch.take(count * S);
    hidden = scratch.take(count * S);
    theta = scratch.take(count * O);
    wide = (double*)scratch.take(0);
  }

  void push(const T* now, int64_t ld) {  // the newest numbers of each stream
    for (int64_t b = 0; b < count; ++b) {
      T* kept = (T*)j.values + (first + b) * j.inputs;
      for (int64_t n = 0; n < j.numbers; ++n) {
        T* own = kept + n * j.first;
        for (int64_t f = 0; f + 1 < j.first; ++f) own[f] = own[f + 1];
        own[j.first - 1] = now[b * ld + n];
      }
    }
  }

  void add(T* to, const T* row, T by) {
    for (int64_t c = 0; c < C; c += lanes<T>) store<T>(to + c, load(to + c) + by * load(row + c));
  }

  void embed() {
    const T* table = (const T*)j.inlet;
    std::memset(h, 0, count * C * sizeof(T));
    for (int64_t b = 0; b < count; ++b)
      for (int64_t i = 0; i < j.inputs; ++i) {
        const T value = ((const T*)j.values)[(first + b) * j.inputs + i];
        if (j.classes) {
          if (value >= 0 && value < j.classes) add(h + b * C, table + (i * j.classes + (int64_t)value) * C, T(1));
        } else if (value == value) {
          add(h + b * C, table + i * C, (value - T(j.centre)) / T(j.spread));
          add(h + b * C, table + (j.inputs + i) * C, T(1));
        }
      }
  }

  void refresh(int64_t row) {  // the gates of a row of the series
    for (int64_t l = 0; l < j.layers; ++l) {
      const Rows<const T> series{(const T*)j.series + (first * j.context_rows + row) * j.context, j.context_rows * j.context};
      into<T>(count, series, j.context, (const T*)j.given + l * j.context * 2 * G, 2 * G, {(const T*)j.bias + l * 2 * G, 0},
              {gates(l), 2 * G});
    }
  }

  T* gates(int64_t l) const { return (T*)j.gate + (l * B + first) * 2 * G; }

  void layer(int64_t l, int64_t step, T* ring) {
    const T* taps = (const T*)j.taps + l * j.kernel * j.channels * 2 * G;
    const int64_t dilation = j.dilations[l], span = (j.kernel - 1) * dilation, tap = j.channels * 2 * G;
    auto slot = [&](int64_t lag) { return ring + ((step + span - lag) % span * B + first) * C; };
    Rows<const T> from{gates(l), 2 * G};
    const Rows<T> to{open, 2 * G};
    for (int64_t k = 0; k + 1 < j.kernel; ++k) {
      into<T>(count, {slot((j.kernel - 1 - k) * dilation), C}, j.channels, taps + k * tap, 2 * G, from, to);
      from = {open, 2 * G};
    }
    into<T>(count, {h, C}, j.channels, taps + (j.kernel - 1) * tap, 2 * G, from, to);
    std::memcpy(slot(span), h, count * C * sizeof(T));  // in the place of the oldest
    for (int64_t b = 0; b < count; ++b)
      for (int64_t g = 0; g < G; g += lanes<T>)
        store<T>(y + b * G + g, gated<T>(load(open + b * 2 * G + g), load(open + b * 2 * G + G + g)));
    into<T>(count, {y, G}, j.gates, (const T*)j.skip + l * j.gates * S, S, {skip, S}, {skip, S});
    if (l + 1 < j.layers) into<T>(count, {y, G}, j.gates, (const T*)j.mix + l * j.gates * C, C, {h, C}, {h, C});
  }

  void rectify(T* a) {
    for (int64_t i = 0; i < count * S; i += lanes<T>) {
      const Vec<T> v = load(a + i);
      store<T>(a + i, v < T(0) ? Vec<T>{} : v);
    }
  }

  void network(int64_t step) {
    if (j.series && step % j.upsample == 0) refresh(step / j.upsample);
    embed();
    for (int64_t b = 0; b < count; ++b) std::memcpy(skip + b * S, j.skip_bias, S * sizeof(T));
    T* ring = (T*)j.ring;
    for (int64_t l = 0; l < j.layers; ++l) {
      layer(l, step, ring);
      ring += (j.kernel - 1) * j.dilations[l] * B * C;
    }
    rectify(skip);
    into<T>(count, {skip, S}, j.skips, (const T*)j.hidden, S, {(const T*)j.hidden_bias, 0}, {hidden, S});
    rectify(hidden);
    into<T>(count, {hidden, S}, j.skips, (const T*)j.last, O, {(const T*)j.last_bias, 0}, {theta, O});
  }

  void draw(int64_t i) {
    const int64_t N = j.numbers;
    for (int64_t b = 0; b < count; ++b) {
      const int64_t at = ((first + b) * j.steps + i) * N;
      T* x = (T*)j.x + at;
      double surprise = 0;
      for (int64_t n = 0; n < N; ++n) {
        const double given = j.known ? (double)((const T*)j.known)[at + n] : __builtin_nan("");
        const Draws one{((const double*)j.z)[at + n], given, 1 / j.temperature};
        const Drawn drawn = j.draw == DRAW_CATEGORICAL ? categorical_draw<T>(one, theta + b * O + n, N, j.size, wide)
                                                       : logistics_draw<T>(one, theta + b * O + n, N, j, wide);
        x[n] = T(drawn.x);
        surprise += drawn.surprise;
      }
      ((T*)j.log_det)[(first + b) * j.steps + i] = T(surprise);
    }
    push((const T*)j.x + (first * j.steps + i) * N, j.steps * N);
  }

  void run() {
    if (j.previous) push((const T*)j.previous + first * j.numbers, j.numbers);
    for (int64_t i = 0; i < j.steps; ++i) {
      network(j.step + i);
      if (j.draw != THETA) draw(i);
      else
        for (int64_t b = 0; b < count; ++b)
          std::memcpy((T*)j.theta + (first + b) * j.size * j.numbers, theta + b * O, j.size * j.numbers * sizeof(T));
    }
  }
};

template <class T> void wave(const WaveJob& j, int64_t first, int64_t last) { Wave<T>(j, first, last).run(); }

}  // namespace
