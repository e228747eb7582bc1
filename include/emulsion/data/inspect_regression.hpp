#pragma once
#include <vector>

#include "emulsion/data/inspect.hpp"
#include "emulsion/data/regression.hpp"

namespace emulsion {

/// Says what is unusual about data for a regression of every component: constant and collinear covariates, constant
/// responses, few observations. Events count dimensions in the order of (x, y). Cost O(n (p + q)) and O(m p^2) for
/// m = 1000 + 4 p of the observations.
///
/// @param effect  what a constant response means to the family
[[gnu::cold]] inline void inspect_regression(const Regression& data, Index components, EventLog& log,
                                             const char* effect = ": the floor holds its variance up") {
  const Index p = data.x().dimension(), used = positive_observations(data);
  if (used < (p + 2) * components) {
    log.add({EventKind::few_observations, 0, -1, -1, static_cast<double>(used),
             sentence({used, " observations for ", components, " expert(s) of ", p,
                       " covariates and an intercept: some describe single points"})});
  }
  std::vector<Index> varies;
  const std::vector<Location> of_x = robust_locations(data.x());
  const auto note_constant = [&](const Location& found, const char* what, Index j, Index dimension,
                                 const char* meaning) {
    if (found.largest > 0) return;
    log.add({EventKind::constant, 0, -1, dimension, found.median,
             sentence({what, " ", j, " has one value, ", found.median, meaning})});
  };
  for (Index j = 0; j < p; ++j) {
    const Location& found = of_x[static_cast<std::size_t>(j)];
    varies.push_back(found.largest > 0 ? 1 : 0);
    note_constant(found, "covariate", j, j, ": its coefficient is zero");
  }
  const std::vector<Location> of_y = robust_locations(data.y());
  for (Index r = 0; r < data.y().dimension(); ++r) {
    note_constant(of_y[static_cast<std::size_t>(r)], "response", r, p + r, effect);
  }
  if (p >= 2 && used > p) note_collinear(data.x(), *frame_of(of_x, false), varies, used, "covariate", log);
}

}  // namespace emulsion
