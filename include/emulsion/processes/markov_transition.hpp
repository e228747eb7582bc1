#pragma once
#include <Eigen/Core>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "emulsion/processes/state_space.hpp"

namespace emulsion {

/// The process of one Matern term over a step of u = rate dt, variance one, in closed form. The state is the value and
/// its derivatives in units of the rate, so that nothing but u matters:
///
///   F = -1, [0 1; -1 -2], [0 1 0; 0 0 1; -1 -3 -3],  A(u) = exp(F u)
///   Q(u) = q integral_0^u g g' e^-2s ds,  q = 2, 4, 16/3,  g e^-s the last column of A(s)
///
/// Q is P - A P A' without its cancellation: it keeps its digits however small u is. Sarkka and Solin (2019), ch. 12.
struct MaternStep {
  Eigen::Matrix3d drift = Eigen::Matrix3d::Zero();       ///< F
  Eigen::Matrix3d stationary = Eigen::Matrix3d::Zero();  ///< P
  Eigen::Matrix3d transition = Eigen::Matrix3d::Zero();  ///< A(u)
  Eigen::Matrix3d noise = Eigen::Matrix3d::Zero();       ///< Q(u)
  Eigen::Vector3d impulse = Eigen::Vector3d::Zero();     ///< dQ / du = impulse impulse'

  MaternStep(Index order, double u) {
    const double decay = std::exp(-u);
    if (order == 1) {
      drift(0, 0) = -1;
      stationary(0, 0) = 1;
      transition(0, 0) = decay;
      noise(0, 0) = -std::expm1(-2 * u);
      impulse(0) = std::sqrt(2.0) * decay;
    } else if (order == 2) {
      drift.topLeftCorner<2, 2>() << 0, 1, -1, -2;
      stationary.topLeftCorner<2, 2>().setIdentity();
      transition.topLeftCorner<2, 2>() << 1 + u, u, -u, 1 - u;
      impulse.head<2>() << u, 1 - u;
      impulse *= 2 * decay;
    } else {
      drift << 0, 1, 0, 0, 0, 1, -1, -3, -3;
      stationary << 1, 0, -1.0 / 3, 0, 1.0 / 3, 0, -1.0 / 3, 0, 1;
      const double h = u * u / 2;
      transition << 1 + u + h, u + 2 * h, h, -h, 1 + u - 2 * h, u - h, h - u, 2 * h - 3 * u, 1 - 2 * u + h;
      impulse << h, u - h, 1 - 2 * u + h;
      impulse *= 4 / std::sqrt(3.0) * decay;
    }
    if (order == 1) return;
    if (decay == 0) transition.setZero(), impulse.setZero();  // powers of u may be infinite
    else transition *= decay;
    if (u > 1) {
      noise = stationary - transition * stationary * transition.transpose();
    } else {
      integrate_noise(order, u);
    }
  }

 private:
  void integrate_noise(Index order, double u) {
    // m_j = integral_0^u s^j e^-2s ds: the last by a series, the others from it; all summands are positive.
    double m[5];
    const double decay = std::exp(-2 * u);
    double power = decay * u * u * u * u * u, term = power / 5, sum = 0;
    for (int k = 0; k < 60 && term > sum * 1e-18; ++k) sum += term, term *= 2 * u / (6 + k);
    m[4] = sum;
    for (int j = 4; j > 0; --j) {
      power = decay;
      for (int i = 0; i < j; ++i) power *= u;
      m[j - 1] = (power + 2 * m[j]) / j;
    }
    if (order == 2) {
      noise(0, 0) = 4 * m[2];
      noise(0, 1) = noise(1, 0) = 2 * u * u * decay;
      noise(1, 1) = 4 * (m[0] - 2 * m[1] + m[2]);
      return;
    }
    noise(0, 0) = m[4] / 4;
    noise(0, 1) = m[3] / 2 - m[4] / 4;
    noise(0, 2) = m[2] / 2 - m[3] + m[4] / 4;
    noise(1, 1) = m[2] - m[3] + m[4] / 4;
    noise(1, 2) = m[1] - 2.5 * m[2] + 1.5 * m[3] - m[4] / 4;
    noise(2, 2) = m[0] - 4 * m[1] + 5 * m[2] - 2 * m[3] + m[4] / 4;
    noise(1, 0) = noise(0, 1), noise(2, 0) = noise(0, 2), noise(2, 1) = noise(1, 2);
    noise *= 16.0 / 3;
  }
};

/// A state space over one step of time, block by block: T = A(rate dt), turned by frequency dt where there are two
/// copies of it, and the covariance Q of what is new. Works in place, allocates nothing after construction.
class MarkovTransition {
 public:
  struct Block {
    Index first = 0, width = 1, order = 1;
    double variance = 1, rate = 0, frequency = 0;
    double scaled_step = 0, angle = 0;  ///< rate dt, frequency dt
    MaternStep step{1, 0};
    Eigen::Matrix<double, 6, 6> transition = Eigen::Matrix<double, 6, 6>::Zero();  ///< its corner of size width
  };

  explicit MarkovTransition(const StateSpace& space) {
    Index first = 0;
    for (const MarkovTerm& term : space.terms()) {
      Block block;
      block.first = first, block.width = StateSpace::width(term), block.order = term.order;
      block.variance = term.variance, block.rate = term.rate, block.frequency = term.frequency;
      first += block.width;
      blocks_.push_back(block);
    }
    dimension_ = first;
    over(0);
  }
  Index dimension() const { return dimension_; }
  const std::vector<Block>& blocks() const { return blocks_; }

