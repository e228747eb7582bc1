#pragma once
#include "emulsion/kernels/stationary.hpp"

namespace emulsion {

/// f = (1 + r^2 / (2 alpha))^-alpha.
class RationalQuadraticShape {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): RationalQuadratic(variance, length_scale, alpha)
  RationalQuadraticShape(double alpha = 1) : alpha_(alpha) { require_positive(alpha, "alpha"); }
  double alpha() const { return alpha_; }

  template <class Array>
  void value(Array&& r2) const {
    r2 = (-alpha_ * (r2 / (2 * alpha_)).log1p()).exp();
  }
  template <class Array>
  void slope(Array&& r2) const {
    r2 = -0.5 * (-(alpha_ + 1) * (r2 / (2 * alpha_)).log1p()).exp();
  }
  Index parameters() const { return 1; }
  /// `f` holds the values.
  template <class Array, class Weights>
  void add_gradient(const Array& r2, const Array& f, const Weights& w, Eigen::Ref<Eigen::VectorXd> g) const {
    const auto u = r2 / (2 * alpha_);
    g(0) += (w * f * alpha_ * (u / (1 + u) - u.log1p())).sum();
  }
  void pack(Eigen::VectorXd& v, Index& at) const { v(at++) = std::log(alpha_); }
  bool unpack(const Eigen::VectorXd& u, Index& at) { return read_logarithm(u, at, alpha_); }
  void name(std::vector<std::string>& names) const { names.emplace_back("log alpha"); }

 private:
  double alpha_;
};

/// k(a, b) = variance (1 + r^2 / (2 alpha))^-alpha: squared exponentials of gamma-distributed inverse squared length
/// scales (Rasmussen and Williams, 2006, eq. 4.19).
using RationalQuadratic = Stationary<RationalQuadraticShape>;
static_assert(Kernel<RationalQuadratic>);

}  // namespace emulsion
