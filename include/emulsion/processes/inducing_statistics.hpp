#pragma once
#include <Eigen/Core>

#include "emulsion/core/concepts.hpp"

namespace emulsion {

/// All that a sparse process learns from observations (phi_i, y_i) with weights w_i and variances v_i: sums, which
/// merge. v_i = 1 for Titsias' bound, whose noise variance then scales the sums; noise + rest_i for FITC.
struct InducingStatistics {
  explicit InducingStatistics(Index m = 0) : gram(Eigen::MatrixXd::Zero(m, m)), projection(Eigen::VectorXd::Zero(m)) {}

  double weight = 0;           ///< sum w
  double square = 0;           ///< sum w y^2 / v
  double rest = 0;             ///< sum w (k(x, x) - |phi|^2) / v; zero for FITC
  double log_variance = 0;     ///< sum w log v
  Eigen::MatrixXd gram;        ///< sum w phi phi' / v, M x M: the lower triangle; zero above
  Eigen::VectorXd projection;  ///< sum w phi y / v

  InducingStatistics& operator+=(const InducingStatistics& other) {
    weight += other.weight, square += other.square, rest += other.rest, log_variance += other.log_variance;
    gram += other.gram;
    projection += other.projection;
    return *this;
  }
  InducingStatistics& operator*=(double c) {
    weight *= c, square *= c, rest *= c, log_variance *= c;
    gram *= c;
    projection *= c;
    return *this;
  }
};
static_assert(Mergeable<InducingStatistics>);

}  // namespace emulsion
