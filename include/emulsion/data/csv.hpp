#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/data/csv_scanner.hpp"
#include "emulsion/data/read_file.hpp"

namespace emulsion {

/// Is the first record a header? `automatic`: yes, unless one of its fields is a number, NA, NaN or infinite.
enum class CsvHeader { automatic, present, absent };

/// What an empty cell, NA or NaN is: an error, or NaN. In the label column an empty cell or NA is label -1, and NaN a
/// text.
enum class CsvMissing { error, nan };

/// A column is chosen by its name or, where no column has that name, by its number: "1" is the first.
struct CsvOptions {
  std::vector<std::string> columns = {};    // rows of the matrix, in this order; none: all but the label
  std::string label = {};                   // column of class labels, numbers or text; none by default
  CsvHeader header = CsvHeader::automatic;  // does the first record name the columns?
  char delimiter = ',';                     // '\0': the most frequent of , ; and tab in the first record
  CsvMissing missing = CsvMissing::error;   // what to do with empty cells, NA and NaN
  bool infinite = false;                    // accept inf and -inf as numbers
};

/// Numbers of a CSV file: n observations of d columns. Of a temporary, the parts are moved out, never left
/// dangling.
template <class Scalar = double>
class BasicCsvTable {
 public:
  using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;

  /// d x n, one observation per column.
  const Matrix& matrix() const& { return matrix_; }
  Matrix matrix() && { return std::move(matrix_); }
  /// d names; by their place in the file x1, x2, ... where it has no header.
  const std::vector<std::string>& names() const& { return names_; }
  std::vector<std::string> names() && { return std::move(names_); }
  /// n labels, numbered from 0 by first appearance (-1: missing); empty if no label column was asked for.
  const Labels& labels() const& { return labels_; }
  Labels labels() && { return std::move(labels_); }
  /// The name of the label column; empty if none was asked for.
  const std::string& label_name() const& { return label_name_; }
  std::string label_name() && { return std::move(label_name_); }
  /// The text of each label: observation i has label_names()[labels()(i)].
  const std::vector<std::string>& label_names() const& { return label_names_; }
  std::vector<std::string> label_names() && { return std::move(label_names_); }

 private:
  template <class>
  friend class CsvParser;
  Matrix matrix_;
  Labels labels_;
  std::vector<std::string> names_;
  std::string label_name_;
  std::vector<std::string> label_names_;
};
using CsvTable = BasicCsvTable<>;

/// Reads one text: the header, the choice of columns, then the rows.
template <class Scalar>
class CsvParser {
 public:
  CsvParser(std::string_view text, const CsvOptions& options, std::string_view source)
      : options_(options), text_(text), source_(source), scanner_(text, delimiter(), source) {}

  BasicCsvTable<Scalar> parse() {
    read_header();
    choose_columns();
    read_rows();
    return std::move(table_);
  }

 private:
  using Field = CsvScanner::Field;

  [[noreturn]] void fail(const std::string& what) const { throw InvalidArgument(std::string(source_) + what); }

  char delimiter() const {
    const char c = options_.delimiter;
    if (c == '"' || c == '\n' || c == '\r') fail(": the delimiter cannot be a quote or the end of a line");
    return c == '\0' ? csv_delimiter(text_) : c;
  }

  /// Fills names_ and leaves the scanner before the first row of data.
  void read_header() {
    if (!scanner_.more()) fail(" is empty");
    const CsvScanner start = scanner_;
    for (Field field; !field.last;) {
      field = scanner_.next();
      names_.emplace_back(field.text);
    }
    const bool guess = options_.header == CsvHeader::automatic;
    header_ = guess ? looks_like_header() : options_.header == CsvHeader::present;
    row_names_ = header_ && names_[0].empty();
    for (std::size_t j = 0; j < names_.size(); ++j) {
      if (!header_ || names_[j].empty()) names_[j] = sentence({"x", j + 1});
    }
    if (!header_) scanner_ = start;
    if (!scanner_.more()) fail(" has a header but no data");
  }

