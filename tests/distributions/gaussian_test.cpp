#include "emulsion/distributions/gaussian.hpp"

#include <algorithm>

#include "catch.hpp"
#include "emulsion/gaussian_mixture.hpp"
#include "emulsion/models/mixture.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using Mixtures = MixtureOf<Gaussian>;

namespace {

constexpr Covariance structures[] = {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied};

MatrixXd normal_matrix(Index rows, Index cols, Rng& rng) {
  MatrixXd a(rows, cols);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = rng.normal();
  return a;
}

/// Lower triangular with a positive diagonal, whose square has about this condition number.
MatrixXd random_factor(Index d, double condition, Rng& rng) {
  MatrixXd l = 0.3 * normal_matrix(d, d, rng).triangularView<Eigen::StrictlyLower>().toDenseMatrix();
  for (Index i = 0; i < d; ++i) {
    const double share = d > 1 ? static_cast<double>(i) / static_cast<double>(d - 1) : 0;
    l(i, i) = 1;
    l.row(i) *= std::pow(condition, -share / 2);
  }
  return l;
}

/// log sum_k w_k N(x | mean_k, L_k L_k') from the textbook, in long double.
double naive(const VectorXd& weights, const std::vector<VectorXd>& means, const std::vector<MatrixXd>& factors,
             const VectorXd& x) {
  const Index d = x.size();
  std::vector<long double> scores;
  for (std::size_t k = 0; k < means.size(); ++k) {
    std::vector<long double> z(static_cast<std::size_t>(d));
    long double score = std::log(static_cast<long double>(weights(static_cast<Index>(k)))) -
                        0.5L * static_cast<long double>(d) * 1.837877066409345483560659472811235279L;
    for (Index i = 0; i < d; ++i) {
      long double value = static_cast<long double>(x(i)) - static_cast<long double>(means[k](i));
      for (Index j = 0; j < i; ++j) {
        value -= static_cast<long double>(factors[k](i, j)) * z[static_cast<std::size_t>(j)];
      }
      z[static_cast<std::size_t>(i)] = value / static_cast<long double>(factors[k](i, i));
      score -= std::log(static_cast<long double>(factors[k](i, i))) +
               0.5L * z[static_cast<std::size_t>(i)] * z[static_cast<std::size_t>(i)];
    }
    scores.push_back(score);
  }
  const long double largest = *std::max_element(scores.begin(), scores.end());
  long double sum = 0;
  for (const long double score : scores) sum += std::exp(score - largest);
  return static_cast<double>(largest + std::log(sum));
}

/// The largest relative error of log densities, at points near every component and between them.
double worst_error(const VectorXd& weights, const std::vector<VectorXd>& means, const std::vector<MatrixXd>& factors,
                   Rng& rng) {
  std::vector<Gaussian> components;
  for (std::size_t k = 0; k < means.size(); ++k) components.push_back(Gaussian::from_factor(means[k], factors[k]));
  const Mixtures model(weights, components);
  const Index d = model.dimension(), n = 60;
  MatrixXd x(d, n);
  for (Index i = 0; i < n; ++i) {
    const std::size_t k = static_cast<std::size_t>(i) % means.size();
    x.col(i) = means[k] + factors[k] * normal_matrix(d, 1, rng);
    if (i % 5 == 0) x.col(i) = 0.5 * (means[k] + means.back());
  }
  const VectorXd found = model.log_density(x);
  const Labels labels = model.classify(x);
  double worst = 0;
  Index unlike = 0;
  for (Index i = 0; i < n; ++i) {
    const double at = model.log_density_at(x.col(i));
    worst = std::max(worst, std::abs(at - found(i)) / std::max(1.0, std::abs(at)));
    unlike += model.classify_at(x.col(i)) == labels(i) ? 0 : 1;
  }
  CHECK(unlike == 0);
  for (Index i = 0; i < n; ++i) {
    const double exact = naive(weights, means, factors, x.col(i));
    worst = std::max(worst, std::abs(found(i) - exact) / std::max(1.0, std::abs(exact)));
  }
  return worst;
}

}  // namespace

