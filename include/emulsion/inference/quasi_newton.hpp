#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "emulsion/core/linear_algebra.hpp"

namespace emulsion {

/// Limited-memory BFGS in unconstrained parameters, with the EM step for a preconditioner (Jamshidian and Jennrich,
/// 1997; De Sterck and Howse, 2018).
///
/// Near a point the EM step f is M^-1 g, g the gradient of the objective and M the information of the complete data
/// (Lange, 1995). Of the latest points t it keeps
///
///   s = t - t_before,   y = g_before - g,   z = f_before - f ~ M^-1 y,
///
/// and applies the inverse Hessian that they imply to g, starting from c M^-1 g = c f, c = s'y / y'z (Nocedal and
/// Wright, 2006, alg. 7.4). Only pairs with s'y > 0 are kept, so that the direction climbs, also where the objective is
/// not concave. The driver shortens a step until the objective does not fall.
///
/// Storage: 2 p doubles and (3 order + 2) p floats for p parameters; order 20 at most, less where 1.5 order p > 10^6.
/// Floats will do: all of s, y, z, f and g vanish at the optimum, and their errors with them.
class QuasiNewton {
 public:
  /// Makes the storage; without directions, for square_step() alone.
  template <class M>
  [[gnu::cold]] void prepare(const M& model, bool directions) {
    model.pack(a_);
    model.pack(b_);
    size_ = a_.size();
    order_ = std::clamp<Index>(2'000'000 / (3 * std::max<Index>(1, size_)), 1, most);
    if (directions) floats_.assign(static_cast<std::size_t>((3 * order_ + 2) * size_), 0);
    forget();
  }
  void forget() {
    known_ = false;
    count_ = 0;
  }

  /// Squared length of the step from one model to the other.
  template <class M>
  [[gnu::cold]] double square_step(const M& from, const M& to) {
    from.pack(a_);
    to.pack(b_);
    return square_distance(a_.data(), b_.data(), size_);
  }

  /// Takes up a point `now` with its statistics and its EM step to `next`; `before` is the point of the last call.
  /// Returns g'f, both per unit of weight: to first order what the EM step gains; NaN where floats cannot hold it.
  template <class M>
  [[gnu::cold]] double learn(const M& before, const M& now, const M& next, const typename M::Statistics& statistics) {
    if (count_ == order_) first_ = (first_ + 1) % order_, --count_;
    const Index slot = (first_ + count_) % order_;
    float *const s = part(3 * slot), *const y = part(3 * slot + 1), *const z = part(3 * slot + 2);
    float *const f = step(), *const g = gradient();
    now.pack(a_);
    if (known_) {
      before.pack(b_);
      for (Index i = 0; i < size_; ++i) s[i] = static_cast<float>(a_(i) - b_(i));
    }
    now.gradient(statistics, b_);
    const double scale = 1 / now.total_weight(statistics);
    for (Index i = 0; i < size_; ++i) {
      const double value = b_(i) * scale;
      y[i] = static_cast<float>(static_cast<double>(g[i]) - value);
      g[i] = static_cast<float>(value);
    }
    next.pack(b_);
    bool moved = false;
    for (Index i = 0; i < size_; ++i) {
      const double value = b_(i) - a_(i);
      moved = moved || value != 0;
      z[i] = static_cast<float>(static_cast<double>(f[i]) - value);
      f[i] = static_cast<float>(value);
    }
    if (known_) {
      const double sy = inner(s, y), yz = inner(y, z);
      if (sy > 1e-12 * std::sqrt(inner(s, s) * inner(y, y)) && yz > 0 && std::isfinite(yz / sy)) {
        curvature_[static_cast<std::size_t>(slot)] = sy;
        scale_ = sy / yz;
        ++count_;
      }
    }
    known_ = true;
    along_ = inner(g, f);
    return moved && along_ == 0 ? std::numeric_limits<double>::quiet_NaN() : along_;
  }

