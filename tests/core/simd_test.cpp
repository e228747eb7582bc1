#include "emulsion/core/simd_functions.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "emulsion/core/random.hpp"

using namespace emulsion;

namespace {

using S = Simd<double>;

/// One lane of f of x in every lane, whose values must not depend on the lane.
template <class W, class F>
[[gnu::always_inline]] inline double in_lanes(const F& f, double x) {
  typename W::Lanes result;
  W::fill(result, x);
  f(result);
  double found[W::lanes];
  std::memcpy(found, &result, sizeof result);
  for (const double lane : found) CHECK((lane == found[0] || std::isnan(found[0])));
  return found[0];
}
/// In the widest registers that the processor has; those of the compiler's flags agree but for a rounding.
double exp_of(double x) {
  const double narrow = in_lanes<S>(
      [](auto& v) __attribute__((always_inline)) { simd_exp<S>(v); }, x);
  const double wide = with_simd<double>([&](auto simd) __attribute__((always_inline)) {
    using W = decltype(simd);
    return in_lanes<W>(
        [](auto& v) __attribute__((always_inline)) { simd_exp<W>(v); }, x);
  });
  CHECK((std::abs(wide - narrow) <= 1e-12 * wide || std::isnan(x)));
  return wide;
}
double log_of(double x) {
  const double narrow = in_lanes<S>(
      [](auto& v) __attribute__((always_inline)) { simd_log<S>(v); }, x);
  const double wide = with_simd<double>([&](auto simd) __attribute__((always_inline)) {
    using W = decltype(simd);
    return in_lanes<W>(
        [](auto& v) __attribute__((always_inline)) { simd_log<W>(v); }, x);
  });
  CHECK((std::abs(wide - narrow) <= 1e-15 * wide || std::isnan(x)));
  return wide;
}

constexpr double infinity = std::numeric_limits<double>::infinity(), unit = std::numeric_limits<double>::epsilon();

}  // namespace

TEST_CASE("simd_exp: as good as an argument rounded once more, zero far below, NaN for NaN") {
  Rng rng(1);
  double worst = 0;
  for (int i = 0; i < 200'000; ++i) {
    const double x = i % 2 == 0 ? -690 * rng.uniform() : -rng.uniform();
    const long double wanted = std::exp(static_cast<long double>(x));
    worst = std::max(worst, static_cast<double>(std::abs((exp_of(x) - wanted) / wanted)) / (1 + std::abs(x)));
  }
  CHECK(worst < unit);
  CHECK(exp_of(0) == 1);
  CHECK(exp_of(-690.1) == 0);
  CHECK(exp_of(-1e300) == 0);
  CHECK(exp_of(-infinity) == 0);
  CHECK(std::isnan(exp_of(std::nan(""))));
}

TEST_CASE("simd_log: two units in the last place, NaN for NaN") {
  Rng rng(2);
  double worst = 0;
  for (int i = 0; i < 200'000; ++i) {
    const double x = i % 2 == 0 ? 1 + rng.uniform() : std::exp(500 * rng.uniform());
    const long double wanted = std::log(static_cast<long double>(x));
    worst = std::max(worst, static_cast<double>(std::abs((log_of(x) - wanted) / wanted)));
  }
  CHECK(worst < 2 * unit);
  CHECK(log_of(1) == 0);
  CHECK(std::isnan(log_of(std::nan(""))));
}

TEST_CASE("sums of registers and of numbers") {
  S::Lanes v[4];
  double wanted[4]{}, found[4] = {1, 2, 3, 4};
  for (int k = 0; k < 4; ++k) {
    wanted[k] = k + 1;
    for (int i = 0; i < S::lanes; ++i) wanted[k] += v[k][i] = std::pow(10.0, k) * (i + 1);
  }
  S::add_sums(found, v);
  for (int k = 0; k < 4; ++k) CHECK(found[k] == wanted[k]);
  double more[4]{};
  S::add_sums(found, v, more, v);
  for (int k = 0; k < 4; ++k) CHECK((found[k] == 2 * wanted[k] - (k + 1) && more[k] == wanted[k] - (k + 1)));
  CHECK(S::sum(v[0]) == S::lanes * (S::lanes + 1) / 2);

  std::vector<double> x;
  double total = 0;
  for (Index n = 0; n < 100; ++n) {
    CHECK(simd_sum(x.data(), n) == total);
    x.push_back(static_cast<double>(n * n));
    total += x.back();
  }
}

TEST_CASE("registers transposed and deinterleaved") {
  S::Lanes v[S::lanes];
  for (int r = 0; r < S::lanes; ++r) {
    for (int i = 0; i < S::lanes; ++i) v[r][i] = 100 * r + i;
  }
  S::transpose(v);
  for (int r = 0; r < S::lanes; ++r) {
    for (int i = 0; i < S::lanes; ++i) CHECK(v[r][i] == 100 * i + r);
  }
  S::Lanes a{}, b{};
  for (int i = 0; i < S::lanes; ++i) a[i] = i, b[i] = S::lanes + i;
  S::deinterleave(a, b);
  for (int i = 0; i < S::lanes; ++i) CHECK((a[i] == 2 * i && b[i] == 2 * i + 1));
}

TEST_CASE("how many numbers are above a bound") {
  std::vector<double> x;
  for (Index n = 0; n < 50; ++n) {
    CHECK(simd_count_above(x.data(), n, 0.5) == n / 2);
    x.push_back(n % 2 == 0 ? 0.5 : 1);
  }
}
