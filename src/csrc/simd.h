// Portable vectors: GCC and Clang vector extensions, one width for each instruction set that this file is compiled for.
//
// Everything lives in an unnamed namespace and uses no template of the standard library: the linker merges equal
// inline functions of different translation units, and would hand AVX-512 code to a machine without it.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define FLUVIAL_BYTES 64
#elif defined(__AVX2__)
#define FLUVIAL_BYTES 32
#else
#define FLUVIAL_BYTES 16
#endif

#define INLINE inline __attribute__((always_inline))

namespace {

template <class T> struct Types;
template <> struct Types<float> {
  typedef float vec __attribute__((vector_size(FLUVIAL_BYTES)));
  typedef int32_t ints __attribute__((vector_size(FLUVIAL_BYTES)));
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  static constexpr float lowest = -86.6f, highest = 88.722839f;  // of exp: normal and finite results
  static constexpr int exp_terms = 7, log_terms = 5, log1p_terms = 8;
};
template <> struct Types<double> {
  typedef double vec __attribute__((vector_size(FLUVIAL_BYTES)));
  typedef int64_t ints __attribute__((vector_size(FLUVIAL_BYTES)));
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double magic = 6755399441055744.0;
  static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  static constexpr double lowest = -707.7, highest = 709.782712893384;
  static constexpr int exp_terms = 13, log_terms = 11, log1p_terms = 17;
};

template <class T> using Vec = typename Types<T>::vec;
template <class T> using Ints = typename Types<T>::ints;
template <class T> constexpr int lanes = FLUVIAL_BYTES / sizeof(T);

template <class T> INLINE Vec<T> all(T a) { return a - Vec<T>{}; }
template <class T> INLINE Vec<T> load(const T* p) { Vec<T> v; std::memcpy(&v, p, sizeof v); return v; }
template <class T> INLINE void store(T* p, Vec<T> v) { std::memcpy(p, &v, sizeof v); }

INLINE Vec<float> root(Vec<float> a) {
#if defined(__AVX512F__)
  return (Vec<float>)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__)
  return (Vec<float>)_mm256_sqrt_ps((__m256)a);
#elif defined(__SSE2__)
  return (Vec<float>)_mm_sqrt_ps((__m128)a);
#elif defined(__aarch64__)
  return (Vec<float>)vsqrtq_f32((float32x4_t)a);
#else
  for (int i = 0; i < lanes<float>; ++i) a[i] = __builtin_sqrtf(a[i]);
  return a;
#endif
}
INLINE Vec<double> root(Vec<double> a) {
#if defined(__AVX512F__)
  return (Vec<double>)_mm512_sqrt_pd((__m512d)a);
#elif defined(__AVX2__)
  return (Vec<double>)_mm256_sqrt_pd((__m256d)a);
#elif defined(__SSE2__)
  return (Vec<double>)_mm_sqrt_pd((__m128d)a);
#elif defined(__aarch64__)
  return (Vec<double>)vsqrtq_f64((float64x2_t)a);
#else
  for (int i = 0; i < lanes<double>; ++i) a[i] = __builtin_sqrt(a[i]);
  return a;
#endif
}

template <class T> INLINE Vec<T> absolute(Vec<T> a) {
  return (Vec<T>)((Ints<T>)a & ~((Ints<T>)all<T>(T(-0.0))));
}
// as the instructions do: the second operand where one is NaN
template <class T> INLINE Vec<T> larger(Vec<T> a, Vec<T> b) { return a > b ? a : b; }
template <class T> INLINE Vec<T> smaller(Vec<T> a, Vec<T> b) { return a < b ? a : b; }

// e^r - 1 for |r| <= ln(2) / 2, by its Taylor polynomial.
template <class T> INLINE Vec<T> small_expm1(Vec<T> r) {
  constexpr int n = Types<T>::exp_terms;
  constexpr T reciprocal[] = {1, 1, T(1) / 2, T(1) / 6, T(1) / 24, T(1) / 120, T(1) / 720, T(1) / 5040, T(1) / 40320,
                              T(1) / 362880, T(1) / 3628800, T(1) / 39916800, T(1) / 479001600, T(1) / 6227020800.0};
  Vec<T> p = all(reciprocal[n]);
#pragma GCC unroll 16
  for (int i = n - 1; i > 0; --i) p = p * r + reciprocal[i];
  return p * r;
}

// a = n ln 2 + r with |r| <= ln(2) / 2; n comes as a vector of numbers and as bits that add n to an exponent.
template <class T> INLINE Vec<T> reduce(Vec<T> a, Vec<T>& n, Ints<T>& shift) {
  using C = Types<T>;
  const Vec<T> t = a * T(1.44269504088896340736) + C::magic;
  n = t - C::magic;
  shift = ((Ints<T>)t - (Ints<T>)all(C::magic)) << C::mantissa;
  return (a - n * C::ln2_high) - n * C::ln2_low;
}

