#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <concepts>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/constants.hpp"
#include "emulsion/core/error.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/core/slope_by_root.hpp"
#include "emulsion/data/points.hpp"

namespace emulsion {

/// log x! - (x log x - x) for an integer x >= 0, to full precision: by the exact factorial or Stirling's series.
/// (std::lgamma writes a global in glibc: two threads may not call it.)
inline double stirling_excess(double x) {
  if (x == 0) return 0;
  if (x < 19) {  // 18! is the last one below 2^53
    double factorial = 1;
    for (int k = 2; k <= static_cast<int>(x); ++k) factorial *= k;
    return std::log(factorial) - x * std::log(x) + x;
  }
  const double y = 1 / (x * x);
  return 0.5 * std::log(two_pi * x) +
         (1 / 12.0 - y * (1 / 360.0 - y * (1 / 1260.0 - y * (1 / 1680.0 - y / 1188.0)))) / x;
}
inline double log_factorial(double x) { return x > 0 ? x * std::log(x) - x + stirling_excess(x) : 0; }

/// x log(x / rate) - x + rate >= 0, to full precision where the two are large and near each other (Loader, 2000);
/// infinite for a positive count at rate zero.
inline double poisson_deviance(double x, double rate) {
  if (x == 0) return rate;
  const double excess = (rate - x) / x;
  if (std::abs(excess) > 0.1) return x * std::log(x / rate) + (rate - x);
  const double s = excess / (2 + excess), y = s * s;  // log(1 + excess) = 2 artanh s
  return x * s * (excess - 2 * y * (1 / 3.0 + y * (1 / 5.0 + y * (1 / 7.0 + y * (1 / 9.0 + y / 11.0)))));
}

/// P(X <= count) of a Poisson count with a large rate: the incomplete gamma function Q(a, rate), a = count + 1, by its
/// uniform expansion (Temme, 1979; DLMF 8.12.4), to about 1e-13 for a above 1e4.
[[gnu::cold]] inline double large_poisson_cumulative(double count, double rate) {
  const double a = count + 1, half = poisson_deviance(a, rate);  // a eta^2 / 2
  const double eta = std::copysign(std::sqrt(2 * half / a), rate - a);
  const double lower = 0.5 * std::erfc(std::copysign(std::sqrt(half), eta));
  if (std::abs(eta) > 0.5) return lower;  // so far out that it is 0 or 1 to rounding
  const auto series = [&](std::initializer_list<double> c) {
    double sum = 0;
    for (auto i = c.end(); i != c.begin();) sum = sum * eta + *--i;
    return sum;
  };
  const double c0 = series({-1 / 3.0, 1 / 12.0, -2 / 135.0, 1 / 864.0, 1 / 2835.0, -139 / 777600.0, 1 / 25515.0});
  const double c1 = series({-1 / 540.0, -1 / 288.0, 1 / 378.0, -77 / 77760.0});
  const double c2 = 25 / 6048.0;
  return lower + std::exp(-half) / std::sqrt(two_pi * a) * (c0 + (c1 + c2 / a) / a);
}

/// P(X <= x) of a Poisson count with that rate. Cost at most O(100).
[[gnu::cold]] inline double poisson_cumulative(double x, double rate) {
  if (!(x >= 0)) return 0;
  const double count = std::floor(x);
  if (!(rate > 0) || std::isinf(count)) return 1;
  if (count > 1e4 && rate > 1e4) return large_poisson_cumulative(count, rate);
  const auto probability = [&](double k) { return std::exp(-poisson_deviance(k, rate) - stirling_excess(k)); };
  double sum = 0;
  if (count < rate) {  // the lower tail, downwards
    double k = count, p = probability(k);
    while (p > 1e-18 * sum && k >= 0) sum += p, p *= k / rate, k -= 1;
    return sum;
  }
  double k = count + 1, p = probability(k);
  while (p > 1e-18 * sum) sum += p, p *= rate / (k += 1);
  return 1 - sum;
}

/// A Poisson count: sequential search for small rates; above 10 the transformed rejection PTRS (Hoermann, 1993).
inline double draw_poisson(double rate, Rng& rng) {
  if (rate < 10) {
    double p = std::exp(-rate), left = rng.uniform() - p, x = 0;
    while (left > 0 && p > 0) left -= p *= rate / ++x;
    return x;
  }
  const double b = 0.931 + 2.53 * std::sqrt(rate), a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), inner = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = rng.uniform() - 0.5, v = rng.uniform(), s = 0.5 - std::abs(u);
    const double x = std::floor((2 * a / s + b) * u + rate + 0.43);
    if (s >= 0.07 && v <= inner) return x;
    if (x < 0 || (s < 0.013 && v > s)) continue;
    if (std::log(v * inverse_alpha / (a / (s * s) + b)) <= -poisson_deviance(x, rate) - stirling_excess(x)) return x;
  }
}

