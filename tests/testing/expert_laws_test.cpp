// Mixtures of linear experts under the laws of every mixture of experts, and broken experts that the laws catch.
#include "emulsion/testing/expert_laws.hpp"

#include "emulsion/mixture_of_experts.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Two lines (planes) of q responses on p covariates of different units, away from zero.
Regression lines(Index p, Index q, Index n, Rng& rng) {
  MatrixXd x(p, n), y(q, n);
  for (Index i = 0; i < n; ++i) {
    double sum = 0;
    for (Index j = 0; j < p; ++j) {
      const double z = rng.normal();
      sum += z;
      x(j, i) = std::pow(10.0, static_cast<double>(j)) * (z + 3);
    }
    const bool first = rng.uniform() < 1 / (1 + std::exp(-0.3 - 0.8 * sum));
    for (Index r = 0; r < q; ++r) {
      const double own = static_cast<double>(r) + (first ? 2 + 1.5 * sum : -1 - sum);
      y(r, i) = 100 + 5 * (own + (first ? 0.4 : 0.7) * rng.normal());
    }
  }
  return Regression(std::move(x), std::move(y));
}

template <class Gate>
MixtureOfExperts<Gate, LinearExpert> experts(const Gate& gate, Index p, Index q, Covariance structure) {
  const std::vector<LinearExpert> all(static_cast<std::size_t>(gate.size()), LinearExpert(p, q, structure));
  return MixtureOfExperts<Gate, LinearExpert>(gate, Components<LinearExpert>(all));
}

}  // namespace

TEST_CASE("the laws of a mixture of experts: linear experts under every gate") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    const Regression simple = lines(1, 1, 250, rng), several = lines(2, 2, 250, rng);
    for (const auto structure : {Covariance::full, Covariance::tied}) {
      const std::string name = "linear experts, " + std::string(to_string(structure));
      check_laws(name + ", constant gate",
                 testing::expert_laws(experts(ConstantGate(2), 1, 1, structure), simple, seed));
      check_laws(name + ", softmax gate", testing::expert_laws(experts(SoftmaxGate(2, 1), 1, 1, structure), simple,
                                                               seed, {.exact_gate = false}));
      check_laws(name + ", Gaussian gate, q = 2", testing::expert_laws(experts(GaussianGate(2, 2), 2, 2, structure),
                                                                       several, seed, {.conditional = false}));
    }
  }
}
