#include "emulsion/inference/em.hpp"

#include <thread>

#include "catch.hpp"
#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/gaussian_mixture.hpp"
#include "emulsion/inference/seed.hpp"
#include "reference/values.hpp"

using namespace emulsion;

namespace {

/// 197 animals in four cells of probabilities 1/2 + t/4, (1 - t)/4, (1 - t)/4, t/4 (Dempster, Laird and Rubin, 1977,
/// sec. 1): the first cell hides two classes. Written from the concept LatentModel alone.
class Linkage {
 public:
  using Data = Points<double>;  // 1 x 4: the number of the cell, weighted by its count
  struct Statistics {
    double log_normaliser = 0, linked = 0, others = 0;
    Statistics& operator+=(const Statistics& s) {
      log_normaliser += s.log_normaliser, linked += s.linked, others += s.others;
      return *this;
    }
    Statistics& operator*=(double c) {
      log_normaliser *= c, linked *= c, others *= c;
      return *this;
    }
  };
  struct Scratch {
    Eigen::MatrixXd scores;
  };

  explicit Linkage(double start) : theta(start) {}

  Statistics statistics() const { return {}; }
  Scratch scratch(Index most) const { return {Eigen::MatrixXd(most, 2)}; }
  template <class EStep>
  void accumulate(const Data& block, const EStep& e_step, Scratch& scratch, Statistics& s) const {
    Scores r(scratch.scores.topRows(block.size()));
    for (Index i = 0; i < block.size(); ++i) {
      const double cell = block(0, i);
      r(i, 0) = std::log(cell == 0 ? 0.5 : cell == 3 ? 0.0 : (1 - theta) / 4);
      r(i, 1) = std::log(cell == 0 || cell == 3 ? theta / 4 : 0.0);
    }
    s.log_normaliser += e_step(block, r);
    for (Index i = 0; i < block.size(); ++i) {
      s.linked += r(i, 1);
      if (block(0, i) == 1 || block(0, i) == 2) s.others += r(i, 0);
    }
  }
  void maximize(const Statistics& s, Linkage& next) const { next.theta = s.linked / (s.linked + s.others); }
  double objective(const Statistics& s) const { return s.log_normaliser; }

  double theta;
};

struct Animals {
  Eigen::RowVectorXd cells = Eigen::RowVectorXd::LinSpaced(4, 0, 3);
  Eigen::VectorXd counts = (Eigen::VectorXd(4) << 125, 18, 20, 34).finished();
  Points<double> data() const { return weighted(cells, counts); }
};

/// Its M-step goes wrong from the fifth on: theta wanders away, or is not a number.
struct WrongLinkage : Linkage {
  double wrong;
  int steps = 0;
  WrongLinkage(double start, double factor) : Linkage(start), wrong(factor) {}
  void maximize(const Statistics& s, WrongLinkage& next) const {
    Linkage::maximize(s, next);
    next.wrong = wrong;
    next.steps = steps + 1;
    if (next.steps >= 5) next.theta = theta * wrong;
  }
};

MixtureOf<Poisson> two_rates(double first, double second) {
  const auto one = [](double rate) { return Poisson(Eigen::VectorXd::Constant(1, rate)); };
  return MixtureOf<Poisson>(Eigen::Vector2d(0.5, 0.5), {one(first), one(second)});
}

GaussianMixture two_blobs(double apart) {
  return GaussianMixture(Eigen::Vector2d(0.4, 0.6),
                         {Gaussian(2), Gaussian(Eigen::Vector2d(apart, 0), Eigen::Matrix2d::Identity())});
}

/// What the log-likelihood promises along each coordinate: the largest g^2 / (2 |h|), in nats, of the derivatives g and
/// h by differences. It is where `model(v)` is the mixture with the parameters v.
template <class Model>
double left_to_gain(const Model& model, Eigen::VectorXd v, const Points<double>& data) {
  double worst = 0;
  for (Index i = 0; i < v.size(); ++i) {
    const double at = v(i), step = 1e-3 * (1 + std::abs(at));
    const auto value = [&](double steps) {
      v(i) = at + steps * step;
      const double result = model(v).log_likelihood(data);
      v(i) = at;
      return result;
    };
    const double one = value(1), minus_one = value(-1), two = value(2), minus_two = value(-2), here = value(0);
    const double first = (8 * (one - minus_one) - (two - minus_two)) / 12;
    const double second = (16 * (one + minus_one) - (two + minus_two) - 30 * here) / 12;
    worst = std::max(worst, first * first / (2 * std::abs(second)));
  }
  return worst;
}

/// Weights as logarithms (of ratios to the last), without those at zero.
Eigen::VectorXd log_ratios(const Eigen::VectorXd& p) { return (p.head(p.size() - 1) / p(p.size() - 1)).array().log(); }
Eigen::VectorXd simplex(const Eigen::VectorXd& log_ratios) {
  Eigen::VectorXd p(log_ratios.size() + 1);
  p << log_ratios.array().exp().matrix(), 1.0;
  return p / p.sum();
}

bool has(const Report& report, EventKind kind, Index component = -1) {
  return std::any_of(report.events.begin(), report.events.end(),
                     [&](const Event& e) { return e.kind == kind && e.component == component && !e.text.empty(); });
}

}  // namespace

