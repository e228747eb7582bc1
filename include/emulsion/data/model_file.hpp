#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulsion/core/error.hpp"
#include "emulsion/data/model_file_fields.hpp"
#include "emulsion/data/read_file.hpp"
#include "emulsion/data/replace_file.hpp"
#include "emulsion/models/mixture.hpp"

namespace emulsion {

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
      require(names.back().insert(name).second, "field ", excerpt(name), " is there twice");
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
  const std::string kind = excerpt(in.text("model"));
  require(in.text("model") == model, "it holds the model ", kind, ", not a '", model, "'");
  const std::string other = excerpt(in.text("family"));
  require(in.text("family") == family, "it holds a ", model, " of the family ", other, ", not of '", family, "'");
  const std::string type = excerpt(in.text("scalar"));
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
    const std::string kind = excerpt(fields.text("kind"));
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
  return parse_model<Model>(read_file(path), path);
}

}  // namespace emulsion
