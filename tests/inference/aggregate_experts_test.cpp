// Many mixtures of experts in one: what the reduction keeps, what it minimises, and what it refuses.
#include "emulsion/inference/aggregate_experts.hpp"

#include "catch.hpp"
#include "emulsion/mixture_of_experts.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

using Softmax = MixtureOfExperts<SoftmaxGate, LinearExpert>;

MatrixXd normals(Index rows, Index columns, Rng& rng) {
  MatrixXd a(rows, columns);
  for (Index j = 0; j < columns; ++j) {
    for (Index i = 0; i < rows; ++i) a(i, j) = rng.normal();
  }
  return a;
}
MatrixXd positive(Index q, Rng& rng) {
  const MatrixXd a = normals(q, q, rng);
  MatrixXd s = a * a.transpose();
  s += 0.2 * MatrixXd::Identity(q, q);
  return (s + s.transpose()) / 2;
}
std::vector<LinearExpert> random_experts(Index count, Index p, Index q, Rng& rng) {
  std::vector<LinearExpert> result;
  for (Index k = 0; k < count; ++k) {
    result.emplace_back(VectorXd(normals(q, 1, rng)), normals(q, p, rng), positive(q, rng));
  }
  return result;
}
Softmax random_model(Index count, Index p, Index q, Rng& rng) {
  return Softmax(SoftmaxGate(normals(1 + p, count, rng)), Components<LinearExpert>(random_experts(count, p, q, rng)));
}

/// Experts of `a` are those of `b`, in some order.
template <class Model>
void check_same_experts(const Model& a, const Model& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  for (Index k = 0; k < a.size(); ++k) {
    double nearest = 1e300;
    for (Index l = 0; l < b.size(); ++l) {
      nearest = std::min(nearest, std::max({(a[k].intercept() - b[l].intercept()).cwiseAbs().maxCoeff(),
                                            (a[k].slopes() - b[l].slopes()).cwiseAbs().maxCoeff(),
                                            (a[k].covariance() - b[l].covariance()).cwiseAbs().maxCoeff()}));
    }
    CHECK(nearest < tolerance);
  }
}

double kl(const LinearExpert& a, const LinearExpert& b, const VectorXd& x) {  // one response
  const double va = a.covariance()(0, 0), vb = b.covariance()(0, 0);
  const double off = (a.intercept() + a.slopes() * x - b.intercept() - b.slopes() * x)(0);
  return 0.5 * (std::log(vb / va) + va / vb + off * off / vb - 1);
}
/// sum_s sum_m w_m sum_l pi_ml(x_s) min_k KL / S, in the units of the data.
double divergence(const std::vector<Softmax>& models, const VectorXd& weights, const MatrixXd& x,
                  const Softmax& reduced) {
  double sum = 0;
  for (std::size_t m = 0; m < models.size(); ++m) {
    const MatrixXd gate = gate_probabilities(models[m].gate(), Covariates(x));
    for (Index s = 0; s < x.cols(); ++s) {
      for (Index l = 0; l < models[m].size(); ++l) {
        double least = 1e300;
        for (Index k = 0; k < reduced.size(); ++k) least = std::min(least, kl(models[m][l], reduced[k], x.col(s)));
        sum += weights(static_cast<Index>(m)) * gate(s, l) * least;
      }
    }
  }
  return sum / weights.sum() / static_cast<double>(x.cols());
}

Regression draw(Index n, Rng& rng) {
  MatrixXd x = normals(2, n, rng), y(1, n);
  for (Index i = 0; i < n; ++i) {
    const double odds = std::exp(0.5 + 2 * x(0, i)), u = rng.uniform();
    y(0, i) = (u < odds / (1 + odds) ? 1 + 2 * x(0, i) - x(1, i) : -2 - x(0, i) + x(1, i)) + 0.5 * rng.normal();
  }
  return {std::move(x), std::move(y)};
}

}  // namespace

TEST_CASE("models that are all equal give that model, whatever their weights") {
  Rng rng(1);
  for (const Index q : {1, 3}) {
    const Softmax one = random_model(3, 2, q, rng);
    const MatrixXd x = normals(2, 400, rng);
    const VectorXd weights = (VectorXd(4) << 5, 0, 1, 2.5).finished();
    const auto found = aggregate(std::vector<Softmax>(4, one), weights, Covariates(x));
    CHECK(found.converged);
    CHECK(found.divergence.back() < 1e-12);
    check_same_experts(found.model, one, 1e-10);
    const Regression data(x, normals(q, 400, rng));
    CHECK((found.model.log_density(data) - one.log_density(data)).cwiseAbs().maxCoeff() < 1e-10);
  }
}

