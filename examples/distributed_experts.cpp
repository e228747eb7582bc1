// Data on many machines: each fits a mixture of experts to its share, and one is made of them all, without moving an
// observation. What is lost against one fit to all, and what is won?  distributed_experts [PICTURE.svg [OBSERVATIONS
// [MACHINES]]]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "emulsion/inference/aggregate_experts.hpp"
#include "emulsion/mixture_of_experts.hpp"
#include "plot.hpp"

using namespace emulsion;

namespace {

using Model = MixtureOfExperts<SoftmaxGate, LinearExpert>;
constexpr Index covariates = 3, components = 3;

Regression draw(Index n, Rng& rng) {
  Eigen::MatrixXd gate(1 + covariates, components), lines(1 + covariates, components);
  gate << 0, 0.5, 0, 2, -2, 0, 0, 1.5, 0, 1, 0, 0;
  lines << 3, -3, 0, 1, -1, 2, 0, 2, -2, -1, 0, 1;
  Eigen::MatrixXd x(covariates, n), y(1, n);
  Eigen::VectorXd design(1 + covariates);
  for (Index i = 0; i < n; ++i) {
    design(0) = 1;
    for (Index j = 0; j < covariates; ++j) design(1 + j) = x(j, i) = rng.normal();
    const Eigen::VectorXd odds = (gate.transpose() * design).array().exp();
    y(0, i) = lines.col(rng.categorical(odds)).dot(design) + 0.6 * rng.normal();
  }
  return {std::move(x), std::move(y)};
}

Model fit(const Regression& data, std::uint64_t seed) {
  return fit_experts(SoftmaxGate(components, covariates), LinearExpert(covariates), data, {.restarts = 6, .seed = seed})
      .model;
}

template <class F>
double seconds(const F& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run(int argc, char** argv) {
  const Index n = argc > 2 ? std::atol(argv[2]) : 20'000, most = argc > 3 ? std::atol(argv[3]) : 8;
  if (n < 2000 || most < 2 || n / most < 200) {
    std::fprintf(stderr, "usage: distributed_experts [PICTURE.svg [OBSERVATIONS >= 2000 [MACHINES >= 2]]]\n");
    return 2;
  }
  Rng rng(11);
  const Regression data = draw(n, rng), unseen = draw(20'000, rng);
  const auto per_observation = [&](const Model& model) {
    return model.log_likelihood(unseen) / static_cast<double>(unseen.size());
  };
  Model pooled(SoftmaxGate(components, covariates),
               Components<LinearExpert>(std::vector<LinearExpert>(components, LinearExpert(covariates))));
  const double pooled_time = seconds([&] { pooled = fit(data, 1); });
  const double best = per_observation(pooled);
  std::printf("log-likelihood per unseen observation, and seconds\n%9s %12s %12s %12s %10s %12s\n", "machines",
              "all data", "reduced", "one machine", "all data", "distributed");

  std::vector<double> logs, lost_alone, lost, speed;
  bool near = true;
  for (Index machines = 2; machines <= most; machines *= 2) {
    std::vector<Model> local;
    double slowest = 0, alone = 0;
    for (Index m = 0; m < machines; ++m) {
      const Index first = m * n / machines, end = (m + 1) * n / machines;
      slowest = std::max(slowest, seconds([&] {
                           local.push_back(fit(data.slice(first, end - first), static_cast<std::uint64_t>(m)));
                         }));
      alone += per_observation(local.back()) / static_cast<double>(machines);
    }
    const Covariates support = data.covariates().slice(0, n / machines / 4);  // of the first machine alone
    Model reduced = pooled;
    const double reduction =
        seconds([&] { reduced = aggregate(local, Eigen::VectorXd::Ones(machines), support, {.starts = 10}).model; });
    const double found = per_observation(reduced);
    std::printf("%9td %12.5f %12.5f %12.5f %10.2f %6.2f+%.2f\n", machines, best, found, alone, pooled_time, slowest,
                reduction);
    logs.push_back(std::log2(static_cast<double>(machines)));
    lost.push_back(best - found), lost_alone.push_back(best - alone);
    speed.push_back(pooled_time / (slowest + reduction));
    near = near && best - found < 0.01;
  }

  const auto vector = [](const std::vector<double>& values) {
    return Eigen::VectorXd(Eigen::VectorXd::Map(values.data(), static_cast<Index>(values.size())));
  };
  const Eigen::VectorXd at = vector(logs), by_reduction = vector(lost), by_one = vector(lost_alone);
  plot::Figure figure(980, 440, "Experts from many machines", std::to_string(n) + " observations, shared out");
  plot::Panel losses({80, 84, 370, 280}, plot::around(at), plot::around(by_one).with(0, by_reduction.minCoeff()));
  plot::Panel speeds({560, 84, 370, 280}, plot::around(at), plot::Range{0, vector(speed).maxCoeff()}.wider());
  int number = 0;
  for (const Eigen::VectorXd* found : {&by_reduction, &by_one}) {
    losses.line(at, *found, plot::stroke(plot::colour(number), 2.2));
    losses.points(at, *found, plot::colour(number++), 4);
  }
  speeds.line(at, vector(speed), plot::stroke(plot::colour(2), 2.2));
  speeds.points(at, vector(speed), plot::colour(2), 4);
  losses.axes("log2 machines", "nats lost per unseen observation");
  speeds.axes("log2 machines", "times as fast as one fit to all");
  figure.add(losses), figure.add(speeds);
  figure.legend_line(100, 104, plot::stroke(plot::colour(0), 2.2), "all machines, reduced to one model");
  figure.legend_line(100, 126, plot::stroke(plot::colour(1), 2.2), "one machine alone, mean");
  if (argc > 1 && !figure.save(argv[1])) {
    std::fprintf(stderr, "cannot write to '%s'\n", argv[1]);
    return 2;
  }
  if (!near) std::fprintf(stderr, "distributed_experts: the reduced model lost more than 0.01 nats per observation\n");
  return near ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "distributed_experts: %s\n", error.what());
    return 1;
  }
}
