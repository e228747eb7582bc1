#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <utility>

#include "emulsion/core/newton_step.hpp"
#include "emulsion/data/inspect.hpp"
#include "emulsion/data/regression.hpp"
#include "emulsion/gates/constant.hpp"
#include "emulsion/inference/e_step.hpp"

namespace emulsion {

/// The logistic function, for the linear layer of an ActivationGate: a value and its slope.
struct Sigmoid {
  static double value(double u) { return 1 / (1 + std::exp(-u)); }
  static double slope(double u) { return value(u) * value(-u); }
};

/// Softmax weights with an activation on the linear layer and a temperature (dense-to-sparse gate; Nguyen, Akbarian and
/// Ho, 2024),
///
///   w_k(z) = exp((s(b_k'z) + a_k) / T) / sum_l exp((s(b_l'z) + a_l) / T),   a_K = 0,
///
/// with s bounded or curved, so that T and b_k can be told apart: with a linear layer they cannot. T is estimated where
/// asked.
///
/// Statistics: local quadratic: gradient and Fisher information at the present parameters. The likelihood is not
/// concave in b: drivers damp the step where it would lead down.
///
/// Cost of a pass: n (K p)^2.
template <class Activation = Sigmoid>
class ActivationGate {
 public:
  static constexpr bool local_m_step = true;

  struct Statistics {
    double weight = 0;
    Eigen::VectorXd counts;       // K
    Eigen::VectorXd gradient;     // parameters
    Eigen::MatrixXd information;  // parameters x parameters, lower triangle

    Statistics& operator+=(const Statistics& other) {
      weight += other.weight, counts += other.counts, gradient += other.gradient, information += other.information;
      return *this;
    }
    Statistics& operator*=(double c) {
      weight *= c, counts *= c, gradient *= c, information *= c;
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      visitor(weight), visitor(counts), visitor(gradient), visitor(information);
    }
  };
  struct Scratch {
    Eigen::MatrixXd inner, outer, weights;  // b'z, predictors and weights, b x K
    Eigen::VectorXd normalisers, slopes, z, moved;
  };

  /// Equal weights everywhere: the prototype of a fit. `covariates`: p >= 1.
  ActivationGate(Index components, Index covariates, double temperature = 1, bool estimate_temperature = false)
      : slopes_(Eigen::MatrixXd::Zero(std::max<Index>(1, covariates), std::max<Index>(1, components))),
        offsets_(Eigen::VectorXd::Zero(std::max<Index>(1, components))), log_temperature_(std::log(temperature)),
        estimated_(estimate_temperature),
        shares_(Eigen::VectorXd::Constant(std::max<Index>(1, components), 1 / static_cast<double>(components))) {
    require(components >= 1, "a mixture needs at least one component, got ", components);
    require(covariates >= 1, "a gate with an activation needs at least one covariate, got ", covariates);
    require(temperature > 0 && std::isfinite(temperature), "the temperature of a gate must be positive, got ",
            temperature);
  }
  /// Slopes b (p x K), offsets a (K; the last is subtracted from all).
  ActivationGate(const Eigen::Ref<const Eigen::MatrixXd>& slopes, const Eigen::Ref<const Eigen::VectorXd>& offsets,
                 double temperature = 1, bool estimate_temperature = false)
      : ActivationGate(slopes.cols(), slopes.rows(), temperature, estimate_temperature) {
    require(offsets.size() == size(), "a gate with slopes of ", slopes.rows(), " x ", slopes.cols(), " needs ", size(),
            " offsets, got ", offsets.size());
    require(all_finite(slopes) && all_finite(offsets), "the coefficients of a gate must be finite");
    slopes_ = slopes;
    offsets_ = offsets.array() - offsets(size() - 1);
  }

  Index size() const { return offsets_.size(); }
  Index covariates() const { return slopes_.rows(); }
  /// b (p x K)
  const Eigen::MatrixXd& slopes() const { return slopes_; }
  /// a (K), the last zero
  const Eigen::VectorXd& offsets() const { return offsets_; }
  double temperature() const { return std::exp(log_temperature_); }
  /// K: the share of the observations that each component had in the last M-step; equal before the first.
  const Eigen::VectorXd& weights() const { return shares_; }
  Index free_parameters() const { return parameters(); }

