#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "emulsion/kernels/combined.hpp"
#include "emulsion/kernels/constant.hpp"
#include "emulsion/kernels/matern.hpp"
#include "emulsion/kernels/periodic.hpp"

namespace emulsion {

/// How a periodic kernel becomes finitely many oscillators.
struct StateSpaceOptions {
  double harmonic_error = 1e-6;  ///< largest error of the truncated series, as a share of the periodic variance
  Index max_harmonics = 64;      ///< more than these are refused
  Index harmonics = -1;          ///< this many, whatever the error; -1: as few as the error allows
};

/// One stationary Markov process in the sum that a kernel stands for:
///
///   k(tau) = variance f(rate |tau|) cos(frequency tau),  f = exp(-u), (1 + u) exp(-u), (1 + u + u^2 / 3) exp(-u)
///
/// for order 1, 2, 3. Rate 0 is a process that stays as it is.
struct MarkovTerm {
  double variance = 1;
  double rate = 0;
  double frequency = 0;
  Index order = 1;
  Eigen::MatrixX3d derivative =
      {};  ///< of log variance, log rate, log frequency by the kernel's hyperparameters: p x 3
};
using MarkovTerms = std::vector<MarkovTerm>;

/// What terms a kernel is the sum of: specialised for each kernel that has a state space of its own.
/// `decays`: some term has a rate; `turns`: some term has a frequency; harmonics(k, error): how many a periodic part
/// needs; admissible(k): a part that does not need too many to be worked with at all.
template <class K>
struct MarkovForm;

/// Kernels of time with a finite state: Matern, periodic, constant; their sums; products in which one factor decays and
/// the other turns (quasi-periodic).
template <class K>
concept MarkovKernel = requires {
  MarkovForm<K>::decays;
}
&&Kernel<K>;

template <class Shape, Index Order>
struct MaternForm {
  static constexpr bool decays = true, turns = false;
  static bool admissible(const Stationary<Shape>&) { return true; }
  static Index harmonics(const Stationary<Shape>&, double) { return 0; }
  static MarkovTerms terms(const Stationary<Shape>& k, const StateSpaceOptions&) {
    k.check(1);
    const auto nu2 = static_cast<double>(2 * Order - 1);
    MarkovTerm term{.variance = k.variance(), .rate = std::sqrt(nu2) / k.length_scales()(0), .order = Order};
    term.derivative.setZero(2, 3);
    term.derivative(0, 0) = 1;
    term.derivative(1, 1) = -1;
    return {term};
  }
};
template <>
struct MarkovForm<Matern12> : MaternForm<Matern12Shape, 1> {};
template <>
struct MarkovForm<Matern32> : MaternForm<Matern32Shape, 2> {};
template <>
struct MarkovForm<Matern52> : MaternForm<Matern52Shape, 3> {};

template <>
struct MarkovForm<ConstantKernel> {
  static constexpr bool decays = false, turns = false;
  static bool admissible(const ConstantKernel&) { return true; }
  static Index harmonics(const ConstantKernel&, double) { return 0; }
  static MarkovTerms terms(const ConstantKernel& k, const StateSpaceOptions&) {
    MarkovTerm term{.variance = k.variance()};
    term.derivative.setZero(1, 3);
    term.derivative(0, 0) = 1;
    return {term};
  }
};

/// The series of Fourier and Bessel, z = 1 / l^2 (Solin and Sarkka, 2014, eq. 27):
///
///   exp(-2 sin^2(pi tau / period) / l^2) = sum_j q_j cos(2 pi j tau / period),  q_0 = e^-z I_0(z), q_j = 2 e^-z I_j(z)
///
/// All q_j are positive and their sum is one: the error of the first J harmonics is largest at tau = 0, where it is
/// the sum of the others.
template <>
struct MarkovForm<Periodic> {
  static constexpr bool decays = false, turns = true;

