#pragma once
#include <Eigen/Core>
#include <cmath>
#include <concepts>
#include <string>
#include <utility>
#include <vector>

#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// The mean m(x) of a process before data. Its hyperparameters are as they are.
template <class M>
concept MeanFunction = std::copyable<M> &&
    requires(const M& m, M& next, const Inputs& x, Eigen::Ref<Eigen::VectorXd> out, const Eigen::VectorXd& weights,
             Eigen::VectorXd& v, const Eigen::VectorXd& u, Index& at, std::vector<std::string>& names) {
  m.check(Index{});                 // throws InvalidArgument unless inputs may have that many dimensions
  m.fill(x, out);                   // out(i) = m(x_i)
  m.add_gradient(x, weights, out);  // out(p) += sum_i weights(i) d m(x_i) / d theta_p
  { m.parameters() } -> std::convertible_to<Index>;
  m.pack(v, at);
  { next.unpack(u, at) } -> std::same_as<bool>;
  m.name(names);
};

/// m(x) = 0.
class ZeroMean {
 public:
  void check(Index) const {}
  void fill(const Inputs& x, Eigen::Ref<Eigen::VectorXd> out) const { out.head(x.cols()).setZero(); }
  void add_gradient(const Inputs&, const Eigen::VectorXd&, const Eigen::Ref<Eigen::VectorXd>&) const {}
  Index parameters() const { return 0; }
  void pack(Eigen::VectorXd&, Index&) const {}
  bool unpack(const Eigen::VectorXd&, Index&) { return true; }
  void name(std::vector<std::string>&) const {}
};

/// m(x) = level.
class ConstantMean {
 public:
  explicit ConstantMean(double level = 0) : level_(level) {
    require(std::isfinite(level), "the level of a mean function must be finite, got ", level);
  }
  double level() const { return level_; }
  void check(Index) const {}
  void fill(const Inputs& x, Eigen::Ref<Eigen::VectorXd> out) const { out.head(x.cols()).setConstant(level_); }
  void add_gradient(const Inputs&, const Eigen::VectorXd& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    g(0) += weights.sum();
  }
  Index parameters() const { return 1; }
  void pack(Eigen::VectorXd& v, Index& at) const { v(at++) = level_; }
  bool unpack(const Eigen::VectorXd& u, Index& at) { return std::isfinite(level_ = u(at++)); }
  void name(std::vector<std::string>& names) const { names.emplace_back("level"); }

 private:
  double level_;
};

/// m(x) = level + slopes'x.
class LinearMean {
 public:
  LinearMean(double level, Eigen::VectorXd slopes) : level_(level), slopes_(std::move(slopes)) {
    require(std::isfinite(level) && slopes_.allFinite(), "the coefficients of a mean function must be finite");
  }
  double level() const { return level_; }
  const Eigen::VectorXd& slopes() const { return slopes_; }
  void check(Index dimension) const {
    require(dimension == slopes_.size(), "the mean function has ", slopes_.size(), " slopes, the inputs have ",
            dimension, " dimensions");
  }
  void fill(const Inputs& x, Eigen::Ref<Eigen::VectorXd> out) const {
    out.head(x.cols()).noalias() = x.transpose() * slopes_;
    out.head(x.cols()).array() += level_;
  }
  void add_gradient(const Inputs& x, const Eigen::VectorXd& weights, Eigen::Ref<Eigen::VectorXd> g) const {
    g(0) += weights.sum();
    g.tail(slopes_.size()) += x * weights;
  }
  Index parameters() const { return 1 + slopes_.size(); }
  void pack(Eigen::VectorXd& v, Index& at) const {
    v(at++) = level_;
    for (const double slope : slopes_) v(at++) = slope;
  }
  bool unpack(const Eigen::VectorXd& u, Index& at) {
    level_ = u(at++);
    for (double& slope : slopes_) slope = u(at++);
    return std::isfinite(level_) && slopes_.allFinite();
  }
  void name(std::vector<std::string>& names) const {
    names.emplace_back("level");
    for (Index j = 0; j < slopes_.size(); ++j) names.push_back("slope " + std::to_string(j));
  }

 private:
  double level_;
  Eigen::VectorXd slopes_;
};

static_assert(MeanFunction<ZeroMean> && MeanFunction<ConstantMean> && MeanFunction<LinearMean>);

}  // namespace emulsion
