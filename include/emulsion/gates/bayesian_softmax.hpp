#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/experts/design_sums.hpp"
#include "emulsion/gates/averaged.hpp"
#include "emulsion/gates/softmax.hpp"

namespace emulsion {

/// Standard deviations of the normal prior of a softmax gate's coefficients, of every component's.
struct SoftmaxPrior {
  double intercept = 5;
  double slope = 5;  ///< per unit of z; of BayesianSoftmaxGate::about(z), per standard deviation
};

/// Softmax weights w_k(z) = softmax(v_k'(1, z)) with a normal prior of the coefficients, v_k ~ N(0, D) independently,
/// and a normal posterior q. Only differences between components matter, so that the v_k of q sum to zero:
///
///   q(v_1, ..., v_K) = N(m_k; (I - 1 1' / K) (x) C),   C = (D^-1 + sum_i (1, z_i)(1, z_i)' / 2)^-1.
///
/// E[log w_k(z)] has no closed form. It scores the lower bound that follows from Boehning's on the curvature of the
/// log-sum-exp, (I - 1 1' / K) / 2, about the expected linear predictors, where it is tightest,
///
///   E[log w_k(z)] >= log softmax_k(m'(1, z)) - (K - 1) / 4 (1, z)' C (1, z)
///
/// (Boehning, 1992; Murphy, 2012, sec. 21.8.2), so that the objective of a mixture is a lower bound on log p(y | x, z).
/// The point about which every observation is expanded needs no parameter of its own: it is what the gate expects.
///
/// Statistics: sums of (r_k - w_k) (1, z) and of (1, z)(1, z)' at the present expectation; the posterior that maximizes
/// the bound about it is closed form, and it never falls. C does not know how certain weights are: where they are near
/// 0 or 1 it is too small, as steps of the expectation are.
///
/// Cost of a pass: n (K p + p^2).
class BayesianSoftmaxGate {
 public:
  static constexpr bool local_m_step = true;
  using Member = SoftmaxGate;
  using Predictive = AveragedGate<SoftmaxGate>;

  struct Statistics {
    Eigen::VectorXd counts;    // K: sums of responsibilities
    Eigen::MatrixXd gradient;  // (1 + p) x K: sums of (r_k - w_k) (1, z)
    Eigen::VectorXd second;    // sums of (1, z)(1, z)', lower triangle column by column

    Statistics& operator+=(const Statistics& other) {
      counts += other.counts, gradient += other.gradient, second += other.second;
      return *this;
    }
    Statistics& operator*=(double c) {
      counts *= c, gradient *= c, second *= c;
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      visitor(counts), visitor(gradient), visitor(second);
    }
  };
  struct Scratch {
    SoftmaxGate::Scratch of_mean;
    Eigen::VectorXd cost;  // b
  };

  /// The prior of K components on p covariates, about z = 0.
  ///
  /// @throws InvalidArgument unless K is positive, p not negative and the deviations are positive and finite
  [[gnu::cold]] explicit BayesianSoftmaxGate(Index components, Index covariates, const SoftmaxPrior& prior = {})
      : BayesianSoftmaxGate(SoftmaxGate(components, covariates), prior) {}

