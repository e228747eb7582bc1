#pragma once
#include "emulsion/inference/em.hpp"
#include "emulsion/inference/seed.hpp"
#include "emulsion/models/mixture_of_experts.hpp"
#include "emulsion/testing/model_laws.hpp"
#include "emulsion/testing/probability_laws.hpp"
#include "emulsion/testing/term_laws.hpp"

namespace emulsion::testing {

struct ExpertLaws {
  Support support = Support::real;  ///< of a response
  bool exact_maximize = true;       ///< an expert's maximize() finds the optimum; false: a point not worse
  bool exact_gate = true;           ///< the same of the gate
  bool interior = true;             ///< fits lie clear of the bounds of the parameters
  bool likelihood = true;           ///< the objective is the log likelihood; false: it has offsets (a ridge)
  bool conditional = true;          ///< the objective is of y given x and z; false: of z too (a Gaussian gate)
  bool recovery = true;             ///< the parameters are identified, so that Wilks' theorem holds
  bool moments = true;              ///< mean and variance exist
  double total = 1e-6;              ///< how near to one a density must integrate; one with an edge needs more
};

/// The responses of an expert at one x (p), as a component of points.
template <class Expert>
class AtCovariates {
 public:
  using Scalar = double;
  using Data = Points<double>;
  using Statistics = typename Expert::Statistics;

  AtCovariates(Expert expert, const Eigen::Ref<const Eigen::VectorXd>& x)
      : expert_(std::move(expert)), x_(x), mean_(expert_.mean(Points<>(x_))),
        location_(response_locations(expert_, Points<>(x_))), scale_(expert_.scale(Points<>(x_))) {}

  const Expert& expert() const { return expert_; }
  const Eigen::MatrixXd& mean() const { return mean_; }
  const Eigen::MatrixXd& location() const { return location_; }
  const Eigen::MatrixXd& scale() const { return scale_; }
  Index dimension() const { return expert_.dimension(); }
  Index free_parameters() const { return expert_.free_parameters(); }
  void check(const Data& y) const {
    if constexpr (requires(const Regression& data) { expert_.check(data); }) expert_.check(with_x(y));
  }
  void log_density(const Data& y, Eigen::Ref<Eigen::VectorXd> out) const {
    out += testing::log_density(expert_, with_x(y));
  }
  Statistics statistics() const { return expert_.statistics(); }
  void accumulate(const Data& y, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    read(expert_, with_x(y), [&](auto& block) { expert_.accumulate(block, w, s); });
  }
  void maximize(const Statistics& s, AtCovariates& next) const { expert_.maximize(s, next.expert_); }
  Eigen::VectorXd sample(Rng& rng) const { return expert_.sample(location_.col(0), scale_.col(0), rng); }

 private:
  Regression with_x(const Data& y) const { return {Eigen::MatrixXd(x_.replicate(1, y.size())), y}; }

  Expert expert_;
  Eigen::MatrixXd x_, mean_, location_, scale_;  // p x 1, then q x 1
};

/// What an expert says of a response at one x: its density sums to one, sample() draws from it, and its mean, variance
/// and distribution function are those of the density.
template <class Expert>
void response_laws(const Expert& expert, const Eigen::VectorXd& x, const ExpertLaws& options, Rng& rng,
                   Findings& findings) {
  const AtCovariates<Expert> y(expert, x);
  if (y.mean().rows() != y.dimension()) return;  // predicts something else than the response: classes
  total_probability(y, options.support, options.total, rng, findings);
  sampling(y, options.support, options.total, rng, findings);
  const Nodes<AtCovariates<Expert>> nodes(y, options.support, rng);
  if (!nodes.usable || nodes.random) return;
  const Eigen::VectorXd p = log_density(y, Points<>(nodes.x));
  for (Index r = 0; r < y.dimension(); ++r) {
    const double mean = y.mean()(r, 0), scale = y.scale()(r, 0);
    const double location = y.location()(r, 0), variance = expert.variance(location, scale);
    double first = 0, second = 0;
    for (Index i = 0; i < p.size(); ++i) {
      const double share = nodes.weight[static_cast<std::size_t>(i)] * std::exp(p(i)), off = nodes.x(r, i) - mean;
      if (share > 0) first += share * off, second += share * off * off;
    }
    const double tolerance = 10 * options.total;
    if (options.moments) {
      findings.expect_near(first, 0, tolerance * nodes.deviation(r), "mean() is that of the density");
      findings.expect_near(second, variance, tolerance * std::max(variance, nodes.deviation(r) * nodes.deviation(r)),
                           "variance() is that of the density");
    }
    for (double z = -2.5; z <= 2.5 && y.dimension() == 1; z += 0.5) {
      const bool counts = options.support == Support::counts;
      double at = mean + z * nodes.deviation(r);
      if (counts) at = std::max(0.0, std::floor(at));
      const double h = counts ? 0.5 : 1e-4 * nodes.deviation(r), width = counts ? 1 : 2 * h;
      Eigen::MatrixXd point = Eigen::MatrixXd::Constant(1, 1, at);
      const double density = std::exp(log_density(y, Points<>(point))(0));
      const double slope =
          (expert.cumulative(at + h, location, scale) - expert.cumulative(at - h, location, scale)) / width;
      findings.expect_near(slope, density, counts ? 1e-12 : 1e-5 / nodes.deviation(r),
                           "cumulative() is the distribution function of the density");
    }
    findings.expect_near(expert.cumulative(mean + 1e6 * nodes.deviation(r), location, scale), 1, 10 * options.total,
                         "cumulative() goes from zero to one");
    findings.expect_near(expert.cumulative(mean - 1e6 * nodes.deviation(r) - 1, location, scale), 0, 10 * options.total,
                         "cumulative() goes from zero to one");
  }
}

/// The laws of a mixture of experts beyond those of every model.
template <class M>
class ExpertSuite {
 public:
  ExpertSuite(const M& prototype, const Regression& data, std::uint64_t seed, const ExpertLaws& options)
      : options_(options), seed_(seed), rng_(seed), data_(data),
        start_(emulsion::seed(prototype, data, rng_, {.start = Start::random_means, .width = 0.7})), fitted_(start_),
        findings_(seed) {
    start_.follow(data_);
    auto fit = em(start_, data_, {.max_iterations = 2000, .tolerance = 1e-14});
    converged_ = fit.report.status == Status::converged;
    findings_.expect(fit.report.status != Status::objective_fell && fit.report.status != Status::failed,
                     "em does not fail on the data given", to_string(fit.report.status));
    fitted_ = std::move(fit.model);
  }

