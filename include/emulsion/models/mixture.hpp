#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "emulsion/core/fold.hpp"
#include "emulsion/data/points.hpp"
#include "emulsion/gates/constant.hpp"
#include "emulsion/inference/e_step.hpp"
#include "emulsion/models/components.hpp"

namespace emulsion {

/// p(x) = sum_k w_k p(x | theta_k): a gate and terms that score all K components, each learning its own part.
///
/// The gate's weights and the first term's components are what weights() and operator[] show. A value: what fits it
/// returns another.
template <class Gate, class Bank, class... Terms>
class Mixture {
 public:
  using Data = typename Bank::Data;
  using Member = typename Bank::Member;
  using Scalar = typename Data::Scalar;
  static constexpr bool charted = ChartedTerm<Gate> && ChartedTerm<Bank> && (ChartedTerm<Terms> && ...);
  static constexpr bool local_m_step = LocalMStep<Gate> || LocalMStep<Bank> || (LocalMStep<Terms> || ...);
  /// Some term's statistics are local, and all of those can be recentred.
  static constexpr bool recentred =
      (Recentred<Gate> || Recentred<Bank> || (Recentred<Terms> || ...)) &&
      !((LocalMStep<Gate> && !Recentred<Gate>) || (LocalMStep<Bank> && !Recentred<Bank>) ||
        ((LocalMStep<Terms> && !Recentred<Terms>) || ...));
  static constexpr bool differentiable =
      DifferentiableTerm<Gate> && DifferentiableTerm<Bank> && (DifferentiableTerm<Terms> && ...);

  struct Statistics {
    double log_normaliser = 0, total_weight = 0;
    std::tuple<typename Gate::Statistics, typename Bank::Statistics, typename Terms::Statistics...> parts;

    Statistics& operator+=(const Statistics& other) {
      log_normaliser += other.log_normaliser;
      total_weight += other.total_weight;
      merge(other, std::make_index_sequence<2 + sizeof...(Terms)>());
      return *this;
    }
    Statistics& operator*=(double c) {
      log_normaliser *= c;
      total_weight *= c;
      std::apply([&](auto&... part) { ((part *= c), ...); }, parts);
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      visitor(log_normaliser);
      visitor(total_weight);
      std::apply([&](auto&... part) { (part.visit(visitor), ...); }, parts);
    }

   private:
    template <std::size_t... I>
    void merge(const Statistics& other, std::index_sequence<I...>) {
      ((std::get<I>(parts) += std::get<I>(other.parts)), ...);
    }
  };

  struct Scratch {
    Eigen::MatrixXd scores;
    std::tuple<typename Gate::Scratch, typename Bank::Scratch, typename Terms::Scratch...> parts;
  };

  [[gnu::cold]] explicit Mixture(Gate gate, Bank bank, Terms... terms)
      : terms_(std::move(gate), std::move(bank), std::move(terms)...) {
    each([&](const auto& term) {
      require(term.size() == size(), "a mixture of ", size(), " weights needs as many components, got ", term.size());
    });
  }

  /// Weights (K, not negative, sum one) and as many components.
  Mixture(const Eigen::Ref<const Eigen::VectorXd>& weights,
          std::vector<Member> components) requires(sizeof...(Terms) == 0)
      : Mixture(Gate(weights), Bank(std::move(components))) {}

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// K
  Index size() const { return gate().size(); }
  Index dimension() const { return bank().dimension(); }
  const Eigen::VectorXd& weights() const { return gate().weights(); }
  const Member& operator[](Index k) const {
    require(k >= 0 && k < size(), "component ", k, " does not exist; there are ", size());
    return bank()[k];
  }
  const Gate& gate() const { return std::get<0>(terms_); }
  const Bank& bank() const { return std::get<1>(terms_); }
  /// How many numbers may vary: the df of information criteria.
  Index free_parameters() const {
    Index total = 0;
    each([&](const auto& term) { total += term.free_parameters(); });
    return total;
  }

