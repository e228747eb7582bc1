#include "emulsion/covariance/partition.hpp"

#include "catch.hpp"
#include "emulsion/core/random.hpp"

using namespace emulsion;
using Eigen::MatrixXd;

TEST_CASE("a partition is its blocks, whatever their order") {
  const Partition p({{4, 1}, {2}, {3, 0}});
  CHECK(p == Partition({{0, 3}, {1, 4}, {2}}));
  CHECK(p.dimension() == 5);
  CHECK(p.blocks() == std::vector<std::vector<Index>>{{0, 3}, {1, 4}, {2}});
  CHECK(Partition::finest(2) == Partition({{1}, {0}}));
  CHECK(Partition::coarsest(3) == Partition({{2, 1, 0}}));
}

TEST_CASE("misuse of partitions is one sentence") {
  CHECK_THROWS_WITH(Partition({}), ContainsSubstring("at least one block, got none"));
  CHECK_THROWS_WITH(Partition({{0}, {}}), ContainsSubstring("at least one dimension, got none"));
  CHECK_THROWS_WITH(Partition({{0, 1}, {1, 2}}), ContainsSubstring("dimension 1 is in a partition twice"));
  CHECK_THROWS_WITH(Partition({{0, 3}, {1}}), ContainsSubstring("must be those from 0 to 2; one of them is 3"));
  CHECK_THROWS_WITH(Partition({{0, -1}}), ContainsSubstring("one of them is -1"));
  CHECK_THROWS_WITH(Partition::finest(0), ContainsSubstring("got none"));
  const MatrixXd s = MatrixXd::Identity(2, 2);
  CHECK_THROWS_WITH(covariance_blocks(s, -0.1), ContainsSubstring("must not be negative, got -0.1"));
  CHECK_THROWS_WITH(covariance_blocks(s, std::nan("")), ContainsSubstring("must not be negative"));
  CHECK_THROWS_WITH(covariance_blocks(MatrixXd::Zero(2, 3), 0.1), ContainsSubstring("must be square, got 2 x 3"));
  CHECK_THROWS_WITH(block_path(-s), ContainsSubstring("variance must not be negative; that of dimension 0 is -1"));
  CHECK_THROWS_WITH(block_path(s * std::nan("")), ContainsSubstring("finite"));
}

TEST_CASE("thresholded correlations: connected components, in any units") {
  MatrixXd r = MatrixXd::Identity(5, 5);
  const auto link = [&](Index i, Index j, double value) { r(i, j) = r(j, i) = value; };
  link(0, 2, -0.8), link(2, 4, 0.5), link(1, 3, 0.5), link(0, 1, 0.1);
  const Eigen::VectorXd units = (Eigen::VectorXd(5) << 1, 1e-3, 1e3, 1, 7).finished();
  const MatrixXd s = units.asDiagonal() * r * units.asDiagonal();
  CHECK(covariance_blocks(s, 0.9) == Partition::finest(5));
  CHECK(covariance_blocks(s, 0.6) == Partition({{0, 2}, {1}, {3}, {4}}));
  CHECK(covariance_blocks(s, 0.3) == Partition({{0, 2, 4}, {1, 3}}));
  CHECK(covariance_blocks(r, 0.5) == Partition({{0, 2}, {1}, {3}, {4}}));  // not above
  CHECK(covariance_blocks(s, 0) == Partition::coarsest(5));
  const auto path = block_path(r);
  REQUIRE(path.size() == 4);  // two correlations of 0.5 join at once
  CHECK(path[0].threshold == 0.8);
  CHECK(path[1].threshold == 0.5);
  CHECK(path[2].threshold == 0.1);
  CHECK(path[3].threshold == 0);
  for (const auto& one : path) CHECK(covariance_blocks(r, one.threshold) == one.blocks);
  CHECK(path[3].blocks == Partition::coarsest(5));
  CHECK(block_path(MatrixXd::Identity(3, 3)).size() == 1);  // nothing is correlated
}

TEST_CASE("the path holds every partition that a threshold gives, each for its thresholds") {
  Rng rng(1);
  const Index d = 9;
  MatrixXd a(d, d);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = rng.normal();
  MatrixXd s = a * a.transpose();
  s.row(4).setZero(), s.col(4).setZero();  // a constant is correlated with nothing
  const auto path = block_path(s);
  CHECK(path.size() == 8);
  for (int step = 0; step <= 1000; ++step) {
    const double threshold = 0.001 * step;
    std::size_t at = 0;
    while (path[at].threshold > threshold) ++at;
    CHECK(covariance_blocks(s, threshold) == path[at].blocks);
  }
}
