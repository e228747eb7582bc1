#pragma once
#include <algorithm>
#include <cmath>
#include <utility>

#include "emulsion/core/fold.hpp"
#include "emulsion/inference/e_step.hpp"

namespace emulsion {

struct OnlineOptions {
  double population = 0;  ///< total weight that the statistics stand for: the n that a prior is weighed against; 0: the
                          ///< weight seen so far
  double forgetting = 0.6;  ///< the step size is r_t = (t + delay)^-forgetting; in (1/2, 1], as convergence asks
  double delay = 1;         ///< not negative: the larger, the smaller the first steps
  Index warm_up =
      0;  ///< observations to be seen before the model changes: of single ones, at least a few per component
  int threads = 1;
};

/// Stepwise EM (Cappe and Moulines, 2009): after every batch
///
///   S <- (1 - r_t) S + r_t (N / b) s(batch),
///
/// b the batch's weight and N the population, then the M-step. On a variational model it is stochastic variational
/// inference (Hoffman, Blei, Wang and Paisley, 2013): the natural-gradient step is this average. The data may come from
/// anywhere, block by block; nothing of them is kept.
///
/// Local statistics (softmax gates, experts of generalized linear models) are a quadratic model of every batch's part
/// of the objective about the parameters it met. The average of such models is one, and what is kept is told where the
/// parameters are after every M-step (recentre(), see Recentred): an online Newton method whose curvature forgets.
template <class M, class D = typename M::Data>
requires LatentModel<M, D, AnyEStep<D>>
class OnlineEm {
 public:
  static_assert(Recentred<M> || !LocalMStep<M>,
                "this model's M-step is local: its statistics belong to one value of the parameters, and OnlineEm "
                "would average them over many; it needs recentre()");

  /// @throws InvalidArgument for options out of range
  explicit OnlineEm(M start, const OnlineOptions& options = {})
      : options_(options), now_(std::move(start)), next_(now_), total_(now_.statistics()), workers_(checked(options)) {}

  /// Learns from a batch. The E-step decides how, Soft by default.
  ///
  /// @throws InvalidArgument if the model cannot have produced the batch, before any work
  void operator()(const D& batch, const AnyEStep<D>& e_step = Soft()) {
    if (batch.size() == 0) return;
    if constexpr (requires { now_.check(batch); }) now_.check(batch);
    const double weight = batch.total_weight();
    if (!(weight > 0)) return;
    Fold<M, D> fold(now_, batch, workers_);
    auto& s = fold(now_, e_step);
    ++steps_;
    seen_ += weight;
    observations_ += batch.size();
    const double population = options_.population > 0 ? options_.population : seen_;
    // Before the first M-step a plain average: all batches were seen by one model.
    const double r = m_steps_ == 0 ? weight / seen_ : step_size();
    s *= r * population / weight;
    total_ *= (1 - r) * population / population_;
    total_ += s;
    population_ = population;
    if (observations_ < options_.warm_up) return;
    ++m_steps_;
    now_.maximize(total_, next_);
    std::swap(now_, next_);
    if constexpr (Recentred<M>) now_.recentre(total_, next_);
  }
  template <class Derived>
  void operator()(const Eigen::MatrixBase<Derived>& x, const AnyEStep<D>& e_step = Soft()) {
    (*this)(D(x.derived()), e_step);
  }

  const M& model() const { return now_; }
  /// Batches so far.
  Index steps() const { return steps_; }
  /// Weight seen so far.
  double seen() const { return seen_; }
  /// The objective of the population as the statistics estimate it: of the models that collected them, in nats.
  double objective() const { return now_.objective(total_); }
  /// What has been learnt, which another stream's can be merged with. Local statistics belong to the model: tell those
  /// of another stream about this one first, model().recentre(theirs, their model).
  const typename M::Statistics& statistics() const { return total_; }

 private:
  static int checked(const OnlineOptions& options) {
    require(options.population >= 0 && std::isfinite(options.population),
            "the population must be finite and not negative, got ", options.population);
    require(options.forgetting > 0.5 && options.forgetting <= 1,
            "the exponent of the step size must lie in (1/2, 1], got ", options.forgetting);
    require(options.delay >= 0 && std::isfinite(options.delay), "the delay must be finite and not negative, got ",
            options.delay);
    require(options.warm_up >= 0, "the warm-up must not be negative, got ", options.warm_up);
    check_threads(options.threads);
    return options.threads;
  }
  double step_size() const {
    return std::min(1.0, std::pow(static_cast<double>(m_steps_) + 1 + options_.delay, -options_.forgetting));
  }

  OnlineOptions options_;
  M now_, next_;
  typename M::Statistics total_;
  Workers workers_;
  Index steps_ = 0, m_steps_ = 0, observations_ = 0;
  double seen_ = 0, population_ = 1;
};

}  // namespace emulsion
