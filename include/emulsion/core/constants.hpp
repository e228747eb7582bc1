#pragma once
#include <numbers>

namespace emulsion {

inline constexpr double two_pi = 2 * std::numbers::pi;
inline constexpr double log_two_pi = 1.8378770664093454835606594728112;

}  // namespace emulsion
