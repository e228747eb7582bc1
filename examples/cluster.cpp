// Clusters the observations in a CSV file by a Gaussian mixture: a summary, responsibilities, a picture.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "command_line.hpp"
#include "emulsion/bayesian_mixture.hpp"
#include "emulsion/data/csv.hpp"
#include "emulsion/gaussian_mixture.hpp"
#include "mixture_plot.hpp"
#include "mixture_summary.hpp"

#ifndef EMULSION_EXAMPLE_DATA
#define EMULSION_EXAMPLE_DATA "examples/data"
#endif

using namespace emulsion;
using namespace command_line;

constexpr std::string_view help =
    R"(Clusters the observations in a CSV file (one per line) by a mixture of normal distributions.

  --data FILE           the data; default: eruptions of the geyser Old Faithful
  --columns a,b,...     the variables, by name or number from 1; default: all but the label
  --label COLUMN        true classes, only to compare the clusters with (adjusted Rand index)
  --components K        the number of clusters
  --max-components K    or choose 1 to K of them by BIC; default: 9
  --covariance WHICH    full, diagonal, spherical or tied (one full matrix for all); default: full with --components,
                        otherwise the best of the four by BIC (of one variable: of full and tied)
  --bayesian PRIOR      or fit the posterior by variational inference, the number of components included, with weights
                        from a dirichlet, dirichlet_process or pitman_yor prior; starts from --components, default 10
  --concentration C     of that prior: of dirichlet, of each of the components to start from, default 1 / K (moves keep
                        the total); of the processes the strength, default 1
  --discount D          of the pitman_yor prior, in [0, 1); default 0.25
  --seed S              of the random starts; default 0. The same seed gives the same result on any number of threads
  --restarts R          random starts of each fit; default: by the size of the data
  --threads T           default 1
  --output FILE.csv     write for each observation its cluster, `label`, and its probability in each, `component_0`, ...
  --plot FILE.svg       draw data, clusters and density
  --json                print one JSON object instead of the tables
  --help                print this

Components are numbered from 0. Examples:

  cluster --plot faithful.svg
  cluster --data iris.csv --label Species --components 3 --json
  cluster --bayesian dirichlet_process --concentration 0.5 --json
  cluster --data iris.csv --columns Sepal.Length,Petal.Width --covariance tied --max-components 5 --output clusters.csv

Exit code: 0 done, 1 the data cannot be read or fitted, 2 a wrong command line or a file that cannot be written.
)";

// --- the command line ---------------------------------------------------------------------------------------------------

Arguments arguments(int argc, char** argv) {
  Arguments given = command_line::parse(argc, argv,
                                        {
                                            {"--data", "FILE"},
                                            {"--columns", "a,b,..."},
                                            {"--label", "COLUMN"},
                                            {"--components", "K"},
                                            {"--max-components", "K"},
                                            {"--covariance", "full|diagonal|spherical|tied"},
                                            {"--seed", "S"},
                                            {"--restarts", "R"},
                                            {"--threads", "T"},
                                            {"--bayesian", "dirichlet|dirichlet_process|pitman_yor"},
                                            {"--concentration", "C"},
                                            {"--discount", "D"},
                                            {"--output", "FILE.csv"},
                                            {"--plot", "FILE.svg"},
                                            {"--json", ""},
                                            {"--help", ""},
                                        });
  if (given.contains("--components") && given.contains("--max-components")) {
    throw UsageError("--components fixes the number, --max-components chooses it: give one of them");
  }
  if (given.contains("--bayesian") && given.contains("--max-components")) {
    throw UsageError("--bayesian finds the number of components itself: leave --max-components out");
  }
  const std::vector<std::string> priors = {"dirichlet", "dirichlet_process", "pitman_yor"};
  const std::string prior = given.contains("--bayesian") ? one_of(given, "--bayesian", "", priors) : "";
  if (given.contains("--discount") && prior != "pitman_yor")
    throw UsageError("--discount belongs to --bayesian pitman_yor");
  if (given.contains("--concentration") && prior.empty()) {
    throw UsageError("--concentration belongs to a prior: name one by --bayesian");
  }
  return given;
}

constexpr Covariance all_covariances[] = {Covariance::full, Covariance::diagonal, Covariance::spherical,
                                          Covariance::tied};

std::vector<Covariance> covariances(const Arguments& given) {
  const std::string name = value_or(given, "--covariance", "");
  std::vector<Covariance> chosen;
  for (const Covariance covariance : all_covariances) {
    if (name.empty() || name == to_string(covariance)) chosen.push_back(covariance);
  }
  if (chosen.empty()) throw UsageError("--covariance is full, diagonal, spherical or tied, not '" + name + "'");
  return chosen;
}

// --- the work -----------------------------------------------------------------------------------------------------------

template <class Gate>
summary::Clustering fit_bayesian(CsvTable data, const Gate& gate, const std::string& prior,
                                 const BayesianMixtureOptions& options) {
  const auto& x = data.matrix();
  auto found = fit_bayesian_mixture(x, gate, options);
  Labels labels = found.model.classify(x);
  const summary::Bayesian bayesian{prior, found.report.objective, found.model.in_use(), found.model.weights(),
                                   found.model.responsibilities(x)};
  return {std::move(data), {found.model.expected(), std::move(found.report)}, {}, std::move(labels), bayesian};
}

