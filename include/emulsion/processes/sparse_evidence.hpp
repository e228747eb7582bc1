#pragma once
#include <Eigen/Core>
#include <cmath>
#include <limits>

#include "emulsion/processes/sparse_process.hpp"

namespace emulsion {

/// A bound and its gradient with respect to the hyperparameters of the kernel and log noise, in the order of pack().
struct SparseEvidence {
  double value = 0;  ///< nats; minus infinity where the posterior has no Cholesky factor
  Eigen::VectorXd gradient;
};

/// The second pass over the data: sum_i of the derivatives of the collapsed bound with respect to k(Z, x_i) and
/// k(x_i, x_i), times those of the kernel.
template <Kernel K>
class SparseGradient {
 public:
  struct Statistics {
    Eigen::VectorXd kernel;  ///< by the kernel's hyperparameters, but for k(Z, Z)
    Eigen::MatrixXd gram;    ///< sum g phi phi', g = dF / dk(x, x); empty for Titsias' bound, whose g is one number
    double diagonal = 0;     ///< sum g
    Statistics& operator+=(const Statistics& other) {
      kernel += other.kernel;
      gram += other.gram;
      diagonal += other.diagonal;
      return *this;
    }
    Statistics& operator*=(double c) {
      kernel *= c;
      gram *= c;
      diagonal *= c;
      return *this;
    }
  };
  struct Scratch {
    typename SparseProcess<K>::Scratch block;
    Eigen::MatrixXd cross, covariance;
    Eigen::VectorXd residual, g;
  };

  /// @param process  as maximize() left it; must outlive this
  explicit SparseGradient(const SparseProcess<K>& process) : process_(&process) {}
  Statistics statistics() const {
    const Index m = fitc() ? process_->basis().size() : 0;
    return {Eigen::VectorXd::Zero(process_->basis().kernel().parameters()), Eigen::MatrixXd::Zero(m, m)};
  }
  Scratch scratch(Index most) const {
    const Index m = process_->basis().size();
    return {process_->scratch(most), Eigen::MatrixXd(m, most), Eigen::MatrixXd(m, most), Eigen::VectorXd(most),
            Eigen::VectorXd(most)};
  }
  void accumulate(const Regression& data, const AnyEStep<Regression>&, Scratch& s, Statistics& total) const {
    const Index b = data.size();
    const InducingBasis<K>& basis = process_->basis();
    const Eigen::VectorXd& a = process_->posterior_mean();
    process_->read(data, s.block);
    const auto phi = s.block.phi.leftCols(b);
    auto covariance = s.covariance.leftCols(b);
    covariance = process_->posterior_precision().solve(phi);
    s.residual.head(b) = s.block.y.head(b);
    s.residual.head(b).noalias() -= phi.transpose() * a;
    auto cross = s.cross.leftCols(b);
    cross = -covariance;
    cross.noalias() += a * s.residual.head(b).transpose();
    for (Index i = 0; i < b; ++i) {
      const double precision = s.block.precision(i) / process_->scale();
      double g = -0.5 * precision;
      if (fitc()) {
        const double error = s.residual(i) * s.residual(i) + phi.col(i).dot(covariance.col(i));
        g *= 1 - error / (process_->noise() + s.block.rest(i));
      }
      s.g(i) = g;
      total.diagonal += g;
      cross.col(i) = precision * cross.col(i) - 2 * g * phi.col(i);
    }
    basis.kernel().add_diagonal_gradient(s.block.x.leftCols(b), s.g.head(b), total.kernel);
    if (fitc()) {
      covariance = phi * s.g.head(b).asDiagonal();
      total.gram.noalias() += covariance * phi.transpose();
    }
    basis.factor().factor().transpose().template triangularView<Eigen::Upper>().solveInPlace(cross);
    basis.kernel().add_gradient(basis.inputs(), s.block.x.leftCols(b), cross, total.kernel);
  }

 private:
  bool fitc() const { return process_->bound() == SparseBound::fitc; }

  const SparseProcess<K>* process_;
};

/// Titsias' collapsed bound (2009, eq. 9), or FITC's log marginal likelihood, and its gradient, in two passes.
///
/// With V = k(Z, x), phi = L^-1 V, a and B of the posterior, v the noise variance of an observation (the process's; for
/// FITC with k(x, x) - |phi|^2 added), w its weight, e = (y - phi' a)^2 + phi' B^-1 phi,
///
///   g = dF / dk(x, x) = -w / (2 v), for FITC -w (1 - e / v) / (2 v),
///   dF / dV           = L^-T [(a (y - phi' a) - B^-1 phi) w / v - 2 g phi],
///   dF / dk(Z, Z)     = L^-T [(I - B^-1 - a a') / 2 + sum g phi phi'] L^-1.
///
/// What was added to the diagonal of k(Z, Z) counts as constant. Cost of each pass n M^2; memory as a process's.
///
/// @throws InvalidArgument  as SparseProcess::check()
template <Kernel K>
SparseEvidence sparse_evidence(const SparseProcess<K>& process, const Regression& data, int threads = 1) {
  const InducingStatistics s = process.learn(data, threads);
  const InducingBasis<K>& basis = process.basis();
  const Index kernel_parameters = basis.kernel().parameters(), m = basis.size();
  SparseEvidence result{-std::numeric_limits<double>::infinity(), Eigen::VectorXd::Zero(kernel_parameters + 1)};
  SparseProcess<K> posterior = process;
  process.maximize(s, posterior);
  if (!posterior.posterior_precision().good()) return result;
  result.value = posterior.objective(s);

  Workers workers(useful_threads(threads, data.size()));
  const SparseGradient<K> pass(posterior);
  Fold<SparseGradient<K>, Regression> fold(pass, data, workers);
  const typename SparseGradient<K>::Statistics& sums = fold(pass, AnyEStep<Regression>());
  Eigen::VectorXd gradient = sums.kernel;

  const Eigen::VectorXd& a = posterior.posterior_mean();
  const double noise = process.noise();
  const Eigen::MatrixXd lower = posterior.posterior_precision().inverse_lower();
  Eigen::MatrixXd inner = lower.template selfadjointView<Eigen::Lower>();
  const double trace = inner.trace();
  inner = -0.5 * (inner + a * a.transpose());
  const bool fitc = process.bound() == SparseBound::fitc;
  if (fitc) {
    inner += sums.gram;
  } else {
    const Eigen::MatrixXd gram = s.gram.template selfadjointView<Eigen::Lower>();
    inner -= 0.5 / noise * gram;
  }
  inner.diagonal().array() += 0.5;
  const auto upper = basis.factor().factor().transpose().template triangularView<Eigen::Upper>();
  upper.solveInPlace(inner);
  inner.transposeInPlace();
  upper.solveInPlace(inner);
  basis.kernel().add_gradient(basis.inputs(), basis.inputs(), inner, gradient);
  result.gradient.head(kernel_parameters) = gradient;
  result.gradient(kernel_parameters) =
      fitc ? noise * sums.diagonal
           : -0.5 * (s.weight - (static_cast<double>(m) - trace) - (s.square - a.dot(s.projection) + s.rest) / noise +
                     a.squaredNorm());
  return result;
}

}  // namespace emulsion
