#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "emulsion/data/regression.hpp"
#include "emulsion/processes/kalman.hpp"
#include "emulsion/processes/state_space.hpp"

namespace emulsion {

/// Values of a process at m times, Gaussian each, in the order in which the times were given.
class MarkovPrediction {
 public:
  MarkovPrediction(Eigen::VectorXd mean, Eigen::VectorXd variance, double noise)
      : mean_(std::move(mean)), variance_(std::move(variance)), noise_(noise) {}
  const Eigen::VectorXd& mean() const { return mean_; }
  /// Of the process.
  const Eigen::VectorXd& variance() const { return variance_; }
  /// Of an observation: with the noise common to all, without what single observations have besides.
  Eigen::VectorXd variance_with_noise() const { return variance_.array() + noise_; }

 private:
  Eigen::VectorXd mean_, variance_;
  double noise_;
};

template <MarkovKernel K>
class ConditionedMarkovProcess;

/// A Gaussian process of time, with mean zero and observation noise,
///
///   y_i = f(t_i) + e_i,  f ~ GP(0, k),  e_i ~ N(0, noise)
///
/// for kernels that have a finite state (state_space.hpp): Matern, periodic, constant, sums of them, and products of a
/// Matern with a periodic kernel. The numbers are those of a GaussianProcess, at a cost of n d^2 instead of n^3, d the
/// dimension of the state; a periodic kernel is its truncated series (state_space().covariance() is what it became).
/// Hartikainen and Sarkka (2010); Solin and Sarkka (2014).
///
///   const auto posterior = MarkovProcess(Matern32(1, 2), 0.1).condition(Regression(t, y));
///   posterior.predict(later).mean();
///
/// Hyperparameters: those of the kernel, then the log noise unless the noise is zero.
template <MarkovKernel K>
class MarkovProcess {
 public:
  /// @param kernel  with one length scale where it has any
  /// @param noise   variance common to all observations; positive, or noises of their own, where times repeat
  /// @throws InvalidArgument  where the noise is negative or not finite
  explicit MarkovProcess(K kernel, double noise = 0, const StateSpaceOptions& options = {})
      : kernel_(std::move(kernel)), noise_(noise), options_(options) {
    require(noise >= 0 && std::isfinite(noise), "the noise variance must be finite and not negative, got ", noise);
  }
  const K& kernel() const { return kernel_; }
  double noise() const { return noise_; }
  const StateSpaceOptions& options() const { return options_; }

  /// The process given observations, in any order; times may repeat. A weight is zero or one.
  ///
  /// @param data             x: 1 x n times, y: 1 x n values
  /// @param noise_variances  of single observations (n), in addition to noise()
  /// @throws InvalidArgument  where shapes disagree, a number is not finite, or a weight is neither zero nor one
  ConditionedMarkovProcess<K> condition(const Regression& data, const Eigen::VectorXd& noise_variances = {}) const {
    require(data.x().dimension() == 1, "a Markov process needs times in one dimension, 1 x n, got ",
            data.x().dimension(), " x ", data.size(), " (a vector of times is t.transpose())");
    data.require_shape(1, 1);
    require(noise_variances.size() == 0 || noise_variances.size() == data.size(),
            "expected a noise variance for each of ", data.size(), " observations, got ", noise_variances.size());
    Index n = 0;
    for (Index i = 0; i < data.size(); ++i) {
      require(data.weight(i) == 0 || data.weight(i) == 1, "weights of a Markov process are zero or one, number ", i,
              " is ", data.weight(i), "; repeat an observation, or give it a noise of its own");
      n += data.weight(i) > 0 ? 1 : 0;
    }
    Eigen::RowVectorXd t(n);
    Eigen::VectorXd y(n), extra(noise_variances.size() > 0 ? n : 0);
    for (Index i = 0, at = 0; i < data.size(); ++i) {
      if (!(data.weight(i) > 0)) continue;
      if (extra.size() > 0) extra(at) = noise_variances(i);
      t(at) = data.x()(0, i);
      y(at++) = data.y()(0, i);
    }
    return {*this, t, y, extra};
  }

  Index parameters() const { return kernel_.parameters() + (noise_ > 0 ? 1 : 0); }
  void pack(Eigen::VectorXd& v, Index& at) const {
    kernel_.pack(v, at);
    if (noise_ > 0) v(at++) = std::log(noise_);
  }
  bool unpack(const Eigen::VectorXd& u, Index& at) {
    const bool good = kernel_.unpack(u, at);
    return (noise_ > 0 ? read_logarithm(u, at, noise_) : true) && good;
  }
  void name(std::vector<std::string>& names) const {
    kernel_.name(names);
    if (noise_ > 0) names.emplace_back("log noise");
  }

