#include "emulsion/distributions/poisson.hpp"

#include "catch.hpp"
#include "emulsion/inference/em.hpp"
#include "emulsion/inference/seed.hpp"
#include "emulsion/models/mixture.hpp"

using namespace emulsion;

namespace {

/// Reference value P1: days with 0 to 9 death notices of women of 80 and over in The Times, 1910 to 1912 (Hasselblad,
/// 1969).
struct DeathNotices {
  Eigen::RowVectorXd values = Eigen::RowVectorXd::LinSpaced(10, 0, 9);
  Eigen::VectorXd days = (Eigen::VectorXd(10) << 162, 267, 271, 185, 111, 61, 27, 8, 3, 1).finished();
  Points<double> weighted_values() const { return weighted(values, days); }
  Eigen::VectorXd repeated() const {
    Eigen::VectorXd x(1096);
    Index i = 0;
    for (Index value = 0; value < 10; ++value) {
      for (Index day = 0; day < static_cast<Index>(days(value)); ++day) x(i++) = static_cast<double>(value);
    }
    return x;
  }
};

Poisson one_rate(double rate) { return Poisson(Eigen::VectorXd::Constant(1, rate)); }
MixtureOf<Poisson> two_rates(double first, double second) {
  return MixtureOf<Poisson>(Eigen::Vector2d(0.5, 0.5), {one_rate(first), one_rate(second)});
}
double log_density(double x, double rate) {
  return MixtureOf<Poisson>(Eigen::VectorXd::Ones(1), {one_rate(rate)})
      .log_density(Eigen::RowVectorXd::Constant(1, x))(0);
}

}  // namespace

TEST_CASE("P1: the death notices, one and two Poisson components") {
  const DeathNotices notices;
  const MixtureOf<Poisson> single(Eigen::VectorXd::Ones(1), {Poisson(1)});
  const auto one = em(single, notices.weighted_values());
  CHECK(one.report.status == Status::converged);
  CHECK(one.report.objective == Approx(-2001.397847371757).epsilon(1e-14));
  CHECK(one.model[0].rates()(0) == Approx(2.15693430656934).epsilon(1e-14));

  // The score equations solved in 40 digits; values.md, from an EM that stopped, agrees to 10: 1.25609510119383 ...
  const auto check = [](const Fit<MixtureOf<Poisson>>& fit, double precision) {
    const Index low = fit.model[0].rates()(0) < fit.model[1].rates()(0) ? 0 : 1;
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.model.weights()(low) == Approx(0.3598853969849348).epsilon(precision));
    CHECK(fit.model[low].rates()(0) == Approx(1.2560951012243379).epsilon(precision));
    CHECK(fit.model[1 - low].rates()(0) == Approx(2.6634043566324726).epsilon(precision));
  };
  for (const auto& start : {two_rates(1, 3), two_rates(2.5, 2), two_rates(0.1, 8)}) {
    const auto fit = em(start, notices.weighted_values(), {.tolerance = 1e-23});
    check(fit, 1e-11);
    CHECK(fit.report.objective == Approx(-1989.945859882964).epsilon(1e-15));
    CHECK(fit.model.free_parameters() == 3);
    const auto rowwise = em(start, rows(notices.repeated()), {.tolerance = 1e-23});
    check(rowwise, 1e-7);  // the sum of 1096 terms is rounded more than that of 10
    CHECK(rowwise.report.objective == Approx(-1989.945859882964).epsilon(1e-14));
  }

  const auto plain = em(two_rates(1, 3), notices.weighted_values(), {.acceleration = Acceleration::none});
  const auto fast = em(two_rates(1, 3), notices.weighted_values());
  for (const auto* fit : {&plain, &fast}) {
    CHECK(fit->report.status == Status::converged);
    CHECK(std::abs(fit->report.objective + 1989.945859882964) < 1e-6);
  }
  CHECK(plain.report.iterations > 1000);
  CHECK(fast.report.e_steps < plain.report.e_steps / 4);

  Rng rng(1);
  const auto seeded = em(seed(Poisson(1), 2, notices.weighted_values(), rng), notices.weighted_values());
  CHECK(std::abs(seeded.report.objective + 1989.945859882964) < 1e-6);
}

