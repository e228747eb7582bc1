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
};

/// The laws of one component, with theta its parameters, x(1), ..., x(n) data, w weights, s(w) the statistics, M(s)
/// what maximize() makes of them, and Q(theta; w) = sum_i w_i log p(x_i | theta).
template <Component C, class Generate>
class ComponentSuite {
 public:
  using Data = typename C::Data;
  using Statistics = typename C::Statistics;

  ComponentSuite(const C& prototype, const Generate& generate, std::uint64_t seed, const ComponentLaws& options)
      : options_(options), rng_(seed), kept_(generate(options.observations, rng_)), x_(kept_), n_(x_.size()),
        start_(prototype), findings_(seed) {
    if constexpr (FramedComponent<C>) start_ = start_.in(start_.frame_for(x_));
    w_ = random_weights(n_, rng_);
    s_ = learnt(x_, w_);
    fitted_ = maximized(s_);
  }

  std::vector<std::string> operator()() {
    density();
    monoid();
    weights();
    maximum();
    border_cases();
    if constexpr (Components<C>::charted) chart();
    if constexpr (FramedComponent<C>) frames();
    if constexpr (PointData<Data>) {
      views();
      if constexpr (requires(const C& c, Rng& rng) { c.sample(rng); }) {
        total_probability(fitted_, options_.support, options_.total, rng_, findings_);
        sampling(fitted_, options_.support, options_.total, rng_, findings_);
        recovery();
      }
    }
    return std::move(findings_).broken();
  }

 private:
  // --- in one line each -------------------------------------------------------------------------------------------------

  Statistics learnt(const Data& x, const Eigen::VectorXd& w) const {
    Statistics s = start_.statistics();
    add(x, w, s);
    return s;
  }
  void add(const Data& x, const Eigen::VectorXd& w, Statistics& s) const {
    read(start_, x, [&](auto& block) { start_.accumulate(block, w, s); });
  }
  C maximized(const Statistics& s) const {
    C next = start_;
    start_.maximize(s, next);
    return next;
  }
  double q(const C& c, const Eigen::VectorXd& w) const {
    const Eigen::VectorXd p = log_density(c, x_);
    double total = 0;
    for (Index i = 0; i < n_; ++i) total += w(i) != 0 ? w(i) * p(i) : 0.0;
    return total;
  }
  /// How far Q may seem to be off by rounding.
  double rounding(const Eigen::VectorXd& w) const {
    const Eigen::VectorXd p = log_density(fitted_, x_);
    double total = 1;
    for (Index i = 0; i < n_; ++i) total += w(i) != 0 ? w(i) * (1 + std::abs(p(i))) : 0.0;
    return 1e-13 * total;
  }
  void expect_same(const Statistics& a, const Statistics& b, const char* law) {
    if constexpr (Visitable<Statistics>) {
      const double distance = Numbers::of(a).distance(Numbers::of(b));
      findings_.expect(distance <= 1e-12, law, "the statistics differ by ", distance, " of their size");
    }
    const double difference = largest_difference(log_density(maximized(a), x_), log_density(maximized(b), x_));
    findings_.expect(difference <= 1e-10, law, "the log densities differ by ", difference);
  }
  void expect_same_bits(const Statistics& a, const Statistics& b, const char* law) {
    if constexpr (Visitable<Statistics>) {
      findings_.expect(Numbers::of(a).same_bits(Numbers::of(b)), law, "the statistics differ");
    }
    findings_.expect(identical(log_density(maximized(a), x_), log_density(maximized(b), x_)), law,
                     "the log densities differ");
  }

  // --- the laws -----------------------------------------------------------------------------------------------------------

  void density() {
    const Eigen::VectorXd p = log_density(fitted_, x_);
    findings_.expect(!has_nan(p), "a log density is never NaN", "it is NaN for an observation of the data");
    for (Index i = 0; i < n_; ++i) {
      findings_.expect(w_(i) == 0 || std::isfinite(p(i)), "what a component learnt from has a positive density",
                       "observation ", i, " has log density ", p(i));
    }
    Eigen::VectorXd out(n_);
    for (Index i = 0; i < n_; ++i) out(i) = 0.5 * static_cast<double>(i % 7) - 1;
    read(fitted_, x_, [&](auto& block) { fitted_.log_density(block, out); });
    double worst = 0;
    for (Index i = 0; i < n_; ++i) {
      if (!std::isfinite(p(i))) continue;
      worst = std::max(worst, std::abs(out(i) - p(i) - 0.5 * static_cast<double>(i % 7) + 1) / (1 + std::abs(p(i))));
    }
    findings_.expect(worst <= 1e-13, "log_density adds to what it is given: out(i) += log p(x_i)", "it is off by ",
                     worst);
    Index first = 0;
    for (const Index end : random_cuts(n_, rng_)) {
      const Eigen::VectorXd part = log_density(fitted_, x_.slice(first, end - first));
      findings_.expect(largest_difference(part, p.segment(first, end - first)) <= 1e-13,
                       "the density of an observation does not depend on its block", "from observation ", first);
      first = end;
    }
  }

