#include "emulsion/core/fold.hpp"

#include <stdexcept>
#include <thread>

#include "catch.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/inference/em.hpp"
#include "emulsion/models/mixture.hpp"

using namespace emulsion;

namespace {

/// Writes down which observations it saw, in the order of the merges, and which threads worked.
struct Journal {
  using Data = Points<double>;
  struct Statistics {
    std::vector<Index> seen;
    Statistics& operator+=(const Statistics& other) {
      seen.insert(seen.end(), other.seen.begin(), other.seen.end());
      return *this;
    }
    Statistics& operator*=(double) {
      seen.clear();
      return *this;
    }
  };
  struct Scratch {
    Index most;
  };
  Statistics statistics() const { return {}; }
  Scratch scratch(Index most) const { return {most}; }
  template <class EStep>
  void accumulate(const Data& block, const EStep&, Scratch& scratch, Statistics& s) const {
    if (block.size() < 1 || block.size() > scratch.most) throw std::logic_error("a block of the wrong size");
    if (throws && throws(block)) throw std::runtime_error("block " + std::to_string(block.first()));
    if (slow && block.first() % 7 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    for (Index i = 0; i < block.size(); ++i) s.seen.push_back(block.first() + i);
  }
  bool slow = false;
  std::function<bool(const Data&)> throws = {};
};

std::vector<Index> counted(Index n) {
  std::vector<Index> all;
  for (Index i = 0; i < n; ++i) all.push_back(i);
  return all;
}

}  // namespace

TEST_CASE("a fold visits every observation once and merges in order, whoever computed what") {
  for (const Index n : {1, 2, 511, 512, 513, 4096, 20'000, 300'000}) {
    const Eigen::RowVectorXd x = Eigen::RowVectorXd::Zero(n);
    const Points<double> data(x);
    for (const int threads : {1, 2, 7}) {
      Workers workers(threads);
      for (const Index block : {0, 1, 37, 5000}) {
        if (block == 1 && n > 20'000) continue;
        Fold<Journal, Points<double>> fold(Journal{}, data, workers, block);
        CAPTURE(n, threads, block);
        CHECK(fold(Journal{}, Soft{}).seen == counted(n));
        CHECK(fold(Journal{.slow = n < 20'000}, Soft{}).seen == counted(n));  // again: nothing is left of the first
      }
    }
  }
}

TEST_CASE("an exception on a worker thread comes out of the fold, which can be used again") {
  const Index n = 20'000;
  const Eigen::RowVectorXd x = Eigen::RowVectorXd::Zero(n);
  const Points<double> data(x);
  const auto caller = std::this_thread::get_id();
  for (const int threads : {2, 7}) {
    Workers workers(threads);
    Fold<Journal, Points<double>> fold(Journal{}, data, workers, 100);
    for (int repeat = 0; repeat < 20; ++repeat) {
      // The caller waits in its first block until another thread has thrown.
      std::atomic<bool> thrown{false};
      Journal others;
      others.throws = [&](const Points<double>&) {
        if (std::this_thread::get_id() != caller) {
          thrown = true;
          thrown.notify_all();
          return true;
        }
        thrown.wait(false);
        return false;
      };
      CHECK_THROWS_WITH(fold(others, Soft{}), ContainsSubstring("block "));
      Journal everywhere;
      everywhere.throws = [](const Points<double>&) { return true; };
      CHECK_THROWS_AS(fold(everywhere, Soft{}), std::runtime_error);
      Journal last;
      last.throws = [&](const Points<double>& block) { return block.first() + block.size() == n; };
      CHECK_THROWS_WITH(fold(last, Soft{}), "block 19900");
      CHECK(fold(Journal{}, Soft{}).seen == counted(n));
    }
  }
}

TEST_CASE("an E-step that throws on a worker thread ends em() with its exception") {
  Rng rng(1);
  const MixtureOf<Gaussian> model(Eigen::VectorXd::Ones(1), {Gaussian(2)});
  const Eigen::MatrixXd x = model.sample(20'000, rng);
  for (const int threads : {1, 2, 7}) {
    std::atomic<int> passes{0};
    const auto e_step = [&](const Points<double>& block, Scores scores) {
      if (block.first() == 0 && ++passes == 3) throw std::runtime_error("the third pass");
      return Soft{}(block, scores);
    };
    CHECK_THROWS_WITH(em(model, columns(x), {.tolerance = 1e-300, .threads = threads}, e_step), "the third pass");
  }
}

TEST_CASE("no more threads than blocks to share out") {
  CHECK(useful_threads(7, 10) == 1);
  CHECK(useful_threads(7, 512) == 2);
  CHECK(useful_threads(7, 100'000) == 7);
  CHECK(useful_threads(1, 100'000) == 1);
}

TEST_CASE("1, 2 and 7 threads give the same bits under every covariance and block size") {
  Rng rng(2);
  const Index d = 5, n = 20'003;
  Eigen::MatrixXd x(d, n);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = rng.normal() + (i % 3 == 0 ? 2 : 0);
  Eigen::VectorXd w(n);
  for (Index i = 0; i < n; ++i) w(i) = rng.uniform() < 0.1 ? 0 : rng.uniform();
  const auto data = weighted(x, w);
  for (const Covariance covariance :
       {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
    using Model = MixtureOf<Gaussian>;
    std::vector<Gaussian> components;
    for (Index k = 0; k < 3; ++k) {
      components.emplace_back(Eigen::VectorXd::Constant(d, static_cast<double>(k)), Eigen::MatrixXd::Identity(d, d),
                              covariance);
    }
    Model model(Eigen::Vector3d(0.2, 0.3, 0.5), components);
    model.follow(data);
    for (const Index block : {0, 8, 100, 513, 50'000}) {
      std::vector<std::vector<double>> found;
      for (const int threads : {1, 2, 7}) {
        Workers workers(threads);
        Fold<Model, Points<double>> fold(model, data, workers, block);
        for (int pass = 0; pass < 2; ++pass) {
          auto& numbers = found.emplace_back();
          const auto add = [&](const auto& part) {
            if constexpr (requires { part.data(); })
              numbers.insert(numbers.end(), part.data(), part.data() + part.size());
            else numbers.push_back(part);
          };
          fold(model, Soft{}).visit(add);
        }
      }
      for (const auto& numbers : found) CHECK(numbers == found.front());
    }
  }
}
