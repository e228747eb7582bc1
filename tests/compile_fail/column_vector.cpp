// expect: for n observations of one variable pass x.transpose\(\)
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/inference/fit_mixture.hpp"
int main() {
  const Eigen::VectorXd x = Eigen::VectorXd::Zero(3);
  emulsion::fit_mixture(emulsion::Poisson(1), x, {.components = 2});
}
