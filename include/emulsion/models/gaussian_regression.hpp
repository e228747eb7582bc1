#pragma once
#include <Eigen/Core>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/models/mixture.hpp"

namespace emulsion {

// What a Gaussian mixture says about some of its dimensions: alone (marginal), given the others (condition, regress).

/// Mean and covariance of some dimensions at one query.
struct Prediction {
  Eigen::VectorXd mean;
  Eigen::MatrixXd covariance;
};

/// Means (one per column) and covariances at several queries.
struct Predictions {
  Eigen::MatrixXd means;
  std::vector<Eigen::MatrixXd> covariances;
};

/// A Gaussian mixture with its dimensions in two parts, `given` and the rest, ready for many queries. In the
/// coordinates of its frame, component k has location (a, b) and factor
///
///   T = ( A 0 )     so that  given ~ N(a, A A')  and  rest | given = y ~ N(b + B A^-1 (y - a), C C').
///       ( B C )
template <class Scalar, int Dim = Eigen::Dynamic>
class GaussianRegression {
 public:
  using Model = MixtureOf<BasicGaussian<Scalar, Dim>>;
  using Part = MixtureOf<BasicGaussian<Scalar>>;
  // Eigen's types by names that depend on Scalar: only a program that asks for a regression compiles the expressions.
  using Vector = std::conditional_t<std::is_void_v<Scalar>, Scalar, Eigen::VectorXd>;
  using Matrix = std::conditional_t<std::is_void_v<Scalar>, Scalar, Eigen::MatrixXd>;

  /// `given`: dimensions of the model, from 0, each once. Cost O(K d^3).
  GaussianRegression(const Model& model, const std::vector<Index>& given) : weights_(model.weights()), given_(given) {
    const Index d = model.dimension();
    std::vector<bool> named(static_cast<std::size_t>(d), false);
    require(!given.empty(), "name at least one of the ", d, " dimensions, got none");
    for (const Index j : given) {
      require(j >= 0 && j < d, "dimension ", j, " does not exist; the model has ", d, ", numbered from 0");
      require(!named[static_cast<std::size_t>(j)], "dimension ", j, " is named twice");
      named[static_cast<std::size_t>(j)] = true;
    }
    for (Index j = 0; j < d; ++j) {
      if (!named[static_cast<std::size_t>(j)]) rest_.push_back(j);
    }
    structure_ = model[0].structure();
    floor_ = model[0].floor();
    frame_ = model[0].frame();  // which all components share
    for (Index k = 0; k < model.size(); ++k) {
      const Matrix factor = model[k].precision_factor().factor();
      Vector location(d);
      Matrix ordered(d, d);
      for (Index i = 0; i < d; ++i) {
        location(i) = model[k].location()(dimension(i));
        ordered.row(i) = factor.row(dimension(i));
      }
      locations_.push_back(std::move(location));
      factors_.emplace_back(d, d);
      factor_of_square(ordered, factors_.back());
    }
  }

  Index size() const { return weights_.size(); }
  const std::vector<Index>& given() const { return given_; }
  const std::vector<Index>& rest() const { return rest_; }

  /// The mixture of the given dimensions alone, in the order in which they were given.
  Part marginal() const {
    std::vector<Vector> locations;
    std::vector<Matrix> factors;
    for (std::size_t k = 0; k < factors_.size(); ++k) {
      locations.push_back(locations_[k].head(p()));
      factors.push_back(factors_[k].topLeftCorner(p(), p()));
    }
    return mixture(weights_, given_, locations, factors);
  }

  /// The mixture of the rest, given the values (p).
  Part condition(const Eigen::Ref<const Vector>& values) const {
    require(values.size() == p(), "expected ", p(), " values, one for each dimension given, got ", values.size());
    check_finite(values);
    Vector weights(size());
    Matrix means(m(), size());
    look_up(values, weights, means);
    std::vector<Vector> locations;
    std::vector<Matrix> factors;
    for (Index k = 0; k < size(); ++k) {
      locations.push_back(means.col(k));
      factors.push_back(factors_[static_cast<std::size_t>(k)].bottomRightCorner(m(), m()));
    }
    return mixture(weights, rest_, locations, factors);
  }

