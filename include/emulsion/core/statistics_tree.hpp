#pragma once
#include <vector>

#include "emulsion/core/concepts.hpp"

namespace emulsion {

/// Sums of statistics per batch, of which any can be replaced: a binary tree of partial sums, so that a sum never comes
/// from a subtraction. Replacing costs log2(batches) merges.
template <class S>
class StatisticsTree {
 public:
  StatisticsTree(Index leaves, const S& zero) : leaves_(leaves), nodes_(static_cast<std::size_t>(2 * leaves), zero) {}

  Index size() const { return leaves_; }
  /// To be filled; then call update().
  S& leaf(Index i) { return nodes_[static_cast<std::size_t>(leaves_ + i)]; }
  /// Sums again what contains leaf i.
  void update(Index i) {
    for (Index node = (leaves_ + i) / 2; node >= 1; node /= 2) {
      S& sum = at(node);
      sum *= 0.0;
      sum += at(2 * node);
      sum += at(2 * node + 1);
    }
  }
  /// Changes all batches and their sums alike, by what is linear. Cost: 2 x batches calls.
  template <class F>
  void each(const F& f) {
    for (std::size_t i = 1; i < nodes_.size(); ++i) f(nodes_[i]);
  }
  const S& total() const { return nodes_[1]; }

 private:
  S& at(Index node) { return nodes_[static_cast<std::size_t>(node)]; }

  Index leaves_;
  std::vector<S> nodes_;  // node i has the children 2 i and 2 i + 1; the leaves are the last
};

}  // namespace emulsion
