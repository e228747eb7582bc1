#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/fold.hpp"
#include "emulsion/core/newton_step.hpp"
#include "emulsion/data/frame.hpp"
#include "emulsion/inference/e_step.hpp"
#include "emulsion/inference/kmeans.hpp"
#include "emulsion/inference/seed.hpp"

namespace emulsion {

/// An E-step of starts: responsibilities by the distances |M_k (1, u)|, u the standardised coordinates (d) of an
/// observation and M_k of any number of rows and 1 + d columns; shared out as by share_out().
struct NearestMap {
  Frame frame;
  std::vector<Eigen::MatrixXd> maps;  // K
  double width = 0;
  template <class Data>
  [[gnu::cold]] double operator()(const Data& block, Scores scores) const {
    for (Index i = 0; i < scores.rows(); ++i) {
      for (Index k = 0; k < scores.cols(); ++k) scores(i, k) = -square_distance(block, i, k);
      share_out(scores, i, width, block.weight(i));
    }
    return 0;
  }
  template <class Data>
  double square_distance(const Data& block, Index i, Index k) const {
    const Eigen::MatrixXd& map = maps[static_cast<std::size_t>(k)];
    double square = 0;
    for (Index r = 0; r < map.rows(); ++r) {
      double distance = map(r, 0);
      for (Index j = 0; j < block.dimension(); ++j) distance += map(r, 1 + j) * frame.standardised(block(j, i), j);
      square += distance * distance;
    }
    return square;
  }
};

/// Maps for starts of K regressions, from observations (x, y, z) in standardised coordinates.
class RegressionStarts {
 public:
  /// p covariates, q responses, and what is left of the dimensions for the gate; none: its covariates are x.
  [[gnu::cold]] RegressionStarts(const Sample& sample, Index p, Index q) : sample_(sample), p_(p), q_(q) {
    std::vector<Index> all(static_cast<std::size_t>(sample.y.cols()));
    std::iota(all.begin(), all.end(), Index{0});
    common_ = Eigen::MatrixXd::Zero(q, 1 + sample.y.rows());
    for (Index r = 0; r < q; ++r) common_(r, 1 + p + r) = 1;
    common_ = without_regression(common_, all, 0);
    for (Index r = 0; r < q; ++r) {
      double square = 0;
      for (const Index i : all) square += sample.weights(i) * std::pow(value(common_, r, i), 2);
      // Below, responses are linear in x but for rounding.
      const double deviation = std::sqrt(square / sample.weights.sum());
      if (deviation > 1e-12) common_.row(r) /= deviation;
    }
  }

  /// About K observations drawn at random: distances in the residuals of one regression of all, in their deviations.
  [[gnu::cold]] std::vector<Eigen::MatrixXd> residuals(Index components, Rng& rng) const {
    return about_centres(common_, components, rng);
  }
  /// About K observations drawn at random: distances in the covariates of the gate; of residuals where there are none.
  [[gnu::cold]] std::vector<Eigen::MatrixXd> covariates(Index components, Rng& rng) const {
    const Index d = sample_.y.rows();
    const Index first = d > p_ + q_ ? p_ + q_ : 0, count = d > p_ + q_ ? d - p_ - q_ : p_;
    if (count == 0) return residuals(components, rng);
    Eigen::MatrixXd chosen = Eigen::MatrixXd::Zero(count, 1 + d);
    for (Index j = 0; j < count; ++j) chosen(j, 1 + first + j) = 1;
    return about_centres(chosen, components, rng);
  }
  /// K regressions, each through p + 1 observations drawn at random: distances are residuals, in the deviations of one
  /// regression of all.
  [[gnu::cold]] std::vector<Eigen::MatrixXd> regressions(Index components, Rng& rng) const {
    std::vector<Eigen::MatrixXd> maps;
    for (Index k = 0; k < components; ++k) {
      std::vector<Index> few;
      for (Index i = 0; i <= p_; ++i) few.push_back(rng.categorical(sample_.weights));
      maps.push_back(without_regression(common_, few, 1e-3));
    }
    return maps;
  }

 private:
  double value(const Eigen::MatrixXd& map, Index r, Index i) const {
    return map(r, 0) + map.row(r).tail(sample_.y.rows()).dot(sample_.y.col(i));
  }

