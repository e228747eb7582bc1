#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>

#include "emulsion/core/report.hpp"
#include "text.hpp"

/// How a fit went, for a statistician and as JSON; what tables and JSON of all models need.
namespace summary {

using namespace emulsion;

// --- tables -------------------------------------------------------------------------------------------------------------

inline Index characters(std::string_view words) {
  return std::count_if(words.begin(), words.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

/// Digits that show a difference of a thousandth of `scale` in `value`; four at least.
inline int digits(double value, double scale) {
  const double excess = std::log10(std::abs(value) / scale);
  return excess > 0 ? std::min(17, 4 + static_cast<int>(excess)) : 4;
}

inline std::string in_words(const Report& report) {
  constexpr std::string_view sentences[] = {"converged",
                                            "stopped at the iteration limit, before convergence",
                                            "stopped where progress had become too slow to estimate what remains",
                                            "stopped on request",
                                            "stopped where the likelihood fell by more than rounding",
                                            "failed: the likelihood was not finite"};
  std::string result(sentences[static_cast<std::size_t>(report.status)]);
  result += " after " + text::counted(report.iterations, "iteration");
  if (report.restarts.size() > 1) {
    result += "; " + std::to_string(report.best_reached) + " of " + std::to_string(report.restarts.size()) +
              " random starts reached this optimum";
  }
  return result;
}

inline void print_events(const Report& report) {
  for (const Event& event : report.events) {
    std::printf("  %s: %s\n", std::string(to_string(event.kind)).c_str(), event.text.c_str());
  }
}

// --- JSON ---------------------------------------------------------------------------------------------------------------

/// [item(0), item(1), ...]
template <class Item>
std::string json_list(Index size, const Item& item) {
  std::string result;
  for (Index i = 0; i < size; ++i) result += (i ? ", " : "") + item(i);
  return "[" + result + "]";
}

inline std::string json_list(const Eigen::VectorXd& values) {
  return json_list(values.size(), [&](Index i) { return text::shortest(values(i)); });
}

inline std::string json_events(const Report& report) {
  const auto index = [](Index i) { return i < 0 ? std::string("null") : std::to_string(i); };
  return json_list(static_cast<Index>(report.events.size()), [&](Index i) {
    const Event& event = report.events[static_cast<std::size_t>(i)];
    return "{\"kind\": " + text::json_string(to_string(event.kind)) + ", \"component\": " + index(event.component) +
           ", \"dimension\": " + index(event.dimension) + ", \"text\": " + text::json_string(event.text) + "}";
  });
}

}  // namespace summary
