#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulsion/data/csv.hpp"
#include "emulsion/gaussian_mixture.hpp"
#include "emulsion/inference/criteria.hpp"
#include "emulsion/metrics/adjusted_rand.hpp"
#include "report_summary.hpp"
#include "text.hpp"

/// What was fitted to the data of a file, as tables for a statistician or as JSON.
namespace summary {

using namespace emulsion;

/// What a Bayesian fit says besides.
struct Bayesian {
  std::string prior;
  double elbo = 0;
  Index in_use = 0;
  Eigen::VectorXd expected_weights;  // of a process they sum to less than one: the rest is for components not seen
  Eigen::MatrixXd responsibilities;  // n x K
};

struct Clustering {
  CsvTable data;
  Fit<GaussianMixture> fit;           // of a Bayesian fit the expected parameters
  std::vector<Candidate> table = {};  // of all fits, where one of them was chosen
  Labels labels = {};                 // the most probable component of each observation
  std::optional<Bayesian> bayesian = {};

  Covariance covariance() const { return fit.model[0].structure(); }
  const std::string& name(Index j) const { return data.names()[static_cast<std::size_t>(j)]; }
};

// --- tables -------------------------------------------------------------------------------------------------------------

/// Weights, sizes, means, standard deviations and, where they are few, correlations: a column for each component, eight
/// side by side.
inline void print_components(const Clustering& result) {
  const GaussianMixture& model = result.fit.model;
  const Index d = model.dimension(), size = model.size();
  std::vector<Eigen::MatrixXd> factors;
  Eigen::MatrixXd means(d, size), deviations(d, size);
  for (Index k = 0; k < size; ++k) {
    factors.push_back(model[k].factor());
    means.col(k) = model[k].mean();
    for (Index j = 0; j < d; ++j) deviations(j, k) = factors.back().row(j).stableNorm();
  }
  const auto correlation = [&](Index i, Index j, Index k) {
    const Eigen::MatrixXd& l = factors[static_cast<std::size_t>(k)];
    return (l.row(i) / deviations(i, k)).dot(l.row(j) / deviations(j, k));
  };
  std::vector<std::string> names;
  Index longest = 9;
  for (Index j = 0; j < d; ++j) {
    names.push_back(text::shortened(text::clean(result.name(j)), 18));
    longest = std::max(longest, characters(names.back()));
  }
  const auto name = [&](Index j) { return "  " + names[static_cast<std::size_t>(j)]; };
  const bool correlated = !is_diagonal(result.covariance()) && d > 1 && d <= 5;
  const Index width = 5 + (correlated ? 2 * longest : std::max<Index>(longest, 17));
  for (Index first = 0; first < size; first += 8) {
    const auto row = [&](const std::string& head, const auto& cell) {
      std::printf("%s%*s", head.c_str(), static_cast<int>(width - characters(head)), "");
      for (Index k = first; k < std::min(size, first + 8); ++k) std::printf(" %11s", cell(k).c_str());
      std::printf("\n");
    };
    std::printf("\n");
    row("component", [](Index k) { return std::to_string(k); });
    row("weight", [&](Index k) { return text::fixed(model.weights()(k), 4); });
    row("size", [&](Index k) { return std::to_string((result.labels.array() == k).count()); });
    std::printf("mean\n");
    for (Index j = 0; j < d; ++j) {
      row(name(j), [&](Index k) { return text::significant(means(j, k), digits(means(j, k), deviations(j, k))); });
    }
    std::printf("standard deviation\n");
    for (Index j = 0; j < d; ++j) {
      row(name(j), [&](Index k) { return text::significant(deviations(j, k), 4); });
    }
    if (!correlated) continue;
    std::printf("correlation\n");
    for (Index i = 0; i < d; ++i) {
      for (Index j = i + 1; j < d; ++j) {
        row(name(i) + "," + name(j).substr(1), [&](Index k) { return text::fixed(correlation(i, j, k), 3); });
      }
    }
  }
}

/// The criterion of every fit: a line for each number of components, a column for each covariance.
inline void print_selection(const Clustering& result) {
  std::vector<Covariance> columns;
  Index most = 0;
  for (const Candidate& fit : result.table) {
    if (std::find(columns.begin(), columns.end(), fit.covariance) == columns.end()) columns.push_back(fit.covariance);
    most = std::max(most, fit.components);
  }
  std::printf("\nBIC (smaller is better)\n components");
  for (const Covariance c : columns) std::printf(" %14s", std::string(to_string(c)).c_str());
  bool spurious = false, unfinished = false;
  for (Index size = 1; size <= most; ++size) {
    std::printf("\n%11td", size);
    for (const Candidate& fit : result.table) {
      if (fit.components != size) continue;
      const bool best = size == result.fit.model.size() && fit.covariance == result.covariance();
      const bool converged = fit.status == Status::converged;
      spurious = spurious || !fit.regular;
      unfinished = unfinished || !converged;
      std::printf(" %13.2f%c", fit.criterion, best ? '*' : !fit.regular ? '!' : converged ? ' ' : '?');
    }
  }
  std::printf("\n* chosen%s%s\n", spurious ? "   ! a component on a few near-equal observations, left aside" : "",
              unfinished ? "   ? not converged" : "");
}

inline std::string in_words(const Clustering& result) {
  return text::counted(result.fit.model.size(), "component") + ", " + std::string(to_string(result.covariance())) +
         " covariance" + (result.table.empty() ? "" : ", chosen by BIC") +
         (result.bayesian ? ", " + result.bayesian->prior + " prior" : "");
}

inline void print_summary(const Clustering& result, const std::string& path) {
  const GaussianMixture& model = result.fit.model;
  const Eigen::MatrixXd& x = result.data.matrix();
  constexpr std::string_view mclust[] = {"VVV", "VVI", "VII", "EEE"};
  std::printf("Gaussian mixture of %s\n%s (mclust %s)\n", text::clean(path).c_str(), in_words(result).c_str(),
              std::string(mclust[static_cast<std::size_t>(result.covariance())]).c_str());
  if (!result.table.empty()) print_selection(result);
  if (result.bayesian) {
    std::printf("\n%10s %10s %15s %18s\n", "n", "dimension", "ELBO", "components in use");
    std::printf("%10td %10td %15.4f %18td\n", x.cols(), x.rows(), result.bayesian->elbo, result.bayesian->in_use);
  } else {
    std::printf("\n%10s %10s %15s %6s %12s %12s\n", "n", "dimension", "log-likelihood", "df", "BIC", "ICL");
    std::printf("%10td %10td %15.4f %6td %12.4f %12.4f\n", x.cols(), x.rows(), model.log_likelihood(x),
                model.free_parameters(), bic(model, x), icl(model, x));
  }
  print_components(result);
  std::printf("\n%s %s.\n", result.bayesian ? "Variational inference" : "EM", in_words(result.fit.report).c_str());
  print_events(result.fit.report);
  if (result.data.labels().size() > 0) {
    std::printf("Adjusted Rand index with the given labels: %.4f\n",
                adjusted_rand_index(result.labels, result.data.labels()));
  }
}

// --- JSON ---------------------------------------------------------------------------------------------------------------

inline std::string json(const Clustering& result) {
  using text::json_string;
  const GaussianMixture& model = result.fit.model;
  const Report& report = result.fit.report;
  const Eigen::MatrixXd& x = result.data.matrix();
  const Index size = model.size(), d = model.dimension();
  std::string object = "{\n  \"components\": " + std::to_string(size);
  const auto field = [&](std::string_view name, const std::string& value) {
    object += ",\n  " + json_string(name) + ": " + value;
  };
  field("covariance", json_string(to_string(result.covariance())));
  field("observations", std::to_string(x.cols()));
  field("columns", json_list(d, [&](Index j) { return json_string(result.name(j)); }));
  if (result.bayesian) field("expected_weights", json_list(result.bayesian->expected_weights));
  else field("weights", json_list(model.weights()));
  field("means", json_list(size, [&](Index k) { return json_list(model[k].mean()); }));
  field("covariances", json_list(size, [&](Index k) {
          const Eigen::MatrixXd s = model[k].covariance();
          return json_list(d, [&](Index i) { return json_list(s.col(i)); });
        }));
  if (result.bayesian) {
    field("prior", json_string(result.bayesian->prior));
    field("elbo", text::shortest(result.bayesian->elbo));
    field("components_in_use", std::to_string(result.bayesian->in_use));
  } else {
    field("log_likelihood", text::shortest(model.log_likelihood(x)));
    field("free_parameters", std::to_string(model.free_parameters()));
    field("bic", text::shortest(bic(model, x)));
    field("icl", text::shortest(icl(model, x)));
  }
  field("status", json_string(to_string(report.status)));
  field("iterations", std::to_string(report.iterations));
  field("events", json_events(report));
  if (result.data.labels().size() > 0) {
    field("adjusted_rand_index", text::shortest(adjusted_rand_index(result.labels, result.data.labels())));
  }
  return object + "\n}\n";
}

}  // namespace summary
