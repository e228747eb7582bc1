#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/data/inspect.hpp"
#include "emulsion/data/regression.hpp"

namespace emulsion {

/// tanh of every covariate: bounded, and not a linear function of them (the transformed input that Nguyen et al. (2024)
/// propose for logistic experts).
struct HyperbolicTangent {
  /// How many features p covariates give.
  static Index features(Index p) { return p; }
  /// Of a block: features x b.
  void operator()(const Points<>& z, Eigen::Ref<Eigen::MatrixXd> out) const {
    for (Index i = 0; i < z.size(); ++i) {
      for (Index j = 0; j < z.dimension(); ++j) out(j, i) = std::tanh(z(j, i));
    }
  }
};

/// A gate on features M(z) of the gate covariates: TransformedGate(SoftmaxGate(K, features), map, p). A map is a value
/// with features(p) and operator()(z, out), as HyperbolicTangent.
template <class Gate, class Map>
class TransformedGate {
 public:
  static constexpr bool local_m_step = LocalMStep<Gate>;
  using Statistics = typename Gate::Statistics;
  struct Scratch {
    typename Gate::Scratch gate;
    Eigen::MatrixXd features;
  };

  /// `covariates`: p.
  TransformedGate(Gate gate, Map map, Index covariates)
      : gate_(std::move(gate)), map_(std::move(map)), covariates_(covariates) {
    require(gate_.covariates() == map_.features(covariates), "a map of ", covariates, " covariates gives ",
            map_.features(covariates), " features; the gate has ", gate_.covariates(), " covariates");
  }

  Index size() const { return gate_.size(); }
  Index covariates() const { return covariates_; }
  /// On the features.
  const Gate& gate() const { return gate_; }
  const Map& map() const { return map_; }
  const Eigen::VectorXd& weights() const { return gate_.weights(); }
  Index free_parameters() const { return gate_.free_parameters(); }

  Statistics statistics() const { return gate_.statistics(); }
  Scratch scratch(Index most) const { return {gate_.scratch(most), Eigen::MatrixXd(gate_.covariates(), most)}; }
  template <class Data>
  void score(const Data& block, Scratch& scratch, Scores scores) const {
    map_(block.z(), scratch.features.leftCols(block.size()));
    gate_.score(Features(scratch.features, block.size()), scratch.gate, scores);
  }
  template <class Data>
  void accumulate(const Data& block, const Responsibilities& r, Scratch& scratch, Statistics& s) const {
    gate_.accumulate(Features(scratch.features, block.size()), r, scratch.gate, s);
  }
  void maximize(const Statistics& s, TransformedGate& next) const { gate_.maximize(s, next.gate_); }
  /// What the statistics of `from` say of these coefficients; see Recentred.
  void recentre(Statistics& s, const TransformedGate& from) const requires Recentred<Gate> {
    gate_.recentre(s, from.gate_);
  }
  double offset() const { return gate_.offset(); }

  Index parameters() const { return gate_.parameters(); }
  void pack(Eigen::VectorXd& v, Index& at) const { gate_.pack(v, at); }
  bool unpack(const Eigen::VectorXd& v, Index& at) { return gate_.unpack(v, at); }
  void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const { gate_.gradient(s, v, at); }

  template <class Data>
  void check(const Data& data) const {
    require(data.z().dimension() == covariates_, "expected ", covariates_, " gate covariates, got ",
            data.z().dimension(), " (z is ", data.z().dimension(), " x ", data.size(),
            "; an observation is a column, rows(z) adapts rows)");
    require_finite(data.z(), "gate covariate");
  }
  /// The frame of the features comes from at most 20,000 observations of positive weight.
  template <class Data>
  void follow(const Data& data) {
    std::vector<Index> chosen;
    const Index step = stride_for(data.size(), 20'000);
    for (Index i = 0; i < data.size(); i += step) {
      if (data.weight(i) > 0) chosen.push_back(i);
    }
    const Points<> z = data.z().gather(chosen);
    Eigen::MatrixXd features(gate_.covariates(), z.size());
    map_(z, features);
    gate_.follow(Features(features, z.size()));
  }
  void describe(const Statistics& s, EventLog& log) const {
    if constexpr (requires { gate_.describe(s, log); }) gate_.describe(s, log);
  }
  void drop(Index k) { gate_.drop(k); }
  void renew(Index k, const TransformedGate& from) { gate_.renew(k, from.gate_); }

 private:
  /// What a gate reads of data.
  class Features {
   public:
    Features(const Eigen::MatrixXd& features, Index size)
        : z_(features.data(), features.rows(), size, 1, features.outerStride()) {}
    Index size() const { return z_.size(); }
    const Points<>& z() const { return z_; }

   private:
    Points<> z_;
  };

  Gate gate_;
  Map map_;
  Index covariates_;
};

}  // namespace emulsion
