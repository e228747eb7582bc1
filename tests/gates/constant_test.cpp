#include "emulsion/gates/constant.hpp"

#include "catch.hpp"
#include "emulsion/core/concepts.hpp"
#include "emulsion/data/points.hpp"

using namespace emulsion;
using Eigen::VectorXd;

static_assert(Term<ConstantGate, Points<double>>);

TEST_CASE("a constant gate: uniform or given weights, divided by their sum") {
  CHECK(ConstantGate(4).weights() == VectorXd::Constant(4, 0.25));
  CHECK(ConstantGate(4).free_parameters() == 3);
  const Eigen::Vector3d given(0.2, 0, 0.8 + 4e-7);
  const ConstantGate gate(given);
  CHECK(gate.weights().sum() == Approx(1).epsilon(1e-16));
  CHECK(gate.weights()(1) == 0);
  CHECK(ConstantGate(Eigen::Vector2d(0.25, 0.75)).weights() == Eigen::Vector2d(0.25, 0.75));
}

TEST_CASE("a constant gate scores log weights and learns counts") {
  const ConstantGate gate(Eigen::Vector3d(0.5, 0.5, 0));
  const Eigen::MatrixXd x = Eigen::MatrixXd::Zero(1, 4);
  const Points<double> data(x);
  Eigen::MatrixXd scores = Eigen::MatrixXd::Constant(6, 3, 2.0);
  auto scratch = gate.scratch(4);
  gate.score(data, scratch, scores.topRows(4));
  CHECK((scores.topLeftCorner(4, 2).array() == 2 + std::log(0.5)).all());
  CHECK((scores.col(2).head(4).array() == -std::numeric_limits<double>::infinity()).all());
  CHECK((scores.bottomRows(2).array() == 2).all());

  Eigen::MatrixXd r(6, 3);
  r << 1, 2, 0, 0, 4, 0, 0, 0, 0, 1, 0, 0, 9, 9, 9, 9, 9, 9;
  auto s = gate.statistics();
  gate.accumulate(data, r.topRows(4), scratch, s);
  CHECK(s.counts == Eigen::Vector3d(2, 6, 0));
  ConstantGate next = gate;
  gate.maximize(s, next);
  CHECK(next.weights() == Eigen::Vector3d(0.25, 0.75, 0));
  s += s;
  s *= 0.5;
  CHECK(s.counts == Eigen::Vector3d(2, 6, 0));
  s *= 0;
  next = gate;
  gate.maximize(s, next);
  CHECK(next.weights() == gate.weights());  // nothing learnt, nothing changed
  CHECK(gate.offset() == 0);
}

TEST_CASE("a constant gate's chart returns to the same weights, and refuses what is not finite") {
  const ConstantGate gate(Eigen::Vector3d(0.1, 0.9, 0));
  VectorXd v(gate.parameters());
  Index at = 0;
  gate.pack(v, at);
  CHECK(at == 3);
  CHECK(v.allFinite());
  ConstantGate other(3);
  at = 0;
  CHECK(other.unpack(3 * v, at));
  CHECK((other.weights() - gate.weights()).cwiseAbs().maxCoeff() < 1e-15);
  v.setZero();
  CHECK_FALSE(other.unpack(v, at = 0));
  v(0) = 1e200;
  CHECK_FALSE(other.unpack(v, at = 0));
}

TEST_CASE("a constant gate draws by weight, drops and renews components") {
  Rng rng(1);
  const ConstantGate gate(Eigen::Vector3d(0.2, 0, 0.8));
  VectorXd counts = VectorXd::Zero(3);
  for (int i = 0; i < 40'000; ++i) counts(gate.sample(rng)) += 1;
  CHECK(counts(1) == 0);
  CHECK(std::abs(counts(0) / 40'000 - 0.2) < 5 * std::sqrt(0.16 / 40'000));

  ConstantGate dropped = gate;
  dropped.drop(0);
  CHECK(dropped.weights() == Eigen::Vector2d(0, 1));
  ConstantGate renewed = gate;
  renewed.renew(1, gate);
  CHECK(renewed.weights()(1) == Approx(1.0 / 3));
  CHECK(renewed.weights()(2) == Approx(4 * renewed.weights()(0)));
  CHECK(renewed.weights().sum() == Approx(1).epsilon(1e-15));
}

TEST_CASE("misuse of a constant gate is one sentence") {
  CHECK_THROWS_WITH(ConstantGate(0), "a mixture needs at least one component, got 0");
  CHECK_THROWS_WITH(ConstantGate(-2), "a mixture needs at least one component, got -2");
  CHECK_THROWS_WITH(ConstantGate(VectorXd()), "a mixture needs at least one component, got none");
  CHECK_THROWS_WITH(ConstantGate(Eigen::Vector2d(1.5, -0.5)),
                    "mixing weights must be finite and not negative; weight 1 is -0.5");
  CHECK_THROWS_WITH(ConstantGate(Eigen::Vector2d(0.5, 0.4)), "mixing weights must sum to one; these 2 sum to 0.9");
  CHECK_THROWS_WITH(ConstantGate(Eigen::Vector2d(1, std::numeric_limits<double>::quiet_NaN())),
                    ContainsSubstring("weight 1 is"));
}
