#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <utility>

#include "emulsion/core/fold.hpp"
#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/data/regression.hpp"

namespace emulsion {

/// The gate with the greatest sum of r(i, k) log w_k(z_i) (minus its penalty), by M-steps until its parameters stand
/// still: Newton's for a softmax gate, one for a gate whose M-step is closed form.
///
/// @param gate               where the steps begin
/// @param responsibilities   n x K, not negative; a row need not sum to one
/// @throws                   InvalidArgument  if the shapes differ, or a value is not finite or negative
///
/// Cost of a step: that of the gate's accumulate().
template <class Gate>
[[gnu::cold]] Gate fit_gate(Gate gate, const Covariates& given, const Eigen::MatrixXd& responsibilities,
                            Index max_iterations = 200) {
  require(responsibilities.rows() == given.size() && responsibilities.cols() == gate.size(),
          "expected responsibilities of ", given.size(), " x ", gate.size(), ", got ", responsibilities.rows(), " x ",
          responsibilities.cols());
  require(all_finite(responsibilities) && !((responsibilities.array() < 0).any()),
          "responsibilities must be finite and not negative");
  if constexpr (requires { gate.check(given); }) gate.check(given);
  if constexpr (requires { gate.follow(given); }) gate.follow(given);
  Gate next = gate;
  auto scratch = gate.scratch(default_block);
  auto statistics = gate.statistics();
  Eigen::MatrixXd scores(default_block, gate.size());
  Eigen::VectorXd before(gate.parameters()), after = before;
  for (Index step = 0; step < max_iterations; ++step) {
    statistics *= 0.0;
    for (Index first = 0; first < given.size(); first += default_block) {
      const Index count = std::min(default_block, given.size() - first);
      const Covariates block = given.slice(first, count);
      scores.setZero();
      gate.score(block, scratch, scores.topRows(count));
      gate.accumulate(block, responsibilities.middleRows(first, count), scratch, statistics);
    }
    gate.maximize(statistics, next);
    Index at = 0;
    gate.pack(before, at);
    next.pack(after, at = 0);
    std::swap(gate, next);
    if (!(largest_magnitude(after - before) > 1e-14 * (1 + largest_magnitude(after)))) break;
  }
  return gate;
}

}  // namespace emulsion