  /// The step is `dt` long from now on, dt >= 0.
  void over(double dt) {
    if (dt == dt_) return;
    dt_ = dt;
    const Block* last = nullptr;
    for (Block& block : blocks_) {
      block.scaled_step = block.rate * dt;
      // Harmonics share what they decay by.
      const bool same = last != nullptr && last->rate == block.rate && last->order == block.order;
      block.step = same ? last->step : MaternStep(block.order, block.scaled_step);
      last = &block;
      const Index m = block.order;
      const bool turns = block.width > m;
      block.angle = block.frequency * dt;
      const double cosine = turns ? std::cos(block.angle) : 1, sine = turns ? std::sin(block.angle) : 0;
      for (Index j = 0; j < m; ++j) {
        for (Index i = 0; i < m; ++i) {
          const double a = block.step.transition(i, j);
          block.transition(i, j) = cosine * a;
          if (!turns) continue;
          block.transition(i, m + j) = -sine * a;
          block.transition(m + i, j) = sine * a;
          block.transition(m + i, m + j) = cosine * a;
        }
      }
    }
  }

  /// x = T x (d).
  void forward(Eigen::VectorXd& x) const {
    each([&](auto width, const Block& block) {
      constexpr int w = decltype(width)::value;
      const Eigen::Matrix<double, w, 1> old = x.segment<w>(block.first);
      x.segment<w>(block.first) = block.transition.topLeftCorner<w, w>().lazyProduct(old);
    });
  }
  /// x = T' x (d).
  void backward(Eigen::VectorXd& x) const {
    each([&](auto width, const Block& block) {
      constexpr int w = decltype(width)::value;
      const Eigen::Matrix<double, w, 1> old = x.segment<w>(block.first);
      x.segment<w>(block.first) = block.transition.topLeftCorner<w, w>().transpose().lazyProduct(old);
    });
  }
  /// p = T p T' + Q (d x d).
  void forward(Eigen::MatrixXd& p) const {
    if (dt_ == 0) return;
    each([&](auto width, const Block& block) {
      constexpr int w = decltype(width)::value;
      both_sides<w>(p, block.first, block.transition.topLeftCorner<w, w>());
    });
    symmetrise(p);
    add_noise(p);
  }
  /// n = T' n T (d x d).
  void backward(Eigen::MatrixXd& n) const {
    if (dt_ == 0) return;
    each([&](auto width, const Block& block) {
      constexpr int w = decltype(width)::value;
      both_sides<w>(n, block.first, block.transition.topLeftCorner<w, w>().transpose());
    });
    symmetrise(n);
  }
  /// p += scale Q.
  void add_noise(Eigen::MatrixXd& p, double scale = 1) const {
    for (const Block& block : blocks_) add_diagonal(p, block, scale * block.variance, block.step.noise);
  }
  /// The covariance of the state before anything is known (d x d).
  Eigen::MatrixXd stationary() const {
    Eigen::MatrixXd p = Eigen::MatrixXd::Zero(dimension_, dimension_);
    for (const Block& block : blocks_) add_diagonal(p, block, block.variance, block.step.stationary);
    return p;
  }

  /// f(std::integral_constant<int, width>, block) for each block.
  template <class F>
  void each(F&& f) const {
    for (const Block& block : blocks_) {
      switch (block.width) {
        case 1: f(std::integral_constant<int, 1>(), block); break;
        case 2: f(std::integral_constant<int, 2>(), block); break;
        case 3: f(std::integral_constant<int, 3>(), block); break;
        case 4: f(std::integral_constant<int, 4>(), block); break;
        default: f(std::integral_constant<int, 6>(), block); break;
      }
    }
  }

 private:
  static void add_diagonal(Eigen::MatrixXd& p, const Block& block, double scale, const Eigen::Matrix3d& matern) {
    const Index m = block.order;
    for (Index first = block.first; first < block.first + block.width; first += m) {
      for (Index j = 0; j < m; ++j) {
        for (Index i = 0; i < m; ++i) p(first + i, first + j) += scale * matern(i, j);
      }
    }
  }
  /// Columns, then rows of m that belong to one block: (t m) t'.
  template <int W, class Small>
  static void both_sides(Eigen::MatrixXd& m, Index first, const Small& small) {
    const Eigen::Matrix<double, W, W> t = small;
    double* columns[W];  // a plain loop: Eigen's product of so few columns is slower
    for (int j = 0; j < W; ++j) columns[j] = &m(0, first + j);
    const Index rows = m.rows();
    for (Index r = 0; r < rows; ++r) {
      double old[W];
      for (int j = 0; j < W; ++j) old[j] = columns[j][r];
      for (int i = 0; i < W; ++i) {
        double sum = t(i, 0) * old[0];
        for (int j = 1; j < W; ++j) sum += t(i, j) * old[j];
        columns[i][r] = sum;
      }
    }
    for (Index j = 0; j < m.cols(); ++j) {
      const Eigen::Matrix<double, W, 1> old = m.col(j).segment<W>(first);
      m.col(j).segment<W>(first) = t.lazyProduct(old);
    }
  }
  static void symmetrise(Eigen::MatrixXd& m) {
    for (Index j = 0; j < m.cols(); ++j) {
      for (Index i = 0; i < j; ++i) m(i, j) = m(j, i) = 0.5 * (m(i, j) + m(j, i));
    }
  }

  std::vector<Block> blocks_;
  Index dimension_ = 0;
  double dt_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace emulsion
