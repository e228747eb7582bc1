#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/core/newton_step.hpp"
#include "emulsion/experts/linear.hpp"
#include "emulsion/inference/kmeans.hpp"

namespace emulsion {

/// The experts of all machines, on the support, and the fewer experts that take their place. In the coordinates of a
/// frame over (x, y).
class ExpertTransport {
 public:
  /// @param experts   L, of one form
  /// @param mass      S x L: what expert l weighs at support point s
  ExpertTransport(const std::vector<LinearExpert>& experts, const Eigen::MatrixXd& mass, const Points<>& support,
                  Index components)
      : structure_(experts.front().structure()), mass_(mass), design_(1 + support.dimension(), support.size()),
        choice_(support.size(), mass.cols()), moments_(static_cast<std::size_t>(components)),
        reduced_(static_cast<std::size_t>(components)) {
    Frame y = Frame::identity(experts.front().dimension());
    const Frame& own = *experts.front().shared_frame();
    y.centre = own.centre.tail(y.dimension()), y.scale = own.scale.tail(y.dimension());
    frame_ = std::make_shared<const Frame>(joined(*frame_of(support, false), y));
    for (Index s = 0; s < support.size(); ++s) {
      design_(0, s) = 1;
      for (Index j = 0; j < support.dimension(); ++j) {
        design_(1 + j, s) = support(j, s) * frame_->scale(j) - frame_->centre(j);
      }
    }
    for (const LinearExpert& expert : experts) {
      const LinearExpert moved = expert.in(frame_);
      const Eigen::MatrixXd l = moved.precision_factor().factor();
      all_.push_back({moved.coefficients(), l * l.transpose()});
      all_.back().refresh();
      means_.emplace_back(all_.back().coefficients * design_);
    }
    const double total = mass.sum();
    shares_ = mass.colwise().sum() / total;
    contributions_ = Eigen::VectorXd::Zero(mass.cols());
  }

  /// Experts from groups of the whole ones, whose coefficients and deviations k-means finds near each other.
  void start(Rng& rng) {
    const Index q = all_.front().coefficients.rows(), d = all_.front().coefficients.size() + q;
    Sample sample{Eigen::MatrixXd(d, experts()), shares_};
    for (Index l = 0; l < experts(); ++l) {
      const Line& one = all_[static_cast<std::size_t>(l)];
      sample.y.col(l).head(d - q) = one.coefficients.reshaped();
      sample.y.col(l).tail(q) = 0.5 * one.covariance.diagonal().array().log();
    }
    for (Index j = 0; j < d; ++j) {
      const double mean = sample.y.row(j).dot(shares_);
      const double square = (sample.y.row(j).array() - mean).square().matrix().dot(shares_);
      sample.y.row(j) = (sample.y.row(j).array() - mean) / (square > 0 ? std::sqrt(square) : 1.0);
    }
    const Eigen::MatrixXd centres = kmeans_centres(sample, components(), 3, 20, rng);
    for (Index l = 0; l < experts(); ++l) {
      Index nearest = 0;
      (centres.colwise() - sample.y.col(l)).colwise().squaredNorm().minCoeff(&nearest);
      choice_.col(l).setConstant(nearest);
    }
    update();
  }

  /// Sends every expert's mass at every support point to the nearest of the fewer, and returns the divergence,
  ///
  ///   sum_s sum_l mass_sl min_k KL(N_l(. | x_s) || N_k(. | x_s)) / sum mass.
  double assign() {
    const Index q = all_.front().coefficients.rows();
    contributions_.setZero();
    Eigen::MatrixXd least = Eigen::MatrixXd::Constant(mass_.rows(), experts(), infinity);
    Eigen::VectorXd off(q), z(q);
    for (Index k = 0; k < components(); ++k) {
      const Line& to = reduced_[static_cast<std::size_t>(k)];
      const Eigen::MatrixXd mean = to.coefficients * design_;
      for (Index l = 0; l < experts(); ++l) {
        const Line& from = all_[static_cast<std::size_t>(l)];
        const double fixed = to.divergence_of_covariance(from);
        for (Index s = 0; s < mass_.rows(); ++s) {
          off = means_[static_cast<std::size_t>(l)].col(s) - mean.col(s);
          lower_times(to.whitening, off.data(), z.data());
          const double divergence = fixed + 0.5 * sum_of_squares(z);
          if (divergence < least(s, l)) least(s, l) = divergence, choice_(s, l) = k;
        }
      }
    }
    for (Index l = 0; l < experts(); ++l) {
      for (Index s = 0; s < mass_.rows(); ++s) {
        contributions_(l) += mass_(s, l) > 0 ? mass_(s, l) * std::max(0.0, least(s, l)) : 0.0;
      }
    }
    return contributions_.sum() / mass_.sum();
  }

