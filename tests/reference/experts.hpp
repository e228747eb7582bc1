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
inline Eigen::MatrixXd e1_counts() { return twelve({0, 1, 0, 2, 1, 3, 0, 4, 2, 5, 3, 0}).transpose(); }
/// Poisson experts of e1_counts(), log means (0.2 + 0.5 x, 1 + 0.3 x).
inline Eigen::VectorXd e1h() {
  return twelve({0.9509432302570374, 0.8548222236826155, 0.9296375544217417, 0.6430019477303647, 0.7931443633144512,
                 0.4005627344749965, 0.8576567118677169, 0.22967994715520976, 0.5192493703320421, 0.13652513643396313,
                 0.32589644974637366, 0.6631592422190071});
}
/// The same with structural zeros of probability 0.2 in both.
inline Eigen::VectorXd e1i() {
  return twelve({0.9163767577504338, 0.8548222236826155, 0.8673228908420507, 0.6430019477303647, 0.7931443633144512,
                 0.4005627344749965, 0.679330562250924, 0.22967994715520976, 0.5192493703320421, 0.13652513643396313,
                 0.32589644974637366, 0.3118751764375445});
}
/// Logistic experts of whether e1_counts() is above one, log odds (0.2 + 0.5 x, -1 + 0.9 x).
inline Eigen::VectorXd e1j() {
  return twelve({0.7957214816703975, 0.7474449691604511, 0.6925820048037666, 0.8746005819199967, 0.5686145517315564,
                 0.7712041173323522, 0.44031734189424926, 0.6253322641088489, 0.5429872114772545, 0.4603858539935077,
                 0.38205907316261745, 0.1988377609747289});
}

}  // namespace reference
