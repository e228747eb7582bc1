#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/testing/component_laws.hpp"
#include "testing/laws.hpp"
// The family of docs/adding_a_family.md is defined in its test, which compares it with the page.
#include "distributions/geometric_test.cpp"  // NOLINT(bugprone-suspicious-include)

using namespace emulsion;

namespace {

template <class C, class Generate>
void laws(const char* name, const C& prototype, const Generate& generate) {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    check_laws(name, testing::component_laws(prototype, generate, seed, {.support = testing::Support::counts}));
  }
}

/// A family of a user without a packed form, a chart, a frame, check() or visit(): the exponential distribution. Its
/// density has half of it, the exponential distribution, has an edge.
class Exponential {
 public:
  using Data = Points<double>;
  struct Statistics {
    double weight = 0, sum = 0;
    Statistics& operator+=(const Statistics& other) {
      weight += other.weight, sum += other.sum;
      return *this;
    }
    Statistics& operator*=(double c) {
      weight *= c, sum *= c;
      return *this;
    }
  };
  Index dimension() const { return 1; }
  Index free_parameters() const { return 1; }
  void log_density(const Data& block, Eigen::Ref<Eigen::VectorXd> out) const {
    for (Index i = 0; i < block.size(); ++i) {
      out(i) += block(0, i) >= 0 ? std::log(rate_) - rate_ * block(0, i) : -std::numeric_limits<double>::infinity();
    }
  }
  Statistics statistics() const { return {}; }
  void accumulate(const Data& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    for (Index i = 0; i < block.size(); ++i) s.weight += w(i), s.sum += w(i) * block(0, i);
  }
  void maximize(const Statistics& s, Exponential& next) const { next.rate_ = s.sum > 0 ? s.weight / s.sum : rate_; }
  Eigen::VectorXd sample(Rng& rng) const { return Eigen::VectorXd::Constant(1, rng.exponential() / rate_); }

 private:
  double rate_ = 1;
};

}  // namespace

TEST_CASE("the laws of a component: Poisson") {
  for (const Index d : {1, 2}) {
    laws("Poisson", Poisson(d), [&](Index n, Rng& rng) { return counts<double>(d, n, rng); });
  }
  laws("Poisson, d = 4", Poisson(4), [](Index n, Rng& rng) { return counts<double>(4, n, rng); });
  laws("Poisson, float", BasicPoisson<float>(2), [](Index n, Rng& rng) { return counts<float>(2, n, rng); });
  laws("Poisson, fixed", BasicPoisson<double, 2>(2), [](Index n, Rng& rng) { return counts<double, 2>(2, n, rng); });
  laws("Poisson, large", Poisson(1),
       [](Index n, Rng& rng) -> Eigen::MatrixXd { return 40 * counts<double>(1, n, rng); });
}

TEST_CASE("the laws of a component: Categorical") {
  const std::vector<Index> items = {2, 3, 4};
  laws("Categorical", Categorical(items), [](Index n, Rng& rng) { return answers<double>(3, n, rng); });
  laws("Categorical, one item", Categorical(std::vector<Index>{5}),
       [](Index n, Rng& rng) { return answers<double>(1, n, rng); });
  laws("Categorical, float", BasicCategorical<float>(items),
       [](Index n, Rng& rng) { return answers<float>(3, n, rng); });
  laws("Categorical, fixed", BasicCategorical<double, 3>(items),
       [](Index n, Rng& rng) { return answers<double, 3>(3, n, rng); });
}

TEST_CASE("the laws of a component: the families of a user") {
  laws("Geometric", Geometric(), [](Index n, Rng& rng) { return counts<double>(1, n, rng); });
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    const auto generate = [](Index n, Rng& rng) {
      Eigen::MatrixXd x(1, n);
      for (Index i = 0; i < n; ++i) x(0, i) = 3 * rng.exponential();
      return x;
    };
    check_laws("Exponential", testing::component_laws(Exponential(), generate, seed, {.total = 0.2}));
  }
}
