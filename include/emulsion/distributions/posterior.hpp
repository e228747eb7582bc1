#pragma once
#include <Eigen/Core>
#include <utility>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/read_block.hpp"
#include "emulsion/core/report.hpp"

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
///   E[log p(x | theta)] = log p(x | expected) + gain,
///
/// by the family's own kernels, and learns the family's own statistics. The base of conjugate posteriors: a
/// distribution over theta, the prior or what updated() made of it, sets `expected` and `gain`.
template <class Member_>
class PosteriorOf : public PackedLike<Member_> {
 public:
  using Member = Member_;
  using Scalar = typename Member::Scalar;
  using Data = typename Member::Data;
  using Statistics = typename Member::Statistics;
  using Block = typename BlockOf<Member>::type;

  Index dimension() const { return expected_.dimension(); }

  /// out(i) += E[log p(x_i | theta)]
  void log_density(Block& block, Eigen::Ref<Eigen::VectorXd> out) const {
    expected_.log_density(block, out);
    for (Index i = 0; i < out.size(); ++i) out(i) += gain_;
  }
  /// E[log p(x_i | theta)] of every observation, in nats (n).
  ///
  /// @throws InvalidArgument if the dimensions differ or the family cannot have produced a value
  Eigen::VectorXd expected_log_density(const Data& x) const {
    check_data(x);
    Eigen::VectorXd result = Eigen::VectorXd::Zero(x.size());
    read_block(expected_, x, [&](Block& block) { log_density(block, result); });
    return result;
  }

  Statistics statistics() const { return expected_.statistics(); }
  void accumulate(Block& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    expected_.accumulate(block, w, s);
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
    read_block(expected_, x, [&](Block& block) {
      expected_.log_density(block, ignored);  // accumulate() may read what this left in the block
      accumulate(block, w, s);
    });
    return s;
  }

  // What a mixture asks of a component, answered by the family.
  auto packed(Index most) const requires PackedComponent<Member> { return expected_.packed(most); }
  template <class Packed>
  void read(const Data& block, Packed& packed) const requires PackedComponent<Member> {
    expected_.read(block, packed);
  }
  Index preferred_block(Index components) const requires(requires(const Member& m) { m.preferred_block(Index{}); }) {
    return expected_.preferred_block(components);
  }
  void check(const Data& x) const requires(requires(const Member& m, const Data& d) { m.check(d); }) {
    expected_.check(x);
  }
  void inspect(const Data& x, Index components, EventLog& log) const
      requires(requires(const Member& m, const Data& d, EventLog& l) { m.inspect(d, Index{}, l); }) {
    expected_.inspect(x, components, log);
  }
  double log_distance(const Data& x, Index i) const
      requires(requires(const Member& m, const Data& d) { m.log_distance(d, Index{}); }) {
    return expected_.log_distance(x, i);
  }
  Index at_floor() const requires(requires(const Member& m) { m.at_floor(); }) { return expected_.at_floor(); }

 protected:
  explicit PosteriorOf(Member expected) : expected_(std::move(expected)) {}

  Member expected_;
  double gain_ = 0;

 private:
  void check_data(const Data& x) const {
    require(x.dimension() == dimension(), "expected ", dimension(), " dimensions, got ", x.dimension(), " (data of ",
            x.dimension(), " x ", x.size(), "; an observation is a column, rows(x) adapts rows)");
    if constexpr (requires { expected_.check(x); }) expected_.check(x);
  }
};

}  // namespace emulsion
