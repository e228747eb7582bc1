#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"

namespace emulsion {

// Selection by the slope heuristic (Birge and Massart, 2007): of models fitted to the same data, the one with the least
//
//   -L_m + 2 kappa D_m,
//
// L_m the maximised log-likelihood (nats, total), D_m the number of free parameters. kappa, the least penalty per
// parameter that keeps the choice from running off to the largest models, is learnt from the models themselves, so that
// it holds where the truth is in none of them and log n / 4 (BIC) or 1/2 (AIC) do not.

/// A model that was fitted: model.log_likelihood(data), model.free_parameters().
struct FittedSize {
  double log_likelihood = 0;
  Index free_parameters = 0;
};

/// What the slope heuristic chose.
struct SlopeChoice {
  Index chosen = 0;       ///< place of the model in the list
  double kappa = 0;       ///< nats per parameter; the criterion is -L + 2 kappa D
  bool supported = true;  ///< false where no plateau is long enough, or the penalty does not rise with the size: more,
                          ///< and larger, models are needed
  std::string why = {};   ///< one sentence
};

/// The places of the models by rising size, of each size the likeliest, the first of equals.
///
/// @throws InvalidArgument  for fewer than three sizes, and values that are not finite or negative
[[gnu::cold]] inline std::vector<Index> likeliest_of_each_size(const std::vector<FittedSize>& models) {
  std::vector<Index> order;
  for (std::size_t m = 0; m < models.size(); ++m) {
    require(std::isfinite(models[m].log_likelihood), "the log-likelihood of model ", m, " is ",
            models[m].log_likelihood);
    require(models[m].free_parameters >= 0, "the number of parameters of model ", m, " must not be negative, got ",
            models[m].free_parameters);
    order.push_back(static_cast<Index>(m));
  }
  const auto at = [&](Index m) { return models[static_cast<std::size_t>(m)]; };
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    if (at(a).free_parameters != at(b).free_parameters) return at(a).free_parameters < at(b).free_parameters;
    return at(a).log_likelihood > at(b).log_likelihood;
  });
  const auto same = [&](Index a, Index b) { return at(a).free_parameters == at(b).free_parameters; };
  order.erase(std::unique(order.begin(), order.end(), same), order.end());
  require(order.size() >= 3, "the slope heuristic needs models of at least three sizes, got ", order.size());
  return order;
}

/// Place of the model with the least -L + penalty D; of equals the smallest.
[[gnu::cold]] inline Index least_penalised(const std::vector<FittedSize>& models, const std::vector<Index>& by_size,
                                           double penalty) {
  Index best = by_size.front();
  double least = std::numeric_limits<double>::infinity();
  for (const Index m : by_size) {
    const FittedSize& model = models[static_cast<std::size_t>(m)];
    const double value = penalty * static_cast<double>(model.free_parameters) - model.log_likelihood;
    if (value < least) least = value, best = m;
  }
  return best;
}

/// kappa by the dimension jump: the size of the model that minimises -L + kappa D falls as kappa rises, in steps; kappa
/// is where it falls most, the larger of two such places. No tuning; needs models well beyond the right size.
///
/// @throws InvalidArgument  for models of fewer than three sizes, and values that are not finite
///
/// Cost O(M^2). Arlot and Massart (2009); Baudry, Maugis and Michel (2012).
[[gnu::cold]] inline SlopeChoice select_by_jump(const std::vector<FittedSize>& models) {
  const std::vector<Index> by_size = likeliest_of_each_size(models);
  const auto at = [&](std::size_t place) -> const FittedSize& {
    return models[static_cast<std::size_t>(by_size[place])];
  };
  std::size_t now = 0;  // kappa = 0: the likeliest
  for (std::size_t m = 1; m < by_size.size(); ++m) {
    if (at(m).log_likelihood > at(now).log_likelihood) now = m;
  }
  SlopeChoice result;
  Index largest = 0, from = at(now).free_parameters, to = from;
  while (now > 0) {  // the next smaller model is the first to be as good as this one
    std::size_t next = 0;
    double slope = std::numeric_limits<double>::infinity();
    for (std::size_t m = 0; m < now; ++m) {
      const double own = (at(now).log_likelihood - at(m).log_likelihood) /
                         static_cast<double>(at(now).free_parameters - at(m).free_parameters);
      if (own < slope) slope = own, next = m;
    }
    const Index jump = at(now).free_parameters - at(next).free_parameters;
    if (jump >= largest) {
      largest = jump, from = at(now).free_parameters, to = at(next).free_parameters;
      result.kappa = slope;
    }
    now = next;
  }
  result.chosen = least_penalised(models, by_size, 2 * result.kappa);
  result.supported = largest > 0;
  result.why = largest > 0 ? sentence({"the largest jump, from ", from, " to ", to,
                                       " parameters, is at kappa = ", result.kappa, " nats per parameter"})
                           : sentence({"no jump: the smallest model, of ", to, " parameters, is the likeliest"});
  return result;
}

