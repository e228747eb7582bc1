#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "emulsion/core/constants.hpp"
#include "emulsion/processes/markov_transition.hpp"

namespace emulsion {

/// Observations of one process, in order of time (n each).
struct TimeSeries {
  Eigen::VectorXd time;
  Eigen::VectorXd value;
  Eigen::VectorXd extra;  ///< variance of each observation beside the noise that all have
};

/// The Kalman filter over a time series, and the backward pass over what it left: r and N, the first and second
/// derivatives of the log-likelihood by the predicted state, from which smoothed values and all gradients follow
/// without a matrix that must be inverted (de Jong, 1989; Koopman and Shephard, 1992). The covariance is updated in the
/// form of Joseph. Every 256 steps the state is kept, and the backward pass filters anew from there: n / 256 states of
/// size d^2 and two numbers per observation are all that is stored.
///
/// Cost of a pass: n d^2 w, w the largest width of a block (1 to 6).
class KalmanFilter {
 public:
  KalmanFilter(StateSpace space, TimeSeries series, double noise)
      : space_(std::move(space)), series_(std::move(series)), noise_(noise), transition_(space_),
        mean_(space_.dimension()), covariance_(space_.dimension(), space_.dimension()), gain_(space_.dimension()),
        column_(space_.dimension()) {
    for (const auto& block : transition_.blocks()) observed_.push_back(block.first);
    error_.resize(size());
    variance_.resize(size());
    least_ = 8 * std::numeric_limits<double>::epsilon() * space_.variance();
    mean_.setZero();
    covariance_ = transition_.stationary();
    for (Index i = 0; i < size(); ++i) {
      if (i > 0) advance(i);
      if (i % segment == 0) kept_.push_back({mean_, covariance_});
      observe(i);
      log_likelihood_ -= 0.5 * (log_two_pi + std::log(variance_(i)) + error_(i) * error_(i) / variance_(i));
    }
  }

  Index size() const { return series_.time.size(); }
  const StateSpace& space() const { return space_; }
  const TimeSeries& series() const { return series_; }
  double log_likelihood() const { return log_likelihood_; }
  /// Observations whose variance given those before was below the rounding of the process's: it was taken as that.
  Index floored() const { return floored_; }

  /// Gradient of the log-likelihood by log variance, log rate, log frequency of each term (3 x terms), and by the
  /// noise that all observations have.
  struct Gradient {
    Eigen::Matrix3Xd terms;
    double noise;
  };
  Gradient gradient() {
    Gradient result{Eigen::Matrix3Xd::Zero(3, static_cast<Index>(space_.terms().size())), 0};
    Eigen::MatrixXd second(space_.dimension(), space_.dimension()), past = second;
    start_backward();
    for (Index s = static_cast<Index>(kept_.size()) - 1; s >= 0; --s) {
      refilter(s, [](Index) {});
      for (Index i = last_of(s) - 1; i >= s * segment; --i) {
        const State& state = states_[static_cast<std::size_t>(i - s * segment)];
        result.noise += absorb(i, state.gain);
        second.noalias() = r_ * r_.transpose();
        second -= n_;
        if (i == 0) {
          transition_.each([&](auto, const MarkovTransition::Block& block) {
            result.terms(0, index_of(block)) += 0.5 * block.variance * trace(second, block, block.step.stationary);
          });
          break;
        }
        transition_.over(series_.time(i) - series_.time(i - 1));
        past = state.covariance;
        transition_.add_noise(past, -1);
        add_step(second, past, state.mean, result.terms);
        transition_.backward(r_);
        transition_.backward(n_);
      }
    }
    return result;
  }