  /// Makes `next` the point where the quasi-Newton step from `now`, of the last call of learn(), leads. False where
  /// there is none.
  template <class M>
  [[gnu::cold]] bool extrapolate(const M& now, M& next) {
    if (count_ == 0 || along_ > farthest) return false;  // never a shorter step than that of EM
    double *const r = a_.data(), *const q = b_.data();
    for (Index i = 0; i < size_; ++i) r[i] = static_cast<double>(step()[i]), q[i] = static_cast<double>(gradient()[i]);
    std::array<double, most> along{};
    for (Index k = count_ - 1; k >= 0; --k) {
      const Index slot = (first_ + k) % order_;
      const double c = along[static_cast<std::size_t>(k)] = inner(part(3 * slot), q) / curvature(slot);
      add(-c, part(3 * slot + 1), q);
      add(-c, part(3 * slot + 2), r);
    }
    for (Index i = 0; i < size_; ++i) r[i] *= scale_;
    for (Index k = 0; k < count_; ++k) {
      const Index slot = (first_ + k) % order_;
      add(along[static_cast<std::size_t>(k)] - inner(part(3 * slot + 1), r) / curvature(slot), part(3 * slot), r);
    }
    promise_ = inner(gradient(), r);
    stretch_ = promise_ / along_;
    tries_ = 0;
    if (!(promise_ > 0) || !std::isfinite(promise_)) {
      count_ = 0;
      return false;
    }
    // f'M f = g'f, so that r'M r is about this: as far as a model of the neighbourhood may be trusted.
    const double square = along_ * inner(r, r) / inner(step(), step());
    double part_of_step = square > farthest ? std::sqrt(farthest / square) : 1;
    now.pack(b_);
    add(part_of_step, r, q);
    while (!all_finite(b_) || !next.unpack(b_)) {
      if (++tries_ > 2) return false;
      part_of_step /= 2;
      add(-part_of_step, r, q);
    }
    promise_ *= part_of_step;
    return true;
  }
  /// Takes back a part of the step from `before` to `now`, which gained `gain` per unit of weight, less than nothing:
  /// as much as a parabola says. False after so many that the EM step is the better choice.
  template <class M>
  [[gnu::cold]] bool shorten(const M& before, M& now, double gain) {
    if (++tries_ > 5) return false;
    const double best = promise_ / (2 * (promise_ - gain));
    const double share = best > 0.1 ? std::min(best, 0.5) : 0.1;
    promise_ *= share;
    before.pack(a_);
    now.pack(b_);
    for (Index i = 0; i < size_; ++i) b_(i) = a_(i) + share * (b_(i) - a_(i));
    return all_finite(b_) && now.unpack(b_);
  }

  /// Makes `now` the middle between the two.
  template <class M>
  [[gnu::cold]] bool halve(const M& before, M& now) {
    before.pack(a_);
    now.pack(b_);
    for (Index i = 0; i < size_; ++i) b_(i) = 0.5 * (a_(i) + b_(i));
    return all_finite(b_) && now.unpack(b_);
  }

  /// The last step was worth as much as g'H g / g'M^-1 g EM steps: 1 - 1 / that is a rate at which the error of the
  /// parameters shrinks under EM, the slowest where the slowest is left.
  double rate() const { return 1 - 1 / stretch_; }

 private:
  static constexpr Index most = 20;
  static constexpr double farthest = 0.3;  // twice the divergence of the complete data, in nats per unit of weight

  float* part(Index number) { return floats_.data() + number * size_; }
  float* step() { return part(3 * order_); }
  float* gradient() { return part(3 * order_ + 1); }
  double curvature(Index slot) const { return curvature_[static_cast<std::size_t>(slot)]; }

  template <class X, class Y>
  [[gnu::noinline]] double inner(const X* x, const Y* y) const {
    double sum[4] = {};  // four at a time, so that no sum waits for the one before
    Index i = 0;
    for (; i + 4 <= size_; i += 4) {
      for (Index t = 0; t < 4; ++t) sum[t] += static_cast<double>(x[i + t]) * static_cast<double>(y[i + t]);
    }
    for (; i < size_; ++i) sum[0] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }
  template <class X>
  [[gnu::noinline]] void add(double c, const X* x, double* y) const {
    for (Index i = 0; i < size_; ++i) y[i] += c * static_cast<double>(x[i]);
  }

  Eigen::VectorXd a_, b_;
  std::vector<float> floats_;             // s, y, z of every pair, then f and g of the last point
  std::array<double, most> curvature_{};  // s'y of every pair
  Index size_ = 0, order_ = 1, first_ = 0, count_ = 0;
  int tries_ = 0;
  bool known_ = false;
  double scale_ = 1, along_ = 0, promise_ = 0, stretch_ = 1;  // promise: g's of the step, per unit of weight
};

}  // namespace emulsion