  std::vector<std::string> operator()() {
    gradients();
    frames();
    conditional();
    recovery();
    few_observations();
    for (Index k = 0; k < fitted_.size(); ++k) {
      for (int query = 0; query < 3; ++query) {
        const auto i = static_cast<Index>(rng_.below(static_cast<std::uint64_t>(data_.size())));
        const Eigen::VectorXd x = data_.x().matrix().col(i);
        response_laws(start_[k], x, options_, rng_, findings_);
      }
    }
    std::vector<std::string> all = std::move(findings_).broken();
    append(all, "experts",
           term_laws(start_.bank(), data_, seed_,
                     {.exact_maximize = options_.exact_maximize, .interior = options_.interior}));
    append(
        all, "gate",
        term_laws(start_.gate(), data_, seed_, {.gate = options_.conditional, .exact_maximize = options_.exact_gate}));
    append(all, "model",
           model_laws(start_, data_, seed_,
                      {.likelihood = options_.likelihood, .exact_maximize = options_.exact_maximize}));
    return all;
  }

 private:
  static void append(std::vector<std::string>& all, const char* part, const std::vector<std::string>& more) {
    for (const std::string& one : more) all.push_back(sentence({part, ", ", one}));
  }
  static double objective(const M& model, const Regression& data) {
    const double offset = model.objective(model.statistics());  // of no observations
    return offset + model.log_likelihood(data);
  }

  /// The gradient is that of the observed objective (Fisher's identity), and vanishes at a fit.
  void gradients() {
    if constexpr (Differentiable<M>) {
      const double n = data_.total_weight();
      Eigen::VectorXd v, g;
      for (const M* model : {&start_, &fitted_}) {
        gradient(*model, v, g);
        for (Index j = 0; j < v.size(); ++j) {
          double value[2];
          const double h = 1e-5 * std::min(1.0, std::abs(v(j)));  // roots may be small
          bool inside = std::abs(v(j)) > 1e-3;                    // roots of weights: not at their border
          for (int side = 0; side < 2; ++side) {
            M near = *model;
            Eigen::VectorXd u = v;
            u(j) += side == 0 ? -h : h;
            inside = near.unpack(u) && inside;
            if (inside) value[side] = objective(near, data_);
          }
          const double slope = inside ? (value[1] - value[0]) / (2 * h) : 0;
          if (!inside || !std::isfinite(slope)) continue;
          findings_.expect_near(g(j), slope, 1e-5 * (n + g.cwiseAbs().maxCoeff()),
                                "gradient is that of the observed objective");
        }
      }
      Index held = 0;
      for (Index k = 0; k < fitted_.size(); ++k) held += fitted_.at_floor(k) + fitted_.at_bound(k);
      if (!converged_ || held > 0) return;
      findings_.expect_at_most(g.cwiseAbs().maxCoeff(), 1e-5 * n, 0, "the gradient vanishes at a fit");
    }
  }
  void gradient(const M& model, Eigen::VectorXd& v, Eigen::VectorXd& g) const {
    Workers workers(1);
    Fold<M, Regression> fold(model, data_, workers);
    model.pack(v);
    g = Eigen::VectorXd::Zero(v.size());
    model.gradient(fold(model, Soft{}), g);
  }

