#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "emulsion/core/simd.hpp"
#include "emulsion/data/frame.hpp"

namespace emulsion {

// The inner loops of Gaussian families. A block is packed once, in the coordinates of a frame, with the observations in
// the lanes of SIMD registers; every component then reads the same packed block. Whitened coordinates are formed in
// registers and squared at once: a sum of squares, which no cancellation can hurt.

/// A block of points in strips of a few registers of observations each, dimension after dimension: what belongs
/// together lies together in memory, whatever the size of the block. Missing observations and dimensions are zero.
template <class Scalar>
struct PackedPoints {
  using S = Simd<Scalar>;
  using Lanes = typename S::Lanes;
  static constexpr Index lanes = S::lanes, tile = 4;  // tile: dimensions that are worked on together
  static constexpr Index registers = 4;               // of observations that are worked on together
  static constexpr Index strip = registers * lanes;
  using Buffer = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

  explicit PackedPoints(Index most = 0, Index d = 0, bool diagonal = false)
      : dimension(d), padded(up(d, tile)), x(Buffer::Zero(up(most, strip) * padded)),
        weighted(diagonal || d <= 4 ? Buffer() : x), weights(Buffer::Zero(up(most, strip))),
        chosen(static_cast<std::size_t>(most)), reference(Eigen::VectorXd::Zero(padded)), origin(Buffer::Zero(padded)),
        first(Eigen::VectorXd::Zero(padded)), second(Eigen::MatrixXd::Zero(padded, diagonal ? 1 : padded)) {}

  static Index up(Index value, Index multiple) { return (value + multiple - 1) / multiple * multiple; }
  /// The strip of the observations from the i-th on.
  const Scalar* at(Index i) const { return x.data() + i * padded; }
  Index strip_size() const { return strip * padded; }

