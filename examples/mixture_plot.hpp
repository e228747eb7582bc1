#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "emulsion/gaussian_mixture.hpp"
#include "emulsion/models/gaussian_regression.hpp"
#include "plot.hpp"

/// Pictures of a Gaussian mixture and its data.
namespace plot {

/// Histogram of one variable (n) with the density of a mixture of dimension 1 and its weighted components.
inline Panel density_panel(Box box, const emulsion::GaussianMixture& model, const Eigen::VectorXd& x) {
  Range range{x.minCoeff(), x.maxCoeff()};
  for (Index k = 0; k < model.size(); ++k) {
    const double mean = model[k].mean()(0), reach = 2.5 * model[k].factor()(0, 0);
    if (model.weights()(k) > 0) range = range.with(mean - reach, mean + reach);
  }
  range = range.wider();
  const Range bins = Range{x.minCoeff(), x.maxCoeff()}.wider(0);
  const Index count = std::clamp<Index>(static_cast<Index>(1.2 * std::sqrt(static_cast<double>(x.size()))), 5, 60);
  const double width = bins.width() / static_cast<double>(count);
  Eigen::VectorXd heights = Eigen::VectorXd::Zero(count);
  for (const double value : x) {
    const double bin = std::clamp((value - bins.low) / width, 0.0, static_cast<double>(count - 1));
    heights(static_cast<Index>(bin)) += 1 / width / static_cast<double>(x.size());
  }
  Eigen::VectorXd points(300 + 21 * model.size());
  for (Index k = 0; k < model.size(); ++k) {  // more where components are, however narrow
    const double reach = 4 * model[k].factor()(0, 0);
    points.segment(21 * k, 21) = Eigen::VectorXd::LinSpaced(21, -reach, reach).array() + model[k].mean()(0);
  }
  points.tail(300) = Eigen::VectorXd::LinSpaced(300, range.low, range.high);
  std::sort(points.begin(), points.end());
  const Eigen::VectorXd density = model.log_density(points.transpose()).array().exp();
  const Eigen::MatrixXd parts = density.asDiagonal() * model.responsibilities(points.transpose());
  // A component on one point must not press all others flat.
  const double top = std::max(heights.maxCoeff(), std::min(density.maxCoeff(), 2.5 * heights.maxCoeff()));
  Panel panel(box, range, {0, 1.06 * top});
  panel.bars(Eigen::VectorXd::LinSpaced(count + 1, bins.low, bins.high), heights, "#dcdce2");
  panel.line(points, density, stroke("#333333", 1.5, "2 3"));
  for (Index k = 0; k < model.size(); ++k) panel.line(points, parts.col(k), stroke(colour(k), 2.2));
  return panel;
}

/// Two variables (2 x n) coloured by component, over the density of a mixture of dimension 2, with the components'
/// means and ellipses of 1 and 2 standard deviations. Shaded: the smallest regions that hold these shares of the
/// mixture.
inline Panel scatter_panel(Box box, const emulsion::GaussianMixture& model, const Eigen::MatrixXd& x,
                           const emulsion::Labels& labels, const std::vector<double>& shares) {
  Range across{x.row(0).minCoeff(), x.row(0).maxCoeff()}, up{x.row(1).minCoeff(), x.row(1).maxCoeff()};
  for (Index k = 0; k < model.size(); ++k) {
    if (!(model.weights()(k) > 0)) continue;
    const Eigen::VectorXd mean = model[k].mean(), reach = 2.5 * model[k].factor().rowwise().stableNorm();
    across = across.with(mean(0) - reach(0), mean(0) + reach(0));
    up = up.with(mean(1) - reach(1), mean(1) + reach(1));
  }
  Panel panel(box, across.wider(), up.wider());
  // The smallest region that holds a share of the probability: the density is above a quantile of its own (Hyndman,
  // 1996).
  emulsion::Rng rng(1);
  Eigen::VectorXd height = model.log_density(model.sample(4000, rng));
  std::sort(height.begin(), height.end());
  const auto columns = static_cast<Index>(box.width / 4), rows = static_cast<Index>(box.height / 4);
  std::vector<double> levels;
  levels.reserve(shares.size());
  for (const double share : shares) levels.push_back(height(static_cast<Index>((1 - share) * 3999)));
  panel.contours(model.log_density(panel.grid(columns, rows)), columns, levels);
  const double many = std::min(1.0, std::pow(400.0 / static_cast<double>(x.cols()), 0.25));
  const double radius = std::max(1.5, (box.width < 300 ? 2.2 : 3.5) * many);
  for (Index k = 0; k < model.size(); ++k) {
    std::vector<Index> members;
    members.reserve(static_cast<std::size_t>(x.cols()));
    for (Index i = 0; i < x.cols(); ++i) {
      if (labels(i) == k) members.push_back(i);
    }
    const auto most =
        static_cast<Index>(5000 * static_cast<double>(members.size()) / static_cast<double>(x.cols())) + 1;
    panel.points(x(0, members), x(1, members), colour(k), radius, most);
  }
  const double thin = box.width < 300 ? 0.7 : 1;
  for (Index k = 0; k < model.size(); ++k) {
    if (!(model.weights()(k) > 0)) continue;
    const Eigen::VectorXd mean = model[k].mean();
    const Eigen::MatrixXd factor = model[k].factor();
    for (const double deviations : {1.0, 2.0}) {  // on a white band, to be seen among the points
      panel.ellipse(mean, factor, deviations, stroke("#ffffff", 4 * thin) + " stroke-opacity='0.6'");
      panel.ellipse(mean, factor, deviations, stroke(colour(k), 2 * thin, deviations > 1 ? "6 4" : ""));
    }
    panel.mark(mean, colour(k), box.width < 300 ? 3 : 4.5);
  }
  return panel;
}

/// One variable: its histogram. Two: their scatter plot. More: a matrix of both for the first five. Which observation
/// is coloured as which component say `labels` (n); `names` (d) are of the variables.
inline Figure mixture_figure(const emulsion::GaussianMixture& model, const Eigen::MatrixXd& x,
                             const emulsion::Labels& labels, const std::vector<std::string>& names,
                             const std::string& title, const std::string& subtitle) {
  const Index d = model.dimension(), shown = std::min<Index>(d, 5);
  const bool matrix = d > 2;
  const double cell = matrix ? std::max(150.0, 640.0 / static_cast<double>(shown)) : 0, pitch = cell + 14;
  const double left = 90, top = 84;
  const std::vector<double> shares = matrix ? std::vector{0.95, 0.5} : std::vector{0.95, 0.75, 0.5, 0.25};
  Figure figure(matrix ? left + pitch * static_cast<double>(shown) + 30 : 830,
                matrix ? top + pitch * static_cast<double>(shown) + 56 : 530, title, subtitle);
  const auto name = [&](Index j) {
    return text::shortened(names[static_cast<std::size_t>(j)], matrix ? static_cast<std::size_t>(cell / 10) : 40);
  };
  if (d <= 2) {
    const Box box{left, top, 490, 380};
    Panel panel = d == 1 ? density_panel(box, model, x.row(0)) : scatter_panel(box, model, x, labels, shares);
    panel.axes(name(0), d == 1 ? "density" : name(1));
    figure.add(panel);
  }
  for (Index row = 0; matrix && row < shown; ++row) {
    for (Index column = 0; column <= row; ++column) {
      const Box box{left + pitch * static_cast<double>(column), top + pitch * static_cast<double>(row), cell, cell};
      Panel panel = column == row ? density_panel(box, marginal(model, {row}), x.row(row))
                                  : scatter_panel(box, marginal(model, {column, row}), x({column, row}, Eigen::all),
                                                  labels, shares);
      panel.axes(row == shown - 1 ? name(column) : "", column == 0 && row > 0 ? name(row) : "", 11);
      figure.add(panel);
    }
  }
  // The legend: beside the panel, or above the diagonal of the matrix.
  const double x0 = matrix ? left + pitch * static_cast<double>(shown - 1) - 30 : 606;
  double y = top + 8;
  const Index most = 12;
  for (Index k = 0; k < std::min(model.size(), most); ++k, y += 22) {
    const std::string share = decimal(100 * model.weights()(k), 1) + " %";
    figure.legend_dot(x0, y, colour(k), "component " + std::to_string(k) + " (" + share + ")");
  }
  if (model.size() > most) figure.legend_dot(x0, y, "#ffffff", "and " + std::to_string(model.size() - most) + " more");
  y += model.size() > most ? 36 : 14;
  if (d > 1) {
    figure.legend_line(x0, y, stroke("#444444", 2), "1 standard deviation");
    figure.legend_line(x0, y + 22, stroke("#444444", 1.5, "6 4"), "2 standard deviations");
    figure.legend_line(x0, y + 44, stroke("#9999a5", 6), matrix ? "density: 50, 95 %" : "density: 25, 50, 75, 95 %");
    y += 66;
  }
  if (d != 2) figure.legend_line(x0, y, stroke("#333333", 1.5, "2 3"), d == 1 ? "mixture density" : "marginal density");
  if (d > shown) figure.legend_dot(x0, y + 22, "#ffffff", "first 5 of " + std::to_string(d) + " variables");
  return figure;
}

}  // namespace plot
