#include "emulsion/testing/em_laws.hpp"

#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/inference/seed.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

template <class C, class X>
void laws(const std::string& name, const C& prototype, Index components, const X& x, std::uint64_t seed,
          const EmOptions& options = {}) {
  Rng rng(seed);
  const typename C::Data view(x);
  const auto start = emulsion::seed(prototype, components, view, rng, {.start = Start::random_means, .width = 0.7});
  check_laws(name, testing::em_laws(start, view, seed, options));
}

}  // namespace

TEST_CASE("the laws of em: Gaussian mixtures") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
      const std::string name = "Gaussian " + std::string(to_string(structure));
      laws(name, Gaussian(2, structure), 2, clouds<double>(2, 200, rng), seed);
      laws(name + ", floor", Gaussian(2, structure, 0.5), 3, clouds<double>(2, 150, rng), seed);
      laws(name + ", float", BasicGaussian<float>(3, structure), 2, clouds<float>(3, 150, rng), seed);
      laws(name + ", fixed", BasicGaussian<double, 2>(2, structure), 2, clouds<double, 2>(2, 150, rng), seed);
    }
    laws("Gaussian, slow", Gaussian(1), 3, clouds<double>(1, 120, rng), seed);
  }
}

TEST_CASE("the laws of em: discrete mixtures") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    laws("Poisson", Poisson(2), 2, counts<double>(2, 150, rng), seed);
    laws("Poisson, float", BasicPoisson<float>(1), 2, counts<float>(1, 150, rng), seed);
    laws("Categorical", Categorical(std::vector<Index>{2, 3, 4, 5}), 2, answers<double>(4, 200, rng), seed);
  }
}

TEST_CASE("em gives the same bits on 1, 2 and 7 threads, with work for all seven") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    const Eigen::MatrixXd x = clouds<double>(2, 4000, rng);
    const auto structure = seed % 2 == 0 ? Covariance::full : Covariance::tied;
    laws("em", Gaussian(2, structure), 2, x, seed, {.max_iterations = 20, .block = 64});
  }
}

TEST_CASE("converged is the truth where EM crawls: a narrow component inside wide ones") {
  // The rate of plain EM is 0.99994 here.
  Rng rng(4);
  clouds<double>(2, 150, rng), clouds<double>(5, 200, rng), clouds<double>(1, 120, rng), clouds<double>(2, 150, rng);
  clouds<float>(3, 150, rng), clouds<double>(2, 150, rng), clouds<double>(2, 150, rng), clouds<double>(5, 200, rng);
  laws("four components", Gaussian(1, Covariance::diagonal), 4, clouds<double>(1, 120, rng), 4);
}