TEST_CASE("the Gaussian log density, to 1e-9 of the textbook's in long double") {
  Rng rng(1);
  for (const Index d : {1, 2, 3, 8}) {
    for (const double condition : {1.0, 1e6, 1e12}) {
      for (const double apart : {1.0, 1e3, 1e6}) {
        for (const double offset : {0.0, 1e3, 1e9}) {
          for (const double scale : {1.0, 1e-8, 1e100}) {
            const VectorXd weights = Eigen::Vector3d(0.5, 0.3, 0.2);
            std::vector<VectorXd> means;
            std::vector<MatrixXd> factors;
            for (Index k = 0; k < 3; ++k) {
              means.push_back(scale * ((apart * normal_matrix(d, 1, rng)).array() + offset).matrix());
              factors.push_back(scale * random_factor(d, condition, rng));
            }
            CAPTURE(d, condition, apart, offset, scale);
            CHECK(worst_error(weights, means, factors, rng) <= 1e-9);
          }
        }
      }
    }
  }
}

TEST_CASE("the same under every structure, from covariances") {
  Rng rng(2);
  const Index d = 4;
  for (const Covariance structure : structures) {
    for (const double offset : {0.0, 1e9}) {
      MatrixXd factor = random_factor(d, 100, rng);
      if (is_diagonal(structure)) factor = factor.diagonal().asDiagonal().toDenseMatrix();
      if (structure == Covariance::spherical) factor = 3 * MatrixXd::Identity(d, d);
      const VectorXd mean = (normal_matrix(d, 1, rng).array() + offset).matrix();
      const Gaussian g(mean, factor * factor.transpose(), structure);
      const Mixtures model(VectorXd::Ones(1), {g});
      MatrixXd x = (factor * normal_matrix(d, 20, rng)).colwise() + mean;
      x.col(3) += VectorXd::Constant(d, 1e6);
      CAPTURE(to_string(structure), offset);
      for (Index i = 0; i < 20; ++i) {
        CHECK(model.log_density(x)(i) == Approx(naive(VectorXd::Ones(1), {mean}, {factor}, x.col(i))).epsilon(1e-11));
      }
      CHECK((g.mean() - mean).norm() <= 1e-15 * mean.norm());
      CHECK((g.factor() - factor).norm() <= 1e-13 * factor.norm());
      CHECK((g.covariance() - factor * factor.transpose()).norm() <= 1e-13 * factor.squaredNorm());
      CHECK(g.covariance() == g.covariance().transpose());
      CHECK(g.structure() == structure);
    }
  }
  CHECK(Gaussian(4).free_parameters() == 14);
  CHECK(Gaussian(4, Covariance::diagonal).free_parameters() == 8);
  CHECK(Gaussian(4, Covariance::spherical).free_parameters() == 5);
}

TEST_CASE("from_factor is exact where a covariance would overflow or lose its small eigenvalues") {
  const Eigen::Vector2d mean(1e180, -3e-170);
  const MatrixXd lower = (MatrixXd(2, 2) << 1e200, 0, 0, 1e-180).finished();
  const Gaussian g = Gaussian::from_factor(mean, lower);
  CHECK(g.factor() == lower);
  CHECK(g.mean() == mean);
  CHECK(std::isinf(g.covariance()(0, 0)));
  const Mixtures model(VectorXd::Ones(1), {g});
  CHECK(model.log_density(MatrixXd(mean))(0) ==
        Approx(-std::log(2 * 3.14159265358979323846) - 20 * std::log(10.0)).epsilon(1e-14));
  const MatrixXd thin = (MatrixXd(2, 2) << 1, 0, 1, 1e-12).finished();  // its square is singular in double
  CHECK(Gaussian::from_factor(Eigen::Vector2d(0, 0), thin).factor() == thin);
  CHECK_THROWS_AS(Gaussian(Eigen::Vector2d(0, 0), thin * thin.transpose()), InvalidArgument);
}

