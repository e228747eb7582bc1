#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "emulsion/core/error.hpp"
#include "emulsion/core/linear_algebra.hpp"

namespace emulsion {

/// d dimensions in disjoint blocks, each ascending, in the order of their first dimensions.
class Partition {
 public:
  /// Every dimension from 0 to d - 1 in one block, else InvalidArgument; no block empty. The order does not matter.
  [[gnu::cold]] explicit Partition(std::vector<std::vector<Index>> blocks) : blocks_(std::move(blocks)) {
    require(!blocks_.empty(), "a partition needs at least one block, got none");
    for (auto& block : blocks_) {
      require(!block.empty(), "a block of a partition needs at least one dimension, got none");
      std::sort(block.begin(), block.end());
      dimension_ += static_cast<Index>(block.size());
    }
    std::sort(blocks_.begin(), blocks_.end());
    std::vector<bool> named(static_cast<std::size_t>(dimension_), false);
    for (const auto& block : blocks_) {
      for (const Index j : block) {
        require(j >= 0 && j < dimension_, "the blocks of a partition name ", dimension_,
                " dimensions, which must be those from 0 to ", dimension_ - 1, "; one of them is ", j);
        require(!named[static_cast<std::size_t>(j)], "dimension ", j, " is in a partition twice");
        named[static_cast<std::size_t>(j)] = true;
      }
    }
  }
  /// d blocks of one dimension.
  static Partition finest(Index dimension) {
    std::vector<std::vector<Index>> blocks;
    for (Index j = 0; j < dimension; ++j) blocks.push_back({j});
    return Partition(std::move(blocks));
  }
  /// One block.
  static Partition coarsest(Index dimension) {
    std::vector<Index> all(static_cast<std::size_t>(std::max<Index>(0, dimension)));
    std::iota(all.begin(), all.end(), Index{0});
    return Partition({all});
  }

  /// d
  Index dimension() const { return dimension_; }
  const std::vector<std::vector<Index>>& blocks() const { return blocks_; }
  bool operator==(const Partition& other) const { return blocks_ == other.blocks_; }

 private:
  std::vector<std::vector<Index>> blocks_;
  Index dimension_ = 0;
};

/// The connected components of a graph whose edges arrive one by one (disjoint sets with path halving).
class ConnectedComponents {
 public:
  explicit ConnectedComponents(Index nodes) : parent_(static_cast<std::size_t>(nodes)) {
    std::iota(parent_.begin(), parent_.end(), Index{0});
  }
  /// Whether it joined two components.
  bool join(Index a, Index b) {
    a = root(a), b = root(b);
    parent_[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
    return a != b;
  }
  Partition partition() {
    std::vector<std::vector<Index>> all(parent_.size()), blocks;
    for (std::size_t j = 0; j < parent_.size(); ++j) {
      all[static_cast<std::size_t>(root(static_cast<Index>(j)))].push_back(static_cast<Index>(j));
    }
    for (auto& block : all) {
      if (!block.empty()) blocks.push_back(std::move(block));
    }
    return Partition(std::move(blocks));
  }

 private:
  Index root(Index a) {
    while (parent_[static_cast<std::size_t>(a)] != a) {
      Index& up = parent_[static_cast<std::size_t>(a)];
      a = up = parent_[static_cast<std::size_t>(up)];
    }
    return a;
  }

  std::vector<Index> parent_;
};

/// |correlation| of two dimensions.
struct CorrelatedPair {
  double correlation;
  Index a, b;
};
/// All pairs, the most correlated first, of a covariance or correlation matrix (d x d); a dimension without variance is
/// correlated with none.
///
/// @throws InvalidArgument  if the matrix is not square and finite, or a variance is negative
[[gnu::cold]] inline std::vector<CorrelatedPair> correlated_pairs(const Eigen::Ref<const Eigen::MatrixXd>& covariance) {
  const Index d = covariance.rows();
  require(d >= 1 && covariance.cols() == d, "a covariance must be square, got ", d, " x ", covariance.cols());
  require(all_finite(covariance), "a covariance must be finite");
  std::vector<CorrelatedPair> pairs;
  for (Index a = 0; a < d; ++a) {
    require(covariance(a, a) >= 0, "a variance must not be negative; that of dimension ", a, " is ", covariance(a, a));
    for (Index b = 0; b < a; ++b) {
      const double unit = std::sqrt(covariance(a, a)) * std::sqrt(covariance(b, b));
      pairs.push_back({unit > 0 ? std::abs(covariance(a, b)) / unit : 0.0, a, b});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const CorrelatedPair& x, const CorrelatedPair& y) { return x.correlation > y.correlation; });
  return pairs;
}

/// The blocks of dimensions that correlations above a threshold connect: connected components of the graph with an edge
/// where |correlation| > threshold (Devijver and Gallopin, 2018; BLoME: Nguyen et al., 2022).
///
/// @param covariance  d x d, or a correlation matrix
/// @throws            InvalidArgument as correlated_pairs(), and for a threshold that is negative or NaN
///
/// Cost O(d^2 log d).
[[gnu::cold]] inline Partition covariance_blocks(const Eigen::Ref<const Eigen::MatrixXd>& covariance,
                                                 double threshold) {
  require(threshold >= 0, "the threshold of correlations must not be negative, got ", threshold);
  ConnectedComponents graph(covariance.rows());
  for (const CorrelatedPair& pair : correlated_pairs(covariance)) {
    if (pair.correlation > threshold) graph.join(pair.a, pair.b);
  }
  return graph.partition();
}

/// A partition and the least threshold that covariance_blocks() finds it for.
struct ThresholdedBlocks {
  double threshold;
  Partition blocks;
};
/// Every partition that covariance_blocks() finds for some threshold, from d blocks to the fewest; at most d.
///
/// Cost O(d^2 log d), and O(d^2) for the partitions.
[[gnu::cold]] inline std::vector<ThresholdedBlocks> block_path(const Eigen::Ref<const Eigen::MatrixXd>& covariance) {
  const std::vector<CorrelatedPair> pairs = correlated_pairs(covariance);
  ConnectedComponents graph(covariance.rows());
  std::vector<ThresholdedBlocks> path = {{0, graph.partition()}};
  for (std::size_t first = 0; first < pairs.size() && pairs[first].correlation > 0;) {
    const double level = pairs[first].correlation;  // partitions so far hold for thresholds from here on
    bool joined = false;
    for (; first < pairs.size() && pairs[first].correlation == level; ++first) {
      joined = graph.join(pairs[first].a, pairs[first].b) || joined;
    }
    if (!joined) continue;
    path.back().threshold = level;
    path.push_back({0, graph.partition()});
  }
  return path;
}

}  // namespace emulsion
