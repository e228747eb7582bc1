#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <utility>
#include <vector>

#include "emulsion/gates/softmax.hpp"

namespace emulsion {

/// A tree of softmax gates, whose leaves are the components in their order (hierarchical mixture of experts; Jordan and
/// Jacobs, 1994): the weight of a component is the product of the weights of the branches on the way to it.
///
/// A node shares out a run of components, branch after branch. Statistics: local quadratic, those of its nodes; an
/// M-step is one of every node, for what reaches it.
class HierarchicalGate {
 public:
  static constexpr bool local_m_step = true;

  /// A softmax gate over neighbouring runs of components: run c is [ends[c - 1], ends[c]), the first from `begin`.
  struct Node {
    Index begin = 0;
    std::vector<Index> ends;
    SoftmaxGate gate;
  };
  struct Statistics {
    std::vector<SoftmaxGate::Statistics> nodes;
    Statistics& operator+=(const Statistics& other) {
      for (std::size_t i = 0; i < nodes.size(); ++i) nodes[i] += other.nodes[i];
      return *this;
    }
    Statistics& operator*=(double c) {
      for (auto& node : nodes) node *= c;
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      for (auto& node : nodes) node.visit(visitor);
    }
  };
  struct Scratch {
    std::vector<SoftmaxGate::Scratch> nodes;
    Eigen::MatrixXd branches;  // b x the most branches of a node
  };

  /// A tree with so many branches at every node (the last ones fewer), over K components. `covariates`: p.
  HierarchicalGate(Index components, Index covariates, Index branches = 2, const SoftmaxOptions& options = {})
      : shares_(Eigen::VectorXd::Constant(std::max<Index>(1, components), 1 / static_cast<double>(components))) {
    require(components >= 1, "a mixture needs at least one component, got ", components);
    require(branches >= 2, "the nodes of a tree need at least two branches, got ", branches);
    grow(0, components, covariates, branches, options);
    if (nodes_.empty()) nodes_.push_back({0, {1}, SoftmaxGate(1, covariates, options)});
  }

  Index size() const { return shares_.size(); }
  Index covariates() const { return nodes_.front().gate.covariates(); }
  const std::vector<Node>& nodes() const { return nodes_; }
  /// K: the share of the observations that each component had in the last M-step; equal before the first.
  const Eigen::VectorXd& weights() const { return shares_; }
  Index free_parameters() const {
    Index total = 0;
    for (const Node& node : nodes_) total += node.gate.free_parameters();
    return total;
  }

  Statistics statistics() const {
    Statistics result;
    for (const Node& node : nodes_) result.nodes.push_back(node.gate.statistics());
    return result;
  }
  Scratch scratch(Index most) const {
    Scratch result;
    Index widest = 1;
    for (const Node& node : nodes_) {
      result.nodes.push_back(node.gate.scratch(most));
      widest = std::max(widest, node.gate.size());
    }
    result.branches.resize(most, widest);
    return result;
  }

