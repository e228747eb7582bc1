#include "emulsion/testing/posterior_laws.hpp"

#include "emulsion/distributions/categorical_dirichlet.hpp"
#include "emulsion/distributions/normal_wishart.hpp"
#include "emulsion/distributions/poisson_gamma.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

TEST_CASE("the laws of a posterior: Normal-Wishart") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
      for (const Index d : {1, 3}) {
        const Eigen::MatrixXd x = clouds<double>(d, 40, rng);
        Eigen::MatrixXd inverse_scale = Eigen::MatrixXd::Identity(d, d) * (1 + 5 * rng.uniform());
        if (!is_diagonal(structure)) inverse_scale += 0.3 * Eigen::MatrixXd::Ones(d, d);
        const double beta = rng.exponential() + 0.01, nu = static_cast<double>(d) - 0.9 + 4 * rng.uniform();
        const NormalWishart prior(x.col(0), beta, nu, inverse_scale, structure);
        const std::string name = "Normal-Wishart " + std::string(to_string(structure));
        check_laws(name, testing::posterior_laws(prior, x, seed));
        check_laws(name + ", in a frame", testing::posterior_laws(prior.in(prior.frame_for(x)), x, seed));
      }
    }
  }
}

TEST_CASE("the laws of a posterior: discrete families") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    const PoissonGamma rates(Eigen::Vector2d(0.2 + rng.exponential(), 3), 0.1 + rng.exponential());
    check_laws("Gamma", testing::posterior_laws(rates, counts<double>(2, 40, rng), seed));
    const double a = 0.1 + rng.exponential();
    const CategoricalDirichlet shares({Eigen::VectorXd::Constant(2, a), Eigen::VectorXd::Constant(3, 2 * a)});
    check_laws("Dirichlet", testing::posterior_laws(shares, answers<double>(2, 40, rng), seed));
  }
}
