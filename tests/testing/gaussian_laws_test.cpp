#include "emulsion/testing/gaussian_laws.hpp"

#include "testing/laws.hpp"

using namespace emulsion;

namespace {

/// Random, with a condition number of about ten: a covariance is rounded by that of its own.
Eigen::MatrixXd random_map(Index d, Rng& rng, double& log_determinant) {
  Eigen::MatrixXd lower = Eigen::MatrixXd::Zero(d, d), upper = Eigen::MatrixXd::Identity(d, d);
  log_determinant = 0;
  for (Index j = 0; j < d; ++j) {
    lower(j, j) = std::exp(0.5 * rng.normal());
    log_determinant += std::log(lower(j, j));
    for (Index i = j + 1; i < d; ++i) lower(i, j) = 0.5 * lower(j, j) * rng.normal(), upper(j, i) = 0.5 * rng.normal();
  }
  return lower * upper;
}

}  // namespace

TEST_CASE("Gaussian mixtures are affine equivariant") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    const Index d = 3;
    Eigen::MatrixXd x(d, 200);
    const Eigen::MatrixXd scaled = clouds<double>(d, 200, rng);
    for (Index j = 0; j < d; ++j)
      x.row(j) = scaled.row(j) * std::pow(10.0, 2 - 2 * static_cast<double>(j));  // equal units
    const Points<> view(x);
    const Eigen::VectorXd zero = Eigen::VectorXd::Zero(d), shift = Eigen::Vector3d(100, -30, 7);
    double log_determinant = 0;
    const Eigen::MatrixXd general = random_map(d, rng, log_determinant);
    for (const auto structure : {Covariance::full, Covariance::tied}) {
      check_laws("general",
                 testing::affine_laws(Gaussian(d, structure), 3, view, general, shift, log_determinant, seed));
    }
    const Eigen::MatrixXd units = Eigen::Vector3d(0x1p-20, 0x1p-1, 0x1p30).asDiagonal();
    for (const auto structure : {Covariance::full, Covariance::tied, Covariance::diagonal}) {
      check_laws("units",
                 testing::affine_laws(Gaussian(d, structure), 3, view, units, zero, 9 * std::log(2.0), seed, 1e-12));
      const BasicGaussian<float> prototype(d, structure);
      const Eigen::MatrixXf single = x.cast<float>();
      check_laws("units, float", testing::affine_laws(prototype, 2, Points<float>(single), units, zero,
                                                      9 * std::log(2.0), seed, 1e-12));
    }
    const double angle = 6 * rng.uniform();
    Eigen::MatrixXd turned = Eigen::MatrixXd::Identity(d, d);
    turned(0, 0) = turned(2, 2) = std::cos(angle);
    turned(2, 0) = -(turned(0, 2) = std::sin(angle));
    check_laws("similarity", testing::affine_laws(Gaussian(d, Covariance::spherical), 3, view, 5 * turned, shift,
                                                  3 * std::log(5.0), seed));
    check_laws("unit", testing::affine_laws(Gaussian(d, Covariance::spherical), 3, view,
                                            0x1p-40 * Eigen::MatrixXd::Identity(d, d), zero, -120 * std::log(2.0), seed,
                                            1e-12));
  }
}

TEST_CASE("Gaussian mixtures obey the chain rule") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    const Eigen::MatrixXd x = clouds<double>(4, 80, rng);
    const Points<> view(x);
    for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
      const auto model = em(emulsion::seed(Gaussian(4, structure), 2, view, rng), view, {.max_iterations = 10}).model;
      const std::vector<Index> choices[] = {{0}, {3, 1}, {2, 0, 1}};
      for (const auto& given : choices) check_laws("chain rule", testing::chain_laws(model, given, view, seed));
    }
  }
}
