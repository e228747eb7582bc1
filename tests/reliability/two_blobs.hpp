#pragma once
// The data that the reliability tests spoil, and what every fit of them must satisfy.
#include <cmath>
#include <string>

#include "catch.hpp"
#include "emulsion/gaussian_mixture.hpp"
#include "emulsion/metrics/adjusted_rand.hpp"

namespace reliability {

inline constexpr emulsion::Covariance structures[] = {emulsion::Covariance::full, emulsion::Covariance::diagonal,
                                                      emulsion::Covariance::spherical, emulsion::Covariance::tied};

/// Two blobs of 100 points, 8 standard deviations apart: the first hundred columns, and the second.
inline Eigen::MatrixXd two_blobs(double distance = 8) {
  emulsion::Rng rng(11);
  Eigen::MatrixXd x(2, 200);
  for (Eigen::Index i = 0; i < 200; ++i) {
    const double at = i < 100 ? 0.0 : distance;
    x(0, i) = 0.6 * at + rng.normal();
    x(1, i) = 0.8 * at + rng.normal();
  }
  return x;
}

inline emulsion::Labels blob_labels() {
  emulsion::Labels labels(200);
  for (Eigen::Index i = 0; i < 200; ++i) labels(i) = i < 100 ? 0 : 1;
  return labels;
}

inline bool same_partition(const emulsion::Labels& a, const emulsion::Labels& b) {
  return emulsion::adjusted_rand_index(a, b) == 1;
}

/// Component j of `b` for component k of `a`, so that means are nearest in the first dimension.
template <class A, class B>
Eigen::Index counterpart(const A& a, Eigen::Index k, const B& b, double scale = 1, double offset = 0) {
  const double at = a[k].mean()(0) * scale + offset;
  Eigen::Index best = 0;
  for (Eigen::Index j = 1; j < b.size(); ++j) {
    if (std::abs(b[j].mean()(0) - at) < std::abs(b[best].mean()(0) - at)) best = j;
  }
  return best;
}

/// What `f` complains about; an exception of any other kind goes on and fails the test.
template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const emulsion::InvalidArgument& error) { return error.what(); }
  return "(nothing was thrown)";
}

inline const emulsion::Event* find(const emulsion::Report& report, emulsion::EventKind kind,
                                   Eigen::Index component = -1, Eigen::Index dimension = -1) {
  for (const emulsion::Event& event : report.events) {
    if (event.kind == kind && event.component == component && event.dimension == dimension) return &event;
  }
  return nullptr;
}

/// Whether rows of responsibilities are probabilities that sum to one.
inline bool are_probabilities(const Eigen::MatrixXd& r) {
  for (Eigen::Index i = 0; i < r.rows(); ++i) {
    double sum = 0;
    for (Eigen::Index k = 0; k < r.cols(); ++k) {
      if (!(r(i, k) >= 0)) return false;
      sum += r(i, k);
    }
    if (!(std::abs(sum - 1) <= 1e-12)) return false;
  }
  return r.rows() > 0;
}

/// Nothing in the model is NaN or infinite, and the report speaks of this model. (Covariances may overflow: factors may
/// not.)
template <class Fit, class Data>
void check_sound(const Fit& fit, const Data& x) {
  const auto& model = fit.model;
  REQUIRE(model.size() >= 1);
  double total = 0;
  for (Eigen::Index k = 0; k < model.size(); ++k) {
    INFO("component " << k);
    CHECK(model.weights()(k) >= 0);
    total += model.weights()(k);
    CHECK(model[k].mean().allFinite());
    const Eigen::MatrixXd factor = model[k].factor();
    CHECK(factor.allFinite());
    for (Eigen::Index j = 0; j < factor.rows(); ++j) CHECK(factor(j, j) > 0);
  }
  CHECK(std::abs(total - 1) < 1e-12);
  CHECK(are_probabilities(model.responsibilities(x)));
  CHECK(std::isfinite(fit.report.objective));
  CHECK(fit.report.objective == Approx(model.log_likelihood(x)).epsilon(1e-8).margin(1e-5));
  for (const double objective : fit.report.trace) CHECK(std::isfinite(objective));
  for (const emulsion::Event& event : fit.report.events) { CHECK(!event.text.empty()); }
}

/// Components with the given means (d x K) and standard deviations (K), in equal shares.
inline emulsion::GaussianMixture start_at(const Eigen::MatrixXd& means, const Eigen::VectorXd& sd,
                                          emulsion::Covariance structure = emulsion::Covariance::full) {
  std::vector<emulsion::Gaussian> all;
  const Eigen::Index d = means.rows(), size = means.cols();
  for (Eigen::Index k = 0; k < size; ++k) {
    all.emplace_back(means.col(k), Eigen::MatrixXd(sd(k) * sd(k) * Eigen::MatrixXd::Identity(d, d)), structure);
  }
  return {Eigen::VectorXd::Constant(size, 1 / static_cast<double>(size)), all};
}

}  // namespace reliability
