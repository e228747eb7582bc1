#include "emulsion/data/model_file.hpp"

#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include "catch.hpp"
#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/gaussian_mixture.hpp"

using namespace emulsion;

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Poissons = MixtureOf<Poisson>;
using Categoricals = MixtureOf<Categorical>;
using Eigen::Vector2d;
using Eigen::Vector3d;

/// A folder of its own in the working directory, removed at the end.
struct Folder {
  Folder() { fs::create_directory(path); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
  std::string path = "model_file_test_folder";
};

void write(const std::string& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }
std::string read(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

template <class Model = GaussianMixture>
std::string error_of(std::string_view text) {
  try {
    parse_model<Model>(text, "m.json");
  } catch (const InvalidArgument& error) { return error.what(); }
  return "no error";
}

/// The same bits, NaN and the sign of zero too.
bool same(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(double)) == 0;
}

template <class Model, class X>
void check_round_trip(const Model& model, const X& x) {
  const Folder folder;
  const std::string path = folder / "model.json";
  save(model, path);
  const auto reloaded = load<Model>(path);
  CHECK(same(reloaded.weights(), model.weights()));
  CHECK(same(reloaded.log_density(x), model.log_density(x)));
  CHECK(same(reloaded.responsibilities(x), model.responsibilities(x)));
  CHECK(reloaded.classify(x) == model.classify(x));
  CHECK(reloaded.free_parameters() == model.free_parameters());
  CHECK(reloaded.regularity(1e-3).eigenvalue == model.regularity(1e-3).eigenvalue);
  Rng one(1), two(1);
  CHECK(reloaded.sample(5, one) == model.sample(5, two));
  CHECK(format_model(reloaded) == read(path));
  CHECK(folder.files() == 1);
}

/// Three groups of correlated points in d dimensions.
Eigen::MatrixXd groups(Index d, Index n, std::uint64_t seed) {
  Rng rng(seed);
  Eigen::MatrixXd x(d, n);
  for (Index i = 0; i < n; ++i) {
    const double common = rng.normal();
    for (Index j = 0; j < d; ++j) x(j, i) = static_cast<double>((i % 3) * (j + 2)) + rng.normal() + 0.5 * common;
  }
  return x;
}

GaussianMixture small() {
  Eigen::Matrix2d s;
  s << 2, 0.5, 0.5, 1;
  return GaussianMixture(Vector2d(0.25, 0.75), {Gaussian(Vector2d(1, -0.0), s), Gaussian(Vector2d(0.1, 1e3), 3 * s)});
}

/// A family of a user: log p(x) = log rate - rate x.
class Exponential {
 public:
  using Data = Points<double>;
  struct Statistics {
    double weight = 0, sum = 0;
    Statistics& operator+=(const Statistics& other) {
      weight += other.weight, sum += other.sum;
      return *this;
    }
    Statistics& operator*=(double c) {
      weight *= c, sum *= c;
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      visitor(weight), visitor(sum);
    }
  };
  explicit Exponential(double rate) : rate_(rate) { require(rate > 0, "a rate must be positive, got ", rate); }
  Index dimension() const { return 1; }
  Index free_parameters() const { return 1; }
  void log_density(const Data& block, Eigen::Ref<Eigen::VectorXd> out) const {
    for (Index i = 0; i < block.size(); ++i) out(i) += std::log(rate_) - rate_ * block(0, i);
  }
  Statistics statistics() const { return {}; }
  void accumulate(const Data& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    for (Index i = 0; i < block.size(); ++i) s.weight += w(i), s.sum += w(i) * block(0, i);
  }
  void maximize(const Statistics& s, Exponential& next) const { next.rate_ = s.sum > 0 ? s.weight / s.sum : rate_; }
  Eigen::VectorXd sample(Rng& rng) const { return Eigen::VectorXd::Constant(1, rng.exponential() / rate_); }

  static constexpr const char* stored_as = "Exponential";
  template <class Fields>
  void save(Fields& out) const {
    out.number("rate", rate_);
  }
  template <class Fields>
  static Exponential load(const Fields& in) {
    return Exponential(in.number("rate"));
  }

 private:
  double rate_;
};

}  // namespace

