#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "experts_fit.hpp"
#include "report_summary.hpp"
#include "text.hpp"

/// Mixtures of experts as tables for a statistician or as JSON.
namespace summary {

// --- tables -------------------------------------------------------------------------------------------------------------

/// What the rows of a vector or the columns of a matrix belong to.
inline std::vector<std::string> outputs(const RegressionTable& table) {
  if (table.classes.empty()) return table.responses;
  std::vector<std::string> names;
  for (std::size_t c = 1; c < table.classes.size(); ++c) names.push_back(table.responses[0] + "=" + table.classes[c]);
  return names;
}

/// Parameters side by side, a column for each expert, eight of them in a row.
class ExpertsTable {
 public:
  explicit ExpertsTable(Index experts) : experts_(experts) {}

  void head(const std::string& words) { rows_.push_back({text::shortened(text::clean(words), 40), {}}); }
  template <class Cell>
  void row(const std::string& words, const Cell& cell) {
    rows_.push_back({text::shortened(text::clean(words), 40), {}});
    for (Index k = 0; k < experts_; ++k) rows_.back().cells.push_back(cell(k));
  }
  /// The same parameter of all experts: `rows` names its rows, `columns` those of a matrix. Of a covariance, the roots
  /// of its diagonal.
  void parameter(const std::vector<std::vector<Parameter>>& all, std::size_t place,
                 const std::vector<std::string>& rows, const std::vector<std::string>& columns) {
    const auto value = [&](Index k) -> const Eigen::MatrixXd& { return all[static_cast<std::size_t>(k)][place].value; };
    const Parameter& first = all.front()[place];
    const auto add = [&](const std::string& name, Index i, Index j, bool root) {
      row("  " + name,
          [&](Index k) { return text::significant(root ? std::sqrt(value(k)(i, j)) : value(k)(i, j), 5); });
    };
    if (first.shape == Parameter::Shape::number) {
      std::string words = first.name;
      std::replace(words.begin(), words.end(), '_', ' ');
      row(words, [&](Index k) { return text::significant(value(k)(0, 0), 5); });
      return;
    }
    const bool root = first.name == "covariance" || first.name == "scales";
    if (first.value.size() == 0) return;
    head(first.name == "covariance" ? "standard deviation" : first.name == "scales" ? "scale" : first.name);
    for (Index i = 0; i < first.value.rows(); ++i) {
      const std::string& name = rows[static_cast<std::size_t>(i)];
      if (root || first.shape == Parameter::Shape::vector) {
        add(name, i, root ? i : 0, root);
        continue;
      }
      for (Index j = 0; j < first.value.cols(); ++j) {
        std::string title = first.value.rows() > 1 ? name + ", " : std::string();
        title += columns[static_cast<std::size_t>(j)];
        add(title, i, j, false);
      }
    }
  }

  void print() const {
    Index width = 12;
    for (const Row& row : rows_) width = std::max(width, characters(row.head) + 2);
    for (Index first = 0; first < experts_; first += 8) {
      std::printf("\n");
      for (const Row& row : rows_) {
        std::printf("%s", row.head.c_str());
        if (!row.cells.empty()) std::printf("%*s", static_cast<int>(width - characters(row.head)), "");
        for (Index k = first; k < std::min(experts_, first + 8) && !row.cells.empty(); ++k) {
          std::printf(" %11s", row.cells[static_cast<std::size_t>(k)].c_str());
        }
        std::printf("\n");
      }
    }
  }

