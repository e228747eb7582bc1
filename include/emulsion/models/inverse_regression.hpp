#pragma once
#include <Eigen/Core>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "emulsion/core/constants.hpp"
#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/core/log_sum_exp.hpp"
#include "emulsion/experts/linear.hpp"
#include "emulsion/gates/gaussian.hpp"
#include "emulsion/models/mixture_of_experts.hpp"

namespace emulsion {

/// A Gaussian-gated mixture of linear experts the other way round (GLLiM; Deleforge, Forbes and Horaud, 2015). Where
///
///   x | k ~ N(c_k, G_k),   y | x, k ~ N(b_k + A_k x, S_k),
///
/// with x (p) the covariates of gate and experts alike, y (q) says of x
///
///   x | y, k ~ N(V_k (G_k^-1 c_k + A_k' S_k^-1 (y - b_k)), V_k),   V_k = (G_k^-1 + A_k' S_k^-1 A_k)^-1,
///
/// with weights proportional to pi_k p(y | k). To predict a few x from many y, fit experts of y given x with a diagonal
/// S, where parameters are few, and turn round.
///
/// p(y | k) = p(y | x, k) p(x | k) / p(x | y, k) at any x, here at the mean: nothing of the size of y is factored where
/// S is diagonal (what the Woodbury identity does for N(y; A c + b, S + A G A')). Cost O(K q p^2) to make then, and
/// O(K q p) per query; O(K q^3) and O(K q^2) where S is full.
class InverseRegression {
 public:
  using Model = MixtureOfExperts<GaussianGate, LinearExpert>;

  /// @throws InvalidArgument  if the gate's covariates are not those of the experts
  [[gnu::cold]] explicit InverseRegression(const Model& model) : weights_(model.weights()) {
    const Index p = model[0].covariates(), q = model.dimension();
    require(model.gate().covariates() == p, "only a model whose gate and experts have the same covariates can be ",
            "inverted; the gate has ", model.gate().covariates(), " and the experts ", p);
    for (Index k = 0; k < model.size(); ++k) {
      const LinearExpert& expert = model[k];
      const Gaussian& gaussian = model.gate()[k];
      Part part;
      part.centre = gaussian.mean();
      part.at_centre = expert.intercept() + expert.slopes() * part.centre;
      part.whitening = Whitening(expert);
      const Eigen::MatrixXd g = gaussian.factor();
      // With x = c + L u, u ~ N(0, I), and W (y - at_centre) ~ N(M u, I), M = W A L: the posterior precision of u is
      // I + M'M, well conditioned whatever the scales.
      const Eigen::MatrixXd m = part.whitening.times(expert.slopes() * g);
      Eigen::MatrixXd precision = Eigen::MatrixXd::Identity(p, p) + m.transpose() * m;
      cholesky(precision);
      Eigen::MatrixXd inverse = precision;
      for (Index j = 0; j < p; ++j) inverse.col(j).head(j).setZero();
      invert_lower(inverse);
      part.gain = inverse.transpose() * (inverse * m.transpose());  // of u by W (y - at_centre)
      part.spread = g * inverse.transpose();                        // V = spread spread'
      part.loading = g;
      part.m = m;
      part.constant = -0.5 * static_cast<double>(q) * log_two_pi + part.whitening.log_determinant();
      for (Index j = 0; j < p; ++j) part.constant -= std::log(precision(j, j));
      parts_.push_back(std::move(part));
    }
  }

  /// p, the size of what is predicted.
  Index dimension() const { return parts_.front().centre.size(); }
  /// q
  Index given() const { return parts_.front().at_centre.size(); }

