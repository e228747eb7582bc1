#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"

namespace emulsion {

// The lower half of read_csv: text cut into fields, fields read as numbers.

enum class CsvCell { number, infinite, missing, out_of_range, text };

/// Reads all of `text`; `value` is the number, an infinity or NaN.
template <class Scalar>
CsvCell csv_cell(std::string_view text, Scalar& value) {
  value = std::numeric_limits<Scalar>::quiet_NaN();
  if (text.empty() || text == "NA") return CsvCell::missing;
  const char* const end = text.data() + text.size();
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-';  // from_chars takes no plus sign
  const auto [stop, error] = std::from_chars(text.data() + plus, end, value);
  if (stop != end || error == std::errc::invalid_argument) return CsvCell::text;
  if (error != std::errc()) return CsvCell::out_of_range;
  return std::isnan(value) ? CsvCell::missing : std::isinf(value) ? CsvCell::infinite : CsvCell::number;
}

/// The most frequent of comma, semicolon and tab in the first record, outside quotes; at a tie the first.
inline char csv_delimiter(std::string_view text) {
  constexpr std::string_view candidates = ",;\t";
  std::size_t count[candidates.size()] = {};
  bool quoted = false;
  for (const char c : text.substr(std::min(text.size(), text.find_first_not_of(" \r\n")))) {
    if ((c == '\n' || c == '\r') && !quoted) break;
    if (c == '"') quoted = !quoted;
    const std::size_t which = candidates.find(c);
    if (which < candidates.size() && !quoted) ++count[which];
  }
  return candidates[count[2] > std::max(count[0], count[1]) ? 2 : count[1] > count[0] ? 1 : 0];
}

/// Cuts text into fields as RFC 4180 has it, one by one. A value: a copy looks ahead.
class CsvScanner {
 public:
  struct Field {
    std::string_view text = {};  // until the next is read; blanks around it are cut, those in quotes kept
    Index line = 0;              // where it starts, from 1
    bool quoted = false;
    bool last = false;  // of its record
  };

  CsvScanner(std::string_view text, char delimiter, std::string_view source)
      : text_(text), source_(source), delimiter_(delimiter) {}

  /// At the start of a record: is there one? Blank lines count for nothing before the first and after the
  /// last record. In between one is an error: it might be a missing value.
  bool more() {
    unescaped_.clear();  // so that a copy is cheap here
    std::size_t at = position_;
    Index line = line_;
    for (; at < text_.size() && (is_blank(text_[at]) || is_newline(text_[at])); ++at) {
      if (is_newline(text_[at])) at = last_of_newline(at), ++line;
    }
    if (at == text_.size()) return false;
    if (line != line_ && position_ > 0) fail(line_, " is blank");
    position_ = at;
    line_ = line;
    return true;
  }

  /// The next field of the record; after the last one more() comes before next().
  Field next() {
    Field field;
    field.line = line_;
    std::size_t at = after_blanks(position_);
    field.quoted = at < text_.size() && text_[at] == '"';
    if (field.quoted) {
      at = unquote(at + 1, field);
    } else {
      const std::size_t begin = at;
      while (!at_end_of_field(at)) ++at;
      std::size_t end = at;
      while (end > begin && is_blank(text_[end - 1])) --end;
      field.text = text_.substr(begin, end - begin);
    }
    field.last = at == text_.size() || text_[at] != delimiter_;
    if (field.last && at < text_.size()) at = last_of_newline(at), ++line_;
    position_ = std::min(at + 1, text_.size());
    return field;
  }

  Index line() const { return line_; }
  [[noreturn]] void fail(Index line, const std::string& what) const {
    throw InvalidArgument(std::string(source_) + ", line " + std::to_string(line) + what);
  }

 private:
  static bool is_newline(char c) { return c == '\n' || c == '\r'; }
  bool is_blank(char c) const { return (c == ' ' || c == '\t') && c != delimiter_; }
  bool at_end_of_field(std::size_t at) const {
    return at == text_.size() || text_[at] == delimiter_ || is_newline(text_[at]);
  }
  std::size_t after_blanks(std::size_t at) const {
    while (at < text_.size() && is_blank(text_[at])) ++at;
    return at;
  }
  std::size_t last_of_newline(std::size_t at) const { return at + (text_.substr(at, 2) == "\r\n"); }

  /// Reads from behind the opening quote; returns the end of the field.
  std::size_t unquote(std::size_t begin, Field& field) {
    unescaped_.clear();
    std::size_t at = text_.find('"', begin);
    while (at != text_.npos && text_.substr(at, 2) == "\"\"") {  // a doubled quote is one quote of the text
      unescaped_.append(text_.substr(begin, at + 1 - begin));
      begin = at + 2;
      at = text_.find('"', begin);
    }
    if (at == text_.npos) fail(field.line, ": the quote that opens here is never closed");
    field.text = text_.substr(begin, at - begin);
    if (!unescaped_.empty()) field.text = unescaped_.append(field.text);
    line_ += std::count(field.text.begin(), field.text.end(), '\n');
    at = after_blanks(at + 1);
    if (!at_end_of_field(at)) fail(line_, ": text follows the closing quote of " + excerpt(field.text));
    return at;
  }

  std::string_view text_;
  std::string_view source_;
  std::string unescaped_ = {};
  std::size_t position_ = 0;
  Index line_ = 1;
  char delimiter_;
};

}  // namespace emulsion