  /// A row of data is never silently lost to a header, nor read from one: where words stand beside numbers
  /// and above numbers, the caller has to say.
  bool looks_like_header() const {
    Scalar value = 0;
    std::string_view word, datum;
    for (const std::string& name : names_) {
      if (!name.empty()) (csv_cell(name, value) == CsvCell::text ? word : datum) = name;
    }
    if (word.empty() || datum.empty()) return datum.empty() && !word.empty();
    CsvScanner second = scanner_;
    Field field;
    field.last = !second.more();
    for (std::size_t j = 0; j < names_.size() && !field.last; ++j) {
      field = second.next();
      if (csv_cell(names_[j], value) == CsvCell::text && csv_cell(field.text, value) == CsvCell::number) {
        fail(": in its first record " + excerpt(names_[j]) + " looks like a name and " + excerpt(datum) +
             " like data; the option 'header' says which it is");
      }
    }
    return false;
  }

  /// The place, from 0, of the column with this name or, if there is none, this number.
  std::size_t find_column(const std::string& choice) const {
    std::size_t found = names_.size();
    for (std::size_t j = names_.size(); j-- > 0;) {
      if (names_[j] != choice) continue;
      if (found < names_.size()) fail_twice(j, found);
      found = j;
    }
    if (found < names_.size()) return found;
    std::size_t number = 0;
    const auto [stop, error] = std::from_chars(choice.data(), choice.data() + choice.size(), number);
    const bool valid = error == std::errc() && stop == choice.data() + choice.size();
    if (valid && number >= 1 && number <= names_.size()) return number - 1;
    std::string known;
    for (std::size_t j = 0; j < std::min<std::size_t>(names_.size(), 20); ++j) known += excerpt(names_[j]) + ", ";
    fail(" has no column " + excerpt(choice) + "; it has " + known + (names_.size() > 20 ? "..., " : "") +
         "or by number 1 to " + std::to_string(names_.size()));
  }

  [[noreturn]] void fail_twice(std::size_t first, std::size_t second) const {
    fail(": columns " + std::to_string(first + 1) + " and " + std::to_string(second + 1) + " are both called " +
         excerpt(names_[first]) + "; choose columns by number");
  }

  /// Fills row_, label_ and the names of the table.
  void choose_columns() {
    label_ = options_.label.empty() ? names_.size() : find_column(options_.label);
    if (label_ < names_.size()) table_.label_name_ = names_[label_];
    std::vector<std::size_t> columns;
    for (const std::string& choice : options_.columns) columns.push_back(find_column(choice));
    std::map<std::string, Index, std::less<>> seen;
    for (std::size_t j = row_names_; options_.columns.empty() && j < names_.size(); ++j) {
      if (j == label_) continue;
      const auto [place, is_new] = seen.emplace(names_[j], j);
      if (!is_new) fail_twice(static_cast<std::size_t>(place->second), j);
      columns.push_back(j);
    }
    if (columns.empty()) fail(" has no column of numbers besides the label and row names");
    row_.assign(names_.size(), -1);
    for (const std::size_t j : columns) {
      if (row_[j] >= 0) fail(": column " + excerpt(names_[j]) + " is chosen twice");
      row_[j] = static_cast<Index>(table_.names_.size());
      table_.names_.push_back(names_[j]);
    }
  }

  void read_rows() {
    // A record takes a line, and a byte for each of its fields: whatever its shape, a text has no more records.
    const auto lines = std::count(text_.begin(), text_.end(), '\n') + std::count(text_.begin(), text_.end(), '\r');
    const Index bound = 1 + std::min<Index>(lines, static_cast<Index>(text_.size() / names_.size()));
    table_.matrix_.resize(static_cast<Index>(table_.names_.size()), bound);
    if (label_ < names_.size()) table_.labels_.resize(bound);
    Index n = 0;
    for (; scanner_.more(); ++n) {
      const CsvScanner start = scanner_;
      std::size_t j = 0;
      for (Field field; !field.last; ++j) {
        field = scanner_.next();
        if (j == names_.size()) check_width(start);
        if (row_[j] >= 0) {
          const CsvCell cell = csv_cell(field.text, table_.matrix_(row_[j], n));
          if (cell != CsvCell::number) check_cell(start, n, j, field, cell);
        }
        if (j == label_) {
          const bool missing = field.text.empty() || (field.text == "NA" && !field.quoted);
          if (missing) check_cell(start, n, j, field, CsvCell::missing);
          table_.labels_(n) = missing ? -1 : number_of_label(field.text);
        }
      }
      if (j < names_.size()) check_width(start);
    }
    table_.matrix_.conservativeResize(Eigen::NoChange, n);
    if (label_ < names_.size()) table_.labels_.conservativeResize(n);
  }

