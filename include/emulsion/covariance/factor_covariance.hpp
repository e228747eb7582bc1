#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "emulsion/core/error.hpp"
#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/covariance/structure.hpp"

namespace emulsion {

/// Rotates the columns of `a` (m x r) until they are orthogonal, and those of `v` (r x r) with them: a v' stays as it
/// was. One-sided Jacobi (Hestenes, 1958): what it says of short columns keeps its digits beside long ones. Cost about
/// 8 sweeps of 3 m r^2.
template <class Matrix>
void orthogonalise_columns(Matrix& a, Matrix& v) {
  const auto rotate = [](Matrix& of, Index p, Index q, double c, double s) {
    for (Index i = 0; i < of.rows(); ++i) {
      const double left = of(i, p), right = of(i, q);
      of(i, p) = c * left - s * right;
      of(i, q) = s * left + c * right;
    }
  };
  for (int sweep = 0; sweep < 60; ++sweep) {
    bool rotated = false;
    for (Index p = 0; p < a.cols(); ++p) {
      for (Index q = p + 1; q < a.cols(); ++q) {
        double own = 0, other = 0, across = 0;
        for (Index i = 0; i < a.rows(); ++i) {
          own += a(i, p) * a(i, p), other += a(i, q) * a(i, q), across += a(i, p) * a(i, q);
        }
        if (std::abs(across) <= 1e-16 * std::sqrt(own) * std::sqrt(other)) continue;
        rotated = true;
        const double theta = (other - own) / (2 * across);
        const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::hypot(theta, 1.0));
        const double c = 1 / std::hypot(t, 1.0);
        rotate(a, p, q, c, c * t), rotate(v, p, q, c, c * t);
      }
    }
    if (!rotated) return;
  }
}

/// A covariance matrix of low rank and noise, S = L L' + P: loadings L (d x r) and P diagonal (factor analysis) or
/// spherical (probabilistic principal components). With D = P^(1/2) and D^-1 L = U diag(s) V' (singular values),
///
///   S^-1 = D^-1 W W D^-1,   W = I - U diag(1 - (1 + s^2)^(-1/2)) U',   log |S| = log |P| + sum_c log(1 + s_c^2):
///
/// the Woodbury identity and the determinant lemma, at O(d r) and without a d x d matrix. Distances are squares of
/// W D^-1 x, of which no larger square is subtracted: a noise of 1e-12 beside the loadings costs them six digits, not
/// twelve. L is known up to a rotation of its columns.
class FactorCovariance {
 public:
  /// What an M-step works in; the first one allocates it, so that a model that only predicts holds no d x d matrix.
  struct Space {
    Eigen::MatrixXd s, vectors;    // d x d; vectors for spherical noise alone
    Eigen::MatrixXd through, sum;  // d x r
    Eigen::MatrixXd inner, other;  // r x r
    Eigen::VectorXd least;         // d
  };

  /// No loadings and unit noise; `noise` diagonal or spherical.
  FactorCovariance(Index dimension, Index rank, Covariance noise)
      : noise_(noise), loadings_(Eigen::MatrixXd::Zero(dimension, rank)),
        deviations_(Eigen::VectorXd::Ones(dimension)) {
    refresh();
  }

  Index dimension() const { return loadings_.rows(); }
  Index rank() const { return loadings_.cols(); }
  Covariance noise() const { return noise_; }
  /// L (d x r)
  const Eigen::MatrixXd& loadings() const { return loadings_; }
  /// Roots of the diagonal of P (d)
  const Eigen::VectorXd& deviations() const { return deviations_; }
  /// log |S|
  double log_determinant() const { return log_determinant_; }
  /// How many numbers may vary: d r less the rotations, and the noise; never more than of a full covariance.
  Index free_parameters() const {
    const Index d = dimension(), r = rank();
    return std::min(d * r - r * (r - 1) / 2 + noises(), d * (d + 1) / 2);
  }
  /// Loadings, and deviations of the noise, all positive.
  void set(const Eigen::Ref<const Eigen::MatrixXd>& loadings, const Eigen::Ref<const Eigen::VectorXd>& deviations) {
    loadings_ = loadings;
    deviations_ = deviations;
    refresh();
  }
  /// Of the same distribution in coordinates multiplied by `ratio` (d; of spherical noise all equal).
  void rescale(const Eigen::VectorXd& ratio) {
    for (Index j = 0; j < dimension(); ++j) loadings_.row(j) *= ratio(j), deviations_(j) *= ratio(j);
    refresh();
  }
  /// Lower triangular, with the square S (d x d). Cost d^2 (d + r): for what needs a d x d matrix anyway.
  Eigen::MatrixXd factor() const {
    Eigen::MatrixXd wide(dimension(), rank() + dimension()), l(dimension(), dimension());
    wide << loadings_, Eigen::MatrixXd(deviations_.asDiagonal());
    factor_of_square(wide, l);
    return l;
  }