TEST_CASE("Gaussian samples have the moments of the distribution, within five standard errors") {
  Rng rng(3);
  const Index d = 3, n = 50'000;
  for (const Covariance structure : structures) {
    for (const double offset : {0.0, 1e6}) {
      MatrixXd factor = random_factor(d, 9, rng);
      if (is_diagonal(structure)) factor = factor.diagonal().asDiagonal().toDenseMatrix();
      if (structure == Covariance::spherical) factor = 2 * MatrixXd::Identity(d, d);
      const VectorXd mean = VectorXd::Constant(d, offset);
      const MatrixXd s = factor * factor.transpose();
      const MatrixXd x = Mixtures(VectorXd::Ones(1), {Gaussian(mean, s, structure)}).sample(n, rng);
      const MatrixXd centred = x.colwise() - mean;
      const VectorXd first = centred.rowwise().mean();
      const MatrixXd second = centred * centred.transpose() / static_cast<double>(n);
      CAPTURE(to_string(structure), offset);
      for (Index i = 0; i < d; ++i) {
        CHECK(std::abs(first(i)) <= 5 * std::sqrt(s(i, i) / static_cast<double>(n)));
        for (Index j = 0; j <= i; ++j) {
          const double deviation = std::sqrt((s(i, i) * s(j, j) + s(i, j) * s(i, j)) / static_cast<double>(n));
          CHECK(std::abs(second(i, j) - s(i, j)) <= 5 * deviation);
        }
      }
      // Fourth moment of a standardised coordinate: 3, with variance 96 / n.
      CHECK(std::abs((centred.row(0).array() / std::sqrt(s(0, 0))).pow(4).mean() - 3) <= 5 * std::sqrt(96.0 / n));
    }
  }
}

TEST_CASE("float data: the density of the rounded values, in double") {
  Rng rng(4);
  const Gaussian g(Eigen::Vector2d(1e4, -1e4), (MatrixXd(2, 2) << 2, 0.5, 0.5, 1).finished());
  const BasicGaussian<float> of_float(Eigen::Vector2d(1e4, -1e4), (MatrixXd(2, 2) << 2, 0.5, 0.5, 1).finished());
  const MixtureOf<BasicGaussian<float>> model(VectorXd::Ones(1), {of_float});
  const Eigen::MatrixXf x = Mixtures(VectorXd::Ones(1), {g}).sample(100, rng).cast<float>();
  const MatrixXd same = x.cast<double>();
  CHECK((model.log_density(x) - Mixtures(VectorXd::Ones(1), {g}).log_density(same)).cwiseAbs().maxCoeff() < 1e-12);
}

