// tests/reference/bad_inputs.md: data and starts from which a fit must come back, and say what it met (rows 3, 5, 8 to
// 13, 22 to 28): never NaN, never an abort; and what stops a fit.
#include <algorithm>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <thread>

#include "reliability/two_blobs.hpp"

using namespace emulsion;
using namespace reliability;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

/// Data and a start of three components, the third of which degenerates.
struct Trap {
  MatrixXd x = MatrixXd(2, 201);
  GaussianMixture start;
  Index component = 2;
  explicit Trap(const GaussianMixture& from) : start(from) { x << two_blobs(), Eigen::Vector2d(300, 300); }
};

/// The third component starts on a far single point and collapses there.
Trap collapsing(Covariance structure) {
  MatrixXd means(2, 3);
  means << 0, 4.8, 300, 0, 6.4, 300;
  return Trap(start_at(means, Eigen::Vector3d(1, 1, 1), structure));
}
/// The third component starts so far from all data that it gets no weight at all.
Trap emptying(Covariance structure) {
  MatrixXd means(2, 3);
  means << 0, 4.8, -1e6, 0, 6.4, -1e6;
  Trap trap(start_at(means, Eigen::Vector3d(1, 1, 1), structure));
  trap.x = two_blobs();
  return trap;
}

Labels first_200(const Labels& labels) { return labels.head(200); }

/// A family that goes wrong: its log density is NaN (or `wrong`) from the M-step number `sound` on.
class Shaky {
 public:
  using Data = Points<double>;
  struct Statistics {
    double weight = 0, sum = 0;
    Statistics& operator+=(const Statistics& other) {
      weight += other.weight, sum += other.sum;
      return *this;
    }
    Statistics& operator*=(double c) {
      weight *= c, sum *= c;
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      visitor(weight), visitor(sum);
    }
  };

  explicit Shaky(double mean, int sound, double wrong) : mean_(mean), wrong_(wrong), sound_(sound) {}
  double mean() const { return mean_; }
  int steps() const { return steps_; }
  Index dimension() const { return 1; }
  Index free_parameters() const { return 1; }
  void log_density(const Data& block, Eigen::Ref<VectorXd> out) const {
    for (Index i = 0; i < block.size(); ++i) {
      out(i) += steps_ < sound_ ? -0.5 * (block(0, i) - mean_) * (block(0, i) - mean_) : wrong_;
    }
  }
  Statistics statistics() const { return {}; }
  void accumulate(const Data& block, const Eigen::Ref<const VectorXd>& w, Statistics& s) const {
    for (Index i = 0; i < block.size(); ++i) s.weight += w(i), s.sum += w(i) * block(0, i);
  }
  void maximize(const Statistics& s, Shaky& next) const {
    next.mean_ = s.weight > 0 ? s.sum / s.weight : mean_;
    next.steps_ = steps_ + 1;
    next.sound_ = sound_;
    next.wrong_ = wrong_;
  }
  VectorXd sample(Rng& rng) const { return VectorXd::Constant(1, mean_ + rng.normal()); }

 private:
  double mean_, wrong_;
  int sound_, steps_ = 0;
};

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

MixtureOf<Shaky> shaky(int sound, double wrong) {
  return {Eigen::Vector2d(0.5, 0.5), {Shaky(-0.1, sound, wrong), Shaky(0.1, sound, wrong)}};
}

}  // namespace

// --- unusual data -------------------------------------------------------------------------------------------------------

TEST_CASE("row 3: one observation and one component") {
  for (const Covariance structure : structures) {
    INFO(to_string(structure));
    const MatrixXd x = Eigen::Vector3d(1, -2, 1e9);
    const auto fit = fit_gaussian_mixture(x, {.components = 1, .covariance = structure});
    const Event* event = find(fit.report, EventKind::degenerate);
    REQUIRE(event);
    CHECK(event->value == 1);
    CHECK(find(fit.report, EventKind::floor_active, 0));
    CHECK(fit.model[0].mean() == x);
    check_sound(fit, x);
  }
}