  void monoid() {
    const Index a = 1 + static_cast<Index>(rng_.below(static_cast<std::uint64_t>(n_ - 2)));
    const Index b = a + 1 + static_cast<Index>(rng_.below(static_cast<std::uint64_t>(n_ - a - 1)));
    const Statistics zero = start_.statistics();
    Statistics first = zero, second = zero, third = zero;
    add(x_.slice(0, a), w_.head(a), first);
    add(x_.slice(a, b - a), w_.segment(a, b - a), second);
    add(x_.slice(b, n_ - b), w_.tail(n_ - b), third);

    Statistics left = first, right = second;
    left += second;
    expect_same(
        left,
        [&] {
          auto s = second;
          s += first;
          return s;
        }(),
        "merging is commutative: a + b = b + a");
    left += third;
    right += third;
    Statistics whole = first;
    whole += right;
    expect_same(left, whole, "merging is associative: (a + b) + c = a + (b + c)");
    expect_same(left, s_, "the statistics of any split of the data merge to those of the whole");

    Statistics sum = s_;
    sum += zero;
    expect_same_bits(sum, s_, "zero is neutral: s + 0 = s");
    sum = zero;
    sum += s_;
    expect_same(sum, s_, "zero is neutral: 0 + s = s");
    sum = s_;
    sum *= 0.0;
    if constexpr (Visitable<Statistics>) {
      findings_.expect(Numbers::of(sum).same_bits(Numbers::of(zero)), "s * 0 is the zero", "a number is left");
    }
    sum += second;
    expect_same(sum, second, "s * 0 is the zero");
    sum = s_;
    sum *= 0.5;
    Statistics half = sum;
    sum += half;
    expect_same(sum, s_, "scaling distributes: s/2 + s/2 = s");
    for (const double c : {1e-3, 7.0, 1e6}) {
      sum = s_;
      sum *= c;
      const double difference = largest_difference(log_density(maximized(sum), x_), log_density(fitted_, x_));
      findings_.expect(!options_.exact_maximize || difference <= 1e-11,
                       "the maximum does not depend on scale: M(c s) = M(s)", "c = ", c, " changes it by ", difference);
    }

    Statistics copy = s_;
    copy += first;
    expect_same_bits(s_, learnt(x_, w_), "a copy of statistics is independent of the original");

    Statistics pieces = zero;
    Index from = 0;
    for (const Index end : random_cuts(n_, rng_)) {
      add(x_.slice(from, end - from), w_.segment(from, end - from), pieces);
      from = end;
    }
    expect_same(pieces, s_, "the statistics do not depend on the blocks in which data arrive");
    Statistics ordered = zero;
    for (const Index i : shuffled(n_, rng_)) add(x_.slice(i, 1), w_.segment(i, 1), ordered);
    expect_same(ordered, s_, "the order of observations does not matter");
  }

  void weights() {
    const Eigen::VectorXd count = random_counts(n_, rng_);
    Statistics repeats = start_.statistics();
    for (const Index i : repeated(count)) add(x_.slice(i, 1), Eigen::VectorXd::Ones(1), repeats);
    expect_same(learnt(x_, count), repeats, "a weight of two is the observation twice");

    Statistics s = s_;
    add(x_, Eigen::VectorXd::Zero(n_), s);
    expect_same_bits(s, s_, "an observation of weight zero leaves no trace");
    Statistics positive = start_.statistics();
    for (Index i = 0; i < n_; ++i) {
      if (w_(i) > 0) add(x_.slice(i, 1), w_.segment(i, 1), positive);
    }
    expect_same(positive, s_, "an observation of weight zero leaves no trace");
    if constexpr (requires(const Data& x, std::vector<Index> chosen) {
                    { x.gather(chosen) } -> std::same_as<Data>;
                  }) {
      std::vector<Index> other;
      for (Index i = 0; i < n_; ++i)
        other.push_back(w_(i) > 0 ? i : static_cast<Index>(rng_.below(static_cast<std::uint64_t>(n_))));
      expect_same_bits(learnt(x_.gather(other), w_), s_, "an observation of weight zero leaves no trace");
    }
  }

