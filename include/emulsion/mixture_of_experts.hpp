#pragma once
#include <utility>
#include <vector>

#include "emulsion/experts/linear.hpp"
#include "emulsion/gates/gaussian.hpp"
#include "emulsion/gates/softmax.hpp"
#include "emulsion/inference/criteria.hpp"
#include "emulsion/inference/fit_mixture.hpp"
#include "emulsion/inference/seed_regression.hpp"
#include "emulsion/models/mixture_of_experts.hpp"

namespace emulsion {

/// Fits a mixture of experts by EM from several starts: as many experts like `prototype` as the gate has components.
///
///   fit_experts(SoftmaxGate(2, 1), LinearExpert(1), Regression(x, y), {.seed = 7});
///   fit_experts(GaussianGate(3, 2), LinearExpert(4, 2), Regression(x, y, z));
///   fit_experts(ConstantGate(2), LinearExpert(1), weighted(Regression(x, y), w));         // a mixture of regressions
///
/// The objective is log p(y | x, z) with a constant or softmax gate, log p(y, z | x) with a Gaussian gate, whose
/// maximum is closed form in every step; conditional_log_likelihood() compares them.
///
/// @param gate       prototype: its size and covariates count, not its parameters
/// @param expert     prototype
/// @param data       a view: what it shows must outlive the call
/// @param options    see FitOptions; `components` is not read
/// @throws           InvalidArgument as fit_mixture(), and if q or p of the data and the prototypes differ
template <class Gate, Component Expert>
Fit<MixtureOfExperts<Gate, Expert>> fit_experts(const Gate& gate, const Expert& expert, const Regression& data,
                                                const FitOptions& options = {}) {
  const auto size = static_cast<std::size_t>(gate.size());
  return fit_mixture(MixtureOfExperts<Gate, Expert>(gate, Components<Expert>(std::vector<Expert>(size, expert))), data,
                     options);
}

}  // namespace emulsion
