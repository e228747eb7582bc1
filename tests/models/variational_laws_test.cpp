// The laws of variational mixtures, for every gate and family.
#include "catch.hpp"
#include "emulsion/bayesian_mixture.hpp"
#include "emulsion/distributions/categorical_dirichlet.hpp"
#include "emulsion/distributions/poisson_gamma.hpp"
#include "emulsion/gaussian_mixture.hpp"
#include "emulsion/metrics/adjusted_rand.hpp"
#include "reference/values.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

/// A start: responsibilities drawn at random.
template <class Gate, class Posterior>
VariationalMixture<typename Posterior::Member, Gate> start_of(const Gate& gate, const Posterior& prior,
                                                              const typename Posterior::Data& x,
                                                              std::uint64_t seed_of) {
  Rng rng(seed_of);
  return seed_variational(prior, gate, x, rng, {.start = Start::random_means, .width = 1});
}

template <class Gate, class Posterior>
void laws(const char* name, const Gate& gate, const Posterior& prior, const Eigen::MatrixXd& x, std::uint64_t seed_of) {
  CAPTURE(name, seed_of);
  const Points<double> data(x);
  const auto start = start_of(gate, prior, data, seed_of);
  const auto one = em(start, data, {.max_iterations = 30, .block = 16});
  for (std::size_t i = 1; i < one.report.trace.size(); ++i) {
    const double before = one.report.trace[i - 1];
    if (!(one.report.trace[i] >= before - 1e-10 * std::abs(before))) {
      CAPTURE(i, before, one.report.trace[i]);
      FAIL("the bound fell");
    }
  }
  CHECK(one.report.status != Status::objective_fell);
  for (const int threads : {2, 7}) {
    const auto many = em(start, data, {.max_iterations = 30, .threads = threads, .block = 16});
    CHECK(many.report.trace == one.report.trace);
  }
  // A weight of two is the observation twice, a weight of zero leaves no trace.
  Eigen::VectorXd w(x.cols());
  std::vector<Index> repeated;
  for (Index i = 0; i < x.cols(); ++i) {
    w(i) = static_cast<double>(i % 3);
    for (Index c = 0; c < i % 3; ++c) repeated.push_back(i);
  }
  const Eigen::MatrixXd twice = x(Eigen::all, repeated);
  const EmOptions few{.max_iterations = 5};
  auto fixed = start;
  fixed.follow(data);
  const double a = em(fixed, weighted(x, w), few).report.objective, b = em(fixed, twice, few).report.objective;
  CHECK(a == Approx(b).epsilon(1e-10));
  // The order of components does not matter to an exchangeable gate.
  if constexpr (Gate::exchangeable) {
    std::vector<Posterior> reversed_bank;
    for (Index k = 0; k < start.size(); ++k) { reversed_bank.push_back(start[start.size() - 1 - k]); }
    Gate reversed_gate = start.gate();
    reversed_gate = reversed_gate.with_posterior(start.gate().posterior().reverse());
    const VariationalMixture<typename Posterior::Member, Gate> reversed_start(reversed_gate,
                                                                              Components<Posterior>(reversed_bank));
    CHECK(em(reversed_start, x, {.max_iterations = 5}).report.objective ==
          Approx(em(start, x, {.max_iterations = 5}).report.objective).epsilon(1e-10));
  }
  // The order of observations does not matter.
  const Eigen::MatrixXd reversed = x.rowwise().reverse();
  CHECK(em(start, reversed, few).report.objective == Approx(em(start, x, few).report.objective).epsilon(1e-10));
}

template <class Posterior>
void laws_of_all_gates(const char* name, const Posterior& prior, const Eigen::MatrixXd& x, std::uint64_t seed_of) {
  laws(name, DirichletGate(4), prior, x, seed_of);
  laws(name, DirichletGate(4, Concentration::gamma(1, 2)), prior, x, seed_of);
  laws(name, StickBreakingGate::dirichlet_process(4, 1), prior, x, seed_of);
  laws(name, StickBreakingGate::dirichlet_process(4, Concentration::gamma(2, 1)), prior, x, seed_of);
  laws(name, StickBreakingGate::pitman_yor(4, 0.3, 0.5), prior, x, seed_of);
  laws(name, StickBreakingGate::pitman_yor(4, 0.3, Concentration::gamma(1, 1)), prior, x, seed_of);
}

}  // namespace

