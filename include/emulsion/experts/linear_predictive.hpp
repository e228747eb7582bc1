#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "emulsion/distributions/student_t_predictive.hpp"
#include "emulsion/experts/coefficient_precision.hpp"
#include "emulsion/experts/linear.hpp"

namespace emulsion {

/// What a linear expert with uncertain parameters predicts: a Student t with nu degrees of freedom,
///
///   y | x ~ t(b + B x, (1 + h(x)) S, nu),   h(x) = (1, x)' K^-1 (1, x);
///
/// h grows with the distance of x from the covariates seen. Where S is of the diagonal structure, q independent ones in
/// one dimension. It has no statistics: it is not fitted.
template <class Data_ = Regression>
class LinearPredictive {
 public:
  using Expert = BasicLinearExpert<Data_>;
  using Data = Data_;
  using Scalar = double;

  /// The expert's coefficients and covariance S; K in its frame.
  LinearPredictive(Expert expert, double freedom, CoefficientPrecision k)
      : expert_(std::move(expert)), freedom_(freedom), k_(std::move(k)), errors_(errors_of(expert_), freedom) {
    for (Index r = 0; r < dimension(); ++r) jacobian_ += std::log(frame().scale(covariates() + r));
  }

  /// q
  Index dimension() const { return expert_.dimension(); }
  /// p
  Index covariates() const { return expert_.covariates(); }
  double degrees_of_freedom() const { return freedom_; }

  /// out(i) += log p(y_i | x_i)
  void log_density(const Data& block, Eigen::Ref<Eigen::VectorXd> out) const {
    Eigen::MatrixXd errors(dimension(), block.size());
    for (Index i = 0; i < block.size(); ++i) {
      const double widening = standardise(block, i, errors);
      out(i) += jacobian_ - static_cast<double>(dimension()) * std::log(widening);
    }
    errors_.log_density(Points<>(errors), out);
  }
  /// log |S^-1/2 (y - b - B x)| / sqrt(1 + h(x)): ranks experts where no density is above zero.
  double log_distance(const Data& data, Index i) const {
    Eigen::MatrixXd errors(dimension(), 1);
    const Data one = data.slice(i, 1);
    standardise(one, 0, errors);
    return errors_.log_distance(Points<>(errors), 0);
  }

  // --- prediction: of queries x, one per column ---------------------------------------------------------------------------

  /// b + B x, q x m: the mean where nu > 1.
  Eigen::MatrixXd mean(const Points<>& x) const { return expert_.mean(x); }
  /// Scales of the t distributions, roots of the diagonal of (1 + h(x)) S, q x m.
  Eigen::MatrixXd scale(const Points<>& x) const {
    Eigen::MatrixXd result = expert_.scale(x);
    for (Index i = 0; i < x.size(); ++i) result.col(i) *= k_.widening(x, i, frame());
    return result;
  }
  /// Infinite up to two degrees of freedom.
  double variance(double /*mean*/, double scale) const {
    return freedom_ > 2 ? scale * scale * (freedom_ / (freedom_ - 2)) : std::numeric_limits<double>::infinity();
  }
  /// P(Y <= y) of a response with that mean and scale.
  double cumulative(double y, double mean, double scale) const { return student_t_cdf((y - mean) / scale, freedom_); }
  /// A response (q) about that mean.
  Eigen::VectorXd sample(const Eigen::Ref<const Eigen::VectorXd>& mean, const Eigen::Ref<const Eigen::VectorXd>& scale,
                         Rng& rng) const {
    Eigen::VectorXd y = errors_.sample(rng);
    const double widening = scale(0) / expert_.deviations()(0);
    for (Index r = 0; r < dimension(); ++r) y(r) = mean(r) + widening * y(r) / frame().scale(covariates() + r);
    return y;
  }

  void check_shape(const Data& data) const { expert_.check_shape(data); }
  void check(const Data& data) const { expert_.check(data); }

 private:
  const Frame& frame() const { return *expert_.shared_frame(); }

  /// Errors of the responses in their scaled units, about zero.
  static Gaussian errors_of(const Expert& expert) {
    const Index q = expert.dimension();
    return Gaussian::in_frame(std::make_shared<const Frame>(Frame::identity(q)), Eigen::VectorXd::Zero(q),
                              expert.precision_factor().factor(), expert.structure());
  }

  /// Errors of an observation divided by sqrt(1 + h(x)), which it returns.
  double standardise(const Data& block, Index i, Eigen::MatrixXd& errors) const {
    const Index p = covariates();
    const double wide = k_.widening(block.x(), i, frame());
    const Eigen::MatrixXd& coefficients = expert_.coefficients();
    for (Index r = 0; r < dimension(); ++r) {
      double error = block.y()(r, i) * frame().scale(p + r) - frame().centre(p + r) - coefficients(r, 0);
      for (Index j = 0; j < p; ++j) {
        error -= coefficients(r, 1 + j) * (block.x()(j, i) * frame().scale(j) - frame().centre(j));
      }
      errors(r, i) = error / wide;
    }
    return wide;
  }

  Expert expert_;
  double freedom_;
  CoefficientPrecision k_;
  StudentTPredictive<double, Eigen::Dynamic> errors_;
  double jacobian_ = 0;
};

}  // namespace emulsion
