#pragma once
#include <limits>

#include "emulsion/gates/softmax.hpp"

namespace emulsion {

/// Keeps the k largest linear predictors of every observation, of equal ones the first, and gives the others no weight.
class LargestOnly {
 public:
  explicit LargestOnly(Index k = 1) : k_(k) { require(k >= 1, "a top-k gate keeps at least one component, got ", k); }
  Index k() const { return k_; }
  void operator()(Index, double, Scores& predictors) const {
    const Index size = predictors.cols();
    for (Index i = 0; i < predictors.rows(); ++i) {
      for (Index left = size; left > k_; --left) {  // the smallest, of equals the last
        Index least = -1;
        for (Index k = 0; k < size; ++k) {
          const bool there = predictors(i, k) > -std::numeric_limits<double>::infinity();
          if (there && (least < 0 || predictors(i, k) <= predictors(i, least))) least = k;
        }
        if (least >= 0) predictors(i, least) = -std::numeric_limits<double>::infinity();
      }
    }
  }

 private:
  Index k_;
};

/// Softmax weights of the k components with the largest linear predictors, zero for the others (sparsely gated
/// experts; Shazeer et al., 2017): TopKGate(K, p, {}, LargestOnly(2)).
///
/// Which components an observation may have changes with the coefficients, so that an M-step cannot promise not to
/// lower the likelihood: em() damps it, and ends with `objective fell` and the model before where that does not help. A
/// component that an observation may not have learns nothing from it: go on from a softmax gate that was fitted,
/// TopKGate(softmax.coefficients(), {}, LargestOnly(2)).
/// Cost besides the softmax gate's: n K (K - k).
using TopKGate = BasicSoftmaxGate<LargestOnly>;

}  // namespace emulsion
