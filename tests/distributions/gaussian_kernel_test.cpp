#include "emulsion/distributions/gaussian_kernel.hpp"

#include <vector>

#include "catch.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/covariance/precision_factor.hpp"

using namespace emulsion;

namespace {

struct Sums {
  Eigen::VectorXd first;
  Eigen::MatrixXd second;
};

/// Everything that a block gives: in the registers S, or in the widest that the processor has.
template <class Scalar, class Use>
void in_registers(bool widest, const Use& use) {
  if (widest) with_simd<Scalar>([&](auto simd) __attribute__((always_inline)) { use(simd); });
  else use(Simd<Scalar>());
}

template <class Scalar>
void compare(Index d, Index n, bool diagonal, double tolerance) {
  CAPTURE(d, n, diagonal, sizeof(Scalar));
  Rng rng(static_cast<std::uint64_t>(100 * n + d));
  Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> x(d, n);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<Scalar>(rng.normal());
  PackedPoints<Scalar> block(n, d, diagonal);
  Frame frame = Frame::identity(d);
  block.pack(Points<Scalar>(x), frame);
  for (Index j = 0; j < d; ++j) block.origin(j) = static_cast<Scalar>(0.1 * static_cast<double>(j));
  PrecisionFactor factor(diagonal ? Covariance::diagonal : Covariance::full, d);
  for (Index j = 0; j < d; ++j) {
    for (Index i = j; i < (diagonal ? j + 1 : d); ++i)
      factor.at(i, j) = i == j ? 1 + rng.uniform() : 0.3 * rng.normal();
  }
  const Eigen::Matrix<Scalar, Eigen::Dynamic, 1> panels = factor.values().template cast<Scalar>(),
                                                 location = block.origin.head(d);
  std::vector<Scalar> weights(static_cast<std::size_t>(block.rows), 0);
  for (Index i = 0; i < n; ++i) weights[static_cast<std::size_t>(i)] = static_cast<Scalar>(rng.uniform());

  Eigen::VectorXd density[2];
  Sums sums[2];
  for (const bool widest : {false, true}) {
    density[widest] = Eigen::VectorXd::Constant(n, 0.5);
    in_registers<Scalar>(
        widest, [&](auto simd) __attribute__((always_inline)) {
          using Kernels = GaussianKernels<decltype(simd)>;
          Kernels::add_log_density(block, diagonal, location.data(), panels.data(), 2.0, density[widest].data());
          Kernels::moments(block, weights.data(), diagonal);
        });
    sums[widest] = {block.first.head(d), block.second.topLeftCorner(d, diagonal ? 1 : d)};
  }
  for (Index i = 0; i < n; ++i) {
    // By the formula.
    double q = 0;
    for (Index r = 0; r < d; ++r) {
      double z = 0;
      for (Index c = diagonal ? r : 0; c <= r; ++c)
        z += factor(r, c) * (static_cast<double>(x(c, i)) - static_cast<double>(location(c)));
      q += z * z;
    }
    CHECK(density[0](i) == Approx(2.5 - q / 2).epsilon(tolerance));
    CHECK(density[1](i) == Approx(2.5 - q / 2).epsilon(tolerance));
  }
  const double scale = static_cast<double>(n);
  for (Index r = 0; r < d; ++r) {
    CHECK(std::abs(sums[0].first(r) - sums[1].first(r)) <= tolerance * scale);
    for (Index c = 0; c <= (diagonal ? 0 : r); ++c) {
      double wanted = 0;
      for (Index i = 0; i < n; ++i) {
        const Index other = diagonal ? r : c;
        wanted += static_cast<double>(weights[static_cast<std::size_t>(i)]) *
                  static_cast<double>(x(r, i) - location(r)) * static_cast<double>(x(other, i) - location(other));
      }
      CHECK(std::abs(sums[0].second(r, c) - wanted) <= 10 * tolerance * scale);
      CHECK(std::abs(sums[1].second(r, c) - wanted) <= 10 * tolerance * scale);
    }
  }
}

}  // namespace

TEST_CASE("kernels: by the formula, in registers of every width") {
  for (const Index d : {1, 2, 3, 4, 5, 8, 11}) {
    for (const Index n : {1, 3, 16, 17, 100}) {
      for (const bool diagonal : {false, true}) {
        compare<double>(d, n, diagonal, 1e-13);
        compare<float>(d, n, diagonal, 2e-5);
      }
    }
  }
}
