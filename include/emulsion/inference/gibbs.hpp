#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "emulsion/core/random.hpp"
#include "emulsion/core/read_block.hpp"
#include "emulsion/inference/partition_prior.hpp"
#include "emulsion/models/components.hpp"

namespace emulsion {

/// Samples partitions of the observations from their exact posterior, all parameters integrated out: collapsed Gibbs
/// sweeps (Neal, 2000, algorithm 3) and split-merge proposals (Jain and Neal, 2004). For finite mixtures, Dirichlet and
/// Pitman-Yor processes of any family with a conjugate prior. A check on variational inference, and slower.
///
/// One chain is one step after another; chains of their own seeds may run in threads side by side.
template <class Posterior>
class GibbsSampler {
 public:
  using Data = typename Posterior::Data;
  using Statistics = typename Posterior::Statistics;

  /// All observations in one group. The data must outlive the sampler. A weight of w is the observation w times, each
  /// of which may join a group of its own: weights are whole numbers.
  ///
  /// @throws InvalidArgument if the family cannot have produced the data, and for other weights
  ///
  /// Memory: statistics of every observation, as often as it counts.
  GibbsSampler(const Posterior& prior, const PartitionPrior& partitions, const Data& data, std::uint64_t seed = 0)
      : data_(checked(prior, data)), prior_(in_frame_of(prior.as_prior(), data)), partitions_(partitions), rng_(seed),
        observations_(as_often_as_they_count(data)), labels_(Labels::Zero(static_cast<Index>(observations_.size()))),
        one_(1), empty_(prior_) {
    singles_.reserve(observations_.size());
    for (Index i = 0; i < data.size(); ++i) {
      if (data.weight(i) == 0) continue;
      Statistics once = prior_.statistics(data.slice(i, 1));
      once *= 1 / data.weight(i);
      singles_.insert(singles_.end(), static_cast<std::size_t>(data.weight(i)), once);
    }
    groups_.push_back(empty_);
    for (Index i = 0; i < labels_.size(); ++i) groups_.front().add(single(i));
  }

  Index size() const { return static_cast<Index>(groups_.size()); }
  /// Of every observation as often as it counts, 0 to size() - 1; which observations they are, observations() says.
  const Labels& labels() const { return labels_; }
  const std::vector<Index>& observations() const { return observations_; }
  /// Of the groups.
  std::vector<double> counts() const {
    std::vector<double> result;
    result.reserve(groups_.size());
    for (const Group& group : groups_) result.push_back(group.count);
    return result;
  }
  /// Of the parameters of group k, given the partition.
  Posterior posterior(Index k) const { return prior_.updated(groups_[static_cast<std::size_t>(k)].statistics); }
  /// log p(partition) + log p(x | partition), in nats; of families whose log_evidence() is up to a constant of the
  /// data, up to that.
  double log_joint() const {
    double sum = partitions_.log_probability(counts());
    for (const Group& group : groups_) sum += prior_.log_evidence(group.statistics);
    return sum;
  }

  /// Every observation once: it leaves its group and joins one, drawn given all others.
  void sweep() {
    for (Index i = 0; i < labels_.size(); ++i) {
      leave(i);
      Eigen::VectorXd logs(size() + 1);
      for (Index k = 0; k < size(); ++k) {
        Group& group = groups_[static_cast<std::size_t>(k)];
        logs(k) = std::log(partitions_.of_group(group.count)) + log_predictive(group, i);
      }
      logs(size()) = std::log(partitions_.of_new(size())) + log_predictive(empty_, i);
      const Index k = draw(logs);
      if (k == size()) groups_.push_back(empty_);
      labels_(i) = k;
      groups_[static_cast<std::size_t>(k)].add(single(i));
    }
    refresh();
  }

  /// Proposes to split the group of two observations drawn at random, or to merge their two, after `scans` restricted
  /// Gibbs scans. True if accepted.
  bool split_merge(int scans = 5) {
    require(scans >= 0, "the number of restricted scans must not be negative, got ", scans);
    const Index n = labels_.size();
    if (n < 2) return false;
    const auto i = static_cast<Index>(rng_.below(static_cast<std::uint64_t>(n)));
    auto j = static_cast<Index>(rng_.below(static_cast<std::uint64_t>(n - 1)));
    j += j >= i ? 1 : 0;
    const Index a = labels_(i), b = labels_(j);
    std::vector<Index> others;
    for (Index l = 0; l < n; ++l) {
      if (l != i && l != j && (labels_(l) == a || labels_(l) == b)) others.push_back(l);
    }
    // The launch state: side[l] says whether observation others[l] is with j.
    std::vector<bool> side;
    Group left(prior_), right(prior_);
    left.add(single(i)), right.add(single(j));
    for (const Index l : others) {
      side.push_back(rng_.uniform() < 0.5);
      (side.back() ? right : left).add(single(l));
    }
    for (int scan = 0; scan < scans; ++scan) restricted_scan(others, side, left, right, nullptr);
    if (a == b) {
      const double log_q = restricted_scan(others, side, left, right, nullptr);
      const Group& whole = groups_[static_cast<std::size_t>(a)];
      const double log_ratio =
          std::log(partitions_.of_new(size())) + log_weight(left) + log_weight(right) - log_weight(whole) - log_q;
      if (!(std::log(rng_.uniform()) < log_ratio)) return false;
      for (std::size_t l = 0; l < others.size(); ++l) {
        if (side[l]) labels_(others[l]) = size();
      }
      labels_(j) = size();
      groups_[static_cast<std::size_t>(a)] = std::move(left);
      groups_.push_back(std::move(right));
    } else {
      std::vector<bool> wanted;
      wanted.reserve(others.size());
      for (const Index l : others) wanted.push_back(labels_(l) == b);
      const double log_q = restricted_scan(others, side, left, right, &wanted);
      Group whole(prior_);
      for (const Index l : others) whole.add(single(l));
      whole.add(single(i)), whole.add(single(j));
      const double log_ratio = log_weight(whole) + log_q - std::log(partitions_.of_new(size() - 1)) -
                               log_weight(groups_[static_cast<std::size_t>(a)]) -
                               log_weight(groups_[static_cast<std::size_t>(b)]);
      if (!(std::log(rng_.uniform()) < log_ratio)) return false;
      for (const Index l : others) labels_(l) = a;
      labels_(j) = a;
      groups_[static_cast<std::size_t>(a)] = std::move(whole);
      erase(b);
    }
    return true;
  }