TEST_CASE("model files: Gaussian mixtures reload bit for bit, whatever the covariance and the data") {
  struct Change {
    double factor, offset;
  };
  const Eigen::MatrixXd x = groups(3, 90, 4);
  for (const Change change : {Change{1, 0}, {1e200, 0}, {1, 1e9}, {1e-8, 0}, {1e-310, 0}, {-3e307 / 30, 0}}) {
    const Eigen::MatrixXd y = (change.factor * x).array() + change.offset;
    for (const Covariance c : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
      INFO(to_string(c) << ", data x " << change.factor << " + " << change.offset);
      const auto fit = fit_gaussian_mixture(y, {.components = 3, .covariance = c, .restarts = 2, .max_iterations = 7});
      check_round_trip(fit.model, y);
      CHECK(parse_model<GaussianMixture>(format_model(fit.model))[0].structure() == c);
    }
  }
}

TEST_CASE("model files: a reloaded model takes the next step of EM as the original does") {
  const Eigen::MatrixXd x = groups(2, 60, 7);
  for (const Covariance c : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
    const auto fit = fit_gaussian_mixture(x, {.components = 2, .covariance = c, .restarts = 2, .max_iterations = 3});
    const auto reloaded = parse_model<GaussianMixture>(format_model(fit.model));
    const EmOptions five{.max_iterations = 5};
    CHECK(format_model(em(reloaded, columns(x), five).model) == format_model(em(fit.model, columns(x), five).model));
  }
}

TEST_CASE("model files: float data, fixed dimensions, a component at the floor") {
  const Eigen::MatrixXd x = groups(2, 60, 5);
  const Eigen::MatrixXf single = x.cast<float>();
  check_round_trip(fit_gaussian_mixture(single, {.components = 2, .restarts = 2}).model, single);
  using Flat = BasicGaussian<double, 2>;
  const Eigen::Matrix2d c = 2 * Eigen::Matrix2d::Identity();
  check_round_trip(MixtureOf<Flat>(Vector2d(0.1, 0.9), {Flat(Vector2d(1, 2), c), Flat(Vector2d(1e5, 0), c)}),
                   columns<2>(x));

  Eigen::MatrixXd flat = x;
  flat.row(1) = 2 * flat.row(0);  // singular
  const auto fit = fit_gaussian_mixture(flat, {.components = 2, .restarts = 2});
  CHECK(fit.model[0].at_floor() == 1);
  CHECK(parse_model<GaussianMixture>(format_model(fit.model))[0].at_floor() == 1);
  check_round_trip(fit.model, flat);
}

TEST_CASE("model files: models put together by hand, of components in frames of their own") {
  Eigen::MatrixXd x = groups(2, 9, 1);
  check_round_trip(small(), x);
  const Eigen::Matrix2d one = Eigen::Matrix2d::Identity();
  check_round_trip(GaussianMixture(Vector2d(1, 0), {Gaussian(2), Gaussian(Vector2d(1e100, 3), 1e190 * one)}), x);
  check_round_trip(GaussianMixture(Vector3d(0.1, 0.2, 0.7), {Gaussian(2), Gaussian(Vector2d(1e9, 3), 1e-9 * one),
                                                             Gaussian(Vector2d(5, 5), one)}),
                   x);
}

TEST_CASE("model files: weights and probabilities are not divided by their sums again") {
  Eigen::MatrixXd counts(2, 40), answers(2, 40);
  Rng rng(3);
  for (Index i = 0; i < counts.cols(); ++i) {
    for (Index j = 0; j < 2; ++j) {
      counts(j, i) = std::floor(rng.uniform() * (i % 2 == 0 ? 5 : 300));
      answers(j, i) = std::floor(rng.uniform() * (i % 2 == 0 ? 2 : 3));
    }
  }
  const EmOptions few{.max_iterations = 7};
  for (int trial = 0; trial < 20; ++trial) {
    Eigen::VectorXd w = rng.dirichlet(Eigen::VectorXd::Ones(3));
    const auto poisson = em(Poissons(w, {Poisson(Vector2d(1, 2)), Poisson(Vector2d(9, 50)), Poisson(Vector2d(0.1, 7))}),
                            columns(counts), few);
    check_round_trip(poisson.model, counts);
    std::vector<Categorical> c;
    for (int k = 0; k < 3; ++k) {
      c.emplace_back(std::vector<Eigen::VectorXd>{rng.dirichlet(Eigen::VectorXd::Ones(3)),
                                                  rng.dirichlet(Eigen::VectorXd::Ones(4))});
    }
    check_round_trip(em(Categoricals(w, c), columns(answers), few).model, answers);
  }
  check_round_trip(Poissons(Vector2d(0.5, 0.5), {Poisson(Vector2d(0, 2)), Poisson(Vector2d(1e300, 5e-324))}), counts);
}

