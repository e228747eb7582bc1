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
    Eigen::VectorXd sum;
    Statistics& operator+=(const Statistics& other) {
      sum += other.sum;
      return *this;
    }
    Statistics& operator*=(double c) {
      sum *= c;
      return *this;
    }
  };
  struct Scratch {
    typename SparseProcess<K>::Scratch block;
    Eigen::MatrixXd cross;
    Eigen::VectorXd residual;
  };

  /// @param process  as maximize() left it; must outlive this
  explicit SparseGradient(const SparseProcess<K>& process) : process_(&process) {}
  Statistics statistics() const { return {Eigen::VectorXd::Zero(process_->basis().kernel().parameters())}; }
  Scratch scratch(Index most) const {
    return {process_->scratch(most), Eigen::MatrixXd(process_->basis().size(), most), Eigen::VectorXd(most)};
  }
  void accumulate(const Regression& data, const AnyEStep<Regression>&, Scratch& s, Statistics& total) const {
    const Index b = data.size();
    const InducingBasis<K>& basis = process_->basis();
    const double noise = process_->noise();
    process_->read(data, s.block);
    const auto phi = s.block.phi.leftCols(b);
    s.residual.head(b) = s.block.y.head(b);
    s.residual.head(b).noalias() -= phi.transpose() * process_->posterior_mean();
    auto cross = s.cross.leftCols(b);
    cross = phi - process_->posterior_precision().solve(phi);
    cross.noalias() += process_->posterior_mean() * s.residual.head(b).transpose();
    for (Index i = 0; i < b; ++i) cross.col(i) *= s.block.precision(i) / noise;
    basis.factor().factor().transpose().template triangularView<Eigen::Upper>().solveInPlace(cross);
    const auto x = s.block.x.leftCols(b);
    basis.kernel().add_gradient(basis.inputs(), x, cross, total.sum);
    Eigen::MatrixXd one(1, 1);
    for (Index i = 0; i < b; ++i) {
      one(0, 0) = -0.5 * s.block.precision(i) / noise;
      basis.kernel().add_gradient(x.col(i), x.col(i), one, total.sum);
    }
  }

 private:
  const SparseProcess<K>* process_;
};

/// Titsias' collapsed bound (2009, eq. 9) and its gradient, in two passes over the data.
///
/// With V = k(Z, x), phi = L^-1 V, a and B of the posterior, w the weights and s the noise variance,
///
///   dF / dV       = L^-T [(I - B^-1) phi + a (y - phi' a)'] w / s,      dF / dk(x, x) = -w / (2 s),
///   dF / dk(Z, Z) = L^-T [(I - B^-1) - a a' - G / s] L^-1 / 2.
///
/// What was added to the diagonal of k(Z, Z) counts as constant. Cost of each pass n M^2; memory as a process's.
///
/// @throws InvalidArgument  for FITC, whose value is SparseProcess::objective(); for data as check()
template <Kernel K>
SparseEvidence sparse_evidence(const SparseProcess<K>& process, const Regression& data, int threads = 1) {
  require(process.bound() == SparseBound::titsias,
          "the gradient is that of Titsias' bound; the value of FITC's is objective() after an M-step");
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
  Eigen::VectorXd gradient = fold(pass, AnyEStep<Regression>()).sum;

  const Eigen::VectorXd& a = posterior.posterior_mean();
  const double noise = process.noise();
  const Eigen::MatrixXd lower = posterior.posterior_precision().inverse_lower();
  Eigen::MatrixXd inner = lower.template selfadjointView<Eigen::Lower>();
  const double trace = inner.trace();
  const Eigen::MatrixXd gram = s.gram.template selfadjointView<Eigen::Lower>();
  inner = -0.5 * (inner + a * a.transpose() + gram / noise);
  inner.diagonal().array() += 0.5;
  const auto upper = basis.factor().factor().transpose().template triangularView<Eigen::Upper>();
  upper.solveInPlace(inner);
  inner.transposeInPlace();
  upper.solveInPlace(inner);
  basis.kernel().add_gradient(basis.inputs(), basis.inputs(), inner, gradient);
  result.gradient.head(kernel_parameters) = gradient;
  result.gradient(kernel_parameters) = -0.5 * (s.weight - (static_cast<double>(m) - trace) -
                                               (s.square - a.dot(s.projection) + s.rest) / noise + a.squaredNorm());
  return result;
}

}  // namespace emulsion
