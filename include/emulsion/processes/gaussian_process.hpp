#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emulsion/core/constants.hpp"
#include "emulsion/core/dense_cholesky.hpp"
#include "emulsion/core/physical_memory.hpp"
#include "emulsion/data/inspect.hpp"
#include "emulsion/data/regression.hpp"
#include "emulsion/processes/mean_function.hpp"
#include "emulsion/processes/process_prediction.hpp"

namespace emulsion {

template <Kernel K, MeanFunction Mean>
class ConditionedProcess;

/// A Gaussian process with observation noise:  y_i = f(x_i) + e_i,  f ~ GP(m, k),  e_i ~ N(0, noise).
///
///   const auto posterior = GaussianProcess(SquaredExponential(1, 2), 0.1).condition(Regression(x, y));
///   posterior.predict(z).mean();  posterior.predict(z).variance_with_noise();  posterior.log_marginal_likelihood();
///
/// Exact: cost n^3 / 3 and n^2 doubles. Hyperparameters: those of the kernel, log noise unless the noise is zero, those
/// of the mean function. Rasmussen and Williams (2006), ch. 2.
template <Kernel K, MeanFunction Mean = ZeroMean>
class GaussianProcess {
 public:
  /// @param noise  variance of the observation noise; zero for exact observations, and then no hyperparameter
  explicit GaussianProcess(K kernel, double noise = 0, Mean mean = {})
      : kernel_(std::move(kernel)), noise_(noise), mean_(std::move(mean)) {
    require(noise >= 0 && std::isfinite(noise), "the noise variance must be finite and not negative, got ", noise);
  }
  const K& kernel() const { return kernel_; }
  double noise() const { return noise_; }
  const Mean& mean() const { return mean_; }

  /// The process given observations. A weight counts an observation as so many of one value at one place.
  ///
  /// @param data            x: d x n inputs, y: 1 x n values
  /// @param noise_variances  of single observations (n), in addition to noise()
  /// @throws InvalidArgument  if shapes do not fit or values are not finite; if the n x n matrices do not fit in the
  ///                          machine's memory; if their covariance is not positive definite even with 1e-5 of its
  ///                          mean diagonal added
  ConditionedProcess<K, Mean> condition(const Regression& data, const Eigen::VectorXd& noise_variances = {}) const {
    auto conditioned = conditioned_if_definite(data, noise_variances);
    require(conditioned.has_value(), "the covariance of the ", data.size(),
            " observations is not positive definite, even with 1e-5 of its mean diagonal added in six steps; give the "
            "process noise, or a kernel of a shorter length scale");
    return *std::move(conditioned);
  }
  /// The same, or nothing where the covariance is not positive definite.
  std::optional<ConditionedProcess<K, Mean>> conditioned_if_definite(
      const Regression& data, const Eigen::VectorXd& noise_variances = {}) const {
    return ConditionedProcess<K, Mean>::of(*this, data, noise_variances);
  }

  /// m x count independent draws of f at inputs x (d x m), before any data.
  Eigen::MatrixXd sample(const Inputs& x, Index count, Rng& rng) const {
    mean_.check(x.rows());
    Eigen::VectorXd m(x.cols());
    mean_.fill(x, m);
    return ProcessPrediction<ConditionedProcess<K, Mean>>::drawn(kernel_.gram(x), m, count, rng);
  }

  Index parameters() const { return kernel_.parameters() + (noise_ > 0 ? 1 : 0) + mean_.parameters(); }
  void pack(Eigen::VectorXd& v, Index& at) const {
    kernel_.pack(v, at);
    if (noise_ > 0) v(at++) = std::log(noise_);
    mean_.pack(v, at);
  }
  bool unpack(const Eigen::VectorXd& u, Index& at) {
    bool good = kernel_.unpack(u, at);
    if (noise_ > 0) good = read_logarithm(u, at, noise_) && good;
    return mean_.unpack(u, at) && good;
  }
  void name(std::vector<std::string>& names) const {
    kernel_.name(names);
    if (noise_ > 0) names.emplace_back("log noise");
    mean_.name(names);
  }

 private:
  K kernel_;
  double noise_;
  Mean mean_;
};

/// A Gaussian process given data. With A = k(x, x) + diag(noise / weights), alpha = A^-1 (y - m(x)):
///
///   E f(z) = m(z) + k(z, x) alpha,   Cov f(z) = k(z, z) - k(z, x) A^-1 k(x, z)       (ibid. eqs. 2.25, 2.26)
///
/// A value that shares what it holds: copies are cheap.
template <Kernel K, MeanFunction Mean = ZeroMean>
class ConditionedProcess {
 public:
  const GaussianProcess<K, Mean>& prior() const { return state_->prior; }
  double noise() const { return prior().noise(); }
  Index dimension() const { return state_->x.rows(); }
  /// Observations with a positive weight.
  Index size() const { return state_->x.cols(); }
  /// What had to be added to the diagonal of A for it to be positive definite to a double: zero mostly.
  double jitter() const { return state_->factor.jitter(); }

