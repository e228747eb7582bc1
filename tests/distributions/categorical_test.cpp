#include "emulsion/distributions/categorical.hpp"

#include "catch.hpp"
#include "emulsion/inference/em.hpp"
#include "emulsion/inference/seed.hpp"
#include "emulsion/models/mixture.hpp"

using namespace emulsion;

namespace {

/// Reference value C1: 216 answers to four questions of Stouffer and Toby (1951), by pattern, the last item fastest.
struct Values {
  Eigen::MatrixXd patterns = Eigen::MatrixXd(4, 16);
  Eigen::VectorXd counts = Eigen::VectorXd(16);
  Values() {
    counts << 42, 23, 6, 25, 6, 24, 7, 38, 1, 4, 1, 6, 2, 9, 2, 20;
    for (Index i = 0; i < 16; ++i) {
      for (Index j = 0; j < 4; ++j) patterns(j, i) = static_cast<double>((i >> (3 - j)) & 1);
    }
  }
  Points<double> weighted_patterns() const { return weighted(patterns, counts); }
  Eigen::MatrixXd repeated() const {  // 216 x 4
    Eigen::MatrixXd x(216, 4);
    Index at = 0;
    for (Index i = 0; i < 16; ++i) {
      for (Index copy = 0; copy < static_cast<Index>(counts(i)); ++copy) x.row(at++) = patterns.col(i).transpose();
    }
    return x;
  }
  /// G^2 = 2 sum n_i log(n_i / expected_i)
  double deviance(const MixtureOf<Categorical>& model) const {
    const Eigen::ArrayXd expected = 216 * model.log_density(patterns).array().exp();
    return 2 * (counts.array() * (counts.array() / expected).log()).sum();
  }
};

const std::vector<Index> four_yes_or_no{2, 2, 2, 2};

MixtureOf<Categorical> random_start(Index classes, Rng& rng) {
  std::vector<Categorical> components;
  for (Index k = 0; k < classes; ++k) {
    std::vector<Eigen::VectorXd> tables;
    for (Index j = 0; j < 4; ++j) tables.push_back(rng.dirichlet(Eigen::Vector2d(1, 1)));
    components.emplace_back(tables);
  }
  return {Eigen::VectorXd::Constant(classes, 1 / static_cast<double>(classes)), components};
}

std::vector<Eigen::VectorXd> tables(double p, double q) {
  return {Eigen::Vector2d(p, 1 - p), Eigen::Vector3d(q, 0, 1 - q)};
}

}  // namespace

TEST_CASE("C1: one, two and three latent classes of the Stouffer-Toby answers") {
  const Values values;
  const MixtureOf<Categorical> single(Eigen::VectorXd::Ones(1), {Categorical(four_yes_or_no)});
  const auto one = em(single, values.weighted_patterns());
  CHECK(one.report.status == Status::converged);
  CHECK(one.report.objective == Approx(-543.649824781391).epsilon(1e-14));
  CHECK(values.deviance(one.model) == Approx(81.0842311977).epsilon(1e-11));
  CHECK(one.model.free_parameters() == 4);

  Rng rng(3);
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto start = random_start(2, rng);
    const auto two = em(start, values.weighted_patterns(), {.tolerance = 1e-13});
    CHECK(two.report.status == Status::converged);
    CHECK(two.report.objective == Approx(-504.467670118380).epsilon(1e-13));
    CHECK(values.deviance(two.model) == Approx(2.7199218717).epsilon(1e-9));
    CHECK(two.model.free_parameters() == 9);
    const auto rowwise = em(start, rows(values.repeated()), {.tolerance = 1e-12});
    CHECK(rowwise.report.status == Status::converged);
    CHECK(rowwise.report.objective == Approx(-504.467670118380).epsilon(1e-12));
    const auto accepted = em(start, values.weighted_patterns());
    CHECK(std::abs(accepted.report.objective + 504.467670118380) < 1e-6);
  }
  // Soft: a start with all of an observation in one class has probabilities of zero, which EM cannot leave.
  const auto soft = seed(Categorical(four_yes_or_no), 2, values.weighted_patterns(), rng, {.width = 1});
  CHECK(std::abs(em(soft, values.weighted_patterns()).report.objective + 504.467670118380) < 1e-6);

  // Three classes of four yes-or-no items are not identified (Goodman, 1974): only the likelihood can be compared.
  double best = -std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < 8; ++repeat) {
    const auto three = em(random_start(3, rng), values.weighted_patterns());
    CHECK(three.report.status == Status::converged);
    best = std::max(best, three.report.objective);
  }
  CHECK(std::abs(best + 503.301137286502) < 1e-6);
}

