// log p of cells under the laws of their columns (transforms/laws.py, which has the formulas): atoms with probabilities of
// their own beside a mixture of logistics, and the gradient of each with respect to its column's numbers of theta.
//
// Vectors lie along rows: a column's numbers of as many rows as a vector has lanes are turned first, so that all sums over
// atoms and components are sums of vectors, and turned back if a gradient is asked for, which takes their place.
#pragma once

#include "elementwise.h"

namespace {

template <class T> struct Cells {  // of one column, a vector of rows
  Vec<T> atom, low, high, width, log_det, other;  // atom: -1 where the value is none
};

template <class T> struct Column {
  int64_t masses, absent, rest, gridded;  // rest: whether there is one
  T cell, known;
};

constexpr double THINNEST = -9, WIDEST = 4;  // log-scales of a component

template <class T> INLINE Vec<T> where(Ints<T> holds, Vec<T> a, Vec<T> b) { return holds ? a : b; }
template <class T> INLINE bool any(Ints<T> holds) {
  typename Types<T>::ints none{};
  return std::memcmp(&holds, &none, sizeof none) != 0;
}

// exp(logit - top) of n vectors into e, and log(sum exp(logit)); NaN where a logit is NaN or +inf, or all are -inf.
template <class T> INLINE Vec<T> softmax(const T* logits, int64_t n, T* e, Vec<T>& by_total) {
  constexpr int W = lanes<T>;
  Vec<T> top = load(logits), total{}, distance{};
  for (int64_t k = 1; k < n; ++k) top = larger<T>(top, load(logits + k * W));
  for (int64_t k = 0; k < n; ++k) {
    const Vec<T> away = load(logits + k * W) - top, value = exp_negative<T>(away);
    distance = away == away ? distance : away;
    total += value;
    store<T>(e + k * W, value);
  }
  by_total = T(1) / total;
  return top + vlog<T>(total) + distance;
}

// log f of a mixture. With the edges a > b of a cell in units of a component, each is
//   weight (1 - exp(b - a)) / ((1 + exp(-a)) (1 + exp(b))),
// of which the exponentials that may be large are taken out, so that no logarithm of a single component is needed.
template <class T> struct Mixture {
  static constexpr int W = lanes<T>;
  int64_t K;
  T *e, *p, *of_mean, *of_scale;  // of each component: exp(weight - top), its part, and d log(part) / d mean and scale
  Vec<T> by_weights, by_parts;

  static int64_t room(int64_t components) { return 4 * components * W; }

  template <bool GRADIENT> INLINE Vec<T> log_f(const T* weights, const Cells<T>& c, bool gridded) {
    const T *means = weights + K * W, *scales = means + K * W;
    Vec<T> top = all(T(-__builtin_inf())), poison{};
    for (int64_t k = 0; k < K; ++k) {
      const Vec<T> raw = load(scales + k * W), mean = load(means + k * W);
      const Vec<T> scale = smaller<T>(larger<T>(raw, all(T(THINNEST))), all(T(WIDEST))), rate = vexp<T>(-scale);
      const Vec<T> a = (c.high - mean) * rate, b = (c.low - mean) * rate, none{};
      const Vec<T> ea = exp_negative<T>(-absolute<T>(a)), eb = exp_negative<T>(-absolute<T>(b));
      const Vec<T> by_a = T(1) / (T(1) + ea), by_b = T(1) / (T(1) + eb);
      Vec<T> inside = rate;
      if (gridded) inside = -expm1_negative<T>(-c.width * rate);
      poison = (raw == raw) & (a == a) & (b == b) ? poison : raw + a + b;
      const Vec<T> outside = load(weights + k * W) + smaller<T>(a, none) - larger<T>(b, none);
      top = larger<T>(top, outside);
      store<T>(e + k * W, outside);
      store<T>(p + k * W, inside * by_a * by_b);
      if constexpr (GRADIENT) {
        const Vec<T> above = where<T>(a > T(0), ea, all(T(1))) * by_a, below = where<T>(b > T(0), all(T(1)), eb) * by_b;
        Vec<T> wider = all(T(-1));  // of the width, or the density
        if (gridded) wider = where<T>(inside > T(0), c.width * rate * (inside - T(1)) / inside, wider);
        const auto moves = (raw >= T(THINNEST)) & (raw <= T(WIDEST));
        store<T>(of_mean + k * W, rate * (below - above));
        store<T>(of_scale + k * W, where<T>(moves, wider - a * above + b * below, none));
      }
    }
    top = where<T>(top > T(-__builtin_inf()), top, Vec<T>{});
    Vec<T> total{};
    for (int64_t k = 0; k < K; ++k) {
      const Vec<T> part = exp_negative<T>(load(e + k * W) - top) * load(p + k * W);
      store<T>(p + k * W, part);
      total += part;
    }
    by_parts = where<T>(total > T(0), T(1) / total, Vec<T>{});
    return top + vlog<T>(total) - softmax<T>(weights, K, e, by_weights) + c.log_det + poison;
  }

  // Of log f, times `share`, in the place of weights, means and scales.
  INLINE void gradient(T* weights, Vec<T> share) const {
    const auto counts = share > T(0);  // else 0, whatever the value
    for (int64_t k = 0; k < K; ++k) {
      const Vec<T> own = share * load(p + k * W) * by_parts;
      store<T>(weights + k * W, own - share * load(e + k * W) * by_weights);
      store<T>(weights + (K + k) * W, counts ? own * load(of_mean + k * W) : share);
      store<T>(weights + (2 * K + k) * W, counts ? own * load(of_scale + k * W) : share);
    }
  }
};

// log p of a column's cells; with a gradient, that takes theta's place.
template <class T, bool GRADIENT>
Vec<T> law_vector(const Column<T>& law, const Cells<T>& c, T* theta, T* e, Mixture<T>& mixture) {
  constexpr int W = lanes<T>;
  const int64_t codes = law.masses + law.rest;
  const Vec<T> none{}, one = all(T(1)), never = all(T(-__builtin_inf()));
  const auto atom = c.atom >= T(0), missing = atom & (c.atom == T(law.absent));
  Vec<T> by_total, chosen{};
  const Vec<T> log_total = softmax<T>(theta, codes, e, by_total);
  for (int64_t k = 0; k < law.masses; ++k) chosen = c.atom == T(k) ? load(theta + k * W) : chosen;
  Vec<T> of_known = atom ? one : none, of_rest{};
  Vec<T> log_p = chosen - log_total + T(law.known);
  if (law.gridded) log_p += missing ? none : all(T(law.cell));
  log_p = atom ? log_p : c.other;
  if (law.rest) {
    const auto drawn = law.gridded ? ~missing : ~atom;
    Vec<T> rest = never;
    if (any<T>(drawn)) rest = load(theta + law.masses * W) - log_total + mixture.template log_f<GRADIENT>(theta + codes * W, c, law.gridded);
    const auto both = drawn & atom;
    const Vec<T> apart = rest - log_p, far = exp_negative<T>(-absolute<T>(apart)), share = T(1) / (T(1) + far);
    const Vec<T> top = larger<T>(rest, log_p);
    const Vec<T> sum = top == never ? rest + log_p : top + log1p_unit<T>(far) + (apart == apart ? none : apart);
    of_rest = both ? (apart > T(0) ? share : far * share) : (drawn ? one : none);
    of_known = both ? (apart > T(0) ? far * share : share) : of_known;
    log_p = both ? sum : (drawn ? rest : log_p);
    if (GRADIENT && any<T>(drawn)) mixture.gradient(theta + codes * W, of_rest);
    else if (GRADIENT) std::memset(theta + codes * W, 0, 3 * mixture.K * W * sizeof(T));
  }
  if constexpr (GRADIENT) {
    const Vec<T> all_codes = (of_known + of_rest) * by_total;
    for (int64_t k = 0; k < codes; ++k) {
      const Vec<T> own = k == law.masses ? of_rest : (c.atom == T(k) ? of_known : none);
      store<T>(theta + k * W, own - all_codes * load(e + k * W));
    }
  }
  return log_p;
}

template <class T> struct LawsOfRows {
  static constexpr int W = lanes<T>;
  const LawsJob& j;
  Scratch<T> scratch;
  T *theta, *e;
  Mixture<T> mixture;

  explicit LawsOfRows(const LawsJob& job) : j(job), scratch(job.widest * 2 * W + Mixture<T>::room(job.components)) {
    theta = scratch.take(j.widest * W);
    e = scratch.take(j.widest * W);
    mixture.K = j.components;
    T** const parts[] = {&mixture.e, &mixture.p, &mixture.of_mean, &mixture.of_scale};
    for (T** part : parts) *part = scratch.take(j.components * W);
  }

  Column<T> column(int64_t i) const {
    return {j.masses[i], j.absent[i], j.rest[i], j.gridded[i], T(j.cells[i]), T(j.known[i])};
  }

  // rows at .. at + count - 1; lanes beyond repeat the last one
  void tile(int64_t at, int64_t count) {
    for (int64_t i = 0; i < j.columns; ++i) {
      const int64_t size = j.starts[i + 1] - j.starts[i];
      Cells<T> c;
      for (int l = 0; l < W; ++l) {
        const int64_t b = at + (l < count ? l : count - 1), cell = b * j.columns + i;
        const T* from = (const T*)j.theta + b * j.theta_stride + j.starts[i];
        for (int64_t k = 0; k < size; ++k) theta[k * W + l] = from[k];
        c.atom[l] = T(j.atom[cell]);
        c.other[l] = j.atom[cell] < 0 && j.x[cell] != 0 ? T(j.others[i]) : T(-__builtin_inf());
        c.low[l] = ((const T*)j.low)[cell];
        c.high[l] = ((const T*)j.high)[cell];
        c.width[l] = ((const T*)j.width)[cell];
        c.log_det[l] = ((const T*)j.log_det)[cell];
      }
      const Vec<T> log_p = j.gradient ? law_vector<T, true>(column(i), c, theta, e, mixture)
                                      : law_vector<T, false>(column(i), c, theta, e, mixture);
      for (int l = 0; l < count; ++l) {
        ((T*)j.log_p)[(at + l) * j.columns + i] = log_p[l];
        if (!j.gradient) continue;
        T* to = (T*)j.gradient + (at + l) * j.starts[j.columns] + j.starts[i];
        for (int64_t k = 0; k < size; ++k) to[k] = theta[k * W + l];
      }
    }
  }
};

template <class T> void laws(const LawsJob& j, int64_t first, int64_t last) {
  LawsOfRows<T> one(j);
  for (int64_t at = first; at < last; at += lanes<T>) one.tile(at, last - at < lanes<T> ? last - at : lanes<T>);
}

}  // namespace
