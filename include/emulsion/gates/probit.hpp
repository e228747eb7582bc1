#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "emulsion/core/newton_step.hpp"
#include "emulsion/core/normal_tail.hpp"
#include "emulsion/data/inspect.hpp"
#include "emulsion/data/regression.hpp"
#include "emulsion/experts/design_sums.hpp"
#include "emulsion/experts/linear_predictor.hpp"
#include "emulsion/gates/constant.hpp"

namespace emulsion {

/// Probit stick-breaking weights (Rodriguez and Dunson, 2011): component k < K takes the share Phi(a_k + b_k'z) of what
/// the ones before it have left, the last all that is left,
///
///   w_k(z) = Phi(a_k + b_k'z) prod_{l < k} Phi(-a_l - b_l'z).
///
/// Statistics: local quadratic. An M-step moves every stick by (sum r (1, z)(1, z)')^-1 times its gradient, r the
/// responsibilities that reach it: the step under the bound 1 on the curvature of -log Phi, which is also that of EM
/// with normal latent variables (Albert and Chib, 1993). It never leads down.
///
/// Cost of a pass: n K p for scores and gradient, n p^2 / 2 for each stick.
class ProbitGate {
 public:
  static constexpr bool local_m_step = true;

  struct Statistics {
    double weight = 0;
    Eigen::VectorXd counts;    // K: sums of responsibilities
    Eigen::MatrixXd gradient;  // (1 + p) x (K - 1)
    Eigen::MatrixXd second;    // of (1, z)(1, z)', lower triangle column by column; a column per stick

    Statistics& operator+=(const Statistics& other) {
      weight += other.weight, counts += other.counts, gradient += other.gradient, second += other.second;
      return *this;
    }
    Statistics& operator*=(double c) {
      weight *= c, counts *= c, gradient *= c, second *= c;
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      visitor(weight), visitor(counts), visitor(gradient), visitor(second);
    }
  };
  struct Scratch {
    PackedPoints<double> z;
    Eigen::MatrixXd predictors;  // b x (K - 1)
    Eigen::VectorXd left, pull;  // b
  };

  /// Every component takes half of what is left: the prototype of a fit. `covariates`: p.
  ProbitGate(Index components, Index covariates)
      : frame_(std::make_shared<const Frame>(Frame::identity(std::max<Index>(0, covariates)))),
        coefficients_(Eigen::MatrixXd::Zero(1 + std::max<Index>(0, covariates), std::max<Index>(1, components) - 1)),
        shares_(Eigen::VectorXd::Constant(std::max<Index>(1, components), 1 / static_cast<double>(components))) {
    require(components >= 1, "a mixture needs at least one component, got ", components);
    require(covariates >= 0, "the number of gate covariates must not be negative, got ", covariates);
    make_space();
  }
  /// Coefficients (1 + p) x (K - 1): a column (a_k, b_k) per stick.
  explicit ProbitGate(const Eigen::Ref<const Eigen::MatrixXd>& coefficients)
      : ProbitGate(coefficients.cols() + 1, coefficients.rows() - 1) {
    require(all_finite(coefficients), "the coefficients of a gate must be finite");
    coefficients_ = coefficients;
  }

  /// K
  Index size() const { return shares_.size(); }
  /// p
  Index covariates() const { return coefficients_.rows() - 1; }
  /// (1 + p) x (K - 1)
  Eigen::MatrixXd coefficients() const {
    return moved_predictors(coefficients_, *frame_, Frame::identity(covariates()));
  }
  /// K: the share of the observations that each component had in the last M-step; equal before the first.
  const Eigen::VectorXd& weights() const { return shares_; }
  Index free_parameters() const { return coefficients_.size(); }

  Statistics statistics() const {
    const Index p = coefficients_.rows(), sticks = coefficients_.cols();
    return {0, Eigen::VectorXd::Zero(size()), Eigen::MatrixXd::Zero(p, sticks),
            Eigen::MatrixXd::Zero(p * (p + 1) / 2, sticks)};
  }
  Scratch scratch(Index most) const {
    const Index rows = PackedPoints<double>::up(most, PackedPoints<double>::strip);
    return {PackedPoints<double>(most, covariates()), Eigen::MatrixXd(rows, coefficients_.cols()),
            Eigen::VectorXd(rows), Eigen::VectorXd(rows)};
  }

