#pragma once
#include <utility>

#include "emulsion/inference/seed.hpp"
#include "emulsion/models/variational_mixture.hpp"

namespace emulsion {

/// A variational mixture to start a fit from: as seed() starts a mixture of the prior's, and the gate's posterior of
/// its weights; of a gate on covariates, as seed() starts a mixture with that gate.
///
/// @throws InvalidArgument  for options that do not fit and data that the family cannot have produced, before any work
template <class Gate, class Posterior, Observations D>
VariationalMixture<typename Posterior::Member, Gate> seed_variational(const Posterior& prior, const Gate& gate,
                                                                      const D& x, Rng& rng,
                                                                      const SeedOptions& options = {}) {
  using Model = VariationalMixture<typename Posterior::Member, Gate>;
  if constexpr (GatePosterior<Gate>) {
    const typename Model::Parameters prototype = Model(gate, prior);
    const auto seeded = seed(prototype, x, rng, options);
    return Model(seeded.gate(), seeded.bank());
  } else {
    const auto seeded = seed(prior.as_prior(), gate.size(), x, rng, options);
    Gate start = gate;
    gate.maximize({seeded.weights() * x.total_weight()}, start);
    return Model(std::move(start), seeded.bank());
  }
}

/// Of a matrix, one observation per column.
template <class Gate, class Posterior, class Derived>
VariationalMixture<typename Posterior::Member, Gate> seed_variational(const Posterior& prior, const Gate& gate,
                                                                      const Eigen::MatrixBase<Derived>& x, Rng& rng,
                                                                      const SeedOptions& options = {}) {
  return seed_variational(prior, gate, typename Posterior::Data(x.derived()), rng, options);
}

}  // namespace emulsion
