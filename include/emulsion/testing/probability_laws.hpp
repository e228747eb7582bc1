#pragma once
#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/testing/laws.hpp"

namespace emulsion::testing {

/// Where a density is positive, for the laws about its total.
enum class Support {
  real,    ///< R^d, smooth
  counts,  ///< vectors of integers >= 0; those that check() refuses are left out
  other    ///< no law about the total
};

/// Calls use(block) with the data as the family reads them.
template <Component C, class Use>
void read(const C& c, const typename C::Data& x, const Use& use) {
  if constexpr (PackedComponent<C>) {
    auto packed = c.packed(x.size());
    c.read(x, packed);
    use(packed);
  } else {
    use(x);
  }
}

/// log p(x_i) of every observation (n).
template <Component C>
Eigen::VectorXd log_density(const C& c, const typename C::Data& x) {
  Eigen::VectorXd out = Eigen::VectorXd::Zero(x.size());
  read(c, x, [&](auto& block) { c.log_density(block, out); });
  return out;
}

/// Places and weights with E f(x) = sum_i weight_i p(x_i) f(x_i): all vectors of counts that matter; in one and two
/// real dimensions a double-exponential grid (Takahasi and Mori, 1974), in more random draws, whose error is estimated.
template <Component C>
struct Nodes {
  using Data = typename C::Data;
  typename Data::Matrix x;
  Eigen::VectorXd mean, deviation;  // d, of a sample of the component
  Eigen::MatrixXd whole;            // d x d, the Cholesky factor of its covariance
  std::vector<double> weight;
  bool random = false, usable = true;

  Nodes(const C& c, Support support, Rng& rng) {
    const Index d = c.dimension(), draws = 400;
    Eigen::MatrixXd sample(d, draws);
    mean = Eigen::VectorXd::Zero(d);
    whole = Eigen::MatrixXd::Zero(d, d);
    deviation.resize(d);
    for (Index i = 0; i < draws; ++i) {
      const Eigen::VectorXd draw = c.sample(rng);
      for (Index j = 0; j < d; ++j) {
        sample(j, i) = draw(j);
        mean(j) += draw(j) / static_cast<double>(draws);
      }
    }
    for (Index i = 0; i < draws; ++i) {
      for (Index j = 0; j < d; ++j) {
        for (Index m = j; m < d; ++m) {
          whole(m, j) += (sample(m, i) - mean(m)) * (sample(j, i) - mean(j)) / static_cast<double>(draws);
        }
      }
    }
    for (Index j = 0; j < d; ++j) deviation(j) = whole(j, j) > 0 ? std::sqrt(whole(j, j)) : 1.0;
    if (support == Support::counts) {
      lattice(c);
    } else if (support == Support::other || !cholesky(whole)) {
      usable = false;
    } else if (d <= 2) {
      grid();
    } else {
      draw(rng);
    }
  }

 private:
  void lattice(const C& c) {
    const Index d = mean.size();
    std::vector<Index> size;
    double count = 1;
    for (Index j = 0; j < d; ++j) {
      typename Data::Matrix point = Data::Matrix::Zero(d, 1);
      const auto most = static_cast<Index>(mean(j) + 30 * deviation(j) + 30);
      Index values = 1;
      for (; values < most && admitted(c, point); ++values) point(j, 0) = static_cast<typename Data::Scalar>(values);
      size.push_back(admitted(c, point) ? values : values - 1);
      count *= static_cast<double>(size.back());
    }
    usable = count <= 100'000;
    if (!usable) return;
    x.resize(d, static_cast<Index>(count));
    for (Index i = 0; i < x.cols(); ++i) {
      Index left = i;
      for (Index j = 0; j < d; ++j) {
        x(j, i) = static_cast<typename Data::Scalar>(left % size[static_cast<std::size_t>(j)]);
        left /= size[static_cast<std::size_t>(j)];
      }
      weight.push_back(1);
    }
  }
  static bool admitted(const C& c, const typename Data::Matrix& point) {
    if constexpr (requires(const Data& data) { c.check(data); }) {
      try {
        c.check(Data(point));
      } catch (const InvalidArgument&) { return false; }
    }
    return true;
  }