 private:
  using Predictive = typename Posterior::Predictive;

  struct Group {
    Statistics statistics;
    double count = 0;
    std::optional<Predictive> predictive;  // of the present statistics, once it was asked for

    explicit Group(const Posterior& prior) : statistics(prior.statistics()) {}
    void add(const Statistics& s) {
      statistics += s;
      ++count;
      predictive.reset();
    }
    void remove(const Statistics& s) {
      statistics.remove(s);
      --count;
      predictive.reset();
    }
  };

  static const Data& checked(const Posterior& prior, const Data& data) {
    require(data.size() > 0, "a sampler needs at least one observation, got none");
    Components<Posterior>(std::vector<Posterior>(1, prior)).check(data);
    for (Index i = 0; i < data.size(); ++i) {
      require(data.weight(i) == std::floor(data.weight(i)),
              "a sampler puts every observation into one group, as often ",
              "as its weight says: weights must be whole numbers; weight ", i, " is ", data.weight(i));
    }
    if constexpr (requires { prior.shared_between_components(); }) {
      require(!prior.shared_between_components(),
              "a sampler of partitions needs groups with parameters of their own: ", "not a tied covariance");
    }
    return data;
  }
  static Posterior in_frame_of(const Posterior& prior, const Data& data) {
    if constexpr (FramedComponent<Posterior>) return prior.in(prior.frame_for(data));
    else return prior;
  }
  static std::vector<Index> as_often_as_they_count(const Data& data) {
    std::vector<Index> all;
    all.reserve(static_cast<std::size_t>(data.total_weight()));
    for (Index i = 0; i < data.size(); ++i) all.insert(all.end(), static_cast<std::size_t>(data.weight(i)), i);
    return all;
  }
  const Statistics& single(Index i) const { return singles_[static_cast<std::size_t>(i)]; }

  double log_predictive(Group& group, Index i) {
    if (!group.predictive) group.predictive = prior_.updated(group.statistics).predictive();
    one_(0) = 0;
    const Predictive& predictive = *group.predictive;
    read_block(predictive, data_.slice(observations_[static_cast<std::size_t>(i)], 1),
               [&](auto& block) { predictive.log_density(block, one_); });
    return one_(0);
  }
  double log_weight(const Group& group) const {
    return partitions_.log_group(group.count) + prior_.log_evidence(group.statistics);
  }
  Index draw(Eigen::VectorXd& logs) {
    const double largest = logs.maxCoeff();
    for (Index k = 0; k < logs.size(); ++k) logs(k) = std::exp(logs(k) - largest);
    return rng_.categorical(logs);
  }

  void leave(Index i) {
    const Index k = labels_(i);
    groups_[static_cast<std::size_t>(k)].remove(single(i));
    if (groups_[static_cast<std::size_t>(k)].count == 0) erase(k);
  }
  void erase(Index k) {
    groups_.erase(groups_.begin() + k);
    for (Index l = 0; l < labels_.size(); ++l) labels_(l) -= labels_(l) > k ? 1 : 0;
  }
  /// Sums again, because a removal is a subtraction.
  void refresh() {
    for (Group& group : groups_) group = Group(prior_);
    for (Index i = 0; i < labels_.size(); ++i) groups_[static_cast<std::size_t>(labels_(i))].add(single(i));
  }

  /// One Gibbs scan of the others between the two groups; where `wanted` is given, to there. Returns the log
  /// probability of what was drawn.
  double restricted_scan(const std::vector<Index>& others, std::vector<bool>& side, Group& left, Group& right,
                         const std::vector<bool>* wanted) {
    double log_q = 0;
    for (std::size_t l = 0; l < others.size(); ++l) {
      (side[l] ? right : left).remove(single(others[l]));
      const double to_left = std::log(partitions_.of_group(left.count)) + log_predictive(left, others[l]);
      const double to_right = std::log(partitions_.of_group(right.count)) + log_predictive(right, others[l]);
      const double odds = to_right - to_left;
      const double log_right = odds > 0 ? -std::log1p(std::exp(-odds)) : odds - std::log1p(std::exp(odds));
      const double log_left = odds > 0 ? -odds - std::log1p(std::exp(-odds)) : -std::log1p(std::exp(odds));
      const bool is_right = wanted ? (*wanted)[l] : std::log(rng_.uniform()) < log_right;
      log_q += is_right ? log_right : log_left;
      side[l] = is_right;
      (is_right ? right : left).add(single(others[l]));
    }
    return log_q;
  }

  Data data_;
  Posterior prior_;
  PartitionPrior partitions_;
  Rng rng_;
  std::vector<Index> observations_;
  Labels labels_;
  Eigen::VectorXd one_;
  Group empty_;
  std::vector<Statistics> singles_;
  std::vector<Group> groups_;
};

}  // namespace emulsion
