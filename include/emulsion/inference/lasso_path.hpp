#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "emulsion/experts/lasso.hpp"
#include "emulsion/inference/criteria.hpp"
#include "emulsion/mixture_of_experts.hpp"

namespace emulsion {

struct LassoPathOptions {
  Index points = 40;
  double ratio = 1e-2;            ///< the smallest penalty, as a share of the largest, in (0, 1)
  double alpha = 1;               ///< the lasso's share of the experts' penalty, in (0, 1]: see ElasticNet
  double gate = 1;                ///< the lasso of a softmax gate, per penalty of the experts; 0: a free gate
  double tolerance = 1e-7;        ///< of the KKT residual, as a share of the largest penalty
  Index max_iterations = 20'000;  ///< for every point
  Index restarts = 0;             ///< of the two fits at the ends: see FitOptions
  std::uint64_t seed = 0;
};

/// One point of a path.
template <class Gate>
struct LassoPoint {
  double lambda = 0;
  MixtureOfExperts<Gate, LassoExpert> model;
  double objective = 0;  ///< log-likelihood less the penalties
  double log_likelihood = 0;
  double bic = 0;           ///< parameters that are zero do not count
  double kkt_residual = 0;  ///< as a share of the largest penalty of the path
  Index iterations = 0;
  bool regular = true;  ///< no expert far narrower than the others: see FitOptions::least_regularity
};

/// Fits under a sequence of penalties: see lasso_path().
template <class Gate>
class LassoPath {
 public:
  using Model = MixtureOfExperts<Gate, LassoExpert>;
  using Point = LassoPoint<Gate>;

  LassoPath(Gate gate, Index covariates, Regression data, const LassoPathOptions& options)
      : data_(std::move(data)), options_(options), workers_(1), prototype_(std::move(gate)), covariates_(covariates) {}

  [[gnu::cold]] std::vector<Point> operator()() {
    // So large a penalty that no slope is worth it: the fit without slopes.
    constexpr double prohibitive = 1e100;
    Model null = fit(prohibitive);
    if (!regular(null)) null = equal_experts(prohibitive);  // responses of one mode: no mixture without slopes
    largest_ = largest_penalty(null);
    std::vector<double> lambdas;
    for (Index i = 0; i < options_.points; ++i) {
      const double share = options_.points == 1 ? 0 : static_cast<double>(i) / static_cast<double>(options_.points - 1);
      lambdas.push_back(largest_ * std::pow(options_.ratio, share));
    }
    // The objective has several maxima. From small penalties up, then from the largest down; the better of both stays,
    // and is where the next smaller penalty starts. That never lowers the objective: the penalty is smaller. A regular
    // fit is better than one in which an expert collapsed, whose likelihood has no bound.
    std::vector<Point> rising;
    Model start = fit(lambdas.back());
    for (std::size_t i = lambdas.size(); i-- > 1;) {
      rising.push_back(climb(std::move(start), lambdas[i]));
      start = rising.back().model;
    }
    std::vector<Point> path = {climb(std::move(null), largest_)};
    for (std::size_t i = 1; i < lambdas.size(); ++i) {
      path.push_back(climb(path.back().model, lambdas[i]));
      Point& other = rising[lambdas.size() - 1 - i];
      const bool better = other.objective > path.back().objective;
      if (other.regular != path.back().regular ? other.regular : better) path.back() = std::move(other);
    }
    for (Point& point : path) point.bic = bic(point.model, data_);
    return path;
  }

 private:
  static constexpr bool gate_is_penalised = requires(const Gate& gate) { gate.penalised(0.0); };

  Gate gate_under(const Gate& gate, double lambda) const {
    if constexpr (gate_is_penalised) return gate.penalised(options_.gate * lambda);
    else return gate;
  }
  Model under(const Model& model, double lambda) const {
    std::vector<LassoExpert> experts;
    for (const LassoExpert& expert : model.bank().all()) experts.push_back(expert.penalised({lambda, options_.alpha}));
    return Model(gate_under(model.gate(), lambda), Components<LassoExpert>(std::move(experts)));
  }
  Model fit(double lambda) const {
    return fit_experts(gate_under(prototype_, lambda), LassoExpert(covariates_, {lambda, options_.alpha}), data_,
                       {.restarts = options_.restarts, .seed = options_.seed})
        .model;
  }
  /// Every expert as of all observations.
  Model equal_experts(double lambda) const {
    const Index size = prototype_.size();
    const Model model(gate_under(prototype_, lambda),
                      Components<LassoExpert>(std::vector<LassoExpert>(
                          static_cast<std::size_t>(size), LassoExpert(covariates_, {lambda, options_.alpha}))));
    Rng unused(options_.seed);
    SeedOptions seeding{.start = Start::responsibilities};
    seeding.responsibilities = Eigen::MatrixXd::Constant(data_.size(), size, 1 / static_cast<double>(size));
    return seed(model, data_, unused, seeding);
  }
  static double residual(const Model& model, const typename Model::Statistics& s) {
    double largest = 0;
    for (Index k = 0; k < model.size(); ++k) {
      largest = std::max(largest, model[k].kkt_residual(std::get<1>(s.parts).all[static_cast<std::size_t>(k)]));
    }
    if constexpr (gate_is_penalised) largest = std::max(largest, model.gate().kkt_residual(std::get<0>(s.parts)));
    return largest;
  }

