#pragma once
#include "emulsion/inference/em.hpp"
#include "emulsion/testing/laws.hpp"

namespace emulsion::testing {

/// A model that goes wrong: from its second iteration on, the objective is `by` lower than the true one, or NaN.
template <class M>
struct Spoilt : M {
  double by = 0;
  int step = 0;
  Spoilt(const M& model, double fall) : M(model), by(fall) {}
  void maximize(const typename M::Statistics& s, Spoilt& next) const {
    M::maximize(s, next);
    next.by = by;
    next.step = step + 1;
  }
  double objective(const typename M::Statistics& s) const { return M::objective(s) - (step >= 2 ? by : 0.0); }
};

/// Every law of the driver em() for one start and data, broken ones as sentences:
///
/// - the trace never falls; the reported objective is the returned model's own; the model is never worse than the
/// start;
/// - 1, 2 and 7 threads give the same bits (of 7 only with 3072 observations or more);
/// - `converged` is true: as many plain EM iterations again, and 500 more, gain less than the tolerance;
/// - a model whose objective falls, by 1e-7 of its value at the limit, ends with `objective_fell`, one that becomes NaN
/// with `failed`,
///   and the model before is kept; the progress callback stops.
template <class M>
std::vector<std::string> em_laws(const M& start, const typename M::Data& x, std::uint64_t seed,
                                 EmOptions options = {}) {
  Findings findings(seed);
  const auto fit = em(start, x, options);
  const auto& trace = fit.report.trace;
  const double objective = fit.report.objective,
               rounding = 1e-13 * (static_cast<double>(x.size()) + std::abs(objective));
  for (std::size_t i = 1; i < trace.size(); ++i) {
    findings.expect_at_most(trace[i - 1], trace[i], rounding, "em never lowers the objective");
  }
  findings.expect_near(fit.model.log_likelihood(x), objective, rounding, "the report's objective is the model's own");
  findings.expect_at_most(start.log_likelihood(x), objective, rounding, "a fit is never worse than its start");
  findings.expect(fit.report.status != Status::objective_fell && fit.report.status != Status::failed,
                  "em does not fail on the data given", "it ended with ", to_string(fit.report.status));
  for (const int threads : {2, 7}) {
    EmOptions parallel = options;
    parallel.threads = threads;
    const auto other = em(start, x, parallel);
    findings.expect(other.report.trace == trace && identical(other.model.log_density(x), fit.model.log_density(x)),
                    "1, 2 and 7 threads give the same bits", threads, " threads differ");
  }

  if (fit.report.status == Status::converged) {
    EmOptions more = options;
    more.acceleration = Acceleration::none;
    more.tolerance = 1e-300;
    more.max_iterations = 500 + fit.report.iterations;
    const double gain = em(fit.model, x, more).report.objective - objective;
    findings.expect_at_most(gain, options.tolerance * x.total_weight(), rounding,
                            "converged: what is left to gain is below the tolerance");
  }
  EmOptions short_run = options;
  short_run.max_iterations = std::max<Index>(1, fit.report.iterations / 4);
  const auto early = em(start, x, short_run);
  findings.expect(early.report.status != Status::converged ||
                      early.report.objective >= objective - options.tolerance * x.total_weight() - rounding,
                  "converged is claimed only at the limit", "it was at ", early.report.objective, " below ", objective);

  const double fall = (fit.report.status == Status::converged ? 1e-7 : 0.5) * (1 + std::abs(objective));
  const auto fallen = em(Spoilt<M>(fit.model, fall), x, options);
  findings.expect(fallen.report.status == Status::objective_fell, "a fall of the objective is noticed",
                  "the status was ", to_string(fallen.report.status));
  findings.expect_at_most(objective - rounding, fallen.report.objective, rounding, "the model before a fall is kept");
  findings.expect(fallen.model.step < 2, "the model before a fall is kept", "it is that of iteration ",
                  fallen.model.step);
  const auto failed = em(Spoilt<M>(fit.model, std::numeric_limits<double>::quiet_NaN()), x, options);
  findings.expect(
      failed.report.status == Status::failed && std::isfinite(failed.report.objective) && failed.model.step < 2,
      "an objective of NaN ends the fit with the model before", "the status was ", to_string(failed.report.status));

  EmOptions watched = options;
  watched.progress = [](const Report& report) { return report.iterations < 2; };
  const auto stopped = em(start, x, watched);
  findings.expect(stopped.report.status == Status::stopped || fit.report.iterations <= 2, "progress can stop a fit",
                  "the status was ", to_string(stopped.report.status));
  return std::move(findings).broken();
}

}  // namespace emulsion::testing
