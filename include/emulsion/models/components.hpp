#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <concepts>
#include <utility>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"
#include "emulsion/core/fold.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/covariance/regularity.hpp"
#include "emulsion/data/points.hpp"

namespace emulsion {

/// A family with one M-step for all its components, which share parameters (a tied covariance) or work space.
template <class C>
concept SharedMStep = requires(const std::vector<typename C::Statistics>& s, const C& c, const std::vector<C>& now,
                               std::vector<C>& next, typename C::Workspace& work) {
  { c.workspace() } -> std::same_as<typename C::Workspace>;
  C::maximize_all(s, now, next, work);
};

/// A family with coordinates of its own (Frame), which follow the data of a fit.
template <class C>
concept FramedComponent = requires(const C& c, const typename C::Data& x, std::vector<C>& all) {
  c.in(c.frame_for(x));
  C::share_frame(all);
};

/// K components of one family as a term of a mixture: scores log p(x_i | theta_k).
template <Component C>
class Components {
 public:
  using Member = C;
  using Data = typename C::Data;
  static constexpr bool local_m_step = LocalMStep<C>;

  struct Statistics {
    std::vector<typename C::Statistics> all;
    Statistics& operator+=(const Statistics& other) {
      for (std::size_t k = 0; k < all.size(); ++k) all[k] += other.all[k];
      return *this;
    }
    Statistics& operator*=(double c) {
      for (auto& s : all) s *= c;
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      for (auto& s : all) s.visit(visitor);
    }
  };

  [[gnu::cold]] explicit Components(std::vector<C> components)
      : all_(checked(std::move(components))), work_(workspace_of(all_.front())) {
    for (const C& c : all_) {
      require(c.dimension() == dimension(), "the components of a mixture must have one dimension; got ", dimension(),
              " and ", c.dimension());
      if constexpr (requires { c.alike(c); }) {
        require(c.alike(all_.front()),
                "the components of a mixture must be of one form (covariance structure, categories)");
      }
    }
    if constexpr (FramedComponent<C>) C::share_frame(all_);
  }

  Index size() const { return static_cast<Index>(all_.size()); }
  Index dimension() const { return all_.front().dimension(); }
  const C& operator[](Index k) const { return all_[static_cast<std::size_t>(k)]; }
  const std::vector<C>& all() const { return all_; }

  Statistics statistics() const {
    return {std::vector<typename C::Statistics>(all_.size(), all_.front().statistics())};
  }

  // --- one block ------------------------------------------------------------------------------------------------------

  struct Plain {};
  static auto scratch_for(const C& c, Index most) {
    if constexpr (PackedComponent<C>) return c.packed(most);
    else return Plain{};
  }
  using Scratch = decltype(scratch_for(std::declval<const C&>(), Index{}));
  Scratch scratch(Index most) const { return scratch_for(all_.front(), most); }

  Index preferred_block() const {
    if constexpr (requires(const C& c) { c.preferred_block(Index{}); }) return all_.front().preferred_block(size());
    else return default_block;
  }
  void score(const Data& block, Scratch& scratch, Scores scores) const {
    if constexpr (PackedComponent<C>) all_.front().read(block, scratch);
    for (Index k = 0; k < size(); ++k) (*this)[k].log_density(as_read(block, scratch), scores.col(k));
  }
  void accumulate(const Data& block, const Responsibilities& r, Scratch& scratch, Statistics& s) const {
    for (Index k = 0; k < size(); ++k) {
      (*this)[k].accumulate(as_read(block, scratch), r.col(k), s.all[static_cast<std::size_t>(k)]);
    }
  }
  void maximize(const Statistics& s, Components& next) const {
    if constexpr (SharedMStep<C>) {
      C::maximize_all(s.all, all_, next.all_, next.work_);
    } else {
      for (std::size_t k = 0; k < all_.size(); ++k) all_[k].maximize(s.all[k], next.all_[k]);
    }
  }
  double offset() const {
    double sum = 0;
    if constexpr (requires { C::offset(all_); }) {
      sum = C::offset(all_);
    } else if constexpr (requires(const C& c) { c.offset(); }) {
      for (const C& c : all_) sum += c.offset();
    }
    return sum;
  }

  Index free_parameters() const {
    if constexpr (requires { C::free_parameters(all_); }) {
      return C::free_parameters(all_);
    } else {
      Index total = 0;
      for (const C& c : all_) total += c.free_parameters();
      return total;
    }
  }

  // --- unconstrained parameters, where the family has a chart ------------------------------------------------------------

  static constexpr bool charted_together = requires(std::vector<C> & all, Eigen::VectorXd& v, Index& at) {
    C::pack(all, v, at);
    C::unpack(all, v, at);
  };
  static constexpr bool charted = charted_together || requires(C & c, Eigen::VectorXd& v, Index& at) {
    c.parameters();
    c.pack(v, at);
    c.unpack(v, at);
  };

