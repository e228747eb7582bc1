#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "emulsion/data/points.hpp"

namespace emulsion {

/// Coordinates in which a family with location and scale does its sums:
///
///   y_j = x_j scale_j - centre_j,
///
/// scale_j an exact power of two, so that the first product rounds nothing. Means and factors kept in y are of order
/// one however large, small or far away the data are, and squares can neither overflow nor vanish. A model that carries
/// its frame loses nothing on the way out.
///
/// Centre and scale are robust (median, interquartile range), so that one wild observation does not blur the rest.
struct Frame {
  Eigen::VectorXd centre;  ///< d, in scaled units
  Eigen::VectorXd scale;   ///< d, powers of two
  Eigen::VectorXd spread;  ///< d, positive: a robust standard deviation in scaled units; floors are relative to it

  Index dimension() const { return centre.size(); }

  bool operator==(const Frame& other) const {
    bool equal = dimension() == other.dimension();
    for (Index j = 0; equal && j < dimension(); ++j) {
      equal = centre(j) == other.centre(j) && scale(j) == other.scale(j) && spread(j) == other.spread(j);
    }
    return equal;
  }

  /// log |dy / dx|: what a log density in y gains to be one in x.
  double log_jacobian() const {
    double sum = 0;
    for (Index j = 0; j < scale.size(); ++j) sum += std::log(scale(j));
    return sum;
  }

  /// What an observation was, of y in scaled units about the centre.
  Eigen::VectorXd restored(const Eigen::VectorXd& y) const {
    Eigen::VectorXd x(dimension());
    for (Index j = 0; j < dimension(); ++j) x(j) = (y(j) + centre(j)) / scale(j);
    return x;
  }

  /// Dimension j of an observation, of order one.
  double standardised(double x, Index j) const { return (x * scale(j) - centre(j)) / spread(j); }

  static Frame identity(Index dimension) {
    return {Eigen::VectorXd::Zero(dimension), Eigen::VectorXd::Ones(dimension), Eigen::VectorXd::Ones(dimension)};
  }

  /// 2^-e for |value| in [2^e, 2^(e+1)), within the normal range of a double, so that it has an inverse.
  static double scale_for(double value) {
    if (!(value > 0)) return 1;
    return std::ldexp(1.0, -std::clamp(std::ilogb(value), -1021, 1021));
  }
};

/// Median and robust spread of one dimension.
struct Location {
  double median = 0, spread = 0, largest = 0;  ///< largest: max |x - median|
};

/// From some of the values (reordered) and the range of all.
[[gnu::cold]] inline Location robust_location(double* values, Index count, double low, double high) {
  const auto quantile = [&](double p) {
    double* const at = values + static_cast<std::ptrdiff_t>(p * static_cast<double>(count - 1));
    std::nth_element(values, at, values + count);
    return *at;
  };
  Location result;
  result.median = quantile(0.5);
  const double quartiles = quantile(0.75) / 2 - quantile(0.25) / 2;  // halves: the difference of two 1e308 is finite
  result.largest = std::max(high / 2 - result.median / 2, result.median / 2 - low / 2) * 2;
  result.spread = quartiles / 0.6745;
  if (!(result.spread > 0)) {  // most values are equal: the mean deviation, which any other value makes positive
    double sum = 0;
    for (Index i = 0; i < count; ++i) sum += std::abs(values[i] / 2 - result.median / 2) / static_cast<double>(count);
    result.spread = 2 * sum;
  }
  if (!(result.spread > 0)) result.spread = std::min(result.largest, std::numeric_limits<double>::max());
  return result;
}

/// Of every dimension, from the observations with positive weight: medians and spreads from at most `most` of them,
/// evenly taken. Cost O(n d), one pass over the data.
template <class D>
[[gnu::cold]] std::vector<Location> robust_locations(const D& x, Index most = 20'000) {
  const Index d = x.dimension();
  const Index used = std::max<Index>(1, positive_observations(x));
  const Index step = stride_for(used, std::min(most, std::max<Index>(1000, 1'000'000 / std::max<Index>(1, d))));
  Eigen::MatrixXd taken((used + step - 1) / step, d);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Eigen::VectorXd low(d), high(d);
  for (Index j = 0; j < d; ++j) low(j) = infinity, high(j) = -infinity;
  const auto widen = [&](Index j, double value) {
    low(j) = value < low(j) ? value : low(j);
    high(j) = value > high(j) ? value : high(j);
  };
  Index count = 0, seen = 0;
  const Index inner = x.inner_stride();
  for (Index i = 0; i < x.size(); ++i) {
    if (x.weight(i) == 0) continue;
    const auto* const from = x.data() + i * x.outer_stride();
    if (inner == 1) {
      for (Index j = 0; j < d; ++j) widen(j, static_cast<double>(from[j]));
    } else {
      for (Index j = 0; j < d; ++j) widen(j, static_cast<double>(from[j * inner]));
    }
    if (seen++ % step != 0) continue;
    for (Index j = 0; j < d; ++j) taken(count, j) = static_cast<double>(from[j * inner]);
    ++count;
  }
  if (count == 0) {
    for (Index j = 0; j < d; ++j) taken(0, j) = low(j);
    count = 1;
  }
  std::vector<Location> all;
  for (Index j = 0; j < d; ++j) { all.push_back(robust_location(&taken(0, j), count, low(j), high(j))); }
  return all;
}

/// The frame of data with those locations.
[[gnu::cold]] inline std::shared_ptr<const Frame> frame_of(const std::vector<Location>& found, bool isotropic) {
  const auto d = static_cast<Index>(found.size());
  Location widest;
  for (const Location& one : found) {
    widest.spread = std::max(widest.spread, one.spread);
    widest.largest = std::max(widest.largest, one.largest);
  }
  Frame frame = Frame::identity(d);
  for (Index j = 0; j < d; ++j) {
    const double median = found[static_cast<std::size_t>(j)].median;
    const Location& width = isotropic ? widest : found[static_cast<std::size_t>(j)];
    double spread = width.spread;
    if (!(spread > 0)) spread = median != 0 ? std::abs(median) : 1.0;  // a constant
    // Squares of the most distant value, summed over all observations, must stay finite.
    frame.scale(j) = Frame::scale_for(std::max(spread, width.largest * 0x1p-400));
    frame.centre(j) = median * frame.scale(j);
    frame.spread(j) = std::max(spread * frame.scale(j), 0x1p-460);  // its square, times a floor, stays above zero
  }
  if (isotropic) {  // all dimensions constant: their scales may still differ
    double scale = frame.scale(0), spread = 0;
    for (Index j = 0; j < d; ++j) scale = std::min(scale, frame.scale(j));
    for (Index j = 0; j < d; ++j) spread = std::max(spread, frame.spread(j) * (scale / frame.scale(j)));
    for (Index j = 0; j < d; ++j) {
      frame.centre(j) *= scale / frame.scale(j);
      frame.scale(j) = scale;
      frame.spread(j) = spread;
    }
  }
  return std::make_shared<const Frame>(std::move(frame));
}

/// The frame of data. `isotropic`: one scale and spread for all dimensions, for families that know no other.
template <class D>
[[gnu::cold]] std::shared_ptr<const Frame> frame_of(const D& x, bool isotropic) {
  return frame_of(robust_locations(x), isotropic);
}

}  // namespace emulsion