  /// The prior about the median of these gate covariates (p x n), its slopes per (robust) standard deviation.
  ///
  /// @throws InvalidArgument as above, and if a value is not finite
  [[gnu::cold]] static BayesianSoftmaxGate about(Index components, const Points<>& z, const SoftmaxPrior& prior = {}) {
    require_finite(z, "gate covariate");
    SoftmaxGate mean(components, z.dimension());
    mean.follow(frame_of(z, false));
    return {std::move(mean), prior};
  }
  /// With that posterior: expectations ((1 + p) x K; their mean is subtracted) and C ((1 + p) x (1 + p)).
  ///
  /// @throws InvalidArgument unless the sizes fit and C is symmetric and positive definite
  [[gnu::cold]] BayesianSoftmaxGate with_posterior(const Eigen::Ref<const Eigen::MatrixXd>& mean,
                                                   const Eigen::Ref<const Eigen::MatrixXd>& covariance) const {
    const Index p = 1 + covariates();
    require(mean.rows() == p && mean.cols() == size() && covariance.rows() == p && covariance.cols() == p,
            "a posterior of this gate has expectations of ", p, " x ", size(), " and a covariance of ", p, " x ", p,
            ", got ", mean.rows(), " x ", mean.cols(), " and ", covariance.rows(), " x ", covariance.cols());
    Eigen::MatrixXd factor = covariance;
    require(all_finite(mean) && all_finite(covariance) && covariance == covariance.transpose() && cholesky(factor),
            "the posterior of a gate needs finite expectations and a symmetric, positive definite covariance");
    factor = factor.triangularView<Eigen::Lower>().toDenseMatrix();
    BayesianSoftmaxGate result = *this;
    const Frame plain = Frame::identity(covariates());
    result.set_mean(centred(moved_predictors(mean, plain, *frame())));
    result.factor_ = moved(factor, plain, *frame());
    result.refresh();
    return result;
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// K
  Index size() const { return mean_.size(); }
  /// p
  Index covariates() const { return mean_.covariates(); }
  /// m, (1 + p) x K, rows that sum to zero.
  Eigen::MatrixXd mean() const {
    return moved_predictors(centred(mean_.coefficients_in_frame()), *frame(), Frame::identity(covariates()));
  }
  /// C, (1 + p) x (1 + p)
  Eigen::MatrixXd covariance() const {
    const Eigen::MatrixXd factor = moved(factor_, *frame(), Frame::identity(covariates()));
    return factor * factor.transpose();
  }
  /// K: the share of the observations that each component had in the last M-step, never quite zero (a component without
  /// observations is at its prior); equal before the first.
  const Eigen::VectorXd& weights() const { return shares_; }
  /// How many observations component k holds, in expectation.
  double count(Index k) const { return counts_(k); }
  Index free_parameters() const { return mean_.free_parameters(); }
  /// The gate with the expected coefficients.
  const SoftmaxGate& expected() const { return mean_; }
  /// A gate drawn from the posterior.
  [[gnu::cold]] SoftmaxGate sample_gate(Rng& rng) const {
    Eigen::MatrixXd noise(1 + covariates(), size());
    for (Index k = 0; k < size(); ++k) {
      for (Index j = 0; j <= covariates(); ++j) noise(j, k) = rng.normal();
    }
    return moved_by(noise);
  }
  /// E[w(z)], as the mean of the weights of so many gates drawn in opposite pairs; the same in every call.
  [[gnu::cold]] Predictive predictive(Index draws = 256) const {
    Rng rng(0);
    std::vector<SoftmaxGate> all;
    for (Index s = 0; s < std::max<Index>(1, draws / 2); ++s) {
      Eigen::MatrixXd noise(1 + covariates(), size());
      for (Index k = 0; k < size(); ++k) {
        for (Index j = 0; j <= covariates(); ++j) noise(j, k) = rng.normal();
      }
      all.push_back(moved_by(noise));
      all.push_back(moved_by(-noise));
    }
    return Predictive(std::move(all));
  }

  // --- one block ------------------------------------------------------------------------------------------------------

  Statistics statistics() const {
    const Index p = 1 + covariates();
    return {Eigen::VectorXd::Zero(size()), Eigen::MatrixXd::Zero(p, size()), Eigen::VectorXd::Zero(p * (p + 1) / 2)};
  }
  Scratch scratch(Index most) const { return {mean_.scratch(most), Eigen::VectorXd(most)}; }

  /// scores(i, k) += the bound on E[log w_k(z_i)]
  template <class Data>
  void score(const Data& block, Scratch& scratch, Scores scores) const {
    mean_.score(block, scratch.of_mean, scores);
    if (size() == 1) return;
    auto cost = scratch.cost.head(scores.rows());
    cost.setZero();
    add_log_density_affine(scratch.of_mean.z, rows_.data(), shift_.data(), 1 + covariates(), 0, cost.data());
    for (Index k = 0; k < size(); ++k) scores.col(k) += cost;
  }
  template <class Data>
  void accumulate(const Data&, const Responsibilities& r, Scratch& scratch, Statistics& s) const {
    add_counts(r, s.counts);
    mean_.add_gradient(r, scratch.of_mean, s.gradient);
    add_design_squares(scratch.of_mean.z, scratch.of_mean.total.data(), s.second.data());
  }

  /// The posterior that maximizes the bound about the present expectations.
  [[gnu::cold]] void maximize(const Statistics& s, BayesianSoftmaxGate& next) const {
    next.learn_counts(s.counts);
    auto& [system, root, step, mean, packed] = next.space_;
    const Index p = 1 + covariates();
    mean = mean_.coefficients_in_frame();
    centre(mean);
    system = prior_precision_;
    step = s.gradient;
    for (Index j = 0, at = 0; j < p; ++j) {
      for (Index i = j; i < p; ++i) system(i, j) += 0.5 * s.second(at++);
    }
    for (Index k = 0; k < size(); ++k) {
      for (Index j = 0; j < p; ++j) {
        for (Index i = 0; i < p; ++i) step(i, k) -= prior_precision_(i, j) * mean(j, k);
      }
    }
    solve_positive(system, step);
    mean += step;
    next.set_mean(mean);
    // Where rounding has wiped a pivot out, what the prior knows is left.
    for (Index j = 0; j < p; ++j) system(j, j) = system(j, j) > 0 ? system(j, j) : 1 / prior_factor_(j, j);
    invert_lower(system);
    for (Index j = 0; j < p; ++j) {  // C = system' system
      for (Index i = 0; i < p; ++i) root(j, i) = i >= j ? system(i, j) : 0.0;
    }
    factor_of_square(root, next.factor_);
    next.refresh();
  }

  /// What the statistics of `from` say of this posterior, by the bound on the curvature; see Recentred.
  [[gnu::cold]] void recentre(Statistics& s, const BayesianSoftmaxGate& from) const {
    Eigen::MatrixXd back = from.mean_.coefficients_in_frame() - mean_.coefficients_in_frame();
    centre(back);
    for (Index k = 0; k < size(); ++k) {
      add_packed_product(
          s.second.data(), back.rows(), [&](Index j) { return 0.5 * back(j, k); }, &s.gradient(0, k));
    }
  }

  /// Minus the divergence of the posterior from the prior, in nats.
  double offset() const { return -divergence_; }

  // --- what a fit asks --------------------------------------------------------------------------------------------------

  template <class Data>
  void check(const Data& data) const {
    mean_.check(data);
  }
  template <class Data>
  void follow(const Data& data) {
    const std::shared_ptr<const Frame> before = frame();
    mean_.follow(data);
    prior_factor_ = moved(prior_factor_, *before, *frame());
    factor_ = moved(factor_, *before, *frame());
    prepare();
    refresh();
  }

  // --- what moves ask ---------------------------------------------------------------------------------------------------

  /// Relabelled components have the same prior.
  static constexpr bool exchangeable = true;
  /// The prior for another number of components.
  [[gnu::cold]] BayesianSoftmaxGate resized(Index components) const {
    BayesianSoftmaxGate result = *this;
    result.mean_ = SoftmaxGate(components, covariates());
    result.mean_.follow(frame());
    result.factor_ = prior_factor_;
    result.make_space();
    result.refresh();
    return result;
  }
  /// A start after a move: component k continues component from[k] of this one, but holds counts(k) observations.
  [[gnu::cold]] BayesianSoftmaxGate rearranged(const std::vector<Index>& from, const Eigen::VectorXd& counts) const {
    BayesianSoftmaxGate result = resized(counts.size());
    const Eigen::MatrixXd before = mean_.coefficients_in_frame();
    Eigen::MatrixXd mean(before.rows(), counts.size());
    for (Index k = 0; k < counts.size(); ++k) {
      const Index own = from[static_cast<std::size_t>(k)];
      mean.col(k) = before.col(own);
      mean(0, k) += std::log((counts(k) + 0.5) / (counts_(own) + 0.5));
    }
    result.set_mean(centred(mean));
    result.factor_ = factor_;
    result.learn_counts(counts);
    result.refresh();
    return result;
  }
  [[gnu::cold]] void drop(Index k) {
    std::vector<Index> rest;
    Eigen::VectorXd counts(size() - 1);
    for (Index other = 0; other < size(); ++other) {
      if (other == k) continue;
      counts(static_cast<Index>(rest.size())) = counts_(other);
      rest.push_back(other);
    }
    *this = rearranged(rest, counts);
  }
  [[gnu::cold]] void renew(Index k, const BayesianSoftmaxGate& from) {
    Eigen::MatrixXd mean = centred(mean_.coefficients_in_frame());
    mean.col(k) = centred(from.mean_.coefficients_in_frame()).col(k);
    set_mean(centred(mean));
    counts_(k) = from.counts_(k);
    learn_counts(Eigen::VectorXd(counts_));
    refresh();
  }

 private:
  struct Space {
    Eigen::MatrixXd system, root, step, mean;
    Eigen::VectorXd packed;
  };

  /// At the prior, which is about the frame of `mean`.
  [[gnu::cold]] BayesianSoftmaxGate(SoftmaxGate mean, const SoftmaxPrior& prior) : mean_(std::move(mean)) {
    require(prior.intercept > 0 && prior.slope > 0 && std::isfinite(prior.intercept) && std::isfinite(prior.slope),
            "the prior of a gate needs positive, finite standard deviations, got ", prior.intercept, " and ",
            prior.slope);
    const Index p = covariates();
    prior_factor_ = Eigen::MatrixXd::Zero(1 + p, 1 + p);
    prior_factor_(0, 0) = prior.intercept;
    for (Index j = 0; j < p; ++j) prior_factor_(1 + j, 1 + j) = prior.slope / frame()->spread(j);
    factor_ = prior_factor_;
    prepare();
    make_space();
    refresh();
  }

  const std::shared_ptr<const Frame>& frame() const { return mean_.frame(); }

  static void centre(Eigen::MatrixXd& mean) {
    for (Index j = 0; j < mean.rows(); ++j) {
      double sum = 0;
      for (Index k = 0; k < mean.cols(); ++k) sum += mean(j, k);
      for (Index k = 0; k < mean.cols(); ++k) mean(j, k) -= sum / static_cast<double>(mean.cols());
    }
  }
  [[gnu::cold]] static Eigen::MatrixXd centred(Eigen::MatrixXd mean) {
    centre(mean);
    return mean;
  }
  /// The Cholesky factor of a covariance of coefficients (1 + p) in the coordinates of another frame.
  [[gnu::cold]] static Eigen::MatrixXd moved(const Eigen::MatrixXd& factor, const Frame& from, const Frame& to) {
    if (from == to) return factor;
    Eigen::MatrixXd there = moved_predictors(factor, from, to), result(factor.rows(), factor.cols());
    factor_of_square(there, result);
    return result;
  }

  /// The expected gate, as far as `noise` (standard normal, (1 + p) x K) leads away from it.
  [[gnu::cold]] SoftmaxGate moved_by(const Eigen::MatrixXd& noise) const {
    Eigen::MatrixXd mean = mean_.coefficients_in_frame();
    Eigen::VectorXd error(mean.rows());
    for (Index k = 0; k < size(); ++k) {
      lower_times(factor_, &noise(0, k), error.data());
      mean.col(k) += error;  // differences of components have the covariance 2 C, as those of q have
    }
    BayesianSoftmaxGate result = *this;
    result.set_mean(mean);
    return result.mean_;
  }

  [[gnu::cold]] void make_space() {
    const Index p = 1 + covariates();
    space_ = {Eigen::MatrixXd(p, p), Eigen::MatrixXd(p, p), Eigen::MatrixXd(p, size()), Eigen::MatrixXd(p, size()),
              Eigen::VectorXd(mean_.free_parameters())};
    counts_ = Eigen::VectorXd::Zero(size());
    shares_ = Eigen::VectorXd::Constant(size(), 1 / static_cast<double>(size()));
  }
  /// Coefficients in the frame, of which the gate keeps differences from the last component.
  void set_mean(const Eigen::MatrixXd& mean) {
    for (Index k = 0, at = 0; k + 1 < size(); ++k) {
      for (Index j = 0; j < mean.rows(); ++j) space_.packed(at++) = mean(j, k) - mean(j, size() - 1);
    }
    Index at = 0;
    mean_.unpack(space_.packed, at);
  }
  void learn_counts(const Eigen::VectorXd& counts) {
    counts_ = counts;
    const double total = counts_.sum();
    for (Index k = 0; k < size() && total > 0; ++k) shares_(k) = std::max(1e-300, counts_(k) / total);
  }
  /// The prior's precision, both triangles, and its root.
  [[gnu::cold]] void prepare() {
    prior_root_ = prior_factor_;
    invert_lower(prior_root_);
    prior_precision_ = prior_root_.transpose() * prior_root_;
  }

  /// What scores read: rows whose squares sum to (K - 1) / 2 (1, z)' C (1, z); the divergence from the prior.
  void refresh() {
    const Index p = 1 + covariates(),
                padded = PackedPoints<double>::up(std::max<Index>(2, p) - 1, PackedPoints<double>::tile);
    if (rows_.size() != p * padded) rows_ = Eigen::VectorXd::Zero(p * padded), shift_ = Eigen::VectorXd::Zero(p);
    const auto others = static_cast<double>(size() - 1);
    Eigen::MatrixXd& mean = space_.mean;
    mean = mean_.coefficients_in_frame();
    centre(mean);
    double per_class = -static_cast<double>(p), square = 0;
    for (Index j = 0; j < p; ++j) {
      for (Index i = j; i < p; ++i) {
        const double value = std::sqrt(0.5 * others) * factor_(i, j);
        if (i > 0) rows_(j * padded + i - 1) = value;
        else shift_(j) = -value;
        double z = 0;
        for (Index l = j; l <= i; ++l) z += prior_root_(i, l) * factor_(l, j);
        per_class += z * z;
      }
      per_class -= 2 * std::log(factor_(j, j) * prior_root_(j, j));
      for (Index k = 0; k < size(); ++k) {
        double z = 0;
        for (Index l = 0; l <= j; ++l) z += prior_root_(j, l) * mean(l, k);
        square += z * z;
      }
    }
    divergence_ = 0.5 * (others * per_class + square);
  }

  SoftmaxGate mean_;
  Eigen::MatrixXd prior_factor_, prior_root_,
      prior_precision_;     // of D: Cholesky factor, its inverse, D^-1; in the frame
  Eigen::MatrixXd factor_;  // Cholesky factor of C, in the frame
  Eigen::VectorXd counts_, shares_, rows_, shift_;
  double divergence_ = 0;
  Space space_;
};

}  // namespace emulsion