  template <class Data>
  void score(const Data& block, Scratch& scratch, Scores scores) const {
    scratch.z.pack(block.z(), *frame_);
    scratch.left.head(scores.rows()).setZero();  // log of what is left of the stick
    for (Index k = 0; k < coefficients_.cols(); ++k) {
      double* const predictor = &scratch.predictors(0, k);
      std::fill_n(predictor, scores.rows(), 0.0);
      add_affine(scratch.z, coefficients_(0, k), &coefficients_(0, k) + 1, predictor);
      for (Index i = 0; i < scores.rows(); ++i) {
        scores(i, k) += scratch.left(i) + log_normal_cdf(predictor[i]);
        scratch.left(i) += log_normal_cdf(-predictor[i]);
      }
    }
    scores.col(size() - 1) += scratch.left.head(scores.rows());
  }
  template <class Data>
  void accumulate(const Data&, const Responsibilities& r, Scratch& scratch, Statistics& s) const {
    const Index b = r.rows(), rows = scratch.z.rows;
    add_counts(r, s.counts);
    auto& left = scratch.left;  // responsibilities that reach a stick
    left.head(b) = r.rowwise().sum();
    left.segment(b, rows - b).setZero();
    scratch.pull.segment(b, rows - b).setZero();
    s.weight += left.head(b).sum();
    for (Index k = 0; k < coefficients_.cols(); ++k) {
      for (Index i = 0; i < b; ++i) {
        const double u = scratch.predictors(i, k), rest = std::max(left(i) - r(i, k), 0.0);
        scratch.pull(i) =
            (r(i, k) > 0 ? r(i, k) * inverse_mills_ratio(u) : 0.0) - (rest > 0 ? rest * inverse_mills_ratio(-u) : 0.0);
      }
      add_design_sums(scratch.z, scratch.pull.data(), &s.gradient(0, k));
      add_design_squares(scratch.z, left.data(), &s.second(0, k));
      for (Index i = 0; i < b; ++i) left(i) = std::max(left(i) - r(i, k), 0.0);
    }
  }
  [[gnu::cold]] void maximize(const Statistics& s, ProbitGate& next) const {
    next.coefficients_ = coefficients_;
    next.shares_ = shares_;
    if (!(s.weight > 0)) return;
    next.shares_ = s.counts / s.counts.sum();
    const Index p = coefficients_.rows();
    for (Index k = 0; k < coefficients_.cols(); ++k) {
      for (Index j = 0, at = 0; j < p; ++j) {
        for (Index i = j; i < p; ++i) next.system_(i, j) = s.second(at++, k);
      }
      next.step_ = s.gradient.col(k);
      solve_positive(next.system_, next.step_);
      next.coefficients_.col(k) += next.step_;
    }
  }
  /// What the statistics of `from` say of these coefficients, by the bound on the curvature; see Recentred.
  [[gnu::cold]] void recentre(Statistics& s, const ProbitGate& from) const {
    for (Index k = 0; k < coefficients_.cols(); ++k) {
      const auto back = [&](Index j) { return from.coefficients_(j, k) - coefficients_(j, k); };
      add_packed_product(&s.second(0, k), coefficients_.rows(), back, &s.gradient(0, k));
    }
  }
  double offset() const { return 0; }

  Index parameters() const { return free_parameters(); }
  void pack(Eigen::VectorXd& v, Index& at) const {
    for (Index i = 0; i < coefficients_.size(); ++i) v(at++) = coefficients_.data()[i];
  }
  bool unpack(const Eigen::VectorXd& v, Index& at) {
    for (Index i = 0; i < coefficients_.size(); ++i) coefficients_.data()[i] = v(at++);
    return true;
  }
  void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    for (Index i = 0; i < coefficients_.size(); ++i) v(at++) = s.gradient.data()[i];
  }

  template <class Data>
  void check(const Data& data) const {
    require(data.z().dimension() == covariates(), "expected ", covariates(), " gate covariates, got ",
            data.z().dimension(), " (z is ", data.z().dimension(), " x ", data.size(),
            "; an observation is a column, rows(z) adapts rows)");
    require_finite(data.z(), "gate covariate");
  }
  template <class Data>
  void follow(const Data& data) {
    const auto frame = frame_of(data.z(), false);
    coefficients_ = moved_predictors(coefficients_, *frame_, *frame);
    frame_ = frame;
  }

  /// Without component k: those after it break what it would have taken. The last stick goes where the last one does.
  [[gnu::cold]] void drop(Index k) {
    const Index gone = std::min(k, coefficients_.cols() - 1);
    Eigen::MatrixXd rest(coefficients_.rows(), coefficients_.cols() - 1);
    Eigen::VectorXd shares(size() - 1);
    for (Index c = 0; c < rest.cols(); ++c) rest.col(c) = coefficients_.col(c < gone ? c : c + 1);
    for (Index c = 0; c < shares.size(); ++c) shares(c) = shares_(c < k ? c : c + 1);
    coefficients_ = rest;
    shares_ = shares.sum() > 0 ? Eigen::VectorXd(shares / shares.sum())
                               : Eigen::VectorXd::Constant(shares.size(), 1 / static_cast<double>(shares.size()));
    make_space();
  }
  [[gnu::cold]] void renew(Index k, const ProbitGate& from) {
    if (k < coefficients_.cols()) coefficients_.col(k) = from.coefficients_.col(k);
    shares_(k) = from.shares_(k);
  }

 private:
  [[gnu::cold]] void make_space() {
    system_.resize(coefficients_.rows(), coefficients_.rows());
    step_.resize(coefficients_.rows());
  }

  std::shared_ptr<const Frame> frame_;  // over z
  Eigen::MatrixXd coefficients_;        // (1 + p) x (K - 1), in the frame
  Eigen::VectorXd shares_;
  Eigen::MatrixXd system_;  // what an M-step works in
  Eigen::VectorXd step_;
};

}  // namespace emulsion
