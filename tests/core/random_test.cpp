#include "emulsion/core/random.hpp"

#include "catch.hpp"

using emulsion::InvalidArgument;
using emulsion::Rng;

TEST_CASE("xoshiro256++ gives the published sequence for state 1, 2, 3, 4 and splitmix64 its own") {
  // First output of splitmix64 from seed 0 is 0xE220A8397B1DCDAF (Vigna's reference code); the first output of
  // xoshiro256++ follows from the first and fourth state words.
  std::uint64_t words[4] = {0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC};
  const std::uint64_t sum = words[0] + words[3];
  CHECK(Rng(0)() == ((sum << 23U) | (sum >> 41U)) + words[0]);
}

TEST_CASE("a seed repeats, a fork depends on the seed and the stream alone") {
  Rng a(7), b(7);
  const auto before = a.fork(3)();
  for (int i = 0; i < 100; ++i) CHECK(a() == b());
  CHECK(a.fork(3)() == before);
  CHECK(a.fork(4)() != before);
}

TEST_CASE("variates have their distribution's mean and variance within five standard errors") {
  Rng rng(11);
  const int n = 200000;
  const auto moments = [&](auto&& draw, double mean, double variance, double kurtosis) {
    double sum = 0, square = 0;
    for (int i = 0; i < n; ++i) {
      const double x = draw() - mean;
      sum += x;
      square += x * x;
    }
    CHECK(std::abs(sum / n) < 5 * std::sqrt(variance / n));
    CHECK(std::abs(square / n - variance) < 5 * variance * std::sqrt((kurtosis - 1) / n));
  };
  moments([&] { return rng.uniform(); }, 0.5, 1 / 12.0, 1.8);
  moments([&] { return rng.normal(); }, 0, 1, 3);
  moments([&] { return rng.exponential(); }, 1, 1, 9);
  for (const double shape : {0.3, 1.0, 2.5, 40.0})
    moments([&] { return rng.gamma(shape); }, shape, shape, 3 + 6 / shape);
  const Eigen::Vector3d a(0.5, 1, 2.5);
  moments([&] { return rng.dirichlet(a)(2); }, 2.5 / 4, 2.5 * 1.5 / (16 * 5), 3);
  Eigen::Vector4d weights(1, 0, 2, 5), counts = Eigen::Vector4d::Zero();
  for (int i = 0; i < n; ++i) counts(rng.categorical(weights)) += 1;
  CHECK(counts(1) == 0);
  for (const int k : {0, 2, 3}) {
    const double p = weights(k) / 8;
    CHECK(std::abs(counts(k) / n - p) < 5 * std::sqrt(p * (1 - p) / n));
  }
}

TEST_CASE("a Dirichlet draw of tiny concentrations stays on the simplex") {
  Rng rng(5);
  for (int i = 0; i < 1000; ++i) {
    const Eigen::VectorXd p = rng.dirichlet(Eigen::VectorXd::Constant(5, 1e-4));
    CHECK(p.sum() == Approx(1).epsilon(1e-14));
    CHECK(p.minCoeff() >= 0);
  }
}

TEST_CASE("bad arguments are sentences") {
  Rng rng(1);
  CHECK_THROWS_AS(rng.gamma(0), InvalidArgument);
  CHECK_THROWS_AS(rng.below(0), InvalidArgument);
  CHECK_THROWS_AS(rng.categorical(Eigen::Vector2d(0, 0)), InvalidArgument);
  CHECK_THROWS_AS(rng.categorical(Eigen::Vector2d(-1, 2)), InvalidArgument);
}