/// What counts teach: their weight and weighted sums (d). No term is negative, so that plain sums lose no digits.
struct PoissonStatistics {
  double weight = 0;
  Eigen::VectorXd sums;

  PoissonStatistics& operator+=(const PoissonStatistics& other) {
    weight += other.weight, sums += other.sums;
    return *this;
  }
  void remove(const PoissonStatistics& other) { weight -= other.weight, sums -= other.sums; }
  PoissonStatistics& operator*=(double c) {
    weight *= c, sums *= c;
    return *this;
  }
  template <class Visitor>
  void visit(Visitor&& visitor) {
    visitor(weight), visitor(sums);
  }
};

template <class Scalar, int Dim>
class BasicPoissonGamma;

/// d independent Poisson counts,
///
///   log p(x) = sum_j x_j log l_j - l_j - log x_j!,
///
/// with rates l (d), each finite and not negative. At rate zero, the border that a fit to zeros reaches, only the count
/// zero is possible. Statistics: closed form.
template <class Scalar_ = double, int Dim = Eigen::Dynamic>
class BasicPoisson {
 public:
  using Scalar = Scalar_;
  using Data = Points<Scalar, Dim>;
  using Statistics = PoissonStatistics;
  using Conjugate = BasicPoissonGamma<Scalar_, Dim>;  ///< distributions/poisson_gamma.hpp

  /// Rates of one in `dimension` dimensions: the prototype of a fit.
  explicit BasicPoisson(Index dimension)
      : BasicPoisson(Eigen::VectorXd(Eigen::VectorXd::Ones(std::max<Index>(0, dimension)))) {}
  /// Rates (d).
  explicit BasicPoisson(const Eigen::Ref<const Eigen::VectorXd>& rates) : rates_(rates), log_rates_(rates.size()) {
    require(dimension() >= 1, "a Poisson distribution needs at least one dimension, got none");
    require(Dim == Eigen::Dynamic || dimension() == Dim, "expected dimension ", Dim, ", got ", dimension());
    for (Index j = 0; j < dimension(); ++j) {
      require(std::isfinite(rates_(j)) && rates_(j) >= 0, "Poisson rates must be finite and not negative; rate ", j,
              " is ", rates_(j));
    }
    refresh();
  }
  template <std::floating_point Rate>
  explicit BasicPoisson(Rate) = delete;  // it would pass for a dimension: give a vector of one rate

  // --- parameters -----------------------------------------------------------------------------------------------------

  Index dimension() const { return rates_.size(); }
  /// d
  const Eigen::VectorXd& rates() const { return rates_; }
  Index free_parameters() const { return dimension(); }
  /// How many rates lie at zero, the border of their range (below 1e-10).
  Index at_bound() const {
    return std::count_if(rates_.begin(), rates_.end(), [](double rate) { return rate < 1e-10; });
  }