  Index number_of_label(std::string_view label) {
    const auto found = labels_.find(label);
    if (found != labels_.end()) return found->second;
    table_.label_names_.emplace_back(label);
    return labels_.emplace(label, labels_.size()).first->second;
  }

  /// Reads a record again: throws unless it has a field for each column.
  void check_width(CsvScanner record) const {
    const Index line = record.line();
    std::size_t width = 1;
    while (!record.next().last) ++width;
    if (width == names_.size()) return;
    const bool row_names = header_ && width == names_.size() + 1;
    record.fail(line, ": expected " + std::to_string(names_.size()) + " fields, got " + std::to_string(width) +
                          (row_names ? "; the header must name every field, row names too" : ""));
  }

  /// Throws unless the options accept a cell that is no finite number.
  void check_cell(const CsvScanner& record, Index n, std::size_t j, const Field& field, CsvCell cell) const {
    if (cell == CsvCell::infinite && options_.infinite) return;
    if (cell == CsvCell::missing && options_.missing == CsvMissing::nan) return;
    check_width(record);  // a missing delimiter explains more
    std::string what = ", column " + excerpt(names_[j]) + ": " + excerpt(field.text) + " is ";
    if (cell == CsvCell::missing)
      what += "a missing value; leave such records out, or let the option 'missing' read NaN";
    if (cell == CsvCell::infinite) what += "not finite; the option 'infinite' accepts it";
    if (cell == CsvCell::out_of_range) what += "out of range";
    if (cell == CsvCell::text) what += "not a number";
    const bool choose = cell == CsvCell::text && n == 0 && options_.columns.empty();
    if (choose) what += "; choose the columns to read with 'columns', or name this one as 'label'";
    scanner_.fail(field.line, what);
  }

  const CsvOptions& options_;
  std::string_view text_;
  std::string_view source_;
  CsvScanner scanner_;
  BasicCsvTable<Scalar> table_ = {};
  std::map<std::string, Index, std::less<>> labels_ = {};
  std::vector<std::string> names_ = {};  // of all columns of the file
  std::vector<Index> row_ = {};          // of the matrix, for each column of the file; -1: not read
  std::size_t label_ = 0;                // column of the file; names_.size(): none
  bool header_ = false;
  bool row_names_ = false;
};

/// Reads a table of numbers from the text of a CSV file; see read_csv. Messages call the text `source`.
///
/// @throws    InvalidArgument as read_csv
///
/// Cost O(size of the text) in time and memory.
template <class Scalar = double>
BasicCsvTable<Scalar> parse_csv(std::string_view text, const CsvOptions& options = {},
                                std::string_view source = "CSV text") {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    throw InvalidArgument(std::string(source) + " is UTF-16 text; save it as UTF-8");
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // byte order mark
  return CsvParser<Scalar>(text, options, source).parse();
}

/// Reads a table of numbers from a CSV file (RFC 4180, ASCII or UTF-8): a record is an observation.
///
///   const Eigen::MatrixXd x = read_csv("faithful.csv").matrix();  // 2 x 272
///   const auto iris = read_csv("iris.csv", {.columns = {"Sepal.Length", "4"}, .label = "Species"});
///   iris.matrix();  iris.names();  iris.labels();  iris.label_names();  // 2 x 150, 2, 150, 3
///
/// Without a choice, all columns but the label are read and must hold numbers. A first column without a name
/// in the header holds row names (R and pandas write them so) and is read only where it is chosen. Numbers
/// are decimal, with a point in any locale, and read to the nearest double; read_csv<float> reads to
/// the nearest float. Lines end in LF, CRLF or CR.
///
/// @return    matrix d x n, d names, n labels
/// @throws    InvalidArgument, one sentence with file, line and column, if the file cannot be read or holds no
///            data, a record has not as many fields as the first, a chosen column is unknown, ambiguous or
///            chosen twice, a cell is no number, out of range (1e400), missing or infinite (unless
///            the options accept it), a quote stays open, or a line between records is blank
///
/// Cost O(size of the file) in time and memory, whatever it holds.
template <class Scalar = double>
BasicCsvTable<Scalar> read_csv(const std::string& path, const CsvOptions& options = {}) {
  return parse_csv<Scalar>(read_file(path), options, path);
}

}  // namespace emulsion
