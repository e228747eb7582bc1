// Fits a mixture of experts to a regression in a CSV file: a summary, predictions, a picture.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command_line.hpp"
#include "emulsion/data/csv.hpp"
#include "emulsion/experts/logistic.hpp"
#include "emulsion/experts/poisson.hpp"
#include "emulsion/experts/student_t.hpp"
#include "emulsion/mixture_of_experts.hpp"
#include "experts_fit.hpp"
#include "experts_plot.hpp"
#include "experts_summary.hpp"

#ifndef EMULSION_EXAMPLE_DATA
#define EMULSION_EXAMPLE_DATA "examples/data"
#endif

using namespace emulsion;
using namespace command_line;

constexpr std::string_view help =
    R"(Fits a mixture of experts to a regression in a CSV file (an observation per line): several regressions, and a gate
that says how probable each of them is.

  --data FILE               the data; default: tuned tones on their stretch ratio (Cohen, 1980)
  --response y,...          what is explained, by name or number from 1; a class, named or numbered, of logistic experts
  --covariates a,b,...      what explains it
  --gate WHICH              constant: the same weights everywhere; softmax: a logistic regression on the covariates,
                            default; gaussian: a normal distribution of the covariates for each expert
  --gate-covariates c,...   covariates of the gate; default: those of the experts
  --expert WHICH            linear, default; student_t, which distant responses move little; poisson, of counts;
                            logistic, of classes
  --experts K               how many of them
  --max-experts K           or choose 1 to K of them by BIC; default: 5
  --degree D                experts are polynomials of that degree in each covariate; default 1
  --seed S                  of the random starts; default 0. The same seed gives the same result on any number of threads
  --restarts R              random starts of each fit; default: by the size of the data
  --threads T               default 1
  --output FILE.csv         write for each observation its expert, `label`, the probability of each given the response,
                            `expert_0`, ..., and before it is known, `gate_0`, ..., and the mean response (of classes
                            the probability of each but the first)
  --plot FILE.svg           draw responses, experts and predictions
  --json                    print one JSON object instead of the tables
  --help                    print this

Experts are numbered from 0. A gaussian gate maximises the likelihood of responses and gate covariates together, the
others that of the responses given the covariates: compare gates by the conditional log-likelihood. Examples:

  experts --experts 2 --plot tone.svg
  experts --data motorcycle.csv --response accel --covariates times --experts 4 --json
  experts --data iris.csv --response Species --covariates Sepal.Length,Sepal.Width --expert logistic --max-experts 3
  experts --data motorcycle.csv --response accel --covariates times --gate gaussian --degree 2 --output predicted.csv

Exit code: 0 done, 1 the data cannot be read or fitted, 2 a wrong command line or a file that cannot be written.
)";

// --- the command line ---------------------------------------------------------------------------------------------------

Arguments arguments(int argc, char** argv) {
  Arguments given = parse(argc, argv,
                          {
                              {"--data", "FILE"},
                              {"--response", "y,..."},
                              {"--covariates", "a,b,..."},
                              {"--gate", "constant|softmax|gaussian"},
                              {"--gate-covariates", "c,..."},
                              {"--expert", "linear|student_t|poisson|logistic"},
                              {"--experts", "K"},
                              {"--max-experts", "K"},
                              {"--degree", "D"},
                              {"--seed", "S"},
                              {"--restarts", "R"},
                              {"--threads", "T"},
                              {"--output", "FILE.csv"},
                              {"--plot", "FILE.svg"},
                              {"--json", ""},
                              {"--help", ""},
                          });
  if (given.contains("--help")) return given;
  if (given.contains("--experts") && given.contains("--max-experts")) {
    throw UsageError("--experts fixes the number, --max-experts chooses it: give one of them");
  }
  if (!given.contains("--data")) {
    if (!given.contains("--response")) given.emplace("--response", "tuned");
    if (!given.contains("--covariates")) given.emplace("--covariates", "stretchratio");
  }
  for (const char* name : {"--response", "--covariates"}) {
    if (!given.contains(name)) throw UsageError(std::string(name) + " is missing: which columns are they?");
  }
  return given;
}

// --- the data -----------------------------------------------------------------------------------------------------------

