#pragma once
#include "emulsion/testing/component_case.hpp"

namespace emulsion::testing {

/// Statistics are a commutative monoid with scaling, the same for every split and order of the data.
template <class Case>
void monoid_laws(Case& on) {
  using Statistics = typename Case::Statistics;
  const Index a = 1 + static_cast<Index>(on.rng.below(static_cast<std::uint64_t>(on.n - 2)));
  const Index b = a + 1 + static_cast<Index>(on.rng.below(static_cast<std::uint64_t>(on.n - a - 1)));
  const Statistics zero = on.start.statistics();
  Statistics first = zero, second = zero, third = zero;
  on.add(on.x.slice(0, a), on.w.head(a), first);
  on.add(on.x.slice(a, b - a), on.w.segment(a, b - a), second);
  on.add(on.x.slice(b, on.n - b), on.w.tail(on.n - b), third);

  Statistics left = first, right = second;
  left += second;
  on.expect_same(
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
  on.expect_same(left, whole, "merging is associative: (a + b) + c = a + (b + c)");
  on.expect_same(left, on.s, "the statistics of any split of the data merge to those of the whole");

  Statistics sum = on.s;
  sum += zero;
  on.expect_same_bits(sum, on.s, "zero is neutral: s + 0 = s");
  sum = zero;
  sum += on.s;
  on.expect_same(sum, on.s, "zero is neutral: 0 + s = s");
  sum = on.s;
  sum *= 0.0;
  if constexpr (Visitable<Statistics>) {
    on.findings.expect(Numbers::of(sum).same_bits(Numbers::of(zero)), "s * 0 is the zero", "a number is left");
  }
  sum += second;
  on.expect_same(sum, second, "s * 0 is the zero");
  sum = on.s;
  sum *= 0.5;
  Statistics half = sum;
  sum += half;
  on.expect_same(sum, on.s, "scaling distributes: s/2 + s/2 = s");
  for (const double c : {1e-3, 7.0, 1e6}) {
    sum = on.s;
    sum *= c;
    const double difference = largest_difference(log_density(on.maximized(sum), on.x), log_density(on.fitted, on.x));
    on.findings.expect(!on.options.exact_maximize || difference <= 1e-11,
                       "the maximum does not depend on scale: M(c s) = M(s)", "c = ", c, " changes it by ", difference);
  }

  Statistics copy = on.s;
  copy += first;
  on.expect_same_bits(on.s, on.learnt(on.x, on.w), "a copy of statistics is independent of the original");

  Statistics pieces = zero;
  Index from = 0;
  for (const Index end : random_cuts(on.n, on.rng)) {
    on.add(on.x.slice(from, end - from), on.w.segment(from, end - from), pieces);
    from = end;
  }
  on.expect_same(pieces, on.s, "the statistics do not depend on the blocks in which data arrive");
  Statistics ordered = zero;
  for (const Index i : shuffled(on.n, on.rng)) on.add(on.x.slice(i, 1), on.w.segment(i, 1), ordered);
  on.expect_same(ordered, on.s, "the order of observations does not matter");
}

/// A weight is how often an observation counts.
template <class Case>
void weight_laws(Case& on) {
  using Data = typename Case::Data;
  using Statistics = typename Case::Statistics;
  const Eigen::VectorXd count = random_counts(on.n, on.rng);
  Statistics repeats = on.start.statistics();
  for (const Index i : repeated(count)) on.add(on.x.slice(i, 1), Eigen::VectorXd::Ones(1), repeats);
  on.expect_same(on.learnt(on.x, count), repeats, "a weight of two is the observation twice");

  Statistics s = on.s;
  on.add(on.x, Eigen::VectorXd::Zero(on.n), s);
  on.expect_same_bits(s, on.s, "an observation of weight zero leaves no trace");
  Statistics positive = on.start.statistics();
  for (Index i = 0; i < on.n; ++i) {
    if (on.w(i) > 0) on.add(on.x.slice(i, 1), on.w.segment(i, 1), positive);
  }
  on.expect_same(positive, on.s, "an observation of weight zero leaves no trace");
  if constexpr (requires(const Data& x, std::vector<Index> chosen) {
                  { x.gather(chosen) } -> std::same_as<Data>;
                }) {
    std::vector<Index> other;
    for (Index i = 0; i < on.n; ++i)
      other.push_back(on.w(i) > 0 ? i : static_cast<Index>(on.rng.below(static_cast<std::uint64_t>(on.n))));
    on.expect_same_bits(on.learnt(on.x.gather(other), on.w), on.s, "an observation of weight zero leaves no trace");
  }
}

}  // namespace emulsion::testing
