#pragma once
#include <Eigen/Core>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// k(a, b) = B(a, b), B = W W' + diag(v): covariances between the outputs of a process, whose input is the number of
/// the output, 0 to Q - 1. Times a kernel of the other inputs it is the intrinsic model of coregionalization (Alvarez,
/// Rosasco and Lawrence, 2012, sec. 4.2):
///
///   on(Coregionalization(w, v), {0}) * on(SquaredExponential(1, 2), {1})
///
/// Hyperparameters: W column by column as it is, log v.
class Coregionalization : public Evaluated<Coregionalization> {
 public:
  /// @param loadings   W, Q x rank
  /// @param variances  v, Q
  /// @throws InvalidArgument  if the shapes differ, or a variance is not positive and finite
  Coregionalization(Eigen::MatrixXd loadings, Eigen::VectorXd variances)
      : loadings_(std::move(loadings)), variances_(std::move(variances)) {
    require(variances_.size() > 0 && loadings_.rows() == variances_.size(), "expected loadings for ", variances_.size(),
            " outputs, ", variances_.size(), " x rank, got ", loadings_.rows(), " x ", loadings_.cols());
    for (const double one : loadings_.reshaped()) require(std::isfinite(one), "a loading is ", one);
    for (const double one : variances_) require_positive(one, "variance of an output");
  }
  Eigen::MatrixXd covariance() const {
    Eigen::MatrixXd b = loadings_ * loadings_.transpose();
    b.diagonal() += variances_;
    return b;
  }

  void check(Index dimension) const {
    require(dimension == 1, "a coregionalization reads one input, the number of the output; got ", dimension,
            " dimensions (use on(kernel, {dimension}))");
  }
  void fill(const Inputs& a, const Inputs& b, Eigen::Ref<Eigen::MatrixXd> gram) const {
    const Eigen::MatrixXd all = covariance();
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) gram(i, j) = all(output(a(0, i)), output(b(0, j)));
    }
  }
  void diagonal(const Inputs& a, Eigen::Ref<Eigen::VectorXd> out) const {
    const Eigen::MatrixXd all = covariance();
    for (Index i = 0; i < a.cols(); ++i) out(i) = all(output(a(0, i)), output(a(0, i)));
  }
  void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    const Index q = variances_.size();
    Eigen::MatrixXd of = Eigen::MatrixXd::Zero(q, q);  // with respect to B
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) of(output(a(0, i)), output(b(0, j))) += weights(i, j);
    }
    const Eigen::MatrixXd of_loadings = (of + of.transpose()) * loadings_;
    g.head(loadings_.size()) += of_loadings.reshaped();
    g.tail(q) += of.diagonal().cwiseProduct(variances_);
  }
  Index parameters() const { return loadings_.size() + variances_.size(); }
  void pack(Eigen::VectorXd& v, Index& at) const {
    for (const double one : loadings_.reshaped()) v(at++) = one;
    for (const double one : variances_) v(at++) = std::log(one);
  }
  bool unpack(const Eigen::VectorXd& u, Index& at) {
    bool good = true;
    for (double& one : loadings_.reshaped()) good = std::isfinite(one = u(at++)) && good;
    for (double& one : variances_) good = read_logarithm(u, at, one) && good;
    return good;
  }
  void name(std::vector<std::string>& names) const {
    for (Index r = 0; r < loadings_.cols(); ++r) {
      for (Index q = 0; q < loadings_.rows(); ++q) {
        names.push_back("loading " + std::to_string(q) + "," + std::to_string(r));
      }
    }
    for (Index q = 0; q < variances_.size(); ++q) names.push_back("log variance " + std::to_string(q));
  }

 private:
  Index output(double input) const {
    require(input >= 0 && input < static_cast<double>(variances_.size()) && input == std::floor(input),
            "the number of an output must be a whole number from 0 to ", variances_.size() - 1, ", got ", input);
    return static_cast<Index>(input);
  }

  Eigen::MatrixXd loadings_;
  Eigen::VectorXd variances_;
};
static_assert(Kernel<Coregionalization>);

}  // namespace emulsion
