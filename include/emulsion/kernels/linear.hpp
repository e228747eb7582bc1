#pragma once
#include <Eigen/Core>
#include <cmath>
#include <string>
#include <vector>

#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// k(a, b) = variance a'b: lines through the origin with normal slopes; add a ConstantKernel for the intercept.
class LinearKernel : public Evaluated<LinearKernel> {
 public:
  explicit LinearKernel(double variance = 1) : variance_(variance) { require_positive(variance, "variance"); }
  double variance() const { return variance_; }

  void check(Index) const {}
  void fill(const Inputs& a, const Inputs& b, Eigen::Ref<Eigen::MatrixXd> gram) const {
    gram.noalias() = variance_ * (a.transpose() * b);
  }
  void diagonal(const Inputs& a, Eigen::Ref<Eigen::VectorXd> out) const {
    for (Index i = 0; i < a.cols(); ++i) out(i) = variance_ * a.col(i).squaredNorm();
  }
  void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    g(0) += variance_ * sum_of_products(Eigen::MatrixXd(a * weights), b);
  }
  Index parameters() const { return 1; }
  void pack(Eigen::VectorXd& v, Index& at) const { v(at++) = std::log(variance_); }
  bool unpack(const Eigen::VectorXd& u, Index& at) { return read_logarithm(u, at, variance_); }
  void name(std::vector<std::string>& names) const { names.emplace_back("log variance"); }

 private:
  double variance_;
};
static_assert(Kernel<LinearKernel>);

}  // namespace emulsion