TEST_CASE("row 5: as many components as observations") {
  for (const Index n : {2, 3, 5, 12}) {
    const MatrixXd x = two_blobs().middleCols(94, n);
    for (const Covariance structure : structures) {
      INFO(n << " observations, " << to_string(structure));
      const auto fit = fit_gaussian_mixture(x, {.components = n, .covariance = structure, .restarts = 4});
      const Event* event = find(fit.report, EventKind::degenerate);
      REQUIRE(event);
      CHECK(event->value == static_cast<double>(n));
      CHECK(fit.model.size() == n);
      check_sound(fit, x);
    }
  }
}

TEST_CASE("row 8: all observations equal") {
  for (const double value : {0.0, 3.7, 1e200, -1e-310}) {
    const MatrixXd x = MatrixXd::Constant(2, 50, value);
    for (const Index components : {1, 2, 5}) {
      for (const Covariance structure : structures) {
        INFO(value << ", " << components << " components, " << to_string(structure));
        const auto fit = fit_gaussian_mixture(x, {.components = components, .covariance = structure, .restarts = 3});
        const Event* event = find(fit.report, EventKind::degenerate);
        REQUIRE(event);
        CHECK(event->value == 1);
        CHECK_THAT(event->text, ContainsSubstring("1 distinct"));
        CHECK(find(fit.report, EventKind::constant, -1, 0));
        CHECK(find(fit.report, EventKind::constant, -1, 1));
        check_sound(fit, x);
        for (Index k = 0; k < components; ++k) {
          if (!(fit.model.weights()(k) > 1e-6)) continue;
          CHECK((fit.model[k].mean() - x.col(0)).norm() <= 1e-9 * std::abs(value));
        }
      }
    }
  }
}

TEST_CASE("row 9: fewer distinct observations than components") {
  MatrixXd x(2, 90);
  for (Index i = 0; i < 90; ++i) x.col(i) << static_cast<double>(i % 3), static_cast<double>(i % 3 == 1);
  for (const Index components : {4, 7}) {
    for (const Covariance structure : structures) {
      INFO(components << " components, " << to_string(structure));
      const auto fit = fit_gaussian_mixture(x, {.components = components, .covariance = structure, .restarts = 3});
      const Event* event = find(fit.report, EventKind::degenerate);
      REQUIRE(event);
      CHECK(event->value == 3);  // as many components as there can be
      CHECK_THAT(event->text, ContainsSubstring("3 distinct") && ContainsSubstring(std::to_string(components)));
      CHECK(find(fit.report, EventKind::duplicates));
      check_sound(fit, x);
    }
  }
}

TEST_CASE("row 10: half the observations are duplicates") {
  MatrixXd x(2, 400);
  x << two_blobs(), two_blobs();
  Labels truth(400);
  truth << blob_labels(), blob_labels();
  for (const Covariance structure : structures) {
    const auto fit = fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .restarts = 4});
    const Event* event = find(fit.report, EventKind::duplicates);
    REQUIRE(event);
    CHECK(event->value == 0.5);
    CHECK_THAT(event->text, ContainsSubstring("50 %"));
    CHECK(same_partition(fit.model.classify(x), truth));
    check_sound(fit, x);
    const auto once = fit_gaussian_mixture(two_blobs(), {.components = 2, .covariance = structure, .restarts = 4});
    CHECK(fit.report.objective == Approx(2 * once.report.objective).epsilon(1e-9));
    CHECK(!find(once.report, EventKind::duplicates));
  }
}

