#pragma once
#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>
#if __has_include(<unistd.h>)
#include <unistd.h>
#endif

#include "emulsion/core/error.hpp"
#include "emulsion/data/csv_scanner.hpp"
#include "emulsion/models/mixture.hpp"

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
      require(read_.count(name) > 0, "field ", csv_excerpt(name), " is unknown");
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

/// FNV-1a (64 bits, 16 hexadecimal digits) of the values of a model file, all but its checksum: the layout of the text
/// and the order of its fields do not matter, the last bit of every number does.
inline std::string model_checksum(const nlohmann::json& file) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](std::string_view bytes) {
    for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  };
  const auto add_number = [&](std::uint64_t value) {
    for (int i = 0; i < 8; ++i, value >>= 8) hash = (hash ^ (value & 255)) * 0x100000001b3;
  };
  const auto visit = [&](const auto& self, const nlohmann::json& value, bool outermost) -> void {
    if (value.is_number()) {
      add("n");
      add_number(std::bit_cast<std::uint64_t>(value.get<double>()));
    } else if (value.is_string()) {
      add("s");
      add_number(value.get_ref<const std::string&>().size());
      add(value.get_ref<const std::string&>());
    } else if (value.is_array()) {
      add("[");
      for (const nlohmann::json& item : value) self(self, item, false);
      add("]");
    } else if (value.is_object()) {
      add("{");
      for (const auto& [key, item] : value.items()) {
        if (outermost && key == "checksum") continue;
        self(self, key, false);
        self(self, item, false);
      }
      add("}");
    } else {
      add(value.is_null() ? "0" : value.get<bool>() ? "+" : "-");
    }
  };
  visit(visit, file, true);
  std::string digits(16, '0');
  for (std::size_t i = 16; i-- > 0; hash >>= 4) digits[i] = "0123456789abcdef"[hash & 15];
  return digits;
}

/// JSON of few levels without a field twice; else InvalidArgument.
inline nlohmann::json parse_json(std::string_view text) {
  constexpr int levels = 8;  // deeper than any model, shallow enough for recursion
  using Step = nlohmann::json::parse_event_t;
  std::vector<std::set<std::string>> names;
  const auto watch = [&](int depth, Step step, const nlohmann::json& parsed) {
    require(depth < levels, "it is nested more than ", levels, " deep, as no model file is");
    if (step == Step::object_start) names.emplace_back();
    if (step == Step::object_end) names.pop_back();
    if (step == Step::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      require(names.back().insert(name).second, "field ", csv_excerpt(name), " is there twice");
    }
    return true;
  };
  require(!text.empty(), "it is empty");
  try {
    return nlohmann::json::parse(text.begin(), text.end(), watch);
  } catch (const nlohmann::json::parse_error& error) {
    require(error.byte <= text.size(), "it ends too early, after ", text.size(), " bytes: is it truncated?");
    const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(error.byte), '\n') + 1;
    fail({"it is no JSON text: byte ", error.byte, ", in line ", line, ", cannot stand there"});
  } catch (const nlohmann::json::out_of_range&) { fail({"it holds a number beyond the range of a double"}); }
}

/// The first fields of every model file.
inline void write_head(FieldWriter& out, std::string_view model, std::string_view family, std::string_view scalar,
                       Index dimension) {
  out.text("format", "emulsion model");
  out.count("version", 1);
  out.text("model", model);
  out.text("family", family);
  out.text("scalar", scalar);
  out.count("dimension", dimension);
}

