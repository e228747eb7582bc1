// tests/reference/bad_inputs.md: what is an error, its sentence, and that nothing has changed after it.
#include <limits>
#include <type_traits>

#include "reliability/two_blobs.hpp"

using namespace emulsion;
using namespace reliability;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

std::string fit_message(const MatrixXd& x, const GaussianMixtureOptions& options = {}) {
  return message_of([&] { fit_gaussian_mixture(x, options); });
}
std::string option_message(const GaussianMixtureOptions& options) { return fit_message(two_blobs(), options); }
std::string em_message(const EmOptions& options) {
  const MatrixXd x = two_blobs();
  return message_of([&] { em(start_at(MatrixXd::Zero(2, 1), VectorXd::Ones(1)), x, options); });
}
std::string seed_message(Index components, const SeedOptions& options) {
  const MatrixXd x = two_blobs();
  Rng rng(1);
  const std::string message = message_of([&] { seed(Gaussian(2), components, x, rng, options); });
  CHECK(rng() == Rng(1)());  // an error draws nothing
  return message;
}
GaussianMixture fitted(Covariance structure = Covariance::full) {
  return fit_gaussian_mixture(two_blobs(), {.components = 2, .covariance = structure, .restarts = 2}).model;
}

}  // namespace

TEST_CASE("row 1: no observations") {
  CHECK_THAT(fit_message(MatrixXd(2, 0)), ContainsSubstring("at least one observation") && ContainsSubstring("2 x 0"));
  CHECK_THAT(fit_message(MatrixXd(2, 0), {.components = 3}), ContainsSubstring("at least one observation"));
  CHECK_THAT(message_of([] { fit_gaussian_mixture(rows(MatrixXd(0, 2))); }), ContainsSubstring("2 x 0"));
  CHECK_THAT(message_of([] { em(start_at(MatrixXd::Zero(2, 1), VectorXd::Ones(1)), MatrixXd(2, 0)); }),
             ContainsSubstring("at least one observation"));
  CHECK_THAT(message_of([] {
               Rng rng(1);
               seed(Gaussian(2), 1, MatrixXd(2, 0), rng);
             }),
             ContainsSubstring("at least one observation"));
  CHECK_THAT(message_of([] { select_gaussian_mixture(MatrixXd(2, 0)); }),
             ContainsSubstring("at least one observation"));
}

TEST_CASE("row 2: no dimensions") {
  CHECK_THAT(fit_message(MatrixXd(0, 10)), ContainsSubstring("at least one dimension") && ContainsSubstring("0 x 10"));
  CHECK_THAT(fit_message(MatrixXd(0, 0)), ContainsSubstring("at least one dimension") && ContainsSubstring("0 x 0"));
  CHECK_THAT(message_of([] { Gaussian(0); }), ContainsSubstring("at least one dimension"));
  CHECK_THAT(message_of([] { Gaussian(VectorXd(0), MatrixXd(0, 0)); }), ContainsSubstring("mean of dimension 0"));
}

TEST_CASE("rows 3 and 4: fewer observations than components") {
  CHECK_THAT(fit_message(MatrixXd::Random(2, 2), {.components = 3}),
             ContainsSubstring("3 components") && ContainsSubstring("got 2") && ContainsSubstring("2 x 2") &&
                 ContainsSubstring("rows(x)"));
  CHECK_THAT(fit_message(MatrixXd::Random(2, 1), {.components = 2}),
             ContainsSubstring("1 observation of dimension 2; for 2 observations of one variable pass x.transpose()"));
  VectorXd w = VectorXd::Zero(200);
  w(3) = w(150) = 1;
  const MatrixXd x = two_blobs();
  CHECK_THAT(message_of([&] { fit_gaussian_mixture(weighted(x, w), {.components = 3}); }),
             ContainsSubstring("3 components") && ContainsSubstring("got 2 with positive weight"));
}

