// Picks the instruction set at run time, shares rows among threads, and is what Python calls: a plain C interface, so
// that one binary serves every version of Python and of torch.
#include <pthread.h>

#include <atomic>

#include "jobs.h"

extern const Kernels fluvial_baseline;
#if defined(__x86_64__)
extern const Kernels fluvial_avx2, fluvial_avx512;
#endif

namespace {

const Kernels* best() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return &fluvial_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &fluvial_avx2;
#endif
  return &fluvial_baseline;
}

const Kernels* active = best();

// torch's own OpenMP team, where Python found its entry: a second pool would fight the first one's spinning threads.
using Body = void (*)(void*);
using Team = void (*)(Body, void*, unsigned, unsigned);
Team team = nullptr;

template <class Work> struct Share {
  const Work& work;
  int64_t rows, grain;
  std::atomic<int64_t> next{0};
  static void run(void* self) {
    Share& s = *(Share*)self;
    for (int64_t at; (at = s.next.fetch_add(s.grain)) < s.rows;)
      s.work(at, at + s.grain < s.rows ? at + s.grain : s.rows);
  }
  static void* entry(void* self) { run(self); return nullptr; }
};

template <class Work> void parallel(int64_t rows, int64_t grain, int threads, const Work& work) {
  constexpr int most = 64;
  const int64_t parts = (rows + grain - 1) / grain;
  if (threads > parts) threads = (int)parts;
  if (threads > most) threads = most;
  if (threads < 2) {
    if (rows) work(0, rows);
    return;
  }
  Share<Work> share{work, rows, grain};
  if (team) return team(Share<Work>::run, &share, (unsigned)threads, 0);
  pthread_t helpers[most];
  int started = 0;
  while (started < threads - 1 && pthread_create(&helpers[started], nullptr, Share<Work>::entry, &share) == 0) ++started;
  Share<Work>::run(&share);
  while (started) pthread_join(helpers[--started], nullptr);
}

}  // namespace

extern "C" {

#define EXPORT __attribute__((visibility("default")))

EXPORT int fluvial_kernels_version() { return 5; }  // VERSION of kernels/native.py

EXPORT const char* fluvial_kernels_name() { return active->name; }

// For tests: a lesser instruction set than the best one. Returns 0 where this machine or build lacks it.
EXPORT int fluvial_kernels_choose(int level) {
  const Kernels* most = best();
#if defined(__x86_64__)
  const Kernels* const all[] = {&fluvial_baseline, &fluvial_avx2, &fluvial_avx512};
#else
  const Kernels* const all[] = {&fluvial_baseline};
#endif
  constexpr int count = sizeof all / sizeof *all;
  for (int i = 0; i < count && i <= level; ++i) {
    if (i == level) active = all[i];
    if (all[i] == most) return i == level;
  }
  return level < count;
}

EXPORT void fluvial_kernels_team(Team entry) { team = entry; }

EXPORT void fluvial_spline(const SplineJob* job, int dtype, int threads) {
  const auto kernel = active->spline[dtype];
  const int64_t grain = 4096 / (job->events ? job->events : 1) + 1;  // elements worth waking a thread for
  parallel(job->rows, grain, threads, [&](int64_t first, int64_t last) { kernel(*job, first, last); });
}

EXPORT void fluvial_affine(const AffineJob* job, int dtype, int threads) {
  const auto kernel = active->affine[dtype];
  const int64_t grain = 32768 / (job->events ? job->events : 1) + 1;
  parallel(job->rows, grain, threads, [&](int64_t first, int64_t last) { kernel(*job, first, last); });
}

// Whole tiles of at most 64 samples, and for each thread few shares, since each share sets up its memory anew.
static int64_t share(int64_t rows, int threads) { return ((rows + 2 * threads - 1) / (2 * threads) + 63) / 64 * 64; }

EXPORT void fluvial_sweep(const SweepJob* job, int dtype, int threads) {
  const auto kernel = active->sweep[dtype];
  parallel(job->rows, share(job->rows, threads), threads, [&](int64_t a, int64_t b) { kernel(*job, a, b); });
}

EXPORT void fluvial_sweep_vjp(const SweepJob* job, int dtype, int threads) {
  const auto kernel = active->sweep_vjp[dtype];
  parallel(job->rows, share(job->rows, threads), threads, [&](int64_t a, int64_t b) { kernel(*job, a, b); });
}

EXPORT void fluvial_wave(const WaveJob* job, int dtype, int threads) {
  const auto kernel = active->wave[dtype];
  // equal shares, since all streams cost the same; a multiple of what the products take at once
  const int64_t grain = ((job->rows + threads - 1) / threads + 3) / 4 * 4;
  parallel(job->rows, grain < 64 ? grain : 64, threads, [&](int64_t a, int64_t b) { kernel(*job, a, b); });
}

EXPORT void fluvial_laws(const LawsJob* job, int dtype, int threads) {
  const auto kernel = active->laws[dtype];
  const int64_t vectors = 2048 / (job->starts[job->columns] + 1) + 1;  // of at most 16 rows each
  parallel(job->rows, 16 * vectors, threads, [&](int64_t a, int64_t b) { kernel(*job, a, b); });
}

}
