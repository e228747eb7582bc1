#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/core/simd_functions.hpp"
#include "emulsion/core/slope_by_root.hpp"

namespace emulsion {

/// counts(k) += sum_i r(i, k)
inline void add_counts(const Responsibilities& r, Eigen::VectorXd& counts) {
  for (Index k = 0; k < counts.size(); ++k) counts(k) += simd_sum(r.data() + k * r.outerStride(), r.rows());
}

/// Mixing weights that do not depend on the observation: score log w_k. Statistics: closed form (counts).
class ConstantGate {
 public:
  struct Statistics {
    Eigen::VectorXd counts;
    Statistics& operator+=(const Statistics& other) {
      for (Index k = 0; k < counts.size(); ++k) counts(k) += other.counts(k);
      return *this;
    }
    Statistics& operator*=(double c) {
      for (Index k = 0; k < counts.size(); ++k) counts(k) *= c;
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      visitor(counts);
    }
  };
  struct Scratch {};

  explicit ConstantGate(Index components) : weights_(std::max<Index>(0, components)) {
    require(components >= 1, "a mixture needs at least one component, got ", components);
    for (Index k = 0; k < components; ++k) weights_(k) = 1 / static_cast<double>(components);
  }

  /// Weights (K): finite, not negative, with a sum of one to 1e-6; they are divided by it.
  explicit ConstantGate(const Eigen::Ref<const Eigen::VectorXd>& weights) : weights_(weights) {
    require(weights.size() >= 1, "a mixture needs at least one component, got none");
    for (Index k = 0; k < weights.size(); ++k) {
      require(std::isfinite(weights(k)) && weights(k) >= 0, "mixing weights must be finite and not negative; weight ",
              k, " is ", weights(k));
    }
    const double total = weights.sum();
    require(std::abs(total - 1) <= 1e-6, "mixing weights must sum to one; these ", weights.size(), " sum to ", total);
    if (total != 1) weights_ /= total;
  }

  Index size() const { return weights_.size(); }
  const Eigen::VectorXd& weights() const { return weights_; }
  Index free_parameters() const { return size() - 1; }

  Statistics statistics() const { return {Eigen::VectorXd::Zero(size())}; }
  Scratch scratch(Index) const { return {}; }

  /// The score of component k for every observation.
  double log_weight(Index k) const { return std::log(weights_(k)); }
  template <class Data>
  void score(const Data&, Scratch&, Scores scores) const {
    for (Index k = 0; k < size(); ++k) {
      const double score = log_weight(k);
      double* column = scores.data() + k * scores.outerStride();
      for (Index i = 0; i < scores.rows(); ++i) column[i] += score;
    }
  }
  template <class Data>
  void accumulate(const Data&, const Responsibilities& r, Scratch&, Statistics& s) const {
    add_counts(r, s.counts);
  }
  void maximize(const Statistics& s, ConstantGate& next) const {
    const double total = s.counts.sum();
    for (Index k = 0; k < size(); ++k) next.weights_(k) = total > 0 ? s.counts(k) / total : weights_(k);
  }
  double offset() const { return 0; }

  // Unconstrained: sqrt w_k up to a common factor; finite at the border, where a logarithm is not.
  Index parameters() const { return size(); }
  [[gnu::cold]] void pack(Eigen::VectorXd& v, Index& at) const {
    for (Index k = 0; k < size(); ++k) v(at++) = std::sqrt(weights_(k));
  }
  [[gnu::cold]] bool unpack(const Eigen::VectorXd& v, Index& at) {
    double total = 0;
    for (Index k = 0; k < size(); ++k, ++at) total += (weights_(k) = v(at) * v(at));
    for (Index k = 0; k < size(); ++k) weights_(k) /= total;
    return std::isfinite(total) && total > 0;
  }
  [[gnu::cold]] void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    const double total = s.counts.sum();
    for (Index k = 0; k < size(); ++k) { v(at++) = slope_by_root(s.counts(k), total, weights_(k)); }
  }

  Index sample(Rng& rng) const { return rng.categorical(weights_); }

  // Model files: see data/model_file.hpp.
  static constexpr const char* stored_as = "constant";
  template <class Fields>
  void save(Fields& out) const {
    out.vector("weights", weights_);
  }
  template <class Fields>
  static ConstantGate load(const Fields& in) {
    const Eigen::VectorXd weights = in.vector("weights");
    ConstantGate result(weights);
    result.weights_ = weights;  // bit for bit: not divided by their sum again
    return result;
  }

  /// Without component k; the others keep their proportions.
  [[gnu::cold]] void drop(Index k) {
    ConstantGate rest(size() - 1);
    const double left = 1 - weights_(k);
    for (Index other = 0; other < size() && left > 0; ++other) {
      if (other != k) rest.weights_(other - (other > k ? 1 : 0)) = weights_(other) / left;
    }
    *this = rest;
  }
  /// Component k starts again with an equal share.
  [[gnu::cold]] void renew(Index k, const ConstantGate&) {
    const double share = 1 / static_cast<double>(size());
    const double others = 1 - weights_(k);
    for (Index other = 0; other < size(); ++other) {
      weights_(other) = other == k || !(others > 0) ? share : weights_(other) * (1 - share) / others;
    }
  }

 private:
  Eigen::VectorXd weights_;
};

}  // namespace emulsion
