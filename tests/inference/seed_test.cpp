#include "emulsion/inference/seed.hpp"

#include "catch.hpp"
#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/inference/fit_mixture.hpp"
#include "emulsion/mixture_of_experts.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

/// n observations around each of the corners (0, 0), (10, 0), (0, 10), (10, 10).
MatrixXd corners(Index n, Rng& rng) {
  MatrixXd x(2, 4 * n);
  for (Index i = 0; i < 4 * n; ++i) {
    x(0, i) = rng.normal() + (i % 2 == 1 ? 10 : 0);
    x(1, i) = rng.normal() + (i % 4 >= 2 ? 10 : 0);
  }
  return x;
}

/// How many of the corners have a centre (one per column) within 2.
int corners_hit(const MatrixXd& centres) {
  int hit = 0;
  for (Index corner = 0; corner < 4; ++corner) {
    const Eigen::Vector2d at(corner % 2 == 1 ? 10 : 0, corner >= 2 ? 10 : 0);
    hit += (centres.colwise() - at).colwise().norm().minCoeff() < 2 ? 1 : 0;
  }
  return hit;
}

template <class M>
MatrixXd means(const M& model) {
  MatrixXd result(model.dimension(), model.size());
  for (Index k = 0; k < model.size(); ++k) result.col(k) = model[k].mean();
  return result;
}

}  // namespace

TEST_CASE("k-means++ finds clusters that are apart, whatever the units; random means need not") {
  int found = 0, found_scaled = 0;
  for (std::uint64_t number = 1; number <= 30; ++number) {
    Rng rng(number);
    const MatrixXd x = corners(50, rng);
    found += corners_hit(means(seed(Gaussian(2), 4, x, rng))) == 4 ? 1 : 0;
    const MatrixXd scaled = Eigen::DiagonalMatrix<double, 2>(1e-6, 1e9) * x;
    const MatrixXd centres = means(seed(Gaussian(2), 4, scaled, rng));
    found_scaled += corners_hit(Eigen::DiagonalMatrix<double, 2>(1e6, 1e-9) * centres) == 4 ? 1 : 0;
  }
  CHECK(found >= 29);
  CHECK(found_scaled >= 29);
}

TEST_CASE("k-means: Lloyd steps do not raise the sum of squares, weights count, equal observations are no trouble") {
  Rng rng(1);
  const MatrixXd x = corners(100, rng);
  Sample sample{x, VectorXd::Ones(400)};
  const auto cost = [&](int lloyd) {
    Rng same(5);
    const MatrixXd centres = kmeans_centres(sample, 6, 3, lloyd, same);
    double sum = 0;
    for (Index i = 0; i < 400; ++i) sum += (centres.colwise() - x.col(i)).colwise().squaredNorm().minCoeff();
    return sum;
  };
  double before = cost(0);
  for (int lloyd = 1; lloyd <= 8; ++lloyd) {
    const double now = cost(lloyd);
    CHECK(now <= before * (1 + 1e-12));
    before = now;
  }
  sample.weights.setZero();
  sample.weights.head(3).setOnes();
  for (int repeat = 0; repeat < 20; ++repeat) {
    const MatrixXd centres = kmeans_centres(sample, 3, 3, 0, rng), random = random_centres(sample, 3, rng);
    for (Index k = 0; k < 3; ++k) {
      CHECK((x.leftCols(3).colwise() - centres.col(k)).colwise().norm().minCoeff() == 0);
      CHECK((x.leftCols(3).colwise() - random.col(k)).colwise().norm().minCoeff() == 0);
    }
  }
  const Sample same{MatrixXd::Ones(2, 10), VectorXd::Ones(10)};
  CHECK(kmeans_centres(same, 3, 3, 5, rng) == MatrixXd::Ones(2, 3));
}