TEST_CASE("a plain vector where columns are expected") {
  const std::string advice = "1 observation of dimension 82; for 82 observations of one variable pass x.transpose()";
  const VectorXd v = VectorXd::LinSpaced(82, 0, 1);
  const Eigen::Matrix<double, 82, 1> fixed = v;
  const Eigen::Map<const VectorXd> map(v.data(), 82);
  for (const Index components : {1, 2, 4}) {
    CHECK_THAT(message_of([&] { fit_gaussian_mixture(v, {.components = components}); }), ContainsSubstring(advice));
    CHECK_THAT(message_of([&] { fit_gaussian_mixture(fixed, {.components = components}); }), ContainsSubstring(advice));
    CHECK_THAT(message_of([&] { fit_gaussian_mixture(map, {.components = components}); }), ContainsSubstring(advice));
    CHECK_THAT(message_of([&] { fit_gaussian_mixture(v * 2, {.components = components}); }), ContainsSubstring(advice));
  }
  CHECK_THAT(message_of([&] { fit_gaussian_mixture(MatrixXd(v), {.components = 2}); }), ContainsSubstring(advice));
  CHECK_THAT(message_of([&] { select_gaussian_mixture(v); }), ContainsSubstring(advice));
  // The advice works.
  CHECK(fit_gaussian_mixture(v.transpose(), {.components = 2, .restarts = 1}).model.dimension() == 1);
}

TEST_CASE("a plain vector given to a model of one dimension") {
  const std::string advice = "1 observation of dimension 82; for 82 observations of one variable pass x.transpose()";
  const GaussianMixture model(VectorXd::Ones(1), {Gaussian(1)});
  const VectorXd v = VectorXd::LinSpaced(82, 0, 1);
  CHECK_THAT(message_of([&] { model.log_density(v); }), ContainsSubstring(advice));
  CHECK_THAT(message_of([&] { model.classify(v); }), ContainsSubstring(advice));
  CHECK_THAT(message_of([&] { em(model, v); }), ContainsSubstring(advice));
  CHECK(model.log_density(v.transpose()).size() == 82);
}

TEST_CASE("row 6: a NaN cell") {
  MatrixXd x = two_blobs();
  x(1, 117) = not_a_number;
  const MatrixXd across = x.transpose();
  const auto place = ContainsSubstring("dimension 1 of observation 117 is nan; values must be finite");
  for (const Covariance structure : structures) {
    CHECK_THAT(fit_message(x, {.components = 2, .covariance = structure}), place);
  }
  CHECK_THAT(message_of([&] { fit_gaussian_mixture(rows(across)); }), place);
  CHECK_THAT(message_of([&] { fit_gaussian_mixture(x * 1); }), place);
  CHECK_THAT(message_of([&] { fit_gaussian_mixture(Eigen::MatrixXf(x.cast<float>())); }), place);
  CHECK_THAT(message_of([&] { em(fitted(), x); }), place);
  CHECK_THAT(message_of([&] { select_gaussian_mixture(x, {.components = {1, 2}}); }), place);
  CHECK_THAT(message_of([&] {
               Rng rng(1);
               seed(Gaussian(2), 2, x, rng);
             }),
             place);
  VectorXd w = VectorXd::Ones(200);
  w(117) = 0;
  CHECK_THAT(message_of([&] { fit_gaussian_mixture(weighted(x, w)); }), place);
  x(1, 117) = 0;
  CHECK(fit_gaussian_mixture(x, {.components = 2, .restarts = 1}).report.status == Status::converged);
}

TEST_CASE("row 7: an infinite cell") {
  for (const double value : {infinity, -infinity}) {
    MatrixXd x = two_blobs();
    x(0, 199) = value;
    const auto place = ContainsSubstring(value > 0 ? "dimension 0 of observation 199 is inf"
                                                   : "dimension 0 of observation 199 is -inf");
    CHECK_THAT(fit_message(x, {.components = 2}), place);
    CHECK_THAT(message_of([&] { em(fitted(), x); }), place);
  }
}

