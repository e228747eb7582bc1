// tests/reference/bad_inputs.md, "finite is not right", and rows 14 to 20 and 36: the same clusters from the same data,
// however far away, large, small, or laid out in memory they are.
#include <limits>

#include "reliability/two_blobs.hpp"

using namespace emulsion;
using namespace reliability;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

GaussianMixtureOptions options_of(Covariance structure) {
  return {.components = 2, .covariance = structure, .restarts = 4, .seed = 3};
}

/// Fits x = scale * blobs + offset and compares with the fit of the blobs, mapped. `precision`: relative to the blobs.
void check_mapped(double scale, double offset, double precision, double distance = 8) {
  const MatrixXd blobs = two_blobs(distance);
  const MatrixXd x = ((blobs.array() + offset / scale) * scale).matrix();
  REQUIRE(x.allFinite());
  for (const Covariance structure : structures) {
    INFO("scale " << scale << ", offset " << offset << ", " << to_string(structure));
    const auto wanted = fit_gaussian_mixture(blobs, options_of(structure));
    REQUIRE(same_partition(wanted.model.classify(blobs), blob_labels()));
    const auto fit = fit_gaussian_mixture(x, options_of(structure));
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.report.events.empty());
    check_sound(fit, x);
    CHECK(same_partition(fit.model.classify(x), blob_labels()));
    // In nats, log |dy / dx| per dimension is all that differs.
    const double shift = 200 * 2 * std::log(scale);
    CHECK(std::abs(fit.report.objective + shift - wanted.report.objective) < 200 * precision + 1e-12 * std::abs(shift));
    for (Index k = 0; k < 2; ++k) {
      const Index other_k = counterpart(wanted.model, k, fit.model, scale, offset);
      const Gaussian& one = wanted.model[k];
      const Gaussian& other = fit.model[other_k];
      for (Index j = 0; j < 2; ++j) {
        CHECK(std::abs((other.mean()(j) - offset) / scale - one.mean()(j)) < 10 * precision);
        for (Index m = 0; m <= j; ++m) {
          CHECK(std::abs(other.factor()(j, m) / scale - one.factor()(j, m)) < 10 * precision);
        }
      }
      CHECK(std::abs(fit.model.weights()(other_k) - wanted.model.weights()(k)) < precision);
      const double square = scale * scale;
      if (!(square > 1e-290) || !(square < 1e290)) continue;
      CHECK((other.covariance() / square - one.covariance()).norm() < 10 * precision);
    }
  }
}

/// Labels, weights and means to the last bit.
template <class M>
void check_equal(const Fit<M>& fit, const Fit<GaussianMixture>& wanted) {
  CHECK(fit.report.objective == wanted.report.objective);
  CHECK(fit.report.iterations == wanted.report.iterations);
  REQUIRE(fit.model.size() == wanted.model.size());
  for (Index k = 0; k < wanted.model.size(); ++k) {
    CHECK(fit.model.weights()(k) == wanted.model.weights()(k));
    CHECK(fit.model[k].mean() == wanted.model[k].mean());
    CHECK(fit.model[k].factor() == wanted.model[k].factor());
  }
}

}  // namespace

TEST_CASE("row 14: scale 1e-8") { check_mapped(1e-8, 0, 1e-7); }
TEST_CASE("row 15: scale 1e100") { check_mapped(1e100, 0, 1e-7); }
TEST_CASE("row 16: squares overflow or underflow") {
  check_mapped(1e200, 0, 1e-7);
  check_mapped(1e-200, 0, 1e-7);
  check_mapped(1e-300, 0, 1e-7);
  check_mapped(1e306, 0, 1e-7);
}
TEST_CASE("row 16: values from end to end of the range of a double") { check_mapped(2e307, -8e307, 1e-7); }
TEST_CASE("row 17: offset 1e9, of either sign") {
  check_mapped(1, 1e9, 1e-5);
  check_mapped(1, -1e9, 1e-5);
  check_mapped(1e-3, 1e6, 1e-5);
  check_mapped(1e90, -1e99, 1e-5);
}
TEST_CASE("row 19: denormals") {
  check_mapped(1e-310, 0, 1e-7);
  // Half the observations are below the normal range, half above; and 8 standard deviations are 8000 denormals.
  check_mapped(1e-308, 0, 1e-7);
  check_mapped(1000 * std::numeric_limits<double>::denorm_min(), 0, 1e-1);
}