TEST_CASE("model files: a family of a user's own") {
  const Eigen::MatrixXd x = Eigen::RowVectorXd::LinSpaced(7, 0, 3);
  using Exponentials = MixtureOf<Exponential>;
  const Exponentials model(Vector2d(0.1, 0.9), {Exponential(0.3), Exponential(1 / 3.0)});
  check_round_trip(model, x);
  Json file = Json::parse(format_model(model));
  file["components"][1]["rate"] = -1;
  file["checksum"] = model_checksum(file);
  CHECK(error_of<Exponentials>(file.dump()) == "m.json: component 1: a rate must be positive, got -1");
}

TEST_CASE("model files: the text") {
  const Poissons model(Vector2d(0.1, 0.9), {Poisson(Vector2d(1e22, 0.1)), Poisson(Vector2d(5e-324, 0))});
  CHECK(format_model(model) == R"({
  "format": "emulsion model",
  "version": 1,
  "model": "mixture",
  "family": "Poisson",
  "scalar": "double",
  "dimension": 2,
  "gate": {
    "kind": "constant",
    "weights": [0.1, 0.9]
  },
  "components": [
    {
      "rates": [1e+22, 0.1]
    },
    {
      "rates": [5e-324, 0]
    }
  ],
  "checksum": "f9819c7a747c4302"
}
)");
  // Layout and the order of fields do not matter.
  CHECK(format_model(parse_model<Poissons>(Json::parse(format_model(model)).dump())) == format_model(model));
  CHECK(format_model(parse_model<Poissons>("\xEF\xBB\xBF \r\n\t" + format_model(model) + "  \n")) ==
        format_model(model));
}

TEST_CASE("model files: every other digit changes the checksum, and the numbers are the shortest") {
  Rng rng(11);
  for (int i = 0; i < 20000; ++i) {
    const double value = std::bit_cast<double>(rng());
    if (!std::isfinite(value)) continue;
    FieldWriter out(0);
    out.number("x", value);
    const Json file = parse_json(out.braced(0));
    const auto back = FieldReader(file).number("x");
    REQUIRE(std::bit_cast<std::uint64_t>(back) == std::bit_cast<std::uint64_t>(value));
    Json next;
    next["x"] = std::nextafter(value, 0.0);
    REQUIRE(model_checksum(next) != model_checksum(file));
  }
  FieldWriter out(0);
  out.vector("x", Eigen::Vector4d(-0.0, 0.1, 1e23, 123456789012345680000.0));
  CHECK(out.braced(0) == "{\n\"x\": [-0.0, 0.1, 1e+23, 123456789012345683968]\n}");
}

TEST_CASE("model files: any flipped bit and any truncation is an error or the same model") {
  const Poissons model(Vector2d(0.25, 0.75), {Poisson(Vector2d(0.1, 1e22)), Poisson(Vector2d(3, 0))});
  const auto check = [](const auto& original) {
    using Model = std::remove_cvref_t<decltype(original)>;
    const std::string text = format_model(original);
    std::size_t errors = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        std::string damaged = text;
        damaged[i] = static_cast<char>(static_cast<unsigned char>(damaged[i]) ^ (1U << bit));
        INFO("bit " << bit << " of byte " << i);
        std::string again;
        try {
          again = format_model(parse_model<Model>(damaged));
        } catch (const InvalidArgument&) {
          ++errors;
          continue;
        }
        REQUIRE(again == text);  // white space, 1E+22, a last digit that rounds to the same double
      }
    }
    CHECK(errors > 4 * text.size());
    for (std::size_t size = 0; size + 1 < text.size(); ++size) {
      REQUIRE_THROWS_AS(parse_model<Model>(text.substr(0, size)), InvalidArgument);
    }
    CHECK(format_model(parse_model<Model>(text.substr(0, text.size() - 1))) == text);  // the last newline
  };
  check(model);
  check(small());
}