TEST_CASE("row 21: no components") {
  for (const Index k : {0, -1, -1000}) {
    const auto said = ContainsSubstring("at least one component, got " + std::to_string(k));
    CHECK_THAT(option_message({.components = k}), said);
    CHECK_THAT(seed_message(k, {}), said);
  }
  CHECK_THAT(message_of([] { GaussianMixture(VectorXd(0), {}); }), ContainsSubstring("at least one component"));
  const MatrixXd x = two_blobs();
  const auto range = [&](Index from, Index to) {
    return message_of([&] { select_gaussian_mixture(x, {.components = {from, to}}); });
  };
  CHECK_THAT(range(0, 3), ContainsSubstring("got 0 to 3"));
  CHECK_THAT(range(3, 2), ContainsSubstring("got 3 to 2"));
  CHECK_THAT(message_of([&] { select_gaussian_mixture(x, {.covariances = {}}); }),
             ContainsSubstring("at least one covariance structure"));
}

TEST_CASE("row 29: starting weights") {
  const std::vector<Gaussian> two = {Gaussian(2), Gaussian(2)};
  const auto message = [&](const VectorXd& w) { return message_of([&] { GaussianMixture(w, two); }); };
  CHECK_THAT(message(Eigen::Vector2d(1.5, -0.5)), ContainsSubstring("weight 1 is -0.5"));
  CHECK_THAT(message(Eigen::Vector2d(not_a_number, 0.5)), ContainsSubstring("weight 0 is nan"));
  CHECK_THAT(message(Eigen::Vector2d(0.5, infinity)), ContainsSubstring("weight 1 is inf"));
  CHECK_THAT(message(Eigen::Vector2d(0, 0)), ContainsSubstring("sum to one") && ContainsSubstring("sum to 0"));
  CHECK_THAT(message(Eigen::Vector2d(0.5, 0.6)), ContainsSubstring("sum to 1.1"));
  CHECK_THAT(message(Eigen::Vector3d(0.5, 0.25, 0.25)), ContainsSubstring("3 weights") && ContainsSubstring("got 2"));
}

TEST_CASE("row 29: starting means and covariances") {
  const auto message = [](const VectorXd& mean, const MatrixXd& covariance, Covariance structure = Covariance::full) {
    return message_of([&] { Gaussian(mean, covariance, structure); });
  };
  const Eigen::Vector2d m(1, 2);
  const MatrixXd one = MatrixXd::Identity(2, 2);
  MatrixXd s = one;
  CHECK_THAT(message(m, MatrixXd::Identity(3, 3)), ContainsSubstring("2 x 2, got 3 x 3"));
  CHECK_THAT(message(m, MatrixXd::Ones(2, 1)), ContainsSubstring("2 x 2, got 2 x 1"));
  CHECK_THAT(message(Eigen::Vector2d(1, not_a_number), one), ContainsSubstring("finite"));
  CHECK_THAT(message(Eigen::Vector2d(infinity, 1), one), ContainsSubstring("finite"));
  s(1, 1) = not_a_number;
  CHECK_THAT(message(m, s), ContainsSubstring("finite"));
  s(1, 1) = 0;
  CHECK_THAT(message(m, s), ContainsSubstring("positive definite") && ContainsSubstring("diagonal element 1 is 0"));
  s(1, 1) = -3;
  CHECK_THAT(message(m, s), ContainsSubstring("diagonal element 1 is -3"));
  s << 1, 2, 2, 1;
  for (const Covariance structure : {Covariance::full, Covariance::tied}) {
    CHECK_THAT(message(m, s, structure), ContainsSubstring("positive definite") && ContainsSubstring("2 x 2"));
  }
  s << 1, 0.5, 0, 1;
  CHECK_THAT(message(m, s), ContainsSubstring("symmetric"));
  s << 1, 0.5, 0.5, 1;
  CHECK_THAT(message(m, s, Covariance::diagonal), ContainsSubstring("not diagonal") && ContainsSubstring("0.5"));
  CHECK_THAT(message(m, s, Covariance::spherical), ContainsSubstring("not spherical"));
  s << 1, 0, 0, 2;
  CHECK_THAT(message(m, s, Covariance::spherical),
             ContainsSubstring("not spherical") && ContainsSubstring("(1, 1) is 2"));

  const auto factor = [](const VectorXd& mean, const MatrixXd& lower) {
    return message_of([&] { Gaussian::from_factor(mean, lower); });
  };
  CHECK_THAT(factor(m, MatrixXd::Identity(3, 3)), ContainsSubstring("2 x 2, got 3 x 3"));
  CHECK_THAT(factor(m, -one), ContainsSubstring("positive diagonal") && ContainsSubstring("element 0 is -1"));
  CHECK_THAT(factor(m, MatrixXd::Constant(2, 2, not_a_number)), ContainsSubstring("finite"));
  CHECK_THAT(factor(Eigen::Vector2d(not_a_number, 0), one), ContainsSubstring("finite"));
  CHECK_THAT(message_of([] {
               GaussianMixture(Eigen::Vector2d(0.5, 0.5), {Gaussian(2), Gaussian(3)});
             }),
             ContainsSubstring("one dimension; got 2 and 3"));
}