  // --- what a driver asks -----------------------------------------------------------------------------------------------

  Statistics statistics() const {
    return {0, 0, std::apply([](const auto&... t) { return std::make_tuple(t.statistics()...); }, terms_)};
  }
  Scratch scratch(Index most) const {
    // Columns an odd number of cache lines apart: a power of two would put them all into few places of the cache.
    return {Eigen::MatrixXd((most + 7) / 16 * 16 + 8, size()),
            std::apply([&](const auto&... t) { return std::make_tuple(t.scratch(most)...); }, terms_)};
  }

  /// How many observations the model likes to see at once.
  Index preferred_block() const { return bank().preferred_block(); }
  template <class EStep>
  void accumulate(const Data& block, const EStep& e_step, Scratch& scratch, Statistics& s) const {
    Scores r(scratch.scores.topRows(block.size()));
    score(block, r, scratch);
    s.log_normaliser += e_step(block, r);
    s.total_weight += block.total_weight();
    indexed(
        [&](auto i) { std::get<i>(terms_).accumulate(block, r, std::get<i>(scratch.parts), std::get<i>(s.parts)); });
  }
  void maximize(const Statistics& s, Mixture& next) const {
    indexed([&](auto i) { std::get<i>(terms_).maximize(std::get<i>(s.parts), std::get<i>(next.terms_)); });
  }
  /// What the statistics of `from` say of these parameters; see Recentred.
  [[gnu::cold]] void recentre(Statistics& s, const Mixture& from) const requires(recentred) {
    indexed([&](auto i) {
      using Term = std::tuple_element_t<i, decltype(terms_)>;
      if constexpr (Recentred<Term>) std::get<i>(terms_).recentre(std::get<i>(s.parts), std::get<i>(from.terms_));
    });
  }
  /// Log-likelihood (nats, total) of this model, plus what its terms add.
  double objective(const Statistics& s) const {
    double total = s.log_normaliser;
    each([&](const auto& term) { total += term.offset(); });
    return total;
  }

  /// Sum of the weights of the observations.
  double total_weight(const Statistics& s) const { return s.total_weight; }

  /// Unconstrained parameters; see Charted.
  void pack(Eigen::VectorXd& v) const requires(charted) {
    Index count = 0, at = 0;
    each([&](const auto& term) { count += term.parameters(); });
    v.resize(count);
    each([&](const auto& term) { term.pack(v, at); });
  }
  bool unpack(const Eigen::VectorXd& v) requires(charted) {
    Index at = 0;
    return std::apply([&](auto&... term) { return (term.unpack(v, at) && ...); }, terms_);
  }
  /// Of the objective, given the statistics of an E-step with this model (in as many numbers as pack() writes).
  [[gnu::cold]] void gradient(const Statistics& s, Eigen::VectorXd& v) const requires(differentiable) {
    Index at = 0;
    indexed([&](auto i) { std::get<i>(terms_).gradient(std::get<i>(s.parts), v, at); });
  }

