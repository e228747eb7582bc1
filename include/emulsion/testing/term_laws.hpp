#pragma once
#include "emulsion/testing/laws.hpp"

namespace emulsion::testing {

struct TermLaws {
  bool gate = false;           ///< the scores are log probabilities: they sum to one over the components
  bool exact_maximize = true;  ///< maximize() finds the optimum; false: a point not worse (a local step)
  bool interior = true;        ///< fits lie clear of the bounds of the parameters, so that unpack() must take them
};

/// The laws of one term: scores(i, k) = log p(x_i | k), r responsibilities times weights, s(r) the statistics, M(s)
/// what maximize() makes of them, and Q(term; r) = sum_ik r(i, k) scores(i, k) + offset.
template <class T, class Data>
requires Term<T, Data>
class TermSuite {
 public:
  using Statistics = typename T::Statistics;

  TermSuite(const T& term, const Data& x, std::uint64_t seed, const TermLaws& options)
      : options_(options), rng_(seed), term_(term), x_(x), n_(x.size()), findings_(seed) {
    if constexpr (requires { term_.follow(x_); }) term_.follow(x_);
    r_ = random_shares();
    s_ = learnt(r_);
    fitted_ = maximized(s_);
  }

  std::vector<std::string> operator()() {
    scores();
    statistics();
    maximum();
    if constexpr (ChartedTerm<T>) chart();
    return std::move(findings_).broken();
  }

 private:
  Eigen::MatrixXd random_shares() {
    Eigen::MatrixXd r(n_, term_.size());
    const Eigen::VectorXd w = random_weights(n_, rng_);
    for (Index i = 0; i < n_; ++i) {
      double total = 0;
      for (Index k = 0; k < r.cols(); ++k) total += (r(i, k) = std::pow(rng_.exponential(), 2));
      for (Index k = 0; k < r.cols(); ++k) r(i, k) *= w(i) / total;
    }
    return r;
  }
  static Eigen::MatrixXd scored(const T& t, const Data& x, double before = 0) {
    Eigen::MatrixXd scores = Eigen::MatrixXd::Constant(x.size(), t.size(), before);
    auto scratch = t.scratch(x.size());
    t.score(x, scratch, scores);
    return scores;
  }
  void add(const Data& x, const Eigen::MatrixXd& r, Statistics& s) const {
    Eigen::MatrixXd scores = Eigen::MatrixXd::Zero(x.size(), term_.size());
    auto scratch = term_.scratch(x.size() + 3);
    term_.score(x, scratch, scores);
    term_.accumulate(x, r, scratch, s);
  }
  Statistics learnt(const Eigen::MatrixXd& r) const {
    Statistics s = term_.statistics();
    add(x_, r, s);
    return s;
  }
  T maximized(const Statistics& s) const {
    T next = term_;
    term_.maximize(s, next);
    return next;
  }
  double q(const T& t, const Eigen::MatrixXd& r) const {
    const Eigen::MatrixXd scores = scored(t, x_);
    double total = t.offset();
    for (Index k = 0; k < r.cols(); ++k) {
      for (Index i = 0; i < n_; ++i) total += r(i, k) != 0 ? r(i, k) * scores(i, k) : 0.0;
    }
    return total;
  }
  void expect_same(const Statistics& a, const Statistics& b, const char* law) {
    if constexpr (Visitable<Statistics>) {
      const double distance = Numbers::of(a).distance(Numbers::of(b));
      findings_.expect(distance <= 1e-12, law, "the statistics differ by ", distance, " of their size");
    }
    const double difference = largest_difference(scored(maximized(a), x_), scored(maximized(b), x_));
    findings_.expect(difference <= 1e-10, law, "the scores differ by ", difference);
  }