TEST_CASE("model files: what is no model file, one sentence each") {
  const std::string text = format_model(small());
  CHECK(error_of("") == "m.json: it is empty");
  CHECK(error_of(" \n") == "m.json: it ends too early, after 2 bytes: is it truncated?");
  CHECK(error_of(text.substr(0, 100)) == "m.json: it ends too early, after 100 bytes: is it truncated?");
  CHECK(error_of("a,b\n1,2\n") == "m.json: it is no JSON text: byte 1, in line 1, cannot stand there");
  CHECK(error_of(text + "x") == "m.json: it is no JSON text: byte " + std::to_string(text.size() + 1) + ", in line " +
                                    std::to_string(std::count(text.begin(), text.end(), '\n') + 1) +
                                    ", cannot stand there");
  CHECK(error_of("{\"a\": NaN}") == "m.json: it is no JSON text: byte 7, in line 1, cannot stand there");
  CHECK(error_of("{\"a\": \"\xFF\"}") == "m.json: it is no JSON text: byte 8, in line 1, cannot stand there");
  CHECK(error_of("{\"a\": 1e999}") == "m.json: it holds a number beyond the range of a double");
  CHECK(error_of("{\"a\": 1, \"b\": {\"a\": 1}, \"a\": 1}") == "m.json: field 'a' is there twice");
  CHECK(error_of("[]") == "m.json: an object in braces is expected, got array");
  CHECK(error_of("null") == "m.json: an object in braces is expected, got null");
  CHECK(error_of("{}") == "m.json: it is JSON, but no emulsion model");
  CHECK(error_of("{\"format\": 7}") == "m.json: it is JSON, but no emulsion model");
  for (const std::string opening : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 1'000'000; ++i) deep += opening;
    CHECK(error_of(deep) == "m.json: it is nested more than 8 deep, as no model file is");
  }
}

