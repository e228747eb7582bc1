// Functions of the normal, gamma and t distributions where their naive forms lose digits. The values are mpmath's, of
// 40 digits and more.
#include "emulsion/core/normal_tail.hpp"

#include "catch.hpp"
#include "emulsion/core/special_functions.hpp"

using namespace emulsion;

TEST_CASE("log Phi and the inverse of Mills' ratio keep their digits in both tails") {
  const double values[][3] = {// z, log Phi(z), phi(z) / Phi(z)
                              {-60, -1805.0135606805671387, 60.01665742024112493},
                              {-40, -804.60844201375378817, 40.024968847207263723},
                              {-20.5, -214.06672896326380017, 20.548551052435848816},
                              {-8, -35.013437159914549896, 8.1213681122361126807},
                              {-7.75, -33.013888722743087178, 7.87505516320360582},
                              {-4.25, -11.446339749365847058, 4.4644731692662006511},
                              {-4, -10.360101486527290828, 4.2256071444894710728},
                              {-3.5, -8.366065308344092935, 3.7513912648576997313},
                              {-1.25, -2.2476256772143181847, 1.7288166273310539671},
                              {-1, -1.8410216450092635058, 1.5251352761609812091},
                              {-0.5, -1.1759117615936186089, 1.1410777703680644809},
                              {0, -0.69314718055994530942, 0.79788456080286535588},
                              {0.5, -0.36894641528865639307, 0.50916043383703348583},
                              {2, -0.023012909328963488465, 0.055247862678989959102},
                              {4, -0.00003167174337748926386, 0.00013383446446857514211},
                              {4.5, -3.3976788968344661445e-6, 0.000015983795414617585864},
                              {9, -1.1285884059538406478e-19, 1.0279773571668914796e-18},
                              {30, -4.9067139271481870595e-198, 1.473646134878547519e-196}};
  for (const auto& v : values) {
    INFO("z = " << v[0]);
    CHECK(log_normal_cdf(v[0]) == Approx(v[1]).epsilon(1e-14).margin(0));
    CHECK(inverse_mills_ratio(v[0]) == Approx(v[2]).epsilon(1e-14).margin(0));
  }
  CHECK(std::isfinite(inverse_mills_ratio(-1e200)));
  CHECK(inverse_mills_ratio(1e200) == 0);
  CHECK(log_normal_cdf(1e200) == 0);
  CHECK(!(log_normal_cdf(-1e200) > -1e300));
}

TEST_CASE("intervals of a standard normal") {
  const double values[][5] = {
      // a, b, log(Phi(b) - Phi(a)), and phi(a), phi(b) over that probability
      {-1, 2, -0.20016629432446257995, 0.29559286165003363563, 0.065955682558704667011},
      {0.5, 0.75, -2.5021319204099832248, 4.2981873495406531086, 3.6764344653214728955},
      {3, 3.5, -6.7968680066834327659, 3.966680002738982644, 0.78108560433831011528},
      {10, 10.25, -53.312120805396649602, 10.948278969690482231, 0.87103969613867870744},
      {30, 31, -454.32124395634325204, 30.033259667435326759, 1.704593283822866334e-12},
      {-31, -30, -454.32124395634325204, 1.704593283822866334e-12, 30.033259667435326759},
      {-0.01, 0.01, -4.8309782051883746879, 49.998333355555448694, 49.998333355555448694},
      {-9, 8, -6.2220891626777398999e-16, 1.0279773571668921191e-18, 5.0522710835368954315e-15}};
  for (const auto& v : values) {
    INFO("from " << v[0] << " to " << v[1]);
    for (const double share : {0.0, 0.25, 1.0}) {
      const double z = v[0] + share * (v[1] - v[0]);
      const NormalInterval found = normal_interval(z, z - v[0], v[1] - z);
      CHECK(found.log_probability - 0.5 * z * z == Approx(v[2]).epsilon(1e-13).margin(1e-13));
      CHECK(found.at_lower == Approx(v[3]).epsilon(1e-12).margin(0));
      CHECK(found.at_upper == Approx(v[4]).epsilon(1e-12).margin(0));
    }
  }
  const double infinity = std::numeric_limits<double>::infinity();
  const NormalInterval half = normal_interval(1, 1, infinity), all = normal_interval(0.5, infinity, infinity);
  CHECK(half.log_probability - 0.5 == Approx(std::log(0.5)).epsilon(1e-14));
  CHECK(half.at_upper == 0);
  CHECK(all.log_probability == Approx(0.125).epsilon(1e-15));
  CHECK(all.at_lower == 0);
}

TEST_CASE("differences of gamma functions of large arguments") {
  const double values[][3] = {// a, log a - psi(a), log Gamma(a + 1/2) - log Gamma(a) - log(a) / 2
                              {0.05, 17.502112717745878319, -0.99098220816360930426},
                              {0.7, 0.86334860975920229825, -0.16790386456561618427},
                              {3, 0.175827953569642552, -0.041479722546925930299},
                              {11.9, 0.042604863234946245286, -0.010501117486208403039},
                              {40, 0.012552080079093176942, -0.003124918635043224429},
                              {5000, 0.00010000333333332, -0.000024999999958333333833}};
  for (const auto& v : values) {
    INFO("a = " << v[0]);
    CHECK(log_minus_digamma(v[0]) == Approx(v[1]).epsilon(1e-14));
    CHECK(log_gamma_rise(v[0], 0.5) == Approx(v[2]).epsilon(1e-13).margin(1e-15));
    CHECK(inverse_log_minus_digamma(v[1]) == Approx(v[0]).epsilon(1e-14));
  }
}

TEST_CASE("the distribution function of Student's t") {
  const double values[][3] = {// nu, t, P(T <= t)
                              {0.5, -3, 0.1836540779929717241},      {1, 1, 0.75},
                              {4, -0.3, 0.38956071413872985861},     {7, 2.5, 0.97950389070712355156},
                              {1000, -1.5, 0.066965019411043086054}, {30, 12, 0.99999999999972099073}};
  for (const auto& v : values) {
    INFO("nu = " << v[0] << ", t = " << v[1]);
    CHECK(student_t_cdf(v[1], v[0]) == Approx(v[2]).epsilon(1e-12));
  }
  CHECK(student_t_cdf(-1e300, 3) == 0);
  CHECK(student_t_cdf(1e300, 3) == 1);
  CHECK(student_t_cdf(0, 3) == 0.5);
}
