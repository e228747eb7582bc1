// What mixtures of experts make of bad input: one sentence before any work, or a finite model and a report that says
// what is unusual.
#include <algorithm>

#include "catch.hpp"
#include "emulsion/mixture_of_experts.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

struct Lines {
  MatrixXd x{2, 120}, y{1, 120};
  Lines() {
    Rng rng(3);
    for (Index i = 0; i < 120; ++i) {
      x.col(i) << rng.normal(), rng.normal();
      y(0, i) = (x(0, i) + 0.4 * rng.normal() > 0 ? 4 + x(1, i) : -4 - x(1, i)) + 0.5 * rng.normal();
    }
  }
};
const FitOptions quick{.restarts = 12};

Fit<MixtureOfExperts<SoftmaxGate, LinearExpert>> fit(const Regression& data, const FitOptions& options = quick) {
  return fit_experts(SoftmaxGate(2, data.z().dimension()), LinearExpert(data.x().dimension(), data.y().dimension()),
                     data, options);
}
bool says(const Report& report, EventKind kind) {
  return std::any_of(report.events.begin(), report.events.end(), [&](const Event& e) { return e.kind == kind; });
}
template <class Model>
void check_finite(const Fit<Model>& fit, const Regression& data) {
  CHECK(std::isfinite(fit.report.objective));
  CHECK(fit.report.status != Status::failed);
  CHECK(fit.model.responsibilities(data).allFinite());
  const auto at = predict(fit.model, data.covariates());
  CHECK(at.mean().allFinite());
  CHECK(at.variance(Noise::included).allFinite());
}

}  // namespace

TEST_CASE("shapes that disagree are named with both") {
  const Lines lines;
  CHECK_THROWS_WITH(
      Regression(lines.x, MatrixXd(lines.y.leftCols(100))),
      ContainsSubstring("expected one response for each of 120 observations, got 100 (x is 2 x 120, y is 1 x 100"));
  CHECK_THROWS_WITH(Regression(lines.x, MatrixXd(lines.y.transpose())), ContainsSubstring("pass y.transpose()"));
  CHECK_THROWS_WITH(Regression(lines.x, lines.y, MatrixXd(lines.x.leftCols(7))),
                    ContainsSubstring("expected gate covariates for each of 120 observations, got 7"));
  const Regression data(lines.x, lines.y);
  CHECK_THROWS_WITH(fit_experts(SoftmaxGate(2, 2), LinearExpert(3), data),
                    ContainsSubstring("expected 3 covariates, got 2 (x is 2 x 120"));
  CHECK_THROWS_WITH(fit_experts(SoftmaxGate(2, 2), LinearExpert(2, 2), data),
                    ContainsSubstring("expected 2 responses, got 1 (y is 1 x 120"));
  CHECK_THROWS_WITH(fit_experts(GaussianGate(2, 1), LinearExpert(2), data),
                    ContainsSubstring("expected 1 gate covariates, got 2"));
  CHECK_THROWS_WITH(fit_experts(SoftmaxGate(3, 2), LinearExpert(2), data.slice(0, 2)),
                    ContainsSubstring("3 components need at least as many observations, got 2"));
  CHECK_THROWS_WITH(predict(fit(data).model, MatrixXd(MatrixXd::Zero(3, 5))), ContainsSubstring("got 3"));
}