TEST_CASE("row 11: a constant column") {
  for (const double value : {0.0, 5.0, -1e9, 1e-300}) {
    for (const Index place : {0, 1, 2}) {
      MatrixXd x(3, 200);
      x.topRows(2) = two_blobs();
      x.row(2).setConstant(value);
      x.row(place).swap(x.row(2));
      for (const Covariance structure : structures) {
        INFO(value << " in dimension " << place << ", " << to_string(structure));
        const auto fit = fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .restarts = 4});
        const Event* event = find(fit.report, EventKind::constant, -1, place);
        REQUIRE(event);
        CHECK(event->value == value);
        CHECK_THAT(event->text, ContainsSubstring("dimension " + std::to_string(place)));
        for (Index j = 0; j < 3; ++j) CHECK((j == place || !find(fit.report, EventKind::constant, -1, j)));
        CHECK(fit.report.status == Status::converged);
        CHECK(same_partition(fit.model.classify(x), blob_labels()));
        check_sound(fit, x);
        for (Index k = 0; k < 2; ++k) CHECK(fit.model[k].mean()(place) == Approx(value).margin(0));
      }
    }
  }
}

TEST_CASE("row 12: collinear columns") {
  MatrixXd x(4, 200);
  x.topRows(2) = two_blobs();
  x.row(2) = ((x.row(0) + x.row(1)) / 2).array() + 1e3;
  Rng rng(5);
  for (Index i = 0; i < 200; ++i) x(3, i) = rng.normal();
  for (const Covariance structure : structures) {
    INFO(to_string(structure));
    const auto fit = fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .restarts = 4});
    const bool correlated = structure == Covariance::full || structure == Covariance::tied;
    const Event* event = find(fit.report, EventKind::collinear, -1, 2);
    CHECK((event != nullptr) == correlated);
    if (event) {
      CHECK(event->value >= 1e10);
      CHECK_THAT(event->text, ContainsSubstring("dimension 2") && ContainsSubstring("condition number"));
    }
    CHECK(!find(fit.report, EventKind::collinear, -1, 3));
    CHECK(fit.report.status == Status::converged);
    CHECK(same_partition(fit.model.classify(x), blob_labels()));
    check_sound(fit, x);
  }
}

TEST_CASE("row 13: more dimensions than observations") {
  constexpr Index d = 24, n = 20;
  Rng rng(9);
  MatrixXd x(d, n);
  Labels truth(n);
  for (Index i = 0; i < n; ++i) {
    truth(i) = i % 2;
    for (Index j = 0; j < d; ++j) x(j, i) = rng.normal() + (i % 2 == 0 ? 0.0 : 8.0);
  }
  for (const Covariance structure : structures) {
    INFO(to_string(structure));
    const auto fit = fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .restarts = 6});
    const bool correlated = structure == Covariance::full || structure == Covariance::tied;
    const Event* event = find(fit.report, EventKind::few_observations);
    CHECK((event != nullptr) == correlated);
    if (event) {
      CHECK(event->value == n);
      CHECK_THAT(event->text, ContainsSubstring("20 observations") && ContainsSubstring("24 dimensions") &&
                                  ContainsSubstring("diagonal") && ContainsSubstring("factor"));
    }
    check_sound(fit, x);
    // A full covariance of so few observations fits any partition; the structure that the event advises finds the
    // blobs.
    if (!correlated) CHECK(same_partition(fit.model.classify(x), truth));
  }
}

TEST_CASE("row 22: one component is the closed form") {
  const MatrixXd x = two_blobs();
  const VectorXd mean = x.rowwise().mean();
  const MatrixXd centred = x.colwise() - mean;
  const MatrixXd s = centred * centred.transpose() / 200;
  for (const Covariance structure : structures) {
    INFO(to_string(structure));
    const auto fit = fit_gaussian_mixture(x, {.components = 1, .covariance = structure});
    MatrixXd wanted = s;
    if (structure == Covariance::diagonal) wanted = s.diagonal().asDiagonal();
    if (structure == Covariance::spherical) wanted = MatrixXd::Identity(2, 2) * s.trace() / 2;
    CHECK((fit.model[0].mean() - mean).norm() < 1e-12);
    CHECK((fit.model[0].covariance() - wanted).norm() < 1e-12 * wanted.norm());
    CHECK(fit.model.weights()(0) == 1);
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.report.iterations <= 10);
    CHECK(fit.report.restarts.size() == 1);
    CHECK((fit.model.responsibilities(x).array() == 1).all());
    check_sound(fit, x);
  }
}