  void scores() {
    const Eigen::MatrixXd plain = scored(fitted_, x_), raised = scored(fitted_, x_, 2.5);
    findings_.expect(plain.cols() == term_.size() && fitted_.size() == term_.size(), "maximize keeps the components",
                     term_.size(), " became ", fitted_.size());
    findings_.expect(!has_nan(plain), "a score is never NaN", "one is");
    findings_.expect(std::isfinite(fitted_.offset()), "the offset is finite", fitted_.offset());
    double worst = 0;
    for (Index k = 0; k < plain.cols(); ++k) {
      for (Index i = 0; i < n_; ++i) {
        if (!std::isfinite(plain(i, k))) continue;
        worst = std::max(worst, std::abs(raised(i, k) - plain(i, k) - 2.5) / (1 + std::abs(plain(i, k))));
      }
    }
    findings_.expect(worst <= 1e-13, "score adds to what it is given", "it is off by ", worst);
    Index first = 0;
    for (const Index end : random_cuts(n_, rng_)) {
      const Eigen::MatrixXd part = scored(fitted_, x_.slice(first, end - first));
      findings_.expect(largest_difference(part, plain.middleRows(first, end - first)) <= 1e-13,
                       "the score of an observation does not depend on its block", "from observation ", first);
      first = end;
    }
    for (Index i = 0; i < n_ && options_.gate; ++i) {
      double total = 0;
      for (Index k = 0; k < plain.cols(); ++k) total += std::exp(plain(i, k));
      findings_.expect_near(total, 1, 1e-13, "the probabilities of a gate sum to one");
    }
  }

  void statistics() {
    const Statistics zero = term_.statistics();
    Statistics pieces = zero, ordered = zero, merged = zero, backwards = zero;
    Index first = 0;
    std::vector<Statistics> parts;
    for (const Index end : random_cuts(n_, rng_)) {
      add(x_.slice(first, end - first), r_.middleRows(first, end - first), pieces);
      parts.push_back(zero);
      add(x_.slice(first, end - first), r_.middleRows(first, end - first), parts.back());
      first = end;
    }
    expect_same(pieces, s_, "the statistics do not depend on the blocks in which data arrive");
    for (std::size_t i = 0; i < parts.size(); ++i) {
      merged += parts[i];
      backwards += parts[parts.size() - 1 - i];
    }
    expect_same(merged, s_, "the statistics of any split of the data merge to those of the whole");
    expect_same(backwards, merged, "merging is commutative and associative");
    for (const Index i : shuffled(n_, rng_)) add(x_.slice(i, 1), r_.middleRows(i, 1), ordered);
    expect_same(ordered, s_, "the order of observations does not matter");

    Statistics s = s_;
    s += zero;
    add(x_, Eigen::MatrixXd::Zero(n_, term_.size()), s);
    const bool untouched = identical(scored(maximized(s), x_), scored(fitted_, x_));
    findings_.expect(untouched, "an observation of weight zero leaves no trace", "it does");
    s *= 0.0;
    s += s_;
    expect_same(s, s_, "s * 0 is the zero");
    s += s_;
    expect_same(learnt(2 * r_), s, "a weight of two is the observation twice");
    s *= 5.0;
    const double difference = largest_difference(scored(maximized(s), x_), scored(fitted_, x_));
    findings_.expect(!options_.exact_maximize || difference <= 1e-11 || fitted_.offset() != 0,
                     "the maximum does not depend on scale: M(c s) = M(s)", "it changes by ", difference);
  }