/// Classes in the order of their names, of numbers in the order of these: `labels` become their places.
std::vector<std::string> in_order(std::vector<std::string> names, Labels& labels) {
  std::vector<std::size_t> order(names.size());
  for (std::size_t c = 0; c < order.size(); ++c) order[c] = c;
  std::vector<double> values(names.size());
  bool numbers = true;
  for (std::size_t c = 0; c < names.size(); ++c) {
    numbers = numbers && csv_cell(names[c], values[c]) == CsvCell::number;
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return numbers && values[a] != values[b] ? values[a] < values[b] : names[a] < names[b];
  });
  std::vector<Index> place(names.size());
  std::vector<std::string> sorted;
  for (std::size_t c = 0; c < order.size(); ++c) {
    place[order[c]] = static_cast<Index>(c);
    sorted.push_back(names[order[c]]);
  }
  for (Index& label : labels) label = place[static_cast<std::size_t>(label)];
  return sorted;
}

summary::RegressionTable read(const Arguments& given, const std::string& path, const std::string& expert) {
  const std::string file = read_file(path);
  const auto columns = [&](const std::vector<std::string>& chosen) {
    return parse_csv(file, {.columns = chosen, .label = {}, .delimiter = '\0'}, path);
  };
  summary::RegressionTable table;
  table.degree = value_or<Index>(given, "--degree", 1, 1, 20);
  const std::vector<std::string> responses = names(given, "--response");
  CsvTable x = columns(names(given, "--covariates"));
  table.covariates = x.names();
  table.x = std::move(x).matrix();
  if (expert == "logistic") {
    const CsvTable found =
        parse_csv(file, {.columns = names(given, "--covariates"), .label = responses[0], .delimiter = '\0'}, path);
    Labels labels = found.labels();
    table.classes = in_order(found.label_names(), labels);
    require(table.classes.size() >= 2, "logistic experts tell classes apart, and '", responses[0], "' has only '",
            table.classes[0], "'");
    require(2 * static_cast<Index>(table.classes.size()) <= labels.size(), "'", found.label_name(), "' has ",
            table.classes.size(), " classes in ", labels.size(),
            " rows: is it a number? Logistic experts tell few apart");
    table.y = labels.cast<double>().transpose();
    table.responses = {found.label_name()};
  } else {
    CsvTable y = columns(responses);
    table.responses = y.names();
    table.y = std::move(y).matrix();
  }
  table.own_gate = given.contains("--gate-covariates");
  if (table.own_gate) {
    CsvTable z = columns(names(given, "--gate-covariates"));
    table.gate_covariates = z.names();
    table.z = std::move(z).matrix();
  } else {
    table.gate_covariates = table.covariates;
    table.z = table.x;
  }
  for (const std::string& name : table.responses) {
    const auto refuse = [&](const std::vector<std::string>& others, const char* what) {
      if (std::find(others.begin(), others.end(), name) != others.end()) {
        throw UsageError("'" + name + "' is a response and a " + what);
      }
    };
    refuse(table.covariates, "covariate");
    refuse(table.gate_covariates, "gate covariate");
  }
  return table;
}

// --- the work -----------------------------------------------------------------------------------------------------------

template <class Expert>
summary::ExpertsFit fit_gate(const std::string& gate, Index k, const Expert& expert,
                             const summary::RegressionTable& table, const FitOptions& options) {
  const Index p = table.z.rows();
  if (gate == "constant") return summary::fit_and_describe(ConstantGate(k), expert, table, options);
  if (gate == "gaussian") return summary::fit_and_describe(GaussianGate(k, p), expert, table, options);
  return summary::fit_and_describe(SoftmaxGate(k, p), expert, table, options);
}

summary::ExpertsFit fit(const std::string& gate, const std::string& expert, Index k,
                        const summary::RegressionTable& table, const FitOptions& options) {
  const Index p = table.x.rows() * table.degree, q = table.y.rows();
  const auto with = [&](const auto& prototype) {
    summary::ExpertsFit result = fit_gate(gate, k, prototype, table, options);
    result.gate = gate;
    result.expert = expert;
    return result;
  };
  if (expert == "student_t") return with(StudentTExpert(p, q));
  if (expert == "poisson") return with(PoissonExpert(p));
  if (expert == "logistic") return with(LogisticExpert(p, static_cast<Index>(table.classes.size())));
  return with(LinearExpert(p, q));
}