  /// What y says of x: weights of the components (K), their means (p x K), mean and covariance of x.
  struct Answer {
    Eigen::VectorXd weights;
    Eigen::MatrixXd means;
    Eigen::VectorXd mean;
    Eigen::MatrixXd covariance;
    double log_density = 0;  ///< log p(y)
  };
  /// @throws InvalidArgument  if y has not q elements, or one is not finite
  Answer operator()(const Eigen::Ref<const Eigen::VectorXd>& y) const {
    require(y.size() == given(), "expected ", given(), " values, got ", y.size());
    require(all_finite(y), "the values given must be finite");
    const auto size = static_cast<Index>(parts_.size());
    Answer answer{Eigen::VectorXd(size), Eigen::MatrixXd(dimension(), size), Eigen::VectorXd::Zero(dimension()),
                  Eigen::MatrixXd::Zero(dimension(), dimension()), 0};
    double least = std::numeric_limits<double>::infinity();
    Index nearest = 0;
    for (Index k = 0; k < size; ++k) {
      const Part& part = parts_[static_cast<std::size_t>(k)];
      const Eigen::VectorXd z = part.whitening.times(y - part.at_centre);
      const Eigen::VectorXd u = part.gain * z;
      answer.means.col(k) = part.centre + part.loading * u;
      // |z - M u|^2 + |u|^2 at the mean u: what is left of the square of y.
      const Eigen::VectorXd rest = z - part.m * u;
      const double distance = std::hypot(rest.stableNorm(), u.stableNorm());
      if (weights_(k) > 0 && !(distance >= least)) least = distance, nearest = k;
      answer.weights(k) = std::log(weights_(k)) + part.constant - 0.5 * (rest.squaredNorm() + u.squaredNorm());
    }
    const double largest = answer.weights.maxCoeff();
    answer.log_density = log_sum_exp(answer.weights);
    if (std::isfinite(largest)) {
      for (Index k = 0; k < size; ++k) answer.weights(k) = std::exp(answer.weights(k) - largest);
      answer.weights /= answer.weights.sum();
    } else {  // so far away that squares overflow: the nearest takes all
      answer.weights.setZero();
      answer.weights(nearest) = 1;
    }
    for (Index k = 0; k < size; ++k) {
      if (answer.weights(k) > 0) answer.mean += answer.weights(k) * answer.means.col(k);
    }
    for (Index k = 0; k < size; ++k) {
      if (!(answer.weights(k) > 0)) continue;
      const Eigen::VectorXd off = answer.means.col(k) - answer.mean;
      const Eigen::MatrixXd& spread = parts_[static_cast<std::size_t>(k)].spread;
      answer.covariance += answer.weights(k) * (spread * spread.transpose() + off * off.transpose());
    }
    return answer;
  }

  /// The same model as a Gaussian-gated mixture of experts of x given y, whose gate holds covariances of q x q.
  /// Cost O(K q^3).
  Model model() const {
    std::vector<Gaussian> gate;
    std::vector<LinearExpert> experts;
    for (const Part& part : parts_) {
      // W (y - at_centre) ~ N(0, I + M M'): y = at_centre + W^-1 (...).
      const Eigen::MatrixXd whiten = part.whitening.times(Eigen::MatrixXd::Identity(given(), given()));
      Eigen::MatrixXd unwhiten = whiten;
      invert_lower(unwhiten);
      const Eigen::MatrixXd through = unwhiten * part.m;
      Eigen::MatrixXd covariance = through * through.transpose() + unwhiten * unwhiten.transpose();
      covariance = 0.5 * (covariance + covariance.transpose()).eval();
      gate.emplace_back(part.at_centre, covariance);
      const Eigen::MatrixXd slopes = part.loading * part.gain * whiten;
      const Eigen::MatrixXd v = part.spread * part.spread.transpose();
      experts.emplace_back(part.centre - slopes * part.at_centre, slopes, 0.5 * (v + v.transpose()).eval());
    }
    return Model(GaussianGate(weights_, std::move(gate)), Components<LinearExpert>(std::move(experts)));
  }

 private:
  /// W with W S W' = I: lower triangular (q x q), or a diagonal (q x 1).
  class Whitening {
   public:
    Whitening() = default;
    explicit Whitening(const LinearExpert& expert) : diagonal_(is_diagonal(expert.structure())) {
      if (diagonal_) {
        w_ = expert.deviations().cwiseInverse();
      } else {
        w_ = expert.covariance();
        cholesky(w_);
        for (Index j = 0; j < w_.rows(); ++j) w_.col(j).head(j).setZero();
        invert_lower(w_);
      }
    }
    template <class Matrix>
    Eigen::MatrixXd times(const Matrix& a) const {
      if (diagonal_) return w_.col(0).asDiagonal() * a;
      return w_ * a;
    }
    double log_determinant() const {
      double sum = 0;
      for (Index j = 0; j < w_.rows(); ++j) sum += std::log(w_(j, diagonal_ ? 0 : j));
      return sum;
    }

   private:
    Eigen::MatrixXd w_;
    bool diagonal_ = false;
  };
  struct Part {
    Eigen::VectorXd centre, at_centre;  // c (p), A c + b (q)
    Whitening whitening;
    Eigen::MatrixXd m, gain, loading, spread;  // q x p, p x q, p x p, p x p
    double constant = 0;
  };

  Eigen::VectorXd weights_;
  std::vector<Part> parts_;
};

}  // namespace emulsion
