// The least program: a mixture of two components, and its weights. Its compile time has a budget.
#include <emulsion/gaussian_mixture.hpp>
#include <iostream>

int main() {
  Eigen::MatrixXd x(1, 8);
  x << 1.0, 1.2, 0.9, 1.1, 5.0, 5.3, 4.8, 5.1;
  const auto fit = emulsion::fit_gaussian_mixture(x, {.components = 2, .seed = 7});
  std::cout << fit.model.weights().transpose() << '\n';
}