TEST_CASE("the Poisson log density against values in 30 digits, from zero to large counts") {
  // x log l - l - log x!, by mpmath with 40 digits
  const auto close = [](double value, double exact) {
    return std::abs(value - exact) <= 1e-15 * std::abs(exact) + 1e-13;
  };
  CHECK(close(log_density(0, 1.5), -1.5));
  CHECK(close(log_density(1, 1.5), -1.094534891891835618));
  CHECK(close(log_density(7, 0.001), -56.880448313940373519));
  CHECK(close(log_density(18, 20.25), -2.4986589240871869348));
  CHECK(close(log_density(19, 20.25), -2.434943109701079248));
  CHECK(close(log_density(60, 55.5), -3.1451921785282616065));
  CHECK(close(log_density(127, 127.0), -3.3416882430569118218));
  CHECK(close(log_density(128, 127.0), -3.3495314205179377147));
  CHECK(close(log_density(128, 0.5), -585.62831759889062027));
  CHECK(close(log_density(1000, 3.0), -4816.5158898200536575));
  CHECK(close(log_density(1000000, 1000000.0), -7.8266938955201431272));
  CHECK(close(log_density(1000000, 1003000.0), -12.317714097041331517));
  CHECK(close(log_density(999000, 1000000.0), -8.3263603954868014677));
  CHECK(close(log_density(1000000, 10.0), -10512943.29166412394));
  CHECK(close(log_density(1000000000000, 1000003000000.0), -19.234440091189280131));
  CHECK(close(log_density(3, 1000000.0), -999960.34522779533523));
  constexpr double infinity = std::numeric_limits<double>::infinity();
  CHECK(log_density(0, 0) == 0);
  CHECK(log_density(1, 0) == -infinity);
  CHECK(log_density(1e6, 0) == -infinity);
  CHECK(log_density(0, 1e300) == -1e300);
  CHECK(std::isfinite(log_density(1e300, 1e-5)));
}

TEST_CASE("Poisson probabilities sum to one") {
  for (const double rate : {1e-3, 0.7, 12.0, 300.0}) {
    const Eigen::RowVectorXd x = Eigen::RowVectorXd::LinSpaced(1001, 0, 1000);
    const MixtureOf<Poisson> model(Eigen::VectorXd::Ones(1), {one_rate(rate)});
    CHECK(model.log_density(x).array().exp().sum() == Approx(1).epsilon(1e-13));
  }
}

TEST_CASE("Poisson fits to large counts: the objective never falls") {
  Rng rng(2);
  const Eigen::MatrixXd x = two_rates(1e6, 1.003e6).sample(2000, rng);
  const auto fit = em(two_rates(0.999e6, 1.004e6), x);
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.model[0].rates()(0) == Approx(1e6).epsilon(2e-4));
  CHECK(fit.model[1].rates()(0) == Approx(1.003e6).epsilon(2e-4));
}

TEST_CASE(
    "Poisson: any strides, weights as repetitions, float data, fixed dimension, the same bits on 1, 2 and 7 threads") {
  const MixtureOf<Poisson> truth(Eigen::Vector2d(0.3, 0.7),
                                 {Poisson(Eigen::Vector3d(0, 4, 200)), Poisson(Eigen::Vector3d(2, 1, 180))});
  Rng rng(4);
  const Eigen::MatrixXd x = truth.sample(5000, rng);
  const MixtureOf<Poisson> start(Eigen::Vector2d(0.5, 0.5),
                                 {Poisson(Eigen::Vector3d(1, 3, 210)), Poisson(Eigen::Vector3d(2, 2, 190))});
  const auto fit = em(start, x);
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.model[0].rates()(0) < 0.05);
  CHECK((fit.model[1].rates() - Eigen::Vector3d(2, 1, 180)).cwiseAbs().maxCoeff() < 1.5);

  Eigen::MatrixXd wide(7, 10'000);
  for (Index i = 0; i < 5000; ++i) {
    for (Index j = 0; j < 3; ++j) wide(2 * j + 1, 2 * i) = x(j, i);
  }
  const Points<double> strided(wide.data() + 1, 3, 5000, 2, 14);
  const Eigen::MatrixXd transposed = x.transpose();
  const MixtureOf<BasicPoisson<float, 3>> short_start(
      Eigen::Vector2d(0.5, 0.5),
      {BasicPoisson<float, 3>(Eigen::Vector3d(1, 3, 210)), BasicPoisson<float, 3>(Eigen::Vector3d(2, 2, 190))});
  const Eigen::Matrix3Xf short_x = x.cast<float>();
  CHECK(em(start, strided).report.trace == fit.report.trace);
  CHECK(em(start, rows(transposed)).report.trace == fit.report.trace);
  CHECK(em(short_start, short_x).report.trace == fit.report.trace);
  for (const int threads : {2, 7}) {
    const auto other = em(start, x, {.threads = threads});
    CHECK(other.report.trace == fit.report.trace);
    for (const Index k : {0, 1}) CHECK(other.model[k].rates() == fit.model[k].rates());
  }
}