TEST_CASE("NaN in y, x or z alone is named with its place; weights are checked") {
  Lines lines;
  lines.y(0, 17) = std::nan("");
  CHECK_THROWS_WITH(fit(Regression(lines.x, lines.y)), ContainsSubstring("response 0 of observation 17 is nan"));
  lines = Lines();
  lines.x(1, 5) = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(fit(Regression(lines.x, lines.y)), ContainsSubstring("covariate 1 of observation 5 is inf"));
  lines = Lines();
  MatrixXd z = lines.x;
  z(0, 3) = std::nan("");
  CHECK_THROWS_WITH(fit(Regression(lines.x, lines.y, z)),
                    ContainsSubstring("gate covariate 0 of observation 3 is nan"));
  VectorXd w = VectorXd::Ones(120);
  w(4) = -1;
  CHECK_THROWS_WITH(weighted(Regression(lines.x, lines.y), w), ContainsSubstring("weight 4 is -1"));
  w.setZero();
  CHECK_THROWS_WITH(weighted(Regression(lines.x, lines.y), w), ContainsSubstring("must be positive"));
  CHECK_THROWS_WITH(weighted(Regression(lines.x, lines.y), w.head(3)), ContainsSubstring("got 3 weights"));
}

TEST_CASE("a constant response, a constant covariate, collinear covariates") {
  Lines lines;
  const MatrixXd constant = MatrixXd::Constant(1, 120, 7.5);
  const Regression flat(lines.x, constant);
  const auto of_flat = fit(flat);
  check_finite(of_flat, flat);
  CHECK(says(of_flat.report, EventKind::constant));
  CHECK(predict(of_flat.model, lines.x).mean()(0, 9) == Approx(7.5));

  lines.x.row(1).setConstant(3);
  const Regression one(lines.x, lines.y);
  const auto of_one = fit(one);
  check_finite(of_one, one);
  CHECK(says(of_one.report, EventKind::constant));

  lines = Lines();
  MatrixXd three(3, 120);
  three << lines.x, 2 * lines.x.row(0) - 3 * lines.x.row(1);
  const Regression collinear(three, lines.y);
  const auto of_three = fit(collinear);
  const auto of_two = fit(Regression(lines.x, lines.y));
  check_finite(of_three, collinear);
  CHECK(says(of_three.report, EventKind::collinear));
  CHECK(of_three.report.objective == Approx(of_two.report.objective).epsilon(1e-7));
}

TEST_CASE("fewer observations than covariates; more experts than the data feed") {
  Rng rng(1);
  MatrixXd x(30, 12), y(1, 12);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = rng.normal();
  for (Index i = 0; i < 12; ++i) y(0, i) = rng.normal();
  const Regression wide(x, y, MatrixXd(x.topRows(1)));
  const auto found = fit(wide);
  check_finite(found, wide);
  CHECK(says(found.report, EventKind::few_observations));
  const Lines lines;
  const Regression data = Regression(lines.x, lines.y).slice(0, 20);
  check_finite(fit_experts(SoftmaxGate(8, 2), LinearExpert(2), data, quick), data);
}

TEST_CASE("any scale and offset of covariates and responses gives the same experts") {
  const Lines lines;
  const auto plain = fit(Regression(lines.x, lines.y));
  for (const double scale : {1e-150, 1e150, 1.0}) {
    const double offset = scale == 1.0 ? 1e7 : 0.0;
    const MatrixXd x = (scale * lines.x).array() + offset, y = (scale * lines.y).array() + offset;
    const Regression data(x, y);
    const auto moved = fit(data);
    check_finite(moved, data);
    CHECK(moved.report.objective == Approx(plain.report.objective - 120 * std::log(scale)).epsilon(1e-6));
    CHECK((moved.model.responsibilities(data) - plain.model.responsibilities(Regression(lines.x, lines.y)))
              .cwiseAbs()
              .maxCoeff() < 1e-3);
  }
}

TEST_CASE("one wild observation, and duplicates, leave a finite model") {
  Lines lines;
  lines.y(0, 7) = 1e12;
  const Regression wild(lines.x, lines.y);
  check_finite(fit(wild), wild);
  lines = Lines();
  MatrixXd x(2, 120), y(1, 120);
  for (Index i = 0; i < 120; ++i) x.col(i) = lines.x.col(i % 3), y.col(i) = lines.y.col(i % 3);
  const Regression repeated(x, y);
  check_finite(fit(repeated), repeated);
}
