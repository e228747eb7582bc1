#include "emulsion/testing/term_laws.hpp"

#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/inference/seed.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

template <class C, class X>
void laws(const std::string& name, const C& prototype, const X& x, std::uint64_t seed, bool interior = true) {
  Rng rng(seed);
  const typename C::Data view(x);
  const auto start = emulsion::seed(prototype, 3, view, rng);
  check_laws(name, testing::term_laws(start.bank(), view, seed, {.interior = interior}));
  check_laws(name + ", gate", testing::term_laws(start.gate(), view, seed, {.gate = true}));
}

}  // namespace

TEST_CASE("the laws of a term: components of every family, and constant weights") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
      const std::string name = "Gaussian " + std::string(to_string(structure));
      laws(name, Gaussian(3, structure), clouds<double>(3, 90, rng), seed);
      laws(name + ", floor", Gaussian(3, structure, 0.5), clouds<double>(3, 90, rng), seed, false);
      laws(name + ", float", BasicGaussian<float>(2, structure), clouds<float>(2, 90, rng), seed);
      laws(name + ", fixed", BasicGaussian<double, 2>(2, structure), clouds<double, 2>(2, 90, rng), seed);
    }
    laws("Poisson", Poisson(2), counts<double>(2, 90, rng), seed);
    laws("Poisson, float", BasicPoisson<float>(2), counts<float>(2, 90, rng), seed);
    laws("Categorical", Categorical(std::vector<Index>{2, 3, 4}), answers<double>(3, 90, rng), seed);
  }
}
