// The rational-quadratic spline (Durkan et al. 2019, arXiv 1906.04032), one vector of elements at a time. The formulas and
// the order of their terms are those of kernels/spline.py, which explains them.
#pragma once

#include "simd.h"

namespace {

constexpr double MIN_SIZE = 1e-3, MIN_SLOPE = 1e-3;
constexpr double UNIT_RAW = 0.539742417236952;  // softplus(UNIT_RAW) + MIN_SLOPE = 1
constexpr int MOST_BINS = 500;

template <class T> struct Shape {
  int bins;
  bool circular;
  T bound;
  INLINE int size() const { return 3 * bins - !circular; }
};

// The bin of each element: corner, size, slopes, and what the gradient reads of the logits.
template <class T> struct Bin {
  Vec<T> x0, y0, w, h, d0, d1;
  Vec<T> left_x, left_y, mass_x, mass_y, total_x, total_y;  // of exp(logit - max)
  Vec<T> raw0, raw1, index, poison;                         // poison: NaN where a logit is NaN or +inf, else 0
};

// exp(logit - max) of K logits with stride ld into e; returns their sum.
template <class T, int K> INLINE Vec<T> exponentials(const T* logits, int64_t ld, int bins, Vec<T>* e, Vec<T>& poison) {
  const int n = K ? K : bins;
  Vec<T> top = load(logits);
#pragma GCC unroll 16
  for (int k = 0; k < n; ++k) {
    e[k] = load(logits + k * ld);
    top = larger<T>(top, e[k]);
  }
  Vec<T> total{}, distance{};
#pragma GCC unroll 16
  for (int k = 0; k < n; ++k) {
    e[k] -= top;
    distance += e[k];
    e[k] = exp_negative<T>(e[k]);
    total += e[k];
  }
  poison = distance == distance ? poison : distance;
  return total;
}

// Along the widths, or along the heights when BY_Y.
template <class T, int K, bool BY_Y>
INLINE void locate(const T* theta, int64_t ld, const Shape<T>& s, Vec<T> key, Vec<T>* ex, Vec<T>* ey, Bin<T>& o) {
  const int n = K ? K : s.bins;
  const T share = T(1) - n * T(MIN_SIZE);
  o.poison = Vec<T>{};
  o.total_x = exponentials<T, K>(theta, ld, n, ex, o.poison);
  o.total_y = exponentials<T, K>(theta + n * ld, ld, n, ey, o.poison);
  const Vec<T> scale = (BY_Y ? o.total_y : o.total_x) * (T(1) / share);
  const Vec<T> at = (key + s.bound) * (T(0.5) / s.bound) * scale, step = scale * T(MIN_SIZE);
  const T* raw = theta + 2 * n * ld;
  Vec<T> sum_x{}, sum_y{};
  o.left_x = o.left_y = o.index = Vec<T>{};
  o.mass_x = ex[0];
  o.mass_y = ey[0];
  o.raw0 = s.circular ? load(raw) : Vec<T>{};
  o.raw1 = load(raw + (s.circular ? 1 % n : 0) * ld);
#pragma GCC unroll 16
  for (int k = 1; k < n; ++k) {
    sum_x += ex[k - 1];
    sum_y += ey[k - 1];
    const auto beyond = at - T(k) * step >= (BY_Y ? sum_y : sum_x);
    o.left_x = beyond ? sum_x : o.left_x;
    o.left_y = beyond ? sum_y : o.left_y;
    o.mass_x = beyond ? ex[k] : o.mass_x;
    o.mass_y = beyond ? ey[k] : o.mass_y;
    o.raw0 = beyond ? load(raw + (s.circular ? k : k - 1) * ld) : o.raw0;
    const Vec<T> next = k < n - 1 ? load(raw + (s.circular ? k + 1 : k) * ld) : (s.circular ? load(raw) : Vec<T>{});
    o.raw1 = beyond ? next : o.raw1;
    o.index = beyond ? all(T(k)) : o.index;
  }
  const T span = 2 * s.bound;
  const Vec<T> by_x = T(1) / o.total_x, by_y = T(1) / o.total_y;
  const Vec<T> floor = o.index * T(MIN_SIZE);
  o.x0 = (o.left_x * by_x * share + floor) * span - s.bound;
  o.y0 = (o.left_y * by_y * share + floor) * span - s.bound;
  o.w = o.mass_x * by_x * (span * share) + span * T(MIN_SIZE) + o.poison;
  o.h = o.mass_y * by_y * (span * share) + span * T(MIN_SIZE) + o.poison;
  o.d0 = softplus<T>(o.raw0 + T(UNIT_RAW)) + T(MIN_SLOPE);
  o.d1 = softplus<T>(o.raw1 + T(UNIT_RAW)) + T(MIN_SLOPE);
  if (!s.circular) {
    o.d0 = o.index == T(0) ? all(T(1)) : o.d0;
    o.d1 = o.index == T(n - 1) ? all(T(1)) : o.d1;
  }
}

// y and log dy/dx inside the bin (eq. 4 and 5).
template <class T> INLINE Vec<T> evaluate(Vec<T> x, const Bin<T>& b, Vec<T>& log_slope) {
  const Vec<T> by_w = T(1) / b.w, s = b.h * by_w, t = (x - b.x0) * by_w, r = T(1) - t, q = t * r;
  const Vec<T> by_den = T(1) / (s + (b.d0 + b.d1 - 2 * s) * q);
  const Vec<T> curve = b.d1 * t * t + 2 * s * q + b.d0 * r * r;
  log_slope = 2 * vlog<T>(s * by_den) + vlog<T>(curve);
  return b.y0 + b.h * (s * t * t + b.d0 * q) * by_den;
}

// x of y inside the bin: the stable root of the quadratic (eq. 6-8), then one Newton step.
template <class T> INLINE Vec<T> solve(Vec<T> y, const Bin<T>& b, Vec<T>& log_slope) {
  const Vec<T> by_w = T(1) / b.w, s = b.h * by_w, v = y - b.y0, bend = b.d0 + b.d1 - 2 * s;
  const Vec<T> qa = b.h * (s - b.d0) + v * bend, qb = b.h * b.d0 - v * bend, qc = -s * v;
  const Vec<T> discriminant = qb * qb - 4 * qa * qc;
  Vec<T> t = 2 * qc / (-qb - root(larger<T>(discriminant, Vec<T>{})));
  t = t > T(0) ? t : Vec<T>{};
  t = t < T(1) ? t : all(T(1));
  const Vec<T> r = T(1) - t, q = t * r, by_den = T(1) / (s + bend * q);
  const Vec<T> again = b.y0 + b.h * (s * t * t + b.d0 * q) * by_den;
  const Vec<T> slope = s * s * (b.d1 * t * t + 2 * s * q + b.d0 * r * r) * by_den * by_den;
  const Vec<T> polished = b.x0 + t * b.w - (again - y) / slope;
  const Vec<T> clamped = smaller<T>(larger<T>(polished, b.x0), b.x0 + b.w);
  const Vec<T> x = polished == polished ? clamped : polished;
  evaluate<T>(x, b, log_slope);
  return x;
}

template <class T> struct Adjoint { Vec<T> x, y0, w, h, d0, d1; };  // x0's is minus x's

// Gradients of g_y y + g_l log(dy/dx) inside one bin.
template <class T> INLINE Adjoint<T> pull(Vec<T> x, const Bin<T>& b, Vec<T> g_y, Vec<T> g_l) {
  const Vec<T> by_w = T(1) / b.w, s = b.h * by_w, t = (x - b.x0) * by_w, r = T(1) - t, q = t * r;
  const Vec<T> bend = b.d0 + b.d1 - 2 * s, by_den = T(1) / (s + bend * q);
  const Vec<T> share = (s * t * t + b.d0 * q) * by_den, curve = b.d1 * t * t + 2 * s * q + b.d0 * r * r;
  const Vec<T> g_n = g_y * b.h * by_den, g_den = -(g_y * b.h * share + 2 * g_l) * by_den;
  const Vec<T> g_curve = g_l / curve;
  const Vec<T> g_s = g_n * t * t + g_den * (1 - 2 * q) + 2 * g_curve * q + 2 * g_l / s;
  const Vec<T> g_q = g_n * b.d0 + g_den * bend + 2 * g_curve * s;
  const Vec<T> g_t = 2 * t * (g_n * s + g_curve * b.d1) - 2 * r * g_curve * b.d0 + g_q * (r - t);
  Adjoint<T> g;
  g.x = g_t * by_w;
  g.y0 = g_y;
  g.h = g_y * share + g_s * by_w;
  g.w = -(g_s * s + g_t * t) * by_w;
  g.d0 = (g_n + g_den) * q + g_curve * r * r;
  g.d1 = g_den * q + g_curve * t * t;
  return g;
}

// Gradients at theta from those at the bin.
template <class T, int K>
INLINE void push(const Shape<T>& s, const Bin<T>& b, const Adjoint<T>& g, Vec<T>* ex, Vec<T>* ey, T* out, int64_t ld) {
  const int n = K ? K : s.bins;
  const T unit = 2 * s.bound * (T(1) - n * T(MIN_SIZE));
  for (int axis = 0; axis < 2; ++axis) {
    const Vec<T>* e = axis ? ey : ex;
    const Vec<T> by_total = T(1) / (axis ? b.total_y : b.total_x);
    const Vec<T> g_left = (axis ? g.y0 : -g.x) * (unit * by_total), g_size = (axis ? g.h : g.w) * (unit * by_total);
    const Vec<T> dot = (g_left * (axis ? b.left_y : b.left_x) + g_size * (axis ? b.mass_y : b.mass_x)) * by_total;
#pragma GCC unroll 16
    for (int k = 0; k < n; ++k) {
      const Vec<T> own = b.index > T(k) ? g_left : (b.index == T(k) ? g_size : Vec<T>{});
      store<T>(out + (axis * n + k) * ld, e[k] * (own - dot));
    }
  }
  Vec<T> g0 = g.d0 * sigmoid<T>(b.raw0 + T(UNIT_RAW)), g1 = g.d1 * sigmoid<T>(b.raw1 + T(UNIT_RAW));
  T* raw = out + 2 * n * ld;
  if (s.circular) {
    const Vec<T> next = b.index == T(n - 1) ? Vec<T>{} : b.index + T(1);
#pragma GCC unroll 16
    for (int k = 0; k < n; ++k)
      store<T>(raw + k * ld, (b.index == T(k) ? g0 : Vec<T>{}) + (next == T(k) ? g1 : Vec<T>{}));
  } else {
#pragma GCC unroll 16
    for (int k = 0; k < n - 1; ++k)
      store<T>(raw + k * ld, (b.index == T(k + 1) ? g0 : Vec<T>{}) + (b.index == T(k) ? g1 : Vec<T>{}));
  }
}

template <class T> struct Element { const T *x, *y, *slope, *g_y, *g_slope; T *out1, *out2; };

// One vector of elements. theta and g_theta have rows of stride ld and g_ld.
template <class T, int K, bool INVERSE, bool GRADIENT>
__attribute__((noinline)) void spline_vector(const Shape<T>& s, const Element<T>& a, const T* theta, int64_t ld, T* g_theta, int64_t g_ld) {
  constexpr int room = K ? K : MOST_BINS;
  Vec<T> ex[room], ey[room];
  const Vec<T> in = load(a.x);
  const Vec<T> key = smaller<T>(larger<T>(in, all(-s.bound)), all(s.bound));
  const auto inside = (in >= -s.bound) & (in <= s.bound);
  const Vec<T> none{};
  Bin<T> b;
  locate<T, K, INVERSE>(theta, ld, s, key, ex, ey, b);
  if constexpr (!GRADIENT) {
    Vec<T> log_slope;
    const Vec<T> out = INVERSE ? solve<T>(key, b, log_slope) : evaluate<T>(key, b, log_slope);
    store<T>(a.out1, inside ? out : in);
    store<T>(a.out2, inside ? (INVERSE ? -log_slope : log_slope) : none);
  } else {
    const Vec<T> g_y = load(a.g_y), g_l = inside ? load(a.g_slope) : none;
    if constexpr (INVERSE) {
      // log_det = -l(x(z, theta), theta): its part in x first, then x itself through z = f(x, theta)
      const Vec<T> x = smaller<T>(larger<T>(load(a.y), all(-s.bound)), all(s.bound));
      const Vec<T> by_slope = vexp<T>(inside ? load(a.slope) : none);
      const Vec<T> g_z = (inside ? g_y + pull<T>(x, b, none, -g_l).x : g_y) * by_slope;
      const Adjoint<T> g = pull<T>(x, b, inside ? -g_z : none, -g_l);
      store<T>(a.out1, g_z);
      push<T, K>(s, b, g, ex, ey, g_theta, g_ld);
    } else {
      const Adjoint<T> g = pull<T>(key, b, inside ? g_y : none, g_l);
      store<T>(a.out1, inside ? g.x : g_y);
      push<T, K>(s, b, g, ex, ey, g_theta, g_ld);
    }
  }
}

}  // namespace
