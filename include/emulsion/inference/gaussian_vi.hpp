#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "emulsion/core/constants.hpp"
#include "emulsion/core/gauss_rule.hpp"
#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/distributions/gaussian.hpp"

namespace emulsion {

/// A log density on R^d up to a constant, with its gradient: value(x), gradient(x) (d), and, if it has one, hessian(x)
/// (d x d).
template <class T>
concept DifferentiableDensity = requires(const T& t, const Eigen::VectorXd& x) {
  { t.value(x) } -> std::convertible_to<double>;
  { t.gradient(x) } -> std::convertible_to<Eigen::VectorXd>;
};
template <class T>
concept TwiceDifferentiableDensity = DifferentiableDensity<T> && requires(const T& t, const Eigen::VectorXd& x) {
  { t.hessian(x) } -> std::convertible_to<Eigen::MatrixXd>;
};

/// How expectations under a Gaussian are taken.
enum class Expectation {
  quadrature,  ///< Gauss-Hermite, nodes^d points: the objective is exact for polynomials of degree 2 nodes - 1
  monte_carlo  ///< fresh draws in every iteration, steps that shrink, the second half of the iterates averaged
};

struct GaussianViOptions {
  Expectation expectation = Expectation::quadrature;
  int nodes = 32;                 ///< of the quadrature in every dimension
  Index draws = 100;              ///< per iteration
  double step = 1;                ///< the largest, in coordinates in which the covariance is the identity
  Index max_iterations = 10'000;  ///< Monte Carlo takes all of them
  double tolerance = 1e-10;       ///< of the conditions of the optimum, by quadrature: see fit_gaussian_vi
  std::uint64_t seed = 0;
};

/// The search for the best Gaussian. Every step is taken in coordinates in which the present one is N(0, I), so that it
/// does not depend on the units.
template <DifferentiableDensity Target>
class GaussianVi {
 public:
  GaussianVi(const Target& target, const Gaussian& start, const GaussianViOptions& options)
      : target_(target), options_(options), d_(start.dimension()), rule_(GaussRule::hermite(options.nodes)),
        rng_(options.seed), now_{start.mean(), start.factor()} {}

  [[gnu::cold]] Fit<Gaussian> operator()() {
    return options_.expectation == Expectation::quadrature ? by_quadrature() : by_draws();
  }

 private:
  struct State {
    Eigen::VectorXd mean;
    Eigen::MatrixXd root;  // covariance root root'
  };
  struct Moments {
    double value = 0;          // E[log p + z'z / 2]: near the optimum this varies far less than log p alone
    Eigen::VectorXd gradient;  // of log p by z, x = mean + root z: expected
    Eigen::MatrixXd hessian;
  };

  /// Expectations by standard normal points with weights.
  template <class EachPoint>
  Moments moments(const State& at, const EachPoint& for_each_point) const {
    Moments m{0, Eigen::VectorXd::Zero(d_), Eigen::MatrixXd::Zero(d_, d_)};
    Eigen::VectorXd gradient = Eigen::VectorXd::Zero(d_);
    Eigen::MatrixXd hessian = m.hessian;
    for_each_point([&](const Eigen::VectorXd& z, double weight) {
      const Eigen::VectorXd x = at.mean + at.root * z;
      m.value += weight * (target_.value(x) + 0.5 * sum_of_squares(z));
      const Eigen::VectorXd slope = target_.gradient(x);
      gradient += weight * slope;
      if constexpr (TwiceDifferentiableDensity<Target>) hessian += weight * target_.hessian(x);
      else hessian += weight * slope * z.transpose();  // Stein: E[hess] root = E[grad z']
    });
    m.gradient = at.root.transpose() * gradient;
    m.hessian = at.root.transpose() * hessian;
    if constexpr (TwiceDifferentiableDensity<Target>) m.hessian *= at.root;
    m.hessian = (0.5 * (m.hessian + m.hessian.transpose())).eval();
    return m;
  }
  Moments by_rule(const State& at) const {
    return moments(at, [&](const auto& use) {
      Eigen::VectorXd z(d_);
      std::vector<int> place(static_cast<std::size_t>(d_), 0);
      for (;;) {
        double weight = 1;
        for (Index j = 0; j < d_; ++j) {
          const int node = place[static_cast<std::size_t>(j)];
          z(j) = rule_.nodes(node), weight *= rule_.weights(node);
        }
        use(z, weight);
        std::size_t j = 0;
        while (j < place.size() && ++place[j] == options_.nodes) place[j++] = 0;
        if (j == place.size()) return;
      }
    });
  }
  /// With their opposites, so that odd moments cancel.
  Moments by_drawing(const State& at, Index pairs) {
    return moments(at, [&](const auto& use) {
      Eigen::VectorXd z(d_);
      for (Index i = 0; i < pairs; ++i) {
        for (Index j = 0; j < d_; ++j) z(j) = rng_.normal();
        use(z, 0.5 / static_cast<double>(pairs));
        use(Eigen::VectorXd(-z), 0.5 / static_cast<double>(pairs));
      }
    });
  }
  double elbo(const State& at, const Moments& m) const {
    double sum = m.value + 0.5 * static_cast<double>(d_) * log_two_pi;
    for (Index j = 0; j < d_; ++j) sum += std::log(at.root(j, j));
    return sum;
  }