  // --- S^-1 -------------------------------------------------------------------------------------------------------------

  // In place, of every column of `a` (d x m). Cost m d r.

  /// W D^-1 a
  template <class Matrix>
  void whiten(Matrix& a) const {
    divide_by_deviations(a);
    add_along(a, -taken_);
  }
  /// D^-1 W a
  template <class Matrix>
  void whiten_transposed(Matrix& a) const {
    add_along(a, -taken_);
    divide_by_deviations(a);
  }
  /// S^-1 a
  template <class Matrix>
  void divide(Matrix& a) const {
    whiten(a);
    whiten_transposed(a);
  }
  /// D W^-1 a, of which whiten() is the inverse: W^-1 = I + U diag((1 + s^2)^(1/2) - 1) U'.
  template <class Matrix>
  void unwhiten(Matrix& a) const {
    Eigen::VectorXd grown(rank());
    for (Index c = 0; c < rank(); ++c) {
      grown(c) = singular_(c) * singular_(c) / (1 + std::sqrt(1 + singular_(c) * singular_(c)));
    }
    add_along(a, grown);
    for (Index i = 0; i < a.cols(); ++i) {
      for (Index j = 0; j < dimension(); ++j) a(j, i) *= deviations_(j);
    }
  }
  /// squares(l) = x_l' S^-1 x_l of `lanes` vectors that lie dimension after dimension at x (d x lanes), which it
  /// spoils; `work`: r x lanes. Infinite where they overflow.
  template <Index lanes>
  void squares(double* x, double* work, double* squares) const {
    const Index d = dimension(), r = rank();
    double sum[lanes];
    for (Index j = 0; j < d; ++j) {
      const double reciprocal = reciprocals_(j);
      for (Index l = 0; l < lanes; ++l) x[j * lanes + l] *= reciprocal;
    }
    for (Index c = 0; c < r; ++c) {
      const double* const u = &basis_(0, c);
      for (Index l = 0; l < lanes; ++l) sum[l] = 0;
      for (Index j = 0; j < d; ++j) {
        for (Index l = 0; l < lanes; ++l) sum[l] += u[j] * x[j * lanes + l];
      }
      for (Index l = 0; l < lanes; ++l) work[c * lanes + l] = sum[l] * taken_(c);
    }
    double total[lanes] = {};
    for (Index j = 0; j < d; ++j) {
      for (Index l = 0; l < lanes; ++l) sum[l] = x[j * lanes + l];
      for (Index c = 0; c < r; ++c) {
        const double u = basis_(j, c);
        for (Index l = 0; l < lanes; ++l) sum[l] -= u * work[c * lanes + l];
      }
      for (Index l = 0; l < lanes; ++l) total[l] += sum[l] * sum[l];
    }
    for (Index l = 0; l < lanes; ++l) {
      squares[l] = total[l] >= 0 ? total[l] : std::numeric_limits<double>::infinity();
    }
  }

  // --- the M-step under a floor -------------------------------------------------------------------------------------------