TEST_CASE("row 23: nearly as many components as observations") {
  const MatrixXd x = two_blobs();
  for (const Covariance structure : structures) {
    INFO(to_string(structure));
    const auto fit =
        fit_gaussian_mixture(x, {.components = 150, .covariance = structure, .restarts = 1, .max_iterations = 200});
    const Event* event = find(fit.report, EventKind::degenerate);
    REQUIRE(event);
    CHECK(event->value == 200);
    CHECK_THAT(event->text, ContainsSubstring("200 observations") && ContainsSubstring("150 components"));
    CHECK(fit.report.status != Status::failed);
    CHECK(fit.report.status != Status::objective_fell);
    check_sound(fit, x);
  }
}

TEST_CASE("row 24: few distinct integers") {
  Rng rng(4);
  for (const Index d : {1, 2}) {
    MatrixXd x(d, 200);
    for (Index i = 0; i < 200; ++i) {
      for (Index j = 0; j < d; ++j) x(j, i) = static_cast<double>(rng.below(4)) + (i < 100 ? 0.0 : 20.0);
    }
    for (const Covariance structure : structures) {
      INFO(d << " dimensions, " << to_string(structure));
      const auto fit = fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .restarts = 4});
      CHECK(find(fit.report, EventKind::duplicates));
      CHECK(same_partition(fit.model.classify(x), blob_labels()));
      check_sound(fit, x);
      const auto many = fit_gaussian_mixture(x, {.components = 8, .covariance = structure, .restarts = 4});
      CHECK(many.report.status != Status::failed);
      CHECK(many.report.status != Status::objective_fell);
      check_sound(many, x);
    }
  }
}

// --- components that collapse or empty ----------------------------------------------------------------------------------

TEST_CASE("rows 25 and 26: floor keeps a degenerate component and names it") {
  for (const Covariance structure : {Covariance::full, Covariance::diagonal, Covariance::spherical}) {
    INFO(to_string(structure));
    const Trap trap = collapsing(structure);
    const auto fit = em(trap.start, trap.x);
    const Event* event = find(fit.report, EventKind::floor_active, trap.component);
    REQUIRE(event);
    CHECK(event->iteration >= 1);
    CHECK_THAT(event->text, ContainsSubstring("component 2 collapsed"));
    CHECK(!find(fit.report, EventKind::floor_active, 0));
    CHECK(!find(fit.report, EventKind::floor_active, 1));
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.model.size() == 3);
    CHECK((fit.model[2].mean() - trap.x.col(200)).norm() < 1e-6);
    CHECK(fit.model.weights()(2) == Approx(1.0 / 201));
    CHECK(same_partition(first_200(fit.model.classify(trap.x)), blob_labels()));
    check_sound(fit, trap.x);
  }
  for (const Covariance structure : structures) {
    INFO(to_string(structure));
    const Trap trap = emptying(structure);
    const auto fit = em(trap.start, trap.x);
    const Event* event = find(fit.report, EventKind::emptied, trap.component);
    REQUIRE(event);
    CHECK_THAT(event->text, ContainsSubstring("component 2 lost all its weight"));
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.model.size() == 3);
    CHECK(fit.model.weights()(2) == 0);
    CHECK(same_partition(fit.model.classify(trap.x), blob_labels()));
    check_sound(fit, trap.x);
  }
}