  /// The forward-backward step of the free energy in the Bures-Wasserstein geometry (Diao, Balasubramanian, Chewi and
  /// Salim, 2023): with V = -log p,
  ///
  ///   mean <- mean - eta E[grad V],   M = I - eta E[hess V],   S' = M S M,
  ///   S <- (S' + 2 eta I + (S' (S' + 4 eta I))^(1/2)) / 2,
  ///
  /// where S = I. S' and M have the same eigenvectors then. Fixed points are optima only if M is not negative: eta is
  /// `share` of the inverse of the largest eigenvalue of E[hess V], or of one.
  State step(const State& from, const Moments& m, double share) const {
    Eigen::MatrixXd hessian = m.hessian, vectors(d_, d_);
    symmetric_eigen(hessian, vectors);
    double largest = 1;
    for (Index j = 0; j < d_; ++j) largest = std::max(largest, -hessian(j, j));
    const double eta = share / largest;
    Eigen::MatrixXd scaled(d_, d_), triangle(d_, d_);
    for (Index j = 0; j < d_; ++j) {
      const double forward = 1 + eta * hessian(j, j), square = forward * forward;
      scaled.col(j) = vectors.col(j) * std::sqrt(0.5 * (square + 2 * eta + std::sqrt(square * (square + 4 * eta))));
    }
    factor_of_square(scaled, triangle);
    return {from.mean + from.root * (eta * m.gradient), from.root * triangle};
  }

  /// How far the conditions of the optimum are from being met: E[grad log p] = 0 and E[hess log p] = -S^-1.
  double residual(const Moments& m) const {
    Eigen::MatrixXd bend = m.hessian;
    for (Index j = 0; j < d_; ++j) bend(j, j) += 1;
    return std::max(largest_magnitude(m.gradient), largest_magnitude(bend));
  }
  /// About how far the bound lies below its maximum, to second order.
  double promise(const Moments& m) const {
    Eigen::MatrixXd bend = m.hessian;
    for (Index j = 0; j < d_; ++j) bend(j, j) += 1;
    return 0.5 * sum_of_squares(m.gradient) + 0.25 * sum_of_squares(bend);
  }
  bool finite(const Moments& m) const {
    return std::isfinite(m.value) && all_finite(m.gradient) && all_finite(m.hessian);
  }
  Fit<Gaussian> failed(Report report, double value) const {
    report.status = Status::failed;
    report.events.push_back({EventKind::not_finite, report.iterations, -1, -1, value,
                             sentence({"the expectation of the target, or of a derivative, is ", value})});
    return result(std::move(report));
  }

