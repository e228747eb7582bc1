#pragma once
#include <Eigen/Core>
#include <cmath>
#include <concepts>
#include <string>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"

namespace emulsion {

/// Inputs of a process: d x n, one per column.
using Inputs = Eigen::Ref<const Eigen::MatrixXd>;

/// A covariance function k(a, b), positive semidefinite, as a value. Kernels add and multiply (kernels/combined.hpp).
///
/// Its hyperparameters are numbers without constraints, written and read one after another: logarithms of what is
/// positive, all else as it is; `name` says which.
template <class K>
concept Kernel = requires(const K& k, K& next, const Inputs& a, Eigen::Ref<Eigen::MatrixXd> gram,
                          Eigen::Ref<Eigen::VectorXd> out, const Inputs& weights, Eigen::VectorXd& v,
                          const Eigen::VectorXd& u, Index& at, std::vector<std::string>& names) {
  k.check(Index{});                    // throws InvalidArgument unless inputs may have that many dimensions
  k.fill(a, a, gram);                  // gram(i, j) = k(a_i, b_j): m x n for m inputs a and n inputs b
  k.diagonal(a, out);                  // out(i) = k(a_i, a_i)
  k.add_gradient(a, a, weights, out);  // out(p) += sum_ij weights(i, j) d k(a_i, b_j) / d theta_p
  k.add_diagonal_gradient(a, v, out);  // out(p) += sum_i v(i) d k(a_i, a_i) / d theta_p
  { k.parameters() } -> std::convertible_to<Index>;
  k.pack(v, at);
  { next.unpack(u, at) } -> std::same_as<bool>;  // false where not admissible
  k.name(names);                                 // one per parameter
}
&&std::copyable<K>;  // last: a class made of a kernel is asked whether it is one

/// What every kernel can do by what it must: the class inherits Evaluated<itself>.
template <class Self>
class Evaluated {
 public:
  /// k(a, b) of two points (d each).
  double operator()(const Eigen::Ref<const Eigen::VectorXd>& a, const Eigen::Ref<const Eigen::VectorXd>& b) const {
    require(a.size() == b.size(), "expected two points of one dimension, got ", a.size(), " and ", b.size());
    return gram(a, b)(0, 0);
  }
  /// m x n covariances of m inputs a (d x m) with n inputs b (d x n).
  Eigen::MatrixXd gram(const Inputs& a, const Inputs& b) const {
    require(a.rows() == b.rows(), "expected inputs of one dimension, got ", a.rows(), " x ", a.cols(), " and ",
            b.rows(), " x ", b.cols(), " (an input is a column)");
    self().check(a.rows());
    Eigen::MatrixXd result(a.cols(), b.cols());
    self().fill(a, b, result);
    return result;
  }
  Eigen::MatrixXd gram(const Inputs& a) const { return gram(a, a); }
  /// Derivative of gram(a, b) with respect to hyperparameter `p`, in the order of pack(): m x n. Cost: m n gradients;
  /// who needs a weighted sum asks for that (add_gradient).
  Eigen::MatrixXd gram_gradient(const Inputs& a, const Inputs& b, Index p) const {
    require(p >= 0 && p < self().parameters(), "hyperparameter ", p, " of ", self().parameters(), " does not exist");
    self().check(a.rows());
    const Eigen::MatrixXd one = Eigen::MatrixXd::Ones(1, 1);
    Eigen::MatrixXd result(a.cols(), b.cols());
    Eigen::VectorXd all(self().parameters());
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) {
        all.setZero();
        self().add_gradient(a.col(i), b.col(j), one, all);
        result(i, j) = all(p);
      }
    }
    return result;
  }
  /// g(p) += sum_i weights(i) d k(a_i, a_i) / d theta_p. Kernels that know better say so: this calls the kernel n
  /// times.
  void add_diagonal_gradient(const Inputs& a, const Eigen::Ref<const Eigen::VectorXd>& weights,
                             Eigen::Ref<Eigen::VectorXd> g) const {
    for (Index i = 0; i < a.cols(); ++i) self().add_gradient(a.col(i), a.col(i), weights.segment(i, 1), g);
  }

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
};

/// Hyperparameters of a kernel (or process) in a vector of their own.
template <class Parametrised>
Eigen::VectorXd hyperparameters(const Parametrised& k) {
  Eigen::VectorXd v(k.parameters());
  Index at = 0;
  k.pack(v, at);
  return v;
}

/// Reads the logarithm of a positive number; false where the number is not one.
inline bool read_logarithm(const Eigen::VectorXd& u, Index& at, double& value) {
  value = std::exp(u(at++));
  return value > 0 && std::isfinite(value);
}
inline void require_positive(double value, const char* what) {
  require(value > 0 && std::isfinite(value), "the ", what, " of a kernel must be positive and finite, got ", value);
}
/// Sum of the products of two matrices' elements.
template <class A, class B>
double sum_of_products(const A& a, const B& b) {
  double sum = 0;
  for (Index j = 0; j < a.cols(); ++j) sum += a.col(j).dot(b.col(j));
  return sum;
}

}  // namespace emulsion
