#include "emulsion/experts/linear.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "catch.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/experts/lasso.hpp"
#include "emulsion/mixture_of_experts.hpp"

using namespace emulsion;

namespace {

Eigen::MatrixXd draws(Index rows, Index columns, Rng& rng) {
  Eigen::MatrixXd result(rows, columns);
  for (Index i = 0; i < result.size(); ++i) result.data()[i] = rng.normal();
  return result;
}

/// Moments of (x, y - line (1, x)), straight from the definition.
RegressionStatistics collected(const Eigen::MatrixXd& x, const Eigen::MatrixXd& y, const Eigen::MatrixXd& line,
                               const Eigen::VectorXd& w) {
  RegressionStatistics s(x.rows(), y.rows());
  s.line = line;
  Eigen::MatrixXd z(x.rows() + y.rows(), x.cols());
  z << x, y - line.rightCols(x.rows()) * x;
  z.bottomRows(y.rows()).colwise() -= line.col(0);
  s.moments.weight = w.sum();
  s.moments.mean = z * w / w.sum();
  z.colwise() -= s.moments.mean;
  const Eigen::MatrixXd scatter = z * w.asDiagonal() * z.transpose();
  for (Index j = 0, at = 0; j < z.rows(); ++j) {
    for (Index i = j; i < z.rows(); ++i) s.moments.scatter(at++) = scatter(i, j);
  }
  return s;
}

double distance(const RegressionStatistics& a, const RegressionStatistics& b) {
  return std::abs(a.weight() - b.weight()) + (a.moments.mean - b.moments.mean).norm() +
         (a.moments.scatter - b.moments.scatter).norm() + (a.line - b.line).norm();
}

/// Intercept, slope and mean squared residual of least squares on one covariate, in long double.
std::array<long double, 3> least_squares_of(const Eigen::MatrixXd& x, const Eigen::MatrixXd& y) {
  const auto n = static_cast<long double>(x.cols());
  long double mean_x = 0, mean_y = 0, xx = 0, xy = 0, square = 0;
  for (Index i = 0; i < x.cols(); ++i) mean_x += x(0, i) / n, mean_y += y(0, i) / n;
  for (Index i = 0; i < x.cols(); ++i) {
    xx += (x(0, i) - mean_x) * (x(0, i) - mean_x);
    xy += (x(0, i) - mean_x) * (y(0, i) - mean_y);
  }
  const long double slope = xy / xx;
  for (Index i = 0; i < x.cols(); ++i) {
    const long double e = y(0, i) - mean_y - slope * (x(0, i) - mean_x);
    square += e * e / n;
  }
  return {mean_y - slope * mean_x, slope, square};
}

/// Two lines, and one response far from both.
struct WithOutlier {
  Eigen::MatrixXd x, y;
  WithOutlier(std::uint64_t seed, double far) : x(1, 60), y(1, 60) {
    Rng rng(seed);
    for (Index i = 0; i < 60; ++i) {
      x(0, i) = rng.normal();
      y(0, i) = (i % 2 == 0 ? -3 - x(0, i) : 1 + 2 * x(0, i)) + 0.3 * rng.normal();
    }
    y(0, 7) = far;
  }
};

}  // namespace

TEST_CASE("Regression statistics about different lines merge", "[experts]") {
  for (const Index p : {0, 1, 3}) {
    for (const Index q : {1, 2, 4}) {
      CAPTURE(p, q);
      Rng rng(static_cast<std::uint64_t>(10 * p + q));
      const Eigen::MatrixXd x = draws(p, 40, rng), y = draws(q, 40, rng);
      const Eigen::MatrixXd one = draws(q, 1 + p, rng), other = draws(q, 1 + p, rng);
      const Eigen::VectorXd w = draws(40, 1, rng).cwiseAbs();
      RegressionStatistics moved = collected(x, y, one, w);
      moved.move_to(other);
      CHECK(distance(moved, collected(x, y, other, w)) < 1e-11);
      moved.move_to(one);
      CHECK(distance(moved, collected(x, y, one, w)) < 1e-11);
      RegressionStatistics sum = collected(x.leftCols(15), y.leftCols(15), one, w.head(15));
      sum += collected(x.rightCols(25), y.rightCols(25), other, w.tail(25));
      CHECK(distance(sum, collected(x, y, other, w)) < 1e-11);
      sum += RegressionStatistics(p, q);
      CHECK(distance(sum, collected(x, y, other, w)) < 1e-11);
      sum *= 0;
      CHECK(distance(sum, RegressionStatistics(p, q)) == 0);
      sum += collected(x, y, one, w);
      CHECK(distance(sum, collected(x, y, one, w)) < 1e-11);
    }
  }
}

