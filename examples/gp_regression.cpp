// Gaussian process regression on a CSV file: a summary, predictions, a picture.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command_line.hpp"
#include "emulsion/data/csv.hpp"
#include "emulsion/inference/fit_gaussian_process.hpp"
#include "emulsion/inference/fit_sparse_process.hpp"
#include "emulsion/kernels/kernels.hpp"
#include "emulsion/processes/kmeans_inducing_points.hpp"
#include "plot.hpp"
#include "report_summary.hpp"

#ifndef EMULSION_EXAMPLE_DATA
#define EMULSION_EXAMPLE_DATA "examples/data"
#endif

using namespace emulsion;
using namespace command_line;

namespace {

constexpr std::string_view help =
    R"(Gaussian process regression on a CSV file (an observation per line).

  --data FILE             the data; default: the head of a rider in a simulated crash (Silverman, 1985)
  --response y            what is explained, by name or number from 1
  --covariates a,b,...    what explains it
  --kernel WHICH          squared_exponential, default; matern12, matern32, matern52, rational_quadratic, periodic
  --ard                   a length scale for each covariate (not for a periodic kernel)
  --variance V            of the process; default: to start from, the variance of the response
  --length-scale L        or L1,L2,... with --ard; default: to start from, the standard deviation of each covariate
  --noise N               variance of the noise; default: to start from, a tenth of the variance of the response
  --alpha A               of a rational quadratic kernel; default 1
  --period P              of a periodic kernel; default: to start from, a fifth of the range of the first covariate
  --fixed                 take the hyperparameters as they are given; without it they are where the search for the largest
                          marginal likelihood starts
  --mean zero|constant    of the process before data; default zero. A constant mean is fitted, or with --fixed the mean
                          response
  --sparse M              see the data through M inducing inputs (Titsias, 2009): for thousands of observations and more
  --threads T             of a sparse process; default 1
  --restarts R            searches from different starts; default 5, of a sparse process 1
  --seed S                of the starts; default 0
  --predict FILE.csv      predict at the covariates in this file instead of those of the data
  --output FILE.csv       write predictions: covariates, mean, variance of f, variance of a new observation, and the
                          interval that holds nine tenths of new observations
  --plot FILE.svg         draw data and predictions (of one covariate), or responses and what the others say of them
  --json                  print one JSON object instead of the table
  --help                  print this

Examples:

  gp_regression --kernel matern32 --mean constant --plot motorcycle.svg
  gp_regression --data faithful.csv --response waiting --covariates eruptions --mean constant --json
  gp_regression --data iris.csv --response 4 --covariates 1,2,3 --ard --mean constant
  gp_regression --data large.csv --response y --covariates a,b --ard --sparse 200 --threads 2 --output fitted.csv
  gp_regression --data curve.csv --response y --covariates x --variance 1.7 --length-scale 1.3 --noise 0.01 --fixed

Exit code: 0 done, 1 the data cannot be read or fitted, 2 a wrong command line or a file that cannot be written.
)";

using Process = GaussianProcess<AnyKernel, ConstantMean>;

struct Predicted {
  Eigen::VectorXd mean, variance;  // of f
};
/// A fitted process, exact or sparse, as what is said of it.
struct Fitted {
  std::vector<std::string> names = {};   // of hyperparameters
  Eigen::VectorXd hyperparameters = {};  // logarithms of what is positive
  Index observations = 0, inducing = 0;
  double evidence = 0;                                // log marginal likelihood, or Titsias' bound
  Eigen::VectorXd left_out = {}, left_out_mean = {};  // log density and mean given the others; none if sparse
  double noise = 0, jitter = 0;
  Report report = {};
  std::function<Predicted(const Eigen::MatrixXd&)> predict = {};
  const char* evidence_name() const { return inducing > 0 ? "evidence bound" : "log marginal likelihood"; }
};

struct Table {
  std::vector<std::string> covariates;
  std::string response;
  Eigen::MatrixXd x;
  Eigen::RowVectorXd y;
  double variance() const {
    const double v = (y.array() - y.mean()).square().mean();
    return v > 0 ? v : 1;
  }
  double deviation(Index j) const {
    const double v = (x.row(j).array() - x.row(j).mean()).square().mean();
    return v > 0 ? std::sqrt(v) : 1;
  }
};

