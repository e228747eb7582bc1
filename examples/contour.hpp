#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

namespace plot {

using Index = Eigen::Index;

/// Closed lines, in units of the grid, around the regions in which z > level, by marching squares with linear
/// interpolation; z(i, j) belongs to the point (i, j). The border counts as outside.
inline std::vector<std::vector<std::pair<double, double>>> contour(const Eigen::MatrixXd& z, double level) {
  const Index columns = z.rows(), rows = z.cols();
  const auto at = [&](Index i, Index j) {
    const bool border = i == 0 || j == 0 || i == columns - 1 || j == rows - 1;
    return std::max(border ? std::min(z(i, j), level) : z(i, j), -1e300);
  };
  // An edge is named by its lower or left end and its direction. In each cell, counter-clockwise, an edge that leaves
  // the region is followed by the next that enters it: the region lies to the left, and each edge has one successor.
  std::unordered_map<Index, Index> next;
  constexpr Index x[] = {0, 1, 1, 0}, y[] = {0, 0, 1, 1};
  for (Index j = 0; j + 1 < rows; ++j) {
    for (Index i = 0; i + 1 < columns; ++i) {
      const auto inside = [&](int corner) { return at(i + x[corner % 4], j + y[corner % 4]) > level; };
      const Index edges[] = {2 * (j * columns + i), 2 * (j * columns + i + 1) + 1, 2 * ((j + 1) * columns + i),
                             2 * (j * columns + i) + 1};
      for (int leave = 0; leave < 4; ++leave) {
        if (!inside(leave) || inside(leave + 1)) continue;
        int enter = leave + 1;
        while (!inside(enter + 1)) ++enter;
        next[edges[leave]] = edges[enter % 4];
      }
    }
  }
  std::vector<std::vector<std::pair<double, double>>> lines;
  while (!next.empty()) {
    auto& line = lines.emplace_back();
    for (auto edge = next.begin(); edge != next.end();) {
      const Index key = edge->first, i = key / 2 % columns, j = key / 2 / columns;
      const double here = at(i, j), there = key % 2 == 0 ? at(i + 1, j) : at(i, j + 1);
      const double part = std::clamp((level - here) / (there - here), 0.0, 1.0);
      line.emplace_back(static_cast<double>(i) + (key % 2 == 0 ? part : 0),
                        static_cast<double>(j) + (key % 2 == 0 ? 0 : part));
      const Index successor = edge->second;
      next.erase(edge);
      edge = next.find(successor);
    }
  }
  return lines;
}

}  // namespace plot
