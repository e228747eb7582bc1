#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contour.hpp"
#include "text.hpp"
#include "write_file.hpp"

/// The pictures of the examples, as SVG: a Figure has a title, legends and Panels; a Panel has axes.
///
///   plot::Figure figure(640, 480, "Old Faithful");
///   plot::Panel panel({80, 60, 520, 350}, plot::around(x), plot::around(y));
///   panel.points(x, y, plot::colour(0));
///   panel.axes("eruption (min)", "waiting (min)");
///   figure.add(panel);
///   figure.save("faithful.svg");
namespace plot {

/// Colours that the colour-blind can tell apart: Okabe and Ito (2008), then two of Tol's.
inline std::string colour(Index k) {
  constexpr std::string_view palette[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
                                          "#56b4e9", "#555555", "#882255", "#999933"};
  return std::string(palette[static_cast<std::size_t>(k) % std::size(palette)]);
}

using text::decimal;
inline std::string escaped(std::string_view words) {
  std::string result;
  for (const char c : text::clean(words)) {
    if (c == '&') result += "&amp;";
    else if (c == '<') result += "&lt;";
    else result += c;
  }
  return result;
}

/// Attributes of a line; `dash` as in SVG, "5 4".
inline std::string stroke(const std::string& paint, double width, std::string_view dash = {}) {
  return " fill='none' stroke='" + paint + "' stroke-width='" + decimal(width) + "' stroke-linejoin='round'" +
         (dash.empty() ? "" : " stroke-dasharray='" + std::string(dash) + "'");
}

struct TextStyle {
  double size = 13;
  std::string anchor = "start";  // start, middle, end
  std::string paint = "#333333";
  bool upright = true;  // or from bottom to top
  bool bold = false;
};

inline std::string label(double x, double y, std::string_view words, const TextStyle& style = {}) {
  return "<text transform='translate(" + decimal(x) + " " + decimal(y) + ")" + (style.upright ? "" : " rotate(-90)") +
         "' font-size='" + decimal(style.size) + "' text-anchor='" + style.anchor + "' fill='" + style.paint + "'" +
         (style.bold ? " font-weight='bold'" : "") + ">" + escaped(words) + "</text>\n";
}

inline std::string circle(double x, double y, double radius, const std::string& attributes = {}) {
  return "<circle cx='" + decimal(x, 1) + "' cy='" + decimal(y, 1) + "' r='" + decimal(radius) + "'" + attributes +
         "/>\n";
}

// --- axes ---------------------------------------------------------------------------------------------------------------

struct Range {
  double low = 0, high = 1;
  double width() const { return high - low; }
  /// The smallest range that holds a and b too.
  Range with(double a, double b) const { return {std::min({low, a, b}), std::max({high, a, b})}; }
  /// With a margin on either side; never of width zero.
  Range wider(double share = 0.04) const {
    if (!std::isfinite(width())) throw std::range_error("the data span more than a picture can show");
    const double size = std::max(std::abs(low), std::abs(high));
    double margin = share * width();
    if (!(width() > 1e-13 * size)) margin = size > 0 ? 0.05 * size : 1;
    return {low - margin, high + margin};
  }
};

inline Range around(const Eigen::Ref<const Eigen::VectorXd>& values) {
  return Range{values.minCoeff(), values.maxCoeff()}.wider();
}

/// Where the ticks of an axis are and what they say: the value minus `offset`, zero unless the labels would be long.
struct Ticks {
  std::vector<std::pair<double, std::string>> all = {};
  double offset = 0;
};

/// Round numbers (1, 2 or 5 times a power of ten apart), about `count` of them.
inline Ticks ticks(Range range, double count) {
  const double rough = range.width() / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double step = power * (rough < 1.5 * power ? 1 : rough < 3.5 * power ? 2 : rough < 7.5 * power ? 5 : 10);
  Ticks result;
  if (!std::isfinite(step) || !(step > 0)) return result;
  double largest = std::max(std::abs(range.low), std::abs(range.high));
  if (largest > 1e5 * step) {  // the roundest number in the range
    double unit = std::pow(10.0, std::ceil(std::log10(largest)));
    while (unit > power && std::ceil(range.low / unit) * unit > range.high) unit /= 10;
    result.offset = std::ceil(range.low / unit) * unit;
    largest = range.width();
  }
  const int decimals = static_cast<int>(std::max(0.0, -std::floor(std::log10(step) + 1e-9)));
  const double first = std::ceil((range.low - result.offset) / step - 1e-9);
  for (int i = 0; i < 50 && result.offset + (first + i) * step <= range.high + 1e-9 * step; ++i) {
    const double value = (first + i) * step;
    const bool plain = largest < 1e6 && step > 1e-5;
    const std::string words = plain ? text::fixed(value, decimals) : text::significant(value, 6);
    result.all.emplace_back(result.offset + value, first + i == 0 ? "0" : words);
  }
  return result;
}

/// The label of an axis, which names the offset of its ticks.
inline std::string with_offset(std::string_view label, double offset) {
  if (offset == 0 || label.empty()) return std::string(label);
  return std::string(label) + (offset > 0 ? " \u2212 " : " + ") + text::significant(std::abs(offset), 15);
}

// --- a panel ------------------------------------------------------------------------------------------------------------

/// A rectangle of the figure, in pixels.
struct Box {
  double left = 0, top = 0, width = 0, height = 0;
};

/// One system of axes. What is drawn into it is cut at its frame; what is drawn later lies above.
class Panel {
 public:
  Panel(Box box, Range x, Range y) : box_(box), x_(x), y_(y) {}