  void maximum() {
    const double best = q(fitted_, w_), slack = rounding(w_);
    findings_.expect_at_most(q(start_, w_), best, slack, "maximize never lowers Q(theta; w)");
    const C again = [&] {
      C next = fitted_;
      fitted_.maximize(s_, next);
      return next;
    }();
    findings_.expect_at_most(best, q(again, w_), slack, "maximize never lowers Q(theta; w)");

    C used = start_;
    start_.maximize(learnt(x_, random_weights(n_, rng_)), used);  // other parameters to write over
    start_.maximize(s_, used);
    findings_.expect(identical(log_density(used, x_), log_density(fitted_, x_)),
                     "maximize(s, next) writes all of next and reads none of it", "old parameters of next are left");
    if (!options_.exact_maximize) return;
    // Maxima of other weights and, with a chart, parameters near the optimum.
    for (double h = 0.3; h > 1e-5; h /= 4) {
      for (int sign = -1; sign <= 1; sign += 2) {
        Eigen::VectorXd w = w_;
        for (Index i = 0; i < n_; ++i) w(i) *= 1 + sign * h * rng_.uniform();
        findings_.expect_at_most(q(maximized(learnt(x_, w)), w_), best, slack,
                                 "maximize finds the maximum of Q(theta; w)");
        if constexpr (Components<C>::charted) {
          Components<C> near(std::vector<C>(1, fitted_));
          Eigen::VectorXd v(near.parameters());
          Index at = 0;
          near.pack(v, at);
          for (Index j = 0; j < v.size(); ++j) v(j) += h * rng_.normal();
          at = 0;
          if (!near.unpack(v, at)) continue;
          findings_.expect_at_most(q(near[0], w_), best, slack, "maximize finds the maximum of Q(theta; w)");
        }
      }
    }
  }

  void border_cases() {
    const Statistics zero = start_.statistics();
    C next = start_;
    fitted_.maximize(zero, next);
    findings_.expect(identical(log_density(next, x_), log_density(fitted_, x_)),
                     "empty statistics leave the parameters as they were", "they changed");
    C copy = fitted_;
    copy.maximize(learnt(x_.slice(0, 1), Eigen::VectorXd::Ones(1)), copy);
    findings_.expect(identical(log_density(next, x_), log_density(fitted_, x_)),
                     "a copy of a component is independent of the original", "the original changed");

    const Eigen::VectorXd one = Eigen::VectorXd::Ones(1);
    Statistics same = zero;
    for (int i = 0; i < 5; ++i) add(x_.slice(0, 1), one, same);
    for (const double weight : {1.0, 1e-8, 1e-200, 1e-310, 1e200}) {
      Statistics s = zero;
      add(x_.slice(0, 1), weight * one, s);
      findings_.expect(!has_nan(log_density(maximized(s), x_)), "one observation never makes NaN", "weight ", weight);
    }
    findings_.expect(!has_nan(log_density(maximized(same), x_)), "equal observations never make NaN", "it does");
    for (const double c : {1e-320, 1e-200, 1e100}) {
      Statistics s = s_;
      s *= c;
      findings_.expect(!has_nan(log_density(maximized(s), x_)), "tiny and huge weights never make NaN", "s * ", c);
    }
  }

  void chart() {
    Components<C> one(std::vector<C>(1, fitted_)), other(std::vector<C>(1, start_));
    Eigen::VectorXd v(one.parameters()), u(one.parameters());
    Index at = 0;
    one.pack(v, at);
    findings_.expect(at == one.parameters(), "pack writes parameters() numbers", at, " of ", one.parameters());
    at = 0;
    const bool taken = other.unpack(v, at);
    findings_.expect(taken || !options_.interior, "unpack takes what pack wrote", "it refused it");
    if (!taken) return;
    findings_.expect(at == v.size(), "unpack takes what pack wrote", "it took ", at, " of ", v.size(), " numbers");
    const double difference = largest_difference(log_density(other[0], x_), log_density(fitted_, x_));
    findings_.expect(difference <= 1e-12, "unpack(pack(theta)) = theta", "log densities differ by ", difference);
    at = 0;
    other.pack(u, at);
    findings_.expect(largest_difference(u, v) <= 1e-13, "pack(unpack(v)) = v", "by ", largest_difference(u, v));
    at = 0;
    v.setConstant(std::numeric_limits<double>::quiet_NaN());
    findings_.expect(!other.unpack(v, at), "unpack refuses NaN", "it took it");
  }