  /// Mean and variance of the process at times `at` in ascending order, given all observations.
  void smooth(const Eigen::VectorXd& at, Eigen::VectorXd& mean, Eigen::VectorXd& variance) {
    mean.resize(at.size());
    variance.resize(at.size());
    MarkovTransition step(space_);
    Eigen::MatrixXd covariances(space_.dimension(), 0);  // with the state at the next observation, d x queries
    // The first of those at or after observation i.
    const auto first_after = [&](Index i) {
      if (i >= size()) return at.size();
      return static_cast<Index>(std::lower_bound(at.begin(), at.end(), series_.time(i)) - at.begin());
    };
    const auto predict_from = [&](Index i, Index first,
                                  Index count) {  // from the state after observation i, or before all
      covariances.resize(space_.dimension(), count);
      for (Index q = first; q < first + count; ++q) {
        step.over(i < 0 ? 0 : at(q) - series_.time(i));
        predict(step, mean(q), variance(q));
        if (i + 1 < size()) {
          step.over(series_.time(i + 1) - at(q));
          step.forward(column_);
        }
        covariances.col(q - first) = column_;
      }
    };
    const auto correct = [&](Index first, const Eigen::MatrixXd& z) {
      for (Index q = first; q < first + z.cols(); ++q) {
        column_.noalias() = n_ * z.col(q - first);
        mean(q) += z.col(q - first).dot(r_);
        variance(q) = std::max(0.0, variance(q) - z.col(q - first).dot(column_));
      }
    };
    start_backward();
    std::vector<Eigen::MatrixXd> waiting(static_cast<std::size_t>(segment));
    for (Index s = static_cast<Index>(kept_.size()) - 1; s >= 0; --s) {
      if (first_after(last_of(s)) == 0) return;  // nothing is asked for here or before
      refilter(s, [&](Index i) {
        const Index first = first_after(i), count = first_after(i + 1) - first;
        predict_from(i, first, count);
        waiting[static_cast<std::size_t>(i - s * segment)] = covariances;
      });
      for (Index i = last_of(s) - 1; i >= s * segment; --i) {
        const auto local = static_cast<std::size_t>(i - s * segment);
        correct(first_after(i), waiting[local]);
        if (i + 1 < size()) {
          transition_.over(series_.time(i + 1) - series_.time(i));
          transition_.backward(r_);
          transition_.backward(n_);
        }
        absorb(i, states_[local].gain);
      }
    }
    mean_.setZero();
    covariance_ = transition_.stationary();
    predict_from(-1, 0, first_after(0));
    correct(0, covariances);
  }

 private:
  static constexpr Index segment = 256;
  struct State {
    Eigen::VectorXd mean;        ///< given the observations before
    Eigen::MatrixXd covariance;  ///< of the same
    Eigen::VectorXd gain = {};   ///< what an error of the observation moves the mean by
  };

  Index last_of(Index s) const { return std::min(size(), (s + 1) * segment); }
  Index index_of(const MarkovTransition::Block& block) const { return &block - transition_.blocks().data(); }

  void advance(Index i) {
    transition_.over(series_.time(i) - series_.time(i - 1));
    transition_.forward(mean_);
    transition_.forward(covariance_);
  }
  void observe(Index i) {
    column_.setZero();
    for (const Index first : observed_) column_ += covariance_.col(first);
    const double own = sum_observed(column_);
    double noise = noise_ + series_.extra(i);
    if (!(own + noise >= least_)) {
      noise = least_ - own;
      if (!counted_) ++floored_;
    }
    const double variance = own + noise, error = series_.value(i) - sum_observed(mean_);
    error_(i) = error, variance_(i) = variance;
    gain_ = column_ / variance;
    mean_ += gain_ * error;
    // (I - K H) P (I - K H)' + K noise K', in two updates of rank one.
    covariance_.noalias() -= gain_ * column_.transpose();
    column_ = -noise * gain_;
    for (const Index first : observed_) column_ += covariance_.col(first);
    covariance_.noalias() -= column_ * gain_.transpose();
  }
  double sum_observed(const Eigen::VectorXd& x) const {
    double sum = 0;
    for (const Index first : observed_) sum += x(first);
    return sum;
  }

