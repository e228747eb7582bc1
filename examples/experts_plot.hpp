#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "experts_fit.hpp"
#include "plot.hpp"

/// Pictures of mixtures of experts.
namespace plot {

/// A curve where a weight is not zero, the paler the smaller it is.
inline void weighted_line(Panel& panel, const Eigen::VectorXd& x, const Eigen::VectorXd& y,
                          const Eigen::VectorXd& weight, const std::string& paint, double width) {
  const auto shade = [&](Index i) { return static_cast<int>(std::lround(10 * std::clamp(weight(i), 0.0, 1.0))); };
  for (Index first = 0; first + 1 < x.size();) {
    Index last = first + 1;
    while (last + 1 < x.size() && shade(last) == shade(first)) ++last;
    const Index count = last - first + 1;
    if (shade(first) > 0) {
      panel.line(x.segment(first, count), y.segment(first, count),
                 stroke(paint, width) + " stroke-opacity='" + decimal(shade(first) / 10.0) + "'");
    }
    first = last;
  }
}

/// The observations of each expert.
inline void expert_points(Panel& panel, const Eigen::VectorXd& x, const Eigen::VectorXd& y,
                          const emulsion::Labels& labels, Index experts) {
  for (Index k = 0; k < experts; ++k) {
    std::vector<Index> own;
    for (Index i = 0; i < labels.size(); ++i) {
      if (labels(i) == k) own.push_back(i);
    }
    panel.points(x(own), y(own), colour(k), x.size() > 1000 ? 1.8 : 3.2);
  }
}

/// One covariate: a response with the experts' curves and the mean and nine tenths of the predictions; of classes, the
/// probability of the last. More covariates: the response over its fitted mean.
inline Panel experts_panel(Box box, const summary::ExpertsFit& fit, const summary::RegressionTable& table, Index r) {
  const bool classes = !table.classes.empty();
  const Eigen::VectorXd fitted = fit.fitted.row(r).transpose();
  Eigen::VectorXd y = table.y.row(classes ? 0 : r).transpose();
  if (classes) {
    for (double& label : y) label = label == static_cast<double>(r + 1) ? 1 : 0;
  }
  const summary::Curves& curves = fit.curves;
  const bool drawn = curves.at.size() > 0;
  const Eigen::VectorXd x = drawn ? Eigen::VectorXd(table.x.row(0).transpose()) : fitted;
  Range up{y.minCoeff(), y.maxCoeff()};
  if (drawn && !classes) up = up.with(curves.low.row(r).minCoeff(), curves.high.row(r).maxCoeff());
  Panel panel(box, around(x), up.wider());
  if (drawn && !classes) panel.band(curves.at, curves.low.row(r), curves.high.row(r), "#777788", 0.18);
  expert_points(panel, x, y, fit.labels, fit.size());
  for (Index k = 0; k < fit.size() && drawn; ++k) {
    weighted_line(panel, curves.at, curves.own[static_cast<std::size_t>(k)].row(r), curves.weights.col(k), colour(k),
                  2.6);
  }
  if (drawn) {
    panel.line(curves.at, curves.mean.row(r), stroke("#222222", 1.8, "6 4"));
  } else {
    const Eigen::VectorXd both = Eigen::Vector2d(x.minCoeff(), x.maxCoeff());
    panel.line(both, both, stroke("#222222", 1.5, "6 4"));
  }
  return panel;
}

/// The first three responses below each other, with a legend.
inline Figure experts_figure(const summary::ExpertsFit& fit, const summary::RegressionTable& table,
                             const std::string& title, const std::string& subtitle) {
  const bool classes = !table.classes.empty(), drawn = fit.curves.at.size() > 0;
  const Index shown = std::min<Index>(fit.fitted.rows(), 3);
  const double left = 90, top = 84, height = shown > 1 ? 260 : 380, pitch = height + 66;
  Figure figure(830, top + pitch * static_cast<double>(shown) + 4, title, subtitle);
  for (Index r = 0; r < shown; ++r) {
    Panel panel = experts_panel({left, top + pitch * static_cast<double>(r), 490, height}, fit, table, r);
    const auto at = static_cast<std::size_t>(r);
    const std::string name = classes ? table.responses[0] + " = " + table.classes[at + 1] : table.responses[at];
    panel.axes(drawn ? text::shortened(table.covariates[0], 40) : "fitted mean", text::shortened(name, 40));
    figure.add(panel);
  }
  double y = top + 8;
  const Index most = 12;
  for (Index k = 0; k < std::min(fit.size(), most); ++k, y += 22) {
    figure.legend_dot(606, y, colour(k),
                      "expert " + std::to_string(k) + " (" + decimal(100 * fit.weights(k), 1) + " %)");
  }
  if (fit.size() > most) figure.legend_dot(606, y, "#ffffff", "and " + std::to_string(fit.size() - most) + " more");
  y += fit.size() > most ? 36 : 14;
  if (drawn) {
    figure.legend_line(606, y, stroke("#444444", 2.6), "experts, pale where");
    figure.legend_dot(606, y + 18, "#ffffff", "the gate doubts them");
    figure.legend_line(606, y + 44, stroke("#222222", 1.8, "6 4"), classes ? "probability" : "mean");
    if (!classes) figure.legend_line(606, y + 66, stroke("#dedee2", 10), "5 to 95 %");
  } else {
    figure.legend_line(606, y, stroke("#222222", 1.5, "6 4"), "response = fitted mean");
  }
  return figure;
}

}  // namespace plot