TEST_CASE("rows 25 and 26: drop removes it") {
  for (const Covariance structure : structures) {
    for (const bool empty : {false, true}) {
      if (!empty && structure == Covariance::tied) continue;  // a tied covariance does not collapse on one point
      INFO(to_string(structure) << (empty ? ", empty" : ", collapsed"));
      const Trap trap = empty ? emptying(structure) : collapsing(structure);
      for (const int threads : {1, 2}) {
        const auto fit = em(trap.start, trap.x, {.threads = threads, .degenerate = Degenerate::drop});
        const Event* event = find(fit.report, EventKind::dropped, trap.component);
        REQUIRE(event);
        CHECK(event->value == 2);
        CHECK(find(fit.report, empty ? EventKind::emptied : EventKind::floor_active, trap.component));
        CHECK(fit.report.status == Status::converged);
        REQUIRE(fit.model.size() == 2);
        check_sound(fit, trap.x);
        if (empty) CHECK(same_partition(fit.model.classify(trap.x), blob_labels()));
      }
    }
  }
  // The last one stays, even where it has nothing to stand on.
  const MatrixXd x = MatrixXd::Constant(2, 30, 4);
  const auto fit = fit_gaussian_mixture(x, {.components = 4, .restarts = 2, .degenerate = Degenerate::drop});
  CHECK(fit.model.size() == 1);
  CHECK(fit.model[0].mean() == x.col(0));
  check_sound(fit, x);
}

TEST_CASE("rows 25 and 26: reseed places it anew, a few times") {
  for (const Covariance structure : structures) {
    for (const bool empty : {false, true}) {
      if (!empty && structure == Covariance::tied) continue;
      INFO(to_string(structure) << (empty ? ", empty" : ", collapsed"));
      const Trap trap = empty ? emptying(structure) : collapsing(structure);
      const auto fit = em(trap.start, trap.x, {.degenerate = Degenerate::reseed, .seed = 5});
      const Event* event = find(fit.report, EventKind::reseeded, trap.component);
      REQUIRE(event);
      CHECK(event->value >= 1);
      CHECK_THAT(event->text, ContainsSubstring("component 2"));
      CHECK(find(fit.report, empty ? EventKind::emptied : EventKind::floor_active, trap.component));
      CHECK(fit.model.size() == 3);
      CHECK(fit.report.status != Status::failed);
      CHECK(fit.report.status != Status::objective_fell);
      check_sound(fit, trap.x);
      if (empty) CHECK(fit.model.weights()(2) > 0);
    }
  }
  // Where every place is degenerate it ends all the same.
  const MatrixXd x = MatrixXd::Constant(2, 30, 4);
  check_sound(fit_gaussian_mixture(x, {.components = 4, .restarts = 2, .degenerate = Degenerate::reseed}), x);
}

TEST_CASE("rows 25 and 26: fail ends with the model before") {
  for (const Covariance structure : structures) {
    for (const bool empty : {false, true}) {
      if (!empty && structure == Covariance::tied) continue;
      INFO(to_string(structure) << (empty ? ", empty" : ", collapsed"));
      const Trap trap = empty ? emptying(structure) : collapsing(structure);
      const auto fit = em(trap.start, trap.x, {.degenerate = Degenerate::fail});
      CHECK(fit.report.status == Status::failed);
      CHECK(find(fit.report, empty ? EventKind::emptied : EventKind::floor_active, trap.component));
      CHECK(fit.model.size() == 3);
      CHECK(fit.model.weights()(2) > 0);
      check_sound(fit, trap.x);
    }
  }
  const MatrixXd x = MatrixXd::Constant(2, 30, 4);
  const auto fit = fit_gaussian_mixture(x, {.components = 2, .restarts = 3, .degenerate = Degenerate::fail});
  CHECK(fit.report.status == Status::failed);
  check_sound(fit, x);
}

TEST_CASE("rows 25 and 26: every policy is the same for any number of threads") {
  MatrixXd x(2, 4000);
  for (Index i = 0; i < 20; ++i) x.middleCols(200 * i, 200) = two_blobs();
  x.col(3999) << 300, 300;
  for (const Degenerate policy : {Degenerate::floor, Degenerate::drop, Degenerate::reseed, Degenerate::fail}) {
    const Trap trap = collapsing(Covariance::full);
    const auto one = em(trap.start, x, {.threads = 1, .degenerate = policy});
    const auto many = em(trap.start, x, {.threads = 3, .degenerate = policy});
    CHECK(one.report.objective == many.report.objective);
    CHECK(one.report.iterations == many.report.iterations);
    CHECK(one.report.events.size() == many.report.events.size());
    check_sound(many, x);
  }
}