Table read(const Arguments& given, const std::string& path) {
  const std::string file = read_file(path);
  const auto columns = [&](const char* option) {
    return parse_csv(file, {.columns = names(given, option), .label = {}, .delimiter = '\0'}, path);
  };
  const CsvTable x = columns("--covariates"), y = columns("--response");
  if (y.names().size() != 1) throw UsageError("--response is one column, got " + std::to_string(y.names().size()));
  Table table{x.names(), y.names()[0], x.matrix(), y.matrix()};
  if (std::find(x.names().begin(), x.names().end(), table.response) != x.names().end()) {
    throw UsageError("'" + table.response + "' is the response and a covariate");
  }
  return table;
}

double positive(const Arguments& given, std::string_view name, double otherwise) {
  const double value = value_or(given, name, otherwise);
  if (value > 0 && std::isfinite(value)) return value;
  throw UsageError(std::string(name) + " needs a positive number, got " + text::shortest(value));
}

AnyKernel kernel(const Arguments& given, const std::string& which, const Table& table) {
  const double variance = positive(given, "--variance", table.variance());
  const Index p = table.x.rows(), wanted = given.contains("--ard") ? p : 1;
  Eigen::VectorXd lengths(wanted);
  const std::vector<std::string> listed = names(given, "--length-scale");
  const auto count = static_cast<Index>(listed.size());
  if (count > 1 && count != wanted) {
    throw UsageError(
        "--length-scale has " + std::to_string(count) + " values, " +
        (wanted > 1 ? text::counted(wanted, "covariate") + " need as many" : "without --ard there is one"));
  }
  for (Index j = 0; j < wanted; ++j) {
    lengths(j) = wanted > 1 ? table.deviation(j) : 0;
    for (Index c = 0; c < p && wanted == 1; ++c) lengths(0) += table.deviation(c) / static_cast<double>(p);
    if (count == 0) continue;
    const Arguments one{{"--length-scale", listed[static_cast<std::size_t>(count > 1 ? j : 0)]}};
    lengths(j) = positive(one, "--length-scale", 1);
  }
  if (which == "matern12") return Matern12(variance, lengths);
  if (which == "matern32") return Matern32(variance, lengths);
  if (which == "matern52") return Matern52(variance, lengths);
  if (which == "rational_quadratic") return RationalQuadratic(variance, lengths, positive(given, "--alpha", 1));
  if (which == "periodic") {
    const double range = table.x.row(0).maxCoeff() - table.x.row(0).minCoeff();
    const double length = count > 0 ? lengths(0) : 1;  // of the sine, without a unit
    return Periodic(variance, length, positive(given, "--period", range > 0 ? range / 5 : 1));
  }
  return SquaredExponential(variance, lengths);
}