  /// y_j = x_j scale_j - centre_j, rounded once (centres of float data are floats: see frame_for).
  template <class D>
  void pack(const D& block, const Frame& frame) {
    size = block.size();
    rows = up(size, strip);
    const Index inner = block.inner_stride(), outer = block.outer_stride();
    const double *scale = frame.scale.data(), *centre = frame.centre.data();
    const auto* from = block.data();
    Scalar* to = x.data();
    for (Index i = 0; i < rows; i += strip, to += strip_size()) {
      for (Index r = 0; r < registers; ++r, from += lanes * outer) {
        const Index there = std::clamp<Index>(size - i - r * lanes, 0, lanes);
        Scalar* const lane = to + r * lanes;
        Index j = there == lanes ? pack_registers(from, inner, outer, scale, centre, lane) : 0;
        for (; j < dimension; ++j) {
          Scalar* const value = lane + j * strip;
          for (Index t = 0; t < there; ++t) value[t] = moved(from[t * outer + j * inner], scale[j], centre[j]);
          for (Index t = there; t < lanes; ++t) value[t] = 0;
        }
      }
    }
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

 private:
  template <class From>
  static Scalar moved(From value, double scale, double centre) {
    return static_cast<Scalar>(static_cast<double>(value) * scale - centre);
  }
  /// A whole register of every dimension; returns how many dimensions are done.
  template <class From>
  Index pack_registers(const From* from, Index inner, Index outer, const double* scale, const double* centre,
                       Scalar* to) const {
    if constexpr (std::is_same_v<From, Scalar>) {
      const auto put = [&](Index j, const Lanes& value) {
        S::store(to + j * strip, value * static_cast<Scalar>(scale[j]) - static_cast<Scalar>(centre[j]));
      };
      if (outer == 1) {
        for (Index j = 0; j < dimension; ++j) put(j, S::load(from + j * inner));
        return dimension;
      }
      if (inner == 1 && outer == 2 && dimension == 2) {
        Lanes a = S::load(from), b = S::load(from + lanes);
        S::deinterleave(a, b);
        put(0, a), put(1, b);
        return 2;
      }
      Index j = 0;
      for (; inner == 1 && j + lanes <= dimension; j += lanes) {
        Lanes v[lanes];
        for (Index t = 0; t < lanes; ++t) v[t] = S::load(from + t * outer + j);
        S::transpose(v);
        for (Index t = 0; t < lanes; ++t) put(j + t, v[t]);
      }
      return j;
    } else {
      return 0;
    }
  }
};

// --- densities --------------------------------------------------------------------------------------------------------

/// out(i) += constant - q(i) / 2 for the observations of a strip, of which `left` are there.
template <class Scalar>
void add_half_squares(const typename Simd<Scalar>::Lanes (&q)[PackedPoints<Scalar>::registers], double constant,
                      Index left, double* out) {
  using P = PackedPoints<Scalar>;
  using Wide = typename P::S::Wide;
  for (Index r = 0; r < P::registers; ++r, left -= P::lanes, out += P::lanes) {
    const Wide added = constant - 0.5 * __builtin_convertvector(q[r], Wide);
    if (left >= P::lanes) {
      Wide before;
      std::memcpy(&before, out, sizeof before);
      before += added;
      std::memcpy(out, &before, sizeof before);
    } else {
      for (Index i = 0; i < left; ++i) out[i] += added[i];
    }
  }
}

/// out(i) += constant - |W (x_i - location)|^2 / 2, W lower triangular in panels of four rows (PrecisionFactor).
/// Cost n d^2 / 2 multiply-adds.
template <class Scalar>
void add_log_density_full(const PackedPoints<Scalar>& block, const Scalar* location, const Scalar* panels,
                          double constant, double* out) {
  using P = PackedPoints<Scalar>;
  using S = typename P::S;
  using Lanes = typename P::Lanes;
  const Index d = block.dimension;
  for (Index i = 0; i < block.rows; i += P::strip) {
    Lanes q[P::registers]{};
    const Scalar* w = panels;
    for (Index p = 0; p < d; p += P::tile) {
      Lanes z[P::registers][P::tile]{};
      const Scalar* x = block.at(i);
      const Index columns = std::min(p + P::tile, d);
      for (Index j = 0; j < columns; ++j, w += P::tile, x += P::strip) {
        const Lanes origin = S::all(location[j]);
        Lanes y[P::registers];
        for (Index r = 0; r < P::registers; ++r) y[r] = S::held(S::load(x + r * P::lanes) - origin);
        for (Index t = 0; t < P::tile; ++t) {
          const Lanes factor = S::held(S::all(w[t]));
          for (Index r = 0; r < P::registers; ++r) z[r][t] += factor * y[r];
        }
      }
      for (Index r = 0; r < P::registers; ++r) {
        for (Index t = 0; t < P::tile; ++t) q[r] += z[r][t] * z[r][t];
      }
    }
    add_half_squares<Scalar>(q, constant, block.size - i, out + i);
  }
}

/// The same in D <= 4 dimensions: one panel, in registers.
template <int D, class Scalar>
void add_log_density_small(const PackedPoints<Scalar>& block, const Scalar* location, const Scalar* panel,
                           double constant, double* out) {
  using P = PackedPoints<Scalar>;
  using S = typename P::S;
  using Lanes = typename P::Lanes;
  for (Index i = 0; i < block.rows; i += P::strip) {
    const Scalar* const x = block.at(i);
    Lanes q[P::registers]{};
    for (Index r = 0; r < P::registers; ++r) {
      Lanes z[D]{};
      for (int j = 0; j < D; ++j) {
        const Lanes y = S::load(x + j * P::strip + r * P::lanes) - location[j];
        for (int t = j; t < D; ++t) z[t] += panel[4 * j + t] * y;
      }
      for (int t = 0; t < D; ++t) q[r] += z[t] * z[t];
    }
    add_half_squares<Scalar>(q, constant, block.size - i, out + i);
  }
}

/// For a diagonal W (d). Cost 2 n d multiply-adds.
template <class Scalar>
void add_log_density_diagonal(const PackedPoints<Scalar>& block, const Scalar* location, const Scalar* w,
                              double constant, double* out) {
  using P = PackedPoints<Scalar>;
  using S = typename P::S;
  using Lanes = typename P::Lanes;
  for (Index i = 0; i < block.rows; i += P::strip) {
    const Scalar* x = block.at(i);
    Lanes q[P::registers]{};
    for (Index j = 0; j < block.dimension; ++j, x += P::strip) {
      const Lanes origin = S::all(location[j]), factor = S::all(w[j]);
      for (Index r = 0; r < P::registers; ++r) {
        const Lanes z = (S::load(x + r * P::lanes) - origin) * factor;
        q[r] += z * z;
      }
    }
    add_half_squares<Scalar>(q, constant, block.size - i, out + i);
  }
}

// --- moments ----------------------------------------------------------------------------------------------------------

/// Moments in D <= 4 dimensions, in registers; returns the weight.
template <int D, class Scalar>
double moments_small(PackedPoints<Scalar>& block, const Scalar* w) {
  using P = PackedPoints<Scalar>;
  using S = typename P::S;
  using Lanes = typename P::Lanes;
  Lanes total{}, origin[D], first[D]{}, second[D][D]{};
  for (int j = 0; j < D; ++j) origin[j] = S::all(block.origin(j));
  for (Index i = 0; i < block.rows; i += P::strip) {
    const Scalar* const x = block.at(i);
    for (Index r = 0; r < P::registers; ++r) {
      const Lanes weight = S::held(S::load(w + i + r * P::lanes));
      total += weight;
      Lanes y[D];
      for (int j = 0; j < D; ++j) {
        y[j] = S::load(x + j * P::strip + r * P::lanes) - origin[j];
        const Lanes wy = weight * y[j];
        first[j] += wy;
        for (int t = 0; t <= j; ++t) second[t][j] += wy * y[t];
      }
    }
  }
  for (int c = 0; c < D; ++c) {
    block.first(c) = S::sum(first[c]);
    for (int r = c; r < D; ++r) block.second(r, c) = S::sum(second[c][r]);
  }
  return S::sum(total);
}

/// Moments along each dimension, about zero or about the origin. Cost 2 n d multiply-adds.
template <bool about_zero, class Scalar>
void moments_diagonal(PackedPoints<Scalar>& block, const Scalar* w) {
  using P = PackedPoints<Scalar>;
  using S = typename P::S;
  using Lanes = typename P::Lanes;
  block.first.setZero();
  block.second.setZero();
  for (Index j = 0; j < block.dimension; j += P::tile) {
    Lanes origin[P::tile], first[P::tile]{}, second[P::tile]{};
    for (Index t = 0; t < P::tile; ++t) origin[t] = S::held(S::all(block.origin(j + t)));
    for (Index i = 0; i < block.rows; i += P::strip) {
      const Scalar* const x = block.at(i) + j * P::strip;
      for (Index r = 0; r < P::registers; ++r) {
        const Lanes weight = S::held(S::load(w + i + r * P::lanes));
        for (Index t = 0; t < P::tile; ++t) {
          Lanes y = S::held(S::load(x + t * P::strip + r * P::lanes));
          if constexpr (!about_zero) y -= origin[t];
          const Lanes wy = weight * y;
          first[t] += wy;
          second[t] += wy * y;
        }
      }
    }
    S::add_sums(&block.first(j), first, &block.second(j, 0), second);
  }
}

/// block.weighted = w y, y = x - origin, and block.first = sum w y.
template <class Scalar>
void weight_all(PackedPoints<Scalar>& block, const Scalar* w) {
  using P = PackedPoints<Scalar>;
  using S = typename P::S;
  using Lanes = typename P::Lanes;
  block.first.setZero();
  for (Index j = 0; j < block.padded; j += P::tile) {
    Lanes origin[P::tile], first[P::tile]{};
    for (Index t = 0; t < P::tile; ++t) origin[t] = S::held(S::all(block.origin(j + t)));
    for (Index i = 0; i < block.rows; i += P::strip) {
      const Scalar* const x = block.at(i) + j * P::strip;
      Scalar* const to = block.weighted.data() + i * block.padded + j * P::strip;
      for (Index r = 0; r < P::registers; ++r) {
        const Lanes weight = S::held(S::load(w + i + r * P::lanes));
        for (Index t = 0; t < P::tile; ++t) {
          const Lanes value = weight * (S::load(x + t * P::strip + r * P::lanes) - origin[t]);
          S::store(to + t * P::strip + r * P::lanes, value);
          first[t] += value;
        }
      }
    }
    S::add_sums(&block.first(j), first);
  }
}

/// second = lower triangle of sum_i right_i (left_i - origin)', right = block.weighted, in tiles; `left` laid out like
/// it, `rows` observations of both. Cost n d^2 / 2 multiply-adds.
template <class Scalar>
void product(PackedPoints<Scalar>& block, const Scalar* left, const Scalar* origin, Index rows) {
  using P = PackedPoints<Scalar>;
  using S = typename P::S;
  using Lanes = typename P::Lanes;
  constexpr Index columns = S::registers >= 32 ? 4 : 2;  // times tile: sums that stay in registers
  const Index d = block.dimension;
  for (Index c = 0; c < d; c += columns) {
    Lanes centre[columns];
    for (Index s = 0; s < columns; ++s) centre[s] = S::all(origin[c + s]);
    for (Index r = c / P::tile * P::tile; r < d; r += P::tile) {
      Lanes sums[columns][P::tile]{};
      const Scalar* a = left + c * P::strip;
      const Scalar* b = block.weighted.data() + r * P::strip;
      for (Index i = 0; i < rows; i += P::strip, a += block.strip_size(), b += block.strip_size()) {
        for (Index k = 0; k < P::strip; k += P::lanes) {
          Lanes weighted[P::tile];
          for (Index t = 0; t < P::tile; ++t) weighted[t] = S::held(S::load(b + t * P::strip + k));
          for (Index s = 0; s < columns; ++s) {
            const Lanes y = S::held(S::load(a + s * P::strip + k) - centre[s]);
            for (Index t = 0; t < P::tile; ++t) sums[s][t] += weighted[t] * y;
          }
        }
      }
      for (Index s = 0; s < columns; s += 2) {
        double *to = &block.second(r, c + s), *next = &block.second(r, c + s + 1);
        std::fill_n(to, P::tile, 0.0);
        std::fill_n(next, P::tile, 0.0);
        S::add_sums(to, sums[s], next, sums[s + 1]);
      }
    }
  }
}

/// The moments of the `count` chosen observations alone.
template <class Scalar>
void moments_of_chosen(PackedPoints<Scalar>& block, const double* w, Index count, bool diagonal_only) {
  using P = PackedPoints<Scalar>;
  block.first.setZero();
  if (diagonal_only) block.second.setZero();
  const Index rows = P::up(count, P::strip);
  for (Index c = 0; c < rows; ++c) {
    const Index i = c < count ? block.chosen[static_cast<std::size_t>(c)] : 0;
    const Scalar* const x = block.at(i / P::strip * P::strip) + i % P::strip;
    const double weight = c < count ? w[i] : 0.0, root = std::sqrt(weight);
    Scalar* to =
        diagonal_only ? nullptr : block.weighted.data() + c / P::strip * P::strip * block.padded + c % P::strip;
    for (Index j = 0; j < block.dimension; ++j) {
      const auto y = static_cast<double>(x[j * P::strip] - block.origin(j));
      block.first(j) += weight * y;
      if (diagonal_only) block.second(j, 0) += weight * y * y;
      else to[j * P::strip] = static_cast<Scalar>(root * y);
    }
  }
  if (diagonal_only) return;
  block.origin.setZero();
  product(block, block.weighted.data(), block.origin.data(), rows);
}

/// The weights of whole strips, zero beyond the end: w itself where nothing is beyond it.
template <class Scalar>
const Scalar* weights_of_rows(PackedPoints<Scalar>& block, const double* w) {
  if constexpr (std::is_same_v<Scalar, double>) {
    if (block.size == block.rows) return w;
  }
  for (Index i = 0; i < block.size; ++i) block.weights(i) = static_cast<Scalar>(w[i]);
  for (Index i = block.size; i < block.rows; ++i) block.weights(i) = 0;
  return block.weights.data();
}

/// Moments of the block about block.reference: the weight is returned, block.first = sum w y, and block.second =
/// sum w y y' (lower triangle; its diagonal in one column where `diagonal_only`).
///
/// Observations whose weight is below 1e-19 of the block's are left out where there are many: they are below the
/// rounding of every sum. Relative to the component's own weight, not to that of the observation, so that a component
/// that has nearly died still learns from all it has. Cost n d^2 / 2 multiply-adds.
template <class Scalar>
double moments_about_reference(PackedPoints<Scalar>& block, const double* w, bool diagonal_only) {
  const Index d = block.dimension;
  for (Index j = 0; j < d; ++j) {
    block.origin(j) = static_cast<Scalar>(block.reference(j));
    block.reference(j) = static_cast<double>(block.origin(j));
  }
  const Scalar* weights = weights_of_rows(block, w);
  if (!diagonal_only) {
    switch (d) {
      case 1: return moments_small<1>(block, weights);
      case 2: return moments_small<2>(block, weights);
      case 3: return moments_small<3>(block, weights);
      case 4: return moments_small<4>(block, weights);
      default: break;
    }
  }
  const double weight = simd_sum(w, block.size);
  if (!(weight > 0)) return weight;
  const double least = 1e-19 * weight;
  if (simd_count_above(w, block.size, least) <= block.size / (diagonal_only ? 8 : 2)) {
    Index count = 0;
    for (Index i = 0; i < block.size; ++i) {
      if (w[i] > least) block.chosen[static_cast<std::size_t>(count++)] = i;
    }
    moments_of_chosen(block, w, count, diagonal_only);
  } else if (diagonal_only) {
    bool about_zero = true;
    for (Index j = 0; j < d; ++j) about_zero = about_zero && block.origin(j) == 0;
    if (about_zero) moments_diagonal<true>(block, weights);  // the subtraction costs a third of the time
    else moments_diagonal<false>(block, weights);
  } else {
    weight_all(block, weights);
    product(block, block.x.data(), block.origin.data(), block.rows);
  }
  return weight;
}

}  // namespace emulsion
