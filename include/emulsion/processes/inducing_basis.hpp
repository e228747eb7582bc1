#pragma once
#include <Eigen/Core>
#include <utility>

#include "emulsion/core/dense_cholesky.hpp"
#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// A kernel seen through M inducing inputs Z: whitened features phi(x) = L^-1 k(Z, x), k(Z, Z) = L L', so that
/// phi(a)' phi(b) is the Nystroem approximation of k(a, b).
template <Kernel K>
class InducingBasis {
 public:
  /// @param inputs  Z, d x M, one inducing input per column
  /// @throws InvalidArgument  without inputs, for inputs that are not finite, or where k(Z, Z) has no Cholesky factor
  InducingBasis(K kernel, Eigen::MatrixXd inputs) : kernel_(std::move(kernel)), inputs_(std::move(inputs)) {
    require(inputs_.rows() > 0 && inputs_.cols() > 0, "expected at least one inducing input, got ", inputs_.rows(),
            " x ", inputs_.cols(), " (an inducing input is a column)");
    require(inputs_.allFinite(), "inducing inputs must be finite");
    kernel_.check(inputs_.rows());
    require(factorise(), "the covariance matrix of the ", size(), " inducing inputs has no Cholesky factor");
  }

  Index dimension() const { return inputs_.rows(); }
  Index size() const { return inputs_.cols(); }
  const K& kernel() const { return kernel_; }
  const Eigen::MatrixXd& inputs() const { return inputs_; }
  const DenseCholesky& factor() const { return factor_; }
  /// What was added to the diagonal of k(Z, Z), absolute; zero where nothing had to be.
  double jitter() const { return factor_.jitter(); }

  /// phi, M x b, of b inputs x (d x b), and what it leaves out: rest(i) = k(x_i, x_i) - |phi(x_i)|^2, not negative.
  /// Cost b M^2 / 2 multiply-adds and b M kernels.
  void features(const Inputs& x, Eigen::Ref<Eigen::MatrixXd> phi, Eigen::Ref<Eigen::VectorXd> rest) const {
    kernel_.fill(inputs_, x, phi);
    factor_.whiten(phi);
    kernel_.diagonal(x, rest);
    rest = (rest - phi.colwise().squaredNorm().transpose()).cwiseMax(0.0);
  }

  /// False, and of no use until the next call, where the hyperparameters are not admissible.
  bool unpack(const Eigen::VectorXd& u, Index& at) { return kernel_.unpack(u, at) && factorise(); }

 private:
  bool factorise() {
    Eigen::MatrixXd gram(size(), size());
    kernel_.fill(inputs_, inputs_, gram);
    if (!gram.allFinite()) return false;
    factor_ = DenseCholesky(std::move(gram));
    return factor_.good();
  }

  K kernel_;
  Eigen::MatrixXd inputs_;
  DenseCholesky factor_;
};

}  // namespace emulsion
