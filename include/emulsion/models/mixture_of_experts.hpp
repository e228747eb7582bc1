#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "emulsion/core/log_sum_exp.hpp"
#include "emulsion/data/inspect.hpp"
#include "emulsion/data/regression.hpp"
#include "emulsion/models/mixture.hpp"

namespace emulsion {

/// p(y | x, z) = sum_k w_k(z) p(y | x, theta_k): a gate that may depend on covariates, and one expert per component.
///
/// Any gate with any expert. log_density(), log_likelihood() and responsibilities() of Mixture take a Regression; what
/// they are of, the gate says: of y given x and z with a constant or softmax gate, of y and z with a Gaussian gate. The
/// functions here are of y given x and z with every gate, so that gates can be compared.
template <class Gate, Component Expert>
using MixtureOfExperts = Mixture<Gate, Components<Expert>>;

/// Of a gate as it is, unchecked: see gate_probabilities().
template <class Gate>
Eigen::MatrixXd normalised_scores(const Gate& gate, const Covariates& given) {
  Eigen::MatrixXd result = Eigen::MatrixXd::Zero(given.size(), gate.size());
  Eigen::VectorXd normalisers(default_block);
  auto scratch = gate.scratch(default_block);
  for (Index first = 0; first < given.size(); first += default_block) {
    const Covariates block = given.slice(first, std::min(default_block, given.size() - first));
    Scores scores(result.middleRows(first, block.size()));
    gate.score(block, scratch, scores);
    Soft::normalise(scores, nullptr, normalisers.data());
    if constexpr (requires { gate.nearest(block, Index{}); }) {
      for (Index i = 0; i < block.size(); ++i) {
        if (!std::isfinite(normalisers(i))) scores(i, gate.nearest(block, i)) = 1;
      }
    }
  }
  return result;
}

/// w_k(z_i), n x K. Where z_i is so far away that no Gaussian of a gate has a density, the nearest component takes all;
/// a random gate gives the mean of its draws.
///
/// @throws InvalidArgument  if z has not as many dimensions as the gate, or a value is not finite
template <class Gate>
Eigen::MatrixXd gate_probabilities(const Gate& gate, const Covariates& given) {
  if constexpr (requires { gate.check(given); }) gate.check(given);
  if constexpr (requires { gate.draws(); }) {
    Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(given.size(), gate.size());
    const auto draws = gate.draws();
    for (const Gate& draw : draws) sum += normalised_scores(draw, given);
    return sum / static_cast<double>(draws.size());
  } else {
    return normalised_scores(gate, given);
  }
}

/// log p(y_i | x_i, z_i) in nats (n), whatever the gate.
///
/// @throws InvalidArgument  if the dimensions differ or a value is not finite
template <class Gate, class Bank>
Eigen::VectorXd conditional_log_density(const Mixture<Gate, Bank>& model, const Regression& data) {
  model.check(data);
  Eigen::MatrixXd scores = gate_probabilities(model.gate(), data.covariates());
  Eigen::VectorXd result(data.size());
  auto scratch = model.bank().scratch(default_block);
  for (Index first = 0; first < data.size(); first += default_block) {
    const Regression block = data.slice(first, std::min(default_block, data.size() - first));
    auto part = scores.middleRows(first, block.size());
    for (Index k = 0; k < part.cols(); ++k) {
      for (Index i = 0; i < part.rows(); ++i) part(i, k) = std::log(part(i, k));
    }
    model.bank().score(block, scratch, part);
    Soft::normalise(part, nullptr, result.data() + first);
  }
  return result;
}

/// Sum of weight x log p(y_i | x_i, z_i): the total in nats, whatever the gate.
template <class Gate, class Bank>
double conditional_log_likelihood(const Mixture<Gate, Bank>& model, const Regression& data) {
  const Eigen::VectorXd each = conditional_log_density(model, data);
  double total = 0;
  for (Index i = 0; i < data.size(); ++i) total += data.weight(i) != 0 ? data.weight(i) * each(i) : 0.0;
  return total;
}

/// Whether a variance is that of a new response, or of its mean between the experts.
enum class Noise {
  included,  ///< Var(y | x) = sum_k w_k (v_k + (m_k - m)^2)   (law of total variance)
  excluded   ///< sum_k w_k (m_k - m)^2
};

/// What variance(), cumulative() and sample() of an expert are given at x: location(x), of families that have one
/// beside the mean (skew and truncated errors), else mean(x); q x m.
template <class Expert>
Eigen::MatrixXd response_locations(const Expert& expert, const Points<>& x) {
  if constexpr (requires { expert.location(x); }) return expert.location(x);
  else return expert.mean(x);
}

/// What a mixture of experts says about responses at queries, one per column: weights w_k(z), means m_k(x) and scales
/// of the experts, taken once.
template <class Gate, class Expert>
class ExpertPrediction {
 public:
  ExpertPrediction(const Gate& gate, std::vector<Expert> experts, const Covariates& at) : experts_(std::move(experts)) {
    require(at.x().dimension() == experts_.front().covariates(), "expected ", experts_.front().covariates(),
            " covariates, got ", at.x().dimension(), " (x is ", at.x().dimension(), " x ", at.size(),
            "; an observation is a column, rows(x) adapts rows)");
    require_finite(at.x(), "covariate");
    weights_ = gate_probabilities(gate, at);
    for (const Expert& expert : experts_) {
      means_.push_back(expert.mean(at.x()));
      locations_.push_back(response_locations(expert, at.x()));
      scales_.push_back(expert.scale(at.x()));
    }
  }

