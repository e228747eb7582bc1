// Mixtures of linear experts under the laws of every mixture of experts, and broken experts that the laws catch.
#include "emulsion/testing/expert_laws.hpp"

#include "emulsion/core/constants.hpp"
#include "emulsion/mixture_of_experts.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Two lines (planes) of q responses on p covariates of different units, away from zero.
Regression lines(Index p, Index q, Index n, Rng& rng) {
  MatrixXd x(p, n), y(q, n);
  for (Index i = 0; i < n; ++i) {
    double sum = 0;
    for (Index j = 0; j < p; ++j) {
      const double z = rng.normal();
      sum += z;
      x(j, i) = std::pow(10.0, static_cast<double>(j)) * (z + 3);
    }
    const bool first = rng.uniform() < 1 / (1 + std::exp(-0.3 - 0.8 * sum));
    for (Index r = 0; r < q; ++r) {
      const double own = static_cast<double>(r) + (first ? 2 + 1.5 * sum : -1 - sum);
      y(r, i) = 100 + 5 * (own + (first ? 0.4 : 0.7) * rng.normal());
    }
  }
  return Regression(std::move(x), std::move(y));
}

template <class Gate>
MixtureOfExperts<Gate, LinearExpert> experts(const Gate& gate, Index p, Index q, Covariance structure) {
  const std::vector<LinearExpert> all(static_cast<std::size_t>(gate.size()), LinearExpert(p, q, structure));
  return MixtureOfExperts<Gate, LinearExpert>(gate, Components<LinearExpert>(all));
}

/// y | x ~ N(b x, 1), the smallest expert there is; `defect` makes one thing wrong.
enum class Defect { none, mean, variance, cumulative, sample, density, gradient, maximize, weight, state };

template <Defect defect>
class SlopeExpert {
 public:
  using Data = Regression;
  struct Statistics {
    double xx = 0, xy = 0;
    Statistics& operator+=(const Statistics& other) {
      xx += other.xx, xy += other.xy;
      return *this;
    }
    Statistics& operator*=(double c) {
      xx *= c, xy *= c;
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      visitor(xx), visitor(xy);
    }
  };

  Index dimension() const { return 1; }
  Index covariates() const { return 1; }
  Index free_parameters() const { return 1; }
  void check_shape(const Data& data) const { data.require_shape(1, 1); }
  void log_density(const Data& block, Eigen::Ref<VectorXd> out) const {
    for (Index i = 0; i < block.size(); ++i) {
      const double off = block.y()(0, i) - slope_ * block.x()(0, i);
      out(i) -= 0.5 * (off * off + log_two_pi) - (defect == Defect::density ? 1e-4 : 0);
    }
  }
  Statistics statistics() const { return {}; }
  void accumulate(const Data& block, const Eigen::Ref<const VectorXd>& w, Statistics& s) const {
    for (Index i = 0; i < block.size(); ++i) {
      const double weight = defect == Defect::weight ? std::sqrt(w(i)) : w(i), x = block.x()(0, i);
      s.xx += weight * x * x, s.xy += weight * x * block.y()(0, i);
    }
  }
  void maximize(const Statistics& s, SlopeExpert& next) const {
    const double found = s.xx > 0 ? s.xy / s.xx : slope_;
    if (defect == Defect::state) next.slope_ += 0.1 * (found - next.slope_);
    else next.slope_ = found + (defect == Defect::maximize ? 1e-4 : 0);
  }
  Index parameters() const { return 1; }
  void pack(VectorXd& v, Index& at) const { v(at++) = slope_; }
  bool unpack(const VectorXd& v, Index& at) { return std::isfinite(slope_ = v(at++)); }
  void gradient(const Statistics& s, VectorXd& v, Index& at) const {
    v(at++) = (s.xy - slope_ * s.xx) * (defect == Defect::gradient ? 1.01 : 1);
  }
  MatrixXd mean(const Points<>& x) const {
    return slope_ * x.matrix() + MatrixXd::Constant(1, x.size(), defect == Defect::mean ? 1e-4 : 0);
  }
  MatrixXd scale(const Points<>& x) const { return MatrixXd::Ones(1, x.size()); }
  static double variance(double, double) { return defect == Defect::variance ? 1.001 : 1; }
  static double cumulative(double y, double mean, double) {
    const double z = defect == Defect::cumulative ? 1.001 * (y - mean) : y - mean;
    return 0.5 * std::erfc(-z / std::sqrt(2.0));
  }
  VectorXd sample(const Eigen::Ref<const VectorXd>& mean, const Eigen::Ref<const VectorXd>&, Rng& rng) const {
    return VectorXd::Constant(1, mean(0) + (defect == Defect::sample ? 1.3 : 1) * rng.normal());
  }

 private:
  double slope_ = 0;
};

template <Defect defect>
std::vector<std::string> laws_of_slopes() {
  Rng rng(5);
  MatrixXd x(1, 200), y(1, 200);
  for (Index i = 0; i < 200; ++i) {
    x(0, i) = 1 + 2 * rng.uniform();
    y(0, i) = (rng.uniform() < 0.4 ? 3 : -1) * x(0, i) + rng.normal();
  }
  using Expert = SlopeExpert<defect>;
  const MixtureOfExperts<ConstantGate, Expert> start(ConstantGate(2), Components<Expert>(std::vector<Expert>(2)));
  return testing::expert_laws(start, Regression(x, y), 1);
}
template <Defect defect>
void caught(const char* law) {
  std::string all;
  for (const std::string& sentence : laws_of_slopes<defect>()) all += sentence + '\n';
  CHECK_THAT(all, ContainsSubstring(law));
}

}  // namespace

TEST_CASE("the laws of a mixture of experts: linear experts under every gate") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    const Regression simple = lines(1, 1, 250, rng), several = lines(2, 2, 250, rng);
    for (const auto structure : {Covariance::full, Covariance::tied}) {
      const std::string name = "linear experts, " + std::string(to_string(structure));
      check_laws(name + ", constant gate",
                 testing::expert_laws(experts(ConstantGate(2), 1, 1, structure), simple, seed));
      check_laws(name + ", softmax gate", testing::expert_laws(experts(SoftmaxGate(2, 1), 1, 1, structure), simple,
                                                               seed, {.exact_gate = false}));
      check_laws(name + ", Gaussian gate, q = 2", testing::expert_laws(experts(GaussianGate(2, 2), 2, 2, structure),
                                                                       several, seed, {.conditional = false}));
    }
  }
}

TEST_CASE("the laws of experts find what is wrong with an expert") {
  CHECK(laws_of_slopes<Defect::none>().empty());
  caught<Defect::mean>("mean() is that of the density");
  caught<Defect::variance>("variance() is that of the density");
  caught<Defect::cumulative>("cumulative() is the distribution function of the density");
  caught<Defect::sample>("sample() draws from the density");
  caught<Defect::density>("the density sums to one");
  caught<Defect::gradient>("gradient is that of the observed objective");
  caught<Defect::maximize>("maximize finds the maximum");
  caught<Defect::weight>("a weight of two is the observation twice");
  caught<Defect::state>("maximize(s, next) writes all of next");
}