  // Unconstrained: square roots, finite at the border, with every vector admissible.
  Index parameters() const { return dimension(); }
  void pack(Eigen::VectorXd& v, Index& at) const {
    for (Index j = 0; j < dimension(); ++j) v(at++) = std::sqrt(rates_(j));
  }
  bool unpack(const Eigen::VectorXd& v, Index& at) {
    for (Index j = 0; j < dimension(); ++j, ++at) rates_(j) = v(at) * v(at);
    refresh();
    return rates_.allFinite();
  }
  void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    for (Index j = 0; j < dimension(); ++j) { v(at++) = slope_by_root(s.sums(j), s.weight, rates_(j)); }
  }

  // --- density --------------------------------------------------------------------------------------------------------

  /// A block as all components read it: counts (b x d), and what log p has in common for all of them (b).
  struct Packed {
    Index size = 0;
    Eigen::MatrixXd counts;
    Eigen::VectorXd common;
    Eigen::VectorXi large;  // d: whether x log l - l - log x! would lose digits
  };
  Packed packed(Index most) const {
    return {0, Eigen::MatrixXd(most, dimension()), Eigen::VectorXd(most), Eigen::VectorXi(dimension())};
  }
  void read(const Data& block, Packed& packed) const {
    packed.size = block.size();
    packed.common.setZero();
    for (Index j = 0; j < dimension(); ++j) {
      for (Index i = 0; i < block.size(); ++i) packed.counts(i, j) = static_cast<double>(block(j, i));
      const auto counts = packed.counts.col(j).head(block.size());
      packed.large(j) = counts.maxCoeff() > 127 ? 1 : 0;
      for (Index i = 0; i < block.size(); ++i) {
        packed.common(i) -= packed.large(j) != 0 ? stirling_excess(counts(i)) : log_factorial(counts(i));
      }
    }
  }

  /// out(i) += log p(x_i)
  void log_density(const Packed& block, Eigen::Ref<Eigen::VectorXd> out) const {
    for (Index j = 0; j < dimension(); ++j) {
      const auto counts = block.counts.col(j).head(block.size);
      const double rate = rates_(j);
      if (block.large(j) != 0 || rate == 0) {
        for (Index i = 0; i < block.size; ++i) out(i) -= poisson_deviance(counts(i), rate);
      } else {
        out.array() += log_rates_(j) * counts.array() - rate;
      }
    }
    out += block.common.head(block.size);
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const { return {0, Eigen::VectorXd::Zero(dimension())}; }

  /// Adds the block with weights w (b).
  void accumulate(const Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    s.weight += w.sum();
    for (Index j = 0; j < dimension(); ++j) s.sums(j) += block.counts.col(j).head(block.size).dot(w);
  }

  /// The weighted means; the old rates where there are no observations.
  void maximize(const Statistics& s, BasicPoisson& next) const {
    if (s.weight > 0) next.rates_ = s.sums / s.weight;
    else next.rates_ = rates_;
    next.refresh();
  }

  // --- sampling -------------------------------------------------------------------------------------------------------

  /// d
  Eigen::VectorXd sample(Rng& rng) const {
    Eigen::VectorXd x(dimension());
    for (Index j = 0; j < dimension(); ++j) x(j) = draw_poisson(rates_(j), rng);
    return x;
  }

  // --- model files: see data/model_file.hpp ---------------------------------------------------------------------------

  static constexpr const char* stored_as = "Poisson";
  template <class Fields>
  void save(Fields& out) const {
    out.vector("rates", rates_);
  }
  template <class Fields>
  static BasicPoisson load(const Fields& in) {
    return BasicPoisson(in.vector("rates"));
  }

  // --- data -----------------------------------------------------------------------------------------------------------

  /// Every value must be a count.
  void check(const Data& x) const {
    for (Index i = 0; i < x.size(); ++i) {
      for (Index j = 0; j < x.dimension(); ++j) {
        const auto value = static_cast<double>(x(j, i));
        if (std::isfinite(value) && value >= 0 && value == std::floor(value)) continue;
        require(false, "dimension ", j, " of observation ", i, " is ", value, "; counts must be non-negative integers");
      }
    }
  }

 private:
  friend BasicPoissonGamma<Scalar, Dim>;

  void refresh() {
    for (Index j = 0; j < dimension(); ++j) log_rates_(j) = std::log(rates_(j));
  }

  Eigen::VectorXd rates_, log_rates_;
};

using Poisson = BasicPoisson<double, Eigen::Dynamic>;

static_assert(Component<Poisson>);

}  // namespace emulsion