TEST_CASE("a categorical log density is the sum of its items', and impossible categories are -inf") {
  const Categorical item(tables(0.25, 0.5));
  const MixtureOf<Categorical> single(Eigen::VectorXd::Ones(1), {item});
  Eigen::MatrixXd x(2, 3);
  x << 0, 1, 1,  //
      2, 0, 1;
  const Eigen::VectorXd log_p = single.log_density(x);
  CHECK(log_p(0) == Approx(std::log(0.25 * 0.5)).epsilon(1e-15));
  CHECK(log_p(1) == Approx(std::log(0.75 * 0.5)).epsilon(1e-15));
  CHECK(log_p(2) == -std::numeric_limits<double>::infinity());
  const MixtureOf<Categorical> two(Eigen::Vector2d(0.5, 0.5), {item, Categorical(std::vector<Index>{2, 3})});
  CHECK(two.log_density(x)(2) == Approx(std::log(0.5 / 6)).epsilon(1e-15));
  CHECK(two.classify(x)(2) == 1);
  CHECK(two.responsibilities(x)(2, 0) == 0);
}

TEST_CASE("a categorical fit on the border: a category that one class never shows") {
  std::vector<Eigen::VectorXd> first, second;
  for (int j = 0; j < 4; ++j) {
    first.push_back(j == 0 ? Eigen::Vector3d(0.6, 0.4, 0) : Eigen::Vector3d(0.3, 0.3, 0.4));
    second.push_back(Eigen::Vector3d(0.5, 0.2, 0.3));
  }
  const MixtureOf<Categorical> truth(Eigen::Vector2d(0.5, 0.5), {Categorical(first), Categorical(second)});
  Rng rng(5);
  const Eigen::MatrixXd sample = truth.sample(3000, rng);
  Eigen::MatrixXd x(4, 81);  // every pattern once, with how often it was drawn
  Eigen::VectorXd counts = Eigen::VectorXd::Zero(81);
  for (int i = 0; i < 81; ++i) x.col(i) = Eigen::Vector4i(i / 27, i / 9 % 3, i / 3 % 3, i % 3).cast<double>();
  for (Index i = 0; i < 3000; ++i) counts(static_cast<Index>(sample.col(i).dot(Eigen::Vector4d(27, 9, 3, 1)))) += 1;
  first[0] << 0.5, 0.4, 0.1;
  const MixtureOf<Categorical> start(Eigen::Vector2d(0.5, 0.5), {Categorical(first), Categorical(second)});
  const auto fit = em(start, weighted(x, counts), {.tolerance = 1e-12});
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.report.iterations < 10'000);
  CHECK(fit.report.objective == Approx(-12618.387911353428).epsilon(1e-12));
  CHECK(fit.model[0].probabilities(0)(2) < 1e-6);
}

TEST_CASE("categorical: any strides, float and integer codes, the same bits on 1, 2 and 7 threads") {
  const MixtureOf<Categorical> truth(Eigen::Vector2d(0.4, 0.6),
                                     {Categorical(tables(0.9, 0.2)), Categorical(tables(0.1, 0.7))});
  Rng rng(7);
  const Eigen::MatrixXd x = truth.sample(5000, rng);
  CHECK((x.row(1).array() == 1).count() == 0);
  const MixtureOf<Categorical> start(Eigen::Vector2d(0.5, 0.5),
                                     {Categorical(tables(0.8, 0.3)), Categorical(tables(0.3, 0.6))});
  const EmOptions some{.max_iterations = 60};
  const auto fit = em(start, x, some);
  const Eigen::MatrixXd transposed = x.transpose();
  CHECK(em(start, rows(transposed), some).report.trace == fit.report.trace);
  using Codes = BasicCategorical<int, 2>;
  const MixtureOf<Codes> integers(Eigen::Vector2d(0.5, 0.5), {Codes(tables(0.8, 0.3)), Codes(tables(0.3, 0.6))});
  const Eigen::Matrix2Xi codes = x.cast<int>();
  CHECK(em(integers, codes, some).report.trace == fit.report.trace);
  for (const int threads : {2, 7}) {
    EmOptions options = some;
    options.threads = threads;
    const auto other = em(start, x, options);
    CHECK(other.report.trace == fit.report.trace);
    for (const Index k : {0, 1}) CHECK(other.model[k].probabilities(1) == fit.model[k].probabilities(1));
  }
}

