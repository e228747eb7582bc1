#pragma once
#include <Eigen/Core>
#include <cstring>

namespace emulsion {

/// A register full of scalars, by the vector extension of g++ and clang: one value for each of `lanes` observations.
/// As wide as Eigen's packets under the same compiler flags.
template <class Scalar>
struct Simd {
  static constexpr int bytes = EIGEN_MAX_ALIGN_BYTES < 16 ? 16 : EIGEN_MAX_ALIGN_BYTES;
  static constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  typedef Scalar Lanes __attribute__((vector_size(bytes)));  // NOLINT(modernize-use-using): `using` drops the attribute

  static void load(Lanes& value, const Scalar* from) { std::memcpy(&value, from, sizeof(Lanes)); }
  static void store(Scalar* to, const Lanes& value) { std::memcpy(to, &value, sizeof(Lanes)); }
  static double sum(const Lanes& value) {
    double total = 0;
    for (int i = 0; i < lanes; ++i) total += static_cast<double>(value[i]);
    return total;
  }
};

}  // namespace emulsion