  Index parameters() const {
    if constexpr (charted_together) return free_parameters();
    else return size() * all_.front().parameters();
  }
  void pack(Eigen::VectorXd& v, Index& at) const requires charted {
    if constexpr (charted_together) {
      C::pack(all_, v, at);
    } else {
      for (const C& c : all_) c.pack(v, at);
    }
  }
  bool unpack(const Eigen::VectorXd& v, Index& at) requires charted {
    if constexpr (charted_together) {
      return C::unpack(all_, v, at);
    } else {
      bool admissible = true;
      for (C& c : all_) admissible = c.unpack(v, at) && admissible;
      return admissible;
    }
  }
  static constexpr bool differentiable_together =
      requires(const std::vector<C>& all, const std::vector<typename C::Statistics>& s, Eigen::VectorXd& v, Index& at) {
    C::gradient(all, s, v, at);
  };
  void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const
      requires(charted &&
               (differentiable_together || requires(const C& c, const typename C::Statistics& one, Eigen::VectorXd& u,
                                                    Index& from) { c.gradient(one, u, from); })) {
    if constexpr (differentiable_together) {
      C::gradient(all_, s.all, v, at);
    } else {
      for (std::size_t k = 0; k < all_.size(); ++k) all_[k].gradient(s.all[k], v, at);
    }
  }

  // --- what a fit asks ----------------------------------------------------------------------------------------------------

  /// Throws InvalidArgument where the family cannot have produced these data.
  void check(const Data& x) const {
    if constexpr (requires { all_.front().check_shape(x); }) {
      all_.front().check_shape(x);
    } else {
      require(dimension() != 1 || x.size() != 1 || x.dimension() == 1, "1 observation of dimension ", x.dimension(),
              "; for ", x.dimension(), " observations of one variable pass x.transpose()");
      require_dimension(x, dimension());
    }
    if constexpr (requires { all_.front().check(x); }) all_.front().check(x);
  }
  /// Reports what is unusual about the data for this family.
  void inspect(const Data& x, EventLog& log) const {
    if constexpr (requires { all_.front().inspect(x, size(), log); }) all_.front().inspect(x, size(), log);
  }
  /// What the members have to say of themselves after an E-step with these statistics.
  void describe(const Statistics& s, EventLog& log) const requires
      requires(const C& member, const typename C::Statistics& own) {
    member.describe(own, Index{}, log);
  }
  {
    for (Index k = 0; k < size(); ++k) (*this)[k].describe(s.all[static_cast<std::size_t>(k)], k, log);
  }
  void follow(const Data& x) {
    if constexpr (FramedComponent<C>) {
      const auto frame = all_.front().frame_for(x);
      for (C& c : all_) c = c.in(frame);
    }
  }
  static constexpr bool hastened = requires(C & c, const Data& x) {
    { c.hasten(x) } -> std::same_as<bool>;
    c.refine();
  };
  /// Cheaper arithmetic, until refine(); false where the data are too few for it to pay, or out of its range.
  bool hasten(const Data& x) requires hastened {
    if (x.size() * size() * all_.front().free_parameters() < 1'000'000) return false;
    const bool faster = std::all_of(all_.begin(), all_.end(), [&](C& c) { return c.hasten(x); });
    if (!faster) refine();
    return faster;
  }
  void refine() requires hastened {
    for (C& c : all_) c.refine();
  }
  /// How many parameters of component k a floor holds up.
  Index at_floor(Index k) const {
    if constexpr (requires(const C& c) { c.at_floor(); }) return (*this)[k].at_floor();
    else return 0;
  }
  /// The same for one component of all the observations together; 0 where they are but one point.
  [[gnu::cold]] Index at_floor_of_all(const Statistics& s) const {
    if constexpr (requires(const C& c) { c.at_floor(); }) {
      typename C::Statistics together = s.all.front();
      for (std::size_t k = 1; k < s.all.size(); ++k) together += s.all[k];
      C one = all_.front();
      all_.front().maximize(together, one);
      return one.at_floor() < dimension() ? one.at_floor() : 0;
    } else {
      return 0;
    }
  }
  /// How many parameters of component k lie on the border of their range.
  Index at_bound(Index k) const {
    if constexpr (requires(const C& c) { c.at_bound(); }) return (*this)[k].at_bound();
    else return 0;
  }
  Regularity regularity(const Eigen::VectorXd& weights, double least) const {
    if constexpr (requires { C::regularity(all_, weights, least); }) return C::regularity(all_, weights, least);
    else return {};
  }
  /// A rank where all densities underflow: the larger, the nearer.
  double nearness(const Data& block, Index i, Index k) const {
    if constexpr (requires(const C& c) { c.log_distance(block, i); }) return -(*this)[k].log_distance(block, i);
    else return 0;
  }

  /// What the statistics of `from` say of these parameters; see Recentred.
  void recentre(Statistics& s, const Components& from) const requires Recentred<C> {
    for (std::size_t k = 0; k < all_.size(); ++k) all_[k].recentre(s.all[k], from.all_[k]);
  }

  void drop(Index k) { all_.erase(all_.begin() + k); }
  void renew(Index k, const Components& from) {
    if constexpr (requires(C & c) { c.renew(from[k]); }) all_[static_cast<std::size_t>(k)].renew(from[k]);
    else all_[static_cast<std::size_t>(k)] = from[k];
  }

 private:
  static std::vector<C> checked(std::vector<C> components) {
    require(!components.empty(), "a mixture needs at least one component, got none");
    return components;
  }
  static auto workspace_of(const C& c) {
    if constexpr (SharedMStep<C>) return c.workspace();
    else return Plain{};
  }
  static auto& as_read(const Data& block, Scratch& scratch) {
    if constexpr (PackedComponent<C>) return scratch;
    else return block;
  }

  std::vector<C> all_;
  decltype(workspace_of(std::declval<const C&>())) work_;
};

}  // namespace emulsion
