#pragma once
#include <Eigen/Core>
#include <string>
#include <utility>
#include <vector>

#include "emulsion/kernels/constant.hpp"
#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// Two kernels, one after another in hyperparameters: what sums, products and change points share.
template <Kernel A, Kernel B>
class KernelPair {
 public:
  KernelPair(A first, B second) : first_(std::move(first)), second_(std::move(second)) {}
  const A& first() const { return first_; }
  const B& second() const { return second_; }

  void check(Index dimension) const {
    first_.check(dimension);
    second_.check(dimension);
  }
  Index parameters() const { return first_.parameters() + second_.parameters(); }
  void pack(Eigen::VectorXd& v, Index& at) const {
    first_.pack(v, at);
    second_.pack(v, at);
  }
  bool unpack(const Eigen::VectorXd& u, Index& at) {
    const bool good = first_.unpack(u, at);
    return second_.unpack(u, at) && good;
  }
  void name(std::vector<std::string>& names) const {
    first_.name(names);
    second_.name(names);
  }

 protected:
  A first_;
  B second_;
};

/// k(a, b) = k1(a, b) + k2(a, b): independent processes added. kernel + kernel.
template <Kernel A, Kernel B>
class SumKernel : public KernelPair<A, B>, public Evaluated<SumKernel<A, B>> {
 public:
  using KernelPair<A, B>::KernelPair;

  void fill(const Inputs& a, const Inputs& b, Eigen::Ref<Eigen::MatrixXd> gram) const {
    Eigen::MatrixXd other(a.cols(), b.cols());
    this->first_.fill(a, b, gram);
    this->second_.fill(a, b, other);
    gram += other;
  }
  void diagonal(const Inputs& a, Eigen::Ref<Eigen::VectorXd> out) const {
    Eigen::VectorXd other(a.cols());
    this->first_.diagonal(a, out);
    this->second_.diagonal(a, other);
    out.head(a.cols()) += other;
  }
  void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    this->first_.add_gradient(a, b, weights, g.head(this->first_.parameters()));
    this->second_.add_gradient(a, b, weights, g.tail(this->second_.parameters()));
  }
  void add_diagonal_gradient(const Inputs& a, const Eigen::Ref<const Eigen::VectorXd>& weights,
                             Eigen::Ref<Eigen::VectorXd> g) const {
    this->first_.add_diagonal_gradient(a, weights, g.head(this->first_.parameters()));
    this->second_.add_diagonal_gradient(a, weights, g.tail(this->second_.parameters()));
  }
};

/// k(a, b) = k1(a, b) k2(a, b). kernel * kernel; variance * kernel multiplies by a constant.
template <Kernel A, Kernel B>
class ProductKernel : public KernelPair<A, B>, public Evaluated<ProductKernel<A, B>> {
 public:
  using KernelPair<A, B>::KernelPair;

  void fill(const Inputs& a, const Inputs& b, Eigen::Ref<Eigen::MatrixXd> gram) const {
    Eigen::MatrixXd other(a.cols(), b.cols());
    this->first_.fill(a, b, gram);
    this->second_.fill(a, b, other);
    gram.array() *= other.array();
  }
  void diagonal(const Inputs& a, Eigen::Ref<Eigen::VectorXd> out) const {
    Eigen::VectorXd other(a.cols());
    this->first_.diagonal(a, out);
    this->second_.diagonal(a, other);
    out.head(a.cols()).array() *= other.array();
  }
  void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    Eigen::MatrixXd other(a.cols(), b.cols());
    this->second_.fill(a, b, other);
    other.array() *= weights.array();
    this->first_.add_gradient(a, b, other, g.head(this->first_.parameters()));
    this->first_.fill(a, b, other);
    other.array() *= weights.array();
    this->second_.add_gradient(a, b, other, g.tail(this->second_.parameters()));
  }
  void add_diagonal_gradient(const Inputs& a, const Eigen::Ref<const Eigen::VectorXd>& weights,
                             Eigen::Ref<Eigen::VectorXd> g) const {
    Eigen::VectorXd other(a.cols());
    this->second_.diagonal(a, other);
    other.array() *= weights.array();
    this->first_.add_diagonal_gradient(a, other, g.head(this->first_.parameters()));
    this->first_.diagonal(a, other);
    other.array() *= weights.array();
    this->second_.add_diagonal_gradient(a, other, g.tail(this->second_.parameters()));
  }
};

template <Kernel A, Kernel B>
SumKernel<A, B> operator+(A a, B b) {
  return {std::move(a), std::move(b)};
}
template <Kernel A, Kernel B>
ProductKernel<A, B> operator*(A a, B b) {
  return {std::move(a), std::move(b)};
}
template <Kernel B>
ProductKernel<ConstantKernel, B> operator*(double variance, B b) {
  return {ConstantKernel(variance), std::move(b)};
}

/// A kernel of some dimensions of the inputs: on(Periodic(), {0}).
template <Kernel K>
class KernelOn : public Evaluated<KernelOn<K>> {
 public:
  KernelOn(K kernel, std::vector<Index> dimensions) : kernel_(std::move(kernel)), dimensions_(std::move(dimensions)) {
    require(!dimensions_.empty(), "a kernel needs at least one dimension to read; got none");
    for (const Index c : dimensions_) require(c >= 0, "a dimension must not be negative, got ", c);
    kernel_.check(static_cast<Index>(dimensions_.size()));
  }
  const K& kernel() const { return kernel_; }

  void check(Index dimension) const {
    for (const Index c : dimensions_) {
      require(c < dimension, "the kernel reads dimension ", c, ", the inputs have ", dimension, " dimensions");
    }
  }
  void fill(const Inputs& a, const Inputs& b, Eigen::Ref<Eigen::MatrixXd> gram) const {
    kernel_.fill(chosen(a), chosen(b), gram);
  }
  void diagonal(const Inputs& a, Eigen::Ref<Eigen::VectorXd> out) const { kernel_.diagonal(chosen(a), out); }
  void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    kernel_.add_gradient(chosen(a), chosen(b), weights, g);
  }
  void add_diagonal_gradient(const Inputs& a, const Eigen::Ref<const Eigen::VectorXd>& weights,
                             Eigen::Ref<Eigen::VectorXd> g) const {
    kernel_.add_diagonal_gradient(chosen(a), weights, g);
  }
  Index parameters() const { return kernel_.parameters(); }
  void pack(Eigen::VectorXd& v, Index& at) const { kernel_.pack(v, at); }
  bool unpack(const Eigen::VectorXd& u, Index& at) { return kernel_.unpack(u, at); }
  void name(std::vector<std::string>& names) const { kernel_.name(names); }

 private:
  Eigen::MatrixXd chosen(const Inputs& a) const { return a(dimensions_, Eigen::all); }

  K kernel_;
  std::vector<Index> dimensions_;
};
template <Kernel K>
KernelOn<K> on(K kernel, std::vector<Index> dimensions) {
  return {std::move(kernel), std::move(dimensions)};
}

static_assert(Kernel<SumKernel<ConstantKernel, ConstantKernel>> && Kernel<KernelOn<ConstantKernel>>);

}  // namespace emulsion
