#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

#include "emulsion/distributions/normal_wishart.hpp"
#include "emulsion/inference/fit_variational_mixture.hpp"

namespace emulsion {

/// Bayesian mixture of Gaussians with full, diagonal, spherical or tied covariances.
template <class Gate = DirichletGate>
using BayesianMixture = VariationalMixture<Gaussian, Gate>;

/// All of every observation to the one component there is, whatever its density: which the scale of the data may make
/// zero.
struct Whole {
  template <class Data>
  double operator()(const Data& block, Scores scores) const {
    for (Index i = 0; i < scores.rows(); ++i) scores(i, 0) = block.weight(i);
    return 0;
  }
};

/// A prior that says little about Gaussian components of these data: their mean, worth one observation; W^-1 their
/// covariance, with the divisor total weight - 1; as few degrees of freedom as make it proper, d (one for diagonal and
/// spherical structures).
///
/// @throws InvalidArgument if a value is not finite or there is no observation
template <class Scalar, int Dim>
BasicNormalWishart<Scalar, Dim> weak_prior(const Points<Scalar, Dim>& x, Covariance structure = Covariance::full) {
  require(x.size() > 0, "a prior from data needs at least one observation, got none");
  using Member = BasicGaussian<Scalar, Dim>;
  Components<Member> one({Member(x.dimension(), structure)});
  one.check(x);
  one.follow(x);
  MixtureOf<Member> model(ConstantGate(1), std::move(one));
  MixtureOf<Member> next = model;
  Workers alone(1);
  Fold<MixtureOf<Member>, Points<Scalar, Dim>> fold(model, x, alone);
  model.maximize(fold(model, Whole()), next);
  const double total = x.total_weight(), nu = is_diagonal(structure) ? 1.0 : static_cast<double>(x.dimension());
  const double unbiased = total > 1 ? total / (total - 1) : 1;
  return BasicNormalWishart<Scalar, Dim>::with_expected(next[0], 1, nu, unbiased / nu);
}

struct BayesianMixtureOptions {
  Index components = 10;                     ///< to start from; moves change it
  Covariance covariance = Covariance::full;  ///< of the default prior; a prior of your own has one itself
  std::optional<NormalWishart> prior = {};   ///< of the components; none: weak_prior(x, covariance)
  Index restarts = 8;                        ///< short runs from different starts, the best of which goes on
  Index moves = 1000;  ///< at most so many merges, deletions and splits are tried; 0: the number stays
  std::uint64_t seed = 0;
  int threads = 1;
  double tolerance = 1e-9;  ///< estimated distance to the limit, in nats per observation
  Index max_iterations = 100'000;
  std::function<bool(const Report&)> progress = {};  ///< after every iteration of the last run; false stops
  std::stop_token stop = {};
};

/// Fits a Bayesian mixture of Gaussians to x by variational inference, the number of components included: the objective
/// of the report is the complete evidence lower bound.
///
/// @param x     observations, d x n, one per column (or rows(x), weighted(x, w))
/// @param gate  prior of the weights: DirichletGate, StickBreakingGate::dirichlet_process or ::pitman_yor. It says from
///              how many components to start; options.components is not read
/// @throws InvalidArgument  for options out of range and data that are not finite, before any work
template <class Gate, class Scalar>
Fit<VariationalMixture<BasicGaussian<Scalar>, Gate>> fit_bayesian_mixture(const Points<Scalar>& x, const Gate& gate,
                                                                          const BayesianMixtureOptions& options = {}) {
  const VariationalFitOptions search{.restarts = options.restarts,
                                     .moves = options.moves,
                                     .seed = options.seed,
                                     .threads = options.threads,
                                     .tolerance = options.tolerance,
                                     .max_iterations = options.max_iterations,
                                     .progress = options.progress,
                                     .stop = options.stop};
  check(search);
  const auto prior = options.prior ? options.prior->template cast<Scalar>() : weak_prior(x, options.covariance);
  return fit_variational_mixture(prior, gate, x, search);
}
/// With Dirichlet(1 / K, ..., 1 / K) weights.
template <class Scalar>
Fit<VariationalMixture<BasicGaussian<Scalar>>> fit_bayesian_mixture(const Points<Scalar>& x,
                                                                    const BayesianMixtureOptions& options = {}) {
  return fit_bayesian_mixture(x, DirichletGate(options.components), options);
}
template <class Derived, class Gate>
Fit<VariationalMixture<BasicGaussian<typename Derived::Scalar>, Gate>> fit_bayesian_mixture(
    const Eigen::MatrixBase<Derived>& x, const Gate& gate, const BayesianMixtureOptions& options = {}) {
  static_assert(Derived::ColsAtCompileTime != 1 || Derived::RowsAtCompileTime == 1,
                "a column vector is one observation: for n observations of one variable pass x.transpose()");
  return fit_bayesian_mixture(Points<typename Derived::Scalar>(x.derived()), gate, options);
}
template <class Derived>
Fit<VariationalMixture<BasicGaussian<typename Derived::Scalar>>> fit_bayesian_mixture(
    const Eigen::MatrixBase<Derived>& x, const BayesianMixtureOptions& options = {}) {
  return fit_bayesian_mixture(x, DirichletGate(options.components), options);
}

}  // namespace emulsion
