#pragma once
#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

#include "emulsion/core/read_block.hpp"
#include "emulsion/experts/matrix_normal_wishart.hpp"
#include "emulsion/gates/bayesian_softmax.hpp"
#include "emulsion/inference/fit_variational_mixture.hpp"
#include "emulsion/inference/seed_regression.hpp"
#include "emulsion/models/mixture_of_experts.hpp"

namespace emulsion {

/// The posterior of a mixture of linear experts, with a gate on covariates or with constant weights (DirichletGate,
/// StickBreakingGate: a Bayesian mixture of regressions).
template <class Gate = BayesianSoftmaxGate>
using BayesianExperts = VariationalMixture<LinearExpert, Gate>;

struct ExpertPrior {
  double worth = 0.1;  ///< how many observations the level and the slopes are worth
  double noise = 0.1;  ///< E[L]^-1, the expected noise, as a share of the variance of the responses
};

/// A prior that says little about linear experts of these data: the level about the mean of the responses, slopes about
/// zero, both with the precision of `worth` observations at uncorrelated covariates; errors with `noise` times the
/// variances of the responses and as few degrees of freedom as make them proper, q (one for diagonal and spherical
/// structures).
///
/// @throws InvalidArgument if a value is not finite, there is no observation or an option is not positive
[[gnu::cold]] inline MatrixNormalWishart weak_prior(const Regression& data, Covariance structure = Covariance::full,
                                                    const ExpertPrior& options = {}) {
  require(data.size() > 0, "a prior from data needs at least one observation, got none");
  require(options.worth > 0 && options.noise > 0 && std::isfinite(options.worth) && std::isfinite(options.noise),
          "the prior of experts needs a positive worth and a positive noise, got ", options.worth, " and ",
          options.noise);
  const Index p = data.x().dimension(), q = data.y().dimension(), d = p + q;
  const LinearExpert plain(p, q, structure);
  plain.check(data);
  LinearExpert expected = plain.in(plain.frame_for(data));
  expected.centre();  // its line is zero in the frame: the moments are those of (x, y)
  LinearExpert::Statistics about_centre = expected.statistics();
  Eigen::VectorXd w(data.size());
  for (Index i = 0; i < data.size(); ++i) w(i) = data.weight(i);
  read_block(expected, data, [&](auto& block) { expected.accumulate(block, w, about_centre); });
  const GaussianStatistics& s = about_centre.moments;
  const auto deviation = [&](Index j) {
    const double variance = s.weight > 0 ? s.scatter(lower_place(j, j, d)) / s.weight : 0;
    return variance > 0 ? std::sqrt(variance) : expected.shared_frame()->spread(j);  // a constant
  };
  Eigen::MatrixXd coefficients = Eigen::MatrixXd::Zero(q, 1 + p), factor = Eigen::MatrixXd::Zero(p, p);
  coefficients.col(0) = s.mean.tail(q);
  for (Index j = 0; j < p; ++j) factor(j, j) = std::sqrt(options.worth) * deviation(j);
  Eigen::VectorXd noise(q);
  for (Index r = 0; r < q; ++r) noise(r) = std::sqrt(options.noise) * deviation(p + r);
  if (structure == Covariance::spherical) noise.setConstant(noise.maxCoeff());
  PrecisionFactor precision(structure, q);
  precision.rescale(noise);
  expected.set(coefficients, precision);
  return MatrixNormalWishart::with_expected(expected, is_diagonal(structure) ? 1.0 : static_cast<double>(q),
                                            CoefficientPrecision(options.worth, s.mean.head(p), std::move(factor)));
}

struct BayesianExpertsOptions {
  Index components = 4;                           ///< to start from, of the default gate
  Covariance covariance = Covariance::full;       ///< of the default prior; a prior of your own has one itself
  std::optional<MatrixNormalWishart> prior = {};  ///< of the experts; none: weak_prior(data, covariance)
  Index restarts = 8;                             ///< short runs from different starts, the best of which goes on
  Index moves = 1000;  ///< at most so many merges, deletions and splits are tried; 0: the number stays
  std::uint64_t seed = 0;
  int threads = 1;
  double tolerance = 1e-9;  ///< estimated distance to the limit, in nats per observation
  Index max_iterations = 100'000;
  std::function<bool(const Report&)> progress = {};  ///< after every iteration of the last run; false stops
  std::stop_token stop = {};
};

/// Fits a Bayesian mixture of linear experts by variational inference, their number included: the objective of the
/// report is the complete evidence lower bound on log p(y | x, z).
///
///   fit_bayesian_experts(BayesianSoftmaxGate::about(4, z), Regression(x, y, z));
///   fit_bayesian_experts(DirichletGate(10), Regression(x, y));                   // a mixture of regressions
///   fit_bayesian_experts(BayesianSoftmaxGate(3, 1), data, {.moves = 0});         // three experts, neither more nor
///   fewer
///
/// @param gate  prior of the weights: it says from how many experts to start; options.components is not read
/// @param data  a view: what it shows must outlive the call
/// @throws InvalidArgument  for options out of range, data that are not finite, and where p or q of the data, the gate
/// and
///                          the prior differ, before any work
template <class Gate>
Fit<BayesianExperts<Gate>> fit_bayesian_experts(const Gate& gate, const Regression& data,
                                                const BayesianExpertsOptions& options = {}) {
  const VariationalFitOptions search{.restarts = options.restarts,
                                     .moves = options.moves,
                                     .seed = options.seed,
                                     .threads = options.threads,
                                     .tolerance = options.tolerance,
                                     .max_iterations = options.max_iterations,
                                     .progress = options.progress,
                                     .stop = options.stop};
  check(search);
  if constexpr (requires { gate.check(data); }) gate.check(data);
  return fit_variational_mixture(options.prior ? *options.prior : weak_prior(data, options.covariance), gate, data,
                                 search);
}
/// With softmax weights, whose prior is about the gate covariates.
inline Fit<BayesianExperts<>> fit_bayesian_experts(const Regression& data, const BayesianExpertsOptions& options = {}) {
  return fit_bayesian_experts(BayesianSoftmaxGate::about(options.components, data.z()), data, options);
}

/// What the posterior of a mixture of experts predicts at queries, parameters integrated out: as predict() of a mixture
/// of experts, whose experts are Student t distributions.
template <class Gate>
auto predict(const BayesianExperts<Gate>& model, const Covariates& at) {
  const auto predictive = model.predictive();
  return ExpertPrediction(predictive.gate(), predictive.bank().all(), at);
}
template <class Gate>
auto predict(const BayesianExperts<Gate>& model, const Points<>& x) {
  return predict(model, Covariates(x));
}
/// Sum of weight x log p(y_i | x_i, z_i, the data of the fit), in nats.
template <class Gate>
double conditional_log_likelihood(const BayesianExperts<Gate>& model, const Regression& data) {
  return conditional_log_likelihood(model.predictive(), data);
}

}  // namespace emulsion
