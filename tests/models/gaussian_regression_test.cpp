#include "emulsion/models/gaussian_regression.hpp"

#include "catch.hpp"
#include "emulsion/data/csv.hpp"
#include "emulsion/inference/em.hpp"

using namespace emulsion;
using Mixtures = MixtureOf<Gaussian>;

namespace {

constexpr Covariance structures[] = {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied};

Eigen::VectorXd vector(std::initializer_list<double> values) {
  Eigen::VectorXd v(static_cast<Index>(values.size()));
  Index i = 0;
  for (const double value : values) v(i++) = value;
  return v;
}

Mixtures random_mixture(Index d, Index components, Covariance structure, Rng& rng) {
  std::vector<Gaussian> all;
  Eigen::MatrixXd s;
  for (Index k = 0; k < components; ++k) {
    Eigen::VectorXd mean(d);
    Eigen::MatrixXd a(d, d);
    for (Index j = 0; j < d; ++j) {
      mean(j) = 2 * rng.normal();
      for (Index i = 0; i < d; ++i) a(i, j) = rng.normal();
    }
    if (k == 0 || structure != Covariance::tied) s = a * a.transpose() + 0.1 * Eigen::MatrixXd::Identity(d, d);
    if (structure == Covariance::diagonal) s = s.diagonal().asDiagonal().toDenseMatrix();
    if (structure == Covariance::spherical) s = s(0, 0) * Eigen::MatrixXd::Identity(d, d);
    all.emplace_back(mean, s, structure);
  }
  return Mixtures(rng.dirichlet(Eigen::VectorXd::Constant(components, 2.0)), std::move(all));
}

Eigen::MatrixXd normal_matrix(Index rows, Index cols, Rng& rng) {
  Eigen::MatrixXd x(rows, cols);
  for (Index j = 0; j < cols; ++j) {
    for (Index i = 0; i < rows; ++i) x(i, j) = rng.normal();
  }
  return x;
}

/// The textbook's formulas, by Eigen's inverse: for well-conditioned models only.
Prediction textbook(const Mixtures& model, const std::vector<Index>& given, const Eigen::VectorXd& x) {
  std::vector<Index> rest;
  for (Index j = 0; j < model.dimension(); ++j) {
    if (std::find(given.begin(), given.end(), j) == given.end()) rest.push_back(j);
  }
  const auto m = static_cast<Index>(rest.size());
  Eigen::MatrixXd means(m, model.size());
  std::vector<Eigen::MatrixXd> covariances;
  Eigen::VectorXd w = model.weights();
  for (Index k = 0; k < model.size(); ++k) {
    const Eigen::MatrixXd s = model[k].covariance();
    const Eigen::VectorXd mean = model[k].mean();
    const Eigen::MatrixXd gg = s(given, given), rg = s(rest, given), rr = s(rest, rest);
    Eigen::MatrixXd l = gg;
    cholesky(l);
    l.triangularView<Eigen::StrictlyUpper>().setZero();
    Eigen::MatrixXd inverse = l;
    invert_lower(inverse);
    const Eigen::MatrixXd precision = inverse.transpose() * inverse;
    const Eigen::VectorXd off = x - Eigen::VectorXd(mean(given));
    means.col(k) = mean(rest) + rg * precision * off;
    covariances.push_back(rr - rg * precision * rg.transpose());
    w(k) *= std::exp(-0.5 * off.dot(precision * off)) / l.diagonal().prod();
  }
  w /= w.sum();
  Prediction result{means * w, Eigen::MatrixXd::Zero(m, m)};
  for (Index k = 0; k < model.size(); ++k) {
    const Eigen::VectorXd off = means.col(k) - result.mean;
    result.covariance += w(k) * (covariances[static_cast<std::size_t>(k)] + off * off.transpose());
  }
  return result;
}

Mixtures transformed(const Mixtures& model, double scale, double offset) {
  std::vector<Gaussian> all;
  for (Index k = 0; k < model.size(); ++k) {
    all.push_back(Gaussian::from_factor((scale * model[k].mean()).array() + offset, scale * model[k].factor()));
  }
  return Mixtures(model.weights(), std::move(all));
}

}  // namespace