TEST_CASE("row 29: a start of another dimension than the data") {
  const MatrixXd x = MatrixXd::Random(3, 10);
  CHECK_THAT(message_of([&] { em(fitted(), x); }),
             ContainsSubstring("expected 2 dimensions, got 3") && ContainsSubstring("3 x 10"));
  CHECK_THAT(message_of([&] {
               Rng rng(1);
               seed(Gaussian(2), 2, x, rng);
             }),
             ContainsSubstring("expected 2 dimensions, got 3"));
}

TEST_CASE("row 29: given starting means and responsibilities") {
  MatrixXd means = MatrixXd::Zero(2, 3);
  const auto means_message = [&](const MatrixXd& m) {
    const std::string said = option_message({.components = 2, .start = Start::means, .means = m});
    CHECK(said == seed_message(2, {.start = Start::means, .means = m}));
    return said;
  };
  CHECK_THAT(means_message(means), ContainsSubstring("2 x 2") && ContainsSubstring("got 2 x 3"));
  CHECK_THAT(means_message(MatrixXd()), ContainsSubstring("2 x 2") && ContainsSubstring("got 0 x 0"));
  means = MatrixXd::Zero(2, 2);
  means(0, 1) = not_a_number;
  CHECK_THAT(means_message(means), ContainsSubstring("finite"));

  const auto shares_message = [&](const MatrixXd& r) {
    const std::string said = option_message({.components = 2, .start = Start::responsibilities, .responsibilities = r});
    CHECK(said == seed_message(2, {.start = Start::responsibilities, .responsibilities = r}));
    return said;
  };
  MatrixXd r = MatrixXd::Constant(200, 2, 0.5);
  CHECK_THAT(shares_message(r.transpose()), ContainsSubstring("200 x 2") && ContainsSubstring("got 2 x 200"));
  CHECK_THAT(shares_message(MatrixXd()), ContainsSubstring("got 0 x 0"));
  r(17, 1) = 0.6;
  CHECK_THAT(shares_message(r), ContainsSubstring("row 17 sums to 1.1"));
  r.row(17) << 1.5, -0.5;
  CHECK_THAT(shares_message(r), ContainsSubstring("row 17") && ContainsSubstring("negative"));
  r.row(17) << not_a_number, 0.5;
  CHECK_THAT(shares_message(r), ContainsSubstring("row 17") && ContainsSubstring("NaN"));
  r.row(17) << 0, 1;
  CHECK(fit_gaussian_mixture(two_blobs(), {.components = 2, .start = Start::responsibilities, .responsibilities = r})
            .model.size() == 2);
}

