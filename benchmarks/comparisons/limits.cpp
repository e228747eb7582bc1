#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

#include <Eigen/Core>
#include <algorithm>
#include <cstdio>
#include <thread>
#include <vector>

#include "emulsion/core/simd_functions.hpp"
#include "problem.hpp"

// What this processor can do now, as lines `name value`: medians of many short runs, as the times that they are
// compared with are medians. What else the machine does slows both.

namespace {

using S = emulsion::Simd<double>;
using Lanes = S::Lanes;

volatile double sink;  // what is stored here has to be computed

template <class F>
double median_seconds(int runs, const F& f) {
  std::vector<double> all;
  for (int run = 0; run < runs; ++run) {
    const double begin = seconds_now();
    f();
    all.push_back(seconds_now() - begin);
  }
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

/// Runs f(thread) in so many threads; the first is this one.
template <class F>
void in_threads(int threads, const F& f) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(f, t);
  f(0);
  for (std::thread& other : others) other.join();
}

/// Multiply-adds in chains enough to hide the latency of each (4 or 5 cycles, two in a cycle).
void multiply_adds(long steps) {
  constexpr int chains = 12;
  volatile double factor = 0.999, addend = 0.001;
  Lanes a, b, x[chains];
  S::fill(a, factor);
  S::fill(b, addend);
  for (int c = 0; c < chains; ++c) S::fill(x[c], c);
  for (long s = 0; s < steps; ++s) {
    for (int c = 0; c < chains; ++c) x[c] = x[c] * a + b;
  }
  double total = 0;
  for (int c = 0; c < chains; ++c) total += S::sum(x[c]);
  sink = total;
}

/// Longer runs with two threads, which have to start.
double gflops(int threads) {
  const long steps = threads == 1 ? 500'000 : 5'000'000;
  const int runs = threads == 1 ? 200 : 20;
  const double seconds = median_seconds(runs, [&] { in_threads(threads, [&](int) { multiply_adds(steps); }); });
  return 2e-9 * 12 * S::lanes * static_cast<double>(steps) * threads / seconds;
}

/// Nanoseconds per exponential of `exp_of(x, y)`, which writes the exponentials of x to y; both fit the first cache.
template <class F>
double exp_ns(const F& exp_of) {
  constexpr int count = 1024, repeats = 5000;
  Eigen::ArrayXd x = Eigen::ArrayXd::LinSpaced(count, -30, 0), y(count);
  const double seconds = median_seconds(20, [&] {
    for (int r = 0; r < repeats; ++r) {
      exp_of(x, y);
      x(r % count) = -static_cast<double>(r % 30);  // else one round would do for all
    }
    sink = y.sum();
  });
  return 1e9 * seconds / count / repeats;
}

/// Gigabytes per second read from memory, by a sum over half a gigabyte.
double gigabytes(int threads, const std::vector<double>& data) {
  const auto part = static_cast<emulsion::Index>(data.size()) / threads;
  const double seconds = median_seconds(
      5, [&] { in_threads(threads, [&](int t) { sink = emulsion::simd_sum(data.data() + t * part, part); }); });
  return 1e-9 * static_cast<double>(sizeof(double) * data.size()) / seconds;
}

}  // namespace

int main() {
  std::printf("gflops_1 %.1f\n", gflops(1));
  std::printf("gflops_2 %.1f\n", gflops(2));
  std::printf("exp_ns_eigen %.3f\n", exp_ns([](const auto& x, auto& y) { y = x.exp(); }));
  std::printf("exp_ns_emulsion %.3f\n", exp_ns([](const auto& x, auto& y) {
                for (Eigen::Index i = 0; i < x.size(); i += S::lanes) {
                  Lanes value = S::load(&x(i)).value;
                  emulsion::simd_exp<S>(value);
                  S::store(&y(i), value);
                }
              }));
  const std::vector<double> data(std::size_t{1} << 26, 1.0);
  std::printf("gigabytes_1 %.1f\n", gigabytes(1, data));
  std::printf("gigabytes_2 %.1f\n", gigabytes(2, data));
}