TEST_CASE("categorical samples have the frequencies of their probabilities") {
  const std::vector<Eigen::VectorXd> p{Eigen::Vector3d(0.2, 0, 0.8), Eigen::VectorXd::Ones(1),
                                       Eigen::Vector4d(1, 2, 3, 4) / 10};
  const Categorical c(p);
  Rng rng(8);
  constexpr int n = 100'000;
  Eigen::MatrixXd counts = Eigen::MatrixXd::Zero(4, 3);
  for (int i = 0; i < n; ++i) {
    const Eigen::VectorXd x = c.sample(rng);
    for (Index j = 0; j < 3; ++j) counts(static_cast<Index>(x(j)), j) += 1;
  }
  for (Index j = 0; j < 3; ++j) {
    const Eigen::VectorXd& q = p[static_cast<std::size_t>(j)];
    CHECK(c.probabilities(j) == q);
    for (Index code = 0; code < q.size(); ++code) {
      CHECK(std::abs(counts(code, j) / n - q(code)) <= 5 * std::sqrt(q(code) * (1 - q(code)) / n));
    }
  }
  CHECK(c.free_parameters() == 2 + 0 + 3);
}

TEST_CASE("categorical parameters: packed on the border, kept where nothing was seen") {
  const Categorical c(tables(0.25, 0.5));
  Categorical next(std::vector<Index>{2, 3});
  c.maximize(c.statistics(), next);
  CHECK(next.probabilities(1) == c.probabilities(1));
  Eigen::VectorXd v(c.parameters());
  Index at = 0;
  c.pack(v, at);
  CHECK(at == 5);
  CHECK(next.unpack(v, at = 0));
  CHECK((next.probabilities(0) - c.probabilities(0)).norm() < 1e-15);
  CHECK(next.probabilities(1)(1) == 0);
  CHECK_FALSE(next.unpack(Eigen::VectorXd::Zero(5), at = 0));
}

TEST_CASE("categorical: misuse is one sentence") {
  const MixtureOf<Categorical> single(Eigen::VectorXd::Ones(1), {Categorical(std::vector<Index>{2, 3})});
  Eigen::MatrixXd x = Eigen::MatrixXd::Zero(2, 4);
  x(1, 2) = 3;
  CHECK_THROWS_WITH(em(single, x), "item 1 of observation 2 is 3; its categories are the integers 0 to 2");
  x(1, 2) = 0.5;
  CHECK_THROWS_WITH(single.log_density(x), "item 1 of observation 2 is 0.5; its categories are the integers 0 to 2");
  x(1, 2) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(em(single, x), ContainsSubstring("item 1 of observation 2 is nan"));
  CHECK_THROWS_WITH(Categorical(std::vector<Index>{2, 0}), "an item needs at least one category; item 1 has 0");
  CHECK_THROWS_WITH(Categorical(std::vector<Index>{}), "a categorical distribution needs at least one item, got none");
  CHECK_THROWS_WITH(Categorical(std::vector<Eigen::VectorXd>{Eigen::Vector2d(0.5, 0.4)}),
                    "the probabilities of an item must sum to one; those of item 0 sum to 0.9");
  CHECK_THROWS_WITH(Categorical(std::vector<Eigen::VectorXd>{Eigen::Vector2d(1.5, -0.5)}),
                    "probabilities must be finite and not negative; that of category 1 of item 0 is -0.5");
  CHECK_THROWS_WITH((BasicCategorical<double, 3>(std::vector<Index>{2, 2})), "expected 3 items, got 2");
}