TEST_CASE("LINK: the linkage of Dempster, Laird and Rubin, written by a user, and its textbook rate") {
  const Animals animals;
  const double exact = (15 + std::sqrt(53809.0)) / 394;
  CHECK(exact == Approx(0.6268214978709824).epsilon(1e-15));
  for (const double start : {0.5, 0.05, 0.99}) {
    CAPTURE(start);
    const auto fit = em(Linkage(start), animals.data());
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.model.theta == Approx(exact).margin(4e-5));  // 2e-7 nats, the tolerance for 197 observations
    const auto more = em(Linkage(start), animals.data(), {.max_iterations = 40, .tolerance = 1e-14});
    CHECK(std::abs(more.model.theta - exact) <= 1e-6);
    // The parameter's error shrinks by 0.1328 an iteration, the objective's by its square.
    CHECK(more.report.rate == Approx(0.1328 * 0.1328).epsilon(0.03));
    const auto limit = em(Linkage(start), animals.data(), {.max_iterations = 40, .tolerance = 1e-300});
    CHECK(std::abs(limit.model.theta - exact) <= 1e-12);
    // A tolerance below rounding cannot be met; but a rate of 0.02 does not tend to one.
    CHECK(em(Linkage(start), animals.data(), {.tolerance = 1e-300}).report.status != Status::sublinear);
  }
}