  void check(const Data& x) const {
    bank().check(x);  // first: what is wrong with covariates that the gate shares is said of the experts'
    indexed([&](auto i) {
      const auto& term = std::get<i>(terms_);
      if constexpr (i != 1 && requires { term.check(x); }) term.check(x);
    });
  }
  void inspect(const Data& x, EventLog& log) const { bank().inspect(x, log); }
  /// What the terms have to say of themselves after an E-step with these statistics.
  void describe(const Statistics& s, EventLog& log) const
      requires(DescribedTerm<Gate> || DescribedTerm<Bank> || (DescribedTerm<Terms> || ...)) {
    indexed([&](auto i) {
      using Term = std::tuple_element_t<i, decltype(terms_)>;
      if constexpr (DescribedTerm<Term>) std::get<i>(terms_).describe(std::get<i>(s.parts), log);
    });
  }
  /// Moves into the coordinates that suit the data.
  void follow(const Data& x) {
    indexed([&](auto i) {
      auto& term = std::get<i>(terms_);
      if constexpr (requires { term.follow(x); }) term.follow(x);
    });
  }
  /// Cheaper arithmetic for the way to the optimum, until refine(); false where it does not pay.
  bool hasten(const Data& x) requires(Bank::hastened) { return std::get<1>(terms_).hasten(x); }
  void refine() requires(Bank::hastened) { std::get<1>(terms_).refine(); }
  /// How well data determine the components: exact where an eigenvalue is below `least`.
  Regularity regularity(double least) const {
    if (size() == 1) return {};
    Regularity found = bank().regularity(weights(), least);
    if constexpr (requires { gate().regularity(least); }) found.join(gate().regularity(least));
    return found;
  }
  /// Whether the share of component k is less than the rounding of one.
  bool emptied(Index k) const { return !(weights()(k) > std::numeric_limits<double>::epsilon()); }
  Index at_floor(Index k) const {
    Index count = bank().at_floor(k);
    if constexpr (requires { gate().at_floor(k); }) count += gate().at_floor(k);
    return count;
  }
  Index at_floor_of_all(const Statistics& s) const { return bank().at_floor_of_all(std::get<1>(s.parts)); }
  Index at_bound(Index k) const { return bank().at_bound(k); }
  void drop(Index k) {
    std::apply([&](auto&... term) { (term.drop(k), ...); }, terms_);
  }
  /// Component k as it is in `from`.
  void renew(Index k, const Mixture& from) {
    indexed([&](auto i) { std::get<i>(terms_).renew(k, std::get<i>(from.terms_)); });
  }

  // --- prediction ---------------------------------------------------------------------------------------------------------

  /// log p(x_i) of every observation, in nats (n). -inf where it is below what a double can hold.
  ///
  /// @throws InvalidArgument if the dimensions differ or a value is not finite
  Eigen::VectorXd log_density(const Data& x) const {
    Eigen::VectorXd result(x.size());
    predict(
        x, [&](Index i, double normaliser) { result(i) = normaliser; }, [](Index, const auto&) {});
    return result;
  }

  /// Sum of weight x log p(x_i): the total in nats, never a mean.
  ///
  /// @throws InvalidArgument if the dimensions differ or a value is not finite
  double log_likelihood(const Data& x) const {
    double total = 0;
    predict(
        x, [&](Index i, double normaliser) { total += x.weight(i) != 0 ? x.weight(i) * normaliser : 0.0; },
        [](Index, const auto&) {});
    return total;
  }

  /// Posterior probability of each component given each observation,
  ///
  ///   r(i, k) = w_k p(x_i | theta_k) / sum_j w_j p(x_i | theta_j),
  ///
  /// in log space. Where every density is zero to a double, the nearest component takes all, so that rows sum to one
  /// however far x_i lies from every component.
  ///
  /// @param x   observations, d x n, one per column (or rows(x), weighted(x, w))
  /// @return    n x K
  /// @throws    InvalidArgument if the dimensions differ or a value is not finite
  ///
  /// Cost: the scores of an E-step and its exponentials. Safe to call from several threads. Bishop (2006), eq. 9.23.
  Eigen::MatrixXd responsibilities(const Data& x) const {
    Eigen::MatrixXd result(x.size(), size());
    responsibilities(x, result);
    return result;
  }
  /// The same into n x K numbers that are there already: for millions of observations, new memory takes longer than the
  /// arithmetic.
  ///
  /// @throws InvalidArgument  also if `result` is not n x K
  void responsibilities(const Data& x, Eigen::Ref<Eigen::MatrixXd> result) const {
    require(result.rows() == x.size() && result.cols() == size(), "expected room for responsibilities of ", x.size(),
            " x ", size(), ", got ", result.rows(), " x ", result.cols());
    predict(
        x, [](Index, double) {}, [&](Index first, const auto& r) { result.middleRows(first, r.rows()) = r; });
  }