  /// The smallest penalty under which the fit without slopes is a maximum: the greatest derivative by any slope. That
  /// fit is brought to its own maximum first.
  double largest_penalty(Model& null) {
    const double near = 1e-9 * greatest_derivative(null);
    null = climb_to(std::move(null), near, nullptr);
    const double largest = greatest_derivative(null);
    require(largest > 0, "no covariate says anything about the response: there is no path");
    return largest * (1 + 1e-8);  // the rounding of the derivatives
  }
  /// By a slope, where nothing is penalised.
  double greatest_derivative(const Model& null) {
    Fold<Model, Regression> fold(null, data_, workers_);
    const Model free = under(null, 0);
    const auto& s = fold(free, Soft{});
    double largest = 0;
    for (Index k = 0; k < free.size(); ++k) {
      const double own = free[k].slopes_residual(std::get<1>(s.parts).all[static_cast<std::size_t>(k)]);
      largest = std::max(largest, own / options_.alpha);
    }
    if constexpr (gate_is_penalised) {
      if (options_.gate > 0)
        largest = std::max(largest, free.gate().kkt_residual(std::get<0>(s.parts)) / options_.gate);
    }
    return largest;
  }

  Point climb(Model start, double lambda) {
    Point point{.lambda = lambda, .model = under(start, lambda)};
    point.model = climb_to(std::move(point.model), options_.tolerance * largest_, &point);
    point.log_likelihood = point.model.log_likelihood(data_);
    point.regular = regular(point.model);
    return point;
  }
  bool regular(const Model& model) const {
    constexpr double least = 1e-3;
    return kind_of(model.regularity(least), least, data_.dimension(), used_) != FitKind::spurious;
  }
  /// EM until the KKT residual is that small, or the iterations are over.
  Model climb_to(Model now, double tolerance, Point* report) {
    Fold<Model, Regression> fold(now, data_, workers_);
    Model next = now;
    for (Index i = 0;; ++i) {
      const auto& s = fold(now, Soft{});
      const double left = residual(now, s);
      if (report) {
        report->objective = now.objective(s), report->kkt_residual = left / largest_, report->iterations = i;
      }
      if (left <= tolerance || i >= options_.max_iterations) return now;
      now.maximize(s, next);
      std::swap(now, next);
    }
  }

  Regression data_;
  LassoPathOptions options_;
  Workers workers_;
  Gate prototype_;
  Index covariates_;
  Index used_ = positive_observations(data_);
  double largest_ = 0;
};

/// Mixtures of experts under penalties from the largest that matters (all slopes zero: the first point) down, evenly on
/// a logarithmic scale:
///
///   log-likelihood - lambda sum_k (alpha |b_k|_1 + (1 - alpha) / 2 |b_k|^2) - gate lambda |slopes of a softmax
///   gate|_1.
///
/// Each point starts from the one before, and from the one after in a sweep the other way; the objective never falls
/// from one regular point to the next. Choose a point by its `bic`. Standardise the covariates first where their units
/// differ; where the noise is small beside the slopes, a gate that pays less (`gate` below 1) lets the experts pay
/// enough.
///
/// @param gate   prototype: constant, softmax or Gaussian; only a softmax gate has penalised slopes
/// @throws       InvalidArgument  as fit_experts(), and for options out of range
///
/// Cost: two fits, and 2 x points runs of EM from near their ends.
template <class Gate>
std::vector<LassoPoint<Gate>> lasso_path(const Gate& gate, const Regression& data,
                                         const LassoPathOptions& options = {}) {
  require(data.y().dimension() == 1, "a lasso path needs one response, got ", data.y().dimension());
  require(options.points >= 1, "a path needs at least one point, got ", options.points);
  require(options.ratio > 0 && options.ratio < 1, "the smallest penalty must lie in (0, 1) of the largest, got ",
          options.ratio);
  require(options.alpha > 0 && options.alpha <= 1, "the lasso's share of the penalty must lie in (0, 1], got ",
          options.alpha);
  require(options.gate >= 0 && std::isfinite(options.gate),
          "the gate's share of the penalty must not be negative, got ", options.gate);
  require(options.tolerance > 0 && options.max_iterations >= 0, "the tolerance must be positive and max_iterations ",
          "not negative, got ", options.tolerance, " and ", options.max_iterations);
  return LassoPath<Gate>(gate, data.x().dimension(), data, options)();
}

}  // namespace emulsion