  /// Means and covariances of the rest at every query (p x q, one per column).
  Predictions predict(const Eigen::Ref<const Matrix>& queries) const {
    require(queries.rows() == p(), "expected ", p(), " values per query, one for each dimension given, got ",
            queries.rows(), " (queries of ", queries.rows(), " x ", queries.cols(), "; a query is a column",
            p() == 1 && queries.cols() == 1 ? "; for many queries of one variable pass x.transpose())" : ")");
    check_finite(queries);
    std::vector<Matrix> within;
    for (const Matrix& t : factors_) {
      const Matrix c = t.bottomRightCorner(m(), m());
      within.push_back(c * c.transpose());
    }
    Predictions result{Matrix(m(), queries.cols()), {}};
    Vector weights(size()), mean(m()), off(m());
    Matrix means(m(), size()), covariance(m(), m());
    for (Index i = 0; i < queries.cols(); ++i) {
      look_up(queries.col(i), weights, means);
      mean.setZero();
      covariance.setZero();
      // A component of weight zero is left out: far away, its squares may be infinite.
      for (Index k = 0; k < size(); ++k) {
        if (weights(k) > 0) mean += weights(k) * means.col(k);
      }
      for (Index k = 0; k < size(); ++k) {
        if (!(weights(k) > 0)) continue;
        off = means.col(k) - mean;
        covariance += weights(k) * within[static_cast<std::size_t>(k)];
        covariance.noalias() += weights(k) * off * off.transpose();
      }
      for (Index r = 0; r < m(); ++r) {
        const Index j = dimension(p() + r);
        result.means(r, i) = (mean(r) + frame_.centre(j)) / frame_.scale(j);
        for (Index c = 0; c <= r; ++c) {  // rounded the same way above the diagonal
          covariance(r, c) = covariance(r, c) / frame_.scale(j) / frame_.scale(dimension(p() + c));
          covariance(c, r) = covariance(r, c);
        }
      }
      result.covariances.push_back(covariance);
    }
    return result;
  }

  void require_rest() const {
    require(!rest_.empty(), "all ", p(), " dimensions of the model are given; none is left to predict");
  }

 private:
  Index p() const { return static_cast<Index>(given_.size()); }
  Index m() const { return static_cast<Index>(rest_.size()); }
  /// The place in the model of dimension i in the order (given, rest).
  Index dimension(Index i) const {
    return i < p() ? given_[static_cast<std::size_t>(i)] : rest_[static_cast<std::size_t>(i - p())];
  }

  void check_finite(const Eigen::Ref<const Matrix>& queries) const {
    for (Index i = 0; i < queries.cols(); ++i) {
      for (Index j = 0; j < p(); ++j) {
        require(std::isfinite(queries(j, i)), "the value given for dimension ", dimension(j), " must be finite, got ",
                queries(j, i), queries.cols() > 1 ? " in query " : "",
                queries.cols() > 1 ? std::to_string(i) : std::string());
      }
    }
  }

  /// Posterior weights of the components given the values, and the location of the rest in each (m x K). Where every
  /// density is zero to a double, the nearest component takes all.
  template <class Values>
  void look_up(const Values& values, Vector& weights, Matrix& means) const {
    Vector z(p());
    Index nearest = -1;
    double least = std::numeric_limits<double>::infinity();
    for (Index k = 0; k < size(); ++k) {
      const Vector& location = locations_[static_cast<std::size_t>(k)];
      const Matrix& t = factors_[static_cast<std::size_t>(k)];
      double log_determinant = 0;
      for (Index i = 0; i < p(); ++i) {
        const Index j = dimension(i);
        const double y = values(i) * frame_.scale(j) - frame_.centre(j) - location(i);
        z(i) = (y - t.row(i).head(i).dot(z.head(i))) / t(i, i);
        log_determinant += std::log(t(i, i));
      }
      means.col(k) = location.tail(m());
      means.col(k).noalias() += t.bottomLeftCorner(m(), p()) * z;
      const double largest = z.cwiseAbs().maxCoeff();
      if (!(weights_(k) > 0)) {  // it has no say, wherever it lies
        weights(k) = -std::numeric_limits<double>::infinity();
        continue;
      }
      require(std::isfinite(largest) && means.col(k).allFinite(), "the values given lie so far from component ", k,
              " that its conditional mean overflows");
      const double distance = largest > 0 ? largest * (z / largest).norm() : 0.0;
      weights(k) = std::log(weights_(k)) - 0.5 * distance * distance - log_determinant;
      if (nearest < 0 || distance < least) nearest = k, least = distance;
    }
    const double largest = weights.maxCoeff();
    if (std::isfinite(largest)) {
      for (Index k = 0; k < size(); ++k) weights(k) = std::exp(weights(k) - largest);  // Eigen's exp(-inf) is not zero
      weights /= weights.sum();
    } else {
      weights.setZero();
      weights(nearest) = 1;
    }
  }