  void frames() {
    M moved = fitted_;
    moved.follow(data_.slice(data_.size() / 2, data_.size() - data_.size() / 2));
    const double difference = largest_difference(moved.log_density(data_), fitted_.log_density(data_));
    findings_.expect(difference <= 1e-10, "a model in another frame is the same distribution",
                     "log densities differ by ", difference);
  }

  void conditional() {
    const Eigen::VectorXd p = conditional_log_density(fitted_, data_);
    findings_.expect(!has_nan(p), "a conditional log density is never NaN", "one is");
    if (!options_.conditional) return;
    const double difference = largest_difference(p, fitted_.log_density(data_));
    findings_.expect(difference <= 1e-11, "the objective is of y given x and z", "log densities differ by ",
                     difference);
  }

  /// 2 (log likelihood of the fit - that of the truth) for responses of the truth is chi-squared with as many degrees
  /// of freedom as parameters (Wilks, 1938).
  void recovery() {
    if (!options_.conditional || !options_.recovery) return;
    std::vector<Index> chosen;
    chosen.reserve(1500);
    for (int i = 0; i < 1500; ++i)
      chosen.push_back(static_cast<Index>(rng_.below(static_cast<std::uint64_t>(data_.size()))));
    const Regression given = data_.gather(chosen);
    const Eigen::MatrixXd y = predict(start_, given.covariates()).sample(rng_);
    if (y.rows() != data_.y().dimension()) return;
    const bool own_z = data_.dimension() > data_.x().dimension() + data_.y().dimension();
    const Regression drawn = own_z ? Regression(given.x(), Points<>(y), given.z()) : Regression(given.x(), Points<>(y));
    const M found = em(start_, drawn, {.max_iterations = 500, .tolerance = 1e-7}).model;
    const double ratio = 2 * (found.log_likelihood(drawn) - start_.log_likelihood(drawn));
    const auto freedom = static_cast<double>(start_.free_parameters());
    findings_.expect(ratio <= freedom + 8 * std::sqrt(2 * freedom) + 20 && (ratio >= -1e-6 || !options_.likelihood),
                     "em on responses of a model finds its parameters (Wilks)", "twice the log likelihood ratio is ",
                     ratio, " for ", freedom, " parameters");
  }

  /// One observation, many equal ones, and weights of every size: never NaN, never a fall.
  void few_observations() {
    Regression equal = data_.gather(std::vector<Index>(8, 0)), few = data_.gather({0, 1});
    const Regression one = data_.gather({0});
    for (const Regression* some : std::initializer_list<const Regression*>{&one, &few, &equal}) {
      for (const double weight : {1.0, 1e-200, 1e100}) {
        const Eigen::VectorXd w = Eigen::VectorXd::Constant(some->size(), weight);
        const Regression data = some->with_weights(w.data(), w.size());
        const auto fit = em(start_, data, {.max_iterations = 30});
        findings_.expect(fit.report.status != Status::objective_fell && !has_nan(fit.model.log_density(data_)),
                         "few observations never make NaN or a fall", some->size(), " of weight ", weight, ": ",
                         to_string(fit.report.status));
      }
    }
  }

  ExpertLaws options_;
  std::uint64_t seed_;
  Rng rng_;
  Regression data_;
  M start_, fitted_;
  bool converged_ = false;
  Findings findings_;
};

/// Every law of a mixture of experts, broken ones as sentences: those of the gate and of the experts as terms
/// (term_laws.hpp) and of the model (model_laws.hpp); and
///
/// - at every x the density of an expert sums to one; sample(), mean(), variance() and cumulative() are its own;
/// - the gradient is that of the observed objective by finite differences, and vanishes at a fit;
/// - the model in another frame is the same; its objective is the conditional log likelihood, where the gate says so;
/// - em on responses drawn from the model comes as near to its parameters as Wilks says;
/// - one observation, equal ones and weights of 1e-200 and 1e100 never make NaN, and the objective never falls.
///
///   expert_laws(MixtureOfExperts<SoftmaxGate, LinearExpert>(SoftmaxGate(2, 1), experts), Regression(x, y), seed,
///               {.exact_gate = false});
///
/// @param prototype  any parameters; the start is found from the data
/// @param data       a few hundred observations that the model describes, without weights
template <class Gate, class Expert>
std::vector<std::string> expert_laws(const MixtureOfExperts<Gate, Expert>& prototype, const Regression& data,
                                     std::uint64_t seed, const ExpertLaws& options = {}) {
  return ExpertSuite<MixtureOfExperts<Gate, Expert>>(prototype, data, seed, options)();
}

}  // namespace emulsion::testing
