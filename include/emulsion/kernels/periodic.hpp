#pragma once
#include <Eigen/Core>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// k(a, b) = variance exp(-2 / l^2 sum_j sin^2(pi (a_j - b_j) / period)): repeats itself exactly (MacKay, 1998).
class Periodic : public Evaluated<Periodic> {
 public:
  explicit Periodic(double variance = 1, double length_scale = 1, double period = 1)
      : variance_(variance), length_(length_scale), period_(period) {
    require_positive(variance, "variance");
    require_positive(length_scale, "length scale");
    require_positive(period, "period");
  }
  double variance() const { return variance_; }
  double length_scale() const { return length_; }
  double period() const { return period_; }

  void check(Index) const {}
  void fill(const Inputs& a, const Inputs& b, Eigen::Ref<Eigen::MatrixXd> gram) const {
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) {
        double squares = 0;
        for (Index c = 0; c < a.rows(); ++c) squares += square(std::sin(angle(a(c, i) - b(c, j))));
        gram(i, j) = variance_ * std::exp(-2 * squares / square(length_));
      }
    }
  }
  void diagonal(const Inputs& a, Eigen::Ref<Eigen::VectorXd> out) const { out.head(a.cols()).setConstant(variance_); }
  void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) {
        double squares = 0, turn = 0;
        for (Index c = 0; c < a.rows(); ++c) {
          const double u = angle(a(c, i) - b(c, j));
          squares += square(std::sin(u));
          turn += u * std::sin(2 * u);  // minus the derivative of sin^2 u with respect to the log period
        }
        const double scale = 2 / square(length_);
        const double k = weights(i, j) * variance_ * std::exp(-scale * squares);
        g(0) += k;
        g(1) += k * 2 * scale * squares;
        g(2) += k * scale * turn;
      }
    }
  }
  void add_diagonal_gradient(const Inputs&, const Eigen::Ref<const Eigen::VectorXd>& weights,
                             Eigen::Ref<Eigen::VectorXd> g) const {
    g(0) += variance_ * weights.sum();
  }
  Index parameters() const { return 3; }
  void pack(Eigen::VectorXd& v, Index& at) const {
    for (const double value : {variance_, length_, period_}) v(at++) = std::log(value);
  }
  bool unpack(const Eigen::VectorXd& u, Index& at) {
    const bool variance = read_logarithm(u, at, variance_), length = read_logarithm(u, at, length_);
    return read_logarithm(u, at, period_) && variance && length;
  }
  void name(std::vector<std::string>& names) const {
    for (const char* one : {"log variance", "log length scale", "log period"}) names.emplace_back(one);
  }

 private:
  static double square(double u) { return u * u; }
  double angle(double difference) const { return std::numbers::pi * difference / period_; }

  double variance_, length_, period_;
};
static_assert(Kernel<Periodic>);

}  // namespace emulsion
