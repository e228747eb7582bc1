#pragma once
#include "emulsion/distributions/gaussian_kernel.hpp"
#include "emulsion/distributions/gaussian_statistics.hpp"

namespace emulsion {

/// Adds a packed block with weights w (b) to the statistics: sums about block.reference, then one merge. Where that
/// point is so far from the block's own mean that the difference of the sums would lose digits, about the block's own,
/// found from the frame's centre.
template <class P>
void add_moments(P& block, const double* w, bool diagonal, GaussianStatistics& s) {
  const Index d = block.dimension;
  for (int pass = 0; pass < 3; ++pass) {
    const double weight = moments_about_reference(block, w, diagonal);
    if (!(weight > 0)) return;
    bool lossy = false;
    for (Index c = 0; c < d; ++c) {
      block.first(c) /= weight;
      lossy = lossy || weight * block.first(c) * block.first(c) > 0.9999 * block.second(c, diagonal ? 0 : c);
    }
    if (!lossy || pass == 2) return s.add(weight, block.reference, block.first, block.second);
    for (Index c = 0; c < d; ++c) block.reference(c) = pass == 0 ? 0.0 : block.reference(c) + block.first(c);
  }
}

}  // namespace emulsion
