#pragma once
#include "emulsion/testing/component_case.hpp"
#include "emulsion/testing/statistics_laws.hpp"

namespace emulsion::testing {

template <class Case>
void density_laws(Case& on) {
  const Eigen::VectorXd p = log_density(on.fitted, on.x);
  on.findings.expect(!has_nan(p), "a log density is never NaN", "it is NaN for an observation of the data");
  for (Index i = 0; i < on.n; ++i) {
    on.findings.expect(on.w(i) == 0 || std::isfinite(p(i)), "what a component learnt from has a positive density",
                       "observation ", i, " has log density ", p(i));
  }
  Eigen::VectorXd out(on.n);
  for (Index i = 0; i < on.n; ++i) out(i) = 0.5 * static_cast<double>(i % 7) - 1;
  read(on.fitted, on.x, [&](auto& block) { on.fitted.log_density(block, out); });
  double worst = 0;
  for (Index i = 0; i < on.n; ++i) {
    if (!std::isfinite(p(i))) continue;
    worst = std::max(worst, std::abs(out(i) - p(i) - 0.5 * static_cast<double>(i % 7) + 1) / (1 + std::abs(p(i))));
  }
  on.findings.expect(worst <= 1e-13, "log_density adds to what it is given: out(i) += log p(x_i)", "it is off by ",
                     worst);
  Index first = 0;
  for (const Index end : random_cuts(on.n, on.rng)) {
    const Eigen::VectorXd part = log_density(on.fitted, on.x.slice(first, end - first));
    on.findings.expect(largest_difference(part, p.segment(first, end - first)) <= 1e-13,
                       "the density of an observation does not depend on its block", "from observation ", first);
    first = end;
  }
}

template <class Case>
void maximum_laws(Case& on) {
  using C = typename Case::Member;
  using Statistics = typename Case::Statistics;
  const double best = on.q(on.fitted, on.w), slack = on.rounding(on.w);
  on.findings.expect_at_most(on.q(on.start, on.w), best, slack, "maximize never lowers Q(theta; w)");
  const C again = [&] {
    C next = on.fitted;
    if (!on.options.latent) return on.fitted.maximize(on.s, next), next;
    Statistics own = on.fitted.statistics();
    read(on.fitted, on.x, [&](auto& block) { on.fitted.accumulate(block, on.w, own); });
    on.fitted.maximize(own, next);
    return next;
  }();
  on.findings.expect_at_most(best, on.q(again, on.w), slack, "maximize never lowers Q(theta; w)");

  C used = on.start;
  on.start.maximize(on.learnt(on.x, random_weights(on.n, on.rng)), used);  // other parameters to write over
  on.start.maximize(on.s, used);
  on.findings.expect(identical(log_density(used, on.x), log_density(on.fitted, on.x)),
                     "maximize(s, next) writes all of next and reads none of it", "old parameters of next are left");
  if (!on.options.exact_maximize) return;
  // Maxima of other weights and, with a chart, parameters near the optimum.
  for (double h = 0.3; h > 1e-5; h /= 4) {
    for (int sign = -1; sign <= 1; sign += 2) {
      Eigen::VectorXd w = on.w;
      for (Index i = 0; i < on.n; ++i) w(i) *= 1 + sign * h * on.rng.uniform();
      on.findings.expect_at_most(on.q(on.maximized(on.learnt(on.x, w)), on.w), best, slack,
                                 "maximize finds the maximum of Q(theta; w)");
      if constexpr (Components<C>::charted) {
        Components<C> near(std::vector<C>(1, on.fitted));
        Eigen::VectorXd v(near.parameters());
        Index at = 0;
        near.pack(v, at);
        for (Index j = 0; j < v.size(); ++j) v(j) += h * on.rng.normal();
        at = 0;
        if (!near.unpack(v, at)) continue;
        on.findings.expect_at_most(on.q(near[0], on.w), best, slack, "maximize finds the maximum of Q(theta; w)");
      }
    }
  }
}

template <class Case>
void border_laws(Case& on) {
  using C = typename Case::Member;
  using Statistics = typename Case::Statistics;
  const Statistics zero = on.start.statistics();
  C next = on.start;
  on.fitted.maximize(zero, next);
  on.findings.expect(identical(log_density(next, on.x), log_density(on.fitted, on.x)),
                     "empty statistics leave the parameters as they were", "they changed");
  C copy = on.fitted;
  copy.maximize(on.learnt(on.x.slice(0, 1), Eigen::VectorXd::Ones(1)), copy);
  on.findings.expect(identical(log_density(next, on.x), log_density(on.fitted, on.x)),
                     "a copy of a component is independent of the original", "the original changed");

  const Eigen::VectorXd one = Eigen::VectorXd::Ones(1);
  Statistics same = zero;
  for (int i = 0; i < 5; ++i) on.add(on.x.slice(0, 1), one, same);
  for (const double weight : {1.0, 1e-8, 1e-200, 1e-310, 1e200}) {
    Statistics s = zero;
    on.add(on.x.slice(0, 1), weight * one, s);
    on.findings.expect(!has_nan(log_density(on.maximized(s), on.x)), "one observation never makes NaN", "weight ",
                       weight);
  }
  on.findings.expect(!has_nan(log_density(on.maximized(same), on.x)), "equal observations never make NaN", "it does");
  for (const double c : {1e-320, 1e-200, 1e100}) {
    Statistics s = on.s;
    s *= c;
    on.findings.expect(!has_nan(log_density(on.maximized(s), on.x)), "tiny and huge weights never make NaN", "s * ", c);
  }
}

template <class Case>
void chart_laws(Case& on) {
  using C = typename Case::Member;
  Components<C> one(std::vector<C>(1, on.fitted)), other(std::vector<C>(1, on.start));
  Eigen::VectorXd v(one.parameters()), u(one.parameters());
  Index at = 0;
  one.pack(v, at);
  on.findings.expect(at == one.parameters(), "pack writes parameters() numbers", at, " of ", one.parameters());
  at = 0;
  const bool taken = other.unpack(v, at);
  on.findings.expect(taken || !on.options.interior, "unpack takes what pack wrote", "it refused it");
  if (!taken) return;
  on.findings.expect(at == v.size(), "unpack takes what pack wrote", "it took ", at, " of ", v.size(), " numbers");
  const double difference = largest_difference(log_density(other[0], on.x), log_density(on.fitted, on.x));
  on.findings.expect(difference <= 1e-12, "unpack(pack(theta)) = theta", "log densities differ by ", difference);
  at = 0;
  other.pack(u, at);
  on.findings.expect(largest_difference(u, v) <= 1e-13, "pack(unpack(v)) = v", "by ", largest_difference(u, v));
  at = 0;
  v.setConstant(std::numeric_limits<double>::quiet_NaN());
  on.findings.expect(!other.unpack(v, at), "unpack refuses NaN", "it took it");
}

template <class Case>
void frame_laws(Case& on) {
  using C = typename Case::Member;
  if constexpr (FramedComponent<C>) {
    const auto frame = on.start.frame_for(on.x.slice(on.n / 2, on.n - on.n / 2));
    const double difference = largest_difference(log_density(on.fitted.in(frame), on.x), log_density(on.fitted, on.x));
    on.findings.expect(difference <= 1e-11, "a component in another frame is the same distribution",
                       "log densities differ by ", difference);
  }
}

template <class Case>
void view_laws(Case& on) {
  using Data = typename Case::Data;
  if constexpr (PointData<Data>) {
    using Scalar = typename Data::Scalar;
    using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;
    const Index d = on.x.dimension();
    Matrix column(d, on.n), row(on.n, d), sparse(2 * d + 1, 3 * on.n);
    sparse.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
    for (Index i = 0; i < on.n; ++i) {
      for (Index j = 0; j < d; ++j) column(j, i) = row(i, j) = sparse(2 * j + 1, 3 * i) = on.x(j, i);
    }
    const Data views[] = {Data::of(column, false), Data::of(row, true),
                          Data(sparse.data() + 1, d, on.n, 2, 3 * sparse.rows()), on.x.with_weights(on.w.data(), on.n)};
    const char* names[] = {"columns", "rows", "strides", "weights in the view"};
    for (std::size_t v = 0; v < 4; ++v) {
      const double difference = largest_difference(log_density(on.fitted, views[v]), log_density(on.fitted, on.x));
      on.findings.expect(difference <= 1e-13, "the layout of data does not matter to a density", names[v], ": ",
                         difference);
      on.expect_same(on.learnt(views[v], on.w), on.s, "the layout of data does not matter to statistics");
    }
  }
}

/// 2 (Q(M(s)) - Q(theta)) for a sample of theta is chi-squared with as many degrees of freedom as parameters (Wilks,
/// 1938), where theta is not on the border; less there.
template <class Case>
void recovery_law(Case& on) {
  using C = typename Case::Member;
  using Data = typename Case::Data;
  if constexpr (PointData<Data>) {
    const Index n = 2000;
    typename Data::Matrix kept(on.x.dimension(), n);
    for (Index i = 0; i < n; ++i) {
      const Eigen::VectorXd draw = on.fitted.sample(on.rng);
      for (Index j = 0; j < draw.size(); ++j) kept(j, i) = static_cast<typename Data::Scalar>(draw(j));
    }
    const Data x(kept);
    const C found = on.maximized(on.learnt(x, Eigen::VectorXd::Ones(n)));
    const Eigen::VectorXd before = log_density(on.fitted, x), after = log_density(found, x);
    double ratio = 0;
    for (Index i = 0; i < n; ++i) ratio += 2 * (after(i) - before(i));
    const auto freedom = static_cast<double>(on.fitted.free_parameters());
    on.findings.expect(
        ratio <= freedom + 8 * std::sqrt(2 * freedom) + 20 && (ratio >= -1e-8 || !on.options.exact_maximize),
        "maximize on a sample finds the parameters that were sampled (Wilks)", "twice the log likelihood ratio is ",
        ratio, " for ", freedom, " parameters");
  }
}

/// Every law of a component, broken ones as sentences:
///
/// - density: added to what is given; the same in every block and layout of memory; never NaN; sums to one over the
///   support; agrees with sample(), whose moments of bounded functions are those of the density;
/// - statistics: a commutative monoid (a + b = b + a, (a + b) + c = a + (b + c), s + 0 = s), s * 0 = 0, the same for
///   every split, order and layout of the data; weight two is the observation twice, weight zero leaves no bit;
/// - maximize: M(c s) = M(s), Q(M(s(w)); w) >= Q(theta; w) for the parameters before and any near the optimum, empty
///   statistics keep the old parameters, all of `next` is written; a sample's fit is as near as Wilks says;
/// - charts and frames where the family has them: there and back is the same distribution; copies are independent.
///
/// @param prototype  any parameters; the family's options (a floor, a structure) are its
/// @param generate   generate(n, rng): n random observations, as C::Data or a matrix of columns
/// @return           one sentence for every law that is broken
template <Component C, class Generate>
std::vector<std::string> component_laws(const C& prototype, const Generate& generate, std::uint64_t seed,
                                        const ComponentLaws& options = {}) {
  ComponentCase<C, Generate> on(prototype, generate, seed, options);
  density_laws(on);
  monoid_laws(on);
  weight_laws(on);
  maximum_laws(on);
  border_laws(on);
  if constexpr (Components<C>::charted) chart_laws(on);
  if constexpr (FramedComponent<C>) frame_laws(on);
  if constexpr (PointData<typename C::Data>) {
    view_laws(on);
    if constexpr (requires(const C& c, Rng& rng) { c.sample(rng); }) {
      total_probability(on.fitted, options.support, options.total, on.rng, on.findings);
      sampling(on.fitted, options.support, options.total, on.rng, on.findings);
      recovery_law(on);
    }
  }
  return std::move(on.findings).broken();
}

}  // namespace emulsion::testing
