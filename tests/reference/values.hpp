#pragma once
#include <Eigen/Core>

#include "emulsion/data/csv.hpp"

/// Reference values and the data behind them: README.md here says where each comes from and what its grade means.
/// make_values.R computes them again and compares.
namespace reference {

/// A log-likelihood (total, in nats) at the best known regular optimum.
struct Value {
  char grade;
  double log_likelihood;
  /// How far a fit may be from it, in nats. A: ten digits. B: one implementation, six decimals.
  double slack() const { return grade == 'A' ? 1e-10 * -log_likelihood : 1e-6; }
};

// Gaussian mixtures of Old Faithful (272, 2); mclust's name of the covariances in brackets.
constexpr Value g1{'A', -1289.7967450526137};  // one full (closed form)
constexpr Value g2{'A', -1130.2639601847418};  // two full (VVV)
constexpr Value g3{'A', -1140.1867594370819};  // two tied (EEE)
constexpr Value g4{'A', -1147.80635253781};    // two diagonal (VVI)
constexpr Value g5{'A', -1709.52928217743};    // two spherical (VII)
// Its eruptions alone.
constexpr Value g10_unequal{'B', -276.360040495741};  // two (V)
constexpr Value g10_equal{'B', -287.292024204293};    // two tied (E)
// Iris (150, 4).
constexpr Value i1{'A', -379.914630122269};   // one full (closed form)
constexpr Value i2{'A', -214.3547043705125};  // two full (VVV)
constexpr Value i3{'A', -180.1854771313039};  // three full (VVV)
constexpr Value i4{'A', -256.3540431255839};  // three tied (EEE)
// Galaxies (82, 1), the 78th value 26.960.
constexpr Value l1{'A', -240.416493170818};             // one (closed form)
constexpr Value l1_as_shipped{'A', -240.337891195721};  // the same with MASS's misprint, 26.690
constexpr Value l4{'B', -197.71031124};                 // four (V): the best known regular optimum
constexpr Value l4_common{'B', -199.2902502639};        // four (V): where many starts end
constexpr Value l5_two{'A', -230.498668647551};         // two, three, four tied (E)
constexpr Value l5_three{'A', -212.6802259530};
constexpr Value l5_four{'A', -208.2471305854};
// ESL, table 8.1 (20, 1).
constexpr Value esl{'B', -38.9133715074376};  // two (V)
// Old Faithful with weights 2, 3, 1, 2, 3, 1, ...
constexpr Value w2{'A', -2274.7889748095827};  // two full (VVV)
// Stouffer and Toby's answers, latent classes; days by death notices, Poisson.
constexpr Value c1{'A', -504.467670118380};   // two
constexpr Value p1{'A', -1989.945859882964};  // two

/// Length of an eruption and waiting time to the next (2 x 272).
inline Eigen::MatrixXd faithful() { return emulsion::read_csv("examples/data/faithful.csv").matrix(); }

/// Sepal length and width, petal length and width (4 x 150), 50 flowers of each of three species.
inline Eigen::MatrixXd iris() { return emulsion::read_csv("examples/data/iris.csv", {.label = "Species"}).matrix(); }

/// Velocities of 82 galaxies in 1000 km/s (Roeder, 1990), the 78th corrected to 26.960.
inline Eigen::RowVectorXd galaxies() {
  Eigen::RowVectorXd x(82);
  x << 9.172, 9.350, 9.483, 9.558, 9.775, 10.227, 10.406, 16.084, 16.170, 18.419, 18.552, 18.600, 18.927, 19.052,
      19.070, 19.330, 19.343, 19.349, 19.440, 19.473, 19.529, 19.541, 19.547, 19.663, 19.846, 19.856, 19.863, 19.914,
      19.918, 19.973, 19.989, 20.166, 20.175, 20.179, 20.196, 20.215, 20.221, 20.415, 20.629, 20.795, 20.821, 20.846,
      20.875, 20.986, 21.137, 21.492, 21.701, 21.814, 21.921, 21.960, 22.185, 22.209, 22.242, 22.249, 22.314, 22.374,
      22.495, 22.746, 22.747, 22.888, 22.914, 23.206, 23.241, 23.263, 23.484, 23.538, 23.542, 23.666, 23.706, 23.711,
      24.129, 24.285, 24.289, 24.366, 24.717, 24.990, 25.633, 26.960, 26.995, 32.065, 32.789, 34.279;
  return x;
}

/// Table 8.1 of Hastie, Tibshirani and Friedman (2009).
inline Eigen::RowVectorXd esl_table_8_1() {
  Eigen::RowVectorXd x(20);
  x << -0.39, 0.12, 0.94, 1.67, 1.76, 2.44, 3.72, 4.28, 4.92, 5.53, 0.06, 0.48, 1.01, 1.68, 1.80, 3.25, 4.12, 4.60,
      5.28, 6.22;
  return x;
}

/// Values and how often each was seen: weighted(x, counts).
struct Counted {
  Eigen::MatrixXd x;
  Eigen::VectorXd counts;
};

/// Days with 0 to 9 death notices of women of 80 and over in The Times, 1910 to 1912 (Hasselblad, 1969): 1 x 10.
inline Counted death_notices() {
  Counted data{Eigen::RowVectorXd::LinSpaced(10, 0, 9), Eigen::VectorXd(10)};
  data.counts << 162, 267, 271, 185, 111, 61, 27, 8, 3, 1;
  return data;
}

/// 216 answers to four questions by pattern (Stouffer and Toby, 1951), the last question fastest: 4 x 16.
inline Counted stouffer_toby() {
  Counted data{Eigen::MatrixXd(4, 16), Eigen::VectorXd(16)};
  data.counts << 42, 23, 6, 25, 6, 24, 7, 38, 1, 4, 1, 6, 2, 9, 2, 20;
  for (Eigen::Index i = 0; i < 16; ++i) {
    for (Eigen::Index j = 0; j < 4; ++j) data.x(j, i) = static_cast<double>((i >> (3 - j)) & 1);
  }
  return data;
}

}  // namespace reference
