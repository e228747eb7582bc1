#pragma once
#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cmath>
#include <utility>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"

namespace emulsion {

/// A Cholesky factor of a covariance matrix of hundreds to thousands of rows, with as much added to its diagonal as it
/// takes: nothing first, then 1e-10, 1e-9, ... 1e-5 of the mean diagonal, six tries. What was added is a value,
/// jitter(): who uses the factor reports it.
///
/// Cost n^3 / 3 multiply-adds by Eigen's blocked factorisation. Storage: one n x n matrix.
class DenseCholesky {
 public:
  DenseCholesky() = default;
  /// Reads the lower triangle of `a`, which must be finite.
  explicit DenseCholesky(Eigen::MatrixXd a) { factorise(std::move(a)); }

  /// False where even the sixth try failed; the factor is then of no use.
  bool good() const { return good_; }
  /// What was added to every diagonal element, absolute; zero where nothing had to be.
  double jitter() const { return jitter_; }
  Index size() const { return l_.rows(); }
  /// L in the lower triangle; above it lies nothing of use.
  const Eigen::MatrixXd& factor() const { return l_; }
  auto lower() const { return l_.template triangularView<Eigen::Lower>(); }

  double log_determinant() const {
    double sum = 0;
    for (Index i = 0; i < size(); ++i) sum += std::log(l_(i, i));
    return 2 * sum;
  }
  /// L^-1 b, in place.
  template <class Dense>
  void whiten(Dense& b) const {
    lower().solveInPlace(b);
  }
  /// A^-1 b.
  template <class Dense>
  typename Dense::PlainObject solve(const Eigen::MatrixBase<Dense>& b) const {
    typename Dense::PlainObject x = b;
    lower().solveInPlace(x);
    l_.transpose().template triangularView<Eigen::Upper>().solveInPlace(x);
    return x;
  }
  /// The lower triangle of A^-1; above it lies nothing of use. Cost 2/3 n^3, nearly all of it in matrix products.
  Eigen::MatrixXd inverse_lower() const {
    Eigen::MatrixXd m = l_;
    invert(m);
    square(m);
    return m;
  }

 private:
  static constexpr Index small = 48;

  void factorise(Eigen::MatrixXd a) {
    const Eigen::VectorXd diagonal = a.diagonal();
    const double mean = diagonal.size() > 0 ? diagonal.mean() : 1;
    // Only the lower triangle is overwritten: from the upper one, another try restores it.
    a.template triangularView<Eigen::StrictlyUpper>() = a.transpose();
    l_ = std::move(a);
    for (int attempt = 0; attempt <= 6; ++attempt) {
      if (attempt > 0) {
        l_.template triangularView<Eigen::StrictlyLower>() = l_.transpose();
        jitter_ = mean * std::pow(10.0, attempt - 11);
        l_.diagonal() = diagonal.array() + jitter_;
      }
      const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> in_place(l_);
      good_ = in_place.info() == Eigen::Success && l_.diagonal().allFinite();
      if (good_ || !std::isfinite(mean)) return;
    }
  }

  /// L to L^-1, block by block: the lower left of [A 0; B C]^-1 is -C^-1 B A^-1.
  static void invert(Eigen::Ref<Eigen::MatrixXd> m) {
    const Index n = m.rows(), half = n / 2;
    if (n <= small) {
      Eigen::MatrixXd one = Eigen::MatrixXd::Identity(n, n);
      m.template triangularView<Eigen::Lower>().solveInPlace(one);
      m.template triangularView<Eigen::Lower>() = one;
      return;
    }
    auto corner = m.bottomLeftCorner(n - half, half);
    m.topLeftCorner(half, half)
        .template triangularView<Eigen::Lower>()
        .template solveInPlace<Eigen::OnTheRight>(corner);
    m.bottomRightCorner(n - half, n - half).template triangularView<Eigen::Lower>().solveInPlace(corner);
    corner *= -1;
    invert(m.topLeftCorner(half, half));
    invert(m.bottomRightCorner(n - half, n - half));
  }
  /// M to the lower triangle of M' M, M lower triangular.
  static void square(Eigen::Ref<Eigen::MatrixXd> m) {
    const Index n = m.rows(), half = n / 2;
    if (n <= small) {
      const Eigen::MatrixXd one = m.template triangularView<Eigen::Lower>();
      m.template triangularView<Eigen::Lower>() = one.transpose() * one;
      return;
    }
    auto corner = m.bottomLeftCorner(n - half, half);
    auto first = m.topLeftCorner(half, half);
    auto last = m.bottomRightCorner(n - half, n - half);
    square(first);
    first.template selfadjointView<Eigen::Lower>().rankUpdate(corner.transpose());
    corner = (last.template triangularView<Eigen::Lower>().transpose() * corner).eval();
    square(last);
  }

  Eigen::MatrixXd l_;
  double jitter_ = 0;
  bool good_ = false;
};

}  // namespace emulsion