TEST_CASE("the same with constant and Gaussian gates, and every covariance structure") {
  Rng rng(2);
  const MatrixXd x = normals(1, 300, rng);
  const VectorXd weights = VectorXd::Ones(3);
  const VectorXd shares = (VectorXd(2) << 0.3, 0.7).finished();
  for (const Covariance structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
    const auto covariance = [&](double scale) {
      MatrixXd s = scale * MatrixXd::Identity(2, 2);
      if (structure != Covariance::spherical) s(1, 1) *= 3;
      if (structure == Covariance::full || structure == Covariance::tied) s(0, 1) = s(1, 0) = 0.3 * scale;
      return s;
    };
    const double other = structure == Covariance::tied ? 0.2 : 0.9;
    const Components<LinearExpert> experts(
        {LinearExpert(normals(2, 1, rng).col(0), normals(2, 1, rng), covariance(0.2), structure),
         LinearExpert(normals(2, 1, rng).col(0), normals(2, 1, rng), covariance(other), structure)});
    const MixtureOfExperts<ConstantGate, LinearExpert> constant(ConstantGate(shares), experts);
    const auto by_constant = aggregate(std::vector(3, constant), weights, Covariates(x)).model;
    check_same_experts(by_constant, constant, 1e-10);
    CHECK(by_constant.weights().maxCoeff() == Approx(0.7).epsilon(1e-12));
    const double wide = structure == Covariance::tied ? 0.5 : 2;
    const GaussianGate gate(shares, {Gaussian(VectorXd::Constant(1, -1), MatrixXd::Constant(1, 1, 0.5), structure),
                                     Gaussian(VectorXd::Constant(1, 1), MatrixXd::Constant(1, 1, wide), structure)});
    const MixtureOfExperts<GaussianGate, LinearExpert> gaussian(gate, experts);
    const auto by_gaussian = aggregate(std::vector(3, gaussian), weights, Covariates(x)).model;
    check_same_experts(by_gaussian, gaussian, 1e-10);
    const Regression data(x, normals(2, 300, rng));
    CHECK((by_gaussian.log_density(data) - gaussian.log_density(data)).cwiseAbs().maxCoeff() < 1e-10);
  }
}

TEST_CASE("the divergence never rises, is the one of the formula, and no near model has less", "[long]") {
  Rng rng(3);
  std::vector<Softmax> models;
  for (int m = 0; m < 5; ++m) models.push_back(random_model(3, 2, 1, rng));
  const VectorXd weights = (VectorXd(5) << 1, 2, 3, 2, 1).finished();
  const MatrixXd x = normals(2, 500, rng);
  const auto found = aggregate(models, weights, Covariates(x), {.starts = 100, .tolerance = 1e-13});
  CHECK(found.converged);
  REQUIRE(found.divergence.size() > 2);
  for (std::size_t i = 1; i < found.divergence.size(); ++i) {
    CHECK(found.divergence[i] <= found.divergence[i - 1] * (1 + 1e-14));
  }
  const double least = divergence(models, weights, x, found.model);
  CHECK(found.divergence.back() == Approx(least).epsilon(1e-10));
  CHECK(least < found.divergence.front());
  for (int trial = 0; trial < 40; ++trial) {
    std::vector<LinearExpert> near;
    for (Index k = 0; k < 3; ++k) {
      const LinearExpert& e = found.model[k];
      near.emplace_back(e.intercept() + 1e-6 * normals(1, 1, rng).col(0), e.slopes() + 1e-6 * normals(1, 2, rng),
                        e.covariance() * std::exp(1e-6 * rng.normal()));
    }
    CHECK(divergence(models, weights, x, Softmax(found.model.gate(), Components<LinearExpert>(near))) >=
          least * (1 - 1e-14));
  }
  // The weights matter by their ratios; a model of weight zero not at all, a model of weight two as the model twice.
  const auto scaled = aggregate(models, 10 * weights, Covariates(x), {.starts = 100, .tolerance = 1e-13});
  CHECK(scaled.divergence.back() == Approx(least).epsilon(1e-12));
  std::vector<Softmax> twice = models;
  for (const std::size_t m : {std::size_t{1}, std::size_t{2}, std::size_t{2}, std::size_t{3}})
    twice.push_back(models[m]);
  const auto repeated = aggregate(twice, VectorXd::Ones(9), Covariates(x), {.starts = 100, .tolerance = 1e-13});
  // Other starts, so that another of many neighbouring optima may be the best one found; the divergence is the same.
  CHECK(repeated.divergence.back() == Approx(divergence(models, weights, x, repeated.model)).epsilon(1e-10));
  CHECK(repeated.divergence.back() == Approx(least).epsilon(1e-3));
}