TEST_CASE("row 26: a floor just above rounding, and one near one") {
  MatrixXd x(3, 200);
  x << two_blobs(), two_blobs().row(0);
  for (const double floor : {1e-15, 1e-6, 0.1, 0.999}) {
    for (const Covariance structure : structures) {
      INFO("floor " << floor << ", " << to_string(structure));
      const auto fit =
          fit_gaussian_mixture(x, {.components = 2, .covariance = structure, .restarts = 4, .floor = floor});
      CHECK(fit.report.status != Status::failed);
      CHECK(fit.report.status != Status::objective_fell);
      check_sound(fit, x);
      if (floor <= 1e-6) CHECK(same_partition(fit.model.classify(x), blob_labels()));
      for (std::size_t i = 1; i < fit.report.trace.size(); ++i) {
        CHECK(fit.report.trace[i] >= fit.report.trace[i - 1] - 1e-7 * std::abs(fit.report.trace[i]));
      }
    }
  }
}

// --- an objective that is not finite --------------------------------------------------------------------------------------

TEST_CASE("row 27: a start under which the data are impossible") {
  const MatrixXd x = two_blobs();
  for (const Covariance structure : structures) {
    for (const double far : {1e160, 1e200, 1e300, -1e308}) {
      INFO(to_string(structure) << " at " << far);
      const auto start = start_at(MatrixXd::Constant(2, 2, far), VectorXd::Ones(2), structure);
      const auto fit = em(start, x);
      CHECK(fit.report.status == Status::failed);
      CHECK(fit.report.iterations == 0);
      const Event* event = find(fit.report, EventKind::not_finite);
      REQUIRE(event);
      CHECK(event->iteration == 0);
      CHECK(!event->text.empty());
      CHECK(!std::isnan(fit.report.objective));
      for (Index k = 0; k < 2; ++k) {
        CHECK(fit.model.weights()(k) == 0.5);
        CHECK((fit.model[k].mean() / far - VectorXd::Ones(2)).norm() < 1e-12);
        CHECK((fit.model[k].covariance() - MatrixXd::Identity(2, 2)).norm() < 1e-9);
      }
      CHECK(are_probabilities(fit.model.responsibilities(x)));
    }
  }
}

TEST_CASE("row 27: a family that gives NaN or infinity ends in failed, with the last sound model") {
  const MatrixXd x = two_blobs().topRows(1);
  for (const double wrong : {not_a_number, infinity, -infinity}) {
    for (const int sound : {0, 1, 4}) {
      for (const int threads : {1, 2}) {
        INFO("log density " << wrong << " after " << sound << " M-steps, " << threads << " threads");
        const auto start = shaky(sound, wrong);
        const auto fit = em(start, x, {.tolerance = 1e-300, .threads = threads});
        CHECK(fit.report.status == Status::failed);
        const Event* event = find(fit.report, EventKind::not_finite);
        REQUIRE(event);
        CHECK(event->iteration == sound);
        CHECK_THAT(event->text, ContainsSubstring("iteration " + std::to_string(sound)));
        CHECK(!std::isnan(fit.report.objective));
        CHECK(fit.model[0].steps() == (sound == 0 ? 0 : sound - 1));
        CHECK(std::isfinite(fit.model[0].mean()));
        CHECK(fit.model.weights().allFinite());
        if (sound == 0) {
          CHECK(fit.model[0].mean() == start[0].mean());
          CHECK(fit.model.weights()(0) == 0.5);
        } else {
          CHECK(fit.report.objective == Approx(fit.model.log_likelihood(x)));
          CHECK(fit.report.trace.size() == static_cast<std::size_t>(sound));
        }
      }
    }
  }
}

