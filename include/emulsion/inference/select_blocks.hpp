#pragma once
#include <Eigen/Core>
#include <cmath>
#include <utility>
#include <vector>

#include "emulsion/covariance/partition.hpp"
#include "emulsion/inference/slope_heuristic.hpp"

namespace emulsion {

/// The largest |correlation| of every two dimensions in any of the Gaussians (a gate, a mixture, components), d x d:
/// the blocks that it connects are those that all of them share.
template <class Gaussians>
[[gnu::cold]] Eigen::MatrixXd largest_correlations(const Gaussians& all) {
  Eigen::MatrixXd result = Eigen::MatrixXd::Identity(all[0].dimension(), all[0].dimension());
  for (Index k = 0; k < all.size(); ++k) {
    const Eigen::MatrixXd s = all[k].covariance();
    for (Index j = 0; j < s.cols(); ++j) {
      for (Index i = 0; i < s.rows(); ++i) {
        const double correlation = i == j ? 1 : std::abs(s(i, j)) / std::sqrt(s(i, i)) / std::sqrt(s(j, j));
        if (correlation > result(i, j)) result(i, j) = correlation;
      }
    }
  }
  return result;
}

/// What select_blocks() found: the fits of every partition on the path, and which one the slope heuristic chose.
template <class Fitted>
struct BlockChoice {
  std::vector<ThresholdedBlocks> path;
  std::vector<Fitted> fits;
  SlopeChoice choice;
  const Fitted& fit() const { return fits[static_cast<std::size_t>(choice.chosen)]; }
  const Partition& partition() const { return path[static_cast<std::size_t>(choice.chosen)].blocks; }
};

/// Blocks of dimensions by thresholded correlations, the threshold by the slope heuristic (BLoME; Nguyen et al., 2022;
/// of one Gaussian: Devijver and Gallopin, 2018): every partition that some threshold gives is fitted.
///
///   const auto full = fit_experts(GaussianGate(2, p), LinearExpert(p), data);
///   select_blocks(largest_correlations(full.model.gate()), [&](const Partition& blocks) {
///     return fit_experts(BasicGaussianGate(2, BlockGaussian(blocks)), LinearExpert(p), data);
///   }).fit();
///
/// @param covariance  d x d, or correlations, of at least three different sizes
/// @param refit       refit(partition): a Fit, whose objective is a log-likelihood
/// @param select      of a list of FittedSize; the dimension jump unless given
/// @throws            InvalidArgument as block_path() and the slope heuristic: for fewer than three partitions
template <class Refit, class Select>
auto select_blocks(const Eigen::Ref<const Eigen::MatrixXd>& covariance, const Refit& refit, const Select& select) {
  BlockChoice<decltype(refit(std::declval<const Partition&>()))> result{block_path(covariance), {}, {}};
  require(result.path.size() >= 3, "the slope heuristic needs at least three partitions, and thresholds of these ",
          "correlations give ", result.path.size());
  std::vector<FittedSize> sizes;
  for (const ThresholdedBlocks& one : result.path) {
    result.fits.push_back(refit(one.blocks));
    sizes.push_back({result.fits.back().report.objective, result.fits.back().model.free_parameters()});
  }
  result.choice = select(sizes);
  return result;
}
template <class Refit>
auto select_blocks(const Eigen::Ref<const Eigen::MatrixXd>& covariance, const Refit& refit) {
  return select_blocks(covariance, refit, select_by_jump);
}

}  // namespace emulsion