  /// From the scatter (lower triangle, column by column) of so much weight, noise variances at least floor * spread^2
  /// (or 1e-15 of the variance, its rounding). Returns how many the floor holds up.
  ///
  /// Spherical noise: the maximizer, from the eigenvalues of the scatter (Tipping and Bishop, 1999, eqs. 7 and 8),
  /// under the floor too; it holds up d - r variances or none. Cost about 50 d^3.
  ///
  /// Diagonal noise: steps of the EM algorithm of factor analysis (Rubin and Thayer, 1982) from the present parameters,
  /// none of which lowers the likelihood, nor does the floor; from principal axes of the correlations where there are
  /// no loadings yet (a saddle). Cost d^2 r for each.
  Index estimate(const Eigen::VectorXd& scatter, double weight, const Eigen::VectorXd& spread, double floor,
                 Space& space) {
    const Index d = dimension(), r = rank();
    Eigen::MatrixXd& s = space.s;
    s.resize(d, d), space.through.resize(d, r), space.sum.resize(d, r);
    space.inner.resize(r, r), space.other.resize(r, r), space.least.resize(d);
    for (Index j = 0, at = 0; j < d; ++j) {
      for (Index i = j; i < d; ++i) s(i, j) = s(j, i) = scatter(at++) / weight;
    }
    for (Index j = 0; j < d; ++j) space.least(j) = std::max(floor * spread(j) * spread(j), 1e-15 * s(j, j));
    if (noise_ == Covariance::spherical) return estimate_spherical(space);
    if (!(largest_magnitude(loadings_) > 0)) start(space);
    Index held = 0;
    for (int step = 0; step < em_steps; ++step) held = improve(space);
    return held;
  }

  // --- unconstrained: loadings, and logarithms of the noise variances -----------------------------------------------------

  Index parameters() const { return loadings_.size() + noises(); }
  void pack(Eigen::VectorXd& v, Index& at) const {
    for (Index i = 0; i < loadings_.size(); ++i) v(at++) = loadings_.data()[i];
    for (Index j = 0; j < noises(); ++j) v(at++) = 2 * std::log(deviations_(j));
  }
  /// False where a noise variance would lie below floor * spread^2.
  bool unpack(const Eigen::VectorXd& v, Index& at, double floor, const Eigen::VectorXd& spread) {
    for (Index i = 0; i < loadings_.size(); ++i) loadings_.data()[i] = v(at++);
    bool admissible = all_finite(loadings_);
    for (Index j = 0; j < dimension(); ++j) {
      deviations_(j) = std::exp(0.5 * v(at + (noises() > 1 ? j : 0)));
      admissible = admissible && std::isfinite(deviations_(j)) && deviations_(j) > std::sqrt(floor) * spread(j);
    }
    at += noises();
    if (admissible) refresh();
    return admissible;
  }
  /// Adds the derivatives of -weight / 2 log |S| - 1/2 tr(S^-1 T), T = scatter + weight (mean - location)(mean -
  /// location)', by the location (d) and by the parameters of the chart. Cost d^2 r.
  void add_gradient(const Eigen::VectorXd& scatter, double weight, const Eigen::VectorXd& mean,
                    const Eigen::VectorXd& location, double* by_location, double* by_chart) const {
    const Index d = dimension(), r = rank();
    Eigen::MatrixXd t(d, d), shift = mean - location;
    for (Index j = 0, at = 0; j < d; ++j) {
      for (Index i = j; i < d; ++i) t(i, j) = t(j, i) = scatter(at++) + weight * shift(i, 0) * shift(j, 0);
    }
    Eigen::MatrixXd g = gains(), l(d, r);  // S^-1 L and L, both in the rotation V
    l.noalias() = loadings_ * rotation_;
    Eigen::MatrixXd through(d, r), inner(r, r);
    through.noalias() = t * g;
    inner.noalias() = g.transpose() * through;
    for (Index j = 0; j < d; ++j) {
      const double variance = deviations_(j) * deviations_(j);
      const double across = through.row(j).dot(l.row(j)), kept = 1 - g.row(j).dot(l.row(j));
      double twice = 0;
      for (Index c = 0; c < r; ++c) {
        for (Index e = 0; e < r; ++e) twice += l(j, c) * inner(c, e) * l(j, e);
      }
      by_chart[d * r + (noises() > 1 ? j : 0)] += 0.5 * ((t(j, j) - 2 * across + twice) / variance - weight * kept);
    }
    divide(through);
    through -= weight * g;
    g.noalias() = through * rotation_.transpose();
    for (Index i = 0; i < g.size(); ++i) by_chart[i] += g.data()[i];
    divide(shift);
    for (Index j = 0; j < d; ++j) by_location[j] += weight * shift(j, 0);
  }

