#pragma once
#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "emulsion/experts/linear.hpp"
#include "emulsion/gates/gaussian.hpp"
#include "emulsion/gates/softmax.hpp"
#include "emulsion/inference/expert_transport.hpp"
#include "emulsion/inference/fit_gate.hpp"
#include "emulsion/models/mixture_of_experts.hpp"

namespace emulsion {

struct AggregateOptions {
  Index components = 0;  ///< experts of the result; 0: as many as the first model has
  Index starts = 20;     ///< by k-means on the experts' coefficients and deviations
  Index max_iterations = 500;
  double tolerance = 1e-9;  ///< relative fall of the divergence below which a run ends
  std::uint64_t seed = 0;
};

/// What aggregate() returns.
template <class Gate>
struct Aggregate {
  MixtureOfExperts<Gate, LinearExpert> model;
  std::vector<double> divergence;  ///< nats per support point, after the start and every iteration: it never rises
  bool converged = false;
};

// The gate of the fewer experts. `plan` (L x K): where the experts of all models went; `weights` (L): what each weighs.

/// The weights that the experts of each group have together.
[[gnu::cold]] inline ConstantGate aggregated_gate(const std::vector<ConstantGate>& gates,
                                                  const Eigen::VectorXd& machines, const Eigen::MatrixXd& plan,
                                                  const Covariates&, const Eigen::MatrixXd&) {
  Eigen::VectorXd weights = Eigen::VectorXd::Zero(plan.cols());
  Index l = 0;
  for (std::size_t m = 0; m < gates.size(); ++m) {
    for (Index k = 0; k < gates[m].size(); ++k, ++l) {
      weights += machines(static_cast<Index>(m)) * gates[m].weights()(k) * plan.row(l).transpose();
    }
  }
  return ConstantGate(weights / weights.sum());
}

/// The softmax gate that is likeliest given what the fewer experts received on the support.
[[gnu::cold]] inline SoftmaxGate aggregated_gate(const std::vector<SoftmaxGate>& gates, const Eigen::VectorXd&,
                                                 const Eigen::MatrixXd& plan, const Covariates& support,
                                                 const Eigen::MatrixXd& received) {
  const SoftmaxGate& one = gates.front();
  return fit_gate(SoftmaxGate(plan.cols(), one.covariates(), {.ridge = one.ridge(), .temperature = one.temperature()}),
                  support, received);
}

/// Gaussians with the moments of those of each group.
[[gnu::cold]] inline GaussianGate aggregated_gate(const std::vector<GaussianGate>& gates,
                                                  const Eigen::VectorXd& machines, const Eigen::MatrixXd& plan,
                                                  const Covariates&, const Eigen::MatrixXd&) {
  const Covariance structure = gates.front()[0].structure();
  const Index p = gates.front().covariates();
  Eigen::VectorXd weights = Eigen::VectorXd::Zero(plan.cols());
  Eigen::MatrixXd pooled = Eigen::MatrixXd::Zero(p, p);
  std::vector<Eigen::VectorXd> means;
  std::vector<Eigen::MatrixXd> covariances;
  const auto each = [&](Index k, const auto& use) {
    Index l = 0;
    for (std::size_t m = 0; m < gates.size(); ++m) {
      for (Index own = 0; own < gates[m].size(); ++own, ++l) {
        const double w = machines(static_cast<Index>(m)) * gates[m].weights()(own) * plan(l, k);
        if (w > 0) use(w, gates[m][own]);
      }
    }
  };
  for (Index k = 0; k < plan.cols(); ++k) {
    Eigen::VectorXd mean = Eigen::VectorXd::Zero(p);
    Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(p, p);
    each(k, [&](double w, const Gaussian&) { weights(k) += w; });
    require(weights(k) > 0, "an aggregate of ", plan.cols(), " Gaussian-gated experts leaves one without mass: the ",
            "models have fewer different experts");
    each(k, [&](double w, const Gaussian& g) { mean += w / weights(k) * g.mean(); });
    each(k, [&](double w, const Gaussian& g) {
      const Eigen::VectorXd off = g.mean() - mean;
      covariance += w / weights(k) * (g.covariance() + off * off.transpose());
    });
    means.push_back(mean);
    covariances.emplace_back((covariance + covariance.transpose()) / 2);
    pooled += weights(k) * covariances.back();
  }
  std::vector<Gaussian> result;
  for (std::size_t k = 0; k < means.size(); ++k) {
    Eigen::MatrixXd covariance =
        structure == Covariance::tied ? Eigen::MatrixXd(pooled / weights.sum()) : covariances[k];
    if (is_diagonal(structure)) {
      Eigen::VectorXd variances = covariance.diagonal();
      if (structure == Covariance::spherical) variances.setConstant(variances.mean());
      covariance = variances.asDiagonal();
    }
    result.emplace_back(means[k], covariance, structure);
  }
  return {weights / weights.sum(), std::move(result)};
}

/// One mixture of K experts in place of M that machines fitted to their own shares of the data: the one of minimal
/// expected transport divergence from the mixture of all their experts,
///
///   min over experts k of sum_s sum_m w_m sum_l pi_ml(x_s) min_k KL(N_ml(. | x_s) || N_k(. | x_s)),
///
/// by turns of sending each expert's mass at each support point to the nearest k, and fitting the k to what they were
/// sent; neither raises the divergence. The gate is fitted at the end, to what the experts received.
///
/// @param models    of linear experts of one form; their numbers of experts may differ
/// @param weights   w (M): not negative, such as the machines' numbers of observations; they are divided by their sum
/// @param support   S covariates like those of the data, such as a random part of them
/// @throws          InvalidArgument  for no models, shapes that differ, or values out of range
///
/// Cost per iteration O(S L K q^2 + S L p^2) for L experts in all. Chamroukhi and Pham, "Distributed learning of
/// mixtures of experts" (2023).
template <class Gate>
[[gnu::cold]] Aggregate<Gate> aggregate(const std::vector<MixtureOfExperts<Gate, LinearExpert>>& models,
                                        const Eigen::Ref<const Eigen::VectorXd>& weights, const Covariates& support,
                                        const AggregateOptions& options = {}) {
  require(!models.empty(), "an aggregate needs at least one model, got none");
  const auto machines = static_cast<Index>(models.size());
  require(weights.size() == machines, "expected a weight for each of ", machines, " models, got ", weights.size());
  for (Index m = 0; m < machines; ++m) {
    require(weights(m) >= 0 && std::isfinite(weights(m)), "the weights of models must be finite and not negative; ",
            "weight ", m, " is ", weights(m));
  }
  require(weights.sum() > 0, "the weights of models must not all be zero");
  require(support.size() > 0, "an aggregate needs a support of at least one observation, got none");
  require(options.starts >= 1, "an aggregate needs at least one start, got ", options.starts);
  require(options.components >= 0, "the number of experts must not be negative, got ", options.components);
  require(options.tolerance > 0 && options.max_iterations >= 0, "the tolerance must be positive and max_iterations ",
          "not negative, got ", options.tolerance, " and ", options.max_iterations);
  const LinearExpert& one = models.front()[0];
  require(support.x().dimension() == one.covariates(), "expected a support of ", one.covariates(), " covariates, got ",
          support.x().dimension(), " (x is ", support.x().dimension(), " x ", support.size(),
          "; an observation is a column, rows(x) adapts rows)");
  require_finite(support.x(), "covariate");
  Index count = 0;
  for (const auto& model : models) {
    require(model[0].alike(one) && model.dimension() == one.dimension(),
            "the experts of all models must be of one form");
    count += model.size();
  }
  const Index components = options.components > 0 ? options.components : models.front().size();
  require(components <= count, "an aggregate of ", components, " experts needs as many to begin with, got ", count);

  std::vector<LinearExpert> experts;
  std::vector<Gate> gates;
  const Eigen::VectorXd shares = weights / weights.sum();
  Eigen::MatrixXd mass(support.size(), count);
  for (Index m = 0; m < machines; ++m) {
    const auto& model = models[static_cast<std::size_t>(m)];
    const auto first = static_cast<Index>(experts.size());
    mass.middleCols(first, model.size()) = shares(m) * gate_probabilities(model.gate(), support);
    experts.insert(experts.end(), model.bank().all().begin(), model.bank().all().end());
    gates.push_back(model.gate());
  }
  for (Index s = 0; s < support.size(); ++s) mass.row(s) *= support.x().weight(s);
  require(mass.sum() > 0, "an aggregate needs a support of positive weight");

  ExpertTransport now(experts, mass, support.x(), components), best = now;
  std::vector<double> trace;
  bool converged = false;
  for (Index start = 0; start < options.starts; ++start) {
    Rng rng = Rng(options.seed).fork(static_cast<std::uint64_t>(start));
    now.start(rng);
    std::vector<double> own = {now.assign()};
    bool settled = !(own.back() > 0);
    for (Index step = 0; step < options.max_iterations && !settled; ++step) {
      now.update();
      own.push_back(now.assign());
      settled = own[own.size() - 2] - own.back() <= options.tolerance * own.back();
    }
    if (!trace.empty() && !(own.back() < trace.back())) continue;
    trace = std::move(own), converged = settled, best = now;
  }
  Gate gate = aggregated_gate(gates, shares, best.plan(), support, best.received());
  return {MixtureOfExperts<Gate, LinearExpert>(std::move(gate), Components<LinearExpert>(best.reduced())),
          std::move(trace), converged};
}

}  // namespace emulsion