  /// Filters a segment anew into states_; after(i) sees the state after observation i.
  template <class After>
  void refilter(Index s, After&& after) {
    counted_ = true;
    states_.resize(static_cast<std::size_t>(segment));
    const State& start = kept_[static_cast<std::size_t>(s)];
    mean_ = start.mean, covariance_ = start.covariance;
    for (Index i = s * segment; i < last_of(s); ++i) {
      if (i > s * segment) advance(i);
      State& state = states_[static_cast<std::size_t>(i - s * segment)];
      state.mean = mean_, state.covariance = covariance_;
      observe(i);
      state.gain = gain_;
      after(i);
    }
  }
  void start_backward() {
    r_.setZero(space_.dimension());
    n_.setZero(space_.dimension(), space_.dimension());
  }
  /// Takes observation i into r and N; the derivative of the log-likelihood by the variance of its noise.
  double absorb(Index i, const Eigen::VectorXd& gain) {
    column_.noalias() = n_ * gain;
    const double e = error_(i) / variance_(i) - gain.dot(r_), d = 1 / variance_(i) + gain.dot(column_);
    for (const Index first : observed_) {
      r_(first) += e;
      n_.col(first) -= column_;
      n_.row(first) -= column_.transpose();
    }
    for (const Index a : observed_) {
      for (const Index b : observed_) n_(a, b) += d;
    }
    return 0.5 * (e * e - d);
  }
  /// Trace of a matrix times blockdiag(matern, matern) in the rows of a block.
  static double trace(const Eigen::MatrixXd& x, const MarkovTransition::Block& block, const Eigen::Matrix3d& matern) {
    double sum = 0;
    for (Index first = block.first; first < block.first + block.width; first += block.order) {
      for (Index j = 0; j < block.order; ++j) {
        for (Index i = 0; i < block.order; ++i) sum += x(first + i, first + j) * matern(i, j);
      }
    }
    return sum;
  }
  /// What a step adds to the gradient by the terms: `second` = r r' - N and `mean` of the state after it, `past` = T P
  /// T'.
  void add_step(const Eigen::MatrixXd& second, const Eigen::MatrixXd& past, const Eigen::VectorXd& mean,
                Eigen::Matrix3Xd& terms) const {
    transition_.each([&](auto width, const MarkovTransition::Block& block) {
      constexpr int w = decltype(width)::value;
      if (block.scaled_step == 0 && block.angle == 0) return;
      const Index first = block.first, m = block.order, k = index_of(block);
      // By T, times T': dT = (rate dt F) T or (frequency dt J) T.
      Eigen::Matrix<double, w, w> by = second.middleCols<w>(first).transpose().lazyProduct(past.middleCols<w>(first));
      by += r_.segment<w>(first).lazyProduct(mean.segment<w>(first).transpose());
      double by_drift = 0, by_turn = 0;
      for (Index c = 0; c < w; c += m) {
        for (Index j = 0; j < m; ++j) {
          for (Index i = 0; i < m; ++i) by_drift += block.step.drift(i, j) * by(c + i, c + j);
          if (c > 0) by_turn += by(c + j, j) - by(j, c + j);
        }
        const Eigen::Vector3d& g = block.step.impulse;
        for (Index j = 0; j < m; ++j) {
          for (Index i = 0; i < m; ++i) {
            by_drift += 0.5 * block.variance * g(i) * second(first + c + i, first + c + j) * g(j);
          }
        }
      }
      terms(0, k) += 0.5 * block.variance * trace(second, block, block.step.noise);
      terms(1, k) += block.scaled_step * by_drift;
      terms(2, k) += block.angle * by_turn;
    });
  }
  /// Mean and variance of the value a step after the state (mean_, covariance_), and its covariance with the state
  /// there in column_.
  void predict(MarkovTransition& step, double& mean, double& variance) {
    Eigen::VectorXd row = Eigen::VectorXd::Zero(space_.dimension());
    for (const Index first : observed_) row(first) = 1;
    step.backward(row);
    mean = row.dot(mean_);
    column_.noalias() = covariance_ * row;
    step.forward(column_);
    for (const auto& block : step.blocks()) {
      for (Index i = 0; i < block.order; ++i) column_(block.first + i) += block.variance * block.step.noise(i, 0);
    }
    variance = sum_observed(column_);
  }

  StateSpace space_;
  TimeSeries series_;
  double noise_;
  MarkovTransition transition_;
  Eigen::VectorXd mean_;
  Eigen::MatrixXd covariance_;
  Eigen::VectorXd gain_, column_, r_;
  Eigen::MatrixXd n_;
  std::vector<Index> observed_;
  std::vector<State> kept_, states_;
  Eigen::VectorXd error_, variance_;
  double log_likelihood_ = 0, least_ = 0;
  Index floored_ = 0;
  bool counted_ = false;
};

}  // namespace emulsion
