#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include "emulsion/core/error.hpp"

namespace emulsion {

/// How far two partitions of the same n observations agree, corrected for chance: with n_ij observations that carry
/// label i in `a` and j in `b`, row sums n_i. and column sums n_.j, and C(m) = m (m - 1) / 2,
///
///   ARI = (sum C(n_ij) - E) / ((sum C(n_i.) + sum C(n_.j)) / 2 - E),   E = sum C(n_i.) sum C(n_.j) / C(n).
///
/// 1 for equal partitions, whatever their labels are called; 0 in expectation for independent ones; may be negative.
/// Where numerator and denominator vanish (both put all observations into one class, or each into its own), the
/// partitions are equal and the index is 1.
///
/// @param a   labels, n; any integers, negative ones too
/// @param b   labels, n
/// @throws    InvalidArgument if the sizes differ or are zero
///
/// Cost O(n log n); memory for 3 n integers. Counts of pairs are exact to n = 1e8, rounded beyond. Hubert and Arabie
/// (1985).
template <class A, class B>
double adjusted_rand_index(const Eigen::DenseBase<A>& a, const Eigen::DenseBase<B>& b) {
  static_assert(std::is_integral_v<typename A::Scalar> && std::is_integral_v<typename B::Scalar>,
                "adjusted_rand_index compares labels: vectors of integers, such as classify(x) returns");
  static_assert(A::IsVectorAtCompileTime && B::IsVectorAtCompileTime, "labels are a vector, one per observation");
  require(a.size() == b.size(), "two partitions of the same observations need as many labels, got ", a.size(), " and ",
          b.size());
  require(a.size() > 0, "the adjusted Rand index needs at least one observation, got none");

  const auto n = static_cast<std::size_t>(a.size());
  std::vector<std::pair<long long, long long>> cells(n);
  std::vector<long long> other(n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto at = static_cast<Eigen::Index>(i);
    other[i] = static_cast<long long>(b.derived().coeff(at));
    cells[i] = {static_cast<long long>(a.derived().coeff(at)), other[i]};
  }
  std::sort(cells.begin(), cells.end());
  std::sort(other.begin(), other.end());

  const auto pairs = [](double m) { return m * (m - 1) / 2; };
  // Pairs of observations that `same` does not tell apart, in sorted labels.
  const auto pairs_together = [&pairs](const auto& sorted, const auto& same) {
    double total = 0;
    for (std::size_t first = 0, last = 0; first < sorted.size(); first = last) {
      while (last < sorted.size() && same(sorted[first], sorted[last])) ++last;
      total += pairs(static_cast<double>(last - first));
    }
    return total;
  };
  const double both = pairs_together(cells, [](const auto& s, const auto& t) { return s == t; });
  const double in_a = pairs_together(cells, [](const auto& s, const auto& t) { return s.first == t.first; });
  const double in_b = pairs_together(other, [](const auto& s, const auto& t) { return s == t; });
  const double all = pairs(static_cast<double>(n));
  if (in_a == in_b && (in_a == 0 || in_a == all)) return 1;
  const double expected = in_a / all * in_b;
  return (both - expected) / ((in_a + in_b) / 2 - expected);
}

}  // namespace emulsion
