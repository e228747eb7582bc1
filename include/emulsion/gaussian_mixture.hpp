#pragma once
#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/inference/criteria.hpp"
#include "emulsion/inference/fit_mixture.hpp"
#include "emulsion/models/gaussian_regression.hpp"

namespace emulsion {

/// Mixture of normal distributions with constant weights.
template <class Scalar = double, int Dim = Eigen::Dynamic>
using BasicGaussianMixture = MixtureOf<BasicGaussian<Scalar, Dim>>;
using GaussianMixture = BasicGaussianMixture<>;

struct GaussianMixtureOptions {
  Index components = 1;
  Covariance covariance = Covariance::full;
  Index restarts =
      0;  ///< short runs from different starts, the best of which are finished; 0: 8 to 500, by need and size
  std::uint64_t seed = 0;
  int threads = 1;
  double tolerance = 1e-9;  ///< estimated distance to the limit, in nats per observation
  Index max_iterations = 100'000;
  Start start = Start::automatic;
  Eigen::MatrixXd means = {};             ///< d x K, for Start::means
  Eigen::MatrixXd responsibilities = {};  ///< n x K, for Start::responsibilities
  double floor = 1e-12;  ///< least eigenvalue of a covariance, relative to the (robust) variances of the data
  double least_regularity =
      1e-3;  ///< fits with a component narrower than this, relative to the pooled covariance, are spurious
  Degenerate degenerate = Degenerate::floor;  ///< what to do with a component that collapses or empties
  Acceleration acceleration = Acceleration::automatic;
  std::function<bool(const Report&)> progress = {};  ///< after every iteration of the last runs; false stops
  std::stop_token stop = {};
};

/// Fits a Gaussian mixture by EM from several starts: see fit_mixture.
///
/// @param x         observations, d x n, one per column; or a view: rows(x), weighted(x, w)
/// @return          model and report. Log-likelihoods are totals in nats
/// @throws          InvalidArgument for options out of range, fewer observations than components, values that are not
///                  finite, before any work
///
/// Cost per iteration O(n K d^2), O(n K d) for diagonal and spherical covariances.
template <class Scalar, int Dim>
Fit<BasicGaussianMixture<Scalar, Dim>> fit_gaussian_mixture(const Points<Scalar, Dim>& x,
                                                            const GaussianMixtureOptions& options = {}) {
  require(x.dimension() >= 1, "a fit needs at least one dimension, got data of ", x.dimension(), " x ", x.size());
  return fit_mixture(BasicGaussian<Scalar, Dim>(x.dimension(), options.covariance, options.floor), x,
                     {.components = options.components,
                      .restarts = options.restarts,
                      .seed = options.seed,
                      .threads = options.threads,
                      .tolerance = options.tolerance,
                      .max_iterations = options.max_iterations,
                      .start = options.start,
                      .means = options.means,
                      .responsibilities = options.responsibilities,
                      .least_regularity = options.least_regularity,
                      .degenerate = options.degenerate,
                      .acceleration = options.acceleration,
                      .progress = options.progress,
                      .stop = options.stop});
}

template <class Derived>
Fit<BasicGaussianMixture<typename Derived::Scalar>> fit_gaussian_mixture(const Eigen::MatrixBase<Derived>& x,
                                                                         const GaussianMixtureOptions& options = {}) {
  require(Derived::ColsAtCompileTime != 1 || x.rows() == 1, "1 observation of dimension ", x.rows(), "; for ", x.rows(),
          " observations of one variable pass x.transpose()");
  return fit_gaussian_mixture(columns(x.derived()), options);
}

// --- choosing the number of components and the covariance -------------------------------------------------------------

/// The smallest and largest number of components to try.
struct Range {
  Index from = 1, to = 9;
};

struct SelectionOptions {
  Range components = {};
  std::vector<Covariance> covariances = {Covariance::full, Covariance::diagonal, Covariance::spherical,
                                         Covariance::tied};
  Criterion criterion = Criterion::bic;
  GaussianMixtureOptions fit = {.restarts = 20};  ///< of every fit; its components and covariance are not used
};

/// One line of the table: a fit and its criterion (smaller is better).
struct Candidate {
  Index components = 0;
  Covariance covariance = Covariance::full;
  double log_likelihood = 0;
  Index free_parameters = 0;
  double criterion = 0;
  Status status = Status::failed;
  bool regular = false;  ///< no component on a few near-equal observations
};

template <class Model>
struct Selection {
  std::vector<Candidate> table;  ///< by covariance, then components
  std::size_t best = 0;          ///< its place in the table
  Fit<Model> fit;                ///< the best
};

/// Fits every number of components with every covariance structure and keeps the best by the criterion, among regular
/// fits where there is one. Numbers of components above that of the observations are left out. Ends early, with the
/// table so far, when a fit is stopped (fit.progress, fit.stop).
///
/// @param x         observations, d x n, one per column; or a view: rows(x), weighted(x, w)
/// @return          the table, and the best of its fits
/// @throws          InvalidArgument as fit_gaussian_mixture, and for an empty range or no structure, before any work
///
/// Cost: that of all the fits, each with its restarts.
template <class Scalar, int Dim>
Selection<BasicGaussianMixture<Scalar, Dim>> select_gaussian_mixture(const Points<Scalar, Dim>& x,
                                                                     const SelectionOptions& options = {}) {
  require(options.components.from >= 1 && options.components.from <= options.components.to,
          "the components to try must be a range from at least 1, got ", options.components.from, " to ",
          options.components.to);
  require(!options.covariances.empty(), "a selection needs at least one covariance structure, got none");
  require((options.fit.start != Start::means && options.fit.start != Start::responsibilities) ||
              options.components.from == options.components.to,
          "a start from given means or responsibilities is for one number of components, not for ",
          options.components.from, " to ", options.components.to);
  const Index most = std::max(options.components.from, std::min(options.components.to, positive_observations(x)));
  std::vector<Candidate> table;
  std::vector<Fit<BasicGaussianMixture<Scalar, Dim>>> kept;
  std::size_t best = 0;
  bool stopped = false;
  for (const Covariance covariance : options.covariances) {
    for (Index k = options.components.from; k <= most && !stopped; ++k) {
      GaussianMixtureOptions one = options.fit;
      one.components = k;
      one.covariance = covariance;
      auto fit = fit_gaussian_mixture(x, one);
      stopped = fit.report.status == Status::stopped || one.stop.stop_requested();
      Candidate row{k,
                    covariance,
                    fit.report.objective,
                    fit.model.free_parameters(),
                    criterion(options.criterion, fit.model, x),
                    fit.report.status,
                    kind_of(fit.model.regularity(one.least_regularity), one.least_regularity, x.dimension(),
                            positive_observations(x)) <= FitKind::supported};
      const bool better = kept.empty() || row.regular > table[best].regular ||
                          (row.regular == table[best].regular && row.criterion < table[best].criterion);
      table.push_back(row);
      if (!better) continue;
      best = table.size() - 1;
      kept.clear();
      kept.push_back(std::move(fit));
    }
  }
  for (const Candidate& row : table) {
    if (row.regular || !(row.criterion < table[best].criterion)) continue;
    kept.front().report.events.push_back(
        {EventKind::spurious, 0, -1, -1, row.criterion,
         sentence({"a smaller ", to_string(options.criterion), ", ", row.criterion, ", with ", row.components, " ",
                   to_string(row.covariance),
                   " components was left aside: one of them sits on a few near-equal observations"})});
    break;
  }
  return {std::move(table), best, std::move(kept.front())};
}

template <class Derived>
Selection<BasicGaussianMixture<typename Derived::Scalar>> select_gaussian_mixture(
    const Eigen::MatrixBase<Derived>& x, const SelectionOptions& options = {}) {
  require(Derived::ColsAtCompileTime != 1 || x.rows() == 1, "1 observation of dimension ", x.rows(), "; for ", x.rows(),
          " observations of one variable pass x.transpose()");
  return select_gaussian_mixture(columns(x.derived()), options);
}

}  // namespace emulsion

#ifdef EMULSION_COMPILED
// The optional target emulsion::compiled holds these (src/compiled.cpp): a program that only calls them compiles
// faster.
namespace emulsion {

extern template Fit<GaussianMixture> fit_gaussian_mixture(const Points<double>&, const GaussianMixtureOptions&);
extern template Selection<GaussianMixture> select_gaussian_mixture(const Points<double>&, const SelectionOptions&);
extern template Fit<GaussianMixture> em(GaussianMixture, const Points<double>&, const EmOptions&, Soft, NoReduce);

/// "Undefined reference to compiled_for<64, 64>": this program is compiled for other registers (-march) than
/// emulsion::compiled, and its Eigen matrices would not fit. Give both the same option.
template <int alignment, int registers>
bool compiled_for();
inline const bool compiled = compiled_for<EIGEN_MAX_ALIGN_BYTES, widest_simd_bytes>();

}  // namespace emulsion
#endif
