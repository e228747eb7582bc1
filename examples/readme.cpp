#include <emulsion/data/csv.hpp>
#include <emulsion/gaussian_mixture.hpp>
#include <iostream>

int main() {
  const auto x = emulsion::read_csv("examples/data/faithful.csv").matrix();  // 2 x 272: a column is an observation
  const auto fit = emulsion::fit_gaussian_mixture(x, {.components = 2, .seed = 7});
  for (Eigen::Index k = 0; k < fit.model.size(); ++k) {
    std::cout << fit.model.weights()(k) << " of eruptions near " << fit.model[k].mean().transpose() << "\n";
  }
  std::cout << "BIC " << bic(fit.model, x) << "\n" << fit.report << "\n";
}