TEST_CASE("what eight machines learnt is worth what one would have learnt from all") {
  Rng rng(4);
  const Index n = 16'000, machines = 8;
  const Regression data = draw(n, rng);
  const auto pooled = fit_experts(SoftmaxGate(2, 2), LinearExpert(2), data, {.restarts = 4}).model;
  std::vector<Softmax> local;
  for (Index m = 0; m < machines; ++m) {
    const Regression share = data.slice(m * n / machines, n / machines);
    local.push_back(
        fit_experts(SoftmaxGate(2, 2), LinearExpert(2), share, {.restarts = 4, .seed = static_cast<std::uint64_t>(m)})
            .model);
  }
  const Covariates support = data.covariates().slice(0, 4000);
  const auto found = aggregate(local, VectorXd::Ones(machines), support);
  const double best = pooled.log_likelihood(data);
  CHECK(found.model.log_likelihood(data) <= best);
  CHECK(found.model.log_likelihood(data) > best - 0.001 * std::abs(best));
  double average = 0;
  for (const Softmax& one : local) average += one.log_likelihood(data) / static_cast<double>(machines);
  CHECK(found.model.log_likelihood(data) > average);
}

TEST_CASE("more experts than the models have different ones") {
  Rng rng(5);
  const Softmax one = random_model(2, 1, 1, rng);
  const MatrixXd x = normals(1, 200, rng), y = normals(1, 200, rng);
  const auto found = aggregate(std::vector<Softmax>(3, one), VectorXd::Ones(3), Covariates(x), {.components = 4});
  CHECK(found.model.size() == 4);
  CHECK(found.divergence.back() < 1e-12);
  const Regression data(x, y);
  CHECK((found.model.log_density(data) - one.log_density(data)).cwiseAbs().maxCoeff() < 1e-6);
}

TEST_CASE("misuse of aggregate") {
  Rng rng(6);
  const Softmax one = random_model(2, 2, 1, rng);
  const MatrixXd x = normals(2, 50, rng);
  const std::vector<Softmax> two(2, one);
  const VectorXd w = VectorXd::Ones(2);
  CHECK_THROWS_WITH(aggregate(std::vector<Softmax>{}, w, Covariates(x)), ContainsSubstring("got none"));
  CHECK_THROWS_WITH(aggregate(two, VectorXd::Ones(3), Covariates(x)), ContainsSubstring("2 models, got 3"));
  CHECK_THROWS_WITH(aggregate(two, -w, Covariates(x)), ContainsSubstring("not negative"));
  CHECK_THROWS_WITH(aggregate(two, 0 * w, Covariates(x)), ContainsSubstring("all be zero"));
  CHECK_THROWS_WITH(aggregate(two, w, Covariates(MatrixXd(2, 0))), ContainsSubstring("at least one observation"));
  CHECK_THROWS_WITH(aggregate(two, w, Covariates(normals(3, 9, rng))), ContainsSubstring("2 covariates, got 3"));
  CHECK_THROWS_WITH(aggregate(two, w, Covariates(x), {.components = 5}), ContainsSubstring("5 experts"));
  MatrixXd bad = x;
  bad(0, 3) = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(aggregate(two, w, Covariates(bad)), InvalidArgument);
  CHECK_THROWS_WITH(aggregate(std::vector<Softmax>{one, random_model(2, 3, 1, rng)}, w, Covariates(x)),
                    ContainsSubstring("one form"));
  CHECK_THROWS_WITH(fit_gate(SoftmaxGate(2, 2), Covariates(x), MatrixXd::Ones(50, 3)),
                    ContainsSubstring("50 x 2, got 50 x 3"));
  CHECK_THROWS_WITH(fit_gate(SoftmaxGate(2, 2), Covariates(x), -MatrixXd::Ones(50, 2)),
                    ContainsSubstring("not negative"));
}
