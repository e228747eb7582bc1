// The family of docs/adding_a_family.md, written from that page alone.
#include <fstream>
#include <sstream>

#include "catch.hpp"
#include "emulsion/inference/em.hpp"
#include "emulsion/inference/seed.hpp"
#include "emulsion/models/mixture.hpp"

using namespace emulsion;

namespace {

class Geometric {
 public:
  using Data = Points<double>;  // what an observation is: here a column of numbers

  struct Statistics {  // what it learns: sums over observations, all that the M-step needs
    double weight = 0, sum = 0;
    Statistics& operator+=(const Statistics& other) {
      weight += other.weight, sum += other.sum;
      return *this;
    }
    Statistics& operator*=(double c) {
      weight *= c, sum *= c;
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {  // every number in it
      visitor(weight), visitor(sum);
    }
  };

  explicit Geometric(double p = 0.5) : p_(p) {
    require(p > 0 && p <= 1, "a success probability must lie in (0, 1], got ", p);
  }

  double success() const { return p_; }
  Index dimension() const { return 1; }
  Index free_parameters() const { return 1; }

  // out(i) += log p(x_i): added, because a mixture has put the log weight there
  void log_density(const Data& block, Eigen::Ref<Eigen::VectorXd> out) const {
    for (Index i = 0; i < block.size(); ++i) {
      out(i) += std::log(p_) + (block(0, i) > 0 ? block(0, i) * std::log1p(-p_) : 0.0);
    }
  }

  Statistics statistics() const { return {}; }  // the zero, with its storage

  // s += the block; w(i) is the weight of observation i times its responsibility
  void accumulate(const Data& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    for (Index i = 0; i < block.size(); ++i) s.weight += w(i), s.sum += w(i) * block(0, i);
  }

  // the maximizer given s; the old parameters where s is empty
  void maximize(const Statistics& s, Geometric& next) const {
    next.p_ = s.weight > 0 ? s.weight / (s.weight + s.sum) : p_;
  }

  Eigen::VectorXd sample(Rng& rng) const {
    return Eigen::VectorXd::Constant(1, p_ < 1 ? std::floor(std::log(rng.uniform()) / std::log1p(-p_)) : 0.0);
  }

  // throws InvalidArgument for data that the family cannot have produced
  void check(const Data& x) const {
    for (Index i = 0; i < x.size(); ++i) {
      const double value = x(0, i);
      require(std::isfinite(value) && value >= 0 && value == std::floor(value), "observation ", i, " is ", value,
              "; counts must be non-negative integers");
    }
  }

  // optional, four functions, with which em() accelerates: unconstrained parameters, and by them the derivatives of
  // Q = weight log p + sum log(1 - p), 0 on the border; in units in which both are of order one
  Index parameters() const { return 1; }
  void pack(Eigen::VectorXd& v, Index& at) const { v(at++) = std::asin(std::sqrt(p_)); }
  bool unpack(const Eigen::VectorXd& v, Index& at) {
    p_ = std::pow(std::sin(v(at++)), 2);
    return p_ > 0;  // false: not admissible, the plain step is taken
  }
  void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    v(at++) = p_ < 1 ? 2 * (s.weight * std::sqrt(1 / p_ - 1) - s.sum / std::sqrt(1 / p_ - 1)) : 0.0;
  }

 private:
  double p_;
};
static_assert(Component<Geometric>);

}  // namespace

TEST_CASE("the family in this file is the one in the page, and so is its use") {
  const auto read = [](const char* path) {
    std::ifstream file(path);
    REQUIRE(file);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  };
  const std::string page = read("docs/adding_a_family.md"), here = read("tests/distributions/geometric_test.cpp");
  std::size_t blocks = 0;
  for (std::size_t at = page.find("```cpp\n"); at != std::string::npos; at = page.find("```cpp\n", at), ++blocks) {
    std::istringstream block(page.substr(at + 7, page.find("```", at + 7) - at - 7));
    for (std::string line; std::getline(block, line);) CHECK_THAT(here, ContainsSubstring(line));
    at = page.find("```", at + 7) + 3;
  }
  CHECK(blocks == 2);
}

TEST_CASE("one geometric component is the closed form, weighted and repeated alike") {
  Eigen::RowVectorXd x(4), repeated(7);
  x << 0, 3, 1, 2;
  repeated << 0, 0, 0, 3, 1, 2, 2;
  Eigen::VectorXd w(4);
  w << 3, 1, 1, 2;
  const MixtureOf<Geometric> start(Eigen::VectorXd::Ones(1), {Geometric()});
  const auto fit = em(start, weighted(x, w));
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.model[0].success() == Approx(7.0 / 15).epsilon(1e-15));  // n / (n + sum)
  CHECK(em(start, repeated).model[0].success() == Approx(7.0 / 15).epsilon(1e-15));
  CHECK(fit.report.objective == Approx(7 * std::log(7.0 / 15) + 8 * std::log(8.0 / 15)).epsilon(1e-14));
}

TEST_CASE("two geometric components are recovered from a sample, with the same bits on 1, 2 and 7 threads") {
  const MixtureOf<Geometric> truth(Eigen::Vector2d(0.4, 0.6), {Geometric(0.05), Geometric(0.7)});
  Rng rng(3);
  const Eigen::MatrixXd x = truth.sample(20'000, rng);
  const MixtureOf<Geometric> start(Eigen::Vector2d(0.5, 0.5), {Geometric(0.2), Geometric(0.8)});
  const auto fit = em(start, x);  // x: 1 x n
  fit.model[0].success();
  fit.model.responsibilities(x);
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.model[0].success() == Approx(0.05).epsilon(0.05));
  CHECK(fit.model[1].success() == Approx(0.7).epsilon(0.05));
  CHECK(fit.model.weights()(0) == Approx(0.4).epsilon(0.05));
  CHECK(fit.model.free_parameters() == 3);
  CHECK((fit.model.responsibilities(x).rowwise().sum().array() - 1).abs().maxCoeff() < 1e-14);
  const auto seeded = em(seed(Geometric(), 2, x, rng), x);
  CHECK(seeded.report.objective == Approx(fit.report.objective).epsilon(1e-9));
  for (const int threads : {2, 7}) {
    const auto other = em(start, x, {.threads = threads});
    CHECK(other.report.trace == fit.report.trace);
    CHECK(other.model[0].success() == fit.model[0].success());
  }
}

TEST_CASE("a geometric distribution at its border, and data that are not counts") {
  const MixtureOf<Geometric> start(Eigen::VectorXd::Ones(1), {Geometric()});
  const Eigen::RowVectorXd zeros = Eigen::RowVectorXd::Zero(5);
  const auto fit = em(start, zeros);
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.model[0].success() == 1);
  CHECK(fit.report.objective == 0);
  const Eigen::RowVector3d x(1, 2.5, 0);
  CHECK_THROWS_WITH(em(start, x), "observation 1 is 2.5; counts must be non-negative integers");
}