/// Slope of the line of y on x by Tukey's biweight (4.685 deviations, by the median of |residuals|), from least squares
/// on: one point far off does not move it. x must not all be equal.
[[gnu::cold]] inline double robust_slope(const std::vector<double>& x, const std::vector<double>& y) {
  const std::size_t n = x.size();
  std::vector<double> weight(n, 1), residual(n), sorted(n);
  double slope = 0;
  for (int step = 0; step < 100; ++step) {
    double total = 0, mean_x = 0, mean_y = 0, xx = 0, xy = 0;
    for (std::size_t i = 0; i < n; ++i) total += weight[i], mean_x += weight[i] * x[i], mean_y += weight[i] * y[i];
    mean_x /= total, mean_y /= total;
    for (std::size_t i = 0; i < n; ++i) {
      xx += weight[i] * (x[i] - mean_x) * (x[i] - mean_x);
      xy += weight[i] * (x[i] - mean_x) * (y[i] - mean_y);
    }
    if (!(xx > 0)) return slope;  // all weight on one size
    const double before = slope;
    slope = xy / xx;
    if (step > 0 && std::abs(slope - before) <= 1e-12 * std::abs(slope)) break;
    for (std::size_t i = 0; i < n; ++i) {
      residual[i] = y[i] - mean_y - slope * (x[i] - mean_x);
      sorted[i] = std::abs(residual[i]);
    }
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(n / 2), sorted.end());
    const double deviation = sorted[n / 2] / 0.6745;
    if (!(deviation > 1e-12 * std::abs(mean_y))) break;  // most points lie on the line
    for (std::size_t i = 0; i < n; ++i) {
      const double u = residual[i] / (4.685 * deviation);
      weight[i] = std::abs(u) < 1 ? (1 - u * u) * (1 - u * u) : 0;
    }
  }
  return slope;
}

/// kappa by data-driven slope estimation: among large models L grows linearly in D, with slope kappa. The slope is
/// fitted (robust_slope) to all models, to all but the smallest, ..., to the three largest; each fit chooses a model,
/// and the choice is that of the last plateau, from large models, that holds for at least `plateau` of the fits; the
/// longest plateau where none does.
///
/// @param plateau   in (0, 1)
/// @throws          InvalidArgument  for models of fewer than three sizes, values that are not finite
///
/// Cost O(M^2). Baudry, Maugis and Michel (2012), DDSE.
[[gnu::cold]] inline SlopeChoice select_by_slope(const std::vector<FittedSize>& models, double plateau = 0.15) {
  require(plateau > 0 && plateau < 1, "the share of a plateau must lie in (0, 1), got ", plateau);
  const std::vector<Index> by_size = likeliest_of_each_size(models);
  struct Plateau {
    Index chosen;
    std::size_t first, length;
    double kappa;  // of its middle fit
  };
  std::vector<Plateau> all;
  std::vector<double> slopes;
  const std::size_t fits = by_size.size() - 2;
  for (std::size_t first = 0; first < fits; ++first) {
    std::vector<double> x, y;
    for (std::size_t m = first; m < by_size.size(); ++m) {
      const FittedSize& model = models[static_cast<std::size_t>(by_size[m])];
      x.push_back(static_cast<double>(model.free_parameters));
      y.push_back(model.log_likelihood);
    }
    slopes.push_back(robust_slope(x, y));
    const Index chosen = least_penalised(models, by_size, 2 * slopes.back());
    if (all.empty() || all.back().chosen != chosen) all.push_back({chosen, first, 0, 0});
    Plateau& last = all.back();
    last.kappa = slopes[last.first + last.length / 2];
    ++last.length;
  }
  const auto enough = static_cast<std::size_t>(std::ceil(plateau * static_cast<double>(fits)));
  const Plateau* found = nullptr;
  for (const Plateau& one : all) {
    if (one.length >= enough) found = &one;
  }
  const bool long_enough = found != nullptr;
  for (const Plateau& one : all) {
    if (!long_enough && (!found || one.length > found->length)) found = &one;
  }
  SlopeChoice result{found->chosen, found->kappa, long_enough && found->kappa > 0, {}};
  const std::size_t most = by_size.size() - found->first;
  result.why = sentence({"slopes over the ", most - found->length + 1, " to ", most, " largest of ", by_size.size(),
                         " models, about ", found->kappa, " nats per parameter, agree on model ", found->chosen,
                         long_enough ? "" : ", but no plateau is as long as asked for",
                         found->kappa > 0 ? "" : "; the log-likelihood does not rise with the size"});
  return result;
}

}  // namespace emulsion
