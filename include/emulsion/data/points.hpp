#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"

namespace emulsion {

/// A view of n points in d dimensions, of any strides, with an optional weight for each.
///
/// An Eigen matrix with memory of its own converts without a copy, one observation per column; the matrix must outlive
/// the view. A matrix that is a temporary, and an expression without memory (x + y), are kept inside the view; a block
/// or transpose of a temporary (f().leftCols(3)) cannot be, and dangles. A slice never owns and never allocates.
/// `Dim` fixes the dimension at compile time.
template <class Scalar_ = double, int Dim_ = Eigen::Dynamic>
class Points {
 public:
  using Scalar = Scalar_;
  static constexpr int Dim = Dim_;
  using Matrix = Eigen::Matrix<Scalar, Dim, Eigen::Dynamic>;
  using Strided = Eigen::Map<const Matrix, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;

  /// `inner` and `outer`: distance in memory between dimensions, and between observations.
  Points(const Scalar* data, Index dimension, Index size, Index inner, Index outer)
      : data_(data), dimension_(dimension), size_(size), inner_(inner), outer_(outer) {
    require(Dim == Eigen::Dynamic || dimension == Dim, "expected observations of dimension ", Dim, ", got dimension ",
            dimension, " (", size, " observations; an observation is a column, rows(x) adapts rows)");
  }

  /// One observation per column of `x`.
  template <class Derived>
  requires std::is_same_v<typename Derived::Scalar, Scalar>
  // NOLINTNEXTLINE(google-explicit-constructor): a matrix is its columns
  Points(const Eigen::MatrixBase<Derived>& x) : Points(of(x.derived(), false)) {}

  template <int R, int C, int O>
  Points(Eigen::Matrix<Scalar, R, C, O>&& x)  // NOLINT(google-explicit-constructor)
      : Points(owning(std::move(x), false)) {}
  template <int R, int C, int O>
  Points(const Eigen::Matrix<Scalar, R, C, O>&& x)  // NOLINT(google-explicit-constructor): what eval() returns
      : Points(owning(Eigen::Matrix<Scalar, R, C, O>(x), false)) {}

  /// A view of `x`, transposed if its observations are rows; it keeps `x` only where x has no memory of its own.
  template <class Derived>
  static Points of(const Derived& x, bool observations_are_rows) {
    if constexpr (bool(Derived::Flags & Eigen::DirectAccessBit)) {
      const Index down = Derived::IsRowMajor ? x.outerStride() : x.innerStride();
      const Index right = Derived::IsRowMajor ? x.innerStride() : x.outerStride();
      if (observations_are_rows) return Points(x.data(), x.cols(), x.rows(), right, down);
      return Points(x.data(), x.rows(), x.cols(), down, right);
    } else {
      return owning(typename Derived::PlainObject(x), observations_are_rows);
    }
  }

  template <class Plain>
  static Points owning(Plain&& x, bool observations_are_rows) {
    const auto kept = std::make_shared<const std::remove_cvref_t<Plain>>(std::forward<Plain>(x));
    Points view = of(*kept, observations_are_rows);
    view.owner_ = kept;
    return view;
  }

  Index size() const { return size_; }
  Index dimension() const { return dimension_; }
  /// The place of the first observation in the data that this block was cut from.
  Index first() const { return first_; }
  Scalar operator()(Index dimension, Index observation) const {
    return data_[dimension * inner_ + observation * outer_];
  }
  const Scalar* data() const { return data_; }
  Index inner_stride() const { return inner_; }
  Index outer_stride() const { return outer_; }
  Strided matrix() const {
    return Strided(data_, dimension_, size_, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>(outer_, inner_));
  }

  bool weighted() const { return weights_ != nullptr; }
  /// n, or nullptr where every observation counts once.
  const double* weights() const { return weights_; }
  double weight(Index observation) const { return weights_ ? weights_[observation] : 1.0; }
  /// Sum of the weights; n where there are none. The n of BIC.
  double total_weight() const {
    if (!weights_) return static_cast<double>(size_);
    double total = 0;
    for (Index i = 0; i < size_; ++i) total += weights_[i];
    return total;
  }

  Points slice(Index first, Index count) const {
    Points block(data_ + first * outer_, dimension_, count, inner_, outer_);
    block.weights_ = weights_ ? weights_ + first : nullptr;
    block.first_ = first_ + first;
    return block;
  }

  /// The chosen observations, copied, with their weights.
  [[gnu::cold]] Points gather(const std::vector<Index>& chosen) const {
    struct Copy {
      Matrix x;
      Eigen::VectorXd w;
    };
    const auto copy = std::make_shared<Copy>();
    const auto count = static_cast<Index>(chosen.size());
    copy->x.resize(dimension_, count);
    copy->w.resize(count);
    for (Index i = 0; i < count; ++i) {
      const Index from = chosen[static_cast<std::size_t>(i)];
      for (Index j = 0; j < dimension_; ++j) copy->x(j, i) = (*this)(j, from);
      copy->w(i) = weight(from);
    }
    Points view = of(copy->x, false);
    view.weights_ = weights_ ? copy->w.data() : nullptr;
    view.owner_ = copy;
    return view;
  }