 private:
  K kernel_;
  double noise_;
  StateSpaceOptions options_;
};

/// A Markov process given observations: filtered once, when it is made.
template <MarkovKernel K>
class ConditionedMarkovProcess {
 public:
  /// @param t      times, 1 x n
  /// @param y      values (n)
  /// @param extra  variance of each observation besides (n), or empty for none
  /// @throws InvalidArgument  as MarkovProcess::condition()
  ConditionedMarkovProcess(MarkovProcess<K> prior, const Inputs& t, const Eigen::Ref<const Eigen::VectorXd>& y,
                           const Eigen::VectorXd& extra = {})
      : prior_(std::move(prior)),
        filter_(StateSpace(prior_.kernel(), prior_.options()), in_order(prior_.noise(), t, y, extra), prior_.noise()) {}

  const MarkovProcess<K>& prior() const { return prior_; }
  const K& kernel() const { return prior_.kernel(); }
  double noise() const { return prior_.noise(); }
  Index size() const { return filter_.size(); }
  const StateSpace& state_space() const { return filter_.space(); }
  /// The observations, in order of time.
  const TimeSeries& series() const { return filter_.series(); }
  /// log N(y; 0, K + noise), in nats.
  double log_marginal_likelihood() const { return filter_.log_likelihood(); }
  /// How many observations the others before told up to rounding, so that their variance was raised to it: with tiny
  /// noise only.
  Index floored() const { return filter_.floored(); }
  /// Gradient of the log marginal likelihood by the hyperparameters, in the order of pack(). Cost: about five passes of
  /// the filter, however many hyperparameters there are. A truncated series is differentiated as it is.
  Eigen::VectorXd gradient() const {
    KalmanFilter filter = filter_;
    return gradient(filter, noise()).head(prior_.parameters());
  }
  /// The same of a filter that has been made already, over the state space of such a kernel.
  static Eigen::VectorXd gradient(KalmanFilter& filter, double noise) {
    const auto by = filter.gradient();
    const Index p = filter.space().parameters();
    Eigen::VectorXd result = Eigen::VectorXd::Zero(p + 1);
    const MarkovTerms& terms = filter.space().terms();
    for (std::size_t k = 0; k < terms.size(); ++k) {
      result.head(p) += terms[k].derivative * by.terms.col(static_cast<Index>(k));
    }
    result(p) = noise * by.noise;
    return result;
  }

  /// The process at times before, between and after those observed.
  ///
  /// @param t   times, 1 x m, in any order
  /// @throws    InvalidArgument unless t is 1 x m and finite
  ///
  /// Cost: one filter and one backward pass over the observations, and m d^2: ask for all times at once.
  MarkovPrediction predict(const Inputs& t) const {
    check_times(t);
    const std::vector<Index> order = order_of(t);
    Eigen::VectorXd sorted(t.cols()), mean, variance;
    for (Index i = 0; i < t.cols(); ++i) sorted(i) = t(0, order[static_cast<std::size_t>(i)]);
    KalmanFilter filter = filter_;
    filter.smooth(sorted, mean, variance);
    Eigen::VectorXd mean_as_given(t.cols()), variance_as_given(t.cols());
    for (Index i = 0; i < t.cols(); ++i) {
      mean_as_given(order[static_cast<std::size_t>(i)]) = mean(i);
      variance_as_given(order[static_cast<std::size_t>(i)]) = variance(i);
    }
    return {std::move(mean_as_given), std::move(variance_as_given), noise()};
  }

 private:
  static void check_times(const Inputs& t) {
    require(t.rows() == 1, "a Markov process needs times in one dimension, 1 x n, got ", t.rows(), " x ", t.cols(),
            " (a vector of times is t.transpose())");
    require(t.allFinite(), "times must be finite");
  }
  static std::vector<Index> order_of(const Inputs& t) {
    std::vector<Index> order(static_cast<std::size_t>(t.cols()));
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return t(0, a) < t(0, b); });
    return order;
  }
  static TimeSeries in_order(double noise, const Inputs& t, const Eigen::Ref<const Eigen::VectorXd>& y,
                             const Eigen::VectorXd& extra) {
    check_times(t);
    require(t.cols() == y.size(), "expected one value for each time, got times 1 x ", t.cols(), " and values ",
            y.size());
    require(extra.size() == 0 || extra.size() == y.size(), "expected extra noise for each value or for none, got ",
            extra.size(), " for values ", y.size());
    require(y.allFinite(), "values must be finite (leave out what is missing)");
    const std::vector<Index> order = order_of(t);
    TimeSeries series{Eigen::VectorXd(y.size()), Eigen::VectorXd(y.size()), Eigen::VectorXd(y.size())};
    for (Index i = 0; i < y.size(); ++i) {
      const Index from = order[static_cast<std::size_t>(i)];
      const double own = extra.size() > 0 ? extra(from) : 0;
      require(own >= 0 && std::isfinite(own), "extra noise must not be negative, got ", own);
      series.time(i) = t(0, from), series.value(i) = y(from), series.extra(i) = own;
      require(
          noise > 0 || i == 0 || series.extra(i) > 0 || series.extra(i - 1) > 0 || series.time(i) > series.time(i - 1),
          "two observations at time ", series.time(i), " without noise: give them some");
    }
    return series;
  }

  MarkovProcess<K> prior_;
  KalmanFilter filter_;
};

}  // namespace emulsion
