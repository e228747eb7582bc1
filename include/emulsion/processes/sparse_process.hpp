#pragma once
#include <Eigen/Core>
#include <cmath>
#include <numbers>
#include <utility>

#include "emulsion/core/fold.hpp"
#include "emulsion/data/regression.hpp"
#include "emulsion/processes/inducing_basis.hpp"
#include "emulsion/processes/inducing_statistics.hpp"

namespace emulsion {

enum class SparseBound {
  titsias,  ///< a lower bound of the log marginal likelihood of the exact process (Titsias, 2009, eq. 9)
  fitc      ///< the log marginal likelihood of another model, with k(x, x) exact (Snelson and Ghahramani, 2006)
};

/// A Gaussian process y = f(x) + e of mean zero, e of variance `noise`, seen through M inducing inputs. What is known
/// of f is a Gaussian posterior of the whitened values at them, q = N(a, B^-1); the prior, a = 0 and B = I, at first.
///
/// A LatentModel without latent labels: an M-step gives the exact optimum given the statistics,
///
///   B = I + G / s,   a = B^-1 p / s,   G = sum w phi phi' / v,  p = sum w phi y / v,
///
/// s = noise for Titsias' bound (v = 1), 1 for FITC (v = noise + rest). OnlineEm on it is the stochastic variational
/// process with natural gradients (Hensman, Fusi and Lawrence, 2013): the step averages natural parameters.
///
/// Cost: n M^2 for a pass, M^3 for an M-step. Storage: M^2 and M x 512 per thread, whatever n.
template <Kernel K>
class SparseProcess {
 public:
  using Data = Regression;
  using Statistics = InducingStatistics;
  struct Scratch {
    Eigen::MatrixXd x, phi;
    Eigen::VectorXd rest, y, precision;
  };

  /// @throws InvalidArgument  unless the noise variance is positive and finite
  SparseProcess(InducingBasis<K> basis, double noise, SparseBound bound = SparseBound::titsias)
      : basis_(std::move(basis)), noise_(noise), bound_(bound), mean_(Eigen::VectorXd::Zero(basis_.size())),
        precision_(Eigen::MatrixXd::Identity(basis_.size(), basis_.size())) {
    require(noise > 0 && std::isfinite(noise), "the noise variance must be positive and finite, got ", noise);
  }

  const InducingBasis<K>& basis() const { return basis_; }
  double noise() const { return noise_; }
  SparseBound bound() const { return bound_; }
  /// a: posterior mean of the whitened inducing values.
  const Eigen::VectorXd& posterior_mean() const { return mean_; }
  /// Cholesky factor of B: their posterior precision.
  const DenseCholesky& posterior_precision() const { return precision_; }
  /// What divides the statistics: s above.
  double scale() const { return bound_ == SparseBound::titsias ? noise_ : 1; }

  /// @throws InvalidArgument  unless there are d covariates and one response, all finite
  void check(const Regression& data) const {
    data.require_shape(basis_.dimension(), 1);
    for (Index i = 0; i < data.size(); ++i) {
      bool finite = std::isfinite(data.y()(0, i));
      for (Index j = 0; j < basis_.dimension(); ++j) finite = finite && std::isfinite(data.x()(j, i));
      require(finite, "observation ", data.first() + i, " is not finite");
    }
  }

  Statistics statistics() const { return Statistics(basis_.size()); }
  Scratch scratch(Index most) const {
    return {Eigen::MatrixXd(basis_.dimension(), most), Eigen::MatrixXd(basis_.size(), most), Eigen::VectorXd(most),
            Eigen::VectorXd(most), Eigen::VectorXd(most)};
  }
  /// Reads a block into the scratch: x, y, phi, rest and precision = w / v.
  void read(const Regression& block, Scratch& s) const {
    const Index b = block.size();
    for (Index i = 0; i < b; ++i) {
      for (Index j = 0; j < basis_.dimension(); ++j) s.x(j, i) = block.x()(j, i);
      s.y(i) = block.y()(0, i);
    }
    basis_.features(s.x.leftCols(b), s.phi.leftCols(b), s.rest.head(b));
    for (Index i = 0; i < b; ++i) s.precision(i) = block.weight(i) / variance(s.rest(i));
  }
  void accumulate(const Regression& block, Scratch& s, Statistics& sum) const {
    const Index b = block.size();
    read(block, s);
    for (Index i = 0; i < b; ++i) {
      sum.weight += block.weight(i);
      sum.square += s.precision(i) * s.y(i) * s.y(i);
      if (bound_ == SparseBound::titsias) sum.rest += s.precision(i) * s.rest(i);
      sum.log_variance += block.weight(i) * std::log(variance(s.rest(i)));
      const double root = std::sqrt(s.precision(i));
      s.phi.col(i) *= root;
      s.y(i) *= root;
    }
    sum.gram.template selfadjointView<Eigen::Lower>().rankUpdate(s.phi.leftCols(b));
    sum.projection.noalias() += s.phi.leftCols(b) * s.y.head(b);
  }
  /// There are no labels: the E-step has nothing to do.
  void accumulate(const Regression& block, const AnyEStep<Regression>&, Scratch& scratch, Statistics& sum) const {
    accumulate(block, scratch, sum);
  }