  static constexpr double shortest = 1e-4;  // of length scales: thousands of harmonics

  /// r_j = I_j / I_(j-1), j = 1, 2, ..., and q_j.
  struct Series {
    Eigen::VectorXd ratio, share;
  };
  static Series series(double z, Index least) {
    // From the far end, which forgets where it started (Miller); then the sum is one.
    const Index far = least + 40 + static_cast<Index>(8 * std::sqrt(z));
    Series result{Eigen::VectorXd::Zero(far + 2), Eigen::VectorXd(far + 1)};
    Eigen::VectorXd &ratio = result.ratio, &share = result.share;
    for (Index j = far; j >= 1; --j) ratio(j) = z / (2 * static_cast<double>(j) + z * ratio(j + 1));
    share(0) = 1;
    for (Index j = 1; j <= far; ++j) share(j) = share(j - 1) * ratio(j);
    share.tail(far) *= 2;
    share /= share.sum();
    return result;
  }
  static double argument(const Periodic& k) { return 1 / (k.length_scale() * k.length_scale()); }
  static bool admissible(const Periodic& k) { return k.length_scale() >= shortest; }
  static Index harmonics(const Periodic& k, double error) {
    const Eigen::VectorXd share = series(argument(k), 0).share;
    Index count = share.size() - 1;
    for (double left_out = 0; count > 0 && left_out + share(count) <= error; --count) left_out += share(count);
    return count;
  }