  /// The same points, observation i counted w(i) >= 0 times; the `count` weights at `w` must outlive the view.
  Points with_weights(const double* w, Index count) const {
    require(count == size_, "expected one weight for each of ", size_, " observations, got ", count, " weights");
    Points view = *this;
    view.weights_ = w;
    for (Index i = 0; i < size_; ++i) {
      require(std::isfinite(w[i]) && w[i] >= 0, "weights must be finite and not negative; weight ", i, " is ", w[i]);
    }
    const double total = view.total_weight();
    require(size_ == 0 || total > 0, "at least one of the ", size_, " weights must be positive; all are zero");
    require(std::isfinite(total), "the sum of the ", size_, " weights must be finite, got ", total);
    return view;
  }

 private:
  const Scalar* data_;
  Index dimension_;
  Index size_;
  Index inner_;
  Index outer_;
  Index first_ = 0;
  const double* weights_ = nullptr;
  std::shared_ptr<const void> owner_ = {};
};

/// Observations in the columns of `x` (d x n), as everywhere by default; `columns<3>(x)` fixes the dimension.
template <int Dim = Eigen::Dynamic, class Derived>
Points<typename Derived::Scalar, Dim> columns(const Eigen::MatrixBase<Derived>& x) {
  return Points<typename Derived::Scalar, Dim>::of(x.derived(), false);
}

/// Observations in the rows of `x` (n x d), without a copy where `x` has memory of its own.
template <int Dim = Eigen::Dynamic, class Derived>
Points<typename Derived::Scalar, Dim> rows(const Eigen::MatrixBase<Derived>& x) {
  return Points<typename Derived::Scalar, Dim>::of(x.derived(), true);
}

/// Views of temporaries keep them.
template <int Dim = Eigen::Dynamic, class S, int R, int C, int O>
Points<S, Dim> columns(Eigen::Matrix<S, R, C, O>&& x) {
  return Points<S, Dim>::owning(std::move(x), false);
}
template <int Dim = Eigen::Dynamic, class S, int R, int C, int O>
Points<S, Dim> rows(Eigen::Matrix<S, R, C, O>&& x) {
  return Points<S, Dim>::owning(std::move(x), true);
}
template <int Dim = Eigen::Dynamic, class S, int R, int C, int O>
Points<S, Dim> columns(const Eigen::Matrix<S, R, C, O>&& x) {
  return Points<S, Dim>::owning(Eigen::Matrix<S, R, C, O>(x), false);
}
template <int Dim = Eigen::Dynamic, class S, int R, int C, int O>
Points<S, Dim> rows(const Eigen::Matrix<S, R, C, O>&& x) {
  return Points<S, Dim>::owning(Eigen::Matrix<S, R, C, O>(x), true);
}

/// How many observations count: those of positive weight.
template <Observations D>
Index positive_observations(const D& x) {
  Index count = 0;
  for (Index i = 0; i < x.size(); ++i) count += x.weight(i) > 0 ? 1 : 0;
  return count;
}

/// Throws InvalidArgument unless the observations have that many dimensions.
template <class D>
void require_dimension(const D& x, Index dimension) {
  require(x.dimension() == dimension, "expected ", dimension, " dimensions, got ", x.dimension(), " (data of ",
          x.dimension(), " x ", x.size(), "; an observation is a column, rows(x) adapts rows)");
}

/// Every how manieth of `size` observations to look at, to see at most `most`.
inline Index stride_for(Index size, Index most) { return std::max<Index>(1, (size + most - 1) / most); }

/// Any data as a view: a view is itself, a matrix its columns.
template <Observations D>
D as_view(const D& data) {
  return data;
}
template <class X>
requires std::is_base_of_v<Eigen::MatrixBase<std::remove_cvref_t<X>>, std::remove_cvref_t<X>>
auto as_view(X&& x) { return columns(std::forward<X>(x)); }

/// Observation i counted w(i) >= 0 times (w of size n, finite, not all zero): a weight of two is the observation twice,
/// a weight of zero leaves no trace. `w` must outlive the view.
template <class X, class Weights>
auto weighted(X&& x, const Eigen::MatrixBase<Weights>& w) {
  static_assert(std::is_same_v<typename Weights::Scalar, double> && bool(Weights::Flags & Eigen::DirectAccessBit),
                "weighted(x, w) views w: give it a vector of doubles in memory, not an expression");
  require(w.innerStride() == 1, "weighted(x, w) needs weights that are contiguous in memory, got stride ",
          w.innerStride());
  return as_view(std::forward<X>(x)).with_weights(w.derived().data(), w.size());
}
template <class X, class Weights>
auto weighted(X&& x, Eigen::PlainObjectBase<Weights>&& w) = delete;  // the weights would be gone at once

}  // namespace emulsion
