#pragma once
#include <Eigen/Core>
#include <cmath>
#include <string>
#include <vector>

#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// k(a, b) = variance (offset + a'b)^degree: polynomials with normal coefficients (Rasmussen and Williams,
/// 2006, 4.2.2).
class PolynomialKernel : public Evaluated<PolynomialKernel> {
 public:
  explicit PolynomialKernel(int degree, double variance = 1, double offset = 1)
      : degree_(degree), variance_(variance), offset_(offset) {
    require(degree >= 1, "the degree of a polynomial kernel must be at least 1, got ", degree);
    require_positive(variance, "variance");
    require_positive(offset, "offset");
  }
  int degree() const { return degree_; }
  double variance() const { return variance_; }
  double offset() const { return offset_; }

  void check(Index) const {}
  void fill(const Inputs& a, const Inputs& b, Eigen::Ref<Eigen::MatrixXd> gram) const {
    gram.noalias() = a.transpose() * b;
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) gram(i, j) = variance_ * std::pow(offset_ + gram(i, j), degree_);
    }
  }
  void diagonal(const Inputs& a, Eigen::Ref<Eigen::VectorXd> out) const {
    for (Index i = 0; i < a.cols(); ++i) out(i) = variance_ * std::pow(offset_ + a.col(i).squaredNorm(), degree_);
  }
  void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    const Eigen::MatrixXd products = a.transpose() * b;
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) {
        const double base = offset_ + products(i, j);
        const double slope = weights(i, j) * variance_ * std::pow(base, degree_ - 1);
        g(0) += slope * base;
        g(1) += slope * degree_ * offset_;
      }
    }
  }
  Index parameters() const { return 2; }
  void pack(Eigen::VectorXd& v, Index& at) const {
    v(at++) = std::log(variance_);
    v(at++) = std::log(offset_);
  }
  bool unpack(const Eigen::VectorXd& u, Index& at) {
    const bool variance = read_logarithm(u, at, variance_);
    return read_logarithm(u, at, offset_) && variance;
  }
  void name(std::vector<std::string>& names) const {
    names.emplace_back("log variance");
    names.emplace_back("log offset");
  }

 private:
  int degree_;
  double variance_, offset_;
};
static_assert(Kernel<PolynomialKernel>);

}  // namespace emulsion