  void frames() {
    if constexpr (FramedComponent<C>) {
      const auto frame = start_.frame_for(x_.slice(n_ / 2, n_ - n_ / 2));
      const double difference = largest_difference(log_density(fitted_.in(frame), x_), log_density(fitted_, x_));
      findings_.expect(difference <= 1e-11, "a component in another frame is the same distribution",
                       "log densities differ by ", difference);
    }
  }

  void views() {
    if constexpr (PointData<Data>) {
      using Scalar = typename Data::Scalar;
      using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;
      const Index d = x_.dimension();
      Matrix column(d, n_), row(n_, d), sparse(2 * d + 1, 3 * n_);
      sparse.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
      for (Index i = 0; i < n_; ++i) {
        for (Index j = 0; j < d; ++j) column(j, i) = row(i, j) = sparse(2 * j + 1, 3 * i) = x_(j, i);
      }
      const Data views[] = {Data::of(column, false), Data::of(row, true),
                            Data(sparse.data() + 1, d, n_, 2, 3 * sparse.rows()), x_.with_weights(w_.data(), n_)};
      const char* names[] = {"columns", "rows", "strides", "weights in the view"};
      for (std::size_t v = 0; v < 4; ++v) {
        const double difference = largest_difference(log_density(fitted_, views[v]), log_density(fitted_, x_));
        findings_.expect(difference <= 1e-13, "the layout of data does not matter to a density", names[v], ": ",
                         difference);
        expect_same(learnt(views[v], w_), s_, "the layout of data does not matter to statistics");
      }
    }
  }

  /// 2 (Q(M(s)) - Q(theta)) for a sample of theta is chi-squared with as many degrees of freedom as parameters (Wilks,
  /// 1938), where theta is not on the border; less there.
  void recovery() {
    if constexpr (PointData<Data>) {
      const Index n = 2000;
      typename Data::Matrix kept(x_.dimension(), n);
      for (Index i = 0; i < n; ++i) {
        const Eigen::VectorXd draw = fitted_.sample(rng_);
        for (Index j = 0; j < draw.size(); ++j) kept(j, i) = static_cast<typename Data::Scalar>(draw(j));
      }
      const Data x(kept);
      const C found = maximized(learnt(x, Eigen::VectorXd::Ones(n)));
      const Eigen::VectorXd before = log_density(fitted_, x), after = log_density(found, x);
      double ratio = 0;
      for (Index i = 0; i < n; ++i) ratio += 2 * (after(i) - before(i));
      const auto freedom = static_cast<double>(fitted_.free_parameters());
      findings_.expect(
          ratio <= freedom + 8 * std::sqrt(2 * freedom) + 20 && (ratio >= -1e-8 || !options_.exact_maximize),
          "maximize on a sample finds the parameters that were sampled (Wilks)", "twice the log likelihood ratio is ",
          ratio, " for ", freedom, " parameters");
    }
  }

  using Kept = std::remove_cvref_t<std::invoke_result_t<const Generate&, Index, Rng&>>;

  ComponentLaws options_;
  Rng rng_;
  Kept kept_;
  Data x_;
  Index n_;
  C start_;
  Eigen::VectorXd w_;
  Statistics s_ = start_.statistics();
  C fitted_ = start_;
  Findings findings_;
};

/// Every law of a component, broken ones as sentences:
///
/// - density: added to what is given; the same in every block and layout of memory; never NaN; sums to one over the
///   support; agrees with sample(), whose moments of bounded functions are those of the density;
/// - statistics: a commutative monoid (a + b = b + a, (a + b) + c = a + (b + c), s + 0 = s), s * 0 = 0, the same for
/// every
///   split, order and layout of the data; weight two is the observation twice, weight zero leaves no bit;
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
  return ComponentSuite<C, Generate>(prototype, generate, seed, options)();
}

}  // namespace emulsion::testing