TEST_CASE("exact powers of two change no bit") {
  const MatrixXd blobs = two_blobs();
  for (const Covariance structure : structures) {
    const auto wanted = fit_gaussian_mixture(blobs, options_of(structure));
    for (const int power : {-1000, -30, 7, 500, 1000}) {
      INFO("2^" << power << ", " << to_string(structure));
      const double scale = std::ldexp(1.0, power);
      const MatrixXd x = blobs * scale;
      const auto fit = fit_gaussian_mixture(x, options_of(structure));
      for (Index k = 0; k < 2; ++k) {
        CHECK(fit.model.weights()(k) == Approx(wanted.model.weights()(k)).epsilon(1e-12));
        CHECK((fit.model[k].mean() / scale - wanted.model[k].mean()).norm() < 1e-9);
        CHECK((fit.model[k].factor() / scale - wanted.model[k].factor()).norm() < 1e-9);
      }
      CHECK(fit.model.classify(x) == wanted.model.classify(blobs));
    }
  }
}

TEST_CASE("row 18: dimensions of very different scale") {
  const MatrixXd blobs = two_blobs();
  for (const bool swapped : {false, true}) {
    const VectorXd scale = swapped ? Eigen::Vector2d(1e9, 1e-6) : Eigen::Vector2d(1e-6, 1e9);
    const MatrixXd x = scale.asDiagonal() * blobs;
    for (const Covariance structure : {Covariance::full, Covariance::diagonal, Covariance::tied}) {
      INFO(to_string(structure));
      const auto wanted = fit_gaussian_mixture(blobs, options_of(structure));
      const auto fit = fit_gaussian_mixture(x, options_of(structure));
      CHECK(fit.report.events.empty());
      check_sound(fit, x);
      CHECK(same_partition(fit.model.classify(x), blob_labels()));
      for (Index k = 0; k < 2; ++k) {
        const Gaussian& one = wanted.model[k];
        const Gaussian& other = fit.model[counterpart(wanted.model, k, fit.model, scale(0))];
        CHECK((other.mean().cwiseQuotient(scale) - one.mean()).norm() < 1e-6);
        const MatrixXd factor = scale.cwiseInverse().asDiagonal() * other.factor();
        CHECK((factor - one.factor()).norm() < 1e-6);
      }
    }
    // A sphere knows one scale only: the large dimension decides, and two standard deviations of it are overlap.
    const auto sphere = fit_gaussian_mixture(x, options_of(Covariance::spherical));
    check_sound(sphere, x);
    CHECK(adjusted_rand_index(sphere.model.classify(x), blob_labels()) > 0.9);
  }
}

TEST_CASE("row 18: with an offset as well") {
  MatrixXd x = two_blobs();
  x.row(0) = (x.row(0) * 1e-6).array() + 1;
  x.row(1) = (x.row(1) * 1e9).array() - 1e17;
  for (const Covariance structure : {Covariance::full, Covariance::diagonal, Covariance::tied}) {
    const auto fit = fit_gaussian_mixture(x, options_of(structure));
    check_sound(fit, x);
    CHECK(same_partition(fit.model.classify(x), blob_labels()));
  }
}

namespace {

/// One of the blobs' values becomes `value`: the fit says so and stays sound.
void check_outlier(double value, Index dimension, const GaussianMixtureOptions& options) {
  INFO(value << " in dimension " << dimension << ", " << to_string(options.covariance) << ", " << options.components
             << " components, " << options.restarts << " restarts");
  MatrixXd x = two_blobs();
  x(dimension, 17) = value;
  const auto fit = fit_gaussian_mixture(x, options);
  const Event* outlier = find(fit.report, EventKind::outlier, -1, dimension);
  REQUIRE(outlier);
  CHECK(outlier->value == 17);
  CHECK_THAT(outlier->text, ContainsSubstring("observation 17") && ContainsSubstring("noise component") &&
                                ContainsSubstring("Student-t"));
  CHECK(!find(fit.report, EventKind::outlier, -1, 1 - dimension));
  CHECK(fit.report.status != Status::failed);
  CHECK(fit.report.status != Status::objective_fell);
  check_sound(fit, x);
}

}  // namespace