namespace {
Eigen::MatrixXd lower_factor(Eigen::MatrixXd a) {
  Eigen::MatrixXd l(a.rows(), a.rows());
  emulsion::factor_of_square(a, l);
  return l;
}
}  // namespace

TEST_CASE("factor_of_square has the product of its argument with its transpose, row by row") {
  Rng rng(1);
  Eigen::MatrixXd a = normal_matrix(4, 7, rng);
  a.row(1) *= 1e200;
  a.row(2) *= 1e-250;
  const Eigen::MatrixXd t = lower_factor(a);
  const Eigen::VectorXd scale = vector({1, 1e-200, 1e250, 1});
  const Eigen::MatrixXd u = scale.asDiagonal() * t, b = scale.asDiagonal() * a;
  CHECK((u * u.transpose() - b * b.transpose()).norm() < 1e-13);
  CHECK(u.diagonal().minCoeff() > 0);
  CHECK(Eigen::MatrixXd(u.triangularView<Eigen::StrictlyUpper>()).norm() == 0);
  const Eigen::MatrixXd lower = lower_factor(Eigen::MatrixXd(a.leftCols(4)));
  CHECK((lower_factor(lower) - lower).cwiseAbs().maxCoeff() <= 1e-15 * lower.cwiseAbs().maxCoeff());
}

TEST_CASE("waiting time given the length of an eruption of Old Faithful (values.md: R1)") {
  const Eigen::MatrixXd x = read_csv("examples/data/faithful.csv").matrix();
  const Eigen::Matrix2d s = Eigen::Vector2d(1, 36).asDiagonal();
  const Mixtures start(Eigen::Vector2d(0.5, 0.5),
                       {Gaussian(Eigen::Vector2d(2, 55), s), Gaussian(Eigen::Vector2d(4.3, 80), s)});
  const Mixtures model = em(start, x, {.tolerance = 1e-15}).model;
  const double queries[] = {2, 3, 4.5};
  const double means[] = {54.24958188943, 71.31809099471, 81.13213073939};
  const double variances[] = {30.9594696128, 47.16114262465, 30.84085705178};
  const Predictions all = regress(model, {0}, Eigen::RowVector3d(2, 3, 4.5));
  for (Index i = 0; i < 3; ++i) {
    const Prediction one = regress(model, {0}, vector({queries[i]}));
    CHECK(one.mean(0) == Approx(means[i]).epsilon(1e-7));
    CHECK(one.covariance(0, 0) == Approx(variances[i]).epsilon(1e-6));
    CHECK(all.means(0, i) == one.mean(0));
    CHECK(all.covariances[static_cast<std::size_t>(i)] == one.covariance);
  }
}

TEST_CASE("a marginal has the moments of its dimensions, in the order wanted, for every structure") {
  Rng rng(2);
  for (const Covariance structure : structures) {
    const Mixtures model = random_mixture(4, 3, structure, rng);
    const std::vector<Index> dimensions = {3, 0, 2};
    const auto part = marginal(model, {3, 0, 2});
    CHECK(part.weights().isApprox(model.weights(), 1e-15));
    for (Index k = 0; k < 3; ++k) {
      CHECK(part[k].structure() == structure);
      CHECK(part[k].mean().isApprox(Eigen::VectorXd(model[k].mean()(dimensions)), 1e-14));
      CHECK(part[k].covariance().isApprox(Eigen::MatrixXd(model[k].covariance()(dimensions, dimensions)), 1e-13));
    }
    CHECK(part.free_parameters() == random_mixture(3, 3, structure, rng).free_parameters());
    // Marginals of marginals; a permutation and back.
    const Eigen::MatrixXd x = normal_matrix(1, 5, rng), y = normal_matrix(4, 5, rng);
    CHECK(marginal(part, {1}).log_density(x).isApprox(marginal(model, {0}).log_density(x), 1e-13));
    CHECK(marginal(marginal(model, {3, 2, 0, 1}), {2, 3, 1, 0}).log_density(y).isApprox(model.log_density(y), 1e-12));
  }
}

