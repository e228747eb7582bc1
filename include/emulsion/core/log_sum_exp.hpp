#pragma once
#include <Eigen/Core>
#include <cmath>
#include <limits>

namespace emulsion {

/// log sum_k exp(a_k), without overflow or underflow: the maximum is taken out first.
/// An empty sum, and one of only -inf, is -inf. One +inf makes +inf; a NaN makes NaN. Cost O(size).
template <class Derived>
double log_sum_exp(const Eigen::DenseBase<Derived>& a) {
  double largest = -std::numeric_limits<double>::infinity();
  for (Eigen::Index i = 0; i < a.size(); ++i) {
    const auto value = static_cast<double>(a.derived()(i));
    if (std::isnan(value)) return value;
    largest = std::max(largest, value);
  }
  if (std::isinf(largest)) return largest;
  double sum = 0;
  for (Eigen::Index i = 0; i < a.size(); ++i) sum += std::exp(static_cast<double>(a.derived()(i)) - largest);
  return largest + std::log(sum);
}

}  // namespace emulsion