TEST_CASE("row 29: the library's own output is always accepted as a start, and is where it was") {
  const MatrixXd blobs = two_blobs();
  MatrixXd constant = blobs, collinear(3, 200), wide = blobs;
  constant.row(1).setConstant(1e9);
  collinear << blobs, blobs.row(0) - 3 * blobs.row(1);
  wide.row(0) *= 1e-6;
  wide.row(1) *= 1e9;
  MatrixXd few = MatrixXd::Zero(4, 6);
  for (Index i = 0; i < 6; ++i) few(i % 4, i) = static_cast<double>(1 + i);
  const MatrixXd far = blobs.array() + 1e9;
  const MatrixXd small = blobs * 1e-100;
  const MatrixXd* data[] = {&blobs, &constant, &collinear, &wide, &few, &far, &small};
  for (std::size_t which = 0; which < 7; ++which) {
    const MatrixXd& x = *data[which];
    for (const Covariance structure : structures) {
      INFO("data " << which << ", " << to_string(structure));
      const auto fit = fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .restarts = 2});
      const double slack = 1e-6 * (1 + std::abs(fit.report.objective));
      const auto again = em(fit.model, x);
      CHECK(again.report.status != Status::failed);
      CHECK(again.report.objective >= fit.report.objective - slack);
      std::vector<Gaussian> parts;
      const auto rebuild = [&] {
        for (Index k = 0; k < 2; ++k) parts.emplace_back(fit.model[k].mean(), fit.model[k].covariance(), structure);
      };
      CHECK(message_of(rebuild) == "(nothing was thrown)");
      if (parts.size() != 2) continue;
      const auto rebuilt = em(GaussianMixture(fit.model.weights(), parts), x);
      CHECK(rebuilt.report.status != Status::failed);
      CHECK(rebuilt.report.objective >= fit.report.objective - slack);
      if (structure != Covariance::full) continue;
      parts.clear();
      for (Index k = 0; k < 2; ++k) parts.push_back(Gaussian::from_factor(fit.model[k].mean(), fit.model[k].factor()));
      CHECK(em(GaussianMixture(fit.model.weights(), parts), x).report.objective >= fit.report.objective - slack);
    }
  }
}

TEST_CASE("row 29: its own means and responsibilities are accepted as a start") {
  const MatrixXd x = two_blobs();
  for (const Covariance structure : structures) {
    const GaussianMixture model = fitted(structure);
    MatrixXd means(2, 2);
    means << model[0].mean(), model[1].mean();
    const auto by_means =
        fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .start = Start::means, .means = means});
    CHECK(by_means.report.objective == Approx(model.log_likelihood(x)).epsilon(1e-9));
    const auto by_shares = fit_gaussian_mixture(x, {.components = 2,
                                                    .covariance = structure,
                                                    .start = Start::responsibilities,
                                                    .responsibilities = model.responsibilities(x)});
    CHECK(by_shares.report.objective == Approx(model.log_likelihood(x)).epsilon(1e-9));
  }
}

TEST_CASE("row 30: options out of range") {
  for (const double tolerance : {0.0, -1e-9, not_a_number, infinity}) {
    const auto said = ContainsSubstring("tolerance must be positive and finite");
    CHECK_THAT(option_message({.tolerance = tolerance}), said);
    CHECK_THAT(em_message({.tolerance = tolerance}), said);
  }
  CHECK_THAT(option_message({.max_iterations = -1}),
             ContainsSubstring("max_iterations") && ContainsSubstring("got -1"));
  CHECK_THAT(em_message({.max_iterations = -7}), ContainsSubstring("max_iterations") && ContainsSubstring("got -7"));
  for (const int threads : {0, -2, 4097}) {
    const auto said = ContainsSubstring("threads must lie between 1 and 4096, got " + std::to_string(threads));
    CHECK_THAT(option_message({.threads = threads}), said);
    CHECK_THAT(em_message({.threads = threads}), said);
    CHECK_THAT(seed_message(2, {.threads = threads}), said);
  }
  CHECK_THAT(option_message({.restarts = -1}), ContainsSubstring("restarts") && ContainsSubstring("got -1"));
  for (const double floor : {0.0, -1.0, 1.0, 2.0, not_a_number, infinity}) {
    CHECK_THAT(option_message({.floor = floor}), ContainsSubstring("floor") && ContainsSubstring("[1e-15, 1)"));
    CHECK_THAT(message_of([&] { Gaussian(2, Covariance::full, floor); }), ContainsSubstring("floor"));
  }
  for (const double regular : {-0.1, 1.0, not_a_number}) {
    CHECK_THAT(option_message({.least_regularity = regular}),
               ContainsSubstring("regular") && ContainsSubstring("[0, 1)"));
  }
  CHECK_THAT(em_message({.block = -1}), ContainsSubstring("block") && ContainsSubstring("got -1"));
  CHECK_THAT(seed_message(2, {.lloyd = -1}), ContainsSubstring("Lloyd") && ContainsSubstring("got -1"));
  for (const double width : {-1.0, not_a_number, infinity}) {
    CHECK_THAT(seed_message(2, {.width = width}), ContainsSubstring("width"));
  }
  CHECK_THAT(seed_message(2, {.sample = -1}), ContainsSubstring("sample") && ContainsSubstring("got -1"));
}