  Statistics statistics() const {
    return {0, Eigen::VectorXd::Zero(size()), Eigen::VectorXd::Zero(parameters()),
            Eigen::MatrixXd::Zero(parameters(), parameters())};
  }
  Scratch scratch(Index most) const {
    const Eigen::MatrixXd scores(most, size());
    return {scores,
            scores,
            scores,
            Eigen::VectorXd(most),
            Eigen::VectorXd(size()),
            Eigen::VectorXd(covariates()),
            Eigen::VectorXd(parameters())};
  }

  template <class Data>
  void score(const Data& block, Scratch& scratch, Scores scores) const {
    const Index b = scores.rows();
    const double t = temperature();
    for (Index k = 0; k < size(); ++k) {
      for (Index i = 0; i < b; ++i) {
        double u = 0;
        for (Index j = 0; j < covariates(); ++j) u += slopes_(j, k) * block.z()(j, i);
        scratch.inner(i, k) = u;
        scratch.outer(i, k) = scratch.weights(i, k) = (Activation::value(u) + offsets_(k)) / t;
      }
      scores.col(k) += scratch.outer.col(k).head(b);
    }
    Soft::normalise(scratch.weights.topRows(b), nullptr, scratch.normalisers.data());
    for (Index k = 0; k < size(); ++k) scores.col(k) -= scratch.normalisers.head(b);
  }

  template <class Data>
  void accumulate(const Data& block, const Responsibilities& r, Scratch& scratch, Statistics& s) const {
    const double t = temperature();
    const Index p = covariates(), count = parameters();
    add_counts(r, s.counts);
    for (Index i = 0; i < r.rows(); ++i) {
      double total = 0, mean = 0;
      for (Index k = 0; k < size(); ++k) total += r(i, k);
      if (!(total > 0)) continue;
      s.weight += total;
      for (Index k = 0; k < size(); ++k) {
        scratch.slopes(k) = Activation::slope(scratch.inner(i, k)) / t;
        mean += scratch.weights(i, k) * scratch.outer(i, k);
      }
      for (Index j = 0; j < p; ++j) scratch.z(j) = block.z()(j, i);
      // d predictor_k / d parameters is slope z in the place of b_k, 1 / T in that of a_k, -predictor_k in that of
      // log T; the information is sum_k w_k J_k J_k' - (sum_k w_k J_k)(...)'.
      scratch.moved.setZero();
      for (Index k = 0; k < size(); ++k) {
        const double w = scratch.weights(i, k), pull = r(i, k) - total * w;
        const double square = total * w * scratch.slopes(k);
        const Index at = k * p;
        for (Index j = 0; j < p; ++j) {
          s.gradient(at + j) += pull * scratch.slopes(k) * scratch.z(j);
          scratch.moved(at + j) = w * scratch.slopes(k) * scratch.z(j);
          for (Index m = j; m < p; ++m) {
            s.information(at + m, at + j) += square * scratch.slopes(k) * scratch.z(m) * scratch.z(j);
          }
        }
        const Index offset = size() * p + k;
        if (k + 1 < size()) {
          s.gradient(offset) += pull / t;
          scratch.moved(offset) = w / t;
          s.information(offset, offset) += total * w / t / t;
          for (Index j = 0; j < p; ++j) s.information(offset, at + j) += square * scratch.z(j) / t;
        }
        if (!estimated_) continue;
        const double value = scratch.outer(i, k);
        s.gradient(count - 1) -= pull * value;
        s.information(count - 1, count - 1) += total * w * value * value;
        for (Index j = 0; j < p; ++j) s.information(count - 1, at + j) -= square * scratch.z(j) * value;
        if (k + 1 < size()) s.information(count - 1, offset) -= total * w * value / t;
      }
      if (estimated_) scratch.moved(count - 1) = -mean;
      for (Index c = 0; c < count; ++c) {
        const double own = total * scratch.moved(c);
        for (Index row = c; row < count; ++row) s.information(row, c) -= own * scratch.moved(row);
      }
    }
  }