  /// next = the process with the best posterior given the statistics.
  void maximize(const Statistics& sum, SparseProcess& next) const {
    Eigen::MatrixXd b = sum.gram / scale();
    b.diagonal().array() += 1;
    next.precision_ = DenseCholesky(std::move(b));
    next.mean_ = next.precision_.solve(sum.projection) / scale();
  }
  /// Expected log-likelihood under q minus KL(q | prior), in nats: the bound for any q, and after an M-step on the same
  /// statistics Titsias' collapsed bound, or FITC's log marginal likelihood.
  double objective(const Statistics& sum) const {
    const Eigen::MatrixXd covariance = precision_.inverse_lower();
    const Eigen::VectorXd fitted = sum.gram.template selfadjointView<Eigen::Lower>() * mean_;
    const auto m = static_cast<double>(basis_.size());
    double trace = 0;  // tr(G B^-1), from two lower triangles
    for (Index j = 0; j < basis_.size(); ++j) {
      trace += sum.gram(j, j) * covariance(j, j);
      const Index below = basis_.size() - j - 1;
      trace += 2 * sum.gram.col(j).tail(below).dot(covariance.col(j).tail(below));
    }
    const double squares = sum.square - 2 * mean_.dot(sum.projection) + mean_.dot(fitted) + trace + sum.rest;
    const double divergence =
        0.5 * (covariance.diagonal().sum() + mean_.squaredNorm() - m + precision_.log_determinant());
    return -0.5 * (sum.weight * std::log(2 * std::numbers::pi * scale()) + sum.log_variance + squares / scale()) -
           divergence;
  }

  /// The statistics of all observations; the bits do not depend on the number of threads.
  /// @throws InvalidArgument  as check()
  Statistics learn(const Regression& data, int threads = 1) const {
    check_threads(threads);
    check(data);
    Workers workers(useful_threads(threads, data.size()));
    Fold<SparseProcess, Regression> fold(*this, data, workers);
    return fold(*this, AnyEStep<Regression>());
  }
  /// The process given the data.
  SparseProcess condition(const Regression& data, int threads = 1) const {
    SparseProcess next = *this;
    maximize(learn(data, threads), next);
    return next;
  }

  /// What the process says of n inputs. Keeps features, M x n numbers.
  class Prediction {
   public:
    Prediction(const SparseProcess& process, Eigen::MatrixXd x)
        : x_(std::move(x)), phi_(process.basis_.size(), x_.cols()), rest_(x_.cols()), noise_(process.noise_),
          kernel_(process.basis_.kernel()) {
      process.basis_.features(x_, phi_, rest_);
      mean_ = phi_.transpose() * process.mean_;
      whitened_ = phi_;
      process.precision_.whiten(whitened_);
    }
    const Eigen::VectorXd& mean() const { return mean_; }
    /// Of f: k(x, x) - |phi|^2 + phi' B^-1 phi.
    Eigen::VectorXd variance() const { return rest_ + whitened_.colwise().squaredNorm().transpose(); }
    Eigen::VectorXd variance_with_noise() const { return variance().array() + noise_; }
    /// n x n covariance of f.
    Eigen::MatrixXd joint() const {
      return kernel_.gram(x_) - phi_.transpose() * phi_ + whitened_.transpose() * whitened_;
    }
    Eigen::MatrixXd joint_with_noise() const {
      Eigen::MatrixXd result = joint();
      result.diagonal().array() += noise_;
      return result;
    }

   private:
    Eigen::MatrixXd x_, phi_, whitened_;
    Eigen::VectorXd rest_, mean_;
    double noise_;
    K kernel_;
  };
  /// @param x  d x n, one input per column
  /// @throws InvalidArgument  for another dimension
  Prediction predict(const Inputs& x) const {
    require(x.rows() == basis_.dimension(), "expected inputs of dimension ", basis_.dimension(), ", got ", x.rows(),
            " x ", x.cols(), " (an input is a column)");
    return Prediction(*this, x);
  }

  // Hyperparameters: those of the kernel, then the logarithm of the noise variance. The posterior is kept.
  Index parameters() const { return basis_.kernel().parameters() + 1; }
  void pack(Eigen::VectorXd& v, Index& at) const {
    basis_.kernel().pack(v, at);
    v(at++) = std::log(noise_);
  }
  bool unpack(const Eigen::VectorXd& u, Index& at) { return basis_.unpack(u, at) && read_logarithm(u, at, noise_); }

 private:
  double variance(double rest) const { return bound_ == SparseBound::titsias ? 1 : noise_ + rest; }

  InducingBasis<K> basis_;
  double noise_;
  SparseBound bound_;
  Eigen::VectorXd mean_;
  DenseCholesky precision_;
};

}  // namespace emulsion