  void maximum() {
    const double best = q(fitted_, r_), before = q(term_, r_), slack = 1e-12 * (1 + std::abs(best));
    findings_.expect_at_most(before, best, slack, "maximize never lowers Q(term; r)");
    T used = maximized(learnt(random_shares()));
    term_.maximize(s_, used);
    findings_.expect(identical(scored(used, x_), scored(fitted_, x_)),
                     "maximize(s, next) writes all of next and reads none of it", "old parameters of next are left");
    T kept = term_;
    fitted_.maximize(term_.statistics(), kept);
    findings_.expect(identical(scored(kept, x_), scored(fitted_, x_)) || fitted_.offset() != 0,
                     "empty statistics leave the parameters as they were", "they changed");
    kept.maximize(learnt(random_shares()), kept);
    findings_.expect_near(q(fitted_, r_), best, 0, "a copy of a term is independent of the original");
    for (double h = 0.3; h > 1e-5 && options_.exact_maximize; h /= 4) {
      for (int sign = -1; sign <= 1; sign += 2) {
        Eigen::MatrixXd r = r_;
        for (Index k = 0; k < r.cols(); ++k) {
          for (Index i = 0; i < n_; ++i) r(i, k) *= 1 + sign * h * rng_.uniform();
        }
        findings_.expect_at_most(q(maximized(learnt(r)), r_), best, slack, "maximize finds the maximum of Q(term; r)");
        if constexpr (ChartedTerm<T>) {
          T near = fitted_;
          Eigen::VectorXd v(near.parameters());
          Index at = 0;
          near.pack(v, at);
          for (Index j = 0; j < v.size(); ++j) v(j) += h * rng_.normal();
          at = 0;
          if (!near.unpack(v, at)) continue;
          findings_.expect_at_most(q(near, r_), best, slack, "maximize finds the maximum of Q(term; r)");
        }
      }
    }
  }

  void chart() {
    T other = term_;
    Eigen::VectorXd v(fitted_.parameters());
    Index at = 0;
    fitted_.pack(v, at);
    findings_.expect(at == v.size(), "pack writes parameters() numbers", at, " of ", v.size());
    at = 0;
    const bool taken = other.unpack(v, at);
    findings_.expect(taken || !options_.interior, "unpack takes what pack wrote", "it refused it");
    if (!taken) return;
    findings_.expect(at == v.size(), "unpack takes what pack wrote", "it took ", at, " of ", v.size(), " numbers");
    const double difference = largest_difference(scored(other, x_), scored(fitted_, x_));
    findings_.expect(difference <= 1e-12, "unpack(pack(term)) = term", "scores differ by ", difference);
    if constexpr (DifferentiableTerm<T>) slope();
  }

  /// The gradient of Q(term; r) against differences, where the parameters lie clear of their bounds.
  void slope() {
    Eigen::VectorXd v(term_.parameters()), g(term_.parameters());
    Index at = 0;
    term_.pack(v, at);
    at = 0;
    term_.gradient(s_, g, at);
    findings_.expect(at == g.size(), "gradient writes parameters() numbers", at, " of ", g.size());
    const double slack = 1e-6 * (1 + std::abs(q(term_, r_)));
    for (Index j = 0; j < v.size(); ++j) {
      double value[2];
      const double h = 1e-5 * std::min(1.0, std::abs(v(j)));  // roots may be small
      bool inside = true;
      for (int side = 0; side < 2; ++side) {
        T near = term_;
        Eigen::VectorXd u = v;
        u(j) += side == 0 ? -h : h;
        at = 0;
        inside = inside && near.unpack(u, at);
        if (inside) value[side] = q(near, r_);
      }
      const double difference = inside ? (value[1] - value[0]) / (2 * h) : 0;
      if (!inside || !std::isfinite(difference) || std::abs(v(j)) < 1e-3) continue;
      findings_.expect_near(g(j), difference, slack, "gradient is that of Q(term; r) by the numbers of pack");
    }
  }

  TermLaws options_;
  Rng rng_;
  T term_;
  Data x_;
  Index n_;
  Eigen::MatrixXd r_;
  Statistics s_ = term_.statistics();
  T fitted_ = term_;
  Findings findings_;
};

/// Every law of a term (a gate or a bank of components), broken ones as sentences: score adds, and knows no block;
/// statistics are a commutative monoid, the same for every split, block and order; weight zero leaves no bit, weight
/// two is the observation twice; maximize finds the maximum of Q = sum r scores + offset; the chart, where there is
/// one, leads there and back, and its gradient is right; a gate's probabilities sum to one.
template <class T, class Data>
requires Term<T, Data> std::vector<std::string> term_laws(const T& term, const Data& x, std::uint64_t seed,
                                                          const TermLaws& options = {}) {
  return TermSuite<T, Data>(term, x, seed, options)();
}

}  // namespace emulsion::testing