  /// The most probable component of every observation (n labels, 0 to K - 1); the first of equals. No exponential is
  /// taken.
  ///
  /// @throws InvalidArgument if the dimensions differ or a value is not finite
  Labels classify(const Data& x) const {
    Labels labels(x.size());
    check(x);
    Scratch scratch = this->scratch(std::min(default_block, x.size()));
    // Labels as doubles beside the best scores: the compiler compares and selects whole vectors of them.
    Eigen::VectorXd best(default_block), winner(default_block);
    for_each_block(x, [&](const Data& part) {
      Scores scores(scratch.scores.topRows(part.size()));
      score(part, scores, scratch);
      Index* const label = labels.data() + (part.first() - x.first());
      double *const b = best.data(), *const w = winner.data();
      for (Index i = 0; i < part.size(); ++i) b[i] = nothing, w[i] = -1;
      for (Index k = 0; k < size(); ++k) {
        const double* const s = scores.data() + k * scores.outerStride();
        const auto own = static_cast<double>(k);
        for (Index i = 0; i < part.size(); ++i) {
          const double score = s[i], most = b[i];
          w[i] = score > most ? own : w[i];
          b[i] = score > most ? score : most;
        }
      }
      for (Index i = 0; i < part.size(); ++i) label[i] = w[i] >= 0 ? static_cast<Index>(w[i]) : nearest(part, i);
    });
    return labels;
  }

  // --- one point at a time: nothing is allocated, for families that offer it up to 64 dimensions -------------------------

  static constexpr bool pointwise =
      sizeof...(Terms) == 0 && requires(const Gate& gate, const Member& c, const Scalar* p) {
    gate.log_weight(Index{});
    c.log_density_at(p);
  };

  /// log p(x) of one point (d, contiguous), in nats; as log_density.
  ///
  /// @throws InvalidArgument if the dimensions differ or a value is not finite
  double log_density_at(const Eigen::Ref<const Eigen::Matrix<Scalar, Eigen::Dynamic, 1>>& x) const requires pointwise {
    double largest = nothing, sum = 0;
    scores_at(x, [&](Index, double score) {
      if (score > largest) {
        sum = sum * std::exp(largest - score) + 1;
        largest = score;
      } else {
        sum += std::exp(score - largest);
      }
    });
    return sum > 0 ? largest + std::log(sum) : nothing;
  }
  /// The most probable component of one point (d, contiguous); the first of equals.
  ///
  /// @throws InvalidArgument if the dimensions differ or a value is not finite
  Index classify_at(const Eigen::Ref<const Eigen::Matrix<Scalar, Eigen::Dynamic, 1>>& x) const requires pointwise {
    double largest = nothing;
    Index best = -1;
    scores_at(x, [&](Index k, double score) {
      if (score > largest) largest = score, best = k;
    });
    return best >= 0 ? best : nearest(Data(x.data(), x.size(), 1, 1, x.size()), 0);
  }

  /// d x n independent draws, one per column; the components they came from in `labels` if asked.
  typename Data::Matrix sample(Index n, Rng& rng, Labels* labels = nullptr) const requires
      requires(const Gate& gate, const Member& member, Rng& any) {
    gate.sample(any);
    member.sample(any);
  }
  {
    require(n >= 0, "cannot draw ", n, " observations");
    typename Data::Matrix x(dimension(), n);
    if (labels) labels->resize(n);
    for (Index i = 0; i < n; ++i) {
      const Index k = gate().sample(rng);
      if (labels) (*labels)(i) = k;
      x.col(i) = bank()[k].sample(rng).template cast<Scalar>();
    }
    return x;
  }

 private:
  using Places = std::index_sequence_for<Gate, Bank, Terms...>;
  template <class F, std::size_t... I>
  void each(const F& f, std::index_sequence<I...>) const {
    (f(std::get<I>(terms_)), ...);
  }
  template <class F>
  void each(const F& f) const {
    each(f, Places());
  }
  template <class F, std::size_t... I>
  static void indexed(const F& f, std::index_sequence<I...>) {
    (f(std::integral_constant<std::size_t, I>()), ...);
  }
  template <class F>
  static void indexed(const F& f) {
    indexed(f, Places());
  }