TEST_CASE("What a linear expert collects does not depend on its line", "[experts]") {
  Rng rng(3);
  const Eigen::MatrixXd x = draws(2, 700, rng), y = draws(3, 700, rng);
  const Eigen::VectorXd w = draws(700, 1, rng).cwiseAbs();
  const LinearExpert prototype(2, 3);
  const Eigen::VectorXd intercept = draws(3, 1, rng);
  const Eigen::MatrixXd slopes = draws(3, 2, rng);
  const LinearExpert line(intercept, slopes, Eigen::MatrixXd::Identity(3, 3));
  const Regression data(x, y);
  auto packed = line.packed(700);
  line.read(data, packed);
  const Eigen::VectorXd before = packed.x;
  RegressionStatistics about_line = line.statistics(), about_zero = line.statistics();
  line.accumulate(packed, w, about_line);
  CHECK(packed.x == before);  // the responses are back
  prototype.accumulate(packed, w, about_zero);
  CHECK(about_line.line.col(0) == intercept);
  CHECK(about_line.line.rightCols(2) == slopes);
  about_line.move_to(about_zero.line);
  CHECK(distance(about_line, about_zero) < 1e-10);
  CHECK(distance(about_zero, collected(x, y, Eigen::MatrixXd::Zero(3, 3), w)) < 1e-10);
}

TEST_CASE("Noise that is tiny beside what a line explains is estimated to many digits", "[experts]") {
  for (const double noise : {1e-3, 1e-6, 1e-8}) {
    CAPTURE(noise);
    Rng rng(5);
    const Eigen::MatrixXd x = draws(1, 400, rng), errors = draws(1, 400, rng);
    const Eigen::MatrixXd y = (1 + 2 * x.array() + noise * errors.array()).matrix();
    const auto [intercept, slope, square] = least_squares_of(x, y);
    const double digits = 1e-10 + 1e-15 / noise;  // the frame rounds responses; tolerance: what rounding leaves of it
    const double floor = 1e-20;
    const auto check = [&, slope = slope, square = square](const auto& fit) {
      CHECK(fit.report.status == Status::converged);
      const double deviation = fit.model[0].scale(Points<>(x.leftCols(1)))(0, 0);
      CHECK(deviation / std::sqrt(static_cast<double>(square)) == Approx(1).epsilon(digits));
      const Eigen::MatrixXd ends = (Eigen::MatrixXd(1, 2) << 0, 1).finished();
      const Eigen::MatrixXd mean = fit.model[0].mean(Points<>(ends));
      CHECK(mean(0, 1) - mean(0, 0) == Approx(static_cast<double>(slope)).epsilon(1e-13));
    };
    const LinearExpert line(1, 1, Covariance::full, floor);
    check(fit_experts(ConstantGate(1), line, Regression(x, y), {.tolerance = 1e-7}));
    check(fit_experts(ConstantGate(1), LassoExpert(1, {}, floor), Regression(x, y), {.tolerance = 1e-7}));
    const ElasticNet little{1e-6};  // the slope moves by 1e-9 of its own error
    check(fit_experts(ConstantGate(1), LassoExpert(1, little, floor), Regression(x, y), {.tolerance = 1e-7}));
  }
}

TEST_CASE("Two lines with tiny noise are told apart", "[experts]") {
  for (const double noise : {1e-4, 1e-6, 1e-8}) {
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      CAPTURE(noise, seed);
      Rng rng(6);
      Eigen::MatrixXd x = draws(1, 300, rng), y(1, 300);
      for (Index i = 0; i < 300; ++i) y(0, i) = (i % 3 == 0 ? -3 - x(0, i) : 1 + 2 * x(0, i)) + noise * rng.normal();
      const LinearExpert line(1, 1, Covariance::full, 1e-18);
      const auto fit = fit_experts(ConstantGate(2), line, Regression(x, y), {.seed = seed});
      CHECK(fit.report.status == Status::converged);
      CHECK(fit.report.events.empty());
      for (Index k = 0; k < 2; ++k) {
        const bool falling = fit.model[k].slopes()(0, 0) < 0;
        CHECK(fit.model.weights()(k) == Approx(falling ? 1 / 3.0 : 2 / 3.0).epsilon(1e-12));
        CHECK(fit.model[k].deviations()(0) / noise == Approx(1).epsilon(0.15));
        CHECK(fit.model[k].slopes()(0, 0) == Approx(falling ? -1 : 2).epsilon(noise));
        CHECK(fit.model[k].intercept()(0) == Approx(falling ? -3 : 1).epsilon(noise));
      }
    }
  }
}

TEMPLATE_TEST_CASE("A response far from all others ends no fit", "[experts]", LinearExpert, LassoExpert) {
  for (const double far : {1e4, 1e6, 1e9, 1e12, 1e15}) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      CAPTURE(far, seed);
      const WithOutlier data(seed, far);
      const auto fit = fit_experts(ConstantGate(2), TestType(1), Regression(data.x, data.y), {.seed = seed});
      CHECK(fit.report.status == Status::converged);
      CHECK(std::isfinite(fit.report.objective));
      for (std::size_t i = 1; i < fit.report.trace.size(); ++i) {
        CHECK(fit.report.trace[i] >= fit.report.trace[i - 1] - 1e-7);
      }
      // An expert that is said to have collapsed if nothing but the far response holds it.
      const bool collapsed = std::any_of(fit.report.events.begin(), fit.report.events.end(),
                                         [](const Event& event) { return event.kind == EventKind::floor_active; });
      CHECK((collapsed || far < 1e5));
    }
  }
}
