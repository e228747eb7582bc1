#pragma once
#include <Eigen/Core>
#include <cmath>
#include <utility>

#include "emulsion/core/special_functions.hpp"
#include "emulsion/distributions/poisson.hpp"

namespace emulsion {

/// d independent negative binomial counts, r_j > 0 and q_j in (0, 1):
///
///   log p(x) = sum_j log Gamma(x_j + r_j) - log Gamma(r_j) - log x_j! + r_j log(1 - q_j) + x_j log q_j.
///
/// What Poisson counts with uncertain rates are predicted to be. It has no statistics: it is not fitted.
template <class Scalar_, int Dim>
class NegativeBinomialPredictive {
 public:
  using Scalar = Scalar_;
  using Data = Points<Scalar, Dim>;

  /// r and q (d each), not checked: posteriors make them.
  NegativeBinomialPredictive(Eigen::VectorXd r, Eigen::VectorXd q) : r_(std::move(r)), q_(std::move(q)) {}

  Index dimension() const { return r_.size(); }
  /// d
  const Eigen::VectorXd& r() const { return r_; }
  /// d
  const Eigen::VectorXd& q() const { return q_; }
  /// d
  Eigen::VectorXd mean() const { return r_.array() * q_.array() / (1 - q_.array()); }

  /// out(i) += log p(x_i)
  void log_density(const Data& block, Eigen::Ref<Eigen::VectorXd> out) const {
    for (Index j = 0; j < dimension(); ++j) {
      const double none = r_(j) * std::log1p(-q_(j)) - log_gamma(r_(j)), log_q = std::log(q_(j));
      for (Index i = 0; i < block.size(); ++i) {
        const auto x = static_cast<double>(block(j, i));
        out(i) += none + x * log_q + log_gamma(x + r_(j)) - log_factorial(x);
      }
    }
  }
  void check(const Data& x) const { BasicPoisson<Scalar, Dim>(dimension()).check(x); }

  /// d
  Eigen::VectorXd sample(Rng& rng) const {
    Eigen::VectorXd rates(dimension());
    for (Index j = 0; j < dimension(); ++j) rates(j) = rng.gamma(r_(j)) * q_(j) / (1 - q_(j));
    return BasicPoisson<Scalar, Dim>(rates).sample(rng);
  }

 private:
  Eigen::VectorXd r_, q_;
};

}  // namespace emulsion