  /// The fewer experts that are nearest to the mass they were sent: least squares on the means of the others, and
  ///
  ///   S_k = sum mass (S_l + (m_l - m_k)(m_l - m_k)') / sum mass.
  ///
  /// One that was sent none becomes the expert that is worst represented.
  void update() {
    const Index q = all_.front().coefficients.rows(), p = design_.rows();
    Eigen::MatrixXd pooled = Eigen::MatrixXd::Zero(q, q);
    for (Index k = 0; k < components(); ++k) {
      Line& to = reduced_[static_cast<std::size_t>(k)];
      auto& moments = moments_[static_cast<std::size_t>(k)];
      moments.assign(static_cast<std::size_t>(experts()), Eigen::MatrixXd::Zero(p, p));
      Index heaviest = 0;
      for (Index l = 0; l < experts(); ++l) {
        Eigen::MatrixXd& own = moments[static_cast<std::size_t>(l)];
        for (Index s = 0; s < mass_.rows(); ++s) {
          if (choice_(s, l) != k || !(mass_(s, l) > 0)) continue;
          for (Index j = 0; j < p; ++j) own.col(j) += mass_(s, l) * design_(j, s) * design_.col(s);
        }
        if (own(0, 0) > moments[static_cast<std::size_t>(heaviest)](0, 0)) heaviest = l;
      }
      if (!(moments[static_cast<std::size_t>(heaviest)](0, 0) > 0)) {
        contributions_.maxCoeff(&heaviest);
        contributions_(heaviest) = 0;  // the next empty one takes another
        moments[static_cast<std::size_t>(heaviest)](0, 0) = std::numeric_limits<double>::min();
      }
      fit(moments, heaviest, to);
      for (const Eigen::MatrixXd& own : moments) pooled += own(0, 0) * to.covariance;
    }
    for (Line& to : reduced_) {
      if (structure_ == Covariance::tied) to.covariance = pooled / mass_.sum();
      to.refresh();
    }
  }

  /// S x K: the mass that each of the fewer experts was sent.
  Eigen::MatrixXd received() const {
    Eigen::MatrixXd result = Eigen::MatrixXd::Zero(mass_.rows(), components());
    for (Index l = 0; l < experts(); ++l) {
      for (Index s = 0; s < mass_.rows(); ++s) result(s, choice_(s, l)) += mass_(s, l);
    }
    return result;
  }
  /// L x K: the share of each expert's mass that went to each of the fewer.
  Eigen::MatrixXd plan() const {
    Eigen::MatrixXd result = Eigen::MatrixXd::Zero(experts(), components());
    for (Index l = 0; l < experts(); ++l) {
      for (Index s = 0; s < mass_.rows(); ++s) result(l, choice_(s, l)) += mass_(s, l);
      if (result.row(l).sum() > 0) result.row(l) /= result.row(l).sum();
    }
    return result;
  }
  /// In the units of x and y.
  std::vector<LinearExpert> reduced() const {
    std::vector<LinearExpert> result;
    for (const Line& one : reduced_) {
      const Index q = one.coefficients.rows(), p = one.coefficients.cols() - 1;
      const Eigen::MatrixXd plain = moved_coefficients(one.coefficients, *frame_, Frame::identity(p + q));
      Eigen::MatrixXd covariance = one.covariance;
      for (Index j = 0; j < q; ++j) {
        for (Index i = 0; i < q; ++i) covariance(i, j) /= frame_->scale(p + i) * frame_->scale(p + j);
      }
      result.push_back(
          LinearExpert(plain.col(0), Eigen::MatrixXd(plain.rightCols(p)), covariance, structure_).in(frame_));
    }
    return result;
  }

