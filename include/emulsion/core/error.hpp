#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "emulsion: -ffast-math and -ffinite-math-only delete the checks for NaN; compile without them"
#endif

namespace emulsion {

/// Misuse: thrown once, at the public edge, before any work; the message says what was found and what is needed.
class InvalidArgument : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// Throws InvalidArgument with the concatenation of the parts unless `condition` holds.
template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (condition) return;
  std::ostringstream message;
  (message << ... << parts);
  throw InvalidArgument(message.str());
}

}  // namespace emulsion