TEST_CASE("em: every end has its status and its evidence") {
  const Animals animals;
  const auto data = animals.data();
  const reference::Counted notices = reference::death_notices();
  const auto days = weighted(notices.x, notices.counts);

  SECTION("converged: the distance is below the tolerance, per observation") {
    const auto fit = em(two_rates(1, 3), days);
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.report.distance >= 0);
    CHECK(fit.report.distance <= 1e-9);
    CHECK((fit.report.rate > 0 && fit.report.rate < 1));
    CHECK(fit.report.trace.back() == fit.report.objective);
    CHECK(fit.report.e_steps >= fit.report.iterations + 1);
    CHECK(fit.report.objective == Approx(fit.model.log_likelihood(days)).epsilon(1e-14));
  }
  SECTION("iteration limit: none, one, a few") {
    const auto start = two_rates(1, 3);
    for (const Index most : {0, 1, 3}) {
      const auto fit = em(start, days, {.max_iterations = most});
      CHECK(fit.report.status == Status::iteration_limit);
      CHECK(fit.report.iterations == most);
      CHECK(fit.report.trace.size() == static_cast<std::size_t>(most) + 1);
      CHECK(fit.report.objective == Approx(fit.model.log_likelihood(days)).epsilon(1e-14));
    }
    CHECK(em(start, days, {.max_iterations = 0}).model[0].rates() == start[0].rates());
  }
  SECTION("sublinear: two components where one is the truth, so that their difference is singular") {
    const Eigen::RowVectorXd values = Eigen::RowVectorXd::LinSpaced(25, 0, 24);
    const MixtureOf<Poisson> truth(Eigen::VectorXd::Ones(1), {Poisson(Eigen::VectorXd::Constant(1, 1.5))});
    const Eigen::VectorXd w = 1000 * truth.log_density(values).array().exp();
    const auto fit = em(two_rates(1, 3), weighted(values, w),
                        {.max_iterations = 3000, .tolerance = 1e-10, .acceleration = Acceleration::none});
    CHECK(fit.report.status == Status::sublinear);
    CHECK(fit.report.rate > 0.99);
    CHECK(!(fit.report.distance <= 1e-10));
    CHECK(truth.log_likelihood(weighted(values, w)) - fit.report.objective > 1e-10 * 1000);
  }
  SECTION("stopped: by the callback, the model so far is kept") {
    std::vector<double> seen;
    const auto fit = em(two_rates(1, 3), days, {.progress = [&](const Report& report) {
                          seen.push_back(report.objective);
                          return report.iterations < 4;
                        }});
    CHECK(fit.report.status == Status::stopped);
    CHECK(fit.report.iterations == 4);
    CHECK(seen == fit.report.trace);
    CHECK(fit.report.objective == Approx(fit.model.log_likelihood(days)).epsilon(1e-14));
  }
  SECTION("stopped: by a token, before and from another thread") {
    std::stop_source source;
    source.request_stop();
    CHECK(em(two_rates(1, 3), days, {.stop = source.get_token()}).report.status == Status::stopped);
    std::jthread other;
    std::stop_source later;
    const auto fit = em(two_rates(1, 3), days,
                        {.tolerance = 1e-300,
                         .progress =
                             [&](const Report& report) {
                               if (report.iterations == 2) other = std::jthread([&] { later.request_stop(); });
                               if (report.iterations == 2) other.join();
                               return true;
                             },
                         .stop = later.get_token()});
    CHECK(fit.report.status == Status::stopped);
    CHECK(fit.report.iterations == 2);
  }
  SECTION("objective fell: an M-step that is wrong on purpose; the model before is kept") {
    const auto fit = em(WrongLinkage(0.5, 0.7), data);
    CHECK(fit.report.status == Status::objective_fell);
    CHECK(has(fit.report, EventKind::fell));
    CHECK(fit.model.steps == 4);
    CHECK(fit.report.objective == fit.report.trace.back());
    const auto again = em(Linkage(fit.model.theta), data, {.max_iterations = 0});
    CHECK(again.report.objective == Approx(fit.report.objective).epsilon(1e-14));
  }
  SECTION("failed: an objective that is not a number; the model before is kept") {
    const auto fit = em(WrongLinkage(0.5, std::numeric_limits<double>::quiet_NaN()), data);
    CHECK(fit.report.status == Status::failed);
    CHECK(has(fit.report, EventKind::not_finite));
    CHECK(fit.model.steps == 4);
    CHECK(std::isfinite(fit.report.objective));
    const auto at_once = em(Linkage(0.0), data);  // the last cell is impossible
    CHECK(at_once.report.status == Status::failed);
    CHECK(at_once.model.theta == 0);
    CHECK(at_once.report.objective == -std::numeric_limits<double>::infinity());
    CHECK(at_once.report.iterations == 0);
  }
}

TEST_CASE("em: the policies for a component that collapses or empties") {
  Rng rng(1);
  Eigen::MatrixXd x(2, 60);
  for (Index i = 0; i < 60; ++i) {  // a third of the observations are one point
    for (Index j = 0; j < 2; ++j) x(j, i) = i < 20 ? 9.0 : rng.normal();
  }
  const GaussianMixture start(Eigen::Vector2d(0.4, 0.6),
                              {Gaussian(Eigen::Vector2d(9, 9), 0.1 * Eigen::Matrix2d::Identity()), Gaussian(2)});
  const auto floored = em(start, x);
  CHECK(floored.report.status == Status::converged);
  CHECK(has(floored.report, EventKind::floor_active, 0));
  CHECK(floored.model.size() == 2);
  CHECK(floored.model[0].at_floor() == 2);
  const auto failed = em(start, x, {.degenerate = Degenerate::fail});
  CHECK(failed.report.status == Status::failed);
  CHECK(std::isfinite(failed.model.log_likelihood(x)));
  const auto dropped = em(start, x, {.degenerate = Degenerate::drop});
  CHECK(dropped.model.size() == 1);
  CHECK(has(dropped.report, EventKind::dropped, 0));
  CHECK(dropped.report.status == Status::converged);
  const auto reseeded = em(start, x, {.degenerate = Degenerate::reseed});
  CHECK(has(reseeded.report, EventKind::reseeded, 0));
  CHECK(reseeded.model.size() == 2);
  CHECK(std::isfinite(reseeded.model.log_likelihood(x)));

  // A component so far from all observations that it loses them at once.
  const GaussianMixture lost(Eigen::Vector2d(0.5, 0.5),
                             {Gaussian(2), Gaussian(Eigen::Vector2d(1e6, 0), Eigen::Matrix2d::Identity())});
  const auto empty = em(lost, x);
  CHECK(empty.report.status == Status::converged);
  CHECK(has(empty.report, EventKind::emptied, 1));
  CHECK(empty.model.weights()(1) == 0);
  CHECK(empty.model.responsibilities(x).allFinite());
  CHECK(em(lost, x, {.degenerate = Degenerate::drop}).model.size() == 1);
}