  /// log p(y | x) in nats: -1/2 (y - m)' alpha - 1/2 log |A| - n/2 log 2 pi (ibid. eq. 2.30).
  double log_marginal_likelihood() const { return state_->log_likelihood; }
  /// Its derivatives with respect to the hyperparameters, in the order of pack() (ibid. eq. 5.9). Cost 2/3 n^3.
  Eigen::VectorXd gradient() const { return state_->gradient(); }

  /// log p(y_i | all others) of every observation (n, in nats), and what they would have been predicted to be.
  struct LeaveOneOut {
    Eigen::VectorXd mean, variance_with_noise, log_density;
  };
  /// From one inverse, without refits (ibid. eqs. 5.10 to 5.12). An observation of weight w is left out whole. Cost
  /// 2/3 n^3.
  LeaveOneOut leave_one_out() const {
    const Eigen::VectorXd precision = state_->factor.inverse_lower().diagonal();
    LeaveOneOut result{state_->y - state_->alpha.cwiseQuotient(precision), precision.cwiseInverse(), {}};
    result.log_density =
        -0.5 * (log_two_pi - precision.array().log() + state_->alpha.array().square() / precision.array());
    return result;
  }

  /// Predictions at inputs x (d x m).
  ///
  /// @throws InvalidArgument  if the dimensions differ or a value is not finite
  ProcessPrediction<ConditionedProcess> predict(const Points<>& x) const {
    require(x.dimension() == dimension(), "expected inputs of dimension ", dimension(), ", got ", x.dimension(), " x ",
            x.size(), " (an input is a column, rows(x) adapts rows)");
    require_finite(x, "input");
    return {*this, Eigen::MatrixXd(x.matrix())};
  }

  // What a prediction asks.
  Eigen::VectorXd predicted_mean(const Inputs& z) const {
    Eigen::VectorXd result(z.cols());
    prior().mean().fill(z, result);
    each_block(z, [&](Index first, const Inputs& part, const Eigen::MatrixXd& cross) {
      result.segment(first, part.cols()).noalias() += cross.transpose() * state_->alpha;
    });
    return result;
  }
  Eigen::VectorXd predicted_variance(const Inputs& z) const {
    Eigen::VectorXd result(z.cols());
    prior().kernel().diagonal(z, result);
    each_block(z, [&](Index first, const Inputs& part, Eigen::MatrixXd& cross) {
      state_->factor.whiten(cross);
      auto mine = result.segment(first, part.cols());
      mine = (mine - cross.colwise().squaredNorm().transpose()).cwiseMax(0.0);
    });
    return result;
  }
  Eigen::MatrixXd predicted_covariance(const Inputs& z) const {
    Eigen::MatrixXd cross(size(), z.cols()), result(z.cols(), z.cols());
    prior().kernel().fill(state_->x, z, cross);
    prior().kernel().fill(z, z, result);
    state_->factor.whiten(cross);
    result.noalias() -= cross.transpose() * cross;
    result.diagonal() = result.diagonal().cwiseMax(0.0).eval();
    return result;
  }

 private:
  friend GaussianProcess<K, Mean>;
  static std::optional<ConditionedProcess> of(const GaussianProcess<K, Mean>& prior, const Regression& data,
                                              const Eigen::VectorXd& noise_variances) {
    const auto state = std::make_shared<State>(prior, data, noise_variances);
    if (!state->factor.good()) return std::nullopt;
    state->finish();
    ConditionedProcess result;
    result.state_ = state;
    return result;
  }
  ConditionedProcess() = default;

  struct State {
    State(const GaussianProcess<K, Mean>& process, const Regression& data, const Eigen::VectorXd& noise_variances)
        : prior(process) {
      check(data, noise_variances);
      take(data, noise_variances);
      prior.mean().fill(x, y_less_mean);
      y_less_mean = y - y_less_mean;
      Eigen::MatrixXd a(x.cols(), x.cols());
      each_strip([&](Index first, Index count) {
        const Index below = x.cols() - first;
        prior.kernel().fill(x.rightCols(below), x.middleCols(first, count), a.block(first, first, below, count));
      });
      a.diagonal().array() += variances.array() / weights.array();
      factor = DenseCholesky(std::move(a));
    }

