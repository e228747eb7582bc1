#pragma once
#include <Eigen/Core>
#include <string>
#include <utility>
#include <vector>

#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// k(a, b) = variance f(r^2), r^2 = sum_j ((a_j - b_j) / l_j)^2: a kernel of the scaled distance, with one length scale
/// for all dimensions or one for each (automatic relevance determination).
///
/// Shape says what f is: value(r2) turns an array of squared distances into f, slope(r2) into df / d r^2 (where r = 0,
/// any finite number); parameters of its own are optional (see RationalQuadratic).
///
/// Hyperparameters: log variance, log length scales, those of the shape. Cost of m x n covariances: m n d, and m n f.
template <class Shape>
class Stationary : public Evaluated<Stationary<Shape>> {
 public:
  explicit Stationary(double variance = 1, double length_scale = 1, Shape shape = {})
      : Stationary(variance, Eigen::VectorXd::Constant(1, length_scale), std::move(shape)) {}
  /// @param length_scales  one for every dimension of the inputs, or one for all
  /// @throws InvalidArgument  unless all are positive and finite
  Stationary(double variance, Eigen::VectorXd length_scales, Shape shape = {})
      : variance_(variance), lengths_(std::move(length_scales)), shape_(std::move(shape)) {
    require_positive(variance, "variance");
    require(lengths_.size() > 0, "a kernel needs one length scale, or one for each dimension; got none");
    for (const double length : lengths_) require_positive(length, "length scale");
  }

  double variance() const { return variance_; }
  const Eigen::VectorXd& length_scales() const { return lengths_; }
  const Shape& shape() const { return shape_; }

  void check(Index dimension) const {
    require(lengths_.size() == 1 || lengths_.size() == dimension, "the kernel has ", lengths_.size(),
            " length scales, the inputs have ", dimension, " dimensions; give one length scale, or one for each");
  }
  void fill(const Inputs& a, const Inputs& b, Eigen::Ref<Eigen::MatrixXd> gram) const {
    const Eigen::MatrixXd scaled = this->scaled(a);
    for (Index j = 0; j < b.cols(); ++j) {
      auto column = gram.col(j).array();
      squared_distances(scaled, b.col(j), column);
      shape_.value(column);
      column *= variance_;
    }
  }
  void diagonal(const Inputs& a, Eigen::Ref<Eigen::VectorXd> out) const { out.head(a.cols()).setConstant(variance_); }
  void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    const Eigen::MatrixXd scaled = this->scaled(a);
    Eigen::ArrayXd r2(a.cols()), value(a.cols());
    double of_variance = 0;
    Eigen::VectorXd of_lengths = Eigen::VectorXd::Zero(lengths_.size());
    for (Index j = 0; j < b.cols(); ++j) {
      squared_distances(scaled, b.col(j), r2);
      const auto w = weights.col(j).array();
      value = r2;
      shape_.value(value);
      of_variance += (w * value).sum();
      if constexpr (requires { shape_.parameters(); }) {
        shape_.add_gradient(r2, value, w * variance_, g.tail(shape_.parameters()));
      }
      value = r2;
      shape_.slope(value);
      value *= w;
      if (lengths_.size() == 1) {
        of_lengths(0) += (value * r2).sum();
      } else {
        for (Index c = 0; c < scaled.cols(); ++c) {
          of_lengths(c) += (value * (scaled.col(c).array() - b(c, j) / lengths_(c)).square()).sum();
        }
      }
    }
    g(0) += variance_ * of_variance;
    g.segment(1, lengths_.size()) -= 2 * variance_ * of_lengths;
  }

  void add_diagonal_gradient(const Inputs&, const Eigen::Ref<const Eigen::VectorXd>& weights,
                             Eigen::Ref<Eigen::VectorXd> g) const {
    g(0) += variance_ * weights.sum();
  }

  Index parameters() const {
    Index count = 1 + lengths_.size();
    if constexpr (requires { shape_.parameters(); }) count += shape_.parameters();
    return count;
  }
  void pack(Eigen::VectorXd& v, Index& at) const {
    v(at++) = std::log(variance_);
    for (const double length : lengths_) v(at++) = std::log(length);
    if constexpr (requires { shape_.parameters(); }) shape_.pack(v, at);
  }
  bool unpack(const Eigen::VectorXd& u, Index& at) {
    bool good = read_logarithm(u, at, variance_);
    for (double& length : lengths_) good = read_logarithm(u, at, length) && good;
    if constexpr (requires { shape_.parameters(); }) good = shape_.unpack(u, at) && good;
    return good;
  }
  void name(std::vector<std::string>& names) const {
    names.emplace_back("log variance");
    for (Index j = 0; j < lengths_.size(); ++j) {
      names.push_back(lengths_.size() == 1 ? "log length scale" : "log length scale " + std::to_string(j));
    }
    if constexpr (requires { shape_.parameters(); }) shape_.name(names);
  }

 private:
  double length(Index c) const { return lengths_(lengths_.size() == 1 ? 0 : c); }
  /// Inputs in units of the length scales, feature-major: m x d.
  Eigen::MatrixXd scaled(const Inputs& a) const {
    Eigen::MatrixXd result(a.cols(), a.rows());
    for (Index c = 0; c < a.rows(); ++c) result.col(c) = a.row(c).transpose() / length(c);
    return result;
  }
  template <class Point, class Out>
  void squared_distances(const Eigen::MatrixXd& scaled, const Point& b, Out& r2) const {
    r2.setZero();
    for (Index c = 0; c < scaled.cols(); ++c) r2 += (scaled.col(c).array() - b(c) / length(c)).square();
  }

  double variance_;
  Eigen::VectorXd lengths_;
  Shape shape_;
};

}  // namespace emulsion