TEST_CASE("em: 1, 2 and 7 threads and any block give a fit of the same bits for the same block") {
  Rng rng(2);
  const Index n = 20'011;
  const Eigen::MatrixXd x = two_blobs(3).sample(n, rng);
  for (const Covariance covariance :
       {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
    const auto start = seed(Gaussian(2, covariance), 3, x, rng);
    for (const Index block : {0, 37, 1000, 30'000}) {
      EmOptions options{.max_iterations = 8, .block = block};
      const auto one = em(start, x, options);
      CHECK(one.report.iterations == 8);
      for (const int threads : {2, 7}) {
        options.threads = threads;
        const auto other = em(start, x, options);
        CHECK(other.report.trace == one.report.trace);
        CHECK(other.model.weights() == one.model.weights());
        for (Index k = 0; k < 3; ++k) {
          CHECK(other.model[k].mean() == one.model[k].mean());
          CHECK(other.model[k].factor() == one.model[k].factor());
        }
      }
    }
  }
}

TEST_CASE("em: misuse is one sentence, before any work") {
  const auto start = two_blobs(3);
  const Eigen::MatrixXd x = Eigen::MatrixXd::Random(2, 30);
  CHECK_THROWS_WITH(em(start, x, {.tolerance = 0}), "the tolerance must be positive and finite, got 0");
  CHECK_THROWS_WITH(em(start, x, {.max_iterations = -1}), "max_iterations must not be negative, got -1");
  CHECK_THROWS_WITH(em(start, x, {.threads = 0}), "threads must lie between 1 and 4096, got 0");
  CHECK_THROWS_WITH(em(start, x, {.block = -3}), "the block size must not be negative, got -3");
  CHECK_THROWS_WITH(em(start, Eigen::MatrixXd(2, 0)), "a fit needs at least one observation, got none");
  CHECK_THROWS_WITH(em(start, Eigen::MatrixXd::Random(3, 30)),
                    "expected 2 dimensions, got 3 (data of 3 x 30; an observation is a column, rows(x) adapts rows)");
}

TEST_CASE("em: the hard E-step maximizes the classification likelihood") {
  Rng rng(3);
  const auto truth = two_blobs(6);
  const Eigen::MatrixXd x = truth.sample(400, rng);
  const auto fit = em(truth, columns(x), {}, Hard{});
  CHECK(fit.report.status == Status::converged);
  for (std::size_t i = 1; i < fit.report.trace.size(); ++i) {
    CHECK(fit.report.trace[i] >= fit.report.trace[i - 1] - 1e-12 * std::abs(fit.report.objective));
  }
  const Labels labels = fit.model.classify(x);
  for (const Index k : {0, 1}) {
    Eigen::Vector2d mean = Eigen::Vector2d::Zero();
    double count = 0;
    for (Index i = 0; i < 400; ++i) {
      if (labels(i) == k) mean += x.col(i), count += 1;
    }
    CHECK((fit.model[k].mean() - mean / count).cwiseAbs().maxCoeff() < 1e-12);
    CHECK(fit.model.weights()(k) == Approx(count / 400).epsilon(1e-14));
  }
}

TEST_CASE("the gradient of the log-likelihood vanishes at the optimum: Gaussians of every structure") {
  const Eigen::MatrixXd x = reference::faithful();
  const Index d = 2, components = 2;
  for (const Covariance covariance :
       {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
    // Log-ratios of the weights, means, logarithms of the factors' diagonals and what is below them; built by
    // from_factor, whatever the structure.
    const Index per_factor = covariance == Covariance::spherical ? 1 : covariance == Covariance::diagonal ? d : 3;
    const Index factors = covariance == Covariance::tied ? 1 : components;
    const auto build = [&](const Eigen::VectorXd& v) {
      std::vector<Gaussian> all;
      for (Index k = 0; k < components; ++k) {
        const Eigen::VectorXd mean = v.segment(components - 1 + k * d, d);
        const Eigen::VectorXd chart = v.segment(components - 1 + components * d + k % factors * per_factor, per_factor);
        Eigen::Matrix2d factor = Eigen::Matrix2d::Zero();
        for (Index j = 0; j < d; ++j) factor(j, j) = std::exp(chart(std::min(j, per_factor - 1)));
        if (per_factor == 3) factor(1, 0) = chart(2);
        all.push_back(Gaussian::from_factor(mean, factor));
      }
      return GaussianMixture(simplex(v.head(components - 1)), all);
    };
    const auto parameters = [&](const GaussianMixture& model) {
      Eigen::VectorXd v(components - 1 + components * d + factors * per_factor);
      v.head(components - 1) = log_ratios(model.weights());
      for (Index k = 0; k < components; ++k) {
        v.segment(components - 1 + k * d, d) = model[k].mean();
        const Eigen::MatrixXd factor = model[k].factor();
        auto chart = v.segment(components - 1 + components * d + k % factors * per_factor, per_factor);
        for (Index j = 0; j < std::min(d, per_factor); ++j) chart(j) = std::log(factor(j, j));
        if (per_factor == 3) chart(2) = factor(1, 0);
      }
      return v;
    };
    Rng rng(4);
    const auto start = seed(Gaussian(d, covariance), components, x, rng);
    const auto fit = em(start, x, {.tolerance = 1e-13});
    CAPTURE(to_string(covariance));
    CHECK(build(parameters(fit.model)).log_likelihood(x) == Approx(fit.report.objective).epsilon(1e-12));
    CHECK(left_to_gain(build, parameters(fit.model), x) < 1e-8);
    CHECK(left_to_gain(build, parameters(start), x) > 1e-3);
  }
}

TEST_CASE("the gradient of the log-likelihood vanishes at the optimum: Poisson and latent classes") {
  const reference::Counted notices = reference::death_notices(), answers = reference::stouffer_toby();
  const auto days = weighted(notices.x, notices.counts), people = weighted(answers.x, answers.counts);
  const auto rates = [](const Eigen::VectorXd& v) {
    const auto one = [&](Index k) { return Poisson(Eigen::VectorXd::Constant(1, std::exp(v(1 + k)))); };
    return MixtureOf<Poisson>(simplex(v.head(1)), {one(0), one(1)});
  };
  const auto found = em(two_rates(1, 3), days, {.tolerance = 1e-13}).model;
  const auto chart = [&](const MixtureOf<Poisson>& m) {
    return Eigen::Vector3d(log_ratios(m.weights())(0), std::log(m[0].rates()(0)), std::log(m[1].rates()(0)));
  };
  CHECK(left_to_gain(rates, chart(found), days) < 1e-8);
  CHECK(left_to_gain(rates, chart(two_rates(1, 3)), days) > 1e-3);

  const auto classes = [](const Eigen::VectorXd& v) {
    std::vector<Categorical> all;
    for (Index k = 0; k < 2; ++k) {
      std::vector<Eigen::VectorXd> items;
      for (Index j = 0; j < 4; ++j) items.push_back(simplex(v.segment(1 + 4 * k + j, 1)));
      all.emplace_back(items);
    }
    return MixtureOf<Categorical>(simplex(v.head(1)), all);
  };
  Rng rng(5);
  const auto start = seed(Categorical({2, 2, 2, 2}), 2, people, rng);
  const auto fit = em(start, people, {.tolerance = 1e-13});
  const auto logits = [&](const MixtureOf<Categorical>& m) {
    Eigen::VectorXd v(9);
    v(0) = log_ratios(m.weights())(0);
    for (Index k = 0; k < 2; ++k) {
      for (Index j = 0; j < 4; ++j) v(1 + 4 * k + j) = log_ratios(m[k].probabilities(j))(0);
    }
    return v;
  };
  CHECK(std::abs(fit.report.objective - reference::c1.log_likelihood) < reference::c1.slack());
  CHECK(left_to_gain(classes, logits(fit.model), people) < 1e-8);
  CHECK(left_to_gain(classes, logits(start), people) > 1e-3);
}
