#pragma once
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "emulsion/core/fold.hpp"
#include "emulsion/core/log_sum_exp.hpp"
#include "emulsion/inference/e_step.hpp"
#include "emulsion/testing/laws.hpp"
#include "emulsion/testing/probability_laws.hpp"

namespace emulsion::testing {

struct ModelLaws {
  int iterations = 15;
  Index block = 16;            ///< observations per block of the folds: small, so that there are many
  bool likelihood = true;      ///< the objective is the log likelihood; false: it has offsets
  bool far = true;             ///< queries of +-1e300 are admissible data
  bool exact_maximize = true;  ///< a component's maximize() finds the optimum; false: a point not worse (a local step)
};

/// A model whose first block waits for another to be ready, on another thread, and then a little longer (a second at
/// most, where there is none): the order in which blocks end is not the order of the data.
template <class M>
struct Delayed : M {
  explicit Delayed(const M& model) : M(model) {}
  template <class EStep>
  void accumulate(const typename M::Data& block, const EStep& e_step, typename M::Scratch& scratch,
                  typename M::Statistics& s) const {
    M::accumulate(block, e_step, scratch, s);
    if (block.first() > 0) {
      *other_ended = true;
      return;
    }
    for (int i = 0; i < 1000 && !*other_ended; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::shared_ptr<std::atomic<bool>> other_ended = std::make_shared<std::atomic<bool>>(false);
};

/// The laws of a mixture model under EM.
template <class M>
requires LatentModel<M, typename M::Data, Soft>
class ModelSuite {
 public:
  using Data = typename M::Data;
  using Statistics = typename M::Statistics;

  ModelSuite(const M& start, const Data& x, std::uint64_t seed, const ModelLaws& options)
      : options_(options), rng_(seed), start_(start), x_(x), n_(x.size()), findings_(seed) {
    if constexpr (requires { start_.follow(x_); }) start_.follow(x_);
  }

  std::vector<std::string> operator()() {
    ascent();
    threads();
    data();
    prediction();
    components();
    return std::move(findings_).broken();
  }

 private:
  template <class Model>
  Statistics folded(const Model& model, const Data& x, int threads = 1) const {
    Workers workers(threads);
    Fold<Model, Data> fold(model, x, workers, options_.block);
    return fold(model, Soft{});
  }
  M after(M model, const Data& x, int steps) const {
    for (int i = 0; i < steps; ++i) {
      M next = model;
      model.maximize(folded(model, x), next);
      model = next;
    }
    return model;
  }
  double slack(double objective) const { return 1e-13 * (static_cast<double>(n_) + std::abs(objective)); }
  void expect_same_model(const M& a, const M& b, double tolerance, const char* law) {
    const double difference = largest_difference(a.log_density(x_), b.log_density(x_));
    findings_.expect(difference <= tolerance, law, "the log densities differ by ", difference);
  }

  /// The objective never falls, and is what the model says of the data.
  void ascent() {
    M model = start_;
    double before = -std::numeric_limits<double>::infinity();
    for (int i = 0; i <= options_.iterations; ++i) {
      const Statistics s = folded(model, x_);
      const double objective = model.objective(s);
      findings_.expect(std::isfinite(objective), "the objective is finite", objective, " at iteration ", i);
      findings_.expect_at_most(before, objective, slack(objective), "an EM iteration never lowers the objective");
      if (options_.likelihood) {
        findings_.expect_near(objective, model.log_likelihood(x_), slack(objective),
                              "the objective is the log likelihood of the model");
      }
      before = objective;
      M next = model;
      model.maximize(s, next);
      model = next;
    }
    M copy = start_;
    const Eigen::VectorXd p = start_.log_density(x_);
    copy.maximize(folded(copy, x_), copy);
    findings_.expect(identical(p, start_.log_density(x_)), "a copy of a model is independent of the original",
                     "it changed");
  }

  void threads() {
    if constexpr (Visitable<Statistics>) {
      const Numbers one = Numbers::of(folded(start_, x_));
      findings_.expect(one.finite(), "statistics are finite", "they are not");
      for (const int threads : {2, 7, 7}) {
        findings_.expect(one.same_bits(Numbers::of(folded(Delayed<M>(start_), x_, threads))),
                         "1, 2 and 7 threads give the same bits", threads, " threads differ");
      }
    }
  }

  void data() {
    const Index half = n_ / 3;
    Statistics s = folded(start_, x_.slice(0, half));
    s += folded(start_, x_.slice(half, n_ - half));
    M merged = start_;
    start_.maximize(s, merged);
    expect_same_model(merged, after(start_, x_, 1), 1e-10, "statistics of two halves merge to those of all data");

    expect_same_model(after(start_, x_.gather(shuffled(n_, rng_)), 3), after(start_, x_, 3), 1e-9,
                      "the order of observations does not matter");

    const Eigen::VectorXd count = random_counts(n_, rng_);
    const Data weighted = x_.with_weights(count.data(), n_), many = x_.gather(repeated(count));
    const double a = start_.log_likelihood(weighted), b = start_.log_likelihood(many);
    findings_.expect_near(a, b, slack(b), "a weight of two is the observation twice: log likelihood");
    if (options_.likelihood) {
      findings_.expect_near(start_.objective(folded(start_, weighted)), a, slack(a),
                            "the objective is the log likelihood of the model: weighted data");
    }
    findings_.expect_near(weighted.total_weight(), static_cast<double>(many.size()), 0,
                          "the total weight is the number of observations");
    expect_same_model(after(start_, weighted, 3), after(start_, many, 3), 1e-9,
                      "a weight of two is the observation twice");

    const Eigen::VectorXd w = random_weights(n_, rng_);
    std::vector<Index> used, replaced;
    Eigen::VectorXd rest(n_);
    for (Index i = 0; i < n_; ++i) {
      const bool kept = w(i) > 0;
      if (kept) rest(static_cast<Index>(used.size())) = w(i), used.push_back(i);
      replaced.push_back(kept ? i : static_cast<Index>(rng_.below(static_cast<std::uint64_t>(n_))));
    }
    const auto m = static_cast<Index>(used.size());
    const Data some = x_.gather(used);
    const Data other = x_.gather(replaced);
    const M with = after(start_, x_.with_weights(w.data(), n_), 3);
    expect_same_model(with, after(start_, some.with_weights(rest.data(), m), 3), 1e-9,
                      "an observation of weight zero leaves no trace");
    findings_.expect(
        identical(with.log_density(x_), after(start_, other.with_weights(w.data(), n_), 3).log_density(x_)),
        "an observation of weight zero leaves no trace", "another in its place changes bits");
  }

  /// The data, and points far away where the data are points.
  Data queries() const {
    if constexpr (PointData<Data>) {
      using Scalar = typename Data::Scalar;
      typename Data::Matrix all(x_.dimension(), n_ + 6);
      for (Index i = 0; i < n_; ++i) {
        for (Index j = 0; j < x_.dimension(); ++j) all(j, i) = x_(j, i);
      }
      const double large = sizeof(Scalar) == 4 ? 1e30 : 1e300;
      const double places[] = {-large, large, -1e6, 1e6, -1e20, 1e3};
      for (Index i = 0; i < 6; ++i) {
        for (Index j = 0; j < x_.dimension(); ++j) {
          all(j, n_ + i) = options_.far ? static_cast<Scalar>(places[i]) : x_(j, i);
        }
      }
      return Data(std::move(all));
    } else {
      return x_;
    }
  }
  /// log of the weight of every component for every observation, n x K.
  static Eigen::MatrixXd log_weights(const M& model, const Data& x) {
    Eigen::MatrixXd scores = Eigen::MatrixXd::Zero(x.size(), model.size());
    auto scratch = model.gate().scratch(x.size());
    model.gate().score(x, scratch, scores);
    return scores;
  }

  void prediction() {
    const M model = after(start_, x_, 2);
    const Index size = model.size();
    const Data all = queries();
    const Eigen::MatrixXd r = model.responsibilities(all);
    const Eigen::VectorXd p = model.log_density(all);
    const Labels labels = model.classify(all);
    findings_.expect(!has_nan(r) && !has_nan(p), "no prediction is NaN, however far the query", "one is");
    Eigen::MatrixXd scores = log_weights(model, all);
    for (Index k = 0; k < size; ++k) {
      const Eigen::VectorXd one = testing::log_density(model[k], all);
      for (Index i = 0; i < all.size(); ++i) scores(i, k) += one(i);
    }
    for (Index i = 0; i < all.size(); ++i) {
      double total = 0, best = 0;
      for (Index k = 0; k < size; ++k) {
        total += r(i, k);
        best = std::max(best, r(i, k));
        findings_.expect(r(i, k) >= 0 && r(i, k) <= 1, "a responsibility lies in [0, 1]", r(i, k));
      }
      findings_.expect_near(total, 1, 1e-14 * static_cast<double>(size + 1), "responsibilities sum to one");
      findings_.expect(labels(i) >= 0 && labels(i) < size && r(i, labels(i)) == best,
                       "classify takes the most probable component", "observation ", i, " has label ", labels(i));
      if (has_nan(scores.row(i)) || i >= n_) continue;
      const double expected = log_sum_exp(scores.row(i));
      findings_.expect_near(p(i), expected, 1e-13 * (1 + std::abs(expected)), "log p(x) = log sum_k w_k p(x | k)");
      for (Index k = 0; k < size && std::isfinite(expected); ++k) {
        findings_.expect_near(r(i, k), std::exp(scores(i, k) - expected), 1e-12, "r(i, k) = w_k p(x_i | k) / p(x_i)");
      }
    }
    // The same where every density is tiny: the log of a sum, not the sum of exponentials.
    for (Index i = n_; i < all.size(); ++i) {
      if (has_nan(scores.row(i))) continue;
      const double expected = log_sum_exp(scores.row(i));
      findings_.expect_near(p(i), expected, 1e-13 * (1 + std::abs(expected)),
                            "log p(x) in log space, far from every component");
    }
  }

  void components() {
    if constexpr (requires(const M& m, const Eigen::VectorXd& w, std::vector<typename M::Member> all) {
                    M(w, all);
                    m.gate().log_weight(Index{});
                  }) {
      using Member = typename M::Member;
      // Relabelled components.
      const auto order = shuffled(start_.size(), rng_);
      std::vector<Member> all;
      Eigen::VectorXd w(start_.size());
      for (const Index k : order) {
        w(static_cast<Index>(all.size())) = start_.weights()(k);
        all.push_back(start_[k]);
      }
      const M first = after(start_, x_, 3), second = after(M(w, all), x_, 3);
      expect_same_model(first, second, 1e-9, "the order of components does not matter");
      const Eigen::MatrixXd r = first.responsibilities(x_), permuted = second.responsibilities(x_);
      for (Index k = 0; k < w.size(); ++k) {
        const double difference = largest_difference(permuted.col(k), r.col(order[static_cast<std::size_t>(k)]));
        findings_.expect(difference <= 1e-8, "relabelled components permute the responsibilities", "they differ by ",
                         difference);
      }
      // One component.
      const M single(Eigen::VectorXd::Ones(1), std::vector<Member>(1, start_[0]));
      const Member& c = single[0];
      auto s = c.statistics();
      testing::read(c, x_, [&](auto& block) { c.accumulate(block, Eigen::VectorXd::Ones(n_), s); });
      Member own = c;
      c.maximize(s, own);
      const M fitted = after(single, x_, 1);
      const double difference = largest_difference(fitted.log_density(x_), testing::log_density(own, x_));
      findings_.expect(difference <= 1e-11, "a mixture of one component is that component's own fit",
                       "the log densities differ by ", difference);
      findings_.expect(!options_.exact_maximize ||
                           largest_difference(fitted.log_density(x_), after(fitted, x_, 1).log_density(x_)) <= 1e-11,
                       "a mixture of one component is fitted in one iteration", "the second one changes it");
      // Equal components share observations by weight and stay equal.
      if (start_.size() > 1) {
        const M equal(w, std::vector<Member>(all.size(), start_[0]));
        const Eigen::MatrixXd shares = equal.responsibilities(x_);
        for (Index k = 0; k < w.size(); ++k) {
          findings_.expect(largest_difference(shares.col(k), Eigen::VectorXd::Constant(n_, w(k))) <= 1e-13,
                           "equal components share by weight", "component ", k, " does not");
        }
        const double most = largest_difference(after(equal, x_, 1).log_density(x_), fitted.log_density(x_));
        findings_.expect(most <= 1e-10, "a mixture of equal components is fitted as one", "log densities differ by ",
                         most);
      }
    }
  }

  ModelLaws options_;
  Rng rng_;
  M start_;
  Data x_;
  Index n_;
  Findings findings_;
};

/// Every law of a mixture model, broken ones as sentences: EM never lowers the objective, which is the log likelihood;
/// 1, 2 and 7 threads give the same bits; order of observations and of components, splits and replication do not
/// matter; weight zero leaves no bit; log p(x) = log sum_k w_k p(x | k), rows of responsibilities sum to one, labels
/// are their largest, however far the query; one component is that component's own fit; copies are independent.
///
/// @param start  the model whose first iterations are watched
template <class M>
std::vector<std::string> model_laws(const M& start, const typename M::Data& x, std::uint64_t seed,
                                    const ModelLaws& options = {}) {
  return ModelSuite<M>(start, x, seed, options)();
}

}  // namespace emulsion::testing