TEST_CASE("row 27: every restart gives NaN") {
  const MatrixXd x = two_blobs().topRows(1);
  for (const double wrong : {not_a_number, infinity, -infinity}) {
    for (const int sound : {0, 1, 3}) {  // the M-step of the start is the first
      INFO("log density " << wrong << " after " << sound << " M-steps");
      const auto fit = fit_mixture(Shaky(0, sound, wrong), x, {.components = 2, .restarts = 9, .tolerance = 1e-300});
      CHECK(fit.report.status == Status::failed);
      CHECK(find(fit.report, EventKind::not_finite));
      CHECK(!std::isnan(fit.report.objective));
      CHECK(fit.report.restarts.size() == 9);
      for (const double objective : fit.report.restarts) CHECK(!std::isnan(objective));
      CHECK(fit.model.weights().allFinite());
      for (Index k = 0; k < 2; ++k) CHECK(std::isfinite(fit.model[k].mean()));
    }
  }
}

// --- restarts -----------------------------------------------------------------------------------------------------------

TEST_CASE("row 28: the report is that of the best restart, and of the model returned") {
  Rng rng(2);
  MatrixXd x(2, 300);
  for (Index i = 0; i < 300; ++i) {
    x.col(i) << rng.normal() + 2.5 * static_cast<double>(i % 3), rng.normal() * (i % 2 == 0 ? 1 : 3);
  }
  for (const Covariance structure : structures) {
    for (std::uint64_t seed_value = 0; seed_value < 5; ++seed_value) {
      INFO(to_string(structure) << ", seed " << seed_value);
      const auto fit = fit_gaussian_mixture(
          x, {.components = 5, .covariance = structure, .restarts = 12, .seed = seed_value, .tolerance = 1e-7});
      CHECK(fit.report.objective == Approx(fit.model.log_likelihood(x)).epsilon(1e-12));
      CHECK(fit.report.trace.back() == fit.report.objective);
      REQUIRE(fit.report.restarts.size() == 12);
      CHECK(fit.report.restarts.front() == fit.report.objective);
      const double highest = *std::max_element(fit.report.restarts.begin(), fit.report.restarts.end());
      if (!find(fit.report, EventKind::spurious)) CHECK(highest <= fit.report.objective + 1e-6 * 300);
      CHECK(fit.report.best_reached >= 1);
      CHECK(fit.report.best_reached <= 12);
      CHECK(fit.report.e_steps >= fit.report.iterations);
      // Restart 0 alone is one of the twelve, and they start alike.
      const auto one = fit_gaussian_mixture(
          x, {.components = 5, .covariance = structure, .restarts = 1, .seed = seed_value, .tolerance = 1e-7});
      CHECK(one.report.restarts.size() == 1);
      if (one.model.regularity(1e-3).eigenvalue >= 1e-3) CHECK(fit.report.objective >= one.report.objective - 1e-3);
      // The same call is the same answer.
      const auto again = fit_gaussian_mixture(
          x, {.components = 5, .covariance = structure, .restarts = 12, .seed = seed_value, .tolerance = 1e-7});
      CHECK(again.report.objective == fit.report.objective);
      CHECK(again.model.classify(x) == fit.model.classify(x));
    }
  }
}

// --- stopping -----------------------------------------------------------------------------------------------------------

