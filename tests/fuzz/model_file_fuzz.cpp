// libFuzzer target: any bytes are a model that can be used and saved, or one InvalidArgument.
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I include -I /usr/include/eigen3 \
//     tests/fuzz/model_file_fuzz.cpp -o model_file_fuzz && ./model_file_fuzz -max_total_time=60
//     tests/fuzz/corpus/model_file
// The first byte chooses the model and whether the checksum is put right, so that what lies behind it is reached; the
// rest is the text.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "emulsion/data/model_file.hpp"
#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/distributions/poisson.hpp"

namespace {

using namespace emulsion;

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

/// The text with the checksum that its values have; as it is where it is no JSON object.
std::string sealed(std::string_view text) {
  try {
    nlohmann::json file = parse_json(text);
    if (!file.is_object()) return std::string(text);
    file["checksum"] = model_checksum(file);
    return file.dump();
  } catch (const InvalidArgument&) { return std::string(text); }
}

void check_finite(const Eigen::MatrixXd& x) { check(x.allFinite(), "parameters are finite"); }
template <class Scalar, int Dim>
void check_parameters(const BasicGaussian<Scalar, Dim>& g) {
  check_finite(g.mean());
  check_finite(g.factor());
}
template <class Scalar, int Dim>
void check_parameters(const BasicPoisson<Scalar, Dim>& p) {
  check_finite(p.rates());
}
template <class Scalar, int Dim>
void check_parameters(const BasicCategorical<Scalar, Dim>& c) {
  for (Index j = 0; j < c.dimension(); ++j) check_finite(c.probabilities(j));
}

/// Observations that the family can have produced.
template <class Scalar, int Dim>
Eigen::VectorXd somewhere(const BasicGaussian<Scalar, Dim>& g, double at) {
  const Eigen::VectorXd x = g.mean() + at * g.factor().diagonal();
  const double largest = static_cast<double>(std::numeric_limits<Scalar>::max());
  return x.cwiseMin(largest).cwiseMax(-largest);
}
template <class Scalar, int Dim>
Eigen::VectorXd somewhere(const BasicPoisson<Scalar, Dim>& p, double at) {
  return Eigen::VectorXd::Constant(p.dimension(), std::floor(10 * std::abs(at)));
}
template <class Scalar, int Dim>
Eigen::VectorXd somewhere(const BasicCategorical<Scalar, Dim>& c, double) {
  return Eigen::VectorXd::Zero(c.dimension());
}

template <class Model>
void check_model(std::string_view text) {
  const auto model = parse_model<Model>(text);
  check(static_cast<std::size_t>(model.size() * model.dimension()) <= text.size(), "no more numbers than the text has");
  check_finite(model.weights());
  Eigen::Matrix<typename Model::Scalar, Eigen::Dynamic, Eigen::Dynamic> x(model.dimension(), 3 * model.size());
  for (Index k = 0; k < model.size(); ++k) {
    check_parameters(model[k]);
    for (Index i = 0; i < 3; ++i) {
      x.col(3 * k + i) = somewhere(model[k], 1.5 * static_cast<double>(i - 1)).template cast<typename Model::Scalar>();
    }
  }
  const Eigen::MatrixXd r = model.responsibilities(x);
  for (Index i = 0; i < r.rows(); ++i) check(std::abs(r.row(i).sum() - 1) < 1e-9, "responsibilities sum to one");

  const std::string again = format_model(model);
  const auto reloaded = parse_model<Model>(again);
  check(format_model(reloaded) == again, "a model saved, loaded and saved again has the same text");
  check(reloaded.responsibilities(x) == r, "a reloaded model has the same responsibilities");
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

/// Every other time another number in place of one in the text: bytes alone seldom make valid ones.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  constexpr std::string_view numbers[] = {"0",
                                          "-0.0",
                                          "1",
                                          "-1",
                                          "0.5",
                                          "2",
                                          "3",
                                          "1e300",
                                          "-1e300",
                                          "1e155",
                                          "5e-324",
                                          "1e-300",
                                          "1e-155",
                                          "1e308",
                                          "-1e308",
                                          "1e999",
                                          "1.0000001",
                                          "1e12",
                                          "1000000000000",
                                          "0x1",
                                          "1e-9",
                                          "null",
                                          "4.49423283715579e+307"};
  const std::string_view digits = "-+.0123456789e";
  const std::string text(reinterpret_cast<const char*>(data), size);
  Rng rng(seed);
  const std::size_t start = text.find_first_of("-0123456789", rng.below(std::max<std::uint64_t>(1, size)));
  if (seed % 2 == 0 || size == 0 || start == text.npos) return LLVMFuzzerMutate(data, size, most);
  const std::size_t end = std::min(text.find_first_not_of(digits, start), size);
  const std::string changed =
      text.substr(0, start) + std::string(numbers[rng.below(std::size(numbers))]) + text.substr(end);
  if (changed.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::copy(changed.begin(), changed.end(), data);
  return changed.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view given(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string text = (data[0] & 8) ? sealed(given) : std::string(given);
  try {
    switch (data[0] & 7) {
      case 0: check_model<MixtureOf<BasicGaussian<float>>>(text); break;
      case 1: check_model<MixtureOf<BasicGaussian<double, 2>>>(text); break;
      case 2: check_model<MixtureOf<Poisson>>(text); break;
      case 3: check_model<MixtureOf<Categorical>>(text); break;
      default: check_model<MixtureOf<Gaussian>>(text);
    }
  } catch (const InvalidArgument& error) {
    const std::string_view message = error.what();
    if (!message.starts_with("model text: ")) std::fprintf(stderr, "%s\n", error.what());
    check(message.starts_with("model text: ") && message.size() < 500, "a message is one short sentence");
    for (const char c : message) check(c < 0 || c >= ' ', "a message is one line");
  }
  return 0;
}