TEST_CASE("a sample leaves out weight zero, is drawn without replacement and standardised; sphering whitens it") {
  Rng rng(2);
  MatrixXd x(2, 900);
  for (Index i = 0; i < 900; ++i) {
    x(0, i) = 1e9 + static_cast<double>(i);
    x(1, i) = x(0, i) + 100 * rng.normal();
  }
  VectorXd w = VectorXd::Ones(900);
  w.head(300).setZero();
  const auto data = weighted(x, w);
  std::vector<Index> chosen = draw_indices(data, 200, rng);
  std::sort(chosen.begin(), chosen.end());
  CHECK(chosen.size() == 200);
  CHECK(chosen.front() >= 300);
  CHECK(std::adjacent_find(chosen.begin(), chosen.end()) == chosen.end());
  CHECK(draw_indices(data, 10'000, rng).size() == 600);

  const auto counted = data.gather(draw_indices(data, 10'000, rng));
  const Sample sample = standardised(counted, *frame_of(data, false), 10'000, rng);
  CHECK(sample.y.cols() == 600);
  CHECK(sample.y.cwiseAbs().maxCoeff() < 10);
  const MatrixXd y = sphering(sample) * sample.y;
  const MatrixXd centred = y.colwise() - y.rowwise().mean();
  CHECK((centred * centred.transpose() / 600 - MatrixXd::Identity(2, 2)).norm() < 1e-8);
  const Sample flat{sample.y.row(0).replicate(2, 1), sample.weights};
  CHECK(sphering(flat) == MatrixXd::Identity(2, 2));
}

TEST_CASE("a start is the same for the same seed and any number of threads, another for another seed") {
  Rng data_rng(3);
  const MatrixXd x = corners(1000, data_rng);
  for (const Start start : {Start::automatic, Start::kmeans, Start::random_means, Start::random_responsibilities}) {
    for (const bool sphere : {false, true}) {
      const auto run = [&](std::uint64_t number, int threads) {
        Rng rng(number);
        return means(
            seed(Gaussian(2), 3, x, rng, {.start = start, .width = 0.5, .sphere = sphere, .threads = threads}));
      };
      CHECK(run(1, 1) == run(1, 2));
      CHECK(run(1, 1) == run(1, 7));
      CHECK_FALSE(run(1, 1) == run(2, 1));
    }
  }
}

TEST_CASE("given means take the nearest observations, given responsibilities are one M-step") {
  Rng rng(4);
  const MatrixXd x = corners(50, rng);
  const MatrixXd given = (MatrixXd(2, 4) << 1, 9, -1, 11, 0, 1, 12, 9).finished();
  const auto nearest = seed(Gaussian(2), 4, x, rng, {.start = Start::means, .means = given});
  CHECK(corners_hit(means(nearest)) == 4);
  CHECK((nearest[3].mean() - Eigen::Vector2d(10, 10)).norm() < 1);
  CHECK(nearest.weights() == VectorXd::Constant(4, 0.25));

  MatrixXd r(200, 2);
  for (Index i = 0; i < 200; ++i) {
    r(i, 0) = rng.uniform();
    r(i, 1) = 1 - r(i, 0);
  }
  VectorXd w(200);
  for (Index i = 0; i < 200; ++i) w(i) = static_cast<double>(i % 3);
  const auto one = seed(Gaussian(2), 2, weighted(x, w), rng, {.start = Start::responsibilities, .responsibilities = r});
  const VectorXd share = r.col(1).cwiseProduct(w);
  const VectorXd mean = x * share / share.sum();
  const MatrixXd centred = x.colwise() - mean;
  CHECK(one.weights()(1) == Approx(share.sum() / w.sum()).epsilon(1e-13));
  CHECK((one[1].mean() - mean).norm() < 1e-12);
  CHECK((one[1].covariance() - centred * share.asDiagonal() * centred.transpose() / share.sum()).norm() < 1e-11);
}

TEST_CASE("starts of discrete families leave no probability at zero by chance") {
  Rng rng(5);
  MatrixXd x(3, 60);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<double>(rng.below(2));
  for (int repeat = 0; repeat < 20; ++repeat) {
    const auto classes = seed(Categorical({2, 2, 2}), 4, x, rng);
    const auto rates = seed(Poisson(3), 4, x, rng);
    for (Index k = 0; k < 4; ++k) {
      for (Index j = 0; j < 3; ++j) CHECK(classes[k].probabilities(j).minCoeff() > 0);
      CHECK(rates[k].rates().minCoeff() > 0);
    }
  }
}

TEST_CASE("restarts: the best regular one is returned, and the report counts who reached it") {
  Rng rng(6);
  const MatrixXd x = corners(50, rng);
  const auto fit = fit_mixture(Gaussian(2), x, {.components = 4, .restarts = 10, .seed = 3});
  CHECK(corners_hit(means(fit.model)) == 4);
  CHECK(fit.report.restarts.size() == 10);
  CHECK(fit.report.best_reached >= 1);
  CHECK(fit.report.best_reached <= 10);
  CHECK(fit.report.restarts.front() == fit.report.objective);
  const auto again = fit_mixture(Gaussian(2), x, {.components = 4, .restarts = 10, .seed = 3, .threads = 2});
  CHECK(again.report.trace == fit.report.trace);
  CHECK(again.report.restarts == fit.report.restarts);
  CHECK(fit_mixture(Gaussian(2), x, {.components = 1}).report.restarts.size() == 1);
}

TEST_CASE("misuse of starts is one sentence") {
  Rng rng(7);
  const MatrixXd x = corners(5, rng);
  CHECK_THROWS_WITH(seed(Gaussian(2), 0, x, rng), "a mixture needs at least one component, got 0");
  CHECK_THROWS_WITH(seed(Gaussian(3), 2, x, rng), ContainsSubstring("expected 3 dimensions, got 2"));
  CHECK_THROWS_WITH(seed(Gaussian(2), 2, x, rng, {.start = Start::means, .means = MatrixXd::Zero(2, 3)}),
                    "expected starting means of 2 x 2 (one per column), got 2 x 3");
  MatrixXd r = MatrixXd::Constant(20, 2, 0.5);
  r(7, 0) = 0.6;
  CHECK_THROWS_WITH(seed(Gaussian(2), 2, x, rng, {.start = Start::responsibilities, .responsibilities = r}),
                    "starting responsibilities must not be negative and each row must sum to one; row 7 sums to 1.1");
  CHECK_THROWS_WITH(seed(Gaussian(2), 3, x, rng, {.start = Start::responsibilities, .responsibilities = r}),
                    "expected starting responsibilities of 20 x 3 (one row per observation), got 20 x 2");
  CHECK_THROWS_WITH(seed(Gaussian(2), 2, x, rng, {.width = -1}), "the width of a start must not be negative, got -1");
  CHECK_THROWS_WITH(seed(Gaussian(2), 2, x, rng, {.lloyd = -1}),
                    "the number of Lloyd steps must not be negative, got -1");
  CHECK_THROWS_WITH(fit_mixture(Gaussian(2), x, {.components = 21}),
                    ContainsSubstring("21 components need at least as many observations, got 20"));
}

TEST_CASE(
    "starts of regressions: each kind finds what it is for, lines that cross, follow each other, or lie side by side") {
  Rng rng(5);
  const Index n = 200;
  MatrixXd x(1, n), crossing(1, n), broken(1, n), parallel(1, n);
  for (Index i = 0; i < n; ++i) {
    x(0, i) = 4 * rng.uniform() - 2;
    const double error = 0.2 * rng.normal();
    crossing(0, i) = (i % 2 == 0 ? 2 : -2) * x(0, i) + error;
    broken(0, i) = (x(0, i) < 0 ? 2 : -2) * x(0, i) + error;
    parallel(0, i) = 9 * x(0, i) + (i % 2 == 0 ? 2 : -2) + error;
  }
  const MixtureOfExperts<ConstantGate, LinearExpert> prototype(
      ConstantGate(2), Components<LinearExpert>({LinearExpert(1), LinearExpert(1)}));
  /// In how many of 20 starts the lines have these intercepts and slopes.
  const auto found = [&](const Regression& data, Start start, const MatrixXd& lines) {
    int count = 0;
    for (std::uint64_t number = 0; number < 20; ++number) {
      Rng own(number);
      const auto model = em(seed(prototype, data, own, {.start = start, .width = 0.5}), data).model;
      MatrixXd b(2, 2);
      for (Index k = 0; k < 2; ++k) b.col(k) << model[k].intercept(), model[k].slopes();
      const double same = (b - lines).cwiseAbs().maxCoeff();
      const double swapped = (b.rowwise().reverse() - lines).cwiseAbs().maxCoeff();
      count += std::min(same, swapped) < 0.15 ? 1 : 0;
    }
    return count;
  };
  const MatrixXd opposite = (MatrixXd(2, 2) << 0, 0, 2, -2).finished();
  const MatrixXd apart = (MatrixXd(2, 2) << 2, -2, 9, 9).finished();
  CHECK(found(Regression(x, crossing), Start::random_regressions, opposite) >= 15);
  CHECK(found(Regression(x, broken), Start::random_covariates, opposite) >= 15);
  CHECK(found(Regression(x, parallel), Start::random_residuals, apart) >= 15);
}

TEST_CASE("starts of regressions: through p + 1 observations, whatever the units and the number of covariates") {
  Rng rng(6);
  const Index n = 60;
  MatrixXd x(2, n), y(2, n);
  for (Index i = 0; i < n; ++i) {
    x.col(i) << rng.normal(), 100 + rng.normal();
    y.col(i) << x(0, i) - x(1, i), 3 * x(1, i);  // without errors: any p + 1 observations know the one regression
  }
  const Regression data(x, y);
  const auto frame = frame_of(data, false);
  const Sample sample = standardised(data, *frame, n, rng);
  const RegressionStarts starts(sample, 2, 2);
  const NearestMap nearest{*frame, starts.regressions(3, rng), 1.0};
  MatrixXd shares(n, 3);
  nearest(data, shares);
  for (Index i = 0; i < n; ++i) CHECK(shares.row(i).sum() == Approx(1));
  CHECK((shares.array() - 1.0 / 3).abs().maxCoeff() < 1e-6);  // all residuals are zero

  // The covariates of the gate, where they are others: an observation at a centre is that centre's.
  const MatrixXd z = MatrixXd::Random(1, n);
  const Regression gated(x, y, z);
  const auto gated_frame = frame_of(gated, false);
  const Sample with_z = standardised(gated, *gated_frame, n, rng);
  const NearestMap by_z{*gated_frame, RegressionStarts(with_z, 2, 2).covariates(2, rng), 0};
  MatrixXd hard(n, 2);
  by_z(gated, hard);
  for (Index i = 0; i < n; ++i) {  // a threshold of z
    for (Index j = 0; j < n; ++j) {
      if (hard(i, 0) == 1 && z(0, i) < z(0, j) && hard(j, 0) == 1) {
        for (Index m = 0; m < n; ++m) CHECK_FALSE((z(0, m) > z(0, i) && z(0, m) < z(0, j) && hard(m, 0) != 1));
      }
    }
  }
  CHECK(hard.colwise().sum().minCoeff() >= 1);

  // No covariates at all: residuals.
  const Regression bare(MatrixXd(MatrixXd::Zero(0, n)), MatrixXd(MatrixXd::Random(1, n)));
  const MixtureOfExperts<ConstantGate, LinearExpert> means(
      ConstantGate(2), Components<LinearExpert>({LinearExpert(0), LinearExpert(0)}));
  CHECK(seed(means, bare, rng, {.start = Start::random_covariates}).weights().minCoeff() > 0);

  const MatrixXd points = MatrixXd::Random(2, 10);
  CHECK_THROWS_WITH(seed(Gaussian(2), 2, points, rng, {.start = Start::random_residuals}),
                    "starts from residuals, covariates or regressions are for data with covariates and responses");
}