    void check(const Regression& data, const Eigen::VectorXd& noise_variances) const {
      data.require_shape(data.x().dimension(), 1);
      require(data.size() > 0, "a process needs at least one observation to be conditioned on; got none");
      prior.kernel().check(data.x().dimension());
      prior.mean().check(data.x().dimension());
      require_finite(data.x(), "input");
      require_finite(data.y(), "response");
      require(noise_variances.size() == 0 || noise_variances.size() == data.size(),
              "expected a noise variance for each of ", data.size(), " observations, got ", noise_variances.size());
      for (Index i = 0; i < noise_variances.size(); ++i) {
        require(noise_variances(i) >= 0 && std::isfinite(noise_variances(i)),
                "noise variances must be finite and not negative; number ", i, " is ", noise_variances(i));
      }
      // The factor, and the inverse of a gradient beside it.
      const double n = static_cast<double>(data.size()), bytes = 16 * n * n;
      require(bytes <= physical_memory(), "an exact process of ", data.size(), " observations needs ", bytes / 1e9,
              " GB, this machine has ", physical_memory() / 1e9,
              " GB; use a SparseProcess (emulsion/processes/sparse_process.hpp), or a MarkovProcess for one dimension");
    }
    void take(const Regression& data, const Eigen::VectorXd& noise_variances) {
      Index n = 0;
      for (Index i = 0; i < data.size(); ++i) n += data.weight(i) > 0 ? 1 : 0;
      x.resize(data.x().dimension(), n), y.resize(n), weights.resize(n), variances.resize(n), y_less_mean.resize(n);
      for (Index i = 0, at = 0; i < data.size(); ++i) {
        if (!(data.weight(i) > 0)) continue;
        for (Index j = 0; j < x.rows(); ++j) x(j, at) = data.x()(j, i);
        y(at) = data.y()(0, i);
        weights(at) = data.weight(i);
        variances(at) = prior.noise() + (noise_variances.size() > 0 ? noise_variances(i) : 0.0);
        require(weights(at) == 1 || variances(at) > 0, "observation ", i, " has weight ", weights(at),
                " and no noise; repeated exact observations say nothing new: give the process noise");
        ++at;
      }
    }
    void finish() {
      alpha = factor.solve(y_less_mean);
      log_likelihood =
          -0.5 * (y_less_mean.dot(alpha) + factor.log_determinant() + static_cast<double>(x.cols()) * log_two_pi);
      // w observations of one value at one place are one of noise / w, times what their differences, all zero, say.
      for (Index i = 0; i < x.cols(); ++i) {
        if (weights(i) == 1) continue;
        log_likelihood -= 0.5 * ((weights(i) - 1) * (log_two_pi + std::log(variances(i))) + std::log(weights(i)));
      }
    }
    /// d L = 1/2 tr((alpha alpha' - A^-1) dA) + alpha' dm, of one strip of columns and what lies below it at a time.
    Eigen::VectorXd gradient() const {
      Eigen::VectorXd g = Eigen::VectorXd::Zero(prior.parameters());
      const Eigen::MatrixXd inverse = factor.inverse_lower();
      const Index n = x.cols(), of_kernel = prior.kernel().parameters();
      Eigen::MatrixXd w;
      each_strip([&](Index first, Index count) {
        const Index below = n - first;
        w = alpha.tail(below) * alpha.segment(first, count).transpose() - inverse.block(first, first, below, count);
        for (Index j = 0; j < count; ++j) {
          w.col(j).head(j).setZero();  // the elements above the diagonal are counted below it
          w(j, j) *= 0.5;
        }
        prior.kernel().add_gradient(x.rightCols(below), x.middleCols(first, count), w, g.head(of_kernel));
      });
      Index at = of_kernel;
      if (prior.noise() > 0) {
        double sum = 0;
        for (Index i = 0; i < n; ++i) {
          sum += (alpha(i) * alpha(i) - inverse(i, i)) / weights(i) - (weights(i) - 1) / variances(i);
        }
        g(at++) = 0.5 * prior.noise() * sum;
      }
      prior.mean().add_gradient(x, alpha, g.tail(prior.mean().parameters()));
      return g;
    }
    template <class Use>
    void each_strip(const Use& use) const {
      for (Index first = 0; first < x.cols(); first += strip) use(first, std::min(strip, x.cols() - first));
    }
    static constexpr Index strip = 64;

    GaussianProcess<K, Mean> prior;
    Eigen::MatrixXd x;
    Eigen::VectorXd y, weights, variances, y_less_mean, alpha;
    DenseCholesky factor;
    double log_likelihood = 0;
  };

  /// k(x, z) of a few hundred inputs at a time.
  template <class Use>
  void each_block(const Inputs& z, const Use& use) const {
    constexpr Index most = 256;
    for (Index first = 0; first < z.cols(); first += most) {
      const auto part = z.middleCols(first, std::min(most, z.cols() - first));
      Eigen::MatrixXd cross(size(), part.cols());
      prior().kernel().fill(state_->x, part, cross);
      use(first, part, cross);
    }
  }

  std::shared_ptr<const State> state_;
};

}  // namespace emulsion
