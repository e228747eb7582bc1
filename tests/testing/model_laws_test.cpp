#include "emulsion/testing/model_laws.hpp"

#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/inference/seed.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

template <class C, class X>
void laws(const std::string& name, const C& prototype, Index components, const X& x, std::uint64_t seed,
          const testing::ModelLaws& options = {}) {
  Rng rng(seed);
  const typename C::Data view(x);
  const auto start = emulsion::seed(prototype, components, view, rng, {.start = Start::random_means, .width = 0.7});
  check_laws(name, testing::model_laws(start, view, seed, options));
}

}  // namespace

TEST_CASE("the laws of a model: Gaussian mixtures") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
      const std::string name = "Gaussian " + std::string(to_string(structure));
      laws(name, Gaussian(2, structure), 3, clouds<double>(2, 150, rng), seed);
      laws(name + ", d = 5", Gaussian(5, structure), 2, clouds<double>(5, 200, rng), seed);
      laws(name + ", one", Gaussian(1, structure), 4, clouds<double>(1, 120, rng), seed);
      laws(name + ", floor", Gaussian(2, structure, 0.5), 3, clouds<double>(2, 150, rng), seed);
      laws(name + ", float", BasicGaussian<float>(3, structure), 3, clouds<float>(3, 150, rng), seed);
      laws(name + ", fixed", BasicGaussian<double, 2>(2, structure), 3, clouds<double, 2>(2, 150, rng), seed);
    }
  }
}

TEST_CASE("the laws of a model: discrete mixtures") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    const testing::ModelLaws options{.far = false};
    laws("Poisson", Poisson(2), 3, counts<double>(2, 150, rng), seed, options);
    laws("Poisson, float", BasicPoisson<float>(1), 2, counts<float>(1, 150, rng), seed, options);
    laws("Poisson, fixed", BasicPoisson<double, 2>(2), 2, counts<double, 2>(2, 150, rng), seed, options);
    laws("Categorical", Categorical(std::vector<Index>{2, 3, 4, 5}), 2, answers<double>(4, 200, rng), seed, options);
    laws("Categorical, float", BasicCategorical<float>(std::vector<Index>{2, 3, 4, 5}), 2, answers<float>(4, 200, rng),
         seed, options);
  }
}