  void score(const Data& block, Scores scores, Scratch& scratch) const {
    // A gate that gives every observation one score is written, not added.
    constexpr bool constant = requires(const Gate& gate) { gate.log_weight(Index{}); };
    for (Index k = 0; k < size(); ++k) {
      double value = 0;
      if constexpr (constant) value = gate().log_weight(k);
      std::fill_n(scores.data() + k * scores.outerStride(), scores.rows(), value);
    }
    indexed([&](auto i) {
      if constexpr (i > 0 || !constant) std::get<i>(terms_).score(block, std::get<i>(scratch.parts), scores);
    });
  }

  static constexpr double nothing = -std::numeric_limits<double>::infinity();

  template <class Use>
  static void for_each_block(const Data& x, const Use& use) {
    for (Index first = 0; first < x.size(); first += default_block) {
      use(x.slice(first, std::min(default_block, x.size() - first)));
    }
  }

  /// Blocks of responsibilities to `use`, log normalisers to `row`.
  template <class Row, class Use>
  void predict(const Data& x, const Row& row, const Use& use) const {
    check(x);
    Scratch scratch = this->scratch(std::min(default_block, x.size()));
    Eigen::VectorXd normalisers(default_block);
    for_each_block(x, [&](const Data& part) {
      Scores scores(scratch.scores.topRows(part.size()));
      score(part, scores, scratch);
      Soft::normalise(scores, nullptr, normalisers.data());
      const Index first = part.first() - x.first();
      for (Index i = 0; i < part.size(); ++i) {
        if (!std::isfinite(normalisers(i))) normalisers(i) = rescue(part, i, scores);
        row(first + i, normalisers(i));
      }
      use(first, scores);
    });
  }

  /// Responsibilities of an observation so far away that its scores are -inf, or inf - inf where its coordinates
  /// overflow: what such a component says counts as zero. Returns the log normaliser.
  [[gnu::cold]] double rescue(const Data& part, Index i, Scores& scores) const {
    Eigen::MatrixXd one(1, size());
    Scratch own = this->scratch(1);
    score(part.slice(i, 1), own.scores.topRows(1), own);
    for (Index k = 0; k < size(); ++k) one(0, k) = std::isnan(own.scores(0, k)) ? nothing : own.scores(0, k);
    const double normaliser = Soft::normalise(one, nullptr, nullptr);  // the sum over one observation
    if (!(normaliser > nothing)) one(0, nearest(part, i)) = 1;
    scores.row(i) = one;
    return normaliser;
  }

  /// The component with positive weight nearest to an observation that has no density to a double.
  [[gnu::cold]] Index nearest(const Data& block, Index i) const {
    Index best = -1;
    double nearness = 0;
    for (Index k = 0; k < size(); ++k) {
      if (!(weights()(k) > 0)) continue;
      const double own = bank().nearness(block, i, k);
      if (best < 0 || own > nearness) best = k, nearness = own;
    }
    return best;
  }

  template <class Use>
  void scores_at(const Eigen::Ref<const Eigen::Matrix<Scalar, Eigen::Dynamic, 1>>& x, const Use& use) const {
    require(x.size() == dimension(), "expected a point of dimension ", dimension(), ", got ", x.size());
    for (Index j = 0; j < x.size(); ++j) require(std::isfinite(x(j)), "dimension ", j, " of the point is ", x(j));
    for (Index k = 0; k < size(); ++k) {
      const double score = gate().log_weight(k) + bank()[k].log_density_at(x.data());
      if (score > nothing) use(k, score);  // false for inf - inf too, where a coordinate overflows
    }
  }

  std::tuple<Gate, Bank, Terms...> terms_;
};

/// K components of one family under constant weights.
template <Component C>
using MixtureOf = Mixture<ConstantGate, Components<C>>;

}  // namespace emulsion