TEST_CASE("the laws of variational mixtures") {
  for (std::uint64_t seed_of = 0; seed_of < law_seeds; ++seed_of) {
    Rng rng(seed_of);
    for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
      const Eigen::MatrixXd x = clouds<double>(2, 90, rng);
      laws_of_all_gates("Gaussian", weak_prior(Points<double>(x), structure), x, seed_of);
    }
    laws_of_all_gates("Poisson", PoissonGamma(Eigen::Vector2d(1, 2), 0.5), counts<double>(2, 90, rng), seed_of);
    const std::vector<Eigen::VectorXd> half{Eigen::VectorXd::Constant(2, 0.5), Eigen::VectorXd::Constant(3, 0.5),
                                            Eigen::VectorXd::Constant(4, 0.5), Eigen::VectorXd::Constant(5, 0.5)};
    laws_of_all_gates("Categorical", CategoricalDirichlet(half), answers<double>(4, 90, rng), seed_of);
  }
}

TEST_CASE("with one component the bound is the exact evidence, for every family and prior") {
  Rng rng(4);
  const Eigen::MatrixXd x = counts<double>(2, 60, rng);
  for (const double rate : {0.01, 1.0, 30.0}) {
    const PoissonGamma prior(Eigen::Vector2d(0.3, 5), rate);
    double factorials = 0;
    for (const double value : x.reshaped()) factorials += log_factorial(value);
    const auto fit = em(VariationalMixture<Poisson>(DirichletGate(1), prior), x);
    CHECK(fit.report.objective == Approx(prior.log_evidence(prior.statistics(x)) - factorials).epsilon(1e-11));
  }
  const Eigen::MatrixXd y = answers<double>(4, 60, rng);
  for (const double a : {0.01, 1.0, 20.0}) {
    const CategoricalDirichlet prior({Eigen::VectorXd::Constant(2, a), Eigen::VectorXd::Constant(3, a),
                                      Eigen::VectorXd::Constant(4, a), Eigen::VectorXd::Constant(5, 2 * a)});
    const auto fit = em(VariationalMixture<Categorical>(DirichletGate(1), prior), y);
    CHECK(fit.report.objective == Approx(prior.log_evidence(prior.statistics(y))).epsilon(1e-11));
  }
}

TEST_CASE("data replicated c times approach EM like 1 / c") {
  const Eigen::MatrixXd x = reference::faithful();
  const NormalWishart prior = weak_prior(Points<double>(x));
  GaussianMixtureOptions options;
  options.components = 2;
  const auto ml = fit_gaussian_mixture(x, options).model;
  const Index low = ml[0].mean()(0) < ml[1].mean()(0) ? 0 : 1;
  double before = 0;
  for (const double c : {10.0, 100.0, 1000.0}) {
    const Eigen::VectorXd w = Eigen::VectorXd::Constant(x.cols(), c);
    const auto start = start_of(DirichletGate(2, 1.0), prior, Points<double>(x), 1);
    const auto fit = em(start, weighted(x, w), {.tolerance = 1e-13});
    const Index own = fit.model[0].mean()(0) < fit.model[1].mean()(0) ? 0 : 1;
    const double distance = (fit.model[own].mean() - ml[low].mean()).norm();
    if (before > 0) CHECK(before / distance == Approx(10).epsilon(0.2));
    before = distance;
  }
}

TEST_CASE("a six-component start with a small concentration prunes to two on Old Faithful") {
  const Eigen::MatrixXd x = reference::faithful();
  const auto start = start_of(DirichletGate(6, 1e-3), weak_prior(Points<double>(x)), Points<double>(x), 1);
  const auto fit = em(start, x);
  CHECK(fit.model.in_use() == 2);
  // And with moves, from any number.
  for (const Index components : {1, 2, 6, 30}) {
    const auto moved = fit_bayesian_mixture(x, {.components = components});
    CHECK(moved.model.size() == 2);
    CHECK(moved.report.objective == Approx(-1178.98).margin(0.01));
    const auto process = fit_bayesian_mixture(x, StickBreakingGate::dirichlet_process(components));
    CHECK(process.model.size() == 2);
    CHECK(process.model.gate().count(0) > process.model.gate().count(1));
  }
}

