#include <omp.h>

#include <armadillo>

#include "problem.hpp"

namespace {

/// Time of learn(): zero iterations still check the data, so that the difference is that of the iterations alone.
template <class Model>
double seconds_of(Model& model, const arma::mat& x, int iterations) {
  const double begin = seconds_now();
  const double least_variance = 1e-300;
  if (!model.learn(x, model.n_gaus(), arma::maha_dist, arma::keep_existing, 0, static_cast<arma::uword>(iterations),
                   least_variance, false)) {
    throw std::runtime_error("Armadillo failed");
  }
  return seconds_now() - begin;
}

template <class Model>
void run(const Problem& p, const arma::mat& x, const Model& start) {
  Model none = start, model = start;
  const double checks = seconds_of(none, x, 0);
  const double all = seconds_of(model, x, p.iterations);
  print_result(p, "Armadillo " + arma::arma_version::as_string(), model.avg_log_p(x), (all - checks) / p.iterations);
}

}  // namespace

int main(int argc, char** argv) {
  Problem p = read_problem(argc, argv);
  omp_set_num_threads(p.threads);
  const arma::mat x(p.data.data(), p.d, p.n, false, true);
  const arma::mat means(p.means.data(), p.d, p.components, false, true);
  arma::rowvec weights(p.components);
  weights.fill(1 / static_cast<double>(p.components));
  if (p.full) {
    arma::cube covariances(p.d, p.d, p.components);
    covariances.each_slice() = arma::eye(p.d, p.d);
    arma::gmm_full start;
    start.set_params(means, covariances, weights);
    run(p, x, start);
  } else {
    arma::gmm_diag start;
    start.set_params(means, arma::ones(p.d, p.components), weights);
    run(p, x, start);
  }
}