 private:
  struct Row {
    std::string head;
    std::vector<std::string> cells;
  };
  Index experts_;
  std::vector<Row> rows_ = {};
};

inline std::string in_words(const ExpertsFit& fit, bool chosen) {
  std::string expert = fit.expert == "student_t" ? "Student t" : fit.expert;
  return text::counted(fit.size(), (expert + " expert").c_str()) + ", " + fit.gate + " gate" +
         (chosen ? ", chosen by BIC" : "");
}

inline void print_choice(const ExpertsChoice& choice) {
  if (choice.table.empty()) return;
  std::printf("\n    experts            BIC (smaller is better)\n");
  for (const ExpertsChoice::Row& row : choice.table) {
    const bool best = row.experts == choice.best.size();
    std::printf("%11td %14.4f%s\n", row.experts, row.bic,
                best            ? " *"
                : !row.regular  ? " ! an expert on a few observations, left aside"
                : row.converged ? ""
                                : " ?");
  }
}

inline void print_summary(const ExpertsChoice& choice, const RegressionTable& table, const std::string& path) {
  const ExpertsFit& fit = choice.best;
  std::printf("Mixture of experts of %s\n%s\n", text::clean(path).c_str(),
              in_words(fit, !choice.table.empty()).c_str());
  print_choice(choice);
  std::printf("\n%10s %16s %16s %6s %14s\n", "n", "log-likelihood", "conditional", "df", "BIC");
  std::printf("%10td %16.4f %16.4f %6td %14.4f\n", table.size(), fit.log_likelihood, fit.conditional,
              fit.free_parameters, fit.bic);
  const bool joint = fit.objective() == "joint";
  std::printf("%s\n", joint ? "Log-likelihood and BIC are of the responses and the gate's covariates together."
                            : "Log-likelihood and BIC are of the responses given the covariates.");
  ExpertsTable experts(fit.size());
  experts.row("expert", [](Index k) { return std::to_string(k); });
  experts.row("weight", [&](Index k) { return text::fixed(fit.weights(k), 4); });
  experts.row("size", [&](Index k) { return std::to_string((fit.labels.array() == k).count()); });
  for (std::size_t i = 0; i < fit.of_experts.front().size(); ++i) {
    experts.parameter(fit.of_experts, i, outputs(table), table.design_names());
  }
  if (!fit.of_gate.front().empty()) {
    experts.head("");
    experts.head("gate");
    for (std::size_t i = 0; i < fit.of_gate.front().size(); ++i) {
      experts.parameter(fit.of_gate, i, table.gate_covariates, table.gate_covariates);
    }
  }
  experts.print();
  std::printf("\nEM %s.\n", in_words(fit.report).c_str());
  print_events(fit.report);
}

// --- JSON ---------------------------------------------------------------------------------------------------------------

inline std::string json_names(const std::vector<std::string>& names) {
  return json_list(static_cast<Index>(names.size()),
                   [&](Index i) { return text::json_string(names[static_cast<std::size_t>(i)]); });
}

/// Matrices are lists of rows.
inline std::string json(const std::vector<Parameter>& parameters) {
  std::string object;
  for (const Parameter& one : parameters) {
    const Eigen::MatrixXd& value = one.value;
    object += (object.empty() ? "" : ", ") + text::json_string(one.name) + ": ";
    if (one.shape == Parameter::Shape::number) object += text::shortest(value(0, 0));
    else if (one.shape == Parameter::Shape::vector) object += json_list(Eigen::VectorXd(value.col(0)));
    else {
      object += json_list(value.rows(), [&](Index i) { return json_list(Eigen::VectorXd(value.row(i).transpose())); });
    }
  }
  return "{" + object + "}";
}

inline std::string json(const ExpertsChoice& choice, const RegressionTable& table) {
  using text::json_string;
  const ExpertsFit& fit = choice.best;
  std::string object = "{\n  \"gate\": " + json_string(fit.gate);
  const auto field = [&](std::string_view name, const std::string& value) {
    object += ",\n  " + json_string(name) + ": " + value;
  };
  const auto each = [&](const std::vector<std::vector<Parameter>>& all) {
    return json_list(fit.size(), [&](Index k) { return json(all[static_cast<std::size_t>(k)]); });
  };
  field("expert", json_string(fit.expert));
  field("experts", std::to_string(fit.size()));
  field("observations", std::to_string(table.size()));
  field("responses", json_names(table.responses));
  if (!table.classes.empty()) field("classes", json_names(table.classes));
  field("covariates", json_names(table.design_names()));
  field("gate_covariates", fit.gate == "constant" ? "[]" : json_names(table.gate_covariates));
  field("objective", json_string(fit.objective()));
  field("log_likelihood", text::shortest(fit.log_likelihood));
  field("conditional_log_likelihood", text::shortest(fit.conditional));
  field("free_parameters", std::to_string(fit.free_parameters));
  field("bic", text::shortest(fit.bic));
  field("parameters", "{\n    \"weights\": " + json_list(fit.weights) +
                          ",\n    \"gate\": " + (fit.of_gate.front().empty() ? "[]" : each(fit.of_gate)) +
                          ",\n    \"experts\": " + each(fit.of_experts) + "\n  }");
  if (!choice.table.empty()) {
    field("choice", json_list(static_cast<Index>(choice.table.size()), [&](Index i) {
            const ExpertsChoice::Row& row = choice.table[static_cast<std::size_t>(i)];
            return "{\"experts\": " + std::to_string(row.experts) + ", \"bic\": " + text::shortest(row.bic) +
                   ", \"regular\": " + (row.regular ? "true" : "false") + "}";
          }));
  }
  field("status", json_string(to_string(fit.report.status)));
  field("iterations", std::to_string(fit.report.iterations));
  field("restarts", std::to_string(fit.report.restarts.size()));
  field("best_reached", std::to_string(fit.report.best_reached));
  field("events", json_events(fit.report));
  return object + "\n}\n";
}

}  // namespace summary