  static MarkovTerms terms(const Periodic& k, const StateSpaceOptions& options) {
    require(admissible(k), "a periodic kernel needs a length scale of at least ", shortest, " to be a state, got ",
            k.length_scale());
    Index count = options.harmonics;
    if (count < 0) {
      count = harmonics(k, options.harmonic_error);
      require(count <= options.max_harmonics, "a periodic kernel of length scale ", k.length_scale(), " needs ", count,
              " harmonics for an error of ", options.harmonic_error,
              ", more than max_harmonics = ", options.max_harmonics);
    }
    const double z = argument(k);
    const auto [ratio, share] = series(z, count);
    MarkovTerms result;
    for (Index j = 0; j <= count; ++j) {
      const auto order = static_cast<double>(j);
      MarkovTerm term{.variance = k.variance() * share(j), .frequency = 2 * std::numbers::pi * order / k.period()};
      term.derivative.setZero(3, 3);
      term.derivative(0, 0) = 1;
      term.derivative(1, 0) = 2 * z * (1 - ratio(j + 1)) - 2 * order;  // I_j' = I_(j+1) + j I_j / z
      term.derivative(2, 2) = -1;
      result.push_back(std::move(term));
    }
    return result;
  }
};

template <MarkovKernel A, MarkovKernel B>
struct MarkovPair {
  static constexpr bool decays = MarkovForm<A>::decays || MarkovForm<B>::decays;
  static constexpr bool turns = MarkovForm<A>::turns || MarkovForm<B>::turns;
  static bool admissible(const KernelPair<A, B>& k) {
    return MarkovForm<A>::admissible(k.first()) && MarkovForm<B>::admissible(k.second());
  }
  static Index harmonics(const KernelPair<A, B>& k, double error) {
    return std::max(MarkovForm<A>::harmonics(k.first(), error), MarkovForm<B>::harmonics(k.second(), error));
  }
};

/// Independent processes: their states side by side.
template <MarkovKernel A, MarkovKernel B>
struct MarkovForm<SumKernel<A, B>> : MarkovPair<A, B> {
  static MarkovTerms terms(const SumKernel<A, B>& k, const StateSpaceOptions& options) {
    MarkovTerms result = MarkovForm<A>::terms(k.first(), options);
    const Index p = k.first().parameters(), q = k.second().parameters();
    for (MarkovTerm& term : result) {
      term.derivative.conservativeResize(p + q, 3);
      term.derivative.bottomRows(q).setZero();
    }
    for (MarkovTerm& term : MarkovForm<B>::terms(k.second(), options)) {
      Eigen::MatrixX3d both = Eigen::MatrixX3d::Zero(p + q, 3);
      both.bottomRows(q) = term.derivative;
      term.derivative = std::move(both);
      result.push_back(std::move(term));
    }
    return result;
  }
};

/// The state of one process turning with the other (the Kronecker product of both states).
template <MarkovKernel A, MarkovKernel B>
requires(!(MarkovForm<A>::decays && MarkovForm<B>::decays) &&
         !(MarkovForm<A>::turns && MarkovForm<B>::turns)) struct MarkovForm<ProductKernel<A, B>> : MarkovPair<A, B> {
  static MarkovTerms terms(const ProductKernel<A, B>& k, const StateSpaceOptions& options) {
    const Index p = k.first().parameters(), q = k.second().parameters();
    MarkovTerms result;
    const MarkovTerms second = MarkovForm<B>::terms(k.second(), options);
    for (const MarkovTerm& a : MarkovForm<A>::terms(k.first(), options)) {
      for (const MarkovTerm& b : second) {
        MarkovTerm term{.variance = a.variance * b.variance,
                        .rate = a.rate + b.rate,  // one of them is zero
                        .frequency = a.frequency + b.frequency,
                        .order = std::max(a.order, b.order)};
        term.derivative.resize(p + q, 3);
        term.derivative << a.derivative, b.derivative;
        result.push_back(std::move(term));
      }
    }
    return result;
  }
};

/// The terms of a kernel, and the kernel that they are the sum of: where it is periodic, its truncated series.
class StateSpace {
 public:
  /// @throws InvalidArgument  where the kernel has a length scale per dimension, or needs too many harmonics
  template <MarkovKernel K>
  explicit StateSpace(const K& kernel, const StateSpaceOptions& options = {}) {
    require(options.harmonic_error > 0, "the error of a truncated periodic kernel must be positive, got ",
            options.harmonic_error);
    require(options.harmonics >= -1 && options.max_harmonics >= 0, "numbers of harmonics must not be negative, got ",
            options.harmonics, " and max_harmonics = ", options.max_harmonics);
    terms_ = MarkovForm<K>::terms(kernel, options);
    parameters_ = kernel.parameters();
    for (const MarkovTerm& term : terms_) dimension_ += width(term);
  }
  const MarkovTerms& terms() const { return terms_; }
  /// Elements of the state.
  Index dimension() const { return dimension_; }
  /// Hyperparameters of the kernel.
  Index parameters() const { return parameters_; }
  static Index width(const MarkovTerm& term) { return term.frequency == 0 ? term.order : 2 * term.order; }

  double variance() const {
    double sum = 0;
    for (const MarkovTerm& term : terms_) sum += term.variance;
    return sum;
  }
  /// Covariance of two values tau apart.
  double covariance(double tau) const {
    double sum = 0;
    for (const MarkovTerm& term : terms_) {
      const double u = term.rate * std::abs(tau);
      const double polynomial = term.order == 1 ? 1 : term.order == 2 ? 1 + u : 1 + u + u * u / 3;
      sum += term.variance * polynomial * std::exp(-u) * std::cos(term.frequency * tau);
    }
    return sum;
  }
  /// m x n covariances of the values at m times a with those at n times b.
  Eigen::MatrixXd gram(const Eigen::Ref<const Eigen::VectorXd>& a, const Eigen::Ref<const Eigen::VectorXd>& b) const {
    Eigen::MatrixXd result(a.size(), b.size());
    for (Index j = 0; j < b.size(); ++j) {
      for (Index i = 0; i < a.size(); ++i) result(i, j) = covariance(a(i) - b(j));
    }
    return result;
  }

 private:
  MarkovTerms terms_;
  Index parameters_ = 0, dimension_ = 0;
};

}  // namespace emulsion