TEST_CASE("a marginal integrates the joint density") {
  Rng rng(3);
  const Mixtures model = random_mixture(2, 2, Covariance::full, rng);
  const Index n = 8001;
  const double from = -60, to = 60;
  Eigen::MatrixXd line(2, n);
  line.row(0).setConstant(0.7);
  line.row(1).setLinSpaced(n, from, to);
  const double integral = model.log_density(line).array().exp().sum() * (to - from) / static_cast<double>(n - 1);
  CHECK(std::exp(marginal(model, {0}).log_density(Eigen::MatrixXd::Constant(1, 1, 0.7))(0)) ==
        Approx(integral).epsilon(1e-10));
}

TEST_CASE("conditional times marginal is the joint density, for every structure and any split") {
  Rng rng(4);
  for (const Covariance structure : structures) {
    const Mixtures model = random_mixture(4, 3, structure, rng);
    const std::vector<std::vector<Index>> splits = {{0}, {3}, {2, 0}, {1, 3, 0}};
    for (const auto& given : splits) {
      std::vector<Index> rest;
      for (Index j = 0; j < 4; ++j) {
        if (std::find(given.begin(), given.end(), j) == given.end()) rest.push_back(j);
      }
      const Eigen::MatrixXd x = model.sample(6, rng);
      const Eigen::MatrixXd known = x(given, Eigen::all), unknown = x(rest, Eigen::all);
      const Eigen::VectorXd before = marginal(model, given).log_density(known);
      const Eigen::VectorXd joint = model.log_density(x);
      for (Index i = 0; i < x.cols(); ++i) {
        const auto posterior = condition(model, given, known.col(i));
        CHECK(posterior.dimension() == static_cast<Index>(rest.size()));
        CHECK(posterior[0].structure() == structure);
        CHECK(posterior.log_density(unknown.col(i))(0) + before(i) == Approx(joint(i)).epsilon(1e-11).margin(1e-11));
        CHECK(posterior.weights().isApprox(marginal(model, given).responsibilities(known.col(i)).row(0).transpose(),
                                           1e-10));
      }
      CHECK(condition(model, given, known.col(0)).free_parameters() ==
            random_mixture(static_cast<Index>(rest.size()), 3, structure, rng).free_parameters());
    }
  }
}

TEST_CASE("a regression is the textbook's formula, and the moments of the conditional mixture") {
  Rng rng(5);
  for (const Covariance structure : structures) {
    const Mixtures model = random_mixture(4, 3, structure, rng);
    const std::vector<Index> given = {2, 0};
    const Eigen::MatrixXd queries = model.sample(8, rng)(given, Eigen::all);
    const Predictions all = regress(model, given, queries);
    for (Index i = 0; i < queries.cols(); ++i) {
      const auto [mean, covariance] = regress(model, given, queries.col(i));
      const Prediction wanted = textbook(model, given, queries.col(i));
      CHECK(mean.isApprox(wanted.mean, 1e-9));
      CHECK(covariance.isApprox(wanted.covariance, 1e-9));
      CHECK(covariance == covariance.transpose());
      CHECK(all.means.col(i) == mean);
      CHECK(all.covariances[static_cast<std::size_t>(i)] == covariance);
      const auto posterior = condition(model, given, queries.col(i));
      Eigen::VectorXd centre = Eigen::VectorXd::Zero(2);
      for (Index k = 0; k < 3; ++k) centre += posterior.weights()(k) * posterior[k].mean();
      CHECK(mean.isApprox(centre, 1e-12));
    }
  }
}

