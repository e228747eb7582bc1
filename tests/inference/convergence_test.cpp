#include "emulsion/inference/convergence.hpp"

#include "catch.hpp"
#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/inference/em.hpp"
#include "emulsion/inference/seed.hpp"
#include "reference/values.hpp"

using namespace emulsion;
using Gaussians = MixtureOf<Gaussian>;
using Poissons = MixtureOf<Poisson>;

namespace {

constexpr Covariance structures[] = {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied};

bool never_falls(const std::vector<double>& trace) {
  for (std::size_t i = 1; i < trace.size(); ++i) {
    if (trace[i] < trace[i - 1] - 1e-12 * std::abs(trace[i - 1])) return false;
  }
  return true;
}

/// The objective where a run was going to: of as many more iterations as `work` allows, plain and accelerated.
template <class M, class D>
double limit(const Fit<M>& fit, const D& data, double work) {
  double best = fit.report.objective;
  for (const Acceleration acceleration : {Acceleration::automatic, Acceleration::none}) {
    const auto more = em(fit.model, data,
                         {.max_iterations = static_cast<Index>(work / static_cast<double>(data.size() + 50)),
                          .tolerance = 1e-14,
                          .acceleration = acceleration});
    best = std::max(best, more.report.objective);
  }
  return best;
}

/// A fit with the default options, accelerated and not: `converged` is true, the objective never falls.
template <class M, class D>
void examine(const char* problem, const M& start, const D& data, double work = 2e6) {
  CAPTURE(problem, data.size());
  const auto fast = em(start, data);
  const auto plain = em(start, data, {.acceleration = Acceleration::none});
  for (const auto* fit : {&fast, &plain}) {
    CAPTURE(fit == &fast ? "accelerated" : "plain", to_string(fit->report.status), fit->report.iterations,
            fit->report.rate, fit->report.distance * data.total_weight());
    CHECK(never_falls(fit->report.trace));
    CHECK((fit->report.status == Status::converged || fit->report.status == Status::sublinear));
    if (fit->report.status != Status::converged) continue;
    const double left = limit(*fit, data, work) - fit->report.objective;
    CHECK(left <= 1e-9 * data.total_weight());
    if (data.size() <= 10'000) CHECK(left <= 1e-6);
  }
}

/// Two components d dimensions apart by `apart` standard deviations in each.
Eigen::MatrixXd blobs(Index n, Index d, double apart, Rng& rng) {
  Eigen::MatrixXd x(d, n);
  for (Index i = 0; i < n; ++i) {
    const double shift = rng.uniform() < 0.35 ? apart : 0;
    for (Index j = 0; j < d; ++j) x(j, i) = rng.normal() + shift;
  }
  return x;
}

Poissons two_rates(double first, double second) {
  return Poissons(Eigen::Vector2d(0.5, 0.5),
                  {Poisson(Eigen::VectorXd::Constant(1, first)), Poisson(Eigen::VectorXd::Constant(1, second))});
}

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();  // the length of the parameters' step

/// Objectives limit - sum of amplitude x rate^t, as a driver would show them.
Convergence watch(double limit, std::initializer_list<std::pair<double, double>> modes, int steps) {
  Convergence convergence;
  const auto objective = [&](int t) {
    double value = limit;
    for (const auto& [amplitude, rate] : modes) value -= amplitude * std::pow(rate, t);
    return value;
  };
  for (int t = 1; t <= steps; ++t) convergence.step(objective(t - 1), objective(t), t > 1, unknown);
  return convergence;
}

}  // namespace

TEST_CASE("the estimate of the distance: exact for one mode, never far below for two") {
  for (const double rate : {0.02, 0.5, 0.99}) {
    const int steps = rate < 0.1 ? 5 : 30;
    const Convergence one = watch(-100, {{1.0, rate}}, steps);
    CHECK(one.rate() == Approx(rate).epsilon(1e-3));
    CHECK(one.distance() == Approx(std::pow(rate, steps)).epsilon(0.02));
  }
  // A slow mode of a small amplitude shows late. Once it leads, the estimate must know.
  for (int steps = 20; steps <= 400; steps += 20) {
    const Convergence two = watch(-100, {{1.0, 0.5}, {1e-3, 0.98}}, steps);
    const double left = std::pow(0.5, steps) + 1e-3 * std::pow(0.98, steps);
    if (steps >= 40) CHECK(two.distance() >= 0.8 * left);
    CHECK(two.rate() < 1);
  }
  const Convergence fixed = watch(-100, {{0.0, 0.5}}, 3);
  CHECK(fixed.exhausted());
  CHECK(fixed.distance() < 1e-12);
  CHECK(std::isnan(Convergence().rate()));
}

TEST_CASE("no estimate while the gains grow") {
  Convergence growing;
  double objective = -100;
  for (int t = 0; t < 20; ++t) {
    const double next = objective + std::pow(1.2, t) * 1e-3;
    growing.step(objective, next, t > 0, unknown);
    objective = next;
  }
  CHECK(std::isnan(growing.rate()));
  CHECK_FALSE(growing.distance() <= 1e300);
  CHECK_FALSE(growing.settled());
}

TEST_CASE("converged is true: Old Faithful, iris and galaxies, few and too many components") {
  const Eigen::MatrixXd faithful = reference::faithful(), iris = reference::iris(), galaxies = reference::galaxies();
  for (std::uint64_t seed_number = 1; seed_number <= 3; ++seed_number) {
    Rng rng(seed_number);
    for (const Covariance covariance : structures) {
      CAPTURE(seed_number, to_string(covariance));
      for (const Index components : {2, 5}) {
        examine("faithful", seed(Gaussian(2, covariance), components, faithful, rng), columns(faithful), 1e6);
      }
      examine("iris", seed(Gaussian(4, covariance), 3, iris, rng), columns(iris), 1e6);
    }
    for (const Index components : {2, 3, 4, 6}) {
      examine("galaxies, tied", seed(Gaussian(1, Covariance::tied), components, galaxies, rng), columns(galaxies));
      examine("galaxies", seed(Gaussian(1), components, galaxies, rng), columns(galaxies));
    }
  }
}

TEST_CASE("converged is true: overlapping components, from 20 to 10,000 observations") {
  std::uint64_t seed_number = 10;
  for (const Index n : {20, 100, 1000, 10'000}) {
    for (const double apart : {1.0, 2.0}) {
      for (const Covariance covariance : structures) {
        if (n == 10'000 && (covariance != Covariance::full || apart < 2)) continue;  // takes long
        Rng rng(++seed_number);
        const Eigen::MatrixXd x = blobs(n, n < 1000 ? 1 : 2, apart, rng);
        CAPTURE(seed_number, to_string(covariance), apart);
        examine("blobs", seed(Gaussian(x.rows(), covariance), 2, x, rng), columns(x), n == 10'000 ? 6e6 : 2e6);
      }
    }
  }
}

TEST_CASE("converged is true: death notices, counts of too little spread, one rate too many", "[long]") {
  const reference::Counted notices = reference::death_notices();
  for (const auto& start : {two_rates(1, 3), two_rates(2.5, 2), two_rates(0.1, 8)}) {
    examine("P1", start, weighted(notices.x, notices.counts));
  }
  Eigen::RowVectorXd even(60);
  for (Index i = 0; i < 60; ++i) even(i) = static_cast<double>(4 + i % 3);
  for (const auto& start : {two_rates(3, 6), two_rates(0.5, 5)}) examine("under-dispersed", start, columns(even));

  // Frequencies of one Poisson: the difference of two is singular, and EM sublinear.
  const Eigen::RowVectorXd values = Eigen::RowVectorXd::LinSpaced(25, 0, 24);
  const Poissons one(Eigen::VectorXd::Ones(1), {Poisson(Eigen::VectorXd::Constant(1, 1.5))});
  for (const double n : {20.0, 1000.0, 10'000.0}) {
    const Eigen::VectorXd w = n * one.log_density(values).array().exp();
    const auto data = weighted(values, w);
    const double best = one.log_likelihood(data);
    for (const auto& start : {two_rates(1, 3), two_rates(1.4, 1.7)}) {
      examine("one rate too many", start, data);
      for (const Acceleration acceleration : {Acceleration::automatic, Acceleration::none}) {
        const auto fit = em(start, data, {.acceleration = acceleration});
        CAPTURE(n, to_string(fit.report.status), fit.report.iterations);
        if (fit.report.status == Status::converged) CHECK(best - fit.report.objective <= std::min(1e-6, 1e-9 * n));
      }
    }
  }
}

TEST_CASE("converged is true: latent classes on the border") {
  const reference::Counted answers = reference::stouffer_toby();
  const auto data = weighted(answers.x, answers.counts);
  Rng rng(5);
  for (int repeat = 0; repeat < 4; ++repeat) {
    for (const Index classes : {2, 3, 4}) {
      CAPTURE(repeat, classes);
      examine("Stouffer and Toby", seed(Categorical({2, 2, 2, 2}), classes, data, rng), data);
    }
  }
}

TEST_CASE("accelerated and plain fits end at the same optimum where the start leads to one alone") {
  // From a start between two optima an extrapolation may well reach the other one, higher or lower.
  const auto same_end = [](const auto& start, const auto& data) {
    const double fast = em(start, data).report.objective;
    const double plain = em(start, data, {.acceleration = Acceleration::none}).report.objective;
    CHECK(std::abs(fast - plain) <= 1e-6);
  };
  const reference::Counted notices = reference::death_notices(), answers = reference::stouffer_toby();
  for (const auto& start : {two_rates(1, 3), two_rates(2.5, 2), two_rates(0.1, 8)}) {
    same_end(start, weighted(notices.x, notices.counts));
  }
  const Eigen::MatrixXd faithful = reference::faithful(), iris = reference::iris(), galaxies = reference::galaxies();
  for (std::uint64_t seed_number = 1; seed_number <= 3; ++seed_number) {
    Rng rng(seed_number);
    const auto people = weighted(answers.x, answers.counts);
    same_end(seed(Categorical({2, 2, 2, 2}), 2, people, rng), people);
    same_end(seed(Gaussian(1, Covariance::tied), 3, galaxies, rng), columns(galaxies));
    for (const Covariance covariance : structures) {
      CAPTURE(seed_number, to_string(covariance));
      same_end(seed(Gaussian(2, covariance), 2, faithful, rng), columns(faithful));
      same_end(seed(Gaussian(4, covariance), 2, iris, rng), columns(iris));
    }
    const Eigen::MatrixXd x = blobs(300, 2, 2.0, rng);
    same_end(seed(Gaussian(2), 2, x, rng), columns(x));
  }
}
