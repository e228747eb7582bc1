#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "emulsion/core/constants.hpp"
#include "emulsion/core/log_sum_exp.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/models/mixture.hpp"

namespace emulsion {

/// 2-Wasserstein distance between two Gaussians (not its square), in the units of the data,
///
///   W2^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2)
///        = |m1 - m2|^2 + min over orthogonal U of |L1 - L2 U|_F^2,
///
/// computed in the second form, S = L L', in which nothing cancels: nearby Gaussians keep their digits, where the first
/// loses half of them. U is the orthogonal polar factor of L2' L1, from one-sided Jacobi rotations (Hestenes, 1958).
///
/// @throws InvalidArgument if the dimensions differ
///
/// Cost about 6 sweeps of 6 d^3. Dowson and Landau (1982); Bhatia, Jain and Lim (2019).
template <class S1, int D1, class S2, int D2>
double bures_wasserstein(const BasicGaussian<S1, D1>& first, const BasicGaussian<S2, D2>& second) {
  const Index d = first.dimension();
  require(second.dimension() == d, "a distance needs Gaussians of one dimension, got ", d, " and ", second.dimension());
  // Locations in one frame, so that a common offset does not blur their difference.
  const BasicGaussian<S1, D1> moved = first.in(std::make_shared<const Frame>(second.frame()));
  Eigen::VectorXd difference = (moved.location() - second.location()).cwiseQuotient(second.frame().scale);
  Eigen::MatrixXd a = first.factor(), b = second.factor();
  // A common power of two, so that no square overflows.
  const double scale =
      Frame::scale_for(std::max({difference.cwiseAbs().maxCoeff(), a.cwiseAbs().maxCoeff(), b.cwiseAbs().maxCoeff()}));
  difference *= scale;
  a *= scale;
  b *= scale;

  // Columns of p = b' a, rotated until they are orthogonal; those of a go along.
  Eigen::MatrixXd p = b.transpose() * a;
  const auto rotate = [d](Eigen::MatrixXd& of, Index i, Index j, double c, double s) {
    for (Index r = 0; r < d; ++r) {
      const double x = of(r, i), y = of(r, j);
      of(r, i) = c * x - s * y;
      of(r, j) = s * x + c * y;
    }
  };
  bool rotated = true;
  for (int sweep = 0; rotated && sweep < 60; ++sweep) {
    rotated = false;
    for (Index i = 0; i < d; ++i) {
      for (Index j = i + 1; j < d; ++j) {
        const double ii = p.col(i).squaredNorm(), jj = p.col(j).squaredNorm(), ij = p.col(i).dot(p.col(j));
        if (std::abs(ij) <= 1e-15 * std::sqrt(ii) * std::sqrt(jj)) continue;
        rotated = true;
        const double theta = (jj - ii) / (2 * ij);
        const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::hypot(theta, 1.0));
        const double c = 1 / std::hypot(t, 1.0);
        rotate(p, i, j, c, t * c);
        rotate(a, i, j, c, t * c);
      }
    }
  }
  double squared = difference.squaredNorm();
  for (Index j = 0; j < d; ++j) {
    const double largest = p.col(j).cwiseAbs().maxCoeff();
    if (largest > 0) {
      p.col(j) /= largest;
      p.col(j) /= p.col(j).norm();
    }
    squared += (a.col(j) - b * p.col(j)).squaredNorm();
  }
  return std::sqrt(squared) / scale;
}

/// Integrals of p^2, q^2 and p q for two Gaussian mixtures, by their logarithms.
struct LogOverlaps {
  double pp, qq, pq;

  /// log of the integral of (p - q)^2, and of the same relative to that of p^2 + q^2.
  double log_squared_distance() const {
    const double largest = std::max(pp, qq);
    // Not negative but for rounding, by the inequality of Cauchy and Schwarz; exactly zero for p = q.
    const double share = std::exp(pp - largest) + std::exp(qq - largest) - 2 * std::exp(pq - largest);
    return largest + std::log(std::max(share, 0.0));
  }
  double log_total() const { return std::max(pp, qq) + std::log1p(std::exp(-std::abs(pp - qq))); }
};