  /// How many queries.
  Index size() const { return weights_.rows(); }
  /// w_k(z): responsibilities where y is not known, m x K.
  const Eigen::MatrixXd& weights() const { return weights_; }
  /// Of expert k, q x m.
  const Eigen::MatrixXd& mean_of(Index k) const { return means_[static_cast<std::size_t>(k)]; }

  /// E[y | x], q x m.
  Eigen::MatrixXd mean() const {
    Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(means_.front().rows(), size());
    each([&](std::size_t k, double w, Index i) { sum.col(i) += w * means_[k].col(i); });
    return sum;
  }
  /// Of every response, q x m.
  Eigen::MatrixXd variance(Noise noise) const {
    const Eigen::MatrixXd centre = mean();
    Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(centre.rows(), size());
    each([&](std::size_t k, double w, Index i) {
      for (Index r = 0; r < sum.rows(); ++r) {
        const double off = means_[k](r, i) - centre(r, i);
        const double own = noise == Noise::included ? experts_[k].variance(locations_[k](r, i), scales_[k](r, i)) : 0.0;
        sum(r, i) += w * (own + off * off);
      }
    });
    return sum;
  }
  /// The most probable expert of every query before y is known (m); the first of equals.
  Labels most_likely_expert() const {
    Labels best(size());
    for (Index i = 0; i < size(); ++i) weights_.row(i).maxCoeff(&best(i));
    return best;
  }
  /// P(y_r <= value | x), m.
  Eigen::VectorXd cumulative(double value, Index response = 0) const {
    check(response);
    Eigen::VectorXd result(size());
    for (Index i = 0; i < size(); ++i) result(i) = below(value, response, i);
    return result;
  }
  /// The least value y with P(y_r <= y | x) >= probability (0 < probability < 1), m: by bisection, to rounding.
  Eigen::VectorXd quantile(double probability, Index response = 0) const {
    check(response);
    require(probability > 0 && probability < 1, "the probability of a quantile must lie in (0, 1), got ", probability);
    Eigen::VectorXd result(size());
    for (Index i = 0; i < size(); ++i) {
      double low = std::numeric_limits<double>::infinity(), high = -low, width = 0;
      for (std::size_t k = 0; k < experts_.size(); ++k) {
        low = std::min(low, means_[k](response, i));
        high = std::max(high, means_[k](response, i));
        width = std::max(width, scales_[k](response, i));
      }
      width = std::max(width, 1e-300);
      for (double step = width; below(low, response, i) > probability && std::isfinite(low); step *= 2) low -= step;
      for (double step = width; below(high, response, i) < probability && std::isfinite(high); step *= 2) high += step;
      for (int halving = 0; halving < 200 && low < high; ++halving) {
        const double middle = low + 0.5 * (high - low);
        if (middle == low || middle == high) break;
        (below(middle, response, i) < probability ? low : high) = middle;
      }
      const double whole = std::floor(high);  // of counts: halvings towards zero never arrive
      result(i) = below(whole, response, i) >= probability ? whole : high;
    }
    return result;
  }
  /// A response for every query (q x m), and the experts they came from in `labels` if asked.
  Eigen::MatrixXd sample(Rng& rng, Labels* labels = nullptr) const {
    Eigen::MatrixXd y(means_.front().rows(), size());
    if (labels) labels->resize(size());
    for (Index i = 0; i < size(); ++i) {
      const auto k = static_cast<std::size_t>(rng.categorical(weights_.row(i).transpose()));
      if (labels) (*labels)(i) = static_cast<Index>(k);
      y.col(i) = experts_[k].sample(locations_[k].col(i), scales_[k].col(i), rng);
    }
    return y;
  }

 private:
  void check(Index response) const {
    require(response >= 0 && response < means_.front().rows(), "response ", response, " does not exist; there are ",
            means_.front().rows());
  }
  double below(double value, Index r, Index i) const {
    double sum = 0;
    for (std::size_t k = 0; k < experts_.size(); ++k) {
      const double w = weights_(i, static_cast<Index>(k));
      if (w > 0) sum += w * experts_[k].cumulative(value, locations_[k](r, i), scales_[k](r, i));
    }
    return sum;
  }
  /// An expert of weight zero is left out: far away, its squares may be infinite.
  template <class F>
  void each(const F& f) const {
    for (Index i = 0; i < size(); ++i) {
      for (std::size_t k = 0; k < experts_.size(); ++k) {
        const double w = weights_(i, static_cast<Index>(k));
        if (w > 0) f(k, w, i);
      }
    }
  }

  std::vector<Expert> experts_;
  Eigen::MatrixXd weights_;                 // m x K
  std::vector<Eigen::MatrixXd> means_;      // K of q x m
  std::vector<Eigen::MatrixXd> locations_;  // K of q x m
  std::vector<Eigen::MatrixXd> scales_;     // K of q x m
};

/// Predictions at queries x (p x m, one per column; Covariates(x, z) where the gate's covariates are others):
///
///   predict(model, x).mean();   predict(model, x).variance(Noise::included);   predict(model, x).quantile(0.9);
///
/// @throws InvalidArgument  if the dimensions differ or a value is not finite
///
/// Cost O(m K (q p + gate)).
template <class Gate, class Expert>
ExpertPrediction<Gate, Expert> predict(const Mixture<Gate, Components<Expert>>& model, const Covariates& at) {
  return {model.gate(), model.bank().all(), at};
}
template <class Gate, class Expert>
ExpertPrediction<Gate, Expert> predict(const Mixture<Gate, Components<Expert>>& model, const Points<>& x) {
  return predict(model, Covariates(x));
}

}  // namespace emulsion