TEST_CASE("an error comes before any work and changes nothing") {
  MatrixXd x = two_blobs();
  x(1, 199) = not_a_number;
  const MatrixXd copy = x;
  int calls = 0;
  const auto count = [&](const Report&) { return ++calls > 0; };
  CHECK_THAT(fit_message(x, {.components = 2, .progress = count}), ContainsSubstring("observation 199"));
  const GaussianMixture start = fitted();
  const MatrixXd r = start.responsibilities(two_blobs());
  CHECK_THAT(message_of([&] { em(start, x, {.progress = count}); }), ContainsSubstring("observation 199"));
  CHECK_THAT(option_message({.components = 2, .tolerance = -1, .progress = count}), ContainsSubstring("tolerance"));
  CHECK(calls == 0);
  CHECK((x.leftCols(199).array() == copy.leftCols(199).array()).all());
  CHECK((start.responsibilities(two_blobs()).array() == r.array()).all());
}

TEST_CASE("row 30: max_iterations 0 is the start") {
  const MatrixXd x = two_blobs();
  for (const Covariance structure : structures) {
    INFO(to_string(structure));
    const GaussianMixture start =
        start_at((MatrixXd(2, 2) << 1, 3, 0, 5).finished(), VectorXd::Constant(2, 2), structure);
    const auto fit = em(start, x, {.max_iterations = 0});
    CHECK(fit.report.iterations == 0);
    CHECK(fit.report.status == Status::iteration_limit);
    CHECK(fit.report.objective == Approx(start.log_likelihood(x)).epsilon(1e-12));
    CHECK(fit.report.trace.size() == 1);
    for (Index k = 0; k < 2; ++k) {
      CHECK(fit.model.weights()(k) == start.weights()(k));
      CHECK((fit.model[k].mean() - start[k].mean()).norm() < 1e-12);
      CHECK((fit.model[k].covariance() - start[k].covariance()).norm() < 1e-12);
    }
    const auto seeded =
        fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .restarts = 3, .max_iterations = 0});
    CHECK(seeded.report.iterations == 0);
    CHECK(seeded.report.status == Status::iteration_limit);
    check_sound(seeded, x);
  }
}

TEST_CASE("row 32: a query that is NaN or infinite") {
  for (const Covariance structure : structures) {
    const GaussianMixture model = fitted(structure);
    for (const double value : {not_a_number, infinity, -infinity}) {
      MatrixXd q = MatrixXd::Zero(2, 700);  // more than one block
      q(1, 600) = value;
      const auto place = ContainsSubstring("dimension 1 of observation 600 is ");
      CHECK_THAT(message_of([&] { model.log_density(q); }), place);
      CHECK_THAT(message_of([&] { model.log_likelihood(q); }), place);
      CHECK_THAT(message_of([&] { model.responsibilities(q); }), place);
      CHECK_THAT(message_of([&] { model.classify(q); }), place);
      CHECK_THAT(message_of([&] { bic(model, q); }), place);
      CHECK_THAT(message_of([&] { icl(model, q); }), place);
    }
  }
}

