#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>

/// Numbers and names as text: for tables, pictures and JSON.
namespace text {

/// With so many decimals.
inline std::string fixed(double value, int decimals) {
  char digits[400];
  return {digits, std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, decimals).ptr};
}

/// With so many decimals at most: no trailing zeros.
inline std::string decimal(double value, int decimals = 2) {
  std::string result = fixed(value, decimals);
  if (result.find('.') != result.npos) result.erase(result.find_last_not_of('0') + 1);
  if (result.back() == '.') result.pop_back();
  return result == "-0" ? "0" : result;
}

/// With so many significant digits, trailing zeros cut.
inline std::string significant(double value, int digits) {
  char result[64];
  std::snprintf(result, sizeof result, "%.*g", digits, value);
  return result;
}

/// 1 component, 2 components
inline std::string counted(long long count, std::string_view thing) {
  return std::to_string(count) + " " + std::string(thing) + (count == 1 ? "" : "s");
}

/// The shortest decimal that reads back as the same double; null, as in JSON, where it is not finite.
inline std::string shortest(double value) {
  if (!std::isfinite(value)) return "null";
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

/// The words themselves where they are UTF-8; otherwise with a question mark for each byte that is not ASCII.
inline std::string utf8(std::string_view words) {
  int rest = 0;  // bytes of this character still to come
  bool valid = true;
  unsigned char before = 0;
  for (const char c : words) {
    const auto byte = static_cast<unsigned char>(c);
    const bool inner = byte >= 0x80 && byte < 0xC0;
    valid = valid && inner == (rest > 0) && byte != 0xC0 && byte != 0xC1 && byte < 0xF5;
    if (before == 0xE0 || before == 0xF0) valid = valid && byte >= (before == 0xE0 ? 0xA0 : 0x90);  // overlong
    if (before == 0xED || before == 0xF4) valid = valid && byte < (before == 0xED ? 0xA0 : 0x90);   // no such character
    rest = inner ? rest - 1 : byte < 0x80 ? 0 : byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    before = byte;
  }
  std::string result(words);
  if (!valid || rest > 0)
    std::replace_if(
        result.begin(), result.end(), [](char c) { return (c & 0x80) != 0; }, '?');
  return result;
}

inline bool is_control(char c) { return (c >= 0 && c < ' ') || c == 127; }

/// For one line of a terminal or picture: UTF-8 without control characters.
inline std::string clean(std::string_view words) {
  std::string result = utf8(words);
  std::replace_if(result.begin(), result.end(), is_control, '?');
  return result;
}

/// The first characters, and an ellipsis where there are more.
inline std::string shortened(std::string_view words, std::size_t most) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if ((words[i] & 0xC0) != 0x80 && ++characters > most) return std::string(words.substr(0, i)) + "\u2026";
  }
  return std::string(words);
}

inline std::string json_string(std::string_view words) {
  std::string result = "\"";
  for (const char c : utf8(words)) {
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
    if (c == '"' || c == '\\') result += '\\';
    if (is_control(c)) result += escape;
    else result += c;
  }
  return result + '"';
}

}  // namespace text