  /// Dots, of at most `most` of the points evenly spread over their order; small ones as one path, which is shorter.
  void points(const Eigen::VectorXd& x, const Eigen::VectorXd& y, const std::string& paint, double radius = 3,
              Index most = 5000) {
    const bool small = radius < 2.5;
    inside_ += small ? "<path stroke='" + paint + "' stroke-opacity='0.6' stroke-linecap='round' stroke-width='" +
                           decimal(2 * radius) + "' d='"
                     : "<g fill='" + paint + "' fill-opacity='0.65' stroke='#ffffff' stroke-width='0.5'>\n";
    for (Index i = 0; i < x.size(); i += 1 + (x.size() - 1) / most) {
      const double left = across(x(i)), top = down(y(i));
      if (small) inside_.append("M").append(decimal(left, 1)).append(" ").append(decimal(top, 1)).append("h0");
      else inside_ += circle(left, top, radius);
    }
    inside_ += small ? "'/>\n" : "</g>\n";
  }

  /// A polygonal line; with `attributes`, such as stroke("#000000", 2).
  void line(const Eigen::VectorXd& x, const Eigen::VectorXd& y, const std::string& attributes) {
    std::string path;
    for (Index i = 0; i < x.size(); ++i) {
      const std::string height = decimal(down(y(i)), 1);
      const bool inner = i > 0 && i + 1 < x.size();
      if (inner && height == decimal(down(y(i - 1)), 1) && height == decimal(down(y(i + 1)), 1)) continue;
      path += (i ? "L" : "M") + decimal(across(x(i)), 1) + " " + height;
    }
    inside_ += "<path d='" + path + "'" + attributes + "/>\n";
  }

  /// What lies between two lines.
  void band(const Eigen::VectorXd& x, const Eigen::VectorXd& low, const Eigen::VectorXd& high, const std::string& paint,
            double opacity = 0.2) {
    std::string path;
    for (Index i = 0; i < 2 * x.size(); ++i) {
      const bool back = i >= x.size();
      const Index at = back ? 2 * x.size() - 1 - i : i;
      path += (i ? "L" : "M") + decimal(across(x(at)), 1) + " " + decimal(down(back ? low(at) : high(at)), 1);
    }
    inside_ += "<path d='" + path + "Z' fill='" + paint + "' fill-opacity='" + decimal(opacity) + "'/>\n";
  }

