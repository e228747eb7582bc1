// Small data sets: the best optimum known of regressions, from ten seeds, by the defaults.
#include "catch.hpp"
#include "emulsion/data/csv.hpp"
#include "emulsion/mixture_of_experts.hpp"

using namespace emulsion;

namespace {

Eigen::MatrixXd tone() { return read_csv("examples/data/tone.csv").matrix(); }

}  // namespace

TEST_CASE("a mixture of two regressions: the same optimum from ten seeds") {
  const Eigen::MatrixXd data = tone();
  const Regression pairs(data.row(0), data.row(1));
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto fit = fit_experts(ConstantGate(2), LinearExpert(1), pairs, {.seed = seed});
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.report.objective == Approx(141.1984022996844).margin(1e-6));
    CHECK(fit.model.log_likelihood(pairs) == Approx(141.1984022996844).margin(1e-6));
    CHECK(conditional_log_likelihood(fit.model, pairs) == Approx(141.1984022996844).margin(1e-6));
    CHECK(fit.model.free_parameters() == 7);
  }
}

TEST_CASE("two regressions with a gate on the stretch ratio: the same optimum from ten seeds", "[long]") {
  const Eigen::MatrixXd data = tone();
  const Regression pairs(data.row(0), data.row(1));
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto fit = fit_experts(SoftmaxGate(2, 1), LinearExpert(1), pairs, {.seed = seed});
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.report.objective == Approx(142.84801414175624).margin(1e-6));
    CHECK(fit.model.log_likelihood(pairs) == Approx(142.84801414175624).margin(1e-6));
    const Eigen::MatrixXd gate = fit.model.gate().coefficients();
    const double sign = gate(0, 0) > 0 ? 1 : -1;  // which of the two comes first
    CHECK(sign * gate(0, 0) == Approx(2.677970728951823).margin(1e-3));
    CHECK(sign * gate(1, 0) == Approx(-0.7918277388367375).margin(1e-3));
    CHECK(fit.model.free_parameters() == 8);
  }
  const Eigen::MatrixXd gate =
      fit_experts(SoftmaxGate(2, 1), LinearExpert(1), pairs, {.tolerance = 1e-14}).model.gate().coefficients();
  CHECK(std::abs(gate(0, 0)) == Approx(2.677970728951823).epsilon(1e-6));
  CHECK(std::abs(gate(1, 0)) == Approx(0.7918277388367375).epsilon(1e-6));
}

TEST_CASE("three regressions, whose best optimum one random start of hundreds leads to: the same from ten seeds",
          "[long]") {
  const auto reached = [](const char* file, double best) {
    const Eigen::MatrixXd data = read_csv(file).matrix();
    const Regression pairs(data.row(0), data.row(1));
    int count = 0;
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const auto fit = fit_experts(ConstantGate(3), LinearExpert(1), pairs, {.seed = seed});
      CHECK(fit.report.objective < best + 1e-4);
      count += fit.report.objective > best - 1e-4 ? 1 : 0;
    }
    return count;
  };
  CHECK(reached("examples/data/motorcycle.csv", -646.466031) >= 9);
  CHECK(reached("examples/data/faithful.csv", -856.584830) >= 9);
}

TEST_CASE("two regressions on three covariates, with many optima of narrow experts: the same from nine of ten seeds",
          "[long]") {
  const Eigen::MatrixXd iris = read_csv("examples/data/iris.csv", {.label = "Species"}).matrix();
  const Eigen::MatrixXd x = iris.bottomRows(3), y = iris.topRows(1);
  int reached = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto fit = fit_experts(ConstantGate(2), LinearExpert(3), Regression(x, y), {.seed = seed});
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.report.objective < -20.99);  // the best known
    reached += fit.report.objective > -20.997 ? 1 : 0;
  }
  CHECK(reached >= 9);
}
