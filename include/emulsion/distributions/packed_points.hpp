#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <type_traits>
#include <vector>

#include "emulsion/core/simd.hpp"
#include "emulsion/covariance/precision_factor.hpp"
#include "emulsion/data/frame.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // see simd.hpp

namespace emulsion {

/// A block of points in strips of a few registers of observations each, dimension after dimension: what belongs
/// together lies together in memory, whatever the size of the block. Missing observations and dimensions are zero.
template <class Scalar>
struct PackedPoints {
  static constexpr Index tile = PrecisionFactor::tile;                        // dimensions that are worked on together
  static constexpr Index strip = 4 * Simd<Scalar, widest_simd_bytes>::lanes;  // observations that lie together
  using Buffer = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

  explicit PackedPoints(Index most = 0, Index d = 0, bool diagonal = false)
      : dimension(d), padded(up(std::max<Index>(1, d), tile)), x(Buffer::Zero(up(most, strip) * padded)),
        weighted(diagonal ? Buffer() : x), weights(Buffer::Zero(up(most, strip))),
        chosen(static_cast<std::size_t>(most)), reference(Eigen::VectorXd::Zero(padded)), origin(Buffer::Zero(padded)),
        first(Eigen::VectorXd::Zero(padded)), second(Eigen::MatrixXd::Zero(padded, diagonal ? 1 : padded)) {}

  static Index up(Index value, Index multiple) { return (value + multiple - 1) / multiple * multiple; }
  /// Where in x the i-th observation is; its dimensions are a strip apart.
  Index place(Index i) const { return i / strip * strip * padded + i % strip; }
  const Scalar* at(Index i) const { return x.data() + place(i); }
  Index strip_size() const { return strip * padded; }

  /// y_j = x_j scale_j - centre_j, rounded once (centres of float data are floats: see frame_for). Into dimensions from
  /// `at` on.
  template <class D>
  void pack(const D& block, const Frame& frame, Index at = 0) {
    const Index d = block.dimension();
    size = block.size();
    rows = up(size, strip);
    with_simd<Scalar>([&](auto simd) __attribute__((always_inline)) {
      using S = decltype(simd);
      const double *scale = frame.scale.data() + at, *centre = frame.centre.data() + at;
      const Index inner = block.inner_stride(), outer = block.outer_stride();
      const auto* from = block.data();
      for (Index i = 0; i < rows; i += S::lanes, from += S::lanes * outer) {
        Scalar* const to = x.data() + place(i) + at * strip;
        const Index there = std::clamp<Index>(size - i, 0, S::lanes);
        Index j = there == S::lanes ? pack_registers<S>(from, inner, outer, d, scale, centre, to) : 0;
        for (; j < d; ++j) {
          Scalar* const value = to + j * strip;
          for (Index t = 0; t < there; ++t) value[t] = moved(from[t * outer + j * inner], scale[j], centre[j]);
          for (Index t = there; t < S::lanes; ++t) value[t] = 0;
        }
      }
    });
  }

  Index size = 0, rows = 0, dimension = 0, padded = 0;
  Buffer x;                   // rows / strip strips of strip x padded
  Buffer weighted;            // w y, laid out like x
  Buffer weights;             // rows
  std::vector<Index> chosen;  // observations whose weight matters
  Eigen::VectorXd reference;  // padded: the point about which the sums below are taken
  Buffer origin;              // the same as Scalar
  Eigen::VectorXd first;      // padded: sums of w y
  Eigen::MatrixXd second;     // padded x padded: sums of w y y', lower triangle; padded x 1: its diagonal
  std::vector<Scalar> kept;   // dimensions that are replaced for a while: see take_residuals()

 private:
  template <class From>
  static Scalar moved(From value, double scale, double centre) {
    return static_cast<Scalar>(static_cast<double>(value) * scale - centre);
  }
  /// A whole register of every dimension; returns how many dimensions are done.
  template <class S, class From>
  [[gnu::always_inline]] Index pack_registers(const From* from, Index inner, Index outer, Index d, const double* scale,
                                              const double* centre, Scalar* to) const {
    if constexpr (std::is_same_v<From, Scalar>) {
      using Lanes = typename S::Lanes;
      constexpr Index lanes = S::lanes;
      const auto put = [&](Index j, const Lanes& value) __attribute__((always_inline)) {
        S::store(to + j * strip, value * static_cast<Scalar>(scale[j]) - static_cast<Scalar>(centre[j]));
      };
      if (outer == 1) {
        for (Index j = 0; j < d; ++j) {
          const Lanes value = S::load(from + j * inner).value;
          put(j, value);
        }
        return d;
      }
      if (inner == 1 && outer == 2 && d == 2) {
        Lanes a = S::load(from).value, b = S::load(from + lanes).value;
        S::deinterleave(a, b);
        put(0, a), put(1, b);
        return 2;
      }
      Index j = 0;
      for (; inner == 1 && j + lanes <= d; j += lanes) {
        Lanes v[lanes];
        for (Index t = 0; t < lanes; ++t) v[t] = S::load(from + t * outer + j).value;
        S::transpose(v);
        for (Index t = 0; t < lanes; ++t) put(j + t, v[t]);
      }
      return j;
    } else {
      return 0;
    }
  }
};

}  // namespace emulsion

#pragma GCC diagnostic pop
