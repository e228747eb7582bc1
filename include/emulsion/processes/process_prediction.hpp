#pragma once
#include <Eigen/Core>
#include <utility>

#include "emulsion/core/dense_cholesky.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// What a conditioned process says of m new inputs: as much of it as is asked for is computed, when it is asked for.
///
/// Without noise is f(x), the process itself; with noise is a new observation y = f(x) + e.
template <class Process>
class ProcessPrediction {
 public:
  /// Process: predicted_mean(x), predicted_variance(x), predicted_covariance(x), noise().
  ProcessPrediction(Process process, Eigen::MatrixXd x) : process_(std::move(process)), x_(std::move(x)) {}

  Index size() const { return x_.cols(); }
  /// Of f and of y (m).
  Eigen::VectorXd mean() const { return process_.predicted_mean(x_); }
  /// Of f (m). Cost n^2 for each input.
  Eigen::VectorXd variance() const { return process_.predicted_variance(x_); }
  Eigen::VectorXd variance_with_noise() const { return variance().array() + process_.noise(); }
  /// Covariance of f at all inputs (m x m).
  Eigen::MatrixXd joint() const { return process_.predicted_covariance(x_); }
  Eigen::MatrixXd joint_with_noise() const {
    Eigen::MatrixXd result = joint();
    result.diagonal().array() += process_.noise();
    return result;
  }
  /// m x count independent draws of f. A covariance that is singular to a double is drawn from with as little jitter
  /// as it takes, 1e-5 of its mean diagonal at most.
  ///
  /// @throws InvalidArgument  if count is negative, or the covariance is not positive definite even so
  Eigen::MatrixXd sample(Index count, Rng& rng) const { return drawn(joint(), mean(), count, rng); }
  Eigen::MatrixXd sample_with_noise(Index count, Rng& rng) const {
    return drawn(joint_with_noise(), mean(), count, rng);
  }

  /// m x count draws of a normal distribution of that covariance.
  static Eigen::MatrixXd drawn(Eigen::MatrixXd covariance, const Eigen::VectorXd& mean, Index count, Rng& rng) {
    require(count >= 0, "cannot draw ", count, " functions");
    const DenseCholesky factor(std::move(covariance));
    require(factor.good(), "the covariance of the ", mean.size(),
            " inputs is not positive definite, even with 1e-5 of its mean diagonal added");
    Eigen::MatrixXd draws(mean.size(), count);
    for (Index j = 0; j < count; ++j) {
      for (Index i = 0; i < mean.size(); ++i) draws(i, j) = rng.normal();
    }
    draws = factor.lower() * draws;
    draws.colwise() += mean;
    return draws;
  }

 private:
  Process process_;
  Eigen::MatrixXd x_;
};

}  // namespace emulsion
