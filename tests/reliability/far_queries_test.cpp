// tests/reference/bad_inputs.md, row 31: however far a query is, its responsibilities sum to one and it goes to the
// nearest component.
#include <limits>
#include <sstream>
#include <utility>

#include "reliability/two_blobs.hpp"

using namespace emulsion;
using namespace reliability;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

constexpr double largest = std::numeric_limits<double>::max();
constexpr double denormal = std::numeric_limits<double>::denorm_min();

/// Two blobs, the first wide along the first dimension, the second along the second.
MatrixXd crossed_blobs() {
  MatrixXd x = two_blobs(40);
  for (Index i = 0; i < 100; ++i) x(0, i) *= 3;
  for (Index i = 100; i < 200; ++i) x(1, i) = 3 * (x(1, i) - 32) + 32;
  return x;
}

/// Every point with coordinates from `values`.
MatrixXd grid(const std::vector<double>& values) {
  const auto size = static_cast<Index>(values.size());
  MatrixXd q(2, size * size);
  for (Index i = 0; i < q.cols(); ++i) {
    q(0, i) = values[static_cast<std::size_t>(i / size)];
    q(1, i) = values[static_cast<std::size_t>(i % size)];
  }
  return q;
}

const std::vector<double>& far_values() {
  static const std::vector<double> values = {0,      1e3,    -1e3,    1e30,     -1e30,    1e153,
                                             -1e155, 1e200,  -1e200,  1e300,    1e308,    -1e308,
                                             1e-30,  1e-300, largest, -largest, denormal, -denormal};
  return values;
}

/// |L^-1 (x - m)|^2 with the range of a long double: no query overflows it.
template <class C>
long double square_distance_of(const C& c, const MatrixXd& q, Index i) {
  const VectorXd mean = c.mean();
  const MatrixXd l = c.factor();
  std::vector<long double> z(static_cast<std::size_t>(mean.size()));
  long double square = 0;
  for (Index j = 0; j < mean.size(); ++j) {
    long double value = static_cast<long double>(q(j, i)) - static_cast<long double>(mean(j));
    for (Index m = 0; m < j; ++m) value -= static_cast<long double>(l(j, m)) * z[static_cast<std::size_t>(m)];
    value /= static_cast<long double>(l(j, j));
    z[static_cast<std::size_t>(j)] = value;
    square += value * value;
  }
  return square;
}

/// Checks every query; returns how many have a nearest component that a double can tell from the other.
template <class M>
Index check_queries(const M& model, const MatrixXd& q) {
  const Eigen::Matrix<typename M::Scalar, Eigen::Dynamic, Eigen::Dynamic> x = q.cast<typename M::Scalar>();
  const MatrixXd r = model.responsibilities(x);
  const VectorXd density = model.log_density(x);
  const Labels labels = model.classify(x);
  Index decided = 0, wrong = 0, unlike = 0;
  for (Index i = 0; i < x.cols(); ++i) {  // one point at a time says the same
    unlike += model.classify_at(x.col(i)) == labels(i) ? 0 : 1;
    const double at = model.log_density_at(x.col(i));
    unlike += at == density(i) || std::abs(at - density(i)) <= 1e-12 * std::abs(density(i)) ? 0 : 1;
  }
  CHECK(unlike == 0);
  std::ostringstream first_wrong;
  for (Index i = 0; i < q.cols(); ++i) {
    INFO("query " << q(0, i) << ", " << q(1, i));
    REQUIRE(are_probabilities(r.row(i)));
    CHECK(!std::isnan(density(i)));
    CHECK(density(i) < std::numeric_limits<double>::infinity());
    REQUIRE((labels(i) >= 0 && labels(i) < model.size()));
    CHECK(r(i, labels(i)) == r.row(i).maxCoeff());
    if (model.size() != 2) continue;
    const long double first = square_distance_of(model[0], q, i), second = square_distance_of(model[1], q, i);
    const long double apart = std::abs(first - second);
    if (!(apart > 1e-6L * std::max(first, second)) || apart < 1000) continue;
    const Index nearest = first < second ? 0 : 1;
    if (labels(i) != nearest || r(i, nearest) != 1) {
      if (wrong++ == 0) first_wrong << "first of them: " << q(0, i) << ", " << q(1, i);
    }
    ++decided;
  }
  INFO("queries that do not go to the nearest component, " << first_wrong.str());
  CHECK(wrong == 0);
  CHECK(!std::isnan(model.log_likelihood(x)));
  return decided;
}

}  // namespace

TEST_CASE("row 31: far queries of every structure") {
  const MatrixXd x = crossed_blobs(), q = grid(far_values());
  for (const Covariance structure : structures) {
    INFO(to_string(structure));
    const auto fit = fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .restarts = 4});
    REQUIRE(same_partition(fit.model.classify(x), blob_labels()));
    const Index decided = check_queries(fit.model, q);
    if (structure != Covariance::tied) CHECK(decided > 200);
    // A denormal is zero to a model of order one.
    const MatrixXd zero = MatrixXd::Zero(2, 1), tiny = MatrixXd::Constant(2, 1, denormal);
    CHECK(fit.model.log_density(tiny)(0) == fit.model.log_density(zero)(0));
  }
}

