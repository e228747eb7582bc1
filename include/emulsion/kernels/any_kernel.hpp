#pragma once
#include <Eigen/Core>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "emulsion/kernels/combined.hpp"

namespace emulsion {

template <class K>
struct IsKernel : std::bool_constant<Kernel<K>> {};

/// A kernel chosen at run time: any kernel converts, and sums and products of AnyKernel are of types known beforehand.
/// A call through it costs nothing beside a Gram matrix, and a process of AnyKernel is compiled once for all kernels.
class AnyKernel : public Evaluated<AnyKernel> {
 public:
  // Asked lazily: whether AnyKernel is a kernel is not to be asked on the way to knowing whether it can be copied.
  template <class K,
            class = std::enable_if_t<std::conjunction_v<std::negation<std::is_same<K, AnyKernel>>, IsKernel<K>>>>
  AnyKernel(K kernel)  // NOLINT(google-explicit-constructor): a kernel is a kernel
      : held_(std::make_unique<Held<K>>(std::move(kernel))) {}
  AnyKernel(const AnyKernel& other) : held_(other.held_->clone()) {}
  AnyKernel(AnyKernel&&) noexcept = default;
  AnyKernel& operator=(const AnyKernel& other) {
    if (this != &other) held_ = other.held_->clone();
    return *this;
  }
  AnyKernel& operator=(AnyKernel&&) noexcept = default;
  ~AnyKernel() = default;

  void check(Index dimension) const { held_->check(dimension); }
  void fill(const Inputs& a, const Inputs& b, const Eigen::Ref<Eigen::MatrixXd>& gram) const {
    held_->fill(a, b, gram);
  }
  void diagonal(const Inputs& a, const Eigen::Ref<Eigen::VectorXd>& out) const { held_->diagonal(a, out); }
  void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights,
                    const Eigen::Ref<Eigen::VectorXd>& g) const {
    held_->add_gradient(a, b, weights, g);
  }
  void add_diagonal_gradient(const Inputs& a, const Eigen::Ref<const Eigen::VectorXd>& weights,
                             const Eigen::Ref<Eigen::VectorXd>& g) const {
    held_->add_diagonal_gradient(a, weights, g);
  }
  Index parameters() const { return held_->parameters(); }
  void pack(Eigen::VectorXd& v, Index& at) const { held_->pack(v, at); }
  bool unpack(const Eigen::VectorXd& u, Index& at) { return held_->unpack(u, at); }
  void name(std::vector<std::string>& names) const { held_->name(names); }

 private:
  struct Erased {
    Erased() = default;
    Erased(const Erased&) = delete;
    Erased& operator=(const Erased&) = delete;
    virtual ~Erased() = default;
    virtual std::unique_ptr<Erased> clone() const = 0;
    virtual void check(Index dimension) const = 0;
    virtual void fill(const Inputs& a, const Inputs& b, const Eigen::Ref<Eigen::MatrixXd>& gram) const = 0;
    virtual void diagonal(const Inputs& a, const Eigen::Ref<Eigen::VectorXd>& out) const = 0;
    virtual void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights,
                              const Eigen::Ref<Eigen::VectorXd>& g) const = 0;
    virtual void add_diagonal_gradient(const Inputs& a, const Eigen::Ref<const Eigen::VectorXd>& weights,
                                       const Eigen::Ref<Eigen::VectorXd>& g) const = 0;
    virtual Index parameters() const = 0;
    virtual void pack(Eigen::VectorXd& v, Index& at) const = 0;
    virtual bool unpack(const Eigen::VectorXd& u, Index& at) = 0;
    virtual void name(std::vector<std::string>& names) const = 0;
  };
  template <Kernel K>
  struct Held final : Erased {
    explicit Held(K k) : kernel(std::move(k)) {}
    std::unique_ptr<Erased> clone() const override { return std::make_unique<Held>(kernel); }
    void check(Index dimension) const override { kernel.check(dimension); }
    void fill(const Inputs& a, const Inputs& b, const Eigen::Ref<Eigen::MatrixXd>& gram) const override {
      kernel.fill(a, b, gram);
    }
    void diagonal(const Inputs& a, const Eigen::Ref<Eigen::VectorXd>& out) const override { kernel.diagonal(a, out); }
    void add_gradient(const Inputs& a, const Inputs& b, const Inputs& weights,
                      const Eigen::Ref<Eigen::VectorXd>& g) const override {
      kernel.add_gradient(a, b, weights, g);
    }
    void add_diagonal_gradient(const Inputs& a, const Eigen::Ref<const Eigen::VectorXd>& weights,
                               const Eigen::Ref<Eigen::VectorXd>& g) const override {
      kernel.add_diagonal_gradient(a, weights, g);
    }
    Index parameters() const override { return kernel.parameters(); }
    void pack(Eigen::VectorXd& v, Index& at) const override { kernel.pack(v, at); }
    bool unpack(const Eigen::VectorXd& u, Index& at) override { return kernel.unpack(u, at); }
    void name(std::vector<std::string>& names) const override { kernel.name(names); }
    K kernel;
  };

  std::unique_ptr<Erased> held_;
};
static_assert(Kernel<AnyKernel> && Kernel<SumKernel<AnyKernel, AnyKernel>>);

}  // namespace emulsion
