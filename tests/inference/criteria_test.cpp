#include "emulsion/inference/criteria.hpp"

#include "catch.hpp"
#include "emulsion/data/csv.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/inference/em.hpp"
#include "emulsion/models/mixture.hpp"

using namespace emulsion;
using Mixtures = MixtureOf<Gaussian>;

namespace {

Eigen::MatrixXd faithful() { return read_csv("examples/data/faithful.csv").matrix(); }

Mixtures two_components(const Eigen::MatrixXd& x) {
  const Eigen::Matrix2d s = Eigen::Vector2d(1, 36).asDiagonal();
  const Mixtures start(Eigen::Vector2d(0.5, 0.5),
                       {Gaussian(Eigen::Vector2d(2, 55), s), Gaussian(Eigen::Vector2d(4.3, 80), s)});
  return em(start, x, {.tolerance = 1e-14}).model;
}
Mixtures one_component(const Eigen::MatrixXd& x) {
  return em(Mixtures(Eigen::VectorXd::Ones(1), {Gaussian(2)}), x, {.tolerance = 1e-14}).model;
}

}  // namespace

TEST_CASE("criteria of two components of Old Faithful (values.md: G1, G2, Q1)") {
  const Eigen::MatrixXd x = faithful();
  const Mixtures model = two_components(x), one = one_component(x);
  CHECK(model.free_parameters() == 11);
  CHECK(aic(model, x) == Approx(2282.52792036948).epsilon(1e-12));
  CHECK(aicc(model, x) == Approx(2283.54330498487).epsilon(1e-12));
  CHECK(caic(model, x) == Approx(2333.19174309874).epsilon(1e-12));
  CHECK(bic(model, x) == Approx(2322.19174309874).epsilon(1e-12));
  CHECK(classification_entropy(model, x) == Approx(0.694737966642232).epsilon(1e-6));
  CHECK(icl(model, x) == Approx(2323.58121903202).epsilon(1e-9));
  CHECK(icl(model, x, Assignment::hard) == Approx(2322.70468151139).epsilon(1e-9));
  CHECK(normalised_entropy_criterion(model, one, x) == Approx(0.00435482880348154).epsilon(1e-6));
  CHECK(bic(one, x) == Approx(2 * 1289.7967450526137 + 5 * std::log(272.0)).epsilon(1e-12));
}

TEST_CASE("criteria by name are those by function, and follow from the penalty") {
  const Eigen::MatrixXd x = faithful();
  const Mixtures model = two_components(x);
  CHECK(criterion(Criterion::aic, model, x) == aic(model, x));
  CHECK(criterion(Criterion::aicc, model, x) == aicc(model, x));
  CHECK(criterion(Criterion::caic, model, x) == caic(model, x));
  CHECK(criterion(Criterion::bic, model, x) == bic(model, x));
  CHECK(criterion(Criterion::icl, model, x) == icl(model, x));
  CHECK(to_string(Criterion::aicc) == "AICc");
  CHECK(bic(model, x) == -2 * model.log_likelihood(x) + criterion_penalty(Criterion::bic, 11, 272));
  CHECK(criterion_penalty(Criterion::aicc, 11, 12) == std::numeric_limits<double>::infinity());
  CHECK(criterion_penalty(Criterion::aicc, 11, 13) == Approx(22 + 264.0));
}