TEST_CASE("one and thirty components lead to the same partition, with clusters and without") {
  for (std::uint64_t seed_of = 0; seed_of < 4; ++seed_of) {
    Rng rng(seed_of);
    Eigen::MatrixXd clusters(2, 300), none(2, 300), items(6, 300);
    for (Index i = 0; i < 300; ++i) {
      for (Index j = 0; j < 2; ++j) none(j, i) = rng.uniform();
      clusters(0, i) = 4 * std::cos(1.3 * static_cast<double>(i % 5)) + rng.normal();
      clusters(1, i) = 4 * std::sin(1.3 * static_cast<double>(i % 5)) + rng.normal();
      for (Index j = 0; j < 6; ++j) items(j, i) = rng.uniform() < (j / 2 == i % 3 ? 0.9 : 0.1) ? 1 : 0;
    }
    const auto same = [&](const auto& from_one, const auto& from_thirty, const Eigen::MatrixXd& x) {
      CAPTURE(seed_of, from_one.report.objective, from_thirty.report.objective);
      CHECK(from_one.model.size() == from_thirty.model.size());
      CHECK(adjusted_rand_index(from_one.model.classify(x), from_thirty.model.classify(x)) > 0.999);
    };
    for (const Eigen::MatrixXd* x : {&clusters, &none}) {
      same(fit_bayesian_mixture(*x, {.components = 1}), fit_bayesian_mixture(*x, {.components = 30}), *x);
    }
    const CategoricalDirichlet prior(std::vector<Eigen::VectorXd>(6, Eigen::VectorXd::Constant(2, 0.5)));
    const auto found = fit_variational_mixture(prior, DirichletGate(30), items);
    same(fit_variational_mixture(prior, DirichletGate(1), items), found, items);
    CHECK(found.model.size() == 3);
  }
}

TEST_CASE("the gradient of the bound vanishes at the fixed point") {
  const Eigen::MatrixXd x = reference::faithful();
  const NormalWishart prior = weak_prior(Points<double>(x));
  const auto check = [&](const auto& model, const auto& with_gate) {
    const Index size = model.size();
    const auto elbo = [&](const auto& gate, const std::vector<NormalWishart>& all) {
      using M = std::remove_cvref_t<decltype(model)>;
      return em(M(gate, Components<NormalWishart>(all)), x, {.max_iterations = 0}).report.objective;
    };
    std::vector<NormalWishart> all;
    for (Index k = 0; k < size; ++k) {
      const auto& q = model[k];
      all.push_back(NormalWishart(q.mean(), q.beta(), q.nu(), q.inverse_scale()).with_prior(prior));
    }
    const double here = elbo(model.gate(), all);
    CHECK(here == Approx(em(model, x, {.max_iterations = 0}).report.objective).epsilon(1e-12));
    // Relative steps of every parameter: the first order must be nothing beside the second.
    const auto flat = [&](const auto& at) {
      const double h = 1e-3, up = at(h), down = at(-h);
      CAPTURE(here, up, down);
      CHECK(up < here);
      CHECK(down < here);
      CHECK(std::abs(up - down) < 0.03 * (2 * here - up - down) + 1e-8);
    };
    for (Index k = 0; k < size; ++k) {
      const auto& q = model[k];
      const auto with = [&](const NormalWishart& one) {
        auto changed = all;
        changed[static_cast<std::size_t>(k)] = one.with_prior(prior);
        return elbo(model.gate(), changed);
      };
      for (Index j = 0; j < 2; ++j) {
        flat([&](double h) {
          Eigen::VectorXd mean = q.mean();
          mean(j) += h * std::sqrt(q.expected().covariance()(j, j));
          return with(NormalWishart(mean, q.beta(), q.nu(), q.inverse_scale()));
        });
      }
      flat([&](double h) { return with(NormalWishart(q.mean(), q.beta() * (1 + h), q.nu(), q.inverse_scale())); });
      flat([&](double h) { return with(NormalWishart(q.mean(), q.beta(), q.nu() * (1 + h), q.inverse_scale())); });
      for (Index i = 0; i < 2; ++i) {
        for (Index j = 0; j <= i; ++j) {
          flat([&](double h) {
            Eigen::MatrixXd w = q.inverse_scale();
            w(i, j) += h * std::sqrt(w(i, i) * w(j, j));
            w(j, i) = w(i, j);
            return with(NormalWishart(q.mean(), q.beta(), q.nu(), w));
          });
        }
      }
    }
    with_gate(flat, [&](const auto& gate) { return elbo(gate, all); });
  };
  const auto dirichlet =
      em(start_of(DirichletGate(2, 1.0), prior, Points<double>(x), 1), x, {.tolerance = 1e-14}).model;
  check(dirichlet, [&](const auto& flat, const auto& elbo) {
    for (Index k = 0; k < 2; ++k) {
      flat([&](double h) {
        Eigen::VectorXd a = dirichlet.gate().posterior();
        a(k) *= 1 + h;
        return elbo(dirichlet.gate().with_posterior(a));
      });
    }
  });
  const auto sticks =
      em(start_of(StickBreakingGate::pitman_yor(2, 0.2, 0.7), prior, Points<double>(x), 1), x, {.tolerance = 1e-14})
          .model;
  check(sticks, [&](const auto& flat, const auto& elbo) {
    for (Index k = 0; k < 2; ++k) {
      for (const bool first : {true, false}) {
        flat([&](double h) {
          Eigen::VectorXd a = sticks.gate().a(), b = sticks.gate().b();
          (first ? a : b)(k) *= 1 + h;
          return elbo(sticks.gate().with_posterior(a, b));
        });
      }
    }
  });
}

