#pragma once
#include <Eigen/Core>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"

namespace emulsion {

// Model files: JSON with the exact state of a model, so that the model read is the model written, bit for bit. A family
// takes part by three members, which need no JSON:
//
//   static constexpr const char* stored_as = "Geometric";
//   template <class Fields> void save(Fields& out) const { out.number("success", p_); }
//   template <class Fields> static Geometric load(const Fields& in) { return Geometric(in.number("success")); }
//
// load() checks what it reads as the constructor of the family does, and throws InvalidArgument. It allocates in
// proportion to what it was given: a list has the length that the file has, whatever else the file claims.

/// What a family writes its parameters to: named fields, each a finite number, a text or a list of numbers.
class FieldWriter {
 public:
  void number(std::string_view name, double value) { field(name) += digits(name, value); }
  void count(std::string_view name, Index value) { field(name) += std::to_string(value); }
  void text(std::string_view name, std::string_view value) { field(name) += quoted(value); }
  template <class Vector>
  void vector(std::string_view name, const Vector& values) {
    field(name) += list(name, values, values.size());
  }
  /// Lists of any lengths.
  void vectors(std::string_view name, const std::vector<Eigen::VectorXd>& values) {
    std::vector<std::string> all;
    for (const auto& v : values) all.push_back(list(name, v, v.size()));
    items(name, all);
  }
  /// The lower triangle of a matrix, row by row.
  template <class Matrix>
  void lower(std::string_view name, const Matrix& matrix) {
    std::vector<std::string> all;
    for (Index i = 0; i < matrix.rows(); ++i) {
      const auto row = [&](Index j) { return matrix(i, j); };
      all.push_back(list(name, row, i + 1));
    }
    items(name, all);
  }

  // For models: fields within fields.
  void object(std::string_view name, const FieldWriter& fields) { field(name) += fields.braced(indent_); }
  void objects(std::string_view name, const std::vector<FieldWriter>& all) {
    std::vector<std::string> texts;
    for (const FieldWriter& fields : all) texts.push_back(fields.braced(indent_ + 2));
    items(name, texts);
  }
  explicit FieldWriter(std::size_t indent = 2) : indent_(indent) {}
  std::string braced(std::size_t indent) const { return "{\n" + text_ + "\n" + std::string(indent, ' ') + "}"; }

 private:
  std::string& field(std::string_view name) {
    if (!text_.empty()) text_ += ",\n";
    return text_ += std::string(indent_, ' ') + quoted(name) + ": ";
  }
  static std::string quoted(std::string_view text) { return nlohmann::json(text).dump(); }

  /// The shortest decimal that reads as the same double.
  static std::string digits(std::string_view name, double value) {
    require(std::isfinite(value), "field '", name, "' holds ", value, ", which is not finite");
    if (value == 0 && std::signbit(value)) return "-0.0";  // JSON's -0 is an integer, which has no sign
    char buffer[32];
    return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  }
  template <class Values>
  static std::string list(std::string_view name, const Values& values, Index size) {
    std::string text = "[";
    for (Index i = 0; i < size; ++i) text += (i > 0 ? ", " : "") + digits(name, values(i));
    return text + "]";
  }
  void items(std::string_view name, const std::vector<std::string>& all) {
    std::string& text = field(name);
    const std::string space(indent_ + 2, ' ');
    for (std::size_t i = 0; i < all.size(); ++i) text += (i > 0 ? ",\n" : "[\n") + space + all[i];
    text += all.empty() ? "[]" : "\n" + std::string(indent_, ' ') + "]";
  }

  std::size_t indent_;
  std::string text_ = {};
};

/// What a family reads its parameters from. Each call throws InvalidArgument unless the field is there and is what was
/// asked for; numbers are finite.
class FieldReader {
 public:
  explicit FieldReader(const nlohmann::json& object) : object_(object) {
    require(object.is_object(), "an object in braces is expected, got ", object.type_name());
  }

  double number(std::string_view name) const { return to_number(name, at(name)); }
  /// A whole number >= 0.
  Index count(std::string_view name) const {
    const nlohmann::json& value = at(name);
    require(value.is_number_unsigned() && value.get<std::uint64_t>() < std::uint64_t{1} << 53, "field '", name,
            "' must be a whole number below 2^53");
    return static_cast<Index>(value.get<std::uint64_t>());
  }
  std::string_view text(std::string_view name) const {
    const nlohmann::json& value = at(name);
    require(value.is_string(), "field '", name, "' must be a text, got ", value.type_name());
    return value.get_ref<const std::string&>();
  }
  /// A list of `size` numbers, of any number if -1.
  Eigen::VectorXd vector(std::string_view name, Index size = -1) const { return to_vector(name, at(name), size); }
  std::vector<Eigen::VectorXd> vectors(std::string_view name) const {
    std::vector<Eigen::VectorXd> all;
    for (const nlohmann::json& one : list(name, at(name), -1)) all.push_back(to_vector(name, one, -1));
    return all;
  }
  /// d x d; zero above the diagonal.
  Eigen::MatrixXd lower(std::string_view name, Index d) const {
    const nlohmann::json& rows = list(name, at(name), d);
    Index size = 0;
    for (const nlohmann::json& row : rows) list(name, row, ++size);  // before anything of d x d is allocated
    Eigen::MatrixXd result = Eigen::MatrixXd::Zero(d, d);
    for (Index i = 0; i < d; ++i) {
      for (Index j = 0; j <= i; ++j) result(i, j) = to_number(name, rows[index(i)][index(j)]);
    }
    return result;
  }

  // For models: fields within fields.
  FieldReader object(std::string_view name) const { return FieldReader(at(name)); }
  const nlohmann::json& objects(std::string_view name) const { return list(name, at(name), -1); }

  /// Throws unless every field was asked for: what is not understood is not ignored.
  void require_all_read() const {
    for (const auto& [name, value] : object_.items()) {
      require(read_.count(name) > 0, "field ", excerpt(name), " is unknown");
    }
  }

 private:
  static std::size_t index(Index i) { return static_cast<std::size_t>(i); }

  const nlohmann::json& at(std::string_view name) const {
    const auto found = object_.find(name);
    require(found != object_.end(), "field '", name, "' is missing");
    read_.emplace(name);
    return *found;
  }
  static double to_number(std::string_view name, const nlohmann::json& value) {
    require(value.is_number(), "field '", name, "' must hold numbers, got ", value.type_name());
    const auto number = value.get<double>();
    require(std::isfinite(number), "field '", name, "' holds ", number, ", which is not finite");
    return number;
  }
  static const nlohmann::json& list(std::string_view name, const nlohmann::json& value, Index size) {
    require(value.is_array(), "field '", name, "' must be a list, got ", value.type_name());
    require(size < 0 || value.size() == index(size), "field '", name, "' has a list of ", value.size(),
            " where there must be ", size);
    return value;
  }
  static Eigen::VectorXd to_vector(std::string_view name, const nlohmann::json& value, Index size) {
    list(name, value, size);
    Eigen::VectorXd result(static_cast<Index>(value.size()));
    for (Index i = 0; i < result.size(); ++i) result(i) = to_number(name, value[index(i)]);
    return result;
  }

  const nlohmann::json& object_;
  mutable std::set<std::string, std::less<>> read_ = {};
};

/// A gate or a component that model files can hold.
template <class T>
concept Storable = requires(const T& t, FieldWriter& out, const FieldReader& in) {
  { T::stored_as } -> std::convertible_to<std::string_view>;  // its name in the file
  t.save(out);
  { T::load(in) } -> std::same_as<T>;
};

}  // namespace emulsion
