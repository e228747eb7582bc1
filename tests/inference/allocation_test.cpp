// No iteration allocates. Counts malloc itself, not operator new: Eigen's packing of large products calls it.
#include <atomic>
#include <cstddef>
#include <cstdlib>

#if defined(__clang__) && (defined(__SSE__) || defined(__AVX__))
#include <immintrin.h>  // declares posix_memalign without noexcept: before the definition below
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EMULSION_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define EMULSION_TEST_SANITIZED 1
#endif
#endif
#if !defined(EMULSION_TEST_SANITIZED) && defined(__GLIBC__)
#define EMULSION_TEST_COUNTS_MALLOC 1
#endif

namespace {
[[maybe_unused]] std::atomic<bool> counting{false};
[[maybe_unused]] std::atomic<long> allocations{0};
[[maybe_unused]] void count() {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
}
}  // namespace

#ifdef EMULSION_TEST_COUNTS_MALLOC
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) noexcept {
  count();
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) noexcept {
  count();
  return __libc_calloc(number, size);
}
void* realloc(void* old, std::size_t size) noexcept {
  count();
  return __libc_realloc(old, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) noexcept {
  count();
  *out = __libc_memalign(alignment, size);
  return *out ? 0 : 12;
}
}
#endif

#include "catch.hpp"
#include "emulsion/bayesian_mixture.hpp"
#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/distributions/poisson_gamma.hpp"
#include "emulsion/experts/logistic.hpp"
#include "emulsion/experts/zero_inflated_poisson.hpp"
#include "emulsion/inference/em.hpp"
#include "emulsion/inference/seed.hpp"

using namespace emulsion;

namespace {

[[maybe_unused]] constexpr Covariance structures[] = {Covariance::full, Covariance::diagonal, Covariance::spherical,
                                                      Covariance::tied};

/// Allocations between the ends of iterations 3 and 50 of a fit that takes as many; in 150 dimensions, where clusters
/// cannot help being far apart and parameters soon stand still, of one that takes ten.
template <class M>
long allocations_of(const M& start, const typename M::Data& x, int threads, Acceleration acceleration) {
  Index last = 0;
  allocations = 0;
  em(start, x,
     {.tolerance = 1e-300, .threads = threads, .acceleration = acceleration, .progress = [&](const Report& report) {
        last = report.iterations;
        counting = last >= 3 && last < 50;
        return last < 50;
      }});
  counting = false;
  REQUIRE(last >= (x.dimension() < 100 ? 50 : 10));
  return allocations;
}

/// All numbers of threads and accelerations; two blocks of data at least.
template <class C, class M>
void check(const M& start, const typename C::Data& x) {
  REQUIRE(x.size() > 512);
  for (const int threads : {1, 2}) {
    for (const Acceleration acceleration : {Acceleration::none, Acceleration::automatic}) {
      CAPTURE(threads, acceleration == Acceleration::none, x.dimension());
      CHECK(allocations_of(start, x, threads, acceleration) == 0);
    }
  }
}

/// Two overlapping clusters.
[[maybe_unused]] Eigen::MatrixXd blobs(Index n, Index d, Rng& rng) {
  Eigen::MatrixXd x(d, n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < d; ++j) x(j, i) = rng.normal() * (i % 3 == 0 ? 2 : 1) + (i % 3 == 0 && j < 2 ? 1 : 0);
  }
  return x;
}

}  // namespace

#ifdef EMULSION_TEST_COUNTS_MALLOC

TEST_CASE("the counter counts malloc, operator new and Eigen's memory") {
  allocations = 0;
  counting = true;
  void* volatile block = std::malloc(100);
  const long after_malloc = allocations;
  int* volatile number = new int(3);
  const long after_new = allocations;
  const Eigen::VectorXd v = Eigen::VectorXd::Zero(1000);
  counting = false;
  CHECK(after_malloc == 1);
  CHECK(after_new == 2);
  CHECK(allocations == 3);
  CHECK(v.sum() + *number == 3);
  std::free(block);
  delete number;
}

