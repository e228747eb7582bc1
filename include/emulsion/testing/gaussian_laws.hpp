#pragma once
#include "emulsion/inference/em.hpp"
#include "emulsion/inference/seed.hpp"
#include "emulsion/models/gaussian_regression.hpp"
#include "emulsion/testing/laws.hpp"

namespace emulsion::testing {

/// Affine equivariance of a family with location and scale: with z = A x + b, from the same responsibilities and after
/// as many iterations,
///
///   log p_z(A x + b) = log p_x(x) - log |det A|,
///
/// and the responsibilities are equal, to the `tolerance`: where A is diagonal, of powers of two, and b = 0, nothing is
/// rounded on the way but constants. A belongs to the family: any for full covariances, diagonal for diagonal ones, a
/// multiple of an orthogonal matrix for spherical ones. A covariance of condition number c is rounded by c 1e-16:
/// neither x nor A x + b should be near a plane.
template <class C>
std::vector<std::string> affine_laws(const C& prototype, Index components, const typename C::Data& x,
                                     const Eigen::MatrixXd& a, const Eigen::VectorXd& b, double log_determinant,
                                     std::uint64_t seed, double tolerance = 1e-9) {
  Findings findings(seed);
  Rng rng(seed);
  typename C::Data::Matrix z(x.dimension(), x.size());
  for (Index i = 0; i < x.size(); ++i) {
    for (Index r = 0; r < x.dimension(); ++r) {
      double value = b(r);
      for (Index c = 0; c < x.dimension(); ++c) value += a(r, c) * static_cast<double>(x(c, i));
      z(r, i) = static_cast<typename C::Data::Scalar>(value);
    }
  }
  SeedOptions shares{.start = Start::responsibilities};
  shares.responsibilities.resize(x.size(), components);
  for (Index i = 0; i < x.size(); ++i) {
    double total = 0;
    for (Index k = 0; k < components; ++k) total += (shares.responsibilities(i, k) = std::pow(rng.exponential(), 3));
    for (Index k = 0; k < components; ++k) shares.responsibilities(i, k) /= total;
  }
  const EmOptions steps{.max_iterations = 12, .acceleration = Acceleration::none};
  const typename C::Data image(z);
  const auto plain = em(emulsion::seed(prototype, components, x, rng, shares), x, steps).model;
  const auto mapped = em(emulsion::seed(prototype, components, image, rng, shares), image, steps).model;
  Eigen::VectorXd expected = plain.log_density(x);
  for (Index i = 0; i < x.size(); ++i) expected(i) -= log_determinant;
  const double difference = largest_difference(expected, mapped.log_density(image));
  findings.expect(difference <= tolerance, "log p(A x + b) = log p(x) - log |det A|", "they differ by ", difference);
  const Eigen::MatrixXd r = plain.responsibilities(x), s = mapped.responsibilities(image);
  findings.expect(largest_difference(r, s) <= tolerance, "responsibilities are affine invariant", "they differ by ",
                  largest_difference(r, s));
  return std::move(findings).broken();
}

/// The chain rule of a Gaussian mixture in its dimensions: for `given` and the rest,
///
///   log p(x) = log p(x_given) + log p(x_rest | x_given),
///
/// and regress() is the mean and covariance of p(x_rest | x_given).
template <class Scalar, int Dim>
std::vector<std::string> chain_laws(const MixtureOf<BasicGaussian<Scalar, Dim>>& model, const std::vector<Index>& given,
                                    const Points<Scalar, Dim>& x, std::uint64_t seed) {
  Findings findings(seed);
  const Index d = model.dimension();
  std::vector<Index> rest;
  for (Index j = 0; j < d; ++j) {
    if (std::find(given.begin(), given.end(), j) == given.end()) rest.push_back(j);
  }
  const auto alone = marginal(model, given);
  const Eigen::VectorXd joint = model.log_density(x);
  using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;
  for (Index i = 0; i < x.size(); ++i) {
    Eigen::VectorXd known(static_cast<Index>(given.size()));
    Matrix part(known.size(), 1), other(static_cast<Index>(rest.size()), 1);
    for (Index j = 0; j < part.rows(); ++j) {
      part(j, 0) = x(given[static_cast<std::size_t>(j)], i);
      known(j) = static_cast<double>(part(j, 0));
    }
    for (Index j = 0; j < other.rows(); ++j) other(j, 0) = x(rest[static_cast<std::size_t>(j)], i);
    const auto conditional = condition(model, given, known);
    const double sum = alone.log_density(Points<Scalar>(part))(0) + conditional.log_density(Points<Scalar>(other))(0);
    findings.expect_near(joint(i), sum, 1e-10 * (1 + std::abs(joint(i))),
                         "log p(x) = log p(given) + log p(rest | given)");
    const auto prediction = regress(model, given, known);
    Eigen::VectorXd mean = Eigen::VectorXd::Zero(other.rows());
    for (Index k = 0; k < conditional.size(); ++k) mean += conditional.weights()(k) * conditional[k].mean();
    Eigen::MatrixXd covariance = -mean * mean.transpose();
    for (Index k = 0; k < conditional.size(); ++k) {
      covariance += conditional.weights()(k) *
                    (conditional[k].covariance() + conditional[k].mean() * conditional[k].mean().transpose());
    }
    findings.expect(largest_difference(prediction.mean, mean) <= 1e-10, "regress() is the conditional mean", "not at ",
                    i);
    findings.expect(largest_difference(prediction.covariance, covariance) <= 1e-8 * (1 + mean.squaredNorm()),
                    "regress() is the conditional covariance", "not at ", i);
  }
  return std::move(findings).broken();
}

}  // namespace emulsion::testing