/// Checks them, from the most general on, so that the message says what is wrong first. Returns the dimension.
inline Index read_head(const FieldReader& in, const nlohmann::json& file, std::string_view model,
                       std::string_view family, std::string_view scalar) {
  const auto format = file.find("format");
  require(format != file.end() && *format == "emulsion model", "it is JSON, but no emulsion model");
  in.text("format");
  const Index version = in.count("version");
  require(version == 1, "it is of version ", version, " of the format; this library reads version 1");
  require(in.text("checksum") == model_checksum(file), "its checksum does not match: the file was changed or damaged");
  const std::string kind = csv_excerpt(in.text("model"));
  require(in.text("model") == model, "it holds the model ", kind, ", not a '", model, "'");
  const std::string other = csv_excerpt(in.text("family"));
  require(in.text("family") == family, "it holds a ", model, " of the family ", other, ", not of '", family, "'");
  const std::string type = csv_excerpt(in.text("scalar"));
  require(in.text("scalar") == scalar, "it holds a model for data of type ", type, ", not '", scalar, "'");
  return in.count("dimension");
}

template <class Scalar>
constexpr std::string_view scalar_name() {
  static_assert(std::is_same_v<Scalar, double> || std::is_same_v<Scalar, float>,
                "model files hold models for data of type double or float");
  return std::is_same_v<Scalar, double> ? "double" : "float";
}

/// How a kind of model is written and read; specialise it for another.
template <class Model>
struct ModelFile;

template <class Gate, class C>
struct ModelFile<Mixture<Gate, Components<C>>> {
  static_assert(
      Storable<Gate> && Storable<C>,
      "a model file needs stored_as, save() and load() of the gate and of the family: see data/model_file.hpp");
  using Model = Mixture<Gate, Components<C>>;
  static constexpr std::string_view model = "mixture", scalar = scalar_name<typename Model::Scalar>();

  static void save(const Model& m, FieldWriter& out) {
    write_head(out, model, C::stored_as, scalar, m.dimension());
    FieldWriter gate(4);
    gate.text("kind", Gate::stored_as);
    m.gate().save(gate);
    out.object("gate", gate);
    std::vector<FieldWriter> components;
    for (Index k = 0; k < m.size(); ++k) {
      within(k, [&] { m[k].save(components.emplace_back(6)); });
    }
    out.objects("components", components);
  }

  static Model load(const nlohmann::json& file) {
    const FieldReader in(file);
    const Index dimension = read_head(in, file, model, C::stored_as, scalar);
    if constexpr (requires { C::Data::Dim; }) {
      constexpr Index fixed = C::Data::Dim;
      require(fixed == Eigen::Dynamic || dimension == fixed, "it holds a model of dimension ", dimension, ", not of ",
              fixed);
    }
    const FieldReader fields = in.object("gate");
    const std::string kind = csv_excerpt(fields.text("kind"));
    require(fields.text("kind") == Gate::stored_as, "it holds a ", model, " with the gate ", kind, ", not '",
            Gate::stored_as, "'");
    Gate gate = Gate::load(fields);
    fields.require_all_read();
    std::vector<C> components;
    for (const nlohmann::json& one : in.objects("components")) {
      const auto k = components.size();
      within(static_cast<Index>(k), [&] {
        const FieldReader component(one);
        components.push_back(C::load(component));
        component.require_all_read();
        require(components[k].dimension() == dimension, "it has dimension ", components[k].dimension(),
                " in a model of dimension ", dimension);
        if constexpr (requires { components[k].alike(components[k]); }) {
          require(components[k].alike(components[0]), "it is of another form than the first");
        }
        if constexpr (requires { components[k].frame(); }) {  // else they would move into a common one, and be rounded
          require(components[k].frame() == components[0].frame(), "its frame is not that of the first");
        }
      });
    }
    in.require_all_read();
    return Model(std::move(gate), Components<C>(std::move(components)));
  }

 private:
  /// Messages name the component.
  template <class F>
  static void within(Index k, const F& f) {
    try {
      f();
    } catch (const InvalidArgument& error) { fail({"component ", k, ": ", error.what()}); }
  }
};

/// A model from the text of a model file; see load. Messages call the text `source`.
template <class Model>
Model parse_model(std::string_view text, std::string_view source = "model text") {
  try {
    return ModelFile<Model>::load(parse_json(text));
  } catch (const InvalidArgument& error) { fail({source, ": ", error.what()}); }
}