/// In closed form: the integral of p q is sum_ij w_i v_j N(m_i; m_j, S_i + S_j), in log space. The factor of S_i + S_j
/// is that of (L_i L_j), without squaring.
template <class S1, int D1, class S2, int D2>
LogOverlaps log_overlaps(const MixtureOf<BasicGaussian<S1, D1>>& p, const MixtureOf<BasicGaussian<S2, D2>>& q) {
  const Index d = p.dimension();
  require(q.dimension() == d, "a distance needs mixtures of one dimension, got ", d, " and ", q.dimension());
  struct Parts {
    std::vector<double> log_weights;
    std::vector<Eigen::VectorXd> locations;
    std::vector<Eigen::MatrixXd> factors;
  };
  const auto frame = std::make_shared<const Frame>(p[0].frame());
  const auto parts = [&frame](const auto& model) {
    Parts result;
    for (Index k = 0; k < model.size(); ++k) {
      if (!(model.weights()(k) > 0)) continue;
      const auto component = model[k].in(frame);
      result.log_weights.push_back(std::log(model.weights()(k)));
      result.locations.push_back(component.location());
      result.factors.push_back(component.precision_factor().factor());
    }
    return result;
  };
  const auto overlap = [d, &frame](const Parts& s, const Parts& t) {
    Eigen::VectorXd terms(static_cast<Index>(s.locations.size() * t.locations.size()));
    Eigen::MatrixXd both(d, 2 * d), l(d, d);
    Eigen::VectorXd z(d);
    Index at = 0;
    for (std::size_t i = 0; i < s.locations.size(); ++i) {
      for (std::size_t j = 0; j < t.locations.size(); ++j) {
        both << s.factors[i], t.factors[j];
        factor_of_square(both, l);
        double log_determinant = 0;
        for (Index r = 0; r < d; ++r) {
          z(r) = (s.locations[i](r) - t.locations[j](r) - l.row(r).head(r).dot(z.head(r))) / l(r, r);
          log_determinant += std::log(l(r, r));
        }
        terms(at++) = s.log_weights[i] + t.log_weights[j] - 0.5 * z.squaredNorm() - log_determinant;
      }
    }
    return log_sum_exp(terms) - 0.5 * static_cast<double>(d) * log_two_pi + frame->log_jacobian();
  };
  const Parts a = parts(p), b = parts(q);
  return {overlap(a, a), overlap(b, b), overlap(a, b)};
}

/// Integral of (p - q)^2 over R^d for two Gaussian mixtures, in closed form (density x probability, so that its size
/// depends on the units of the data), never negative and exactly zero for p = q; rounding is 1e-15 or so of the
/// integral of p^2 + q^2.
///
/// @throws InvalidArgument if the dimensions differ
///
/// Cost O((K1 + K2)^2 d^3).
template <class S1, int D1, class S2, int D2>
double squared_l2_distance(const MixtureOf<BasicGaussian<S1, D1>>& p, const MixtureOf<BasicGaussian<S2, D2>>& q) {
  return std::exp(log_overlaps(p, q).log_squared_distance());
}

/// The root of squared_l2_distance: a metric.
template <class S1, int D1, class S2, int D2>
double l2_distance(const MixtureOf<BasicGaussian<S1, D1>>& p, const MixtureOf<BasicGaussian<S2, D2>>& q) {
  return std::exp(0.5 * log_overlaps(p, q).log_squared_distance());
}

/// L2 distance on a scale of 0 (p = q) to 1 (no overlap), the same in any units and for any affine change of the data,
///
///   sqrt(integral of (p - q)^2 / integral of (p^2 + q^2)).
///
/// @throws InvalidArgument if the dimensions differ
template <class S1, int D1, class S2, int D2>
double relative_l2_distance(const MixtureOf<BasicGaussian<S1, D1>>& p, const MixtureOf<BasicGaussian<S2, D2>>& q) {
  const LogOverlaps overlaps = log_overlaps(p, q);
  return std::exp(0.5 * (overlaps.log_squared_distance() - overlaps.log_total()));
}

}  // namespace emulsion
