#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <vector>

#include "emulsion/core/fold.hpp"
#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/data/frame.hpp"
#include "emulsion/inference/e_step.hpp"
#include "emulsion/inference/kmeans.hpp"
#include "emulsion/models/mixture.hpp"

namespace emulsion {

/// Where a fit starts.
enum class Start {
  automatic,                ///< kmeans; in a fit with restarts, kmeans and random_means of several widths in turn, and
                            ///< of regressions the three last in turn with these
  kmeans,                   ///< k-means++ and a few Lloyd steps on standardised data
  random_means,             ///< K observations drawn at random, the others shared out by distance
  random_responsibilities,  ///< every observation shared out at random
  means,                    ///< given means: every observation to the nearest
  responsibilities,         ///< given responsibilities
  random_residuals,         ///< of regressions: as random_means, by the residuals of one regression of all
  random_covariates,        ///< of regressions: as random_means, by the covariates of the gate
  random_regressions        ///< of regressions: K of them through a few observations each, all to the nearest
};

struct SeedOptions {
  Start start = Start::automatic;
  int lloyd = 5;     ///< Lloyd steps
  double width = 0;  ///< softness of the shares, in standard deviations; 0: all to the nearest (discrete families: 1)
  bool sphere = false;  ///< distances after the data were given unit covariance, not only unit variances
  int threads = 1;
  Eigen::MatrixXd means = {};             ///< d x K, for Start::means
  Eigen::MatrixXd responsibilities = {};  ///< n x K, rows that sum to one, for Start::responsibilities
  Index sample = 0;                       ///< starts from centres see at most so many observations; 0: start_sample()
};

/// How many observations a start needs: twenty for every parameter of a dimension, of all components; 4000 at least.
template <class C>
Index start_sample(const C& prototype, Index components) {
  const Index d = std::max<Index>(1, prototype.dimension());
  return std::max<Index>(4000, 20 * components * ((prototype.free_parameters() + d - 1) / d));
}

/// How many of these centres are found in, since they need fewer than the first M-step: 8 MB of standardised
/// coordinates, 4000 observations at least.
inline Index centres_sample(Index dimension) {
  return std::max<Index>(4000, (Index{1} << 20) / std::max<Index>(1, dimension));
}

/// Throws InvalidArgument unless the start fits K components and the data.
template <class D>
[[gnu::cold]] void check(const SeedOptions& options, Index components, const D& x) {
  const auto& means = options.means;
  const auto& r = options.responsibilities;
  if (options.start == Start::means) {
    require(means.rows() == x.dimension() && means.cols() == components, "expected starting means of ", x.dimension(),
            " x ", components, " (one per column), got ", means.rows(), " x ", means.cols());
    require(all_finite(means), "the starting means must be finite");
  }
  if (options.start == Start::responsibilities) {
    require(r.rows() == x.size() && r.cols() == components, "expected starting responsibilities of ", x.size(), " x ",
            components, " (one row per observation), got ", r.rows(), " x ", r.cols());
    for (Index i = 0; i < r.rows(); ++i) {
      double total = 0;
      bool negative = false;
      for (Index k = 0; k < components; ++k) {
        total += r(i, k);
        negative = negative || !(r(i, k) >= 0);
      }
      require(!negative && std::abs(total - 1) <= 1e-6, "starting responsibilities must not be negative and each row ",
              "must sum to one; row ", i, " sums to ", total, negative ? " with a negative or NaN element" : "");
    }
  }
  require(options.width >= 0 && std::isfinite(options.width), "the width of a start must not be negative, got ",
          options.width);
  check_threads(options.threads);
  require(options.sample >= 0, "the sample of a start must not be negative, got ", options.sample);
  require(options.lloyd >= 0, "the number of Lloyd steps must not be negative, got ", options.lloyd);
}

// E-steps of starts.

/// Responsibilities given beforehand (n x K, not negative): for starts.
struct Given {
  Eigen::Ref<const Eigen::MatrixXd> responsibilities;
  Index first = 0;  ///< the place of the first observation, where the data are themselves a slice: data.first()
  template <class Data>
  [[gnu::cold]] double operator()(const Data& block, Scores scores) const {
    for (Index i = 0; i < scores.rows(); ++i) {
      for (Index k = 0; k < scores.cols(); ++k) {
        scores(i, k) = block.weight(i) * responsibilities(block.first() - first + i, k);
      }
    }
    return 0;
  }
};

/// Shares out observation i by the squared distances -scores(i, .): proportional to exp(-distance^2 / (2 width^2)), and
/// all to the nearest for width 0.
[[gnu::cold]] inline void share_out(Scores scores, Index i, double width, double weight) {
  Index best = 0;
  for (Index k = 1; k < scores.cols(); ++k) best = scores(i, k) > scores(i, best) ? k : best;
  const double nearest = scores(i, best);
  const bool soft = width > 0 && std::isfinite(nearest);
  double total = 0;
  for (Index k = 0; k < scores.cols(); ++k) {
    double share = k == best ? 1.0 : 0.0;
    if (soft) share = std::exp((scores(i, k) - nearest) / (2 * width * width));
    total += (scores(i, k) = share);
  }
  for (Index k = 0; k < scores.cols(); ++k) scores(i, k) *= weight / total;
}

/// Responsibilities proportional to exp(-|y - centre_k|^2 / (2 width^2)); y = transform (d x d, lower triangular; none:
/// the identity) times the standardised coordinates of the frame, centres d x K. Width 0 gives all of an observation to
/// the nearest.
struct Nearest {
  Frame frame;
  Eigen::MatrixXd transform;
  Eigen::MatrixXd centres;
  double width = 0;
  template <class Data>
  [[gnu::cold]] double operator()(const Data& block, Scores scores) const {
    const Index d = block.dimension();
    Eigen::VectorXd x(d), y(d);
    for (Index i = 0; i < scores.rows(); ++i) {
      for (Index j = 0; j < d; ++j) x(j) = frame.standardised(static_cast<double>(block(j, i)), j);
      const bool moved = transform.size() > 0;
      if (moved) lower_times(transform, &x(0), &y(0));
      const double* const at = moved ? &y(0) : &x(0);
      for (Index k = 0; k < scores.cols(); ++k) scores(i, k) = -square_distance(at, &centres(0, k), d);
      share_out(scores, i, width, block.weight(i));
    }
    return 0;
  }
};

/// A mixture whose components are all the prototype.
template <class C>
MixtureOf<C> equal_components(const C& prototype, Index components) {
  require(components >= 1, "a mixture needs at least one component, got ", components);
  return MixtureOf<C>(ConstantGate(components),
                      Components<C>(std::vector<C>(static_cast<std::size_t>(components), prototype)));
}

/// A model to start a fit from, of the terms and the number of components that the prototype has: responsibilities by
/// `options.start`, then one M-step. The same for any number of threads.
///
/// @throws InvalidArgument  for options that do not fit and data that the family cannot have produced, before any work
///
/// Cost: a check of the data; of starts from centres, about lloyd + 4 passes over a sample of them, else one over all.
template <class Gate, class Bank, class... Terms>
[[gnu::cold]] Mixture<Gate, Bank, Terms...> seed(const Mixture<Gate, Bank, Terms...>& prototype,
                                                 const typename Bank::Data& x, Rng& rng,
                                                 const SeedOptions& options = {}) {
  using Model = Mixture<Gate, Bank, Terms...>;
  using D = typename Bank::Data;
  require(x.size() > 0, "a start needs at least one observation, got none (data of ", x.dimension(), " x 0)");
  Model model = prototype;
  const Index components = model.size();
  model.check(x);
  check(options, components, x);
  const bool of_regressions = options.start >= Start::random_residuals;
  require(!of_regressions || RegressionData<D>, "starts from residuals, covariates or regressions are for data with ",
          "covariates and responses");
  const bool drawn = of_regressions || options.start == Start::automatic || options.start == Start::kmeans ||
                     options.start == Start::random_means;
  const Index most = options.sample > 0 ? options.sample : start_sample(prototype[0], components);
  const D part = drawn && x.size() > most ? x.gather(draw_indices(x, most, rng)) : x;
  model.follow(part);
  Model next = model;
  const auto learn = [&](const AnyEStep<D>& e_step) {  // its storage is made when that of the centres is gone
    Workers workers(useful_threads(options.threads, part.size()));
    Fold<Model, D> fold(model, part, workers);
    model.maximize(fold(model, e_step), next);
  };
  if (options.start == Start::responsibilities) {
    learn(Given{options.responsibilities, x.first()});
  } else if (options.start == Start::random_responsibilities) {
    learn(RandomResponsibilities{rng.fork(rng())});
  } else if (of_regressions) {
    if constexpr (RegressionData<D>) {
      static_assert(
          requires { regression_start(part, components, rng, options); },
          "starts of regressions: #include <emulsion/inference/seed_regression.hpp>");
      learn(regression_start(part, components, rng, options));
    }
  } else {
    // A pure cluster gives a discrete family probabilities of zero, which EM can never leave: its starts are soft.
    const double softest = FramedComponent<typename Bank::Member> || options.start == Start::means ? 0.0 : 1.0;
    const double width = std::max(options.width, softest) * std::sqrt(static_cast<double>(x.dimension()));
    Nearest nearest{*frame_of(part, false), {}, {}, width};
    if (options.start == Start::means) {
      nearest.centres = options.means;
      for (Index k = 0; k < components; ++k) {
        for (Index j = 0; j < x.dimension(); ++j) {
          nearest.centres(j, k) = nearest.frame.standardised(options.means(j, k), j);
        }
      }
    } else {
      Sample sample = standardised(part, nearest.frame, centres_sample(x.dimension()), rng);
      if (options.sphere) {
        nearest.transform = sphering(sample);
        Eigen::VectorXd before(x.dimension());
        for (Index i = 0; i < sample.y.cols(); ++i) {
          for (Index j = 0; j < before.size(); ++j) before(j) = sample.y(j, i);
          lower_times(nearest.transform, &before(0), &sample.y(0, i));
        }
      }
      nearest.centres = options.start == Start::random_means
                            ? random_centres(sample, components, rng)
                            : kmeans_centres(sample, components, 3, options.lloyd, rng);
    }
    learn(nearest);
  }
  return next;
}

/// `components` members of the prototype's family, with constant weights.
template <class C, Observations D>
MixtureOf<C> seed(const C& prototype, Index components, const D& x, Rng& rng, const SeedOptions& options = {}) {
  return seed(equal_components(prototype, components), x, rng, options);
}

template <class C, class Derived>
MixtureOf<C> seed(const C& prototype, Index components, const Eigen::MatrixBase<Derived>& x, Rng& rng,
                  const SeedOptions& options = {}) {
  return seed(prototype, components, typename C::Data(x.derived()), rng, options);
}

}  // namespace emulsion
