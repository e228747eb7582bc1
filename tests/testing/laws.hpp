#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "catch.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/data/points.hpp"

constexpr std::uint64_t law_seeds = EMULSION_LAW_SEEDS;  // 20; fewer under sanitizers

/// Fails with every sentence.
inline void check_laws(const std::string& subject, const std::vector<std::string>& broken) {
  for (const std::string& sentence : broken) FAIL_CHECK(subject + ": " + sentence);
  CHECK(broken.empty());
}

/// d x n points in three correlated clouds, dimensions of very different units, away from zero.
template <class Scalar, int Dim = Eigen::Dynamic>
Eigen::Matrix<Scalar, Dim, Eigen::Dynamic> clouds(emulsion::Index d, emulsion::Index n, emulsion::Rng& rng) {
  Eigen::Matrix<Scalar, Dim, Eigen::Dynamic> x(d, n);
  for (emulsion::Index i = 0; i < n; ++i) {
    const double common = rng.normal();
    const auto cloud = static_cast<double>(rng.below(3));
    for (emulsion::Index j = 0; j < d; ++j) {
      const double value = (j % 2 == 0 ? 1 : -1) * common + rng.normal() + 3 * cloud * std::cos(static_cast<double>(j));
      x(j, i) = static_cast<Scalar>(std::pow(10.0, static_cast<double>(2 * (j % 3) - 2)) * (value + 20));
    }
  }
  return x;
}

/// d x n counts of two groups, with larger means in later dimensions.
template <class Scalar, int Dim = Eigen::Dynamic>
Eigen::Matrix<Scalar, Dim, Eigen::Dynamic> counts(emulsion::Index d, emulsion::Index n, emulsion::Rng& rng) {
  Eigen::Matrix<Scalar, Dim, Eigen::Dynamic> x(d, n);
  for (emulsion::Index i = 0; i < n; ++i) {
    const double size = rng.below(2) == 0 ? 1.5 : 6;
    for (emulsion::Index j = 0; j < d; ++j) {
      x(j, i) = static_cast<Scalar>(std::floor(rng.gamma(size) * static_cast<double>(1 + j)));
    }
  }
  return x;
}

/// d x n answers: item j has j + 2 categories; two groups answer differently, not every category occurs.
template <class Scalar, int Dim = Eigen::Dynamic>
Eigen::Matrix<Scalar, Dim, Eigen::Dynamic> answers(emulsion::Index d, emulsion::Index n, emulsion::Rng& rng) {
  Eigen::Matrix<Scalar, Dim, Eigen::Dynamic> x(d, n);
  for (emulsion::Index i = 0; i < n; ++i) {
    const double taste = rng.below(2) == 0 ? 1 : 3;
    for (emulsion::Index j = 0; j < d; ++j) {
      x(j, i) = static_cast<Scalar>(std::floor(std::pow(rng.uniform(), taste) * static_cast<double>(j + 2)));
    }
  }
  return x;
}
