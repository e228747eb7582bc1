#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/testing/component_laws.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

template <class Scalar, int Dim>
void laws(Index d, Covariance structure, double floor = 1e-12) {
  const auto generate = [&](Index n, Rng& rng) { return clouds<Scalar, Dim>(d, n, rng); };
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    check_laws("Gaussian " + std::string(to_string(structure)) + " d = " + std::to_string(d),
               testing::component_laws(BasicGaussian<Scalar, Dim>(d, structure, floor), generate, seed,
                                       {.interior = floor < 0.1}));
  }
}
const auto structures = {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied};

}  // namespace

TEST_CASE("the laws of a component: Gaussian, double") {
  for (const Covariance structure : structures) {
    for (const Index d : {1, 2, 4, 7}) laws<double, Eigen::Dynamic>(d, structure);
  }
}

TEST_CASE("the laws of a component: Gaussian under a floor that holds eigenvalues up") {
  for (const Covariance structure : structures) laws<double, Eigen::Dynamic>(3, structure, 0.6);
}

TEST_CASE("the laws of a component: Gaussian, float data") {
  for (const Covariance structure : structures) laws<float, Eigen::Dynamic>(2, structure);
}

TEST_CASE("the laws of a component: Gaussian, fixed dimension") {
  for (const Covariance structure : structures) laws<double, 2>(2, structure);
  laws<float, 3>(3, Covariance::full);
}
