#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <utility>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"
#include "emulsion/core/linear_algebra.hpp"

namespace emulsion {

/// Prediction of responses that all come from one of m known lines, which one is not known:
///
///   y_j = x_j'b_z + e_j,   e_j ~ N(0, s^2),   P(z = i) = pi_i,
///
/// z the same for all examples of a sequence. After k examples the posterior of z, and the mean of the next response,
///
///   w_i proportional to pi_i exp(-sum_j (y_j - x_j'b_i)^2 / (2 s^2)),   predict(x) = x'(sum_i w_i b_i),
///
/// the predictor with the least mean squared error. Before any example it is that of the prior. No intercept: where
/// lines have one, let the first covariate be 1.
///
///   ExponentialWeights known(coefficients, 0.5);
///   for (...) { guess = known.predict(x);   known.push(x, y); }
///
/// Cost of an example m p; nothing is allocated. Pathak, Sen, Kong and Das, "Transformers can optimally learn
/// regression mixture models" (2024).
class ExponentialWeights {
 public:
  /// @param coefficients   p x m, a column per line
  /// @param deviation      s > 0, of the errors
  /// @throws               InvalidArgument  for no lines, values that are not finite, and a deviation that is not
  /// positive
  ExponentialWeights(Eigen::MatrixXd coefficients, double deviation)
      : ExponentialWeights(std::move(coefficients), deviation, {}) {}
  /// @param prior          pi (m): not negative, with a sum of one to 1e-6; they are divided by it. None: 1 / m each
  ExponentialWeights(Eigen::MatrixXd coefficients, double deviation, Eigen::VectorXd prior)
      : coefficients_(std::move(coefficients)), deviation_(deviation), prior_(std::move(prior)) {
    require(size() >= 1 && dimension() >= 1,
            "exponential weights need coefficients of p x m, one column per line, got ", dimension(), " x ", size());
    require(all_finite(coefficients_), "the coefficients of the lines must be finite");
    require(deviation > 0 && std::isfinite(deviation), "the deviation of the errors must be positive, got ", deviation);
    if (prior_.size() == 0) prior_ = Eigen::VectorXd::Constant(size(), 1 / static_cast<double>(size()));
    require(prior_.size() == size(), "expected a prior of ", size(), " weights, one per line, got ", prior_.size());
    for (Index i = 0; i < size(); ++i) {
      require(std::isfinite(prior_(i)) && prior_(i) >= 0, "prior weights must be finite and not negative; weight ", i,
              " is ", prior_(i));
    }
    require(std::abs(prior_.sum() - 1) <= 1e-6, "prior weights must sum to one; these ", size(), " sum to ",
            prior_.sum());
    prior_ /= prior_.sum();
    weights_ = prior_;
    losses_ = errors_ = Eigen::VectorXd::Zero(size());
  }

  /// m
  Index size() const { return coefficients_.cols(); }
  /// p
  Index dimension() const { return coefficients_.rows(); }
  /// How many examples there were.
  Index examples() const { return examples_; }
  /// w (m): posterior probabilities of the lines, given the examples so far.
  const Eigen::VectorXd& weights() const { return weights_; }
  /// sum_i w_i b_i (p)
  Eigen::VectorXd coefficients() const { return coefficients_ * weights_; }

  /// Mean of the response at x (p), given the examples so far.
  double predict(const Eigen::Ref<const Eigen::VectorXd>& x) const {
    check(x);
    double sum = 0;
    for (Index i = 0; i < size(); ++i) sum += weights_(i) > 0 ? weights_(i) * x.dot(coefficients_.col(i)) : 0.0;
    return sum;
  }

  /// An example: covariates x (p) and its response.
  ///
  /// @throws InvalidArgument  if x has another dimension, or a value is not finite
  void push(const Eigen::Ref<const Eigen::VectorXd>& x, double y) {
    check(x);
    require(std::isfinite(y), "the response of an example must be finite, got ", y);
    // Losses count from the least among lines that are possible: however far y is from all lines, some weight is one.
    constexpr double farthest = 8e307, most = 1e300;  // what overflows counts as so far away, or as so unlikely
    for (Index i = 0; i < size(); ++i) {
      const double error = std::abs(y - x.dot(coefficients_.col(i))) / deviation_;
      errors_(i) = error < farthest ? error : farthest;  // also for inf - inf
    }
    const auto least_of = [&](const Eigen::VectorXd& values) {
      double least = farthest;
      for (Index i = 0; i < size(); ++i) least = prior_(i) > 0 ? std::min(least, values(i)) : least;
      return least;
    };
    const double nearest = least_of(errors_);
    for (Index i = 0; i < size(); ++i) {  // the difference of squares, which may overflow
      const double excess = 0.5 * (errors_(i) - nearest) * (errors_(i) + nearest);
      losses_(i) = std::min(losses_(i) + std::clamp(excess, -most, most), most);
    }
    const double best = least_of(losses_);
    double total = 0;
    for (Index i = 0; i < size(); ++i) {
      losses_(i) -= best;
      total += (weights_(i) = prior_(i) > 0 ? prior_(i) * std::exp(-losses_(i)) : 0.0);
    }
    weights_ /= total;
    ++examples_;
  }

 private:
  void check(const Eigen::Ref<const Eigen::VectorXd>& x) const {
    require(x.size() == dimension(), "expected ", dimension(), " covariates, got ", x.size());
    require(all_finite(x), "the covariates of an example must be finite");
  }

  Eigen::MatrixXd coefficients_;  // p x m
  double deviation_;
  Eigen::VectorXd prior_, weights_;
  Eigen::VectorXd losses_;  // sum of squared errors / (2 s^2), above the least
  Eigen::VectorXd errors_;  // of one example: |errors| / s
  Index examples_ = 0;
};

}  // namespace emulsion