TEST_CASE("the gradient of the bound vanishes at the fixed point: diagonal, spherical and tied covariances") {
  const Eigen::MatrixXd x = reference::faithful();
  for (const auto structure : {Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
    CAPTURE(to_string(structure));
    const NormalWishart prior = weak_prior(Points<double>(x), structure);
    const auto model = em(start_of(DirichletGate(2, 1.0), prior, Points<double>(x), 1), x, {.tolerance = 1e-14}).model;
    const bool tied = structure == Covariance::tied;
    // change(h, h of what a tied precision shares, mean, beta, nu, inverse scale)
    const auto flat = [&](Index own, const auto& change) {
      const auto at = [&](double h) {
        std::vector<NormalWishart> all;
        for (Index k = 0; k < 2; ++k) {
          Eigen::VectorXd mean = model[k].mean();
          double beta = model[k].beta(), nu = model[k].nu();
          Eigen::MatrixXd scale = model[k].inverse_scale();
          change(k == own ? h : 0.0, k == own || tied ? h : 0.0, mean, beta, nu, scale);
          all.push_back(NormalWishart(mean, beta, nu, scale, structure).with_prior(prior));
        }
        return em(BayesianMixture<>(model.gate(), Components<NormalWishart>(all)), x, {.max_iterations = 0})
            .report.objective;
      };
      const double here = at(0), up = at(1e-3), down = at(-1e-3);
      CAPTURE(own, here, up, down);
      CHECK(up < here);
      CHECK(down < here);
      CHECK(std::abs(up - down) < 0.03 * (2 * here - up - down) + 1e-8);
    };
    for (Index k = 0; k < 2; ++k) {
      for (Index j = 0; j < 2; ++j) {
        flat(k, [&](double h, double, auto& mean, auto&, auto&, auto& scale) {
          mean(j) += h * std::sqrt(scale(j, j) / model[k].nu());
        });
      }
      flat(k, [](double h, double, auto&, auto& beta, auto&, auto&) { beta *= 1 + h; });
      flat(k, [](double, double h, auto&, auto&, auto& nu, auto&) { nu *= 1 + h; });
      flat(k, [](double, double h, auto&, auto&, auto&, auto& scale) { scale *= 1 + h; });
      if (structure == Covariance::spherical) continue;
      flat(k, [](double, double h, auto&, auto&, auto&, auto& scale) { scale.row(0) *= 1 + h, scale.col(0) *= 1 + h; });
      if (!tied) continue;
      flat(k, [](double, double h, auto&, auto&, auto&, auto& scale) {
        scale(0, 1) += h * std::sqrt(scale(0, 0) * scale(1, 1));
        scale(1, 0) = scale(0, 1);
      });
    }
  }
}

TEST_CASE("the gradient of the bound vanishes at the fixed point: discrete families") {
  Rng rng(3);
  const auto flat = [](double here, double up, double down) {
    CAPTURE(here, up, down);
    CHECK(up < here);
    CHECK(down < here);
    CHECK(std::abs(up - down) < 0.03 * (2 * here - up - down) + 1e-8);
  };
  const Eigen::MatrixXd x = counts<double>(2, 150, rng);
  const PoissonGamma rates(Eigen::Vector2d(1, 2), 0.5);
  const auto poisson = em(start_of(DirichletGate(2, 1.0), rates, Points<double>(x), 1), x, {.tolerance = 1e-14}).model;
  for (Index k = 0; k < 2; ++k) {
    for (Index j = 0; j < 3; ++j) {  // two shapes, one rate
      const auto at = [&](double h) {
        std::vector<PoissonGamma> all{poisson[0], poisson[1]};
        Eigen::VectorXd shapes = poisson[k].shapes();
        if (j < 2) shapes(j) *= 1 + h;
        const double rate = poisson[k].rate() * (j == 2 ? 1 + h : 1);
        all[static_cast<std::size_t>(k)] = PoissonGamma(shapes, rate).with_prior(rates);
        const VariationalMixture<Poisson> model(poisson.gate(), Components<PoissonGamma>(all));
        return em(model, x, {.max_iterations = 0}).report.objective;
      };
      flat(at(0), at(1e-3), at(-1e-3));
    }
  }
  const Eigen::MatrixXd y = answers<double>(2, 150, rng);
  const std::vector<Eigen::VectorXd> half{Eigen::VectorXd::Constant(2, 0.5), Eigen::VectorXd::Constant(3, 0.5)};
  const CategoricalDirichlet shares(half);
  const auto items = em(start_of(DirichletGate(2, 1.0), shares, Points<double>(y), 1), y, {.tolerance = 1e-14}).model;
  for (Index k = 0; k < 2; ++k) {
    for (Index c = 0; c < 5; ++c) {
      const auto at = [&](double h) {
        std::vector<CategoricalDirichlet> all{items[0], items[1]};
        std::vector<Eigen::VectorXd> a{items[k].concentrations(0), items[k].concentrations(1)};
        a[c < 2 ? 0 : 1](c < 2 ? c : c - 2) *= 1 + h;
        all[static_cast<std::size_t>(k)] = CategoricalDirichlet(a).with_prior(shares);
        const VariationalMixture<Categorical> model(items.gate(), Components<CategoricalDirichlet>(all));
        return em(model, y, {.max_iterations = 0}).report.objective;
      };
      flat(at(0), at(1e-3), at(-1e-3));
    }
  }
}

TEST_CASE("bad priors are refused with a sentence") {
  const Eigen::Vector2d mean(0, 0);
  const Eigen::Matrix2d unit = Eigen::Matrix2d::Identity();
  CHECK_THROWS_WITH(NormalWishart(mean, 0, 2, unit), ContainsSubstring("beta"));
  CHECK_THROWS_WITH(NormalWishart(mean, 1, 1, unit), ContainsSubstring("above 1, got 1"));
  CHECK_THROWS_WITH(NormalWishart(mean, 1, 2, -unit), ContainsSubstring("positive definite"));
  CHECK_THROWS_WITH(NormalWishart(mean, 1, 2, Eigen::Matrix3d::Identity()), ContainsSubstring("2 x 2, got 3 x 3"));
  CHECK_THROWS_WITH(DirichletGate(2, -1.0), ContainsSubstring("positive and finite, got -1"));
  CHECK_THROWS_WITH(DirichletGate(0), ContainsSubstring("at least one component"));
  CHECK_THROWS_WITH(StickBreakingGate::pitman_yor(2, 1, 1), ContainsSubstring("[0, 1), got 1"));
  CHECK_THROWS_WITH(Concentration::gamma(0, 1), ContainsSubstring("got 0 and 1"));
  CHECK_THROWS_WITH(PoissonGamma(Eigen::Vector2d(1, 0), 1), ContainsSubstring("shape 1 is 0"));
  CHECK_THROWS_WITH(CategoricalDirichlet({Eigen::Vector2d(1, -1)}), ContainsSubstring("category 1 of item 0"));
  const Eigen::MatrixXd x = reference::faithful();
  CHECK_THROWS_WITH(fit_bayesian_mixture(x, {.components = 0}), ContainsSubstring("at least one component"));
  CHECK_THROWS_WITH(fit_bayesian_mixture(x, {.restarts = 0}), ContainsSubstring("at least one start"));
  const Eigen::MatrixXd none(2, 0);
  CHECK_THROWS_WITH(fit_bayesian_mixture(none), ContainsSubstring("at least one observation"));
}