/// A process without a mean is one whose level is held at zero.
HyperparameterOptions search_options(const Arguments& given, const Process& process) {
  HyperparameterOptions options;
  options.restarts = value_or<int>(given, "--restarts", options.restarts, 1, 10'000);
  options.seed = value_or<std::uint64_t>(given, "--seed", 0, 0, std::numeric_limits<std::uint64_t>::max());
  options.prior.mean = hyperparameters(process);
  options.prior.deviation.setConstant(process.parameters(), std::numeric_limits<double>::infinity());
  if (value_or(given, "--mean", "zero") == "zero") options.prior.deviation(process.parameters() - 1) = 0;
  return options;
}

// --- what is said -------------------------------------------------------------------------------------------------------

struct Hyperparameter {
  std::string name;
  double value;
};
std::vector<Hyperparameter> described(const Fitted& fit) {
  std::vector<Hyperparameter> result;
  for (Index p = 0; p < fit.hyperparameters.size(); ++p) {
    const std::string& name = fit.names[static_cast<std::size_t>(p)];
    const double v = fit.hyperparameters(p);
    const bool logarithm = name.starts_with("log ");
    result.push_back({logarithm ? name.substr(4) : name, logarithm ? std::exp(v) : v});
  }
  return result;
}

void print_summary(const Fitted& fit, const Table& table, const std::string& path, bool fixed) {
  std::printf("Gaussian process of '%s' on %s, %s\n\n", table.response.c_str(),
              text::counted(table.x.rows(), "covariate").c_str(),
              std::filesystem::path(path).filename().string().c_str());
  std::printf("%-26s %td\n", "observations", fit.observations);
  if (fit.inducing > 0) std::printf("%-26s %td\n", "inducing inputs", fit.inducing);
  for (const Hyperparameter& one : described(fit)) {
    std::string name = one.name;
    if (name.starts_with("length scale ")) name = "length scale, " + table.covariates[std::stoul(name.substr(13))];
    if (name == "level") name = "mean";
    std::printf("%-26s %s\n", name.c_str(), text::significant(one.value, 6).c_str());
  }
  std::printf("%-26s %.4f nats\n", fit.evidence_name(), fit.evidence);
  if (fit.left_out.size() > 0) std::printf("%-26s %.4f nats\n", "log density, leave-one-out", fit.left_out.sum());
  if (fit.jitter > 0) std::printf("%-26s %g, added to the diagonal\n", "jitter", fit.jitter);
  std::printf("\n%s\n", fixed ? "hyperparameters as they were given" : summary::in_words(fit.report).c_str());
  summary::print_events(fit.report);
}

std::string json(const Fitted& fit, const Table& table, const std::string& which, bool fixed,
                 const Predicted* predicted) {
  std::string lengths, others;
  for (const Hyperparameter& one : described(fit)) {
    if (one.name.starts_with("length scale")) {
      lengths += (lengths.empty() ? "" : ", ") + text::shortest(one.value);
    } else {
      others += ", " + text::json_string(one.name == "level" ? "mean" : one.name) + ": " + text::shortest(one.value);
    }
  }
  std::string result = "{\n  \"kernel\": " + text::json_string(which) +
                       ",\n  \"observations\": " + std::to_string(fit.observations) +
                       ",\n  \"response\": " + text::json_string(table.response) +
                       ",\n  \"hyperparameters\": {\"length_scale\": [" + lengths + "]" + others + "}";
  if (fit.inducing > 0) {
    result += ",\n  \"inducing_inputs\": " + std::to_string(fit.inducing) +
              ",\n  \"evidence_bound\": " + text::shortest(fit.evidence);
  } else {
    result += ",\n  \"log_marginal_likelihood\": " + text::shortest(fit.evidence) +
              ",\n  \"leave_one_out_log_density\": " + text::shortest(fit.left_out.sum());
  }
  result += ",\n  \"jitter\": " + text::shortest(fit.jitter) +
            ",\n  \"status\": " + text::json_string(fixed ? "fixed" : to_string(fit.report.status)) +
            ",\n  \"iterations\": " + std::to_string(fit.report.iterations) +
            ",\n  \"events\": " + summary::json_events(fit.report);
  if (predicted) {
    result += ",\n  \"predictions\": {\"mean\": " + summary::json_list(predicted->mean) +
              ", \"variance\": " + summary::json_list(predicted->variance) + ", \"variance_with_noise\": " +
              summary::json_list(Eigen::VectorXd(predicted->variance.array() + fit.noise)) + "}";
  }
  return result + "\n}\n";
}

constexpr double nine_tenths = 1.6448536269514722;  // deviations on either side

void write_predictions(const Eigen::MatrixXd& x, const Predicted& predicted, double noise, const Table& table,
                       const std::string& path) {
  std::string lines;
  for (std::string name : table.covariates) {
    for (std::size_t at = 0; (at = name.find('"', at)) != name.npos; at += 2) name.insert(at, 1, '"');
    lines += "\"" + name + "\",";
  }
  lines += "mean,variance,variance_with_noise,low,high";
  const Eigen::VectorXd &mean = predicted.mean, &variance = predicted.variance;
  for (Index i = 0; i < x.cols(); ++i) {
    lines += '\n';
    for (Index j = 0; j < x.rows(); ++j) lines += text::shortest(x(j, i)) + ',';
    const double all = variance(i) + noise, half = nine_tenths * std::sqrt(all);
    lines += text::shortest(mean(i)) + ',' + text::shortest(variance(i)) + ',' + text::shortest(all) + ',' +
             text::shortest(mean(i) - half) + ',' + text::shortest(mean(i) + half);
  }
  write(path, lines + '\n');
}

void draw(const Fitted& fit, const Table& table, const std::string& title, const std::string& path) {
  const std::string subtitle = text::counted(fit.observations, "observation") + ", " + fit.evidence_name() + " " +
                               text::decimal(fit.evidence, 2);
  plot::Figure figure(830, 540, title, subtitle);
  const plot::Box box{90, 84, 490, 380};
  const Eigen::VectorXd y = table.y.transpose();
  if (table.x.rows() == 1) {
    const Eigen::VectorXd x = table.x.row(0).transpose();
    const plot::Range across = plot::around(x);
    const Eigen::VectorXd at = Eigen::VectorXd::LinSpaced(400, across.low, across.high);
    const Predicted predicted = fit.predict(at.transpose());
    const Eigen::VectorXd &mean = predicted.mean, &variance = predicted.variance;
    const Eigen::VectorXd of_f = nine_tenths * variance.cwiseSqrt();
    const Eigen::VectorXd of_y = nine_tenths * (variance.array() + fit.noise).sqrt();
    plot::Panel panel(
        box, across,
        plot::Range{y.minCoeff(), y.maxCoeff()}.with((mean - of_y).minCoeff(), (mean + of_y).maxCoeff()).wider());
    panel.band(at, mean - of_y, mean + of_y, "#777788", 0.18);
    panel.band(at, mean - of_f, mean + of_f, plot::colour(0), 0.25);
    panel.points(x, y, "#444444", x.size() > 1000 ? 1.5 : 2.6);
    panel.line(at, mean, plot::stroke(plot::colour(0), 2.4));
    panel.axes(text::shortened(table.covariates[0], 40), text::shortened(table.response, 40));
    figure.add(panel);
    figure.legend_line(606, 96, plot::stroke(plot::colour(0), 2.4), "mean");
    figure.legend_line(606, 118, plot::stroke("#a9cbe2", 10), "f, 5 to 95 %");
    figure.legend_line(606, 140, plot::stroke("#dedee2", 10), "observations, 5 to 95 %");
  } else {
    const bool sparse = fit.inducing > 0;
    const Eigen::VectorXd mean = sparse ? fit.predict(table.x).mean : fit.left_out_mean;
    plot::Panel panel(box, plot::around(mean), plot::around(y));
    panel.points(mean, y, plot::colour(0), y.size() > 1000 ? 1.5 : 2.6);
    const Eigen::Vector2d ends(std::max(mean.minCoeff(), y.minCoeff()), std::min(mean.maxCoeff(), y.maxCoeff()));
    panel.line(ends, ends, plot::stroke("#222222", 1.5, "6 4"));
    panel.axes(sparse ? "fitted mean" : "mean given the other observations", text::shortened(table.response, 40));
    figure.add(panel);
    figure.legend_line(606, 96, plot::stroke("#222222", 1.5, "6 4"), "response = mean");
  }
  if (!figure.save(path)) throw UsageError("cannot write to '" + path + "'");
}

// --- the work -----------------------------------------------------------------------------------------------------------

Fitted fit_exact(const Process& process, const Table& table, const HyperparameterOptions& options, bool fixed) {
  const Regression data(table.x, table.y);
  using Posterior = ConditionedProcess<AnyKernel, ConstantMean>;
  const Fit<Posterior> fit =
      fixed ? Fit<Posterior>{process.condition(data), {}} : fit_gaussian_process(process, data, options);
  const auto left_out = fit.model.leave_one_out();
  Fitted result;
  fit.model.prior().name(result.names);
  result.hyperparameters = hyperparameters(fit.model.prior());
  result.observations = fit.model.size();
  result.evidence = fit.model.log_marginal_likelihood();
  result.left_out = left_out.log_density;
  result.left_out_mean = left_out.mean;
  result.noise = fit.model.noise();
  result.jitter = fit.model.jitter();
  result.report = fit.report;
  result.predict = [posterior = fit.model](const Eigen::MatrixXd& x) {
    const auto predicted = posterior.predict(x);
    return Predicted{predicted.mean(), predicted.variance()};
  };
  return result;
}

/// A sparse process has mean zero: a constant mean is that of the response.
Fitted fit_sparse(const Process& process, const Table& table, Index inducing, const SparseFitOptions& options,
                  bool fixed) {
  const double level = process.mean().level();
  const Eigen::RowVectorXd y = table.y.array() - level;
  const Regression data(table.x, y);
  const Eigen::MatrixXd inputs = kmeans_inducing_points(table.x, inducing, options.search.seed);
  const SparseProcess<AnyKernel> start(InducingBasis<AnyKernel>(process.kernel(), inputs), process.noise());
  Fit<SparseProcess<AnyKernel>> fit{start, {}};
  if (fixed) {
    const InducingStatistics s = start.learn(data, options.threads);
    start.maximize(s, fit.model);
    fit.report.objective = fit.model.objective(s);
  } else {
    fit = fit_sparse_process(start, data, options);
  }
  Fitted result;
  fit.model.basis().kernel().name(result.names);
  result.names.emplace_back("log noise");
  result.names.emplace_back("level");
  result.hyperparameters.resize(fit.model.parameters() + 1);
  result.hyperparameters << hyperparameters(fit.model), level;
  result.observations = table.x.cols();
  result.inducing = inducing;
  result.evidence = fit.report.objective;
  result.noise = fit.model.noise();
  result.jitter = fit.model.basis().jitter();
  result.report = fit.report;
  result.predict = [level, model = fit.model](const Eigen::MatrixXd& x) {
    Predicted all{Eigen::VectorXd(x.cols()), Eigen::VectorXd(x.cols())};
    constexpr Index most = 1000;
    for (Index first = 0; first < x.cols(); first += most) {
      const Index count = std::min(most, x.cols() - first);
      const auto part = model.predict(x.middleCols(first, count));
      all.mean.segment(first, count) = part.mean().array() + level;
      all.variance.segment(first, count) = part.variance();
    }
    return all;
  };
  return result;
}

int gp_regression(int argc, char** argv) {
  Arguments given = parse(argc, argv,
                          {{"--data", "FILE"},
                           {"--response", "y"},
                           {"--covariates", "a,b,..."},
                           {"--kernel", "WHICH"},
                           {"--ard", ""},
                           {"--variance", "V"},
                           {"--length-scale", "L"},
                           {"--noise", "N"},
                           {"--alpha", "A"},
                           {"--period", "P"},
                           {"--fixed", ""},
                           {"--sparse", "M"},
                           {"--threads", "T"},
                           {"--mean", "zero|constant"},
                           {"--restarts", "R"},
                           {"--seed", "S"},
                           {"--predict", "FILE.csv"},
                           {"--output", "FILE.csv"},
                           {"--plot", "FILE.svg"},
                           {"--json", ""},
                           {"--help", ""}});
  if (given.contains("--help")) return std::cout << help << std::flush ? 0 : 1;
  if (!given.contains("--data")) {
    if (!given.contains("--response")) given.emplace("--response", "accel");
    if (!given.contains("--covariates")) given.emplace("--covariates", "times");
  }
  for (const char* name : {"--response", "--covariates"}) {
    if (!given.contains(name)) throw UsageError(std::string(name) + " is missing: which columns are they?");
  }
  const std::string path = value_or(given, "--data", EMULSION_EXAMPLE_DATA "/motorcycle.csv");
  const std::string which =
      one_of(given, "--kernel", "squared_exponential",
             {"squared_exponential", "matern12", "matern32", "matern52", "rational_quadratic", "periodic"});
  const std::string mean = one_of(given, "--mean", "zero", {"zero", "constant"});
  if (which == "periodic" && given.contains("--ard"))
    throw UsageError("a periodic kernel has one length scale: leave --ard out");
  if (which != "periodic" && given.contains("--period")) throw UsageError("--period is of a periodic kernel");
  if (which != "rational_quadratic" && given.contains("--alpha")) {
    throw UsageError("--alpha is of a rational quadratic kernel");
  }
  const std::string output = value_or(given, "--output", ""), picture = value_or(given, "--plot", "");
  if (!output.empty() && output == picture) throw UsageError("--output and --plot name the same file");
  require_writable(output, path);
  require_writable(picture, path);

  const Table table = read(given, path);
  const double noise = value_or(given, "--noise", 0.1 * table.variance());
  if (!(noise >= 0) || !std::isfinite(noise)) throw UsageError("--noise needs a number that is not negative");
  const Process process(kernel(given, which, table), noise, ConstantMean(mean == "zero" ? 0 : table.y.mean()));
  Eigen::MatrixXd wanted = table.x;
  if (given.contains("--predict")) {
    const std::string file = value_or(given, "--predict", "");
    wanted = read_csv(file, {.columns = table.covariates, .label = {}, .delimiter = '\0'}).matrix();
  }

  const bool fixed = given.contains("--fixed");
  const HyperparameterOptions options = search_options(given, process);
  const auto inducing = value_or<Index>(given, "--sparse", 0, 1, 100'000);
  SparseFitOptions sparse;
  sparse.search.restarts = value_or<int>(given, "--restarts", 1, 1, 10'000);
  sparse.threads = value_or<int>(given, "--threads", 1, 1, 4096);
  sparse.search.seed = options.seed;
  const Fitted fit =
      inducing > 0 ? fit_sparse(process, table, inducing, sparse, fixed) : fit_exact(process, table, options, fixed);
  const bool wanted_at = given.contains("--predict");
  Predicted predicted;
  if (wanted_at || !output.empty()) predicted = fit.predict(wanted);
  if (given.contains("--json")) {
    std::printf("%s", json(fit, table, which, fixed, wanted_at ? &predicted : nullptr).c_str());
  } else {
    print_summary(fit, table, path, fixed);
  }
  if (std::fflush(stdout) != 0) throw UsageError("cannot write to the standard output");
  if (!output.empty()) write_predictions(wanted, predicted, fit.noise, table, output);
  if (!picture.empty()) {
    draw(fit, table, "Gaussian process of " + std::filesystem::path(path).filename().string(), picture);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run("gp_regression", [&] { return gp_regression(argc, argv); });
}