  template <class Data>
  void score(const Data& block, Scratch& scratch, Scores scores) const {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      Scores own(scratch.branches.topLeftCorner(scores.rows(), nodes_[i].gate.size()));
      own.setZero();
      nodes_[i].gate.score(block, scratch.nodes[i], own);
      each_leaf(nodes_[i], [&](Index branch, Index leaf) { scores.col(leaf) += own.col(branch); });
    }
  }
  template <class Data>
  void accumulate(const Data& block, const Responsibilities& r, Scratch& scratch, Statistics& s) const {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      Scores own(scratch.branches.topLeftCorner(r.rows(), nodes_[i].gate.size()));
      own.setZero();
      each_leaf(nodes_[i], [&](Index branch, Index leaf) { own.col(branch) += r.col(leaf); });
      nodes_[i].gate.accumulate(block, own, scratch.nodes[i], s.nodes[i]);
    }
  }
  void maximize(const Statistics& s, HierarchicalGate& next) const {
    next.shares_.setOnes();
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      nodes_[i].gate.maximize(s.nodes[i], next.nodes_[i].gate);
      const Eigen::VectorXd& share = next.nodes_[i].gate.weights();
      each_leaf(nodes_[i], [&](Index branch, Index leaf) { next.shares_(leaf) *= share(branch); });
    }
  }
  /// What the statistics of `from` say of these coefficients; see Recentred.
  void recentre(Statistics& s, const HierarchicalGate& from) const {
    for (std::size_t i = 0; i < nodes_.size(); ++i) nodes_[i].gate.recentre(s.nodes[i], from.nodes_[i].gate);
  }
  double offset() const {
    double total = 0;
    for (const Node& node : nodes_) total += node.gate.offset();
    return total;
  }

  Index parameters() const { return free_parameters(); }
  void pack(Eigen::VectorXd& v, Index& at) const {
    for (const Node& node : nodes_) node.gate.pack(v, at);
  }
  bool unpack(const Eigen::VectorXd& v, Index& at) {
    return std::all_of(nodes_.begin(), nodes_.end(), [&](Node& node) { return node.gate.unpack(v, at); });
  }
  void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    for (std::size_t i = 0; i < nodes_.size(); ++i) nodes_[i].gate.gradient(s.nodes[i], v, at);
  }

  template <class Data>
  void check(const Data& data) const {
    nodes_.front().gate.check(data);
  }
  template <class Data>
  void follow(const Data& data) {
    for (Node& node : nodes_) node.gate.follow(data);
  }
  void describe(const Statistics& s, EventLog& log) const {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      EventLog own;
      nodes_[i].gate.describe(s.nodes[i], own);
      for (Event& event : own.events()) {  // of a branch: told of its first component
        const Index first =
            event.component == 0 ? nodes_[i].begin : nodes_[i].ends[static_cast<std::size_t>(event.component - 1)];
        event.text = sentence({"the gate covariates separate the branch that begins with component ", first,
                               " from the others of its node: the slopes there have no finite maximum"});
        event.component = first;
        log.add(std::move(event));
      }
    }
  }

  /// Without component k: a node that is left with one branch shares out nothing.
  [[gnu::cold]] void drop(Index k) {
    for (Node& node : nodes_) {
      Index begin = node.begin;
      for (std::size_t c = 0; c < node.ends.size(); ++c) {
        const bool alone = begin == k && node.ends[c] == k + 1;
        begin = node.ends[c];
        if (!alone) continue;
        if (node.ends.size() > 1) {
          node.gate.drop(static_cast<Index>(c));
          node.ends.erase(node.ends.begin() + static_cast<std::ptrdiff_t>(c));
        }
        break;
      }
      if (node.begin > k) --node.begin;
      for (Index& end : node.ends) end -= end > k ? 1 : 0;
    }
    std::erase_if(nodes_, [&](const Node& node) { return node.ends.size() == 1 && nodes_.size() > 1; });
    Eigen::VectorXd shares(size() - 1);
    for (Index other = 0; other < size() - 1; ++other) shares(other) = shares_(other < k ? other : other + 1);
    shares_ = shares.sum() > 0 ? Eigen::VectorXd(shares / shares.sum())
                               : Eigen::VectorXd::Constant(shares.size(), 1 / static_cast<double>(shares.size()));
  }
  /// Component k starts again from all the gates on its way.
  void renew(Index k, const HierarchicalGate& from) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      each_leaf(nodes_[i], [&](Index branch, Index leaf) {
        if (leaf == k) nodes_[i].gate.renew(branch, from.nodes_[i].gate);
      });
    }
  }

 private:
  void grow(Index begin, Index end, Index covariates, Index branches, const SoftmaxOptions& options) {
    const Index count = end - begin;
    if (count < 2) return;
    const Index here = std::min(branches, count);
    Node node{begin, {}, SoftmaxGate(here, covariates, options)};
    for (Index c = 1; c <= here; ++c) node.ends.push_back(begin + c * count / here);
    nodes_.push_back(node);
    for (std::size_t c = 0; c < node.ends.size(); ++c) {
      grow(c == 0 ? begin : node.ends[c - 1], node.ends[c], covariates, branches, options);
    }
  }
  template <class Use>
  static void each_leaf(const Node& node, const Use& use) {
    Index leaf = node.begin;
    for (std::size_t c = 0; c < node.ends.size(); ++c) {
      for (; leaf < node.ends[c]; ++leaf) use(static_cast<Index>(c), leaf);
    }
  }
  std::vector<Node> nodes_;  // a node before those below it
  Eigen::VectorXd shares_;
};

}  // namespace emulsion