TEST_CASE("draws of the joint near a value have the conditional mean") {
  Rng rng(6);
  const Mixtures model = random_mixture(2, 2, Covariance::full, rng);
  const Eigen::MatrixXd x = model.sample(200000, rng);
  // The mean of y over all x, weighted by a narrow window about 0.5, against the same average of the regression.
  double total = 0, residual = 0, squares = 0;
  for (Index i = 0; i < x.cols(); ++i) {
    if (std::abs(x(0, i) - 0.5) > 0.02) continue;
    const auto [mean, covariance] = regress(model, {0}, vector({x(0, i)}));
    total += 1;
    residual += x(1, i) - mean(0);
    squares += covariance(0, 0);
  }
  REQUIRE(total > 200);
  CHECK(std::abs(residual) < 5 * std::sqrt(squares));
}

TEST_CASE("far values give weights that sum to one, all to the nearest") {
  Rng rng(7);
  for (const Covariance structure : structures) {
    const Mixtures model = random_mixture(3, 3, structure, rng);
    for (const double far : {1e3, -1e8, 1e153, 1e160, -1e200, 1e290}) {
      const auto posterior = condition(model, {1}, vector({far}));
      CHECK(posterior.weights().sum() == Approx(1).epsilon(1e-15));
      CHECK(posterior.weights().minCoeff() >= 0);
      CHECK(posterior[0].mean().allFinite());
      const auto [mean, covariance] = regress(model, {1}, vector({far}));
      CHECK(mean.allFinite());
      CHECK(covariance.allFinite());
    }
  }
  const Mixtures narrow = transformed(random_mixture(2, 2, Covariance::full, rng), 1e-200, 0);
  CHECK_THROWS_WITH(condition(narrow, {0}, vector({1e300})), ContainsSubstring("conditional mean overflows"));
}

TEST_CASE("a component of weight zero stays without weight") {
  Rng rng(8);
  const Mixtures two = random_mixture(2, 2, Covariance::full, rng);
  const Mixtures model(Eigen::Vector2d(1, 0), {two[0], two[1]});
  for (const double at : {0.0, 1e200}) {
    const auto posterior = condition(model, {0}, vector({at}));
    CHECK(posterior.weights()(0) == 1);
    CHECK(posterior.weights()(1) == 0);
  }
}

TEST_CASE("scale and offset of the data cost no digits") {
  Rng rng(9);
  const Mixtures model = random_mixture(3, 2, Covariance::full, rng);
  const Eigen::VectorXd x = vector({0.3, -0.6});
  const Prediction wanted = regress(model, {0, 2}, x);
  for (const double scale : {1e-200, 1e-8, 1e100}) {
    const Prediction found = regress(transformed(model, scale, 0), {0, 2}, scale * x);
    CHECK((found.mean / scale).isApprox(wanted.mean, 1e-12));
    CHECK((found.covariance / scale / scale).isApprox(wanted.covariance, 1e-12) !=
          (scale == 1e-200));  // 1e-400 is zero
  }
  const Mixtures large = transformed(model, 1e200, 0);
  const auto posterior = condition(large, {0, 2}, 1e200 * x);
  CHECK(posterior[0].factor()(0, 0) / 1e200 == Approx(condition(model, {0, 2}, x)[0].factor()(0, 0)).epsilon(1e-12));
  CHECK(posterior.weights().isApprox(condition(model, {0, 2}, x).weights(), 1e-12));
  CHECK((regress(large, {0, 2}, 1e200 * x).mean / 1e200).isApprox(wanted.mean, 1e-12));

  const double offset = 0x1p30;  // about 1e9; means and values are rounded to its last digit, and nothing else
  const Prediction shifted = regress(transformed(model, 1, offset), {0, 2}, (x.array() + offset).matrix());
  CHECK((shifted.mean.array() - offset).matrix().isApprox(wanted.mean, 1e-5));
  CHECK(shifted.covariance.isApprox(wanted.covariance, 1e-5));
}

TEST_CASE("a nearly singular covariance is not squared") {
  // y = x + 1e-10 e: the variance of y given x is 1e-20, below the rounding of either variance.
  const Eigen::Matrix2d l = (Eigen::Matrix2d() << 1, 0, 1, 1e-10).finished();
  const Mixtures model(Eigen::VectorXd::Ones(1), {Gaussian::from_factor(Eigen::Vector2d(0, 0), l)});
  CHECK(regress(model, {0}, vector({0.5})).covariance(0, 0) == Approx(1e-20).epsilon(1e-12));
  CHECK(condition(model, {1}, vector({0.5}))[0].factor()(0, 0) == Approx(1e-10).epsilon(1e-5));
  CHECK(marginal(model, {1, 0})[0].factor()(1, 1) == Approx(1e-10).epsilon(1e-5));
}