/// The text of a model file; see save.
template <class Model>
std::string format_model(const Model& model, std::string_view source = "the model") {
  try {
    FieldWriter out;
    ModelFile<Model>::save(model, out);
    nlohmann::json file = parse_json(out.braced(0));
    file["checksum"] = model_checksum(file);
    out.text("checksum", file["checksum"].get_ref<const std::string&>());
    ModelFile<Model>::load(file);  // what could not be read again is not written
    return out.braced(0) + "\n";
  } catch (const InvalidArgument& error) { fail({source, " cannot be saved: ", error.what()}); }
}

/// Replaces the file, or throws and leaves it as it was: the text goes to a new file in the same folder, which gets the
/// name only when all of it is on the disk.
inline void replace_file(const std::string& path, std::string_view text) {
  namespace fs = std::filesystem;
  const auto stop = [&](const std::string& why) { fail({"cannot write '", path, "': ", why}); };
  const auto stop_errno = [&](int code) { stop(std::generic_category().message(code)); };
  std::error_code error;
  fs::path target = path;
  if (fs::is_symlink(fs::symlink_status(target, error))) target = fs::weakly_canonical(target, error);
  const fs::file_status old = fs::status(target, error);
  if (fs::is_directory(old)) stop_errno(EISDIR);
  if (fs::exists(old) && !fs::is_regular_file(old)) stop("it is not a regular file");

  fs::path temporary;
  std::FILE* file = nullptr;
  for (int i = 0; i < 100 && !file; ++i) {  // a name that no other process has
    temporary = target;
    temporary += ".part" + (i > 0 ? std::to_string(i) : "");
    file = std::fopen(temporary.string().c_str(), "wbx");
    if (!file && errno != EEXIST) break;
  }
  if (!file) stop_errno(errno);
  bool good = std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0;
#if __has_include(<unistd.h>)
  good = good && fsync(fileno(file)) == 0;
#endif
  int code = good ? 0 : errno;
  if (std::fclose(file) != 0 && good) code = errno;
  if (code == 0) {
    if (fs::exists(old)) fs::permissions(temporary, old.permissions(), error);
    fs::rename(temporary, target, error);
    if (!error) return;
    code = error.value();
  }
  fs::remove(temporary, error);
  stop_errno(code);
}

/// Writes a model to a file that load() reads again, bit for bit.
///
///   save(fit.model, "model.json");
///   const auto model = load<GaussianMixture>("model.json");  // model.log_density(x) == fit.model.log_density(x)
///
/// For mixtures with constant weights of Gaussian, Poisson, Categorical and any family with the three members that
/// data/model_file.hpp asks for. JSON; numbers are the shortest decimals that read as the same double. An existing file
/// is replaced only when the new one is complete.
///
/// @throws    InvalidArgument, one sentence with the path, if the file cannot be written (an existing one is then as it
///            was) or the model holds what is not finite
template <class Model>
void save(const Model& model, const std::string& path) {
  replace_file(path, format_model(model, path));
}

/// Reads the model that save() wrote: the same densities, responsibilities and labels, bit for bit, from a program
/// built alike. What is read was checked: a changed digit does not pass.
///
/// @throws    InvalidArgument, one sentence with the path and the reason, if the file cannot be read, is truncated or
///            damaged, is no model file, is of another version, or holds another model (family, scalar, dimension)
///
/// Cost O(size of the file) in time and memory, whatever it holds; for Gaussians of dimension d, times d in time.
template <class Model>
Model load(const std::string& path) {
  const auto close = [](std::FILE* f) { return std::fclose(f); };
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rb"), close);
  std::string text;
  std::vector<char> buffer(file ? 1 << 16 : 0);
  while (const auto size = file ? std::fread(buffer.data(), 1, buffer.size(), file.get()) : 0) {
    text.append(buffer.data(), size);
  }
  if (!file || std::ferror(file.get())) fail({"cannot read '", path, "': ", std::generic_category().message(errno)});
  return parse_model<Model>(text, path);
}

}  // namespace emulsion