 private:
  static constexpr int em_steps = 20;  // of an M-step: each is cheap beside a pass over the data

  /// How many numbers describe P.
  Index noises() const { return noise_ == Covariance::spherical ? 1 : dimension(); }

  template <class Matrix>
  void divide_by_deviations(Matrix& a) const {
    for (Index i = 0; i < a.cols(); ++i) {
      for (Index j = 0; j < dimension(); ++j) a(j, i) /= deviations_(j);
    }
  }
  /// a += U diag(by) U' a
  template <class Matrix>
  void add_along(Matrix& a, const Eigen::VectorXd& by) const {
    for (Index i = 0; i < a.cols(); ++i) {
      for (Index c = 0; c < rank(); ++c) {
        double along = 0;
        for (Index j = 0; j < dimension(); ++j) along += basis_(j, c) * a(j, i);
        for (Index j = 0; j < dimension(); ++j) a(j, i) += by(c) * along * basis_(j, c);
      }
    }
  }

  /// S^-1 L V = D^-1 U diag(s / (1 + s^2)), d x r.
  Eigen::MatrixXd gains() const {
    Eigen::MatrixXd g(dimension(), rank());
    gains(g);
    return g;
  }
  void gains(Eigen::MatrixXd& g) const {
    for (Index c = 0; c < rank(); ++c) {
      const double gain = singular_(c) / (1 + singular_(c) * singular_(c));
      for (Index j = 0; j < dimension(); ++j) g(j, c) = basis_(j, c) * gain / deviations_(j);
    }
  }

  /// One step of EM: with G = S^-1 L, L = T G (I - L'G + G'T G)^-1 and P the diagonal of T - L (T G)', T the scatter
  /// per weight. In the rotation V, where I - L'G is diagonal. Returns how many variances lie at the floor.
  Index improve(Space& space) {
    const Index d = dimension(), r = rank();
    Eigen::MatrixXd &g = space.sum, &through = space.through, &inner = space.inner, &inverse = space.other;
    gains(g);
    through.noalias() = space.s * g;
    inner.noalias() = g.transpose() * through;
    for (Index c = 0; c < r; ++c) inner(c, c) += 1 / (1 + singular_(c) * singular_(c));
    if (!cholesky(inner)) return 0;
    inverse = inner;
    for (Index c = 0; c < r; ++c) inverse.col(c).head(c).setZero();
    invert_lower(inverse);
    inner.noalias() = inverse.transpose() * inverse;
    g.noalias() = through * inner;  // the loadings, in the rotation V
    Index held = 0;
    for (Index j = 0; j < d; ++j) {
      const double variance = space.s(j, j) - g.row(j).dot(through.row(j));
      held += variance < space.least(j) ? 1 : 0;
      deviations_(j) = std::sqrt(std::max(variance, space.least(j)));
    }
    loadings_.noalias() = g * rotation_.transpose();
    refresh();
    return held;
  }