TEST_CASE("model files: damaged fields, one sentence each") {
  const auto error = [](const auto& change, bool seal = true) {
    Json file = Json::parse(format_model(small()));
    change(file);
    if (seal) file["checksum"] = model_checksum(file);
    return error_of(file.dump());
  };
  const auto component = [&](const auto& change) { return error([&](Json& file) { change(file["components"][1]); }); };

  CHECK(error([](Json&) {}) == "no error");
  CHECK(error([](Json& f) { f["version"] = 2; }, false) ==
        "m.json: it is of version 2 of the format; this library reads version 1");
  CHECK(error([](Json& f) { f["version"] = -1; }) == "m.json: field 'version' must be a whole number below 2^53");
  CHECK(error([](Json& f) { f["gate"]["weights"][0] = 0.26; }, false) ==
        "m.json: its checksum does not match: the file was changed or damaged");
  CHECK(error([](Json& f) { f.erase("checksum"); }, false) == "m.json: field 'checksum' is missing");
  CHECK(error([](Json& f) { f["checksum"] = 7; }, false) == "m.json: field 'checksum' must be a text, got number");
  CHECK(error([](Json& f) { f["model"] = "tree\n"; }) == "m.json: it holds the model 'tree?', not a 'mixture'");
  CHECK(error([](Json& f) { f["scalar"] = "float"; }) ==
        "m.json: it holds a model for data of type 'float', not 'double'");
  CHECK(error([](Json& f) { f["dimension"] = 1'000'000'000'000; }) ==
        "m.json: component 0: it has dimension 2 in a model of dimension 1000000000000");
  CHECK(error([](Json& f) { f["dimension"] = 1e12; }) == "m.json: field 'dimension' must be a whole number below 2^53");
  CHECK(error([](Json& f) { f["more"] = 1; }) == "m.json: field 'more' is unknown");
  CHECK(error([](Json& f) { f["gate"] = 1; }) == "m.json: an object in braces is expected, got number");
  CHECK(error([](Json& f) { f["gate"]["kind"] = "softmax"; }) ==
        "m.json: it holds a mixture with the gate 'softmax', not 'constant'");
  CHECK(error([](Json& f) { f["gate"]["more"] = 1; }) == "m.json: field 'more' is unknown");
  CHECK(error([](Json& f) {
          f["gate"]["weights"] = {0.5, 0.4};
        }) == "m.json: mixing weights must sum to one; these 2 sum to 0.9");
  CHECK(error([](Json& f) {
          f["gate"]["weights"] = {1.5, -0.5};
        }) == "m.json: mixing weights must be finite and not negative; weight 1 is -0.5");
  CHECK(error([](Json& f) { f["gate"]["weights"] = {1}; }) ==
        "m.json: a mixture of 1 weights needs as many components, got 2");
  CHECK(error([](Json& f) { f["components"] = Json::array(); }) ==
        "m.json: a mixture needs at least one component, got none");
  CHECK(error([](Json& f) { f["components"] = 3; }) == "m.json: field 'components' must be a list, got number");
  CHECK(error([](Json& f) { f["components"][1] = 3; }) ==
        "m.json: component 1: an object in braces is expected, got number");

  CHECK(component([](Json& c) { c["covariance"] = "round"; }) ==
        "m.json: component 1: its covariance must be full, diagonal, spherical or tied");
  CHECK(component([](Json& c) { c["covariance"] = "tied"; }) ==
        "m.json: component 1: it is of another form than the first");
  CHECK(component([](Json& c) { c["covariance"] = "diagonal"; }) ==
        "m.json: component 1: field 'precision_factor' must hold numbers, got array");
  CHECK(component([](Json& c) { c["spread"][0] = 1.5; }) == "m.json: component 1: its frame is not that of the first");
  CHECK(component([](Json& c) { c.erase("location"); }) == "m.json: component 1: field 'location' is missing");
  CHECK(component([](Json& c) { c["location"][0] = nullptr; }) ==
        "m.json: component 1: field 'location' must hold numbers, got null");
  CHECK(component([](Json& c) { c["location"][0] = "1"; }) ==
        "m.json: component 1: field 'location' must hold numbers, got string");
  CHECK(component([](Json& c) { c["location"].push_back(1); }) ==
        "m.json: component 1: field 'centre' has a list of 2 where there must be 3");
  CHECK(component([](Json& c) { c["precision_factor"][1].push_back(1); }) ==
        "m.json: component 1: field 'precision_factor' has a list of 3 where there must be 2");
  CHECK(component([](Json& c) { c["precision_factor"][0][0] = 0; }) ==
        "m.json: component 1: a precision factor needs a positive diagonal; element 0 is 0");
  CHECK(component([](Json& c) { c["scale"][0] = 3; }) == "m.json: component 1: scale 0 must be a power of two, got 3");
  CHECK(component([](Json& c) { c["spread"][1] = 0; }) == "m.json: component 1: spread 1 must be positive, got 0");
  CHECK(component([](Json& c) { c["at_floor"] = 3; }) ==
        "m.json: component 1: a covariance of dimension 2 cannot have 3 eigenvalues at the floor");
  CHECK(component([](Json& c) { c["floor"] = 1; }) ==
        "m.json: component 1: the floor of a covariance, relative to the data's variances, must lie in [1e-15, 1), got "
        "1; below, it would drown in rounding");
  CHECK(component([](Json& c) {
          c["location"] = c["centre"] = c["scale"] = c["spread"] = c["precision_factor"] = Json::array();
        }) == "m.json: component 1: a Gaussian needs at least one dimension, got 0");
  CHECK(error([](Json& f) {
          for (Json& c : f["components"]) c["centre"][0] = 1e308, c["scale"][0] = 0.25;
        }) == "m.json: component 0: its parameters lie beyond the range of a double");
  CHECK(
      error([](Json& f) {
        for (Json& c : f["components"]) {
          c["covariance"] = "spherical";
          c["precision_factor"] = {1, 2};
        }
      }) ==
      "m.json: component 0: the standard deviations of a spherical covariance must be equal; reciprocal 1 is 2 and the "
      "first 1");
}