TEST_CASE("row 33: a query of the wrong width") {
  for (const Covariance structure : structures) {
    const GaussianMixture model = fitted(structure);
    const MatrixXd q = MatrixXd::Zero(3, 5);
    const auto shapes =
        ContainsSubstring("expected 2 dimensions, got 3 (data of 3 x 5; an observation is a column, rows(x)");
    CHECK_THAT(message_of([&] { model.log_density(q); }), shapes);
    CHECK_THAT(message_of([&] { model.log_likelihood(q); }), shapes);
    CHECK_THAT(message_of([&] { model.responsibilities(q); }), shapes);
    CHECK_THAT(message_of([&] { model.classify(q); }), shapes);
    CHECK_THAT(message_of([&] { icl(model, q); }), shapes);
    CHECK_THAT(message_of([&] { model.classify(MatrixXd(0, 5)); }), ContainsSubstring("expected 2 dimensions, got 0"));
    CHECK_THAT(message_of([&] { model[2]; }), ContainsSubstring("component 2 does not exist; there are 2"));
    CHECK_THAT(message_of([&] { model[-1]; }), ContainsSubstring("component -1 does not exist"));
    // No query at all is no error.
    CHECK(model.log_density(MatrixXd(2, 0)).size() == 0);
    CHECK(model.responsibilities(MatrixXd(2, 0)).rows() == 0);
    CHECK(model.classify(MatrixXd(2, 0)).size() == 0);
    CHECK(model.log_likelihood(MatrixXd(2, 0)) == 0);
  }
  CHECK_THAT(message_of([] { columns<3>(MatrixXd(2, 5)); }), ContainsSubstring("dimension 3, got dimension 2"));
}

TEST_CASE("row 34: there is nothing to use before a fit") {
  STATIC_REQUIRE(!std::is_default_constructible_v<GaussianMixture>);
  STATIC_REQUIRE(!std::is_default_constructible_v<Gaussian>);
  STATIC_REQUIRE(!std::is_default_constructible_v<Fit<GaussianMixture>>);
}

TEST_CASE("row 35: weights") {
  const MatrixXd x = two_blobs();
  VectorXd w = VectorXd::Ones(200);
  const auto message = [&] { return message_of([&] { fit_gaussian_mixture(weighted(x, w), {.components = 2}); }); };
  w(42) = -0.25;
  CHECK_THAT(message(), ContainsSubstring("weight 42 is -0.25"));
  w(42) = not_a_number;
  CHECK_THAT(message(), ContainsSubstring("weight 42 is nan"));
  w(42) = infinity;
  CHECK_THAT(message(), ContainsSubstring("weight 42 is inf"));
  w.setZero();
  CHECK_THAT(message(), ContainsSubstring("200 weights") && ContainsSubstring("all are zero"));
  w.setConstant(1e308);
  CHECK_THAT(message(), ContainsSubstring("sum of the 200 weights must be finite"));
  w = VectorXd::Ones(199);
  CHECK_THAT(message(), ContainsSubstring("each of 200 observations, got 199 weights"));
  const VectorXd twice = VectorXd::Ones(400);
  const Eigen::Map<const VectorXd, 0, Eigen::InnerStride<2>> apart(twice.data(), 200);
  CHECK_THAT(message_of([&] { weighted(x, apart); }), ContainsSubstring("contiguous") && ContainsSubstring("stride 2"));
}

TEST_CASE("a block size that no memory holds is the size of the data") {
  const MatrixXd x = two_blobs();
  const auto start = start_at((MatrixXd(2, 2) << 0, 5, 0, 5).finished(), VectorXd::Ones(2));
  const auto wanted = em(start, x);
  for (const Index block : {Index{1} << 40, Index{1} << 56, std::numeric_limits<Index>::max()}) {
    INFO(block);
    CHECK(em(start, x, {.block = block}).report.objective == Approx(wanted.report.objective).epsilon(1e-12));
  }
}

TEST_CASE("negative sizes, where nothing else has looked before") {
  CHECK_THAT(message_of([] { ConstantGate(Index{0}); }), ContainsSubstring("at least one component, got 0"));
  CHECK_THAT(message_of([] { Gaussian(-3); }), ContainsSubstring("at least one dimension, got -3"));
  CHECK_THAT(message_of([] { ConstantGate(Index{-2}); }), ContainsSubstring("at least one component, got -2"));
}
