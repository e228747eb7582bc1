#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"
#include "emulsion/core/fold.hpp"

namespace emulsion {

// Criteria that choose between models fitted to the same data. Each is -2 log L + penalty: smaller is better. log L is
// the total in nats, df = model.free_parameters(), and n the sum of the weights, so that an observation of weight two
// counts twice. `x` is whatever the model was fitted to: a matrix with an observation per column, rows(x),
// weighted(x, w).

enum class Criterion {
  aic,   ///< 2 df (Akaike, 1974)
  aicc,  ///< AIC + 2 df (df + 1) / (n - df - 1), infinite where n <= df + 1 (Hurvich and Tsai, 1989)
  caic,  ///< df (log n + 1) (Bozdogan, 1987)
  bic,   ///< df log n (Schwarz, 1978)
  icl    ///< BIC + twice the entropy of the classification (McLachlan and Peel, 2000, 6.10)
};

inline std::string_view to_string(Criterion criterion) {
  constexpr std::string_view names[] = {"AIC", "AICc", "CAIC", "BIC", "ICL"};
  return names[static_cast<std::size_t>(criterion)];
}

/// What an observation's class is, in ICL.
enum class Assignment {
  soft,  ///< a posterior probability of every component: adds 2 sum -r log r
  hard   ///< the most probable component: adds 2 sum -log max_k r, so that ICL = -2 log(complete likelihood) + df log n
};

/// What a criterion adds to -2 log L. For ICL, without its entropy: the penalty of BIC.
inline double criterion_penalty(Criterion criterion, Index free_parameters, double n) {
  const auto df = static_cast<double>(free_parameters);
  switch (criterion) {
    case Criterion::aic: return 2 * df;
    case Criterion::aicc:
      if (!(n > df + 1)) return std::numeric_limits<double>::infinity();
      return 2 * df + 2 * df * (df + 1) / (n - df - 1);
    case Criterion::caic: return df * (std::log(n) + 1);
    case Criterion::bic:
    case Criterion::icl: break;
  }
  return df * std::log(n);
}

/// Log-likelihood (nats, total) and how surely the model classifies the observations.
struct ClassifiedLikelihood {
  double log_likelihood = 0;
  double soft_entropy = 0;  ///< sum of weight x sum_k -r log r
  double hard_entropy = 0;  ///< sum of weight x -log max_k r
};

/// In one pass over the data; no n x K matrix exists. Cost: that of log_density() and of responsibilities().
template <class M>
ClassifiedLikelihood classified_likelihood(const M& model, const typename M::Data& x) {
  ClassifiedLikelihood result;
  if constexpr (requires { model.check(x); })
    model.check(x);  // so that messages name the observation in x, not its block
  for (Index first = 0; first < x.size(); first += default_block) {
    const typename M::Data block = x.slice(first, std::min(default_block, x.size() - first));
    const Eigen::VectorXd log_density = model.log_density(block);
    const Eigen::MatrixXd r = model.responsibilities(block);
    for (Index i = 0; i < block.size(); ++i) {
      const double weight = block.weight(i);
      if (weight == 0) continue;
      double soft = 0, largest = 0;
      for (Index k = 0; k < r.cols(); ++k) {
        if (r(i, k) > 0) soft -= r(i, k) * std::log(r(i, k));
        largest = std::max(largest, r(i, k));
      }
      result.log_likelihood += weight * log_density(i);
      result.soft_entropy += weight * std::max(soft, 0.0);
      result.hard_entropy -= weight * std::log(std::min(largest, 1.0));
    }
  }
  return result;
}

/// Any criterion by its name; `assignment` is read by ICL alone.
///
/// @throws InvalidArgument if the model cannot have produced x, or x is empty
///
/// Cost: the log-likelihood; for ICL twice that.
template <class M>
double criterion(Criterion which, const M& model, const typename M::Data& x, Assignment assignment = Assignment::soft) {
  require(x.size() > 0, "an information criterion needs at least one observation, got none");
  const double added = criterion_penalty(which, model.free_parameters(), x.total_weight());
  if (which != Criterion::icl) return -2 * model.log_likelihood(x) + added;
  const ClassifiedLikelihood found = classified_likelihood(model, x);
  return -2 * found.log_likelihood + added +
         2 * (assignment == Assignment::soft ? found.soft_entropy : found.hard_entropy);
}

/// -2 log L + 2 df
template <class M>
double aic(const M& model, const typename M::Data& x) {
  return criterion(Criterion::aic, model, x);
}
/// AIC + 2 df (df + 1) / (n - df - 1); infinite where n <= df + 1, where it is not defined
template <class M>
double aicc(const M& model, const typename M::Data& x) {
  return criterion(Criterion::aicc, model, x);
}
/// -2 log L + df (log n + 1)
template <class M>
double caic(const M& model, const typename M::Data& x) {
  return criterion(Criterion::caic, model, x);
}
/// -2 log L + df log n
template <class M>
double bic(const M& model, const typename M::Data& x) {
  return criterion(Criterion::bic, model, x);
}
/// BIC + 2 x entropy of the classification: prefers clusters that are apart to a good density. Soft as McLachlan and
/// Peel (2000), hard as Biernacki, Celeux and Govaert (2000).
template <class M>
double icl(const M& model, const typename M::Data& x, Assignment assignment = Assignment::soft) {
  return criterion(Criterion::icl, model, x, assignment);
}

/// Entropy of the classification, sum of weight x sum_k -r(i, k) log r(i, k), in nats: 0 where every observation
/// belongs to one component, n log K where none can be told apart.
///
/// @throws InvalidArgument if the model cannot have produced x
template <class M>
double classification_entropy(const M& model, const typename M::Data& x) {
  return classified_likelihood(model, x).soft_entropy;
}

/// Normalised entropy criterion, entropy(model) / (log L(model) - log L(one_component)): smaller is better, and below 1
/// where there is a structure at all. By convention 1 for one component (Biernacki, Celeux and Govaert, 1999), and
/// infinite for a model that is no more likely than one component.
///
/// @param one_component   the same family, fitted to the same x with one component
/// @throws                InvalidArgument if it has more than one, or a model cannot have produced x
///
/// Celeux and Soromenho (1996).
template <class M>
double normalised_entropy_criterion(const M& model, const M& one_component, const typename M::Data& x) {
  require(one_component.size() == 1,
          "the normalised entropy criterion compares with a fit of one component, got one of ", one_component.size());
  if (model.size() == 1) return 1;
  const ClassifiedLikelihood found = classified_likelihood(model, x);
  const double gain = found.log_likelihood - one_component.log_likelihood(x);
  return gain > 0 ? found.soft_entropy / gain : std::numeric_limits<double>::infinity();
}

}  // namespace emulsion
