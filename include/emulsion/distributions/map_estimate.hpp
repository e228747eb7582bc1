#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "emulsion/core/random.hpp"
#include "emulsion/distributions/posterior.hpp"
#include "emulsion/models/components.hpp"

namespace emulsion {

/// A member of a family with a conjugate prior on its parameters, as a component that is fitted to their posterior
/// mode: the prototype of a maximum a posteriori (MAP) fit,
///
///   fit_mixture(MapEstimate(NormalWishart(...)), x, {.components = 3});
///
/// The objective of the fit is log p(x | theta) + log p(theta), theta in the family's parameters (of a Gaussian mean
/// and covariance), which EM never lowers (Fraley and Raftery, 2007). Covariances cannot collapse under a
/// Normal-Wishart prior.
template <class Conjugate>
class MapEstimate : public PosteriorOf<typename Conjugate::Member> {
 public:
  using Member = typename Conjugate::Member;
  using Data = typename Member::Data;
  using Statistics = typename Member::Statistics;

  /// @throws InvalidArgument if the density of the prior is unbounded
  explicit MapEstimate(const Conjugate& prior)
      : PosteriorOf<Member>(prior.mode()), prior_(std::make_shared<const Conjugate>(prior)) {
    require(prior.bounded(), "a maximum a posteriori fit needs a prior with a bounded density: no shape or ",
            "concentration below one");
  }

  const Member& estimate() const { return stand_in_; }
  const Conjugate& prior() const { return *prior_; }
  Index free_parameters() const { return stand_in_.free_parameters(); }
  static Index free_parameters(const std::vector<MapEstimate>& all) requires(requires(std::vector<Member> members) {
    Member::free_parameters(members);
  }) {
    std::vector<Member> members;
    for (const MapEstimate& one : all) members.push_back(one.stand_in_);
    return Member::free_parameters(members);
  }
  Eigen::VectorXd sample(Rng& rng) const { return stand_in_.sample(rng); }

  void maximize(const Statistics& s, MapEstimate& next) const { next.stand_in_ = prior_->updated(s).mode(); }
  struct Workspace {};
  Workspace workspace() const { return {}; }
  /// The modes of all components' posteriors at once: a tied precision has one.
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<MapEstimate>& now,
                                         std::vector<MapEstimate>& next, Workspace&) {
    std::vector<Conjugate> all;
    for (const MapEstimate& one : now) all.push_back(*one.prior_);
    const Components<Conjugate> priors(std::move(all));
    Components<Conjugate> posteriors = priors;
    priors.maximize({s}, posteriors);
    for (std::size_t k = 0; k < s.size(); ++k) {
      const auto own = static_cast<Index>(k);
      next[k].prior_ = now[k].prior_;
      if constexpr (requires { posteriors[own].mode(own); }) next[k].stand_in_ = posteriors[own].mode(priors.size());
      else next[k].stand_in_ = posteriors[own].mode();
    }
  }
  /// Sum of log p(theta_k), in nats.
  static double offset(const std::vector<MapEstimate>& all) {
    double sum = 0;
    for (const MapEstimate& one : all) {
      if constexpr (requires { one.prior_->log_density_of(one.stand_in_, true); }) {
        sum += one.prior_->log_density_of(one.stand_in_, &one == &all.front());
      } else {
        sum += one.prior_->log_density_of(one.stand_in_);
      }
    }
    return sum;
  }

  bool alike(const MapEstimate& other) const requires(requires(const Conjugate& c) { c.alike(c); }) {
    return prior_->alike(*other.prior_);
  }
  auto frame_for(const Data& x) const requires FramedComponent<Conjugate> { return prior_->frame_for(x); }
  template <class Frame>
  MapEstimate in(const Frame& frame) const requires FramedComponent<Conjugate> {
    MapEstimate result = *this;
    result.stand_in_ = stand_in_.in(frame);
    result.prior_ = std::make_shared<const Conjugate>(prior_->in(frame));
    return result;
  }
  static void share_frame(std::vector<MapEstimate>& all) requires FramedComponent<Conjugate> {
    std::vector<Member> members;
    for (const MapEstimate& one : all) members.push_back(one.stand_in_);
    Member::share_frame(members);
    for (std::size_t k = 0; k < all.size(); ++k) all[k] = all[k].in(members[k].shared_frame());
  }
  template <class Weights>
  static auto regularity(const std::vector<MapEstimate>& all, const Weights& weights,
                         double least) requires(requires(std::vector<Member> members) {
    Member::regularity(members, weights, least);
  }) {
    std::vector<Member> members;
    for (const MapEstimate& one : all) members.push_back(one.stand_in_);
    return Member::regularity(members, weights, least);
  }

 private:
  using PosteriorOf<Member>::stand_in_;

  std::shared_ptr<const Conjugate> prior_;
};

}  // namespace emulsion
