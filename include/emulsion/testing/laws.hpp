#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/data/points.hpp"

/// Laws that every family, term, model and driver must pass, a user's too. Each suite is one function, which returns
/// one sentence for every law that does not hold; it needs no test framework:
///
///   const auto broken = emulsion::testing::component_laws(Poisson(2), counts, seed);   // component_laws.hpp
///   for (const std::string& sentence : broken) std::cerr << sentence << '\n';
///
/// A tolerance in a suite is a multiple of rounding, unless its comment says more.
namespace emulsion::testing {

/// Collects the sentences. A law is named once, however many cases break it; the first case is told.
class Findings {
 public:
  explicit Findings(std::uint64_t seed) : seed_(seed) {}

  /// `law`: what should hold; `parts`: what was found instead.
  template <class... Parts>
  void expect(bool holds, const char* law, const Parts&... parts) {
    if (!holds) record(law, {Part(parts)...});
  }
  /// a <= b up to `slack`; NaN breaks it.
  void expect_at_most(double a, double b, double slack, const char* law) {
    if (!(a <= b + slack)) record(law, {a, " is above ", b, " by ", a - b});
  }
  /// |a - b| <= slack; equal infinities are equal, NaN breaks it.
  void expect_near(double a, double b, double slack, const char* law) {
    if (!(a == b) && !(std::abs(a - b) <= slack)) record(law, {a, " and ", b, " differ by ", a - b});
  }
  std::vector<std::string> broken() && { return std::move(broken_); }

 private:
  [[gnu::cold]] void record(const char* law, std::initializer_list<Part> parts) {
    if (std::find(known_.begin(), known_.end(), law) != known_.end()) return;
    known_.emplace_back(law);
    broken_.push_back(sentence({"broken: ", law, " (", sentence(parts), "; seed ", seed_, ")"}));
  }

  std::uint64_t seed_;
  std::vector<std::string> known_, broken_;
};

/// Every number in statistics, group by group as visit() shows them.
class Numbers {
 public:
  template <class S>
  static Numbers of(S statistics) {  // a copy: visit() may write
    Numbers result;
    statistics.visit([&](auto& part) { result.add(part); });
    return result;
  }

  bool same_bits(const Numbers& other) const { return values_ == other.values_; }
  /// The largest difference, relative to the largest number of its group or of all; infinite for NaN.
  double distance(const Numbers& other) const {
    if (values_.size() != other.values_.size()) return std::numeric_limits<double>::infinity();
    double worst = 0, all = 0;
    for (const double value : values_) all = std::max(all, std::abs(value));
    std::size_t i = 0;
    for (const std::size_t end : ends_) {
      double largest = 1e-2 * all, difference = 0;
      for (; i < end; ++i) {
        largest = std::max({largest, std::abs(values_[i]), std::abs(other.values_[i])});
        const double d = std::abs(values_[i] - other.values_[i]);
        difference = d <= difference ? difference : d;
      }
      if (difference == 0) continue;
      const double relative = difference / largest;
      worst = relative <= worst ? worst : relative;
    }
    return std::isnan(worst) ? std::numeric_limits<double>::infinity() : worst;
  }
  bool finite() const {
    return std::all_of(values_.begin(), values_.end(), [](double value) { return std::isfinite(value); });
  }

 private:
  template <class T>
  void add(const T& part) {
    if constexpr (std::is_arithmetic_v<T>) {
      values_.push_back(static_cast<double>(part));
    } else {
      for (Index i = 0; i < static_cast<Index>(part.size()); ++i)
        values_.push_back(static_cast<double>(part.data()[i]));
    }
    ends_.push_back(values_.size());
  }

  std::vector<double> values_;
  std::vector<std::size_t> ends_;
};

/// Statistics that show their numbers.
template <class S>
concept Visitable = requires(S s) {
  s.visit([](const auto&) {});
};

/// Data in the form of a matrix, of which this library can make variations.
template <class D>
concept PointData = std::same_as<D, Points<typename D::Scalar, D::Dim>>;

/// max |a_i - b_i| / (1 + |a_i|); equal infinities do not differ, NaN is infinite.
template <class A, class B>
double largest_difference(const A& a, const B& b) {
  if (a.rows() != b.rows() || a.cols() != b.cols()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (Index j = 0; j < a.cols(); ++j) {
    for (Index i = 0; i < a.rows(); ++i) {
      if (a(i, j) == b(i, j)) continue;
      const double difference = std::abs(a(i, j) - b(i, j)) / (1 + std::abs(a(i, j)));
      worst = difference <= worst ? worst : difference;
    }
  }
  return std::isfinite(worst) ? worst : std::numeric_limits<double>::infinity();
}
/// Bit for bit (zeros of either sign are one value, NaN equals nothing).
template <class A, class B>
bool identical(const A& a, const B& b) {
  for (Index j = 0; j < a.cols(); ++j) {
    for (Index i = 0; i < a.rows(); ++i) {
      if (!(a(i, j) == b(i, j))) return false;
    }
  }
  return a.rows() == b.rows() && a.cols() == b.cols();
}
template <class A>
bool has_nan(const A& a) {
  for (Index j = 0; j < a.cols(); ++j) {
    for (Index i = 0; i < a.rows(); ++i) {
      if (std::isnan(a(i, j))) return true;
    }
  }
  return false;
}

/// 0, ..., n - 1 in random order.
inline std::vector<Index> shuffled(Index n, Rng& rng) {
  std::vector<Index> order;
  for (Index i = 0; i < n; ++i) order.push_back(i);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[static_cast<std::size_t>(rng.below(i))]);
  }
  return order;
}
/// Weights (n), a fifth of them zero, the first never.
inline Eigen::VectorXd random_weights(Index n, Rng& rng) {
  Eigen::VectorXd w(n);
  for (Index i = 0; i < n; ++i) w(i) = i > 0 && rng.uniform() < 0.2 ? 0.0 : 3 * rng.uniform();
  return w;
}
/// Weights (n) from 0 to 3.
inline Eigen::VectorXd random_counts(Index n, Rng& rng) {
  Eigen::VectorXd w(n);
  for (Index i = 0; i < n; ++i) w(i) = i == 0 ? 2.0 : static_cast<double>(rng.below(4));
  return w;
}
/// Observation i as often as w(i) says.
inline std::vector<Index> repeated(const Eigen::VectorXd& w) {
  std::vector<Index> chosen;
  for (Index i = 0; i < w.size(); ++i) {
    for (double left = w(i); left > 0; left -= 1) chosen.push_back(i);
  }
  return chosen;
}
/// Ends of random pieces of n observations; the first piece is one observation.
inline std::vector<Index> random_cuts(Index n, Rng& rng) {
  std::vector<Index> ends;
  for (Index end = 1; end < n; end += 1 + static_cast<Index>(rng.below(7))) ends.push_back(end);
  ends.push_back(n);
  return ends;
}

}  // namespace emulsion::testing