TEST_CASE("a weight of two is the observation twice, and of zero no observation, in every criterion") {
  const Eigen::MatrixXd x = faithful();
  const Mixtures model = two_components(x), one = one_component(x);
  Eigen::VectorXd w(x.cols());
  Index total = 0;
  for (Index i = 0; i < x.cols(); ++i) w(i) = static_cast<double>(i % 3), total += i % 3;
  Eigen::MatrixXd replicated(2, total);
  Index at = 0;
  for (Index i = 0; i < x.cols(); ++i) {
    for (Index j = 0; j < i % 3; ++j) replicated.col(at++) = x.col(i);
  }
  const auto data = weighted(x, w);
  for (const Criterion which : {Criterion::aic, Criterion::aicc, Criterion::caic, Criterion::bic, Criterion::icl}) {
    CHECK(criterion(which, model, data) == Approx(criterion(which, model, replicated)).epsilon(1e-13));
  }
  CHECK(icl(model, data, Assignment::hard) == Approx(icl(model, replicated, Assignment::hard)).epsilon(1e-13));
  CHECK(classification_entropy(model, data) == Approx(classification_entropy(model, replicated)).epsilon(1e-12));
  CHECK(normalised_entropy_criterion(model, one, data) ==
        Approx(normalised_entropy_criterion(model, one, replicated)).epsilon(1e-12));
}

TEST_CASE("the classification entropy lies between none and n log K") {
  const Gaussian g(2);
  const Mixtures same(Eigen::Vector3d(1, 1, 1) / 3, {g, g, g});
  const Eigen::MatrixXd x = Eigen::MatrixXd::Random(2, 1500);  // three blocks
  CHECK(classification_entropy(same, x) == Approx(1500 * std::log(3.0)).epsilon(1e-13));
  CHECK(icl(same, x, Assignment::hard) == Approx(bic(same, x) + 2 * 1500 * std::log(3.0)).epsilon(1e-13));
  const Mixtures apart(Eigen::Vector2d(0.5, 0.5), {g, Gaussian(Eigen::Vector2d(1e3, 0), Eigen::Matrix2d::Identity())});
  CHECK(classification_entropy(apart, x) == 0);
  CHECK(icl(apart, x) == Approx(bic(apart, x)).epsilon(1e-15));
}

TEST_CASE("the blocks of a classified likelihood add up to the whole") {
  const Gaussian g(1), h(Eigen::VectorXd::Constant(1, 1.0), Eigen::MatrixXd::Constant(1, 1, 2.0));
  const Mixtures model(Eigen::Vector2d(0.4, 0.6), {g, h});
  Rng rng(3);
  const Eigen::MatrixXd x = model.sample(1300, rng);
  const ClassifiedLikelihood found = classified_likelihood(model, x);
  const Eigen::ArrayXXd r = model.responsibilities(x);
  CHECK(found.log_likelihood == Approx(model.log_likelihood(x)).epsilon(1e-13));
  CHECK(found.soft_entropy == Approx(-(r * r.log()).sum()).epsilon(1e-12));
  CHECK(found.hard_entropy == Approx(-r.rowwise().maxCoeff().log().sum()).epsilon(1e-12));
}

TEST_CASE("the normalised entropy criterion at its limits") {
  const Eigen::MatrixXd x = Eigen::MatrixXd::Random(2, 20);
  const Gaussian g(2);
  const Mixtures one(Eigen::VectorXd::Ones(1), {g}), two(Eigen::Vector2d(0.5, 0.5), {g, g});
  CHECK(normalised_entropy_criterion(one, one, x) == 1);
  CHECK(normalised_entropy_criterion(two, one, x) > 1e6);  // no gain, or one of rounding
  CHECK_THROWS_WITH(normalised_entropy_criterion(two, two, x), ContainsSubstring("one of 2"));
}

TEST_CASE("criteria refuse data of another dimension, unusable data and none") {
  const Mixtures model(Eigen::VectorXd::Ones(1), {Gaussian(2)});
  Eigen::MatrixXd x = Eigen::MatrixXd::Random(3, 5);
  CHECK_THROWS_AS(bic(model, x), InvalidArgument);
  CHECK_THROWS_AS(icl(model, x), InvalidArgument);
  x = Eigen::MatrixXd::Random(2, 5);
  x(1, 3) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(aic(model, x), InvalidArgument);
  CHECK_THROWS_AS(classification_entropy(model, x), InvalidArgument);
  CHECK_THROWS_WITH(bic(model, Eigen::MatrixXd(2, 0)), ContainsSubstring("at least one observation"));
}
