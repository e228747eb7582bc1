#pragma once
#include <Eigen/Core>
#include <cmath>
#include <string>
#include <vector>

#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// k(a, b) = variance: one unknown level; as a factor, a scale.
class ConstantKernel : public Evaluated<ConstantKernel> {
 public:
  explicit ConstantKernel(double variance = 1) : variance_(variance) { require_positive(variance, "variance"); }
  double variance() const { return variance_; }

  void check(Index) const {}
  void fill(const Inputs&, const Inputs&, Eigen::Ref<Eigen::MatrixXd> gram) const { gram.setConstant(variance_); }
  void diagonal(const Inputs& a, Eigen::Ref<Eigen::VectorXd> out) const { out.head(a.cols()).setConstant(variance_); }
  void add_gradient(const Inputs&, const Inputs&, const Inputs& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    g(0) += variance_ * weights.sum();
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
static_assert(Kernel<ConstantKernel>);

}  // namespace emulsion
