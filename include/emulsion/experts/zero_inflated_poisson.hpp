#pragma once
#include "emulsion/experts/poisson.hpp"
#include "emulsion/gates/constant.hpp"

namespace emulsion {

/// Counts with more zeros than a Poisson regression has,
///
///   p(y | x) = pi [y = 0] + (1 - pi) Poisson(y; exp(b + B x)),
///
/// pi the probability of a structural zero, the same for every x (Lambert, 1992, with a constant logit). Which zeros
/// are structural is latent, and one M-step is that of both parts given the probabilities that they are: the objective
/// never falls. Without surplus zeros pi tends to 0, the border, and the report says so.
class ZeroInflatedPoissonExpert {
 public:
  static constexpr bool local_m_step = true;

  using Data = Regression;

  struct Statistics {
    PoissonExpert::Statistics counted;   // of what is not a structural zero
    ConstantGate::Statistics structure;  // structural zeros, and the rest
    Statistics& operator+=(const Statistics& other) {
      counted += other.counted, structure += other.structure;
      return *this;
    }
    Statistics& operator*=(double c) {
      counted *= c, structure *= c;
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      counted.visit(visitor), structure.visit(visitor);
    }
  };
  struct Packed {
    PoissonExpert::Packed counted;
    Eigen::VectorXd work;  // b
  };

  /// Half of the observations structural zeros, means of one for the rest: the prototype of a fit. `covariates`: p.
  [[gnu::cold]] explicit ZeroInflatedPoissonExpert(Index covariates) : counted_(covariates), structure_(2) {}
  /// Intercept b and slopes B (p) of the log mean of what is not a structural zero; their probability pi in [0, 1].
  [[gnu::cold]] ZeroInflatedPoissonExpert(double intercept, const Eigen::Ref<const Eigen::VectorXd>& slopes,
                                          double structural_zeros)
      : counted_(intercept, slopes), structure_(shares(structural_zeros)) {}

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// One response.
  static Index dimension() { return 1; }
  /// p
  Index covariates() const { return counted_.covariates(); }
  /// b, as a vector of one
  Eigen::VectorXd intercept() const { return counted_.intercept(); }
  /// B (1 x p)
  Eigen::MatrixXd slopes() const { return counted_.slopes(); }
  /// pi
  double structural_zeros() const { return structure_.weights()(0); }
  Index free_parameters() const { return counted_.free_parameters() + 1; }
  /// Whether pi lies on the border of its range (to 1e-10).
  Index at_bound() const { return structural_zeros() < 1e-10 || structural_zeros() > 1 - 1e-10 ? 1 : 0; }

  // --- density --------------------------------------------------------------------------------------------------------

  Packed packed(Index most) const {
    PoissonExpert::Packed counted = counted_.packed(most);
    const Index rows = counted.y.size();
    return {std::move(counted), Eigen::VectorXd::Zero(rows)};
  }
  void read(const Data& block, Packed& packed) const { counted_.read(block, packed.counted); }

  /// out(i) += log p(y_i | x_i)
  void log_density(Packed& block, Eigen::Ref<Eigen::VectorXd> out) const {
    const Index size = block.counted.x.size;
    block.work.head(size).setZero();
    counted_.log_density(block.counted, block.work.head(size));
    const double pi = structural_zeros(), log_rest = structure_.log_weight(1);
    for (Index i = 0; i < size; ++i) {
      out(i) += block.counted.y(i) > 0 ? log_rest + block.work(i) : log_zero(pi, block.counted.mean(i));
    }
  }

  // --- prediction: of queries x, one per column ---------------------------------------------------------------------------

