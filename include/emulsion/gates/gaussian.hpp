#pragma once
#include <Eigen/Core>
#include <concepts>
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
/// M-step is closed form. Statistics: closed form.
///
/// `C` is the family of the Gaussians: Gaussian (G full, diagonal, spherical or tied), and for many covariates
/// BlockGaussian (G block diagonal: BLoME; Nguyen et al., 2022) or FactorGaussian (G of low rank and noise). Any
/// component of points will do.
///
///   GaussianGate(3, p);   BasicGaussianGate(3, BlockGaussian(partition));   BasicGaussianGate(3, FactorGaussian(p,
///   2));
template <Component C>
class BasicGaussianGate {
 public:
  using Bank = Components<C>;
  struct Statistics {
    ConstantGate::Statistics weights;
    typename Bank::Statistics bank;
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
  using Scratch = typename Bank::Scratch;

  /// Standard normal, K times: the prototype of a fit. `covariates`: p.
  BasicGaussianGate(Index components, Index covariates, Covariance structure = Covariance::full,
                    double floor = C::default_floor) requires std::constructible_from<C, Index, Covariance, double>
      : BasicGaussianGate(components, C(covariates, structure, floor)) {}
  /// K times the prototype.
  BasicGaussianGate(Index components, const C& prototype)
      : weights_(components), bank_(std::vector<C>(static_cast<std::size_t>(components), prototype)) {}
  /// Weights pi (K, sum one) and as many Gaussians of z.
  BasicGaussianGate(const Eigen::Ref<const Eigen::VectorXd>& weights, std::vector<C> components)
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
  const C& operator[](Index k) const { return bank_[k]; }
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
  void maximize(const Statistics& s, BasicGaussianGate& next) const {
    weights_.maximize(s.weights, next.weights_);
    bank_.maximize(s.bank, next.bank_);
  }
  double offset() const { return 0; }

  Index parameters() const { return weights_.parameters() + bank_.parameters(); }
  void pack(Eigen::VectorXd& v, Index& at) const requires ChartedTerm<Bank> { weights_.pack(v, at), bank_.pack(v, at); }
  bool unpack(const Eigen::VectorXd& v, Index& at) requires ChartedTerm<Bank> {
    return weights_.unpack(v, at) && bank_.unpack(v, at);
  }
  void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const requires DifferentiableTerm<Bank> {
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
  void renew(Index k, const BasicGaussianGate& from) { weights_.renew(k, from.weights_), bank_.renew(k, from.bank_); }

 private:
  ConstantGate weights_;
  Bank bank_;
};

using GaussianGate = BasicGaussianGate<Gaussian>;

}  // namespace emulsion
