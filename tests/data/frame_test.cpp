#include "emulsion/data/frame.hpp"

#include "catch.hpp"
#include "emulsion/core/random.hpp"

using namespace emulsion;

namespace {

Frame frame_of_matrix(const Eigen::MatrixXd& x, bool isotropic = false) { return *frame_of(columns(x), isotropic); }

Eigen::MatrixXd normal_matrix(Index d, Index n, std::uint64_t seed) {
  Rng rng(seed);
  Eigen::MatrixXd x(d, n);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = rng.normal();
  return x;
}

bool power_of_two(double value) {
  int exponent = 0;
  return std::frexp(value, &exponent) == 0.5;
}

}  // namespace

TEST_CASE("a frame's scales are exact powers of two and its coordinates of order one") {
  const Eigen::MatrixXd z = normal_matrix(3, 500, 1);
  for (const double scale : {1.0, 1e-8, 1e100, 1e-300, 1e200}) {
    for (const double offset : {0.0, 7.0, 1e9}) {
      const Eigen::MatrixXd x = scale * (z.array() + offset).matrix();
      const Frame frame = frame_of_matrix(x);
      CAPTURE(scale, offset);
      for (Index j = 0; j < 3; ++j) {
        CHECK(power_of_two(frame.scale(j)));
        CHECK((frame.spread(j) >= 0.9 && frame.spread(j) <= 2.1));
        double sum = 0;
        for (Index i = 0; i < 500; ++i) sum += frame.standardised(x(j, i), j) * frame.standardised(x(j, i), j) / 500;
        CHECK((sum > 0.7 && sum < 1.4));
      }
      CHECK(frame.log_jacobian() == Approx(std::log(frame.scale(0)) * 3).margin(2.1));
    }
  }
}

TEST_CASE("scaling the data by a power of two scales the frame, and no coordinate changes a bit") {
  const Eigen::MatrixXd x = (normal_matrix(2, 301, 2).array() + 3).matrix();
  const Frame frame = frame_of_matrix(x);
  for (const double factor : {0x1p300, 0x1p-700, 8.0}) {
    const Frame other = frame_of_matrix(x * factor);
    CHECK(other.scale == frame.scale / factor);
    CHECK(other.centre == frame.centre);
    CHECK(other.spread == frame.spread);
    CHECK(other.standardised(x(1, 5) * factor, 1) == frame.standardised(x(1, 5), 1));
  }
  CHECK(frame == frame_of_matrix(x));
  CHECK_FALSE(frame == frame_of_matrix(2 * x));
  CHECK_FALSE(frame == Frame::identity(3));
}

TEST_CASE("an isotropic frame has one scale and one spread, that of the widest dimension") {
  Eigen::MatrixXd x = normal_matrix(3, 400, 3);
  x.row(1) *= 1000;
  const Frame frame = frame_of_matrix(x, true), own = frame_of_matrix(x);
  CHECK((frame.scale.array() == own.scale(1)).all());
  CHECK((frame.spread.array() == own.spread(1)).all());
  CHECK(own.scale(0) > 100 * own.scale(1));
  Eigen::MatrixXd constant(2, 3);
  constant << 1, 1, 1, 1e6, 1e6, 1e6;
  const Frame flat = frame_of_matrix(constant, true);
  CHECK(flat.scale(0) == flat.scale(1));
  CHECK(flat.spread(0) == flat.spread(1));
  for (const Index j : {0, 1}) CHECK(flat.standardised(constant(j, 0), j) == 0);
}

TEST_CASE("robust: one wild value does not blur the rest, constants and rare values have a positive spread") {
  Eigen::MatrixXd x = normal_matrix(1, 200, 4);
  const Frame clean = frame_of_matrix(x);
  x(0, 17) = 1e15;
  CHECK(frame_of_matrix(x).spread(0) == Approx(clean.spread(0)).epsilon(0.05));
  CHECK(frame_of_matrix(x).scale == clean.scale);
  x(0, 17) = 1e300;  // but its square must stay finite
  const Frame wild = frame_of_matrix(x);
  CHECK(std::isfinite(200 * std::pow(1e300 * wild.scale(0), 2)));

  for (const double value : {0.0, 5.0, -1e300, 1e-310}) {
    const Frame flat = frame_of_matrix(Eigen::MatrixXd::Constant(1, 9, value));
    CHECK(flat.spread(0) > 0);
    CHECK(flat.standardised(value, 0) == 0);
  }
  Eigen::MatrixXd rare = Eigen::MatrixXd::Constant(1, 100, 2.0);
  rare(0, 3) = 3;
  CHECK(frame_of_matrix(rare).spread(0) > 0);
  Eigen::MatrixXd ends(1, 4);
  ends << -1.7e308, 1.7e308, -1.7e308, 1.7e308;
  CHECK(std::isfinite(frame_of_matrix(ends).standardised(1.7e308, 0)));
}

TEST_CASE("a frame is made of the observations with positive weight alone") {
  Eigen::MatrixXd x = normal_matrix(2, 100, 5);
  const Eigen::MatrixXd kept = x.leftCols(60);
  x.rightCols(40).setConstant(1e12);
  Eigen::VectorXd w = Eigen::VectorXd::Constant(100, 0.3);
  w.tail(40).setZero();
  CHECK(*frame_of(weighted(x, w), false) == frame_of_matrix(kept));
}

TEST_CASE("scale_for is the exponent, within the range that has an inverse") {
  CHECK(Frame::scale_for(1) == 1);
  CHECK(Frame::scale_for(3) == 0.5);
  CHECK(Frame::scale_for(0.75) == 2);
  CHECK(Frame::scale_for(0) == 1);
  for (const double extreme : {5e-324, 1e-310, 1.7e308}) {
    CHECK(std::isnormal(Frame::scale_for(extreme)));
    CHECK(std::isnormal(1 / Frame::scale_for(extreme)));
  }
}
