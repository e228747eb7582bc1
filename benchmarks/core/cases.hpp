#pragma once
#include <initializer_list>
#include <string>
#include <vector>

#include "emulsion/gaussian_mixture.hpp"

namespace emulsion::benchmarks {

struct Case {
  std::string name;
  Covariance covariance;
  Index n, d, components;
};

/// The cases of the comparison with other packages.
inline const std::vector<Case>& comparison_cases() {
  static const std::vector<Case> cases{
      {"f2", Covariance::full, 1'000'000, 2, 8},        {"f16", Covariance::full, 200'000, 16, 16},
      {"f64", Covariance::full, 100'000, 64, 16},       {"f256", Covariance::full, 20'000, 256, 10},
      {"d16", Covariance::diagonal, 1'000'000, 16, 32}, {"d128", Covariance::diagonal, 200'000, 128, 64}};
  return cases;
}

/// Uniform on the unit cube, d x n. The last one asked for is kept.
template <class Scalar = double>
const Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>& uniform_data(Index d, Index n) {
  static Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> x;
  if (x.rows() == d && x.cols() == n) return x;
  x.resize(0, 0);
  x.resize(d, n);
  Rng rng(1);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<Scalar>(rng.uniform());
  return x;
}

/// A start at `count` of the observations: weights 1 / K, identity covariances.
template <class Scalar, int Dim>
BasicGaussianMixture<Scalar, Dim> start_at(const Points<Scalar, Dim>& x, Covariance covariance, Index count, Rng& rng) {
  std::vector<BasicGaussian<Scalar, Dim>> components;
  const Eigen::MatrixXd identity = Eigen::MatrixXd::Identity(x.dimension(), x.dimension());
  Eigen::VectorXd mean(x.dimension());
  for (Index k = 0; k < count; ++k) {
    const auto at = static_cast<Index>(rng.below(static_cast<std::uint64_t>(x.size())));
    for (Index j = 0; j < x.dimension(); ++j) mean(j) = static_cast<double>(x(j, at));
    components.emplace_back(mean, identity, covariance);
  }
  return {Eigen::VectorXd::Constant(count, 1 / static_cast<double>(count)), std::move(components)};
}

}  // namespace emulsion::benchmarks
