#include "emulsion/metrics/adjusted_rand.hpp"

#include <cstdint>

#include "catch.hpp"
#include "emulsion/core/concepts.hpp"
#include "emulsion/core/random.hpp"

using namespace emulsion;

namespace {

Labels labels(std::initializer_list<int> values) {
  Labels result(static_cast<Index>(values.size()));
  Index i = 0;
  for (const int value : values) result(i++) = value;
  return result;
}

/// From the definition: pairs of observations that both, one or neither partition joins.
double by_pairs(const Labels& a, const Labels& b) {
  double both = 0, in_a = 0, in_b = 0, all = 0;
  for (Index i = 0; i < a.size(); ++i) {
    for (Index j = 0; j < i; ++j) {
      both += a(i) == a(j) && b(i) == b(j);
      in_a += a(i) == a(j);
      in_b += b(i) == b(j);
      all += 1;
    }
  }
  return (both - in_a * in_b / all) / ((in_a + in_b) / 2 - in_a * in_b / all);
}

}  // namespace

TEST_CASE("adjusted Rand index of partitions small enough for pencil and paper") {
  // n_ij = 2 0 / 1 1 / 0 2: 2 pairs in both, 3 and 6 in one, 15 in all
  CHECK(adjusted_rand_index(labels({0, 0, 1, 1, 2, 2}), labels({0, 0, 0, 1, 1, 1})) ==
        Approx((2 - 1.2) / (4.5 - 1.2)).epsilon(1e-15));
  CHECK(adjusted_rand_index(labels({0, 0, 1, 1}), labels({0, 1, 0, 1})) == Approx(-0.5).epsilon(1e-15));
}

TEST_CASE("adjusted Rand index agrees with counting pairs, in either order and under any names of the labels") {
  Rng rng(5);
  for (int round = 0; round < 50; ++round) {
    const Index n = 10 + static_cast<Index>(rng.below(40));  // never each observation in its own class
    Labels a(n), b(n), renamed(n);
    for (Index i = 0; i < n; ++i) {
      a(i) = static_cast<Index>(rng.below(4));
      b(i) = rng.uniform() < 0.5 ? a(i) : static_cast<Index>(rng.below(3)) + 4;
      renamed(i) = 1'000'000'007 - 17 * a(i);
    }
    if (a.minCoeff() == a.maxCoeff() && b.minCoeff() == b.maxCoeff()) continue;
    const double index = adjusted_rand_index(a, b);
    CHECK(index == Approx(by_pairs(a, b)).margin(1e-13));
    CHECK(index == Approx(adjusted_rand_index(b, a)).margin(1e-15));
    CHECK(index == adjusted_rand_index(renamed, b));
    CHECK(adjusted_rand_index(a, renamed) == 1);
  }
}

TEST_CASE("adjusted Rand index of trivial partitions") {
  const Labels one = Labels::Zero(5), each = Labels::LinSpaced(5, -2, 2);
  CHECK(adjusted_rand_index(one, one) == 1);
  CHECK(adjusted_rand_index(each, each) == 1);
  CHECK(adjusted_rand_index(one, each) == 0);
  CHECK(adjusted_rand_index(one, labels({1, 1, 2, 2, 2})) == 0);
  CHECK(adjusted_rand_index(each, labels({1, 1, 2, 2, 2})) == 0);
  CHECK(adjusted_rand_index(labels({3}), labels({8})) == 1);
}

TEST_CASE("adjusted Rand index takes labels of any integer type") {
  const Eigen::Vector4i a(-7, -7, 2, 2);
  const Eigen::Array<std::uint8_t, 4, 1> b(0, 0, 255, 255);
  CHECK(adjusted_rand_index(a, b) == 1);
  CHECK(adjusted_rand_index(a.transpose(), a.head<4>()) == 1);
  using Wide = Eigen::Matrix<std::int64_t, Eigen::Dynamic, 1>;
  CHECK(adjusted_rand_index(Wide::Constant(4, INT64_MIN), Wide::Constant(4, INT64_MAX)) == 1);
}

TEST_CASE("adjusted Rand index of a million observations does not overflow") {
  // Two halves, cut again at a quarter: C(n_ij) of about n^2 / 8 + 2 (n / 4)^2 / 2, far beyond 32 bits.
  const Index n = 1'000'000;
  Labels a(n), b(n);
  for (Index i = 0; i < n; ++i) a(i) = i < n / 2, b(i) = i < n / 4 ? 2 : i < n / 2;
  const auto pairs = [](double m) { return m * (m - 1) / 2; };
  const double half = pairs(5e5), quarter = pairs(2.5e5), all = pairs(1e6);
  const double expected = 2 * half * (half + 2 * quarter) / all;
  CHECK(adjusted_rand_index(a, b) ==
        Approx((half + 2 * quarter - expected) / ((3 * half + 2 * quarter) / 2 - expected)).epsilon(1e-14));
}

TEST_CASE("adjusted Rand index refuses partitions of different observations") {
  CHECK_THROWS_WITH(adjusted_rand_index(labels({1, 2}), labels({1})), ContainsSubstring("got 2 and 1"));
  CHECK_THROWS_WITH(adjusted_rand_index(labels({}), labels({})), ContainsSubstring("at least one observation"));
}
