#pragma once
#include <Eigen/Core>
#include <memory>
#include <utility>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/read_block.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/data/points.hpp"

namespace emulsion {

template <class C>
struct PackedLike {};
template <PackedComponent C>
struct PackedLike<C> {
  using Packed = typename C::Packed;
};

/// A member of a family whose parameters are known up to a distribution over them, as a component: it scores what is
/// expected of the log density,
///
///   E[log p(x | theta)] = log p(x | stand-in) + gain,
///
/// by the family's own kernels, and learns the family's own statistics. The stand-in is a member of the family, or what
/// its kernels take for one.
template <class Member_>
class PosteriorOf : public PackedLike<Member_> {
 public:
  using Member = Member_;
  using Scalar = typename Member::Data::Scalar;
  using Data = typename Member::Data;
  using Statistics = typename Member::Statistics;
  using Block = typename BlockOf<Member>::type;

  Index dimension() const { return stand_in_.dimension(); }

  /// out(i) += E[log p(x_i | theta)]
  void log_density(Block& block, Eigen::Ref<Eigen::VectorXd> out) const {
    stand_in_.log_density(block, out);
    for (Index i = 0; i < out.size(); ++i) out(i) += gain_;
  }
  Statistics statistics() const { return stand_in_.statistics(); }
  void accumulate(Block& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    stand_in_.accumulate(block, w, s);
  }
  /// Of weighted observations: what updated() takes.
  ///
  /// @throws InvalidArgument if the dimensions differ or the family cannot have produced a value
  Statistics statistics(const Data& x) const {
    check_data(x);
    Eigen::VectorXd w(x.size());
    for (Index i = 0; i < x.size(); ++i) w(i) = x.weight(i);
    Statistics s = statistics();
    Eigen::VectorXd ignored = Eigen::VectorXd::Zero(x.size());
    read_block(stand_in_, x, [&](Block& block) {
      stand_in_.log_density(block, ignored);  // accumulate() may read what this left in the block
      accumulate(block, w, s);
    });
    return s;
  }

  // What a mixture asks of a component, answered by the family.
  auto packed(Index most) const requires PackedComponent<Member> { return stand_in_.packed(most); }
  template <class Packed>
  void read(const Data& block, Packed& packed) const requires PackedComponent<Member> {
    stand_in_.read(block, packed);
  }
  Index preferred_block(Index components) const requires(requires(const Member& m) { m.preferred_block(Index{}); }) {
    return stand_in_.preferred_block(components);
  }
  void check_shape(const Data& x) const requires(requires(const Member& m, const Data& d) { m.check_shape(d); }) {
    stand_in_.check_shape(x);
  }
  void check(const Data& x) const requires(requires(const Member& m, const Data& d) { m.check(d); }) {
    stand_in_.check(x);
  }
  void inspect(const Data& x, Index components, EventLog& log) const
      requires(requires(const Member& m, const Data& d, EventLog& l) { m.inspect(d, Index{}, l); }) {
    stand_in_.inspect(x, components, log);
  }
  double log_distance(const Data& x, Index i) const
      requires(requires(const Member& m, const Data& d) { m.log_distance(d, Index{}); }) {
    return stand_in_.log_distance(x, i);
  }
  Index at_floor() const requires(requires(const Member& m) { m.at_floor(); }) { return stand_in_.at_floor(); }

 protected:
  explicit PosteriorOf(Member stand_in) : stand_in_(std::move(stand_in)) {}

  void check_data(const Data& x) const {
    if constexpr (requires { stand_in_.check_shape(x); }) stand_in_.check_shape(x);
    else require_dimension(x, dimension());
    if constexpr (requires { stand_in_.check(x); }) stand_in_.check(x);
  }

  Member stand_in_;
  double gain_ = 0;
};

/// The base of a family's conjugate posteriors. `Self` is a distribution over the parameters: a prior, or what
/// updated() or maximize() made of one, which it knows then. It has
///
///   learn(prior, statistics)   becomes the posterior: sets its parameters, stand-in and gain
///   divergence(other)          Kullback-Leibler divergence of this from other, in nats
///
/// and a log_density() of its own where the gain is not the same for all observations.
template <class Self, class Member>
class ConjugatePosterior : public PosteriorOf<Member> {
 public:
  using Statistics = typename Member::Statistics;
  using Data = typename Member::Data;

  /// E[log p(x_i | theta)] of every observation, in nats (n).
  ///
  /// @throws InvalidArgument if the dimensions differ or the family cannot have produced a value
  Eigen::VectorXd expected_log_density(const Data& x) const {
    this->check_data(x);
    Eigen::VectorXd result = Eigen::VectorXd::Zero(x.size());
    read_block(self(), x, [&](auto& block) { self().log_density(block, result); });
    return result;
  }

  /// What this was updated from; a prior's is itself.
  const Self& prior() const { return prior_ ? *prior_ : self(); }
  /// This distribution, as the prior of what is to come.
  Self as_prior() const {
    Self result = self();
    result.prior_ = nullptr;
    if constexpr (requires { result.prepare_as_prior(); }) result.prepare_as_prior();
    return result;
  }
  /// This as a posterior of that prior, whatever the observations were; the prior goes into its frame.
  Self with_prior(const Self& prior) const {
    Self result = self();
    Self given = prior.as_prior();
    if constexpr (requires { given.in(result.shared_frame()); }) {
      if (!(*given.shared_frame() == *result.shared_frame())) given = given.in(result.shared_frame());
    }
    result.prior_ = std::make_shared<const Self>(std::move(given));
    return result;
  }
  /// The posterior after observations with those statistics (statistics(x)), of which this is the prior.
  Self updated(const Statistics& s) const {
    Self result = self().with_prior(self());
    result.learn(result.prior(), s);
    return result;
  }
  /// The M-step: the prior, updated.
  void maximize(const Statistics& s, Self& next) const {
    next.prior_ = prior_or_this();
    next.learn(*next.prior_, s);
  }
  /// Minus the divergence from the prior: what the evidence bound loses.
  double offset() const { return -self().divergence(prior()); }

 protected:
  using PosteriorOf<Member>::PosteriorOf;

  std::shared_ptr<const Self> prior_or_this() const { return prior_ ? prior_ : std::make_shared<const Self>(self()); }

  std::shared_ptr<const Self> prior_;  // none: this is one

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
};

}  // namespace emulsion
