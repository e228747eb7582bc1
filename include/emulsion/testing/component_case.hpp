#pragma once
#include "emulsion/models/components.hpp"
#include "emulsion/testing/laws.hpp"
#include "emulsion/testing/probability_laws.hpp"

namespace emulsion::testing {

struct ComponentLaws {
  Index observations = 60;
  Support support = Support::real;
  bool exact_maximize = true;  ///< maximize() finds the optimum; false: a point not worse (a local step)
  double total = 1e-6;         ///< how near to one the density must integrate; one with an edge needs more
  bool interior = true;        ///< fits lie clear of the bounds of the parameters, so that unpack() must take them
  bool latent = false;  ///< statistics are expectations of latent variables under the parameters that gather them
};

/// What the laws of one component are about: theta its parameters, x(1), ..., x(n) data, w weights, s(w) the
/// statistics, M(s) what maximize() makes of them, and Q(theta; w) = sum_i w_i log p(x_i | theta).
template <Component C, class Generate>
struct ComponentCase {
  using Member = C;
  using Data = typename C::Data;
  using Statistics = typename C::Statistics;
  using Kept = std::remove_cvref_t<std::invoke_result_t<const Generate&, Index, Rng&>>;

  ComponentCase(const C& prototype, const Generate& generate, std::uint64_t seed, const ComponentLaws& laws)
      : options(laws), rng(seed), kept(generate(laws.observations, rng)), x(kept), n(x.size()), start(prototype),
        findings(seed) {
    if constexpr (FramedComponent<C>) start = start.in(start.frame_for(x));
    w = random_weights(n, rng);
    s = learnt(x, w);
    fitted = maximized(s);
  }
  ComponentCase(const ComponentCase&) = delete;
  ComponentCase& operator=(const ComponentCase&) = delete;

  Statistics learnt(const Data& data, const Eigen::VectorXd& weight) const {
    Statistics result = start.statistics();
    add(data, weight, result);
    return result;
  }
  void add(const Data& data, const Eigen::VectorXd& weight, Statistics& to) const {
    read(start, data, [&](auto& block) { start.accumulate(block, weight, to); });
  }
  C maximized(const Statistics& from) const {
    C next = start;
    start.maximize(from, next);
    return next;
  }
  double q(const C& c, const Eigen::VectorXd& weight) const {
    const Eigen::VectorXd p = log_density(c, x);
    double total = 0;
    for (Index i = 0; i < n; ++i) total += weight(i) != 0 ? weight(i) * p(i) : 0.0;
    return total;
  }
  /// How far Q may seem to be off by rounding.
  double rounding(const Eigen::VectorXd& weight) const {
    const Eigen::VectorXd p = log_density(fitted, x);
    double total = 1;
    for (Index i = 0; i < n; ++i) total += weight(i) != 0 ? weight(i) * (1 + std::abs(p(i))) : 0.0;
    return 1e-13 * total;
  }
  void expect_same(const Statistics& a, const Statistics& b, const char* law) {
    if constexpr (Visitable<Statistics>) {
      const double distance = Numbers::of(a).distance(Numbers::of(b));
      findings.expect(distance <= 1e-12, law, "the statistics differ by ", distance, " of their size");
    }
    const double difference = largest_difference(log_density(maximized(a), x), log_density(maximized(b), x));
    findings.expect(difference <= 1e-10, law, "the log densities differ by ", difference);
  }
  void expect_same_bits(const Statistics& a, const Statistics& b, const char* law) {
    if constexpr (Visitable<Statistics>) {
      findings.expect(Numbers::of(a).same_bits(Numbers::of(b)), law, "the statistics differ");
    }
    findings.expect(identical(log_density(maximized(a), x), log_density(maximized(b), x)), law,
                    "the log densities differ");
  }

  ComponentLaws options;
  Rng rng;
  Kept kept;
  Data x;
  Index n;
  C start;
  Eigen::VectorXd w;
  Statistics s = start.statistics();
  C fitted = start;
  Findings findings;
};

}  // namespace emulsion::testing
