#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <utility>
#include <vector>

#include "emulsion/data/regression.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/gates/constant.hpp"
#include "emulsion/models/components.hpp"

namespace emulsion {

/// Weights from a Gaussian mixture of the gate covariates z (Xu, Jordan and Hinton, 1995; GLLiM, GLoME),
///
///   w_k(z) = pi_k N(z; c_k, G_k) / sum_l pi_l N(z; c_l, G_l).
///
/// Scores log pi_k N(z; c_k, G_k), so that the model's objective is the joint log-likelihood of y and z given x, whose
/// M-step is closed form. G full, diagonal, spherical or tied. Statistics: closed form.
class GaussianGate {
 public:
  using Bank = Components<Gaussian>;
  struct Statistics {
    ConstantGate::Statistics weights;
    Bank::Statistics bank;
    Statistics& operator+=(const Statistics& other) {
      weights += other.weights, bank += other.bank;
      return *this;
    }
    Statistics& operator*=(double c) {
      weights *= c, bank *= c;
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      weights.visit(visitor), bank.visit(visitor);
    }
  };
  using Scratch = Bank::Scratch;

  /// Standard normal, K times: the prototype of a fit. `covariates`: p.
  GaussianGate(Index components, Index covariates, Covariance structure = Covariance::full,
               double floor = Gaussian::default_floor)
      : weights_(components),
        bank_(std::vector<Gaussian>(static_cast<std::size_t>(components), Gaussian(covariates, structure, floor))) {}
  /// Weights pi (K, sum one) and as many Gaussians of z.
  GaussianGate(const Eigen::Ref<const Eigen::VectorXd>& weights, std::vector<Gaussian> components)
      : weights_(weights), bank_(std::move(components)) {
    require(bank_.size() == weights_.size(), "a gate of ", weights_.size(), " weights needs as many Gaussians, got ",
            bank_.size());
  }

  /// K
  Index size() const { return weights_.size(); }
  /// p
  Index covariates() const { return bank_.dimension(); }
  /// pi (K)
  const Eigen::VectorXd& weights() const { return weights_.weights(); }
  /// N(c_k, G_k)
  const Gaussian& operator[](Index k) const { return bank_[k]; }
  Index free_parameters() const { return weights_.free_parameters() + bank_.free_parameters(); }

  Statistics statistics() const { return {weights_.statistics(), bank_.statistics()}; }
  Scratch scratch(Index most) const { return bank_.scratch(most); }
  template <class Data>
  void score(const Data& block, Scratch& scratch, Scores scores) const {
    ConstantGate::Scratch none;
    weights_.score(block, none, scores);
    bank_.score(block.z(), scratch, scores);
  }
  template <class Data>
  void accumulate(const Data& block, const Responsibilities& r, Scratch& scratch, Statistics& s) const {
    add_counts(r, s.weights.counts);
    bank_.accumulate(block.z(), r, scratch, s.bank);
  }
  void maximize(const Statistics& s, GaussianGate& next) const {
    weights_.maximize(s.weights, next.weights_);
    bank_.maximize(s.bank, next.bank_);
  }
  double offset() const { return 0; }

  Index parameters() const { return weights_.parameters() + bank_.parameters(); }
  void pack(Eigen::VectorXd& v, Index& at) const { weights_.pack(v, at), bank_.pack(v, at); }
  bool unpack(const Eigen::VectorXd& v, Index& at) { return weights_.unpack(v, at) && bank_.unpack(v, at); }
  void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    weights_.gradient(s.weights, v, at);
    bank_.gradient(s.bank, v, at);
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
    bank_.follow(data.z());
  }
  /// The component nearest to an observation whose z is too far away for any density.
  template <class Data>
  [[gnu::cold]] Index nearest(const Data& data, Index i) const {
    Index best = 0;
    for (Index k = 1; k < size(); ++k) {
      if (bank_.nearness(data.z(), i, k) > bank_.nearness(data.z(), i, best)) best = k;
    }
    return best;
  }
  Index at_floor(Index k) const { return bank_.at_floor(k); }
  Regularity regularity(double least) const { return bank_.regularity(weights(), least); }
  void drop(Index k) { weights_.drop(k), bank_.drop(k); }
  void renew(Index k, const GaussianGate& from) { weights_.renew(k, from.weights_), bank_.renew(k, from.bank_); }

 private:
  ConstantGate weights_;
  Bank bank_;
};

}  // namespace emulsion