  /// (1 - pi) exp(b + B x), 1 x m.
  Eigen::MatrixXd mean(const Points<>& x) const { return (1 - structural_zeros()) * counted_.mean(x); }
  /// Standard deviations of the counts, 1 x m.
  Eigen::MatrixXd scale(const Points<>& x) const {
    return mean(x).unaryExpr([&](double m) { return std::sqrt(variance(m, 0)); });
  }
  /// m (1 + pi l), where the mean is m = (1 - pi) l.
  double variance(double mean, double /*scale*/) const { return mean * (1 + structural_zeros() * rate(mean)); }
  /// P(Y <= y) of a count with that mean.
  double cumulative(double y, double mean, double /*scale*/) const {
    if (!(y >= 0)) return 0;
    return structural_zeros() + (1 - structural_zeros()) * poisson_cumulative(y, rate(mean));
  }
  /// A count (1) with that mean.
  Eigen::VectorXd sample(const Eigen::Ref<const Eigen::VectorXd>& mean, const Eigen::Ref<const Eigen::VectorXd>&,
                         Rng& rng) const {
    const bool structural = rng.uniform() < structural_zeros();
    return Eigen::VectorXd::Constant(1, structural ? 0.0 : draw_poisson(rate(mean(0)), rng));
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const { return {counted_.statistics(), structure_.statistics()}; }

  /// Adds the block with weights w (b): zeros are shared out by the probability that they are structural.
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    counted_.predict(block.counted);
    const Index size = block.counted.x.size;
    const double pi = structural_zeros();
    double structural = 0;
    for (Index i = 0; i < size; ++i) {
      double share = 0;
      if (!(block.counted.y(i) > 0) && pi > 0) share = pi / (pi + (1 - pi) * std::exp(-block.counted.mean(i)));
      structural += w(i) * share;
      block.work(i) = w(i) * (1 - share);
    }
    s.structure.counts(0) += structural;
    s.structure.counts(1) += simd_sum(block.work.data(), size);
    counted_.accumulate(block.counted, block.work.head(size), s.counted);
  }

  /// Both parts; the old parameters where there are no observations.
  void maximize(const Statistics& s, ZeroInflatedPoissonExpert& next) const {
    structure_.maximize(s.structure, next.structure_);
    counted_.maximize(s.counted, next.counted_);
  }

  /// What the statistics of `from` say of these coefficients; see Recentred.
  void recentre(Statistics& s, const ZeroInflatedPoissonExpert& from) const {
    counted_.recentre(s.counted, from.counted_);
  }

  // --- unconstrained parameters: coefficients in the frame, roots of pi and 1 - pi --------------------------------------------

  Index parameters() const { return counted_.parameters() + structure_.parameters(); }
  void pack(Eigen::VectorXd& v, Index& at) const { counted_.pack(v, at), structure_.pack(v, at); }
  bool unpack(const Eigen::VectorXd& v, Index& at) {
    const bool admissible = counted_.unpack(v, at);
    return structure_.unpack(v, at) && admissible;
  }
  void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    counted_.gradient(s.counted, v, at);
    structure_.gradient(s.structure, v, at);
  }

  // --- data and frames: as those of PoissonExpert ---------------------------------------------------------------------------

  void check_shape(const Data& data) const { counted_.check_shape(data); }
  void check(const Data& data) const { counted_.check(data); }
  void inspect(const Data& data, Index components, EventLog& log) const { counted_.inspect(data, components, log); }
  bool alike(const ZeroInflatedPoissonExpert& other) const { return counted_.alike(other.counted_); }
  static std::shared_ptr<const Frame> frame_for(const Data& data) { return PoissonExpert::frame_for(data); }
  /// The same expert, kept in the coordinates of another frame.
  [[gnu::cold]] ZeroInflatedPoissonExpert in(const std::shared_ptr<const Frame>& frame) const {
    ZeroInflatedPoissonExpert result = *this;
    result.counted_ = counted_.in(frame);
    return result;
  }
  [[gnu::cold]] static void share_frame(std::vector<ZeroInflatedPoissonExpert>& all) {
    for (ZeroInflatedPoissonExpert& e : all) e = e.in(all.front().counted_.shared_frame());
  }
  static Regularity regularity(const std::vector<ZeroInflatedPoissonExpert>& all, const Eigen::VectorXd& weights,
                               double) {
    return twins_among(all, weights, [](const auto& a, const auto& b) {
      return std::abs(a.structural_zeros() - b.structural_zeros()) <= 1e-5 && a.counted_.coincides(b.counted_);
    });
  }

 private:
  static Eigen::VectorXd shares(double pi) {
    require(pi >= 0 && pi <= 1, "the probability of structural zeros must lie in [0, 1], got ", pi);
    Eigen::VectorXd result(2);
    result << pi, 1 - pi;
    return result;
  }
  /// log(pi + (1 - pi) e^-l), to full precision.
  static double log_zero(double pi, double rate) {
    if (rate < 1) return std::log1p((1 - pi) * std::expm1(-rate));
    return pi > 0 ? std::log(pi + (1 - pi) * std::exp(-rate)) : -rate;
  }
  /// The Poisson mean of what has that mean with the structural zeros.
  double rate(double mean) const { return mean > 0 ? mean / (1 - structural_zeros()) : 0.0; }

  PoissonExpert counted_;
  ConstantGate structure_;  // pi, 1 - pi
};

static_assert(Component<ZeroInflatedPoissonExpert>);

}  // namespace emulsion
