#pragma once
#include <Eigen/Core>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "emulsion/core/constants.hpp"
#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// k(a, b) = sum_q w_q prod_j exp(-2 pi^2 t_j^2 v_jq) cos(2 pi t_j m_jq),  t = a - b:
///
/// the kernel whose spectral density is a mixture of Q Gaussians (and their mirror images) of weights w, means m and
/// variances v, in cycles per unit of input (Wilson and Adams, 2013, eq. 12). Cost m n d Q sines.
class SpectralMixture : public Evaluated<SpectralMixture> {
 public:
  /// @param weights      Q
  /// @param frequencies  d x Q
  /// @param variances    d x Q
  /// @throws InvalidArgument  if the shapes differ or a value is not positive and finite
  SpectralMixture(Eigen::VectorXd weights, Eigen::MatrixXd frequencies, Eigen::MatrixXd variances)
      : weights_(std::move(weights)), frequencies_(std::move(frequencies)), variances_(std::move(variances)) {
    require(weights_.size() > 0 && frequencies_.rows() > 0, "a spectral mixture needs at least one component");
    require(frequencies_.cols() == weights_.size() && variances_.cols() == weights_.size() &&
                variances_.rows() == frequencies_.rows(),
            "expected frequencies and variances for ", weights_.size(), " weights, d x ", weights_.size(),
            " each; got ", frequencies_.rows(), " x ", frequencies_.cols(), " and ", variances_.rows(), " x ",
            variances_.cols());
    for (const double one : weights_) require_positive(one, "weight");
    for (const double one : frequencies_.reshaped()) require_positive(one, "frequency");
    for (const double one : variances_.reshaped()) require_positive(one, "spectral variance");
  }
  const Eigen::VectorXd& weights() const { return weights_; }
  const Eigen::MatrixXd& frequencies() const { return frequencies_; }
  const Eigen::MatrixXd& variances() const { return variances_; }

  void check(Index dimension) const {
    require(dimension == frequencies_.rows(), "the spectral mixture has ", frequencies_.rows(),
            " dimensions, the inputs have ", dimension);
  }
  void fill(const Inputs& a, const Inputs& b, Eigen::Ref<Eigen::MatrixXd> gram) const {
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) {
        double sum = 0;
        for (Index q = 0; q < weights_.size(); ++q) {
          double product = weights_(q);
          for (Index c = 0; c < a.rows(); ++c) product *= factor(a(c, i) - b(c, j), c, q);
          sum += product;
        }
        gram(i, j) = sum;
      }
    }
  }
  void diagonal(const Inputs& a, Eigen::Ref<Eigen::VectorXd> out) const {
    out.head(a.cols()).setConstant(weights_.sum());
  }
  void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    const Index d = a.rows(), components = weights_.size();
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) {
        for (Index q = 0; q < components; ++q) {
          double product = weights(i, j) * weights_(q);
          for (Index c = 0; c < d; ++c) product *= factor(a(c, i) - b(c, j), c, q);
          g(q) += product;
          for (Index c = 0; c < d; ++c) {
            const double t = a(c, i) - b(c, j), turn = two_pi * t * frequencies_(c, q);
            double others = weights(i, j) * weights_(q) * envelope(t, c, q);  // without this dimension's cosine
            for (Index e = 0; e < d; ++e) others *= e == c ? 1 : factor(a(e, i) - b(e, j), e, q);
            g(components + q * d + c) -= others * std::sin(turn) * turn;
            g(components * (1 + d) + q * d + c) -= product * 0.5 * two_pi * two_pi * t * t * variances_(c, q);
          }
        }
      }
    }
  }
  Index parameters() const { return weights_.size() * (1 + 2 * frequencies_.rows()); }
  void pack(Eigen::VectorXd& v, Index& at) const {
    for (const double one : weights_) v(at++) = std::log(one);
    for (const double one : frequencies_.reshaped()) v(at++) = std::log(one);
    for (const double one : variances_.reshaped()) v(at++) = std::log(one);
  }
  bool unpack(const Eigen::VectorXd& u, Index& at) {
    bool good = true;
    for (double& one : weights_) good = read_logarithm(u, at, one) && good;
    for (double& one : frequencies_.reshaped()) good = read_logarithm(u, at, one) && good;
    for (double& one : variances_.reshaped()) good = read_logarithm(u, at, one) && good;
    return good;
  }
  void name(std::vector<std::string>& names) const {
    const auto each = [&](const char* what, Index rows) {
      for (Index q = 0; q < weights_.size(); ++q) {
        for (Index c = 0; c < rows; ++c) {
          names.push_back(what + std::to_string(q) + (rows > 1 ? "," + std::to_string(c) : ""));
        }
      }
    };
    each("log weight ", 1);
    each("log frequency ", frequencies_.rows());
    each("log spectral variance ", frequencies_.rows());
  }

 private:
  double envelope(double t, Index c, Index q) const {
    return std::exp(-0.5 * two_pi * two_pi * t * t * variances_(c, q));
  }
  double factor(double t, Index c, Index q) const {
    return envelope(t, c, q) * std::cos(two_pi * t * frequencies_(c, q));
  }

  Eigen::VectorXd weights_;
  Eigen::MatrixXd frequencies_, variances_;
};
static_assert(Kernel<SpectralMixture>);

}  // namespace emulsion
