#pragma once
#include <algorithm>
#include <concepts>
#include <cstdio>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "emulsion: -ffast-math and -ffinite-math-only delete the checks for NaN; compile without them"
#endif

namespace emulsion {

/// Misuse: thrown once, at the public edge, before any work; the message says what was found and what is needed.
class InvalidArgument : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// A piece of a sentence: a text or a number. It formats nothing until it is asked, and streams cost every includer
/// compile time.
class Part {
 public:
  Part(std::string_view text) : text_(text) {}    // NOLINT(google-explicit-constructor)
  Part(const char* text) : text_(text) {}         // NOLINT(google-explicit-constructor)
  Part(const std::string& text) : text_(text) {}  // NOLINT(google-explicit-constructor)
  template <std::integral T>
  // NOLINTNEXTLINE(google-explicit-constructor)
  Part(T value) : integer_(static_cast<long long>(value)), kind_(Kind::integer) {}
  template <std::floating_point T>
  // NOLINTNEXTLINE(google-explicit-constructor)
  Part(T value) : real_(static_cast<double>(value)), kind_(Kind::real) {}

  void append_to(std::string& message) const {
    char buffer[40];
    if (kind_ == Kind::text) {
      message += text_;
      return;
    }
    if (kind_ == Kind::integer) std::snprintf(buffer, sizeof buffer, "%lld", integer_);
    else std::snprintf(buffer, sizeof buffer, "%.10g", real_);
    message += buffer;
  }

 private:
  enum class Kind { text, integer, real };
  std::string_view text_;
  long long integer_ = 0;
  double real_ = 0;
  Kind kind_ = Kind::text;
};

[[gnu::cold]] inline std::string sentence(std::initializer_list<Part> parts) {
  std::string message;
  for (const Part& part : parts) part.append_to(message);
  return message;
}

[[noreturn, gnu::cold]] inline void fail(std::initializer_list<Part> parts) { throw InvalidArgument(sentence(parts)); }

/// Throws InvalidArgument with the concatenation of the parts unless `condition` holds. By value: a reference to a
/// literal is a type of its own for every length, and every sentence would cost the compiler an instantiation.
template <class... Parts>
void require(bool condition, Parts... parts) {
  if (!condition) [[unlikely]]
    fail({Part(parts)...});
}

/// A piece of input for a message: in quotes, of bounded length, without control characters.
inline std::string excerpt(std::string_view text) {
  std::size_t size = std::min<std::size_t>(text.size(), 40);
  while (size < text.size() && size > 0 && (text[size] & 0xC0) == 0x80) --size;  // never half a UTF-8 character
  std::string shown = "'";
  for (const char c : text.substr(0, size)) shown += (c >= 0 && c < ' ') || c == 127 ? '?' : c;
  return shown + (size < text.size() ? "...'" : "'");
}

}  // namespace emulsion