  /// The points m + radius L u, |u| = 1, for the two rows of L (2 x any): covariance L L'.
  void ellipse(const Eigen::Vector2d& m, const Eigen::MatrixXd& l, double radius, const std::string& attributes) {
    // Covariance in pixels; its axes in closed form.
    const Eigen::VectorXd u = l.row(0).transpose() / x_.width() * box_.width;
    const Eigen::VectorXd v = l.row(1).transpose() / y_.width() * -box_.height;
    const double a = u.squaredNorm(), b = u.dot(v), c = v.squaredNorm();
    const double middle = (a + c) / 2, half = std::hypot((a - c) / 2, b);
    const double degrees = 90 / 3.14159265358979 * std::atan2(2 * b, a - c);
    inside_ += "<ellipse transform='translate(" + decimal(across(m(0))) + " " + decimal(down(m(1))) + ") rotate(" +
               decimal(degrees) + ")' rx='" + decimal(radius * std::sqrt(middle + half)) + "' ry='" +
               decimal(radius * std::sqrt(std::max(0.0, middle - half))) + "'" + attributes + "/>\n";
  }

  /// The middle of something: a ring.
  void mark(const Eigen::Vector2d& at, const std::string& paint, double radius = 5) {
    inside_ += circle(across(at(0)), down(at(1)), radius, " fill='#ffffff' stroke-width='2.5' stroke='" + paint + "'");
  }

  /// Bars of the given heights between edges.
  void bars(const Eigen::VectorXd& edges, const Eigen::VectorXd& heights, const std::string& paint) {
    for (Index i = 0; i < heights.size(); ++i) {
      inside_ += "<rect x='" + decimal(across(edges(i))) + "' y='" + decimal(down(heights(i))) + "' width='" +
                 decimal(across(edges(i + 1)) - across(edges(i))) + "' height='" + decimal(down(0) - down(heights(i))) +
                 "' fill='" + paint + "' stroke='#ffffff'/>\n";
    }
  }

  /// A grid of points that covers the panel and a little more (2 x columns * rows, the columns of one row together).
  Eigen::MatrixXd grid(Index columns, Index rows) const {
    Eigen::MatrixXd points(2, columns * rows);
    for (Index i = 0; i < points.cols(); ++i) {
      points(0, i) = x_.low + x_.width() * node(i % columns, columns);
      points(1, i) = y_.low + y_.width() * node(i / columns, rows);
    }
    return points;
  }
  /// The regions in which z, at the points of that grid, is above each level: shaded, with lines around.
  void contours(const Eigen::VectorXd& z, Index columns, const std::vector<double>& levels) {
    const Index rows = z.size() / columns;
    for (const double level : levels) {
      std::string path;
      for (const auto& line : contour(z.reshaped(columns, rows), level)) {
        for (const auto& point : line) {
          path += (&point == &line.front() ? "M" : "L") + decimal(box_.width * node(point.first, columns), 1) + " " +
                  decimal(box_.height * (1 - node(point.second, rows)), 1);
        }
        path += "Z";
      }
      inside_ += "<path d='" + path + "' fill='#555566' fill-opacity='0.07' fill-rule='evenodd' " +
                 "stroke='#9999a5' stroke-width='0.8'/>\n";
    }
  }