  void place(Index i, const Eigen::VectorXd& t, double v) {
    for (Index r = 0; r < t.size(); ++r) {
      double value = mean(r);
      for (Index k = 0; k <= r; ++k) value += whole(r, k) * t(k);
      x(r, i) = static_cast<typename Data::Scalar>(value);
      v *= whole(r, r);
    }
    weight.push_back(v);
  }
  void grid() {
    const Index d = mean.size(), side = d == 1 ? 161 : 81;
    const double step = 16.0 / static_cast<double>(side - 1);  // t = sinh(u), u from -8 to 8
    x.resize(d, d == 1 ? side : side * side);
    Eigen::VectorXd t(d);
    for (Index i = 0; i < x.cols(); ++i) {
      Index left = i;
      double v = 1;
      for (Index j = 0; j < d; ++j, left /= side) {
        const double u = step * static_cast<double>(left % side) - 8;
        t(j) = std::sinh(u);
        v *= step * std::cosh(u);
      }
      place(i, t, v);
    }
  }
  void draw(Rng& rng) {  // from a mixture of two normal distributions, wider than the component
    random = true;
    const Index d = mean.size(), count = 8000;
    x.resize(d, count);
    Eigen::VectorXd t(d);
    for (Index i = 0; i < count; ++i) {
      const double width = rng.uniform() < 0.7 ? 1.3 : 3.0;
      double square = 0, density = 0;
      for (Index j = 0; j < d; ++j) {
        t(j) = width * rng.normal();
        square += t(j) * t(j);
      }
      for (const double s : {1.3, 3.0}) {
        density += (s < 2 ? 0.7 : 0.3) * std::exp(-0.5 * square / (s * s)) *
                   std::pow(2.5066282746310002 * s, -static_cast<double>(d));
      }
      place(i, t, 1 / (density * static_cast<double>(count)));
    }
  }
};

/// sum_x p(x) = 1, the integral over R^d.
template <Component C>
void total_probability(const C& c, Support support, double tolerance, Rng& rng, Findings& findings) {
  const Nodes<C> nodes(c, support, rng);
  if (!nodes.usable) return;
  const Eigen::VectorXd p = log_density(c, typename C::Data(nodes.x));
  const auto n = static_cast<double>(p.size());
  double total = 0, square = 0;
  for (Index i = 0; i < p.size(); ++i) {
    const double term = nodes.weight[static_cast<std::size_t>(i)] * std::exp(p(i));
    total += term;
    square += n * term * term;
  }
  const double error = nodes.random ? 5.5 * std::sqrt(std::max(0.0, square - total * total) / n) : 0;
  findings.expect_near(total, 1, tolerance + error, "the density sums to one over its support");
}

/// E f(x) of a sample and of the density agree for bounded f: tanh of every standardised coordinate, of its square, and
/// of every product of two. To 5.5 standard errors and the tolerance.
template <Component C>
void sampling(const C& c, Support support, double tolerance, Rng& rng, Findings& findings) {
  const Nodes<C> nodes(c, support, rng);
  if (!nodes.usable) return;
  const Index d = c.dimension(), draws = 3000;
  const auto functions = [&](const auto& point, std::vector<double>& f) {
    f.clear();
    for (Index j = 0; j < d; ++j) {
      const double z = (static_cast<double>(point(j)) - nodes.mean(j)) / nodes.deviation(j);
      f.push_back(std::tanh(z));
      for (Index m = 0; m <= j; ++m) {
        f.push_back(std::tanh(z * (static_cast<double>(point(m)) - nodes.mean(m)) / nodes.deviation(m)));
      }
    }
  };
  std::vector<double> f;
  const auto count = static_cast<std::size_t>(d + d * (d + 1) / 2);
  std::vector<double> drawn(count), drawn_square(count), expected(count), expected_square(count);
  for (Index i = 0; i < draws; ++i) {
    functions(c.sample(rng), f);
    for (std::size_t k = 0; k < count; ++k) {
      drawn[k] += f[k] / static_cast<double>(draws);
      drawn_square[k] += f[k] * f[k] / static_cast<double>(draws);
    }
  }
  const Eigen::VectorXd p = log_density(c, typename C::Data(nodes.x));
  const auto n = static_cast<double>(p.size());
  for (Index i = 0; i < p.size(); ++i) {
    functions(nodes.x.col(i), f);
    const double share = nodes.weight[static_cast<std::size_t>(i)] * std::exp(p(i));
    for (std::size_t k = 0; k < count; ++k) {
      const double term = share != 0 ? share * f[k] : 0;
      expected[k] += term;
      expected_square[k] += n * term * term;
    }
  }
  for (std::size_t k = 0; k < count; ++k) {
    double variance = std::max(0.0, drawn_square[k] - drawn[k] * drawn[k]) / static_cast<double>(draws);
    if (nodes.random) variance += std::max(0.0, expected_square[k] - expected[k] * expected[k]) / n;
    findings.expect_near(drawn[k], expected[k], 5.5 * std::sqrt(variance) + tolerance,
                         "sample() draws from the density");
  }
}

}  // namespace emulsion::testing
