#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

#include <algorithm>
#include <utility>
#include <vector>

#include "emulsion/gaussian_mixture.hpp"
#include "problem.hpp"

namespace {

emulsion::GaussianMixture start(const Problem& p) {
  const auto d = static_cast<emulsion::Index>(p.d), count = static_cast<emulsion::Index>(p.components);
  const Eigen::Map<const Eigen::MatrixXd> means(p.means.data(), d, count);
  const Eigen::MatrixXd identity = Eigen::MatrixXd::Identity(d, d);
  const auto structure = p.full ? emulsion::Covariance::full : emulsion::Covariance::diagonal;
  std::vector<emulsion::Gaussian> components;
  for (emulsion::Index k = 0; k < count; ++k) components.emplace_back(means.col(k), identity, structure);
  return {Eigen::VectorXd::Constant(count, 1 / static_cast<double>(count)), std::move(components)};
}

}  // namespace

int main(int argc, char** argv) {
  const Problem p = read_problem(argc, argv);
  const Eigen::Map<const Eigen::MatrixXd> x(p.data.data(), static_cast<Eigen::Index>(p.d),
                                            static_cast<Eigen::Index>(p.n));
  // From one call of the progress callback to the next: an M-step and an E-step. Fits of a few iterations each, so that
  // emulsion does the same iterations as the others, until about a second is measured.
  std::vector<double> seconds, trace;
  const double begin = seconds_now();
  for (int fits = 0; fits < 2 || (seconds_now() - begin < 1 && fits < 100); ++fits) {
    double last = -1;
    emulsion::EmOptions options{.max_iterations = p.iterations,
                                .tolerance = 1e-300,
                                .threads = p.threads,
                                .acceleration = emulsion::Acceleration::none};
    options.progress = [&](const emulsion::Report&) {
      const double now = seconds_now();
      if (last >= 0) seconds.push_back(now - last);
      last = now;
      return true;
    };
    trace = em(start(p), x, options).report.trace;
  }
  if (trace.size() != static_cast<std::size_t>(p.iterations) + 1) throw std::runtime_error("emulsion ended early");
  for (std::size_t i = 1; i < trace.size(); ++i) {  // the others may do fewer iterations
    std::printf("mean_log_likelihood_after %zu %.17g\n", i, trace[i] / static_cast<double>(p.n));
  }
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2), seconds.end());
  print_result(p, "emulsion", trace.back() / static_cast<double>(p.n), seconds[seconds.size() / 2]);
}