TEST_CASE("row 20: one outlier of 1e15", "[long]") {
  for (const double value : {1e15, -1e15}) {
    for (const Index dimension : {0, 1}) {
      for (const Covariance structure : structures) check_outlier(value, dimension, options_of(structure));
    }
  }
}

TEST_CASE("row 20: one outlier of 1e15, from the default number of restarts") {
  for (const Index components : {1, 2, 3}) {
    for (const Covariance structure : structures) {
      check_outlier(1e15, 1, {.components = components, .covariance = structure});
    }
  }
}

TEST_CASE("row 20: one outlier beyond all digits of the others") {
  for (const double value : {1e30, 1e60, 1e100, 1e140}) {
    for (const Covariance structure : structures) check_outlier(value, 0, options_of(structure));
  }
}

TEST_CASE("row 20: one outlier whose square is beyond a double") {
  for (const double value : {1e160, 1e200, -1e300}) {
    for (const Covariance structure : structures) check_outlier(value, 0, options_of(structure));
  }
}

TEST_CASE("weights are relative: the same clusters, whatever their unit") {
  const MatrixXd x = two_blobs();
  const auto wanted = fit_gaussian_mixture(x, options_of(Covariance::full));
  for (const double unit : {1e-300, 1e-120, 1e-50, 1e50, 1e120, 1e300}) {
    INFO("unit " << unit);
    const VectorXd w = VectorXd::Constant(200, unit);
    const auto fit = fit_gaussian_mixture(weighted(x, w), options_of(Covariance::full));
    CHECK(same_partition(fit.model.classify(x), blob_labels()));
    for (Index k = 0; k < 2; ++k) {
      const Gaussian& one = wanted.model[counterpart(fit.model, k, wanted.model)];
      CHECK((fit.model[k].mean() - one.mean()).norm() < 1e-6);
      CHECK((fit.model[k].factor() - one.factor()).norm() < 1e-6);
    }
  }
}

TEST_CASE("an observation of weight zero leaves no trace, however wild") {
  const MatrixXd blobs = two_blobs();
  for (const double value : {1e15, 1e200, 1e308, -1e308}) {
    MatrixXd x(2, 201);
    x << blobs.leftCols(100), Eigen::Vector2d(value, -value), blobs.rightCols(100);
    VectorXd w = VectorXd::Ones(201);
    w(100) = 0;
    for (const Covariance structure : structures) {
      INFO(value << ", " << to_string(structure));
      const auto wanted = fit_gaussian_mixture(blobs, options_of(structure));
      const auto fit = fit_gaussian_mixture(weighted(x, w), options_of(structure));
      CHECK(fit.report.status == Status::converged);
      CHECK(fit.report.events.empty());
      CHECK(same_partition(fit.model.classify(blobs), blob_labels()));
      CHECK(fit.report.objective == Approx(wanted.report.objective).epsilon(1e-9));
      CHECK(fit.model.log_likelihood(weighted(x, w)) == Approx(wanted.report.objective).epsilon(1e-9));
    }
  }
}