  /// What the map says, less its regression on x in the chosen observations; the ridge, per observation, leads to none.
  Eigen::MatrixXd without_regression(Eigen::MatrixXd map, const std::vector<Index>& chosen, double ridge) const {
    Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(1 + p_, 1 + p_), right = Eigen::MatrixXd::Zero(1 + p_, map.rows());
    Eigen::VectorXd x(1 + p_);
    x(0) = 1;
    double total = 0;
    for (const Index i : chosen) {
      const double weight = sample_.weights(i);
      x.tail(p_) = sample_.y.col(i).head(p_);
      total += weight;
      gram += weight * x * x.transpose();
      for (Index r = 0; r < map.rows(); ++r) right.col(r) += weight * value(map, r, i) * x;
    }
    gram.diagonal().array() += ridge * total / static_cast<double>(chosen.size());
    solve_positive(gram, right);
    map.leftCols(1 + p_) -= right.transpose();
    return map;
  }

  std::vector<Eigen::MatrixXd> about_centres(const Eigen::MatrixXd& map, Index components, Rng& rng) const {
    Sample mapped{Eigen::MatrixXd(map.rows(), sample_.y.cols()), sample_.weights};
    for (Index i = 0; i < mapped.y.cols(); ++i) {
      for (Index r = 0; r < map.rows(); ++r) mapped.y(r, i) = value(map, r, i);
    }
    const Eigen::MatrixXd centres = random_centres(mapped, components, rng);
    std::vector<Eigen::MatrixXd> maps(static_cast<std::size_t>(components), map);
    for (Index k = 0; k < components; ++k) maps[static_cast<std::size_t>(k)].col(0) -= centres.col(k);
    return maps;
  }

  const Sample& sample_;
  Index p_, q_;
  Eigen::MatrixXd common_;  // q x (1 + d): residuals of one regression of all
};

/// An E-step that takes a component from a model and plants it elsewhere: all of the observations within `radius` of
/// the only map belong to it, the others to the rest, as the model says.
struct Replanted {
  NearestMap place;
  Index component = 0;
  double square_radius = 0;
  template <class Data>
  [[gnu::cold]] double operator()(const Data& block, Scores scores) const {
    const Index k = component;
    scores.col(k).setConstant(-std::numeric_limits<double>::infinity());
    Soft()(block, scores);
    for (Index i = 0; i < scores.rows(); ++i) {
      if (!(place.square_distance(block, i, 0) <= square_radius)) continue;
      scores.row(i).setZero();
      scores(i, k) = block.weight(i);
    }
    return 0;
  }
};

/// The E-step of a start for regressions.
template <RegressionData D>
[[gnu::cold]] NearestMap regression_start(const D& data, Index components, Rng& rng, const SeedOptions& options) {
  NearestMap nearest{*frame_of(data, false), {}, 0};
  const Sample sample = standardised(data, nearest.frame, data.size(), rng);
  const RegressionStarts starts(sample, data.x().dimension(), data.y().dimension());
  nearest.maps = options.start == Start::random_residuals    ? starts.residuals(components, rng)
                 : options.start == Start::random_covariates ? starts.covariates(components, rng)
                                                             : starts.regressions(components, rng);
  nearest.width = options.width * std::sqrt(static_cast<double>(nearest.maps.front().rows()));
  return nearest;
}

/// A start near a fit: one of its components, drawn at random, is taken away and planted on n / (8 K) to n / K of the
/// observations, those nearest to a random regression or to one observation in the residuals or in the covariates of
/// the gate.
template <class Model, RegressionData D>
[[gnu::cold]] Model replant(const Model& from, const D& data, Rng& rng) {
  const auto components = static_cast<double>(from.size());
  NearestMap place{*frame_of(data, false), {}, 0};
  const Sample sample = standardised(data, place.frame, data.size(), rng);
  const RegressionStarts starts(sample, data.x().dimension(), data.y().dimension());
  const double kind = rng.uniform();
  place.maps = kind < 0.5    ? starts.regressions(1, rng)
               : kind < 0.75 ? starts.covariates(1, rng)
                             : starts.residuals(1, rng);
  std::vector<double> squares;
  for (Index i = 0; i < data.size(); ++i) squares.push_back(place.square_distance(data, i, 0));
  const double share = std::exp2(-3 * rng.uniform()) / components;
  const auto last = squares.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(data.size()));
  std::nth_element(squares.begin(), last, squares.end());
  const auto taken = static_cast<Index>(rng.uniform() * components);
  Workers workers(1);
  Fold<Model, D> fold(from, data, workers);
  Model next = from;
  from.maximize(fold(from, Replanted{std::move(place), taken, *last}), next);
  return next;
}

}  // namespace emulsion
