#pragma once
#include <Eigen/Core>
#include <string>
#include <utility>
#include <vector>

#include "emulsion/data/basis.hpp"
#include "emulsion/mixture_of_experts.hpp"

/// A mixture of experts, whatever its gate and experts, as numbers with names: what tables, JSON and pictures read.
namespace summary {

using namespace emulsion;

/// Data of a regression, with their names.
struct RegressionTable {
  Eigen::MatrixXd x, y, z;  // p x n, q x n, p_z x n
  std::vector<std::string> covariates, responses, gate_covariates;
  std::vector<std::string> classes = {};  // of a response that is a class: y is its number
  Index degree = 1;
  bool own_gate = false;  // gate covariates were given: they are not those of the experts

  Index size() const { return y.cols(); }
  /// The covariates of the experts: powers of x.
  Eigen::MatrixXd design(const Eigen::MatrixXd& at) const { return degree > 1 ? polynomial(at, degree) : at; }
  std::vector<std::string> design_names() const {
    std::vector<std::string> names;
    for (const std::string& name : covariates) {
      for (Index d = 1; d <= degree; ++d) names.push_back(d == 1 ? name : name + "^" + std::to_string(d));
    }
    return names;
  }
};

/// A number, a vector, or a matrix.
struct Parameter {
  enum class Shape { number, vector, matrix };
  std::string name;
  Shape shape;
  Eigen::MatrixXd value;
};

/// What a model says about responses at queries of one covariate.
struct Curves {
  Eigen::VectorXd at;                // m
  Eigen::MatrixXd weights, mean;     // m x K, q x m
  std::vector<Eigen::MatrixXd> own;  // K means of q x m
  Eigen::MatrixXd low, high;         // q x m, 5 and 95 %
};

struct ExpertsFit {
  std::string gate, expert;
  Report report;
  double log_likelihood = 0, conditional = 0, bic = 0;
  Index free_parameters = 0;
  bool regular = true;                                      // no expert on a few observations
  Eigen::VectorXd weights;                                  // K
  std::vector<std::vector<Parameter>> of_gate, of_experts;  // K
  Eigen::MatrixXd responsibilities, probabilities;          // n x K: of the experts given the response, and before
  Labels labels;                                            // n: the most probable expert given the response
  Eigen::MatrixXd fitted;                                   // means at the observations
  Curves curves;                                            // with one covariate, else empty

  Index size() const { return weights.size(); }
  /// Of which density log_likelihood and BIC are.
  std::string objective() const { return gate == "gaussian" ? "joint" : "conditional"; }
};

template <class Expert>
std::vector<Parameter> parameters_of(const Expert& expert) {
  using Shape = Parameter::Shape;
  std::vector<Parameter> all = {{"intercept", Shape::vector, expert.intercept()},
                                {"slopes", Shape::matrix, expert.slopes()}};
  if constexpr (requires { expert.scales(); }) all.push_back({"scales", Shape::matrix, expert.scales()});
  else if constexpr (requires { expert.covariance(); })
    all.push_back({"covariance", Shape::matrix, expert.covariance()});
  if constexpr (requires { expert.degrees_of_freedom(); }) {
    all.push_back({"degrees_of_freedom", Shape::number, Eigen::MatrixXd::Constant(1, 1, expert.degrees_of_freedom())});
  }
  return all;
}

/// Of component k.
template <class Gate>
std::vector<Parameter> parameters_of(const Gate& gate, Index k) {
  using Shape = Parameter::Shape;
  if constexpr (requires { gate.coefficients(); }) {
    const Eigen::VectorXd own = gate.coefficients().col(k);
    return {{"intercept", Shape::number, own.head(1)}, {"slopes", Shape::vector, own.tail(own.size() - 1)}};
  } else if constexpr (requires { gate[k].mean(); }) {
    return {{"mean", Shape::vector, gate[k].mean()}, {"covariance", Shape::matrix, gate[k].covariance()}};
  } else {
    return {};
  }
}

/// The mean responses at one covariate, and what nine of ten responses lie between.
template <class Gate, class Expert>
Curves curves_of(const MixtureOfExperts<Gate, Expert>& model, const RegressionTable& table) {
  Curves curves;
  if (table.x.rows() != 1 || table.own_gate) return curves;
  curves.at = Eigen::VectorXd::LinSpaced(401, table.x.minCoeff(), table.x.maxCoeff());
  const Eigen::MatrixXd queries = curves.at.transpose();
  const auto found = predict(model, Covariates(table.design(queries), queries));
  curves.weights = found.weights();
  curves.mean = found.mean();
  for (Index k = 0; k < model.size(); ++k) curves.own.push_back(found.mean_of(k));
  if (!table.classes.empty()) return curves;
  curves.low = curves.high = curves.mean;
  for (Index r = 0; r < curves.mean.rows(); ++r) {
    curves.low.row(r) = found.quantile(0.05, r).transpose();
    curves.high.row(r) = found.quantile(0.95, r).transpose();
  }
  return curves;
}

/// Fits the prototypes and asks the model for everything.
template <class Gate, class Expert>
ExpertsFit fit_and_describe(const Gate& gate, const Expert& expert, const RegressionTable& table,
                            const FitOptions& options) {
  const Eigen::MatrixXd design = table.design(table.x);
  const Regression data(design, table.y, table.z);
  auto [model, report] = fit_experts(gate, expert, data, options);
  ExpertsFit result;
  result.report = std::move(report);
  result.log_likelihood = model.log_likelihood(data);
  result.conditional = conditional_log_likelihood(model, data);
  result.bic = bic(model, data);
  result.free_parameters = model.free_parameters();
  result.regular = kind_of(model.regularity(options.least_regularity), options.least_regularity, data.dimension(),
                           data.size()) != FitKind::spurious;
  result.weights = model.weights();
  for (Index k = 0; k < model.size(); ++k) {
    result.of_gate.push_back(parameters_of(model.gate(), k));
    result.of_experts.push_back(parameters_of(model[k]));
  }
  result.responsibilities = model.responsibilities(data);
  result.labels = model.classify(data);
  const auto found = predict(model, data.covariates());
  result.probabilities = found.weights();
  result.fitted = found.mean();
  result.curves = curves_of(model, table);
  return result;
}

/// All fits of a choice between numbers of experts, and the best of them.
struct ExpertsChoice {
  struct Row {
    Index experts = 0;
    double bic = 0;
    bool regular = true, converged = true;
  };
  std::vector<Row> table;  // empty where the number was given
  ExpertsFit best;
};

}  // namespace summary