  /// The frame, ticks, and labels; an axis whose label is empty has neither label nor ticks.
  void axes(std::string_view x_label, std::string_view y_label, double size = 12) {
    double widest = 0, bottom = box_.top + box_.height;
    const Ticks x_ticks = x_label.empty() ? Ticks() : ticks(x_, std::max(3.0, box_.width / 90));
    const Ticks y_ticks = y_label.empty() ? Ticks() : ticks(y_, std::max(3.0, box_.height / 60));
    for (const auto& tick : x_ticks.all) {
      const double at = box_.left + across(tick.first);
      frame_ += "<path d='M" + decimal(at) + " " + decimal(bottom) + "v5' stroke='#777777'/>\n";
      frame_ += label(at, bottom + 7 + size, tick.second, {size, "middle"});
    }
    for (const auto& tick : y_ticks.all) {
      const double at = box_.top + down(tick.first);
      frame_ += "<path d='M" + decimal(box_.left) + " " + decimal(at) + "h-5' stroke='#777777'/>\n";
      frame_ += label(box_.left - 8, at + 0.35 * size, tick.second, {size, "end"});
      widest = std::max(widest, 0.6 * size * static_cast<double>(tick.second.size()));
    }
    TextStyle style{size + 2, "middle"};
    frame_ += label(box_.left + box_.width / 2, bottom + 14 + 2.4 * size, with_offset(x_label, x_ticks.offset), style);
    style.upright = false;
    frame_ += label(box_.left - 16 - widest, box_.top + box_.height / 2, with_offset(y_label, y_ticks.offset), style);
  }

  std::string svg() const {
    const std::string size = "width='" + decimal(box_.width) + "' height='" + decimal(box_.height) + "'";
    const std::string place = "x='" + decimal(box_.left) + "' y='" + decimal(box_.top) + "' " + size;
    return "<svg " + place + " overflow='hidden'>\n" + inside_ + "</svg>\n<rect " + place + stroke("#777777", 1) +
           "/>\n" + frame_;
  }

 private:
  /// Where grid line i of `count` lies, as a share of the panel: a step outside it at both ends.
  static double node(double i, Index count) { return (i - 1) / static_cast<double>(count - 3); }
  static double node(Index i, Index count) { return node(static_cast<double>(i), count); }
  double across(double x) const { return near(box_.width * ((x - x_.low) / x_.width())); }
  double down(double y) const { return near(box_.height * (1 - (y - y_.low) / y_.width())); }
  static double near(double pixel) { return std::clamp(pixel, -1e4, 1e4); }  // some viewers choke on far points

  Box box_;
  Range x_, y_;
  std::string inside_ = {};
  std::string frame_ = {};
};

// --- a figure -----------------------------------------------------------------------------------------------------------

class Figure {
 public:
  Figure(double width, double height, std::string_view title, std::string_view subtitle = {})
      : width_(width), height_(height) {
    body_ +=
        label(24, 34, title, {18, "start", "#111111", true, true}) + label(24, 56, subtitle, {13, "start", "#666666"});
  }

  void add(const Panel& panel) { body_ += panel.svg(); }

  /// One line of a legend, 22 pixels high: a dot, or with `attributes` as stroke(...) a line, and words.
  void legend_dot(double x, double y, const std::string& paint, std::string_view words) {
    body_ += circle(x + 12, y, 5, " fill='" + paint + "'") + label(x + 32, y + 4.5, words);
  }
  void legend_line(double x, double y, const std::string& attributes, std::string_view words) {
    body_ +=
        "<path d='M" + decimal(x) + " " + decimal(y) + "h24'" + attributes + "/>\n" + label(x + 32, y + 4.5, words);
  }

  /// False if the file cannot be written.
  bool save(const std::string& path) const {
    const std::string size = decimal(width_) + "' height='" + decimal(height_);
    return write_file(path, "<svg xmlns='http://www.w3.org/2000/svg' width='" + size + "' viewBox='0 0 " +
                                decimal(width_) + " " + decimal(height_) +
                                "' font-family='Helvetica, Arial, sans-serif'>\n<rect width='" + size +
                                "' fill='#ffffff'/>\n" + body_ + "</svg>\n");
  }

 private:
  double width_, height_;
  std::string body_;
};

}  // namespace plot