TEST_CASE("model files: of another model") {
  const Poissons poisson(Vector2d(0.5, 0.5), {Poisson(Vector2d(1, 2)), Poisson(Vector2d(3, 4))});
  CHECK(error_of(format_model(poisson)) == "m.json: it holds a mixture of the family 'Poisson', not of 'Gaussian'");
  CHECK(error_of<BasicGaussianMixture<float>>(format_model(small())) ==
        "m.json: it holds a model for data of type 'double', not 'float'");
  CHECK(error_of<BasicGaussianMixture<double, 3>>(format_model(small())) ==
        "m.json: it holds a model of dimension 2, not of 3");
  Json file = Json::parse(format_model(poisson));
  file["components"][0]["rates"] = {1, 2, 3};
  file["checksum"] = model_checksum(file);
  CHECK(error_of<Poissons>(file.dump()) == "m.json: component 0: it has dimension 3 in a model of dimension 2");
  file["components"][0]["rates"] = {1, -2};
  file["checksum"] = model_checksum(file);
  CHECK(error_of<Poissons>(file.dump()) ==
        "m.json: component 0: Poisson rates must be finite and not negative; rate 1 is -2");

  using Probabilities = std::vector<Eigen::VectorXd>;
  const Categorical two(Probabilities{Vector2d(0.5, 0.5)});
  file = Json::parse(format_model(Categoricals(Vector2d(0.5, 0.5), {two, two})));
  file["components"][1]["probabilities"][0] = {0.2, 0.2, 0.6};
  file["checksum"] = model_checksum(file);
  CHECK(error_of<Categoricals>(file.dump()) == "m.json: component 1: it is of another form than the first");
  file["components"][1]["probabilities"][0] = {0.2, 0.2};
  file["checksum"] = model_checksum(file);
  CHECK(error_of<Categoricals>(file.dump()) ==
        "m.json: component 1: the probabilities of an item must sum to one; those of item 0 sum to 0.4");
}

TEST_CASE("model files: paths, and an existing file that survives") {
  const Folder folder;
  const GaussianMixture model = small();
  const std::string path = folder / "m.json";
  CHECK_THROWS_WITH(load<GaussianMixture>(path), "cannot read '" + path + "': No such file or directory");
  CHECK_THROWS_WITH(load<GaussianMixture>(folder.path), "cannot read '" + folder.path + "': Is a directory");
  CHECK_THROWS_WITH(save(model, folder / "no/m.json"),
                    "cannot write '" + (folder / "no/m.json") + "': No such file or directory");
  CHECK_THROWS_WITH(save(model, folder.path), "cannot write '" + folder.path + "': Is a directory");
  CHECK_THROWS_WITH(save(model, "/dev/null"), "cannot write '/dev/null': it is not a regular file");
  CHECK_THROWS_WITH(save(model, ""), "cannot write '': No such file or directory");
  CHECK(folder.files() == 0);

  write(path, "{\"format\": \"emulsion model\", \"version\": 9}");
  CHECK_THROWS_WITH(load<GaussianMixture>(path),
                    path + ": it is of version 9 of the format; this library reads version 1");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  write(folder / "m.json.part", "another process writes here");
  save(model, path);
  CHECK(read(path) == format_model(model));
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(read(folder / "m.json.part") == "another process writes here");
  CHECK(folder.files() == 2);

  fs::create_symlink("m.json", folder / "link");  // what it points to is replaced, the link stays
  write(path, "old");
  save(model, folder / "link");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(read(path) == format_model(model));

  // A full disk: files may not grow beyond 100 bytes.
  write(path, "old");
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit tight{100, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &tight);
  std::string message;
  try {
    save(model, path);
  } catch (const InvalidArgument& error) { message = error.what(); }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(message == "cannot write '" + path + "': File too large");
  CHECK(read(path) == "old");
  CHECK(folder.files() == 3);
}

TEST_CASE("model files: what could not be read again is not written") {
  const GaussianMixture narrow(
      Vector2d(0.5, 0.5),
      {Gaussian::from_factor(Vector2d(0, 0), Eigen::Matrix2d(1e-300 * Eigen::Matrix2d::Identity())),
       Gaussian::from_factor(Vector2d(0, 0), Eigen::Matrix2d(1e300 * Eigen::Matrix2d::Identity()))});
  const Folder folder;
  CHECK_THROWS_WITH(
      save(narrow, folder / "m.json"),
      (folder / "m.json") + " cannot be saved: component 0: field 'precision_factor' holds inf, which is not finite");
  CHECK(folder.files() == 0);
}
