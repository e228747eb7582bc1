// How many components do BIC and a Dirichlet process find as the data grow? Four overlapping clusters, then the same
// with heavy tails, which no finite number of normal components describes:  how_many_clusters [PICTURE.svg [LARGEST
// [REPLICATES]]]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "emulsion/bayesian_mixture.hpp"
#include "emulsion/gaussian_mixture.hpp"
#include "plot.hpp"

using namespace emulsion;

namespace {

/// Four clusters around a square; `tails`: Student t with three degrees of freedom instead of normal.
Eigen::MatrixXd draw(Index n, bool tails, Rng& rng) {
  Eigen::MatrixXd x(2, n);
  for (Index i = 0; i < n; ++i) {
    const auto cluster = rng.below(4);
    const double widen = tails ? std::sqrt(1.5 / rng.gamma(1.5)) : 1;
    x(0, i) = (cluster % 2 == 0 ? 0.0 : 4.0) + widen * rng.normal();
    x(1, i) = (cluster < 2 ? 0.0 : 4.0) + widen * rng.normal();
  }
  return x;
}

struct Found {
  Eigen::VectorXd low, middle, high;
  explicit Found(Index sizes) : low(sizes), middle(sizes), high(sizes) {}
  void set(Index at, std::vector<double> counts) {
    std::sort(counts.begin(), counts.end());
    low(at) = counts.front(), middle(at) = counts[counts.size() / 2], high(at) = counts.back();
  }
};

int run(int argc, char** argv) {
  const double largest = argc > 2 ? std::atof(argv[2]) : 2000;
  const int replicates = argc > 3 ? std::atoi(argv[3]) : 3;
  if (!(largest >= 100) || replicates < 1) {
    std::fprintf(stderr, "usage: how_many_clusters [PICTURE.svg [LARGEST >= 100 [REPLICATES]]]\n");
    return 2;
  }
  std::vector<Index> sizes;
  for (Index n = 50; static_cast<double>(n) <= largest; n *= 2) sizes.push_back(n);
  const auto count = static_cast<Index>(sizes.size());
  Eigen::VectorXd logs(count);
  for (Index s = 0; s < count; ++s) logs(s) = std::log10(static_cast<double>(sizes[static_cast<std::size_t>(s)]));

  plot::Figure figure(980, 480, "How many components?",
                      "medians and ranges of " + std::to_string(replicates) + " data sets; the truth is four clusters");
  for (const bool tails : {false, true}) {
    Found by_bic(count), by_process(count);
    std::printf("%s clusters\n%8s %22s %22s\n", tails ? "heavy-tailed" : "normal", "n", "BIC: least, median, most",
                "Dirichlet process");
    for (Index s = 0; s < count; ++s) {
      const Index n = sizes[static_cast<std::size_t>(s)];
      std::vector<double> bic, process;
      for (int r = 0; r < replicates; ++r) {
        Rng rng = Rng(5).fork(static_cast<std::uint64_t>(r));
        const Eigen::MatrixXd x = draw(n, tails, rng);
        SelectionOptions selection;
        selection.covariances = {Covariance::full};
        selection.components.to = 8;
        bic.push_back(static_cast<double>(select_gaussian_mixture(x, selection).fit.model.size()));
        const auto gate = StickBreakingGate::dirichlet_process(8, Concentration::gamma(1, 1));
        process.push_back(static_cast<double>(fit_bayesian_mixture(x, gate).model.in_use()));
      }
      by_bic.set(s, bic), by_process.set(s, process);
      std::printf("%8td %8.0f %6.0f %6.0f %8.0f %6.0f %6.0f\n", n, by_bic.low(s), by_bic.middle(s), by_bic.high(s),
                  by_process.low(s), by_process.middle(s), by_process.high(s));
    }
    plot::Panel panel({tails ? 480.0 : 70.0, 84, 360, 320}, plot::Range{logs(0), logs(count - 1)}.wider(), {0, 10});
    const Eigen::Vector2d ends(logs(0) - 1, logs(count - 1) + 1), truth(4, 4);
    panel.line(ends, truth, plot::stroke("#777777", 1, "3 4"));
    int number = 0;
    for (const Found* found : {&by_bic, &by_process}) {
      const std::string paint = plot::colour(number++);
      panel.band(logs, found->low, found->high, paint, 0.15);
      panel.line(logs, found->middle, plot::stroke(paint, 2.2));
      panel.points(logs, found->middle, paint, 4);
    }
    panel.axes(tails ? "log10 n, clusters with heavy tails" : "log10 n, normal clusters", tails ? "" : "components");
    figure.add(panel);
  }
  figure.legend_line(850, 96, plot::stroke(plot::colour(0), 2.2), "BIC");
  figure.legend_line(850, 118, plot::stroke(plot::colour(1), 2.2), "process");
  if (argc > 1 && !figure.save(argv[1])) {
    std::fprintf(stderr, "cannot write to '%s'\n", argv[1]);
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "how_many_clusters: %s\n", error.what());
    return 1;
  }
}