  /// A mixture over `dimensions`, which keeps their frame, the structure and the floor.
  Part mixture(const Vector& weights, const std::vector<Index>& dimensions, const std::vector<Vector>& locations,
               const std::vector<Matrix>& factors) const {
    const auto d = static_cast<Index>(dimensions.size());
    Frame frame = Frame::identity(d);
    for (Index i = 0; i < d; ++i) {
      const Index j = dimensions[static_cast<std::size_t>(i)];
      frame.centre(i) = frame_.centre(j);
      frame.scale(i) = frame_.scale(j);
      frame.spread(i) = frame_.spread(j);
    }
    const auto shared = std::make_shared<const Frame>(std::move(frame));
    std::vector<BasicGaussian<Scalar>> all;
    for (std::size_t k = 0; k < factors.size(); ++k) {
      all.push_back(BasicGaussian<Scalar>::in_frame(shared, locations[k], factors[k], structure_, floor_));
    }
    return Part(weights, std::move(all));
  }

  Vector weights_;
  std::vector<Index> given_, rest_;
  Covariance structure_ = Covariance::full;
  double floor_ = 0;
  Frame frame_;
  std::vector<Vector> locations_;  // d each, in the order (given, rest)
  std::vector<Matrix> factors_;    // T, d x d each
};

/// The distribution of some dimensions of a Gaussian mixture alone: p(x_j, j in dimensions), a Gaussian mixture with
/// the same weights. Full and tied covariances are refactored without squaring; the structure and the floor are kept.
///
///   marginal(model, {0, 2});
///
/// @param dimensions  from 0, each once, in the order wanted; all of them in another order is a permutation
/// @throws            InvalidArgument for a dimension that does not exist or is named twice, and for none
///
/// Cost O(K d^3).
template <class Scalar, int Dim>
MixtureOf<BasicGaussian<Scalar>> marginal(const MixtureOf<BasicGaussian<Scalar, Dim>>& model,
                                          const std::vector<Index>& dimensions) {
  return GaussianRegression<Scalar, Dim>(model, dimensions).marginal();
}

/// The distribution of the remaining dimensions given values of some,
///
///   p(x_rest | x_given = values) = sum_k r_k N(x_rest; m_k + S_rg S_gg^-1 (values - m_g), S_rr - S_rg S_gg^-1 S_gr),
///
/// r_k the posterior weight of component k given the values alone, in log space: the weights sum to one however far the
/// values lie from every component. A Gaussian mixture of the same structure over the rest, in ascending order.
///
///   condition(model, {0}, values);
///
/// @param dimensions  those given, from 0, each once; at least one must remain
/// @param values      one for each of `dimensions`, in that order, finite
/// @throws            InvalidArgument else, and where the conditional mean overflows (values 1e300 deviations away)
///
/// Cost O(K d^3). Bishop (2006), eqs. 2.81 and 2.82.
template <class Scalar, int Dim>
MixtureOf<BasicGaussian<Scalar>> condition(const MixtureOf<BasicGaussian<Scalar, Dim>>& model,
                                           const std::vector<Index>& dimensions,
                                           const Eigen::Ref<const Eigen::VectorXd>& values) {
  const GaussianRegression<Scalar, Dim> regression(model, dimensions);
  regression.require_rest();
  return regression.condition(values);
}

/// Mean and covariance of the remaining dimensions given values of some: those of condition(model, dimensions, x),
///
///   mean = sum_k r_k mu_k,   covariance = sum_k r_k (C_k + (mu_k - mean)(mu_k - mean)')   (law of total variance).
///
///   const auto [mean, covariance] = regress(model, {0}, x0);        // x0 a vector: one query
///   regress(model, {0}, queries).means;                             // p x q, a query per column -> m x q
///
/// @param dimensions  those given, p of them, from 0, each once; at least one must remain, m of them in ascending order
/// @param x           a vector (p), or a matrix of queries (p x q; a row vector is many queries of one variable)
/// @return            Prediction, of a matrix Predictions
/// @throws            InvalidArgument as condition()
///
/// Cost O(K d^3 + q K (p^2 + m^2)). A covariance beyond the range of a double is infinite.
template <class Scalar, int Dim, class Derived>
auto regress(const MixtureOf<BasicGaussian<Scalar, Dim>>& model, const std::vector<Index>& dimensions,
             const Eigen::MatrixBase<Derived>& x) {
  const GaussianRegression<Scalar, Dim> regression(model, dimensions);
  regression.require_rest();
  Predictions all = regression.predict(x.template cast<double>());
  if constexpr (Derived::ColsAtCompileTime == 1) {
    return Prediction{all.means.col(0), std::move(all.covariances.front())};
  } else {
    return all;
  }
}

}  // namespace emulsion