summary::Clustering fit_bayesian(CsvTable data, const Arguments& given, const GaussianMixtureOptions& of_mixture,
                                 Covariance covariance) {
  BayesianMixtureOptions options;
  if (of_mixture.components > 0) options.components = of_mixture.components;
  if (of_mixture.restarts > 0) options.restarts = of_mixture.restarts;
  options.covariance = covariance;
  options.seed = of_mixture.seed;
  options.threads = of_mixture.threads;
  const std::string prior = value_or(given, "--bayesian", std::string());
  const Index k = options.components;
  const bool finite = prior == "dirichlet";
  const double concentration = value_or(given, "--concentration", finite ? 1 / static_cast<double>(k) : 1.0);
  if (!(concentration > 0) || !std::isfinite(concentration)) throw UsageError("--concentration must be positive");
  if (finite) { return fit_bayesian(std::move(data), DirichletGate(k, concentration), prior, options); }
  if (prior == "dirichlet_process") {
    return fit_bayesian(std::move(data), StickBreakingGate::dirichlet_process(k, concentration), prior, options);
  }
  const double discount = value_or(given, "--discount", 0.25);
  if (!(discount >= 0 && discount < 1)) throw UsageError("--discount must lie in [0, 1)");
  return fit_bayesian(std::move(data), StickBreakingGate::pitman_yor(k, discount, concentration), prior, options);
}

summary::Clustering fit(const Arguments& given, const std::string& path) {
  const CsvOptions csv{
      .columns = names(given, "--columns"), .label = value_or(given, "--label", ""), .delimiter = '\0'};
  const Index most = 1'000'000;
  GaussianMixtureOptions options;
  options.components = value_or<Index>(given, "--components", 0, 1, most);
  options.restarts = value_or<Index>(given, "--restarts", options.restarts, 1, most);
  options.seed = value_or<std::uint64_t>(given, "--seed", 0, 0, std::numeric_limits<std::uint64_t>::max());
  options.threads = value_or<int>(given, "--threads", 1, 1, 4096);
  SelectionOptions selection{.covariances = covariances(given)};
  selection.components.to = value_or<Index>(given, "--max-components", 9, 1, most);
  require_writable(value_or(given, "--output", ""), path);
  require_writable(value_or(given, "--plot", ""), path);

  CsvTable data = read_csv(path, csv);
  const auto& x = data.matrix();
  require(options.components <= x.cols() || given.contains("--bayesian"),
          text::counted(options.components, "component"), " need at least as many observations, and '", path, "' has ",
          x.cols());
  if (given.contains("--bayesian")) {
    return fit_bayesian(std::move(data), given, options, selection.covariances.front());
  }
  if (options.components > 0) {
    options.covariance = selection.covariances.front();
    auto fitted = fit_gaussian_mixture(x, options);
    Labels labels = fitted.model.classify(x);
    return {std::move(data), std::move(fitted), {}, std::move(labels)};
  }
  if (x.rows() == 1 && !given.contains("--covariance")) selection.covariances = {Covariance::full, Covariance::tied};
  selection.fit = options;
  auto chosen = select_gaussian_mixture(x, selection);
  Labels labels = chosen.fit.model.classify(x);
  return {std::move(data), std::move(chosen.fit), std::move(chosen.table), std::move(labels)};
}

void write_responsibilities(const summary::Clustering& result, const std::string& path) {
  const Eigen::MatrixXd r =
      result.bayesian ? result.bayesian->responsibilities : result.fit.model.responsibilities(result.data.matrix());
  std::string table = "label";
  for (Index k = 0; k < r.cols(); ++k) table += ",component_" + std::to_string(k);
  for (Index i = 0; i < r.rows(); ++i) {
    table += '\n' + std::to_string(result.labels(i));
    for (Index k = 0; k < r.cols(); ++k) table += ',' + text::shortest(r(i, k));
  }
  write(path, table + '\n');
}

void draw(const summary::Clustering& result, const std::string& data, const std::string& path) {
  const GaussianMixture& model = result.fit.model;
  const Eigen::MatrixXd& x = result.data.matrix();
  const std::string title = "Gaussian mixture of " + std::filesystem::path(data).filename().string();
  const std::string subtitle = summary::in_words(result) + "; " + text::counted(x.cols(), "observation") +
                               (result.bayesian ? ", ELBO " + text::decimal(result.bayesian->elbo, 2)
                                                : ", log-likelihood " + text::decimal(model.log_likelihood(x), 2));
  const auto figure = plot::mixture_figure(model, x, result.labels, result.data.names(), title, subtitle);
  if (!figure.save(path)) throw UsageError("cannot write to '" + path + "'");
}

int cluster(int argc, char** argv) {
  const Arguments given = arguments(argc, argv);
  if (given.contains("--help")) return std::cout << help << std::flush ? 0 : 1;
  const std::string path = value_or(given, "--data", EMULSION_EXAMPLE_DATA "/faithful.csv");
  const std::string output = value_or(given, "--output", ""), picture = value_or(given, "--plot", "");
  if (!output.empty() && output == picture) throw UsageError("--output and --plot name the same file");
  const summary::Clustering result = fit(given, path);
  if (given.contains("--json")) std::printf("%s", summary::json(result).c_str());
  else summary::print_summary(result, path);
  if (std::fflush(stdout) != 0) throw UsageError("cannot write to the standard output");
  if (!output.empty()) write_responsibilities(result, output);
  if (!picture.empty()) draw(result, path, picture);
  return 0;
}

int main(int argc, char** argv) {
  return run("cluster", [&] { return cluster(argc, argv); });
}