summary::ExpertsChoice choose(const Arguments& given, const std::string& gate, const std::string& expert,
                              const summary::RegressionTable& table, const FitOptions& options) {
  const Index most = 1'000'000, n = table.size();
  const auto wanted = value_or<Index>(given, "--experts", 0, 1, most);
  require(wanted <= n, text::counted(wanted, "expert"), " need at least as many observations, got ", n);
  if (wanted > 0) return {{}, fit(gate, expert, wanted, table, options)};
  summary::ExpertsChoice choice;
  const Index last = std::min(n, value_or<Index>(given, "--max-experts", 5, 1, most));
  for (Index k = 1; k <= last; ++k) {
    summary::ExpertsFit found = fit(gate, expert, k, table, options);
    choice.table.push_back({k, found.bic, found.regular, found.report.status == Status::converged});
    const summary::ExpertsFit& best = choice.best;
    const bool better = found.regular != best.regular ? found.regular : found.bic < best.bic;
    if (k == 1 || better) choice.best = std::move(found);
  }
  return choice;
}

void write_predictions(const summary::ExpertsFit& fit, const summary::RegressionTable& table, const std::string& path) {
  std::string lines = "label";
  for (Index k = 0; k < fit.size(); ++k) lines += ",expert_" + std::to_string(k);
  for (Index k = 0; k < fit.size(); ++k) lines += ",gate_" + std::to_string(k);
  for (const std::string& name : summary::outputs(table)) {
    std::string quoted = (table.classes.empty() ? "mean_" : "probability_") + name;
    for (std::size_t at = 0; (at = quoted.find('"', at)) != quoted.npos; at += 2) quoted.insert(at, 1, '"');
    lines += ",\"" + quoted + "\"";
  }
  for (Index i = 0; i < table.size(); ++i) {
    lines += '\n' + std::to_string(fit.labels(i));
    for (Index k = 0; k < fit.size(); ++k) lines += ',' + text::shortest(fit.responsibilities(i, k));
    for (Index k = 0; k < fit.size(); ++k) lines += ',' + text::shortest(fit.probabilities(i, k));
    for (Index r = 0; r < fit.fitted.rows(); ++r) lines += ',' + text::shortest(fit.fitted(r, i));
  }
  write(path, lines + '\n');
}

int experts(int argc, char** argv) {
  const Arguments given = arguments(argc, argv);
  if (given.contains("--help")) return std::cout << help << std::flush ? 0 : 1;
  const std::string path = value_or(given, "--data", EMULSION_EXAMPLE_DATA "/tone.csv");
  const std::string output = value_or(given, "--output", ""), picture = value_or(given, "--plot", "");
  if (!output.empty() && output == picture) throw UsageError("--output and --plot name the same file");
  const std::string gate = one_of(given, "--gate", "softmax", {"constant", "softmax", "gaussian"});
  const std::string expert = one_of(given, "--expert", "linear", {"linear", "student_t", "poisson", "logistic"});
  if (gate == "constant" && given.contains("--gate-covariates")) {
    throw UsageError("a constant gate has no covariates: leave --gate-covariates out");
  }
  if ((expert == "poisson" || expert == "logistic") && names(given, "--response").size() > 1) {
    throw UsageError("a " + expert + " expert has one response");
  }
  FitOptions options;
  const Index most = 1'000'000;
  options.restarts = value_or<Index>(given, "--restarts", 0, 1, most);
  options.seed = value_or<std::uint64_t>(given, "--seed", 0, 0, std::numeric_limits<std::uint64_t>::max());
  options.threads = value_or<int>(given, "--threads", 1, 1, 4096);
  value_or<Index>(given, "--experts", 1, 1, most), value_or<Index>(given, "--max-experts", 1, 1, most);
  value_or<Index>(given, "--degree", 1, 1, 20);
  require_writable(output, path);
  require_writable(picture, path);

  const summary::RegressionTable table = read(given, path, expert);
  const summary::ExpertsChoice choice = choose(given, gate, expert, table, options);
  if (given.contains("--json")) std::printf("%s", summary::json(choice, table).c_str());
  else summary::print_summary(choice, table, path);
  if (std::fflush(stdout) != 0) throw UsageError("cannot write to the standard output");
  if (!output.empty()) write_predictions(choice.best, table, output);
  if (!picture.empty()) {
    const std::string title = "Mixture of experts of " + std::filesystem::path(path).filename().string();
    const std::string subtitle = summary::in_words(choice.best, !choice.table.empty()) + "; " +
                                 text::counted(table.size(), "observation") + ", conditional log-likelihood " +
                                 text::decimal(choice.best.conditional, 2);
    if (!plot::experts_figure(choice.best, table, title, subtitle).save(picture)) {
      throw UsageError("cannot write to '" + picture + "'");
    }
  }
  return 0;
}

int main(int argc, char** argv) {
  return run("experts", [&] { return experts(argc, argv); });
}