TEST_CASE("row 31: far queries of models of every scale") {
  const MatrixXd q = grid(far_values());
  for (const double scale : {1e-310, 1e-300, 1e-200, 1e-100, 1e-8, 1e8, 1e100, 1e200, 1e306}) {
    const MatrixXd x = crossed_blobs() * scale;
    for (const Covariance structure : structures) {
      INFO("data of scale " << scale << ", " << to_string(structure));
      const auto fit = fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .restarts = 2});
      REQUIRE(same_partition(fit.model.classify(x), blob_labels()));
      const Index decided = check_queries(fit.model, q);
      if (scale < 1e100 && structure != Covariance::tied) CHECK(decided > 100);
    }
  }
}

TEST_CASE("row 31: far queries of models far away") {
  for (const double offset : {1e9, -1e12}) {
    const MatrixXd x = crossed_blobs().array() + offset;
    const auto fit = fit_gaussian_mixture(x, {.components = 2, .restarts = 2});
    CHECK(check_queries(fit.model, grid(far_values())) > 200);
  }
}

TEST_CASE("row 31: far queries of models of very different scales, and of correlated ones") {
  MatrixXd x = crossed_blobs();
  x.row(0) *= 1e-6;
  x.row(1) *= 1e9;
  CHECK(check_queries(fit_gaussian_mixture(x, {.components = 2, .restarts = 2}).model, grid(far_values())) > 100);
  MatrixXd a(2, 2), b(2, 2);
  a << 1, 0, 0.999, 0.01;
  b << 1, 0, -0.999, 0.01;
  for (const double scale : {1e-150, 1e-4, 1.0, 1e4, 1e150}) {
    const GaussianMixture model(Eigen::Vector2d(0.25, 0.75), {Gaussian::from_factor(Eigen::Vector2d(0, 0), a * scale),
                                                              Gaussian::from_factor(Eigen::Vector2d(0, 0), b * scale)});
    INFO("scale " << scale);
    CHECK(check_queries(model, grid(far_values())) > 20);
  }
}

TEST_CASE("row 31: a model of one component, and one of several dimensions") {
  const GaussianMixture one(VectorXd::Ones(1), {Gaussian(2)});
  check_queries(one, grid(far_values()));
  CHECK((one.responsibilities(grid(far_values())).array() == 1).all());

  std::vector<Gaussian> all;
  for (Index k = 0; k < 3; ++k) {
    MatrixXd s = MatrixXd::Identity(5, 5);
    s(k, k) = 100;
    all.emplace_back(VectorXd::Zero(5), s);
  }
  const GaussianMixture model(VectorXd::Constant(3, 1.0 / 3), all);
  for (const double far : {1e160, -1e200, 1e308, -1e308}) {
    for (Index k = 0; k < 3; ++k) {
      MatrixXd q = MatrixXd::Zero(5, 1);
      q(k, 0) = far;
      INFO("dimension " << k << " at " << far);
      CHECK(model.classify(q)(0) == k);
      CHECK(model.responsibilities(q)(0, k) == 1);
    }
  }
}

TEST_CASE("row 31: a component of weight zero takes no query, however near") {
  const auto at = [](double m) {
    return Gaussian(VectorXd::Constant(1, m), MatrixXd::Identity(1, 1) * (m > 0 ? 9 : 1));
  };
  const GaussianMixture model(Eigen::Vector2d(1, 0), {at(-1), at(1)});
  MatrixXd q(1, 5);
  q << 1, 1e10, 1e200, 1e308, -1e308;
  const MatrixXd r = model.responsibilities(q);
  CHECK((r.col(0).array() == 1).all());
  CHECK((r.col(1).array() == 0).all());
  CHECK((model.classify(q).array() == 0).all());
}

TEST_CASE("row 31: far queries of float data") {
  const Eigen::MatrixXf x = crossed_blobs().cast<float>();
  const double most = std::numeric_limits<float>::max();
  const double least = std::numeric_limits<float>::denorm_min();
  const MatrixXd q = grid({0, 1e3, -1e3, 1e10, -1e19, 1e20, 1e38, -1e38, most, -most, least, -least});
  for (const Covariance structure : structures) {
    INFO(to_string(structure));
    const auto fit = fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .restarts = 2});
    const MatrixXd rounded = q.cast<float>().cast<double>();
    const Index decided = check_queries(fit.model, rounded);
    if (structure != Covariance::tied) CHECK(decided > 50);
  }
}

TEST_CASE("row 31: a far query does not disturb its neighbours in the block") {
  const MatrixXd x = crossed_blobs();
  for (const Covariance structure : structures) {
    INFO(to_string(structure));
    const auto fit = fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .restarts = 2});
    MatrixXd spoilt = x;
    for (Index i = 0; i < 200; i += 3) spoilt.col(i) << 1e308, -1e308;
    const MatrixXd clean = fit.model.responsibilities(x), r = fit.model.responsibilities(spoilt);
    const VectorXd density = fit.model.log_density(x), spoilt_density = fit.model.log_density(spoilt);
    for (Index i = 0; i < 200; ++i) {
      if (i % 3 == 0) continue;
      CHECK((r.row(i).array() == clean.row(i).array()).all());
      CHECK(spoilt_density(i) == density(i));
    }
  }
}