TEST_CASE("Poisson: zeros lead to rate zero, an empty component keeps its rates") {
  Eigen::MatrixXd x = Eigen::MatrixXd::Zero(2, 6);
  x.row(1) << 1, 0, 2, 3, 1, 1;
  const MixtureOf<Poisson> single(Eigen::VectorXd::Ones(1), {Poisson(2)});
  const auto fit = em(single, x);
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.model[0].rates() == Eigen::Vector2d(0, 8.0 / 6));

  Poisson next(2);
  const Poisson old(Eigen::Vector2d(0.25, 3));
  old.maximize(old.statistics(), next);
  CHECK(next.rates() == old.rates());

  Eigen::VectorXd v(2);
  Index at = 0;
  Poisson(Eigen::Vector2d(0, 3)).pack(v, at);
  CHECK(v(0) == 0);
  CHECK(next.unpack(v, at = 0));
  CHECK(next.rates()(0) == 0);
  CHECK(next.rates()(1) == Approx(3).epsilon(1e-15));
  v(0) = 1e200;
  CHECK_FALSE(next.unpack(v, at = 0));
}

TEST_CASE("Poisson samples have the frequencies of their probabilities") {
  Rng rng(6);
  constexpr Index n = 200'000;
  for (const double rate : {0.0, 0.4, 9.9, 10.1, 80.0}) {
    const MixtureOf<Poisson> model(Eigen::VectorXd::Ones(1), {one_rate(rate)});
    const Eigen::MatrixXd x = model.sample(n, rng);
    Eigen::VectorXd counts = Eigen::VectorXd::Zero(200);
    for (Index i = 0; i < n; ++i) counts(static_cast<Index>(x(0, i))) += 1;
    const Eigen::VectorXd p = model.log_density(Eigen::RowVectorXd::LinSpaced(200, 0, 199)).array().exp();
    Index compared = 0;
    for (Index value = 0; value < 200; ++value) {
      if (p(value) * static_cast<double>(n) < 20) continue;
      CHECK(std::abs(counts(value) / n - p(value)) <= 5 * std::sqrt(p(value) * (1 - p(value)) / n));
      ++compared;
    }
    CHECK(compared > (rate > 0 ? 3 : 0));
  }
  const Eigen::MatrixXd large = MixtureOf<Poisson>(Eigen::VectorXd::Ones(1), {one_rate(1e6)}).sample(n, rng);
  CHECK(std::abs(large.mean() - 1e6) < 5 * std::sqrt(1e6 / n));
  CHECK(std::abs((large.array() - 1e6).square().mean() - 1e6) < 5 * 1e6 * std::sqrt(2.0 / n));
}

TEST_CASE("Poisson: misuse is one sentence") {
  Eigen::MatrixXd x = Eigen::MatrixXd::Zero(2, 5);
  const MixtureOf<Poisson> single(Eigen::VectorXd::Ones(1), {Poisson(2)});
  x(0, 3) = 2.5;
  CHECK_THROWS_WITH(em(single, x), "dimension 0 of observation 3 is 2.5; counts must be non-negative integers");
  x(0, 3) = -1;
  CHECK_THROWS_WITH(em(single, x), "dimension 0 of observation 3 is -1; counts must be non-negative integers");
  x(0, 3) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(em(single, x), ContainsSubstring("counts must be non-negative integers"));
  x(0, 3) = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(em(single, x), InvalidArgument);
  CHECK_THROWS_WITH(Poisson(0), "a Poisson distribution needs at least one dimension, got none");
  CHECK_THROWS_WITH(Poisson(Eigen::Vector2d(1, -2)), "Poisson rates must be finite and not negative; rate 1 is -2");
  CHECK_THROWS_WITH((BasicPoisson<double, 3>(2)), "expected dimension 3, got 2");
}