 private:
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  /// One expert: N(B (1, x), S).
  struct Line {
    Eigen::MatrixXd coefficients;  // q x (1 + p)
    Eigen::MatrixXd covariance;    // q x q, symmetric
    Eigen::MatrixXd whitening = {};
    double half_log_determinant = 0;

    void refresh() {
      whitening = covariance;
      require(cholesky(whitening), "the covariance of an expert of ", covariance.rows(),
              " responses is not positive definite");
      half_log_determinant = 0;
      for (Index r = 0; r < whitening.rows(); ++r) half_log_determinant += std::log(whitening(r, r));
      invert_lower(whitening);
      whitening.triangularView<Eigen::StrictlyUpper>().setZero();
    }
    /// KL(N(0, S_from) || N(0, S)) = 1/2 (log |S| / |S_from| + tr S^-1 S_from - q)
    double divergence_of_covariance(const Line& from) const {
      double trace = 0;
      for (Index i = 0; i < whitening.rows(); ++i) {
        for (Index j = 0; j <= i; ++j) {
          double sum = 0;
          for (Index m = 0; m <= i; ++m) sum += from.covariance(j, m) * whitening(i, m);
          trace += whitening(i, j) * sum;
        }
      }
      const auto q = static_cast<double>(whitening.rows());
      return half_log_determinant - from.half_log_determinant + 0.5 * (trace - q);
    }
  };

  Index experts() const { return mass_.cols(); }
  Index components() const { return static_cast<Index>(reduced_.size()); }

  /// As a change of the expert that sent most, so that equal experts give themselves, to the bit.
  void fit(const std::vector<Eigen::MatrixXd>& moments, Index heaviest, Line& to) const {
    const Line& centre = all_[static_cast<std::size_t>(heaviest)];
    const Index q = centre.coefficients.rows(), p = centre.coefficients.cols();
    Eigen::MatrixXd total = Eigen::MatrixXd::Zero(p, p), right = Eigen::MatrixXd::Zero(p, q);
    for (std::size_t l = 0; l < moments.size(); ++l) {
      total += moments[l];
      right += moments[l] * (all_[l].coefficients - centre.coefficients).transpose();
    }
    const double weight = total(0, 0);
    solve_positive(total, right);
    to.coefficients = centre.coefficients + right.transpose();
    Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(q, q);
    for (std::size_t l = 0; l < moments.size(); ++l) {
      if (!(moments[l](0, 0) > 0)) continue;
      const Eigen::MatrixXd off = all_[l].coefficients - to.coefficients;
      covariance += moments[l](0, 0) / weight * all_[l].covariance + off * (moments[l] / weight) * off.transpose();
    }
    to.covariance = (covariance + covariance.transpose()) / 2;
    if (is_diagonal(structure_)) {
      Eigen::VectorXd variances = to.covariance.diagonal();
      if (structure_ == Covariance::spherical) variances.setConstant(variances.mean());
      to.covariance = variances.asDiagonal();
    }
  }

  Covariance structure_;
  std::shared_ptr<const Frame> frame_;
  std::vector<Line> all_;
  std::vector<Eigen::MatrixXd> means_;                           // L of q x S
  Eigen::MatrixXd mass_;                                         // S x L
  Eigen::MatrixXd design_;                                       // (1 + p) x S
  Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic> choice_;  // S x L
  Eigen::VectorXd shares_, contributions_;                       // L
  std::vector<std::vector<Eigen::MatrixXd>> moments_;            // K of L of sum mass (1, x)(1, x)'
  std::vector<Line> reduced_;
};

}  // namespace emulsion