TEST_CASE("a Gaussian iteration allocates nothing") {
  for (const Index d : {2, 16, 150}) {
    Rng rng(static_cast<std::uint64_t>(d));
    const Eigen::MatrixXd x = blobs(d < 100 ? 1100 : 520, d, rng);
    for (const Covariance covariance : structures) {
      CAPTURE(to_string(covariance));
      check<Gaussian>(seed(Gaussian(d, covariance), 3, x, rng, {.start = Start::random_responsibilities}), x);
    }
  }
}

TEST_CASE("an iteration of variational inference allocates nothing") {
  for (const Index d : {2, 16}) {
    Rng rng(static_cast<std::uint64_t>(d));
    const Eigen::MatrixXd x = blobs(1100, d, rng), counts = x.array().abs().floor();
    for (const Covariance covariance : structures) {
      CAPTURE(to_string(covariance));
      const auto prior = weak_prior(Points<double>(x), covariance);
      const SeedOptions random{.start = Start::random_responsibilities};
      check<Gaussian>(seed_variational(prior, DirichletGate(3), Points<double>(x), rng, random), x);
      const auto gate = StickBreakingGate::pitman_yor(3, 0.2, Concentration::gamma(1, 1));
      check<Gaussian>(seed_variational(prior, gate, Points<double>(x), rng, random), x);
    }
    const PoissonGamma rates(Eigen::VectorXd::Constant(d, 1.5), 0.5);
    check<Poisson>(seed_variational(rates, DirichletGate(3), Points<double>(counts), rng,
                                    {.start = Start::random_responsibilities}),
                   counts);
  }
}

TEST_CASE("a Poisson iteration allocates nothing") {
  for (const Index d : {2, 16, 150}) {
    Rng rng(static_cast<std::uint64_t>(d));
    const MixtureOf<Poisson> truth(Eigen::Vector2d(0.4, 0.6), {Poisson(Eigen::VectorXd::Constant(d, 2.0)),
                                                               Poisson(Eigen::VectorXd::Constant(d, 2.5))});
    const Eigen::MatrixXd x = truth.sample(1100, rng);
    check<Poisson>(seed(Poisson(d), 3, x, rng), x);
  }
}

TEST_CASE("a categorical iteration allocates nothing") {
  for (const Index d : {2, 16, 150}) {
    Rng rng(static_cast<std::uint64_t>(d));
    Eigen::MatrixXd x(d, 1100);
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<double>(rng.below(3));
    check<Categorical>(seed(Categorical(std::vector<Index>(static_cast<std::size_t>(d), 3)), 3, x, rng), x);
  }
}

TEST_CASE("an iteration of a mixture of generalized linear experts allocates nothing") {
  for (const Index p : {1, 9}) {
    Rng rng(static_cast<std::uint64_t>(p));
    const Eigen::MatrixXd x = blobs(1100, p, rng);
    Eigen::MatrixXd counts(1, 1100), labels(1, 1100);
    for (Index i = 0; i < 1100; ++i) {
      counts(0, i) = std::floor(rng.gamma(i % 3 == 0 ? 6 : 1.5));
      labels(0, i) = static_cast<double>(rng.below(3));
    }
    const auto check_experts = [&](const auto& expert, const Eigen::MatrixXd& y) {
      using Expert = std::decay_t<decltype(expert)>;
      const MixtureOfExperts<SoftmaxGate, Expert> prototype(SoftmaxGate(2, p),
                                                            Components<Expert>(std::vector<Expert>(2, expert)));
      const Regression data(x, y);
      check<Expert>(seed(prototype, data, rng, {.start = Start::random_responsibilities}), data);
    };
    check_experts(PoissonExpert(p), counts);
    check_experts(ZeroInflatedPoissonExpert(p), counts);
    check_experts(LogisticExpert(p, 3), labels);
  }
}

TEST_CASE("nor does an iteration in which the floor holds a component up") {
  Rng rng(1);
  Eigen::MatrixXd x = blobs(1100, 4, rng);
  x.row(3).setConstant(7);
  for (const Covariance covariance : structures) {
    CAPTURE(to_string(covariance));
    check<Gaussian>(seed(Gaussian(4, covariance), 2, x, rng, {.start = Start::random_responsibilities}), x);
  }
}

#else
TEST_CASE("allocations are not counted") { WARN("skipped: malloc belongs to a sanitizer, or not to glibc"); }
#endif