TEST_CASE("components held up by the floor have marginals and conditionals") {
  Eigen::MatrixXd x = Eigen::MatrixXd::Random(2, 60);
  x.row(1) = x.row(0);  // on a line: the covariance is at its floor
  const auto fit = em(Mixtures(Eigen::VectorXd::Ones(1), {Gaussian(2)}), x, {.max_iterations = 5});
  REQUIRE(fit.model[0].at_floor() == 1);
  CHECK(marginal(fit.model, {1})[0].covariance()(0, 0) == Approx(fit.model[0].covariance()(1, 1)).epsilon(1e-10));
  CHECK(regress(fit.model, {0}, vector({0.25})).mean(0) == Approx(0.25).epsilon(1e-4));
  CHECK(condition(fit.model, {0}, vector({0.25}))[0].covariance()(0, 0) > 0);
  CHECK(marginal(fit.model, {1, 0})[0].covariance().allFinite());
}

TEST_CASE("models of float data and of fixed dimension") {
  using Fixed = BasicGaussian<float, 2>;
  const MixtureOf<Fixed> model(Eigen::Vector2d(0.5, 0.5),
                               {Fixed(Eigen::Vector2d(1e4, 2), Eigen::Matrix2d::Identity()),
                                Fixed(Eigen::Vector2d(1e4 + 3, 5), Eigen::Matrix2d::Identity())});
  const auto posterior = condition(model, {0}, vector({1e4 + 1.5}));
  CHECK(posterior.weights()(0) == Approx(0.5));
  CHECK(regress(model, {0}, vector({1e4 + 1.5})).mean(0) == Approx(3.5));
  CHECK(regress(model, {0}, Eigen::RowVector2f(1e4f, 1e4f + 3)).means.cols() == 2);
  CHECK(posterior.log_density(Eigen::MatrixXf::Constant(1, 1, 2.0f)).allFinite());
}

TEST_CASE("dimensions and values are checked") {
  Rng rng(10);
  const Mixtures model = random_mixture(3, 2, Covariance::full, rng);
  const Eigen::VectorXd one = vector({1}), two = vector({1, 2});
  CHECK_THROWS_WITH(marginal(model, {0, 3}), ContainsSubstring("dimension 3 does not exist; the model has 3"));
  CHECK_THROWS_WITH(marginal(model, {-1}), ContainsSubstring("dimension -1 does not exist"));
  CHECK_THROWS_WITH(marginal(model, {1, 1}), ContainsSubstring("dimension 1 is named twice"));
  CHECK_THROWS_WITH(marginal(model, {}), ContainsSubstring("at least one of the 3 dimensions"));
  CHECK_THROWS_WITH(condition(model, {0, 1, 2}, vector({1, 2, 3})), ContainsSubstring("none is left"));
  CHECK_THROWS_WITH(condition(model, {0}, two), ContainsSubstring("expected 1 values"));
  CHECK_THROWS_WITH(condition(model, {0}, vector({std::nan("")})), ContainsSubstring("dimension 0 must be finite"));
  CHECK_THROWS_WITH(regress(model, {0, 1}, vector({1, HUGE_VAL})), ContainsSubstring("dimension 1 must be finite"));
  CHECK_THROWS_WITH(regress(model, {0, 1}, one), ContainsSubstring("expected 2 values per query"));
  CHECK_THROWS_WITH(regress(model, {0}, vector({1, 2, 3})), ContainsSubstring("pass x.transpose()"));
  CHECK_THROWS_WITH(regress(model, {2, 1, 0}, vector({1, 2, 3})), ContainsSubstring("none is left"));
  CHECK(regress(model, {0}, Eigen::MatrixXd(1, 0)).means.cols() == 0);
}