TEST_CASE("float data: a fit is that of the same values in double, though most of it runs in float") {
  Rng rng(5);
  for (const Covariance structure : structures) {
    for (const Index d : {4, 9}) {  // as many as a fit in float needs to pay
      for (const double offset : {0.0, 1e4}) {
        CAPTURE(to_string(structure), d, offset);
        Eigen::MatrixXf x(d, is_diagonal(structure) ? 150'000 : 80'000);
        for (Index i = 0; i < x.cols(); ++i) {
          const double away = i % 3 == 0 ? 4 : 0;
          for (Index j = 0; j < d; ++j) x(j, i) = static_cast<float>(offset + away + rng.normal());
        }
        const MatrixXd same = x.cast<double>();
        const Index n = x.cols();
        MatrixXd shares = MatrixXd::Zero(n, 2);
        for (Index i = 0; i < n; ++i) shares(i, i % 3 == 0 ? 0 : 1) = 1;
        BasicGaussianMixture<float> fast = seed(BasicGaussian<float>(d, structure), 2, x, rng,
                                                {.start = Start::responsibilities, .responsibilities = shares});
        Mixtures exact =
            seed(Gaussian(d, structure), 2, same, rng, {.start = Start::responsibilities, .responsibilities = shares});
        const auto a = em(fast, x);
        const auto b = em(exact, same);
        CHECK(a.report.status == Status::converged);
        CHECK(std::abs(a.report.objective - b.report.objective) <= 1e-8 * static_cast<double>(n));
        CHECK(a.report.objective == Approx(a.model.log_likelihood(x)).epsilon(1e-12));
        CHECK(a.report.trace.back() == a.report.objective);
        for (std::size_t i = 1; i < a.report.trace.size(); ++i) {
          CHECK(a.report.trace[i] >= a.report.trace[i - 1] - 1e-11 * std::abs(a.report.trace[i]));
        }
        CHECK(BasicGaussianMixture<float>(fast).hasten(x));
        // Stopped on the way, the objective is exact all the same.
        const auto early = em(fast, x, {.max_iterations = 2});
        CHECK(early.report.objective == Approx(early.model.log_likelihood(x)).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("float data: a value whose square no float can hold does not end the fit") {
  Rng rng(5);
  Eigen::MatrixXf x(2, 120'000);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(rng.normal() + (i % 4 < 2 ? 6 : 0));
  for (const float wild : {1e15F, 3e19F, 1e25F, 1e38F}) {
    CAPTURE(wild);
    x(1, 77) = wild;
    const auto start = seed(BasicGaussian<float>(2), 2, x, rng);
    const auto fit = em(start, x);
    const auto exact = em(seed(Gaussian(2), 2, x.cast<double>().eval(), rng), x.cast<double>().eval());
    CHECK(fit.report.status == exact.report.status);
    CHECK(std::isfinite(fit.report.objective));
    CHECK(static_cast<Index>(fit.report.trace.size()) == fit.report.iterations + 1);
    for (std::size_t i = 1; i < fit.report.trace.size(); ++i) {
      CHECK(fit.report.trace[i] >= fit.report.trace[i - 1] - 1e-12 * std::abs(fit.report.objective));
    }
  }
}

TEST_CASE("weights of zero in a pattern leave no trace in frames and events") {
  Rng rng(6);
  const Index n = 40'000;
  Eigen::MatrixXd x(1, n), kept(1, n / 2);
  Eigen::VectorXd w(n);
  for (Index i = 0; i < n; ++i) x(0, i) = rng.normal() + (i % 3 == 0 ? 5 : 0);
  x(0, 1001) = 1e9;
  for (Index i = 0; i < n; ++i) {
    w(i) = static_cast<double>(i % 2);
    if (i % 2 == 1) kept(0, i / 2) = x(0, i);
  }
  const auto masked = fit_gaussian_mixture(weighted(x, w), {.components = 2, .restarts = 5});
  const auto alone = fit_gaussian_mixture(kept, {.components = 2, .restarts = 5});
  CHECK(masked.report.objective == Approx(alone.report.objective).epsilon(1e-9));
  const auto outliers = [](const Report& report) {
    return std::count_if(report.events.begin(), report.events.end(),
                         [](const Event& event) { return event.kind == EventKind::outlier; });
  };
  CHECK(outliers(masked.report) == outliers(alone.report));
  CHECK(outliers(alone.report) > 0);

  Eigen::MatrixXd wide(60, 20'000);
  for (Index i = 0; i < wide.size(); ++i) wide.data()[i] = rng.normal();
  Eigen::VectorXd few = Eigen::VectorXd::Zero(wide.cols());
  for (Index i = 0; i < wide.cols(); i += 33) few(i) = 1;
  EventLog log;
  inspect_points(weighted(wide, few), 1, true, log);
  for (const Event& event : log.events()) CHECK(event.kind != EventKind::collinear);
}

TEST_CASE("observations whose weight vanishes against the component's own are left out, and nothing else is") {
  Rng rng(6);
  for (const Covariance structure : {Covariance::full, Covariance::diagonal}) {
    for (const Index d : {1, 3, 5, 9}) {
      for (const double scale : {1.0, 1e-30}) {  // of a component that has nearly died
        CAPTURE(to_string(structure), d, scale);
        const Index n = 300;
        const MatrixXd x = normal_matrix(d, n, rng);
        VectorXd w = VectorXd::Constant(n, 1e-25 * scale);
        std::vector<Index> matter;
        for (Index i = 3; i < n; i += 19) {
          w(i) = scale * rng.uniform();
          matter.push_back(i);
        }
        const Gaussian g(d, structure);
        const auto learnt = [&](const MatrixXd& points, const VectorXd& weights) {
          auto block = g.packed(points.cols());
          g.read(points, block);
          auto s = g.statistics();
          g.accumulate(block, weights, s);
          return s;
        };
        const auto found = learnt(x, w), wanted = learnt(x(Eigen::all, matter), w(matter));
        CHECK(found.weight == Approx(wanted.weight).epsilon(1e-14));
        CHECK((found.mean - wanted.mean).norm() <= 1e-13);
        CHECK((found.scatter - wanted.scatter).norm() <= 1e-13 * wanted.scatter.norm());
        // What is small but not that small counts.
        for (Index i = 0; i < n; ++i) w(i) = std::max(w(i), 1e-6 * scale);
        const double weight = learnt(x, w).weight;
        CHECK(weight == Approx(w.sum()).epsilon(1e-14));
        const auto all = learnt(x, w), part = learnt(x(Eigen::all, matter), w(matter));
        CHECK((all.scatter - part.scatter).norm() > 1e-8 * all.scatter.norm());
      }
    }
  }
}

TEST_CASE("misuse of a Gaussian is one sentence") {
  const Eigen::Vector2d mean(0, 0);
  const MatrixXd one = MatrixXd::Identity(2, 2);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(Gaussian(-1), "a Gaussian needs at least one dimension, got -1");
  CHECK_THROWS_WITH(Gaussian(0), "a Gaussian needs at least one dimension, got 0");
  CHECK_THROWS_WITH((BasicGaussian<double, 3>(2)), "expected dimension 3, got 2");
  CHECK_THROWS_WITH(Gaussian(2, Covariance::full, 0.0),
                    ContainsSubstring("the floor of a covariance, relative to the data's variances, must lie in"));
  CHECK_THROWS_WITH(Gaussian(mean, MatrixXd::Identity(3, 3)),
                    "a Gaussian with a mean of dimension 2 needs a covariance of 2 x 2, got 3 x 3");
  CHECK_THROWS_WITH(Gaussian(VectorXd(), MatrixXd()),
                    "a Gaussian with a mean of dimension 0 needs a covariance of 0 x 0, got 0 x 0");
  CHECK_THROWS_WITH(Gaussian(Eigen::Vector2d(nan, 0), one), "the mean and covariance of a Gaussian must be finite");
  CHECK_THROWS_WITH(Gaussian(mean, one * std::numeric_limits<double>::infinity()),
                    "the mean and covariance of a Gaussian must be finite");
  MatrixXd s = one;
  s(0, 1) = 0.5;
  CHECK_THROWS_WITH(Gaussian(mean, s), ContainsSubstring("a covariance must be symmetric"));
  s(1, 0) = s(0, 1) = 2;
  CHECK_THROWS_WITH(Gaussian(mean, s), "a covariance must be positive definite; the 2 x 2 matrix given is not");
  s(1, 1) = -1;
  CHECK_THROWS_WITH(Gaussian(mean, s), "a covariance must be positive definite; its diagonal element 1 is -1");
  s = (MatrixXd(2, 2) << 1, 0.5, 0.5, 1).finished();
  CHECK_THROWS_WITH(Gaussian(mean, s, Covariance::diagonal),
                    "the covariance given is not diagonal: element (0, 1) is 0.5");
  s = Eigen::Vector2d(1, 2).asDiagonal();
  CHECK_THROWS_WITH(Gaussian(mean, s, Covariance::spherical),
                    "the covariance given is not spherical: element (1, 1) is 2");
  CHECK_NOTHROW(Gaussian(mean, s, Covariance::diagonal));
  const Mixtures model(VectorXd(VectorXd::Ones(1)), {Gaussian(2)});
  CHECK_THROWS_WITH(model.log_density_at(Eigen::Vector2d(0, nan)), "dimension 1 of the point is nan");
  CHECK_THROWS_WITH(model.classify_at(Eigen::Vector3d(0, 0, 0)), "expected a point of dimension 2, got 3");

  CHECK_THROWS_WITH(Gaussian::from_factor(mean, MatrixXd::Identity(2, 3)),
                    "a Gaussian with a mean of dimension 2 needs a factor of 2 x 2, got 2 x 3");
  CHECK_THROWS_WITH(Gaussian::from_factor(mean, -one),
                    "the factor of a covariance needs a positive diagonal; element 0 is -1");
  CHECK_THROWS_WITH(Gaussian::from_factor(mean, one * nan), "the mean and factor of a Gaussian must be finite");
  MatrixXd above = one;
  above(0, 1) = 7;
  CHECK(Gaussian::from_factor(mean, above).factor() == one);  // the upper triangle is not read
}