  /// A scoring step, of no certain length.
  [[gnu::cold]] void maximize(const Statistics& s, ActivationGate& next) const {
    next.slopes_ = slopes_, next.offsets_ = offsets_, next.log_temperature_ = log_temperature_, next.shares_ = shares_;
    if (!(s.weight > 0)) return;
    next.shares_ = s.counts / s.counts.sum();
    Eigen::MatrixXd system = s.information, step = s.gradient;
    // Where weights are nearly zero or one the information is too: a trace of the data's own scale bounds the step.
    for (Index c = 0; c < system.rows(); ++c) system(c, c) += 1e-6 * s.weight;
    solve_positive(system, step);
    Eigen::VectorXd v(parameters());
    Index at = 0;
    pack(v, at);
    v += step.col(0);
    next.unpack(v, at = 0);
  }
  /// What the statistics of `from` say of these parameters, by the information there; see Recentred.
  [[gnu::cold]] void recentre(Statistics& s, const ActivationGate& from) const {
    Eigen::VectorXd here(parameters()), there(parameters());
    Index at = 0;
    pack(here, at);
    from.pack(there, at = 0);
    for (Index c = 0; c < here.size(); ++c) {
      s.gradient(c) -= s.information(c, c) * (here(c) - there(c));
      for (Index r = c + 1; r < here.size(); ++r) {
        s.gradient(r) -= s.information(r, c) * (here(c) - there(c));
        s.gradient(c) -= s.information(r, c) * (here(r) - there(r));
      }
    }
  }
  double offset() const { return 0; }

  Index parameters() const { return size() * covariates() + size() - 1 + (estimated_ ? 1 : 0); }
  void pack(Eigen::VectorXd& v, Index& at) const {
    for (Index i = 0; i < slopes_.size(); ++i) v(at++) = slopes_.data()[i];
    for (Index k = 0; k + 1 < size(); ++k) v(at++) = offsets_(k);
    if (estimated_) v(at++) = log_temperature_;
  }
  bool unpack(const Eigen::VectorXd& v, Index& at) {
    for (Index i = 0; i < slopes_.size(); ++i) slopes_.data()[i] = v(at++);
    for (Index k = 0; k + 1 < size(); ++k) offsets_(k) = v(at++);
    if (estimated_) log_temperature_ = v(at++);
    return std::abs(log_temperature_) < 300;
  }
  void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    for (Index i = 0; i < parameters(); ++i) v(at++) = s.gradient(i);
  }

  template <class Data>
  void check(const Data& data) const {
    require(data.z().dimension() == covariates(), "expected ", covariates(), " gate covariates, got ",
            data.z().dimension(), " (z is ", data.z().dimension(), " x ", data.size(),
            "; an observation is a column, rows(z) adapts rows)");
    require_finite(data.z(), "gate covariate");
  }
  [[gnu::cold]] void drop(Index k) {
    Eigen::MatrixXd slopes(covariates(), size() - 1);
    Eigen::VectorXd offsets(size() - 1), shares(size() - 1);
    for (Index other = 0; other < size() - 1; ++other) {
      const Index from = other < k ? other : other + 1;
      slopes.col(other) = slopes_.col(from), offsets(other) = offsets_(from), shares(other) = shares_(from);
    }
    slopes_ = slopes, offsets_ = offsets.array() - offsets(offsets.size() - 1);
    shares_ = shares.sum() > 0 ? Eigen::VectorXd(shares / shares.sum())
                               : Eigen::VectorXd::Constant(shares.size(), 1 / static_cast<double>(shares.size()));
  }
  [[gnu::cold]] void renew(Index k, const ActivationGate& from) {
    slopes_.col(k) = from.slopes_.col(k);
    if (k + 1 < size()) offsets_(k) = from.offsets_(k);
    shares_(k) = from.shares_(k);
  }

 private:
  Eigen::MatrixXd slopes_;   // p x K
  Eigen::VectorXd offsets_;  // K
  double log_temperature_;
  bool estimated_;
  Eigen::VectorXd shares_;
};

}  // namespace emulsion
