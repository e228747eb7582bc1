#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/core/simd_functions.hpp"
#include "emulsion/data/frame.hpp"

namespace emulsion {

/// Throws InvalidArgument with the place of the first value that is NaN or infinite; `what`: the word for a dimension.
/// Cost O(n d).
template <class D>
void require_finite(const D& x, const char* what = "dimension") {
  const bool dense = x.inner_stride() == 1 && x.outer_stride() == x.dimension();
  if (dense && simd_all_finite(x.data(), x.size() * x.dimension())) return;
  for (Index i = 0; i < x.size(); ++i) {
    for (Index j = 0; j < x.dimension(); ++j) {
      if (std::isfinite(x(j, i))) continue;
      require(false, what, " ", j, " of observation ", i, " is ", x(j, i),
              "; values must be finite: leave such observations out or give them weight zero and a finite value");
    }
  }
}

template <class D>
bool same_observation(const D& x, Index a, Index b) {
  for (Index j = 0; j < x.dimension(); ++j) {
    if (x(j, a) != x(j, b)) return false;
  }
  return true;
}

/// How many distinct observations with positive weight there are, counted up to `most`. Cost O(n min(most, distinct)).
template <class D>
[[gnu::cold]] Index distinct_observations(const D& x, Index most) {
  std::vector<Index> found;
  for (Index i = 0; i < x.size() && static_cast<Index>(found.size()) < most; ++i) {
    bool known = x.weight(i) == 0;
    for (std::size_t other = found.size(); other > 0 && !known; --other)
      known = same_observation(x, i, found[other - 1]);
    if (!known) found.push_back(i);
  }
  return static_cast<Index>(found.size());
}

/// The share of observations that repeat another, among at most 20,000 evenly taken. Cost O(n), by hashing.
template <class D>
[[gnu::cold]] double repeated_share(const D& x) {
  constexpr std::size_t slots = 65536;
  std::vector<Index> table(slots, -1);
  const Index step = stride_for(positive_observations(x), 20'000);
  Index seen = 0, looked_at = 0, repeats = 0;
  for (Index i = 0; i < x.size(); ++i) {
    if (x.weight(i) == 0 || seen++ % step != 0) continue;
    ++looked_at;
    std::uint64_t hash = 0;
    for (Index j = 0; j < x.dimension(); ++j) {
      const double value = static_cast<double>(x(j, i)) + 0.0;  // -0 becomes 0
      hash = (hash ^ std::bit_cast<std::uint64_t>(value)) * 0x9E3779B97F4A7C15U;
      hash ^= hash >> 29U;
    }
    std::size_t slot = hash % slots;
    while (table[slot] >= 0 && !same_observation(x, i, table[slot])) slot = (slot + 1) % slots;
    repeats += table[slot] >= 0 ? 1 : 0;
    table[slot] = i;
  }
  return looked_at == 0 ? 0.0 : static_cast<double>(repeats) / static_cast<double>(looked_at);
}

/// Observations so far away that they carry nearly all the variance of a dimension.
template <class D>
[[gnu::cold]] void note_outliers(const D& x, const Frame& frame, const std::vector<Index>& varies, Index used,
                                 EventLog& log) {
  const Index d = x.dimension();
  Eigen::VectorXd square = Eigen::VectorXd::Zero(d), largest = square;
  std::vector<Index> at(static_cast<std::size_t>(d), 0);
  for (Index i = 0; i < x.size(); ++i) {
    if (x.weight(i) == 0) continue;
    for (Index j = 0; j < d; ++j) {
      const double y = std::abs(static_cast<double>(x(j, i)) * frame.scale(j) - frame.centre(j));
      square(j) += y * y;
      if (y > largest(j)) largest(j) = y, at[static_cast<std::size_t>(j)] = i;
    }
  }
  for (Index j = 0; j < d; ++j) {
    const Index place = at[static_cast<std::size_t>(j)];
    const bool alone = largest(j) * largest(j) > 0.99 * square(j) && largest(j) > 1e4 * frame.spread(j);
    if (varies[static_cast<std::size_t>(j)] == 0 || !alone || used <= 2) continue;
    log.add({EventKind::outlier, 0, -1, j, static_cast<double>(place),
             sentence({"observation ", place, " is ", largest(j) / frame.spread(j), " spreads away in dimension ", j,
                       " and carries nearly all its variance: a noise component or Student-t components suit such ",
                       "data"})});
  }
}

/// Dimensions that are linear functions of those before them, by the correlations of a sample: an eigenvalue at
/// rounding is a linear relation. `what`: the word for a dimension. Cost O(m d^2), m = 1000 + 4 d of the observations.
template <class D>
[[gnu::cold]] void note_collinear(const D& x, const Frame& frame, const std::vector<Index>& varies, Index used,
                                  const char* what, EventLog& log) {
  const Index d = x.dimension();
  Eigen::MatrixXd moments = Eigen::MatrixXd::Zero(d, d);
  Eigen::VectorXd mean = Eigen::VectorXd::Zero(d), y(d), scale(d);
  double count = 0;
  const Index step = stride_for(used, 1000 + 4 * d);
  Index seen = 0;
  for (Index i = 0; i < x.size(); ++i) {
    if (x.weight(i) == 0 || seen++ % step != 0) continue;
    for (Index j = 0; j < d; ++j) y(j) = frame.standardised(static_cast<double>(x(j, i)), j) - mean(j);
    count += 1;
    for (Index j = 0; j < d; ++j) {
      mean(j) += y(j) / count;
      for (Index m = j; m < d; ++m) moments(m, j) += (1 - 1 / count) * y(j) * y(m);
    }
  }
  for (Index j = 0; j < d; ++j) {
    if (varies[static_cast<std::size_t>(j)] != 0 && moments(j, j) > 0) continue;
    for (Index m = 0; m < d; ++m) moments(m, j) = moments(j, m) = m == j ? 1 : 0;
  }
  for (Index j = 0; j < d; ++j) scale(j) = std::sqrt(moments(j, j));
  for (Index j = 0; j < d; ++j) {
    for (Index i = j; i < d; ++i) moments(i, j) /= scale(i) * scale(j);
  }
  // Cholesky: a pivot is the share of dimension j that those before it leave unexplained.
  for (Index j = 0; j < d; ++j) {
    double pivot = moments(j, j);
    for (Index k = 0; k < j; ++k) pivot -= moments(j, k) * moments(j, k);
    if (pivot < 1e-12) {
      log.add({EventKind::collinear, 0, -1, j, pivot > 0 ? 1 / pivot : std::numeric_limits<double>::infinity(),
               sentence({what, " ", j, " is a linear function of those before it (condition number at least ",
                         1 / std::max(pivot, 1e-16), ")"})});
      pivot = 1;
      for (Index i = j + 1; i < d; ++i) moments(i, j) = 0;
      continue;
    }
    moments(j, j) = std::sqrt(pivot);
    for (Index i = j + 1; i < d; ++i) {
      for (Index k = 0; k < j; ++k) moments(i, j) -= moments(i, k) * moments(j, k);
      moments(i, j) /= moments(j, j);
    }
  }
}

/// Says what is unusual about points for a family with location and scale. `correlated`: the family has covariances.
/// Cost O(n d), and O(m d^2) for m = 1000 + 4 d of the observations where `correlated`.
template <class D>
[[gnu::cold]] void inspect_points(const D& x, Index components, bool correlated, EventLog& log) {
  const Index d = x.dimension();
  const Index used = positive_observations(x);
  const Index distinct = distinct_observations(x, components + 1);
  if (distinct < components || distinct == 1) {
    log.add({EventKind::degenerate, 0, -1, -1, static_cast<double>(distinct),
             sentence({"the observations have only ", distinct, " distinct value(s); ", components,
                       " components are more than the data can tell apart"})});
  } else if (used < 2 * components) {
    log.add({EventKind::degenerate, 0, -1, -1, static_cast<double>(used),
             sentence({used, " observations for ", components, " components: most describe single points"})});
  }
  if (correlated && used <= d) {
    log.add(
        {EventKind::few_observations, 0, -1, -1, static_cast<double>(used),
         sentence({used, " observations cannot determine a full covariance in ", d,
                   " dimensions: the floor fills it up; a diagonal covariance, or a factor model, suits such data"})});
  }
  const double repeated = repeated_share(x);
  if (repeated >= 0.5) {
    log.add({EventKind::duplicates, 0, -1, -1, repeated,
             sentence({std::lround(100 * repeated), " % of the observations repeat others"})});
  }

  std::vector<Index> varies;
  const std::vector<Location> locations = robust_locations(x);
  const auto frame = frame_of(locations, false);
  for (Index j = 0; j < d; ++j) {
    const Location& found = locations[static_cast<std::size_t>(j)];
    varies.push_back(found.largest > 0 ? 1 : 0);
    if (varies.back() == 0) {
      log.add(
          {EventKind::constant, 0, -1, j, found.median, sentence({"dimension ", j, " has one value, ", found.median})});
    }
  }
  note_outliers(x, *frame, varies, used, log);
  if (correlated && used > d && d >= 2) note_collinear(x, *frame, varies, used, "dimension", log);
}

}  // namespace emulsion