TEST_CASE("a progress callback that stops keeps the model so far") {
  const MatrixXd x = two_blobs(2);
  const auto start = start_at((MatrixXd(2, 2) << 0, 1, 0, 0).finished(), VectorXd::Ones(2));
  double before = -infinity;
  for (Index stop_at = 0; stop_at < 40; ++stop_at) {
    INFO("stopped at iteration " << stop_at);
    Index calls = 0;
    double last = 0;
    const auto fit = em(start, x, {.tolerance = 1e-300, .progress = [&](const Report& report) {
                                     ++calls;
                                     last = report.objective;
                                     return report.iterations < stop_at;
                                   }});
    CHECK(fit.report.status == Status::stopped);
    CHECK(fit.report.iterations >= stop_at);
    CHECK(calls >= 1);
    CHECK(fit.report.objective == last);
    CHECK(fit.report.objective == Approx(fit.model.log_likelihood(x)).epsilon(1e-12));
    CHECK(fit.report.objective >= before - 1e-9);
    before = fit.report.objective;
    check_sound(fit, x);
  }
  const auto fit = fit_gaussian_mixture(
      x, {.components = 2, .restarts = 5, .progress = [](const Report& report) { return report.iterations < 2; }});
  CHECK(fit.report.status == Status::stopped);
  CHECK(fit.report.objective == Approx(fit.model.log_likelihood(x)).epsilon(1e-12));
  check_sound(fit, x);
}

TEST_CASE("a stop token keeps the model so far") {
  const MatrixXd x = two_blobs(2);
  std::stop_source source;
  source.request_stop();
  const auto start = start_at((MatrixXd(2, 2) << 0, 1, 0, 0).finished(), VectorXd::Ones(2));
  const auto at_once = em(start, x, {.stop = source.get_token()});
  CHECK(at_once.report.status == Status::stopped);
  CHECK(at_once.report.iterations == 0);
  CHECK((at_once.model[0].mean() - start[0].mean()).norm() < 1e-12);
  check_sound(at_once, x);
  const auto fit = fit_gaussian_mixture(x, {.components = 3, .restarts = 20, .stop = source.get_token()});
  CHECK(fit.report.status == Status::stopped);
  check_sound(fit, x);

  std::stop_source later;
  Index seen = 0;
  const auto during = em(start, x,
                         {.tolerance = 1e-300,
                          .progress =
                              [&](const Report& report) {
                                seen = report.iterations;
                                if (report.iterations == 5) later.request_stop();
                                return true;
                              },
                          .stop = later.get_token()});
  CHECK(during.report.status == Status::stopped);
  CHECK(during.report.iterations == 5);
  CHECK(seen == 5);
  check_sound(during, x);
}

TEST_CASE("a stop token from another thread ends a fit that would never end") {
  const MatrixXd x = two_blobs(0.5);
  std::stop_source source;
  std::jthread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    source.request_stop();
  });
  GaussianMixtureOptions options{.components = 6, .restarts = 10'000, .threads = 2, .tolerance = 1e-300};
  options.stop = source.get_token();
  const auto fit = fit_gaussian_mixture(x, options);
  CHECK(fit.report.status == Status::stopped);
  CHECK(fit.report.restarts.size() < 10'000);
  check_sound(fit, x);
}

TEST_CASE("what a progress callback throws arrives unchanged, and the next fit is as if nothing had been") {
  struct Mine {
    int value;
  };
  MatrixXd x(2, 4000);
  for (Index i = 0; i < 20; ++i) x.middleCols(200 * i, 200) = two_blobs();
  const MatrixXd copy = x;
  const auto start = start_at((MatrixXd(2, 2) << 0, 1, 0, 0).finished(), VectorXd::Ones(2));
  for (const int threads : {1, 3}) {
    const auto wanted = em(start, x, {.threads = threads});
    const auto thrower = [](const Report& report) -> bool {
      if (report.iterations == 2) throw Mine{42};
      return true;
    };
    int caught = 0;
    try {
      em(start, x, {.threads = threads, .progress = thrower});
    } catch (const Mine& mine) { caught = mine.value; }
    CHECK(caught == 42);
    CHECK_THROWS_AS(
        fit_gaussian_mixture(x, {.components = 2,
                                 .restarts = 3,
                                 .threads = threads,
                                 .progress = [](const Report&) -> bool { throw std::out_of_range("mine"); }}),
        std::out_of_range);
    CHECK(x == copy);
    CHECK(em(start, x, {.threads = threads}).report.objective == wanted.report.objective);
  }
}
