#pragma once
#include <Eigen/Core>
#include <cmath>

/// Twelve observations for mixtures of experts at fixed parameters, and the responsibilities of the first expert under
/// each gate and family: README.md here says where they come from.
namespace reference {

inline Eigen::MatrixXd e1_x() {
  Eigen::MatrixXd x(1, 12);
  for (int i = 0; i < 12; ++i) x(0, i) = i / 4.0 - 1.25;
  return x;
}
inline Eigen::MatrixXd e1_y() {
  const Eigen::MatrixXd x = e1_x();
  Eigen::MatrixXd y(1, 12);
  for (int i = 0; i < 12; ++i) y(0, i) = (x(0, i) < 0.2 ? 1 + 2 * x(0, i) : 3 - x(0, i)) + 0.1 * std::sin(5.0 * i);
  return y;
}
inline Eigen::VectorXd twelve(std::initializer_list<double> values) {
  Eigen::VectorXd result(12);
  int i = 0;
  for (const double value : values) result(i++) = value;
  return result;
}

/// Softmax gate (0.5 - x, 0), lines (0.8 + 1.7 x, 2.9 - 0.8 x), deviations (0.3, 0.4).
inline Eigen::VectorXd e1a() {
  return twelve({1.0000000000000000e+00, 1.0000000000000000e+00, 1.0000000000000000e+00, 9.9999999999999833e-01,
                 9.9999999867953859e-01, 9.9999405446023593e-01, 2.1336225847859376e-05, 3.4680945324623097e-02,
                 4.2401653375741338e-01, 2.3721447217829908e-01, 2.2895300148619000e-04, 4.3503989486475662e-10});
}
/// The same at temperature 0.5.
inline Eigen::VectorXd e1b() {
  return twelve({1.0000000000000000e+00, 1.0000000000000000e+00, 1.0000000000000000e+00, 9.9999999999999933e-01,
                 9.9999999937625828e-01, 9.9999639383940830e-01, 2.7396090263700516e-05, 3.4680945324623097e-02,
                 3.6440249276139591e-01, 1.5868938105911895e-01, 1.0816280647152758e-04, 1.6004223345414094e-10});
}
/// Gaussian gate: weights (0.4, 0.6), means (-0.6, 0.8), variances (0.5, 0.7).
inline Eigen::VectorXd e1e() {
  return twelve({1.0000000000000000e+00, 1.0000000000000000e+00, 1.0000000000000000e+00, 9.9999999999999800e-01,
                 9.9999999817749807e-01, 9.9998872348639622e-01, 7.8992060001288628e-06, 8.9313916675089079e-03,
                 1.0771951312832806e-01, 3.1168891120962366e-02, 1.4420418805955718e-05, 1.6090173593263224e-11});
}
/// Softmax gate and lines as in e1a, Student t errors of 4 and 7 degrees of freedom.
inline Eigen::VectorXd e1c() {
  return twelve({0.9999996928446766, 0.9999989712010755, 0.9999961856922057, 0.999972920116634, 0.999742927924246,
                 0.9982300368814591, 0.0145329525318842, 0.08989732439131075, 0.40486451672652496, 0.22884001950380997,
                 0.01204586994345358, 0.00142970659887489});
}
/// Skew-normal errors of shapes 2 and -1.
inline Eigen::VectorXd e1d() {
  return twelve({1.0000000000000000e+00, 1.0000000000000000e+00, 1.0000000000000000e+00, 9.9999999999999756e-01,
                 9.9999999857300448e-01, 9.9999334544161633e-01, 3.8894741316471239e-05, 6.2098158605496501e-02,
                 5.9571103983340346e-01, 1.7105640568247152e-03, 1.9877246214165308e-19, 3.4484796244649832e-48});
}
/// Right-censored at 1.8.
inline Eigen::VectorXd e1f() {
  return twelve({1.0000000000000000e+00, 1.0000000000000000e+00, 1.0000000000000000e+00, 9.9999999999999833e-01,
                 9.9999999867953859e-01, 9.9999405446023593e-01, 3.4683693387337462e-02, 2.4323436893977110e-01,
                 4.1668982928559967e-01, 4.3711733161571681e-01, 2.2895300148619000e-04, 4.3503989486475662e-10});
}
/// Left-truncated at -2.
inline Eigen::VectorXd e1g() {
  return twelve({1.0000000000000000e+00, 1.0000000000000000e+00, 1.0000000000000000e+00, 9.9999999999999833e-01,
                 9.9999999867953859e-01, 9.9999405446023593e-01, 2.1336225847859376e-05, 3.4680945324623097e-02,
                 4.2401653375741338e-01, 2.3721447217829908e-01, 2.2895300148619000e-04, 4.3503989486475662e-10});
}

}  // namespace reference
