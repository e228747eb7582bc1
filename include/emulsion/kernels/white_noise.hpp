#pragma once
#include <Eigen/Core>
#include <cmath>
#include <string>
#include <vector>

#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// k(a, b) = variance where a = b, else 0: an independent value at each place, the same whenever the place is visited.
/// Noise that differs between observations of one place is the noise of the process, not of a kernel.
class WhiteNoise : public Evaluated<WhiteNoise> {
 public:
  explicit WhiteNoise(double variance = 1) : variance_(variance) { require_positive(variance, "variance"); }
  double variance() const { return variance_; }

  void check(Index) const {}
  void fill(const Inputs& a, const Inputs& b, Eigen::Ref<Eigen::MatrixXd> gram) const {
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) gram(i, j) = a.col(i) == b.col(j) ? variance_ : 0;
    }
  }
  void diagonal(const Inputs& a, Eigen::Ref<Eigen::VectorXd> out) const { out.head(a.cols()).setConstant(variance_); }
  void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) g(0) += a.col(i) == b.col(j) ? variance_ * weights(i, j) : 0;
    }
  }
  void add_diagonal_gradient(const Inputs&, const Eigen::Ref<const Eigen::VectorXd>& weights,
                             Eigen::Ref<Eigen::VectorXd> g) const {
    g(0) += variance_ * weights.sum();
  }
  Index parameters() const { return 1; }
  void pack(Eigen::VectorXd& v, Index& at) const { v(at++) = std::log(variance_); }
  bool unpack(const Eigen::VectorXd& u, Index& at) { return read_logarithm(u, at, variance_); }
  void name(std::vector<std::string>& names) const { names.emplace_back("log variance"); }

 private:
  double variance_;
};
static_assert(Kernel<WhiteNoise>);

}  // namespace emulsion