// About one ulp; 0 below the normal numbers, inf above, NaN stays.
template <class T> INLINE Vec<T> vexp(Vec<T> a) {
  using C = Types<T>;
  Vec<T> n; Ints<T> shift;
  const Vec<T> r = reduce<T>(smaller<T>(larger<T>(a, all(C::lowest)), all(C::highest)), n, shift);
  const Vec<T> e = (Vec<T>)((Ints<T>)(small_expm1<T>(r) + T(1)) + shift);
  const Vec<T> low = a < C::lowest ? all(T(0)) : e;
  const Vec<T> high = a > C::highest ? all(T(__builtin_inf())) : low;
  return a == a ? high : a;
}

// For a <= 0 only, NaN becomes a number: the softmax's, whose callers look for NaN themselves.
template <class T> INLINE Vec<T> exp_negative(Vec<T> a) {
  using C = Types<T>;
  Vec<T> n; Ints<T> shift;
  const Vec<T> r = reduce<T>(larger<T>(a, all(C::lowest)), n, shift);
  const Vec<T> e = (Vec<T>)((Ints<T>)(small_expm1<T>(r) + T(1)) + shift);
  return a < C::lowest ? all(T(0)) : e;
}

// e^a - 1 for a <= 0, as exact near 0 as elsewhere.
template <class T> INLINE Vec<T> expm1_negative(Vec<T> a) {
  using C = Types<T>;
  Vec<T> n; Ints<T> shift;
  const Vec<T> r = reduce<T>(larger<T>(a, all(C::lowest)), n, shift);
  const Vec<T> two_n = (Vec<T>)((Ints<T>)all(T(1)) + shift);
  const Vec<T> e = small_expm1<T>(r) * two_n + (two_n - T(1));
  return a == a ? e : a;
}

// 2 artanh(s) = 2 s (1 + s^2 / 3 + s^4 / 5 + ...)
template <class T, int terms> INLINE Vec<T> twice_artanh(Vec<T> s) {
  const Vec<T> q = s * s;
  Vec<T> p = all(T(1) / (2 * terms + 1));
#pragma GCC unroll 32
  for (int i = terms - 1; i >= 0; --i) p = p * q + T(1) / (2 * i + 1);
  return T(2) * s * p;
}

// Of normal numbers, about two ulps; -inf at 0, NaN below, inf and NaN stay.
template <class T> INLINE Vec<T> vlog(Vec<T> a) {
  using C = Types<T>;
  const Ints<T> bits = (Ints<T>)a;
  const Ints<T> half_up = bits - (Ints<T>)all(T(0.70710678118654752440));  // mantissa in [sqrt(1/2), sqrt(2))
  const Ints<T> n = half_up >> C::mantissa;
  const Vec<T> m = (Vec<T>)(bits - (n << C::mantissa));
  const Vec<T> k = __builtin_convertvector(n, Vec<T>);
  const Vec<T> f = m - T(1);
  const Vec<T> r = k * C::ln2_high + (twice_artanh<T, C::log_terms>(f / (f + T(2))) + k * C::ln2_low);
  const Vec<T> zero = a == T(0) ? all(T(-__builtin_inf())) : all(T(__builtin_nan("")));
  return a > T(0) ? (a <= T(sizeof(T) == 4 ? 3.4028234e38 : 1.7976931348623157e308) ? r : a) : zero;
}

// log(1 + e) for 0 <= e <= 1, as exact near 0 as elsewhere.
template <class T> INLINE Vec<T> log1p_unit(Vec<T> e) {
  return twice_artanh<T, Types<T>::log1p_terms>(e / (e + T(2)));
}

template <class T> INLINE Vec<T> softplus(Vec<T> a) {
  const Vec<T> r = larger<T>(a, all(T(0))) + log1p_unit<T>(exp_negative<T>(-absolute<T>(a)));
  return a == a ? r : a;
}

template <class T> INLINE Vec<T> sigmoid(Vec<T> a) {
  const Vec<T> e = vexp<T>(-absolute<T>(a)), d = T(1) / (T(1) + e);
  return a > T(0) ? d : e * d;
}

template <class T> INLINE Vec<T> vtanh(Vec<T> a) {
  const Vec<T> m = expm1_negative<T>(T(-2) * absolute<T>(a)), t = -m / (m + T(2));
  return a < T(0) ? -t : t;
}

}  // namespace
