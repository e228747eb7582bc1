// A hundred thousand measurements at irregular times, a slow trend and a daily cycle that changes its shape: the
// hyperparameters of the process fitted and gaps filled, in time linear in the measurements:  long_series [PICTURE.svg]
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "emulsion/inference/fit_markov_process.hpp"
#include "emulsion/processes/sample_state_space.hpp"
#include "plot.hpp"

using namespace emulsion;

namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

auto trend_and_cycle(double trend, double slow, double cycle, double shape, double period, double memory) {
  return Matern32(trend, slow) + Periodic(cycle, shape, period) * Matern12(1, memory);
}

/// Nothing was measured on days 120 to 122, 370 to 372, ...: forty gaps, held out.
constexpr double gap_first = 120, gap_length = 2, gap_every = 250;
bool in_gap(double t) {
  const double since = std::fmod(t - gap_first + gap_every, gap_every);
  return since < gap_length;
}

int run(int argc, char** argv) {
  constexpr Index n = 100'000;
  Rng rng(3);
  Eigen::RowVectorXd time(n);
  double now = 0;
  for (double& t : time) t = now += 0.1 * rng.exponential();
  const StateSpace truth(trend_and_cycle(6, 40, 4, 1.3, 1, 20));
  constexpr double true_noise = 0.25;
  Eigen::VectorXd value = sample(truth, time, rng);
  for (double& y : value) y += std::sqrt(true_noise) * rng.normal();
  std::vector<Index> kept, held;
  for (Index i = 0; i < n; ++i) (in_gap(time(i)) ? held : kept).push_back(i);
  const Eigen::RowVectorXd t = time(kept), t_held = time(held);
  const Eigen::VectorXd y = value(kept), y_held = value(held);

  const double begin = seconds();
  const auto fit =
      fit_markov_process(MarkovProcess(trend_and_cycle(1, 10, 1, 1, 1.003, 10), 1, {.harmonic_error = 1e-3}),
                         Regression(t, y.transpose()), {.pilot = n / 10, .search = {.tolerance = 1e-6}});
  const double end = seconds();
  const auto filled = fit.model.predict(t_held);
  const double last = seconds();

  const Matern32& trend = fit.model.kernel().first();
  const Periodic& cycle = fit.model.kernel().second().first();
  const Matern12& memory = fit.model.kernel().second().second();
  std::printf("%td measurements, %zu held out; a state of %td numbers\n", n, held.size(),
              fit.model.state_space().dimension());
  std::printf("fit %.1f s (%td evaluations, most of them of a tenth), gaps filled in %.1f s\n", end - begin,
              fit.report.e_steps, last - end);
  std::printf("log marginal likelihood %.2f nats, %s\n", fit.model.log_marginal_likelihood(),
              std::string(to_string(fit.report.status)).c_str());
  std::printf("             found   drawn with\n");
  std::printf("trend    %9.3f  %9.3f  variance\n", trend.variance(), 6.0);
  std::printf("         %9.3f  %9.3f  length scale (days)\n", trend.length_scales()(0), 40.0);
  std::printf("cycle    %9.3f  %9.3f  variance\n", cycle.variance() * memory.variance(), 4.0);
  std::printf("         %9.3f  %9.3f  length scale within a period\n", cycle.length_scale(), 1.3);
  std::printf("         %9.5f  %9.5f  period (days)\n", cycle.period(), 1.0);
  std::printf("         %9.3f  %9.3f  memory (days)\n", memory.length_scales()(0), 20.0);
  std::printf("noise    %9.4f  %9.4f  variance\n", fit.model.noise(), true_noise);

  const double normal_quantile = 1.6448536269514722;  // 95 %
  const Eigen::ArrayXd reach = normal_quantile * filled.variance_with_noise().array().sqrt();
  const double covered = ((y_held - filled.mean()).array().abs() <= reach).cast<double>().mean();
  std::printf("held-out measurements within their 90 %% band: %.1f %%\n", 100 * covered);

  // All days; and the days about one gap.
  const plot::Range all{0, time(n - 1)};
  const auto low_high = plot::around(value);
  plot::Panel whole({90, 84, 560, 170}, all, low_high);
  whole.points(time.transpose(), value, plot::colour(0), 1, 8000);
  whole.axes("time (days)", "value");

  const double gap = gap_first + 10 * gap_every;
  const plot::Range near{gap - 4, gap + gap_length + 4};
  const Eigen::VectorXd at = Eigen::VectorXd::LinSpaced(800, near.low, near.high);
  const auto found = fit.model.predict(at.transpose());
  const Eigen::VectorXd half = normal_quantile * found.variance_with_noise().array().sqrt();
  std::vector<Index> shown, hidden;
  for (Index i = 0; i < n; ++i) {
    if (time(i) > near.low && time(i) < near.high) (in_gap(time(i)) ? hidden : shown).push_back(i);
  }
  const Eigen::VectorXd low = found.mean() - half, high = found.mean() + half;
  plot::Panel detail({90, 330, 560, 270}, near, plot::Range{low.minCoeff(), high.maxCoeff()}.wider());
  detail.band(at, low, high, "#777788", 0.2);
  detail.line(at, found.mean(), plot::stroke("#222222", 1.8));
  detail.points(time(shown).transpose(), value(shown), plot::colour(0), 3);
  detail.points(time(hidden).transpose(), value(hidden), plot::colour(1), 3);
  detail.axes("time (days)", "value");

  plot::Figure figure(860, 670, "A hundred thousand measurements",
                      "A trend and a daily cycle, by Kalman filter and smoother; below, the days about one of 40 gaps");
  figure.add(whole);
  figure.add(detail);
  figure.legend_dot(674, 344, plot::colour(0), "measured");
  figure.legend_dot(674, 366, plot::colour(1), "held out");
  figure.legend_line(674, 388, plot::stroke("#222222", 1.8), "mean");
  figure.legend_line(674, 410, plot::stroke("#dedee2", 10), "90 % band");
  if (argc > 1 && !figure.save(argv[1])) {
    std::fprintf(stderr, "cannot write to '%s'\n", argv[1]);
    return 2;
  }
  return std::abs(covered - 0.9) < 0.05 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "long_series: %s\n", error.what());
    return 1;
  }
}
