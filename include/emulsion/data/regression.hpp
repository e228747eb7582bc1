#pragma once
#include <Eigen/Core>
#include <utility>
#include <vector>

#include "emulsion/core/error.hpp"
#include "emulsion/data/frame.hpp"
#include "emulsion/data/points.hpp"

namespace emulsion {

/// Covariates of queries, without responses: what a gate and experts need for a prediction.
class Covariates {
 public:
  /// x (p x n) for the experts; z (p_z x n) for the gate, x unless given.
  explicit Covariates(Points<> x) : Covariates(x, std::move(x)) {}
  Covariates(Points<> x, Points<> z) : x_(std::move(x)), z_(std::move(z)) {
    require(z_.size() == x_.size(), "expected gate covariates for each of ", x_.size(), " observations, got ",
            z_.size(), " (x is ", x_.dimension(), " x ", x_.size(), ", z is ", z_.dimension(), " x ", z_.size(),
            "; an observation is a column, rows(x) adapts rows)");
  }
  Index size() const { return x_.size(); }
  const Points<>& x() const { return x_; }
  const Points<>& z() const { return z_; }
  Covariates slice(Index first, Index count) const { return {x_.slice(first, count), z_.slice(first, count)}; }

 private:
  Points<> x_, z_;
};

/// A view of n responses y (q x n) with covariates x (p x n) for the experts and z for the gate, x unless given. No
/// column of ones: models add their intercepts.
///
///   Regression(x, y);   weighted(Regression(x, y, z), w);   Regression(rows(x), y);
///
/// Matrices as in Points: one observation per column, not copied; temporaries are kept. Several responses are the rows
/// of y; one response is a row (y.transpose() of a column vector).
///
/// @throws InvalidArgument  if the numbers of observations differ
class Regression {
 public:
  using Scalar = double;
  using Matrix = Eigen::MatrixXd;

  Regression(Points<> x, Points<> y) : Regression(Covariates(std::move(x)), std::move(y), false) {}
  Regression(Points<> x, Points<> y, Points<> z)
      : Regression(Covariates(std::move(x), std::move(z)), std::move(y), true) {}

  Index size() const { return y_.size(); }
  Index first() const { return y_.first(); }
  const Points<>& x() const { return given_.x(); }
  const Points<>& y() const { return y_; }
  const Points<>& z() const { return given_.z(); }
  const Covariates& covariates() const { return given_; }

  bool weighted() const { return y_.weighted(); }
  const double* weights() const { return y_.weights(); }
  double weight(Index observation) const { return y_.weight(observation); }
  double total_weight() const { return y_.total_weight(); }

  Regression slice(Index first, Index count) const {
    return {given_.slice(first, count), y_.slice(first, count), own_z_};
  }
  /// The chosen observations, copied, with their weights.
  Regression gather(const std::vector<Index>& chosen) const {
    const Points<> x = given_.x().gather(chosen);
    return {Covariates(x, own_z_ ? given_.z().gather(chosen) : x), y_.gather(chosen), own_z_};
  }
  Regression with_weights(const double* w, Index count) const {
    const Points<> x = given_.x().with_weights(w, count);
    return {Covariates(x, own_z_ ? given_.z().with_weights(w, count) : x), y_.with_weights(w, count), own_z_};
  }

  // An observation as a point (x, y, and z where it is not x): where fits look for starts.
  Index dimension() const { return x().dimension() + y_.dimension() + (own_z_ ? z().dimension() : 0); }
  double operator()(Index j, Index i) const {
    if (j < x().dimension()) return x()(j, i);
    j -= x().dimension();
    return j < y_.dimension() ? y_(j, i) : z()(j - y_.dimension(), i);
  }

  /// Throws InvalidArgument unless there are p covariates and q responses.
  void require_shape(Index p, Index q) const {
    require(x().dimension() == p, "expected ", p, " covariates, got ", x().dimension(), " (x is ", x().dimension(),
            " x ", size(), "; an observation is a column, rows(x) adapts rows)");
    require(y_.dimension() == q, "expected ", q, " responses, got ", y_.dimension(), " (y is ", y_.dimension(), " x ",
            size(), "; an observation is a column, rows(y) adapts rows)");
  }

 private:
  Regression(Covariates given, Points<> y, bool own_z) : given_(std::move(given)), y_(std::move(y)), own_z_(own_z) {
    require(given_.size() == y_.size(), "expected one response for each of ", given_.size(), " observations, got ",
            y_.size(), " (x is ", x().dimension(), " x ", x().size(), ", y is ", y_.dimension(), " x ", y_.size(),
            y_.size() == 1 && y_.dimension() == x().size() ? "; for one response per observation pass y.transpose())"
                                                           : "; an observation is a column, rows(y) adapts rows)");
  }

  Covariates given_;
  Points<> y_;
  bool own_z_;
};

/// Medians and spreads of an observation's coordinates, in the order of operator().
[[gnu::cold]] inline std::vector<Location> robust_locations(const Regression& data) {
  std::vector<Location> all = robust_locations(data.x());
  const auto append = [&](const Points<>& more) {
    for (const Location& one : robust_locations(more)) all.push_back(one);
  };
  append(data.y());
  if (data.dimension() > data.x().dimension() + data.y().dimension()) append(data.z());
  return all;
}

}  // namespace emulsion