TEST_CASE("row 36: layouts in memory") {
  const MatrixXd x = two_blobs();
  const auto options = options_of(Covariance::full);
  const auto wanted = fit_gaussian_mixture(x, options);
  const Labels labels = wanted.model.classify(x);
  const VectorXd density = wanted.model.log_density(x);
  const auto check_view = [&](const auto& data) {
    check_equal(fit_gaussian_mixture(data, options), wanted);
    check_equal(em(wanted.model, data, {.max_iterations = 3}), em(wanted.model, x, {.max_iterations = 3}));
    CHECK(wanted.model.classify(data) == labels);
    CHECK(wanted.model.log_density(data) == density);
    CHECK(wanted.model.log_likelihood(data) == wanted.model.log_likelihood(x));
    CHECK(wanted.model.responsibilities(data) == wanted.model.responsibilities(x));
  };

  SECTION("plain and fixed sizes") {
    check_view(x);
    check_view(Eigen::Matrix<double, 2, Eigen::Dynamic>(x));
    check_view(Eigen::Matrix<double, 2, 200>(x));
  }
  SECTION("row-major") {
    const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> other = x;
    check_view(other);
    check_view(rows(Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>(x.transpose())));
  }
  SECTION("transposed") {
    const MatrixXd across = x.transpose();
    check_view(across.transpose());
    check_view(rows(across));
    check_view(rows(across).slice(0, 200));
    check_view(columns(x));
  }
  SECTION("Map, with and without strides") {
    check_view(Eigen::Map<const MatrixXd>(x.data(), 2, 200));
    VectorXd memory = VectorXd::Constant(2 * 3 * 200 + 7, -1e300);
    Eigen::Map<MatrixXd, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>> apart(
        memory.data() + 1, 2, 200, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>(6, 2));
    apart = x;
    check_view(apart);
    // Backwards in memory.
    const MatrixXd mirrored = x.rowwise().reverse();
    check_view(mirrored.rowwise().reverse());
  }
  SECTION("Block, Ref and columns of a larger matrix") {
    MatrixXd large = MatrixXd::Constant(5, 300, 1e300);
    large.block(2, 40, 2, 200) = x;
    check_view(large.block(2, 40, 2, 200));
    check_view(large.middleRows(2, 2).middleCols(40, 200));
    check_view(columns(large.middleRows(2, 2)).slice(40, 200));
    const Eigen::Ref<const MatrixXd> ref = large.block(2, 40, 2, 200);
    check_view(ref);
    const Eigen::Ref<const MatrixXd, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>> strided = ref;
    check_view(strided);
  }
  SECTION("expressions and temporaries") {
    check_view(x * 1.0);
    check_view(x + MatrixXd::Zero(2, 200));
    check_view(MatrixXd::Identity(2, 2) * x);
    check_view((x.array() * 2).matrix() / 2);
    check_view(MatrixXd(x));
    check_view(columns(MatrixXd(x)));
    check_view(rows(MatrixXd(x.transpose())));
    const MatrixXd first = x.leftCols(100);
    check_view((MatrixXd(2, 200) << first, x.rightCols(100)).finished());
  }
  SECTION("weights of one") {
    const VectorXd w = VectorXd::Ones(200);
    check_view(weighted(x, w));
    check_view(weighted(rows(MatrixXd(x.transpose())), w));
  }
  SECTION("float values are exact as doubles") {
    const Eigen::MatrixXf narrow = x.cast<float>();
    const MatrixXd wide = narrow.cast<double>();
    const auto fit = fit_gaussian_mixture(narrow, options);
    CHECK(same_partition(fit.model.classify(narrow), labels));
    CHECK(std::abs(fit.report.objective - fit_gaussian_mixture(wide, options).report.objective) < 200 * 1e-5);
  }
}

TEST_CASE("row 36: float data with an offset match a double fit of the same numbers") {
  for (const double offset : {0.0, 1e4, -1e4}) {
    const Eigen::MatrixXf narrow = (two_blobs().array() + offset).matrix().cast<float>();
    const MatrixXd wide = narrow.cast<double>();
    for (const Covariance structure : structures) {
      INFO("offset " << offset << ", " << to_string(structure));
      const auto fit = fit_gaussian_mixture(narrow, options_of(structure));
      const auto wanted = fit_gaussian_mixture(wide, options_of(structure));
      CHECK(same_partition(fit.model.classify(narrow), blob_labels()));
      CHECK(std::abs(fit.report.objective - wanted.report.objective) < 200 * 1e-5);
      CHECK(std::abs(fit.model.log_likelihood(narrow) - wanted.model.log_likelihood(wide)) < 200 * 1e-5);
      check_sound(fit, narrow);
      for (Index k = 0; k < 2; ++k) {
        const Gaussian& one = wanted.model[counterpart(fit.model, k, wanted.model)];
        CHECK((fit.model[k].mean() - one.mean()).norm() < 1e-3);
        CHECK((fit.model[k].factor() - one.factor()).norm() < 1e-3);
      }
    }
  }
}

TEST_CASE("row 36: float data of every scale") {
  for (const float scale : {1e-40F, 1e-30F, 1e-8F, 1e20F, 1e37F}) {
    const Eigen::MatrixXf x = two_blobs().cast<float>() * scale;
    for (const Covariance structure : structures) {
      INFO("scale " << scale << ", " << to_string(structure));
      const auto fit = fit_gaussian_mixture(x, options_of(structure));
      CHECK(same_partition(fit.model.classify(x), blob_labels()));
      check_sound(fit, x);
    }
  }
}
