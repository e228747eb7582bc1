#pragma once
#include <Eigen/Core>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "emulsion/kernels/combined.hpp"

namespace emulsion {

/// k(a, b) = (1 - s(a)) k1(a, b) (1 - s(b)) + s(a) k2(a, b) s(b),  s(a) = 1 / (1 + exp(-steepness (a_j - location))):
///
/// one process before a place in dimension j, another after it (Lloyd et al., 2014). Hyperparameters: those of k1 and
/// k2, the location as it is, the log steepness.
template <Kernel A, Kernel B>
class ChangePoint : public KernelPair<A, B>, public Evaluated<ChangePoint<A, B>> {
 public:
  ChangePoint(A before, B after, double location, double steepness = 1, Index dimension = 0)
      : KernelPair<A, B>(std::move(before), std::move(after)), location_(location), steepness_(steepness),
        dimension_(dimension) {
    require(std::isfinite(location), "the location of a change point must be finite, got ", location);
    require_positive(steepness, "steepness");
    require(dimension >= 0, "the dimension of a change point must not be negative, got ", dimension);
  }
  double location() const { return location_; }
  double steepness() const { return steepness_; }

  void check(Index dimension) const {
    KernelPair<A, B>::check(dimension);
    require(dimension_ < dimension, "the change point lies in dimension ", dimension_, ", the inputs have ", dimension,
            " dimensions");
  }
  void fill(const Inputs& a, const Inputs& b, Eigen::Ref<Eigen::MatrixXd> gram) const {
    const Eigen::VectorXd sa = after(a), sb = after(b);
    Eigen::MatrixXd other(a.cols(), b.cols());
    this->first_.fill(a, b, other);
    this->second_.fill(a, b, gram);
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) {
        gram(i, j) = sa(i) * sb(j) * gram(i, j) + (1 - sa(i)) * (1 - sb(j)) * other(i, j);
      }
    }
  }
  void diagonal(const Inputs& a, Eigen::Ref<Eigen::VectorXd> out) const {
    const Eigen::ArrayXd s = after(a).array();
    Eigen::VectorXd other(a.cols());
    this->first_.diagonal(a, other);
    this->second_.diagonal(a, out);
    out.head(a.cols()).array() = s.square() * out.head(a.cols()).array() + (1 - s).square() * other.array();
  }
  void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    const Eigen::VectorXd sa = after(a), sb = after(b);
    const Eigen::VectorXd ones_a = Eigen::VectorXd::Ones(a.cols()), ones_b = Eigen::VectorXd::Ones(b.cols());
    const Eigen::MatrixXd early = (ones_a - sa).asDiagonal() * weights * (ones_b - sb).asDiagonal();
    const Eigen::MatrixXd late = sa.asDiagonal() * weights * sb.asDiagonal();
    const Index first = this->first_.parameters(), both = KernelPair<A, B>::parameters();
    this->first_.add_gradient(a, b, early, g.head(first));
    this->second_.add_gradient(a, b, late, g.segment(first, both - first));
    Eigen::MatrixXd k1(a.cols(), b.cols()), k2(a.cols(), b.cols());
    this->first_.fill(a, b, k1);
    this->second_.fill(a, b, k2);
    // d s = s (1 - s) (d steepness (x - location) - steepness d location)
    for (Index j = 0; j < b.cols(); ++j) {
      for (Index i = 0; i < a.cols(); ++i) {
        const double of_a = sa(i) * (1 - sa(i)) * (sb(j) * k2(i, j) - (1 - sb(j)) * k1(i, j));
        const double of_b = sb(j) * (1 - sb(j)) * (sa(i) * k2(i, j) - (1 - sa(i)) * k1(i, j));
        const double w = weights(i, j) * steepness_;
        g(both) -= w * (of_a + of_b);
        g(both + 1) += w * (of_a * (a(dimension_, i) - location_) + of_b * (b(dimension_, j) - location_));
      }
    }
  }
  Index parameters() const { return KernelPair<A, B>::parameters() + 2; }
  void pack(Eigen::VectorXd& v, Index& at) const {
    KernelPair<A, B>::pack(v, at);
    v(at++) = location_;
    v(at++) = std::log(steepness_);
  }
  bool unpack(const Eigen::VectorXd& u, Index& at) {
    const bool good = KernelPair<A, B>::unpack(u, at);
    location_ = u(at++);
    return read_logarithm(u, at, steepness_) && good && std::isfinite(location_);
  }
  void name(std::vector<std::string>& names) const {
    KernelPair<A, B>::name(names);
    names.emplace_back("location");
    names.emplace_back("log steepness");
  }

 private:
  Eigen::VectorXd after(const Inputs& a) const {
    Eigen::VectorXd s(a.cols());
    for (Index i = 0; i < a.cols(); ++i) s(i) = 1 / (1 + std::exp(-steepness_ * (a(dimension_, i) - location_)));
    return s;
  }

  double location_, steepness_;
  Index dimension_;
};
static_assert(Kernel<ChangePoint<ConstantKernel, ConstantKernel>>);

}  // namespace emulsion