  /// Principal axes of the correlations T, by subspace iteration, as if their noise were spherical: at least as likely
  /// as any model without loadings.
  void start(Space& space) {
    const Index d = dimension(), r = rank();
    Eigen::MatrixXd &axes = space.sum, &image = space.through, &ritz = space.inner, &turn = space.other;
    const auto unit = [&](Index j) { return std::sqrt(std::max(space.s(j, j), space.least(j))); };
    Rng rng(1);
    for (Index i = 0; i < axes.size(); ++i) axes.data()[i] = rng.normal();
    for (int step = 0; step < 15; ++step) {
      orthonormalise(axes);
      for (Index j = 0; j < d; ++j) image.row(j) = axes.row(j) / unit(j);
      if (step == 14) break;
      axes.noalias() = space.s * image;
      for (Index j = 0; j < d; ++j) axes.row(j) /= unit(j);
    }
    double left = 0;
    for (Index j = 0; j < d; ++j) left += space.s(j, j) / unit(j) / unit(j);
    turn.noalias() = image.transpose() * (space.s * image);
    ritz = 0.5 * (turn + turn.transpose());
    symmetric_eigen(ritz, turn);
    for (Index c = 0; c < r; ++c) left -= ritz(c, c);
    const double noise = std::max(left / static_cast<double>(d - r), 1e-15);
    loadings_.noalias() = axes * turn;
    for (Index j = 0; j < d; ++j) {
      for (Index c = 0; c < r; ++c) loadings_(j, c) *= unit(j) * std::sqrt(std::max(ritz(c, c) - noise, 0.0));
      deviations_(j) = std::sqrt(std::max(noise * unit(j) * unit(j), space.least(j)));
    }
    refresh();
  }
  /// Modified Gram-Schmidt; a column that depends on those before it becomes zero.
  static void orthonormalise(Eigen::MatrixXd& a) {
    for (Index c = 0; c < a.cols(); ++c) {
      const double before = a.col(c).norm();
      for (int twice = 0; twice < 2; ++twice) {
        for (Index e = 0; e < c; ++e) a.col(c) -= a.col(e).dot(a.col(c)) * a.col(e);
      }
      const double norm = a.col(c).norm();
      if (norm > 1e-14 * before) a.col(c) /= norm;
      else a.col(c).setZero();
    }
  }

  Index estimate_spherical(Space& space) {
    const Index d = dimension(), r = rank();
    const double least = space.least.maxCoeff();
    Eigen::MatrixXd &s = space.s, &found = space.sum;
    space.vectors.resize(d, d);
    symmetric_eigen(s, space.vectors);
    std::vector<Index> order(static_cast<std::size_t>(d));
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return s(a, a) > s(b, b); });
    double noise = 0;
    for (Index c = r; c < d; ++c) {
      const Index at = order[static_cast<std::size_t>(c)];
      noise += s(at, at) / static_cast<double>(d - r);
    }
    const Index held = noise < least ? d - r : 0;
    noise = std::max(noise, least);
    for (Index c = 0; c < r; ++c) {
      const Index at = order[static_cast<std::size_t>(c)];
      found.col(c) = space.vectors.col(at) * std::sqrt(std::max(s(at, at) - noise, 0.0));
    }
    // Of all rotations the one nearest to the loadings before: what accelerates EM compares parameters.
    Eigen::MatrixXd &across = space.inner, &turn = space.other;
    across.noalias() = found.transpose() * loadings_;
    turn.setIdentity();
    orthogonalise_columns(across, turn);
    bool regular = true;
    for (Index c = 0; c < r; ++c) {
      const double norm = across.col(c).norm();
      regular = regular && norm > 1e-8 * largest_magnitude(across) && norm > 0;
      across.col(c) /= norm > 0 ? norm : 1;
    }
    if (regular) { found = (found * (across * turn.transpose()).eval()).eval(); }
    loadings_ = found;
    deviations_.setConstant(std::sqrt(noise));
    refresh();
    return held;
  }

  void refresh() {
    const Index d = dimension(), r = rank();
    basis_ = loadings_;
    reciprocals_ = deviations_.cwiseInverse();
    log_determinant_ = 0;
    for (Index j = 0; j < d; ++j) {
      basis_.row(j) *= reciprocals_(j);
      log_determinant_ += 2 * std::log(deviations_(j));
    }
    rotation_.setIdentity(r, r);
    orthogonalise_columns(basis_, rotation_);
    singular_.resize(r), taken_.resize(r);
    for (Index c = 0; c < r; ++c) {
      const double square = basis_.col(c).squaredNorm(), root = std::sqrt(1 + square);
      singular_(c) = std::sqrt(square);
      taken_(c) = square / (root * (root + 1));
      log_determinant_ += std::log1p(square);
      if (square > 0) basis_.col(c) /= singular_(c);
    }
  }

  Covariance noise_;
  Eigen::MatrixXd loadings_;          // d x r
  Eigen::VectorXd deviations_;        // d
  Eigen::VectorXd reciprocals_;       // d
  Eigen::MatrixXd basis_, rotation_;  // U (d x r), V (r x r)
  Eigen::VectorXd singular_, taken_;  // s, 1 - (1 + s^2)^(-1/2) (r)
  double log_determinant_ = 0;
};

}  // namespace emulsion
