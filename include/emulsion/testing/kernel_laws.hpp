#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/kernels/kernel.hpp"
#include "emulsion/testing/laws.hpp"

namespace emulsion::testing {

/// The laws of a kernel at inputs x (d x n, n >= 2): symmetric; each element is the kernel of its two points; the
/// diagonal is that of the Gram matrix; positive semidefinite; the gradient is that of finite differences, whole and
/// weighted; hyperparameters survive pack and unpack, one name each.
template <Kernel K>
std::vector<std::string> kernel_laws(const K& kernel, const Eigen::MatrixXd& x) {
  Findings laws(0);
  const Index n = x.cols();
  const Eigen::MatrixXd gram = kernel.gram(x);
  const double scale = largest_magnitude(gram);
  laws.expect(largest_magnitude(gram - gram.transpose()) <= 1e-14 * scale, "k(a, b) = k(b, a)");

  double worst = 0;
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < n; ++i) worst = std::max(worst, std::abs(kernel(x.col(i), x.col(j)) - gram(i, j)));
  }
  laws.expect(worst <= 1e-14 * scale, "an element of the Gram matrix is the kernel of its two points");
  Eigen::VectorXd diagonal(n);
  kernel.diagonal(x, diagonal);
  laws.expect(largest_magnitude(diagonal - gram.diagonal()) <= 1e-14 * scale,
              "the diagonal is that of the Gram matrix");

  Eigen::MatrixXd lifted = gram;
  lifted.diagonal().array() += 1e-10 * static_cast<double>(n) * scale;
  laws.expect(cholesky(lifted), "a Gram matrix is positive semidefinite");

  const Eigen::VectorXd v = hyperparameters(kernel);
  const auto moved = [&](const Eigen::VectorXd& u) {
    K other = kernel;
    Index at = 0;
    laws.expect(other.unpack(u, at) && at == u.size(), "unpack() reads as many numbers as pack() writes");
    return other;
  };
  laws.expect(largest_magnitude(hyperparameters(moved(v)) - v) <= 1e-14 * (1 + largest_magnitude(v)),
              "hyperparameters survive pack and unpack");
  std::vector<std::string> names;
  kernel.name(names);
  laws.expect(static_cast<Index>(names.size()) == kernel.parameters(), "every hyperparameter has a name");

  Eigen::MatrixXd weights(n, n);
  Rng rng(1);
  for (Index i = 0; i < weights.size(); ++i) weights.data()[i] = rng.normal();
  Eigen::VectorXd g = Eigen::VectorXd::Ones(v.size());
  kernel.add_gradient(x, x, weights, g);
  const Eigen::VectorXd across = weights.diagonal();
  Eigen::VectorXd of_diagonal = Eigen::VectorXd::Ones(v.size()), of_whole = of_diagonal;
  kernel.add_diagonal_gradient(x, across, of_diagonal);
  kernel.add_gradient(x, x, Eigen::MatrixXd(across.asDiagonal()), of_whole);
  laws.expect(largest_magnitude(of_diagonal - of_whole) <= 1e-12 * (1 + largest_magnitude(of_whole)),
              "the gradient of the diagonal is that of the Gram matrix");
  for (Index p = 0; p < v.size(); ++p) {
    const double h = 1e-5;
    Eigen::VectorXd up = v, down = v;
    up(p) += h, down(p) -= h;
    const Eigen::MatrixXd slope = (moved(up).gram(x) - moved(down).gram(x)) / (2 * h);
    const double size = std::max(scale, largest_magnitude(slope));
    laws.expect(largest_magnitude(kernel.gram_gradient(x, x, p) - slope) <= 1e-7 * size,
                "the gradient of the Gram matrix is that of finite differences");
    laws.expect(std::abs(g(p) - 1 - weights.cwiseProduct(slope).sum()) <= 1e-7 * size * static_cast<double>(n * n),
                "the weighted gradient is added to what is there");
  }
  return std::move(laws).broken();
}

}  // namespace emulsion::testing