  Fit<Gaussian> by_quadrature() {
    Report report;
    Moments m = by_rule(now_);
    report.objective = -std::numeric_limits<double>::infinity();
    if (!finite(m)) return failed(std::move(report), m.value);
    report.objective = elbo(now_, m);
    report.trace.push_back(report.objective);
    double largest = options_.step;
    for (;;) {
      report.distance = residual(m);
      if (report.distance <= options_.tolerance) {
        report.status = Status::converged;
        break;
      }
      if (report.iterations >= options_.max_iterations) break;
      const double slack = 1e-14 * (std::abs(report.objective) + 1);
      // A step must raise the bound, near the optimum by a share of what it promises; or, where the bound is level to
      // rounding, lead nearer to the conditions.
      bool risen = false, nearer = false;
      State there;
      Moments next;
      double share = largest, objective = 0;
      for (int halvings = 0; halvings < 40 && !risen && !nearer; ++halvings, share *= risen || nearer ? 1 : 0.5) {
        there = step(now_, m, share);
        next = by_rule(there);
        objective = elbo(there, next);
        if (!finite(next)) continue;
        const double enough = report.distance < 0.3 ? 0.2 * share * promise(m) : 0;
        risen = objective > report.objective + std::max(slack, enough);
        nearer = !risen && promise(m) < 1e3 * slack && objective >= report.objective - slack &&
                 residual(next) < 0.9 * report.distance;
      }
      if (!risen && !nearer) {
        report.status = Status::sublinear;
        break;
      }
      largest = risen ? std::min(options_.step, 1.5 * share) : share;
      now_ = std::move(there);
      m = std::move(next);
      report.objective = objective;
      ++report.iterations;
      report.trace.push_back(report.objective);
    }
    return result(std::move(report));
  }

  Fit<Gaussian> by_draws() {
    Report report;
    Eigen::VectorXd mean = Eigen::VectorXd::Zero(d_);
    Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(d_, d_);
    double averaged = 0;
    for (; report.iterations < options_.max_iterations; ++report.iterations) {
      const Moments m = by_drawing(now_, (options_.draws + 1) / 2);
      if (!finite(m)) return failed(std::move(report), m.value);
      State there = step(now_, m, options_.step / std::sqrt(1 + static_cast<double>(report.iterations)));
      if (!all_finite(there.mean) || !all_finite(there.root)) return failed(std::move(report), m.value);
      now_ = std::move(there);
      if (2 * report.iterations < options_.max_iterations) continue;
      mean += now_.mean, covariance += now_.root * now_.root.transpose();
      ++averaged;
    }
    if (averaged > 0) {
      now_ = {mean / averaged, covariance / averaged};
      cholesky(now_.root);
      now_.root.template triangularView<Eigen::StrictlyUpper>().setZero();
    }
    const Moments m = by_drawing(now_, std::max<Index>(500, 5 * options_.draws));
    report.objective = elbo(now_, m);
    report.distance = residual(m);
    report.trace.push_back(report.objective);
    return result(std::move(report));
  }

  Fit<Gaussian> result(Report report) const { return {Gaussian::from_factor(now_.mean, now_.root), std::move(report)}; }

  const Target& target_;
  GaussianViOptions options_;
  Index d_;
  GaussRule rule_;
  Rng rng_;
  State now_;
};

/// The Gaussian nearest to a density p on R^d, in KL(q || p): it maximizes the evidence lower bound
///
///   E_q[log p(x)] + entropy of q
///
/// over means and full covariances, from `start`. At the optimum E[grad log p] = 0 and E[hess log p] = -S^-1;
/// report.distance is by how much an element of these differs, in coordinates in which S is the identity. A target
/// without a Hessian has it from E[grad (x - m)'] S^-1 (Stein, 1981). report.objective is the bound, in nats.
///
/// @throws InvalidArgument  for options out of range, and a quadrature of more than 10^7 points
///
/// Cost per iteration: the target and its derivatives at nodes^d points, or at `draws`.
template <DifferentiableDensity Target>
Fit<Gaussian> fit_gaussian_vi(const Target& target, const Gaussian& start, const GaussianViOptions& options = {}) {
  require(options.nodes >= 2 && options.nodes <= 200, "a quadrature needs 2 to 200 nodes per dimension, got ",
          options.nodes);
  require(options.draws >= 2, "Monte Carlo needs at least two draws per iteration, got ", options.draws);
  require(options.step > 0 && options.step <= 1, "the step must lie in (0, 1], got ", options.step);
  require(options.tolerance > 0 && std::isfinite(options.tolerance), "the tolerance must be positive and finite, got ",
          options.tolerance);
  require(options.max_iterations >= 0, "max_iterations must not be negative, got ", options.max_iterations);
  require(options.expectation == Expectation::monte_carlo ||
              std::pow(options.nodes, static_cast<double>(start.dimension())) <= 1e7,
          "a quadrature of ", options.nodes, " nodes in ", start.dimension(),
          " dimensions has more than 10^7 points: take fewer nodes, or Expectation::monte_carlo");
  return GaussianVi<Target>(target, start, options)();
}

}  // namespace emulsion
