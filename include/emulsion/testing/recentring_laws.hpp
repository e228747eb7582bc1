#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "emulsion/core/fold.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/testing/probability_laws.hpp"

namespace emulsion::testing {

struct RecentringLaws {
  bool exact = true;  ///< the curvature is that of what the gradient is of; false: a bound or an expectation of it
};

/// Statistics of one E-step of a model, told about other parameters (Recentred).
template <class M>
class RecentringSuite {
 public:
  RecentringSuite(const M& model, const typename M::Data& data, std::uint64_t seed, const RecentringLaws& options)
      : options_(options), data_(data), model_(model), findings_(seed), r_(model.responsibilities(data)) {
    Rng rng(seed);
    model_.pack(v_);
    along_ = v_;
    across_ = v_;
    for (Index j = 0; j < v_.size(); ++j) along_(j) = rng.normal(), across_(j) = rng.normal();
    along_ /= along_.norm(), across_ /= across_.norm();
  }

  std::vector<std::string> operator()() {
    const Statistics s = collect(model_);
    const Eigen::VectorXd here = gradient(model_, s);
    const double unit = here.cwiseAbs().maxCoeff() + data_.total_weight();
    const M near = moved(0.05 * along_), far = moved(0.05 * along_ + 0.1 * across_);
    Statistics at_near = s, at_far = s;
    near.recentre(at_near, model_);
    const Eigen::VectorXd there = gradient(near, at_near);
    findings_.expect((there - here).norm() > 1e-6 * unit, "recentring changes the gradient", "it does not");
    // sums as their parts
    Statistics half = s, sum = at_near;
    half *= 0.25;
    near.recentre(half, model_);
    sum *= 0.75;
    sum += half;
    same(gradient(near, sum), there, unit, "a sum is recentred as its parts");
    // by a detour, and back
    far.recentre(at_far, model_);
    far.recentre(at_near, near);
    same(gradient(far, at_near), gradient(far, at_far), unit, "recentring twice is recentring once");
    model_.recentre(at_near, far);
    same(gradient(model_, at_near), here, unit, "there and back again changes nothing");
    if (options_.exact) first_order(s);
    return std::move(findings_).broken();
  }

 private:
  using Statistics = typename M::Statistics;

  M moved(const Eigen::VectorXd& step) const {
    M result = model_;
    result.unpack(v_ + step);
    return result;
  }
  /// Of an E-step with the responsibilities of the first model.
  Statistics collect(const M& model) const {
    Workers workers(1);
    Fold<M, typename M::Data> fold(model, data_, workers);
    return fold(model, AnyEStep<typename M::Data>([&](const auto& block, Scores r) {
                  r = r_.middleRows(block.first() - data_.first(), block.size());
                  return 0.0;
                }));
  }
  Eigen::VectorXd gradient(const M& model, const Statistics& s) const {
    Eigen::VectorXd result = Eigen::VectorXd::Zero(v_.size());
    model.gradient(s, result);
    return result;
  }
  void same(const Eigen::VectorXd& a, const Eigen::VectorXd& b, double unit, const char* law) {
    findings_.expect_near((a - b).cwiseAbs().maxCoeff(), 0, 1e-11 * unit, law);
  }
  /// Nearby, what is said is what an E-step there would say, up to the square of the distance.
  void first_order(const Statistics& s) {
    double off[2];
    for (const int i : {0, 1}) {
      const M there = moved((i == 0 ? 1e-3 : 5e-4) * along_);
      Statistics told = s;
      there.recentre(told, model_);
      off[i] = (gradient(there, told) - gradient(there, collect(there))).norm();
    }
    const double rounding = 1e-9 * data_.total_weight();
    findings_.expect_at_most(off[1], 0.3 * off[0] + rounding, 0,
                             "recentred statistics have the derivative of those of an E-step");
  }

  RecentringLaws options_;
  typename M::Data data_;
  M model_;
  Findings findings_;
  Eigen::MatrixXd r_;
  Eigen::VectorXd v_, along_, across_;
};

/// The laws of recentre(): linear in the statistics; by a detour, and back again, it ends at the same; with the exact
/// curvature, the error against an E-step at the new parameters is of second order.
///
/// @param model  with a chart and gradient, not a prototype, in the frame of the data
/// @param data   without weights
template <class M>
requires(Differentiable<M>&& Recentred<M>) std::vector<std::string> recentring_laws(
    const M& model, const typename M::Data& data, std::uint64_t seed, const RecentringLaws& options = {}) {
  return RecentringSuite<M>(model, data, seed, options)();
}

}  // namespace emulsion::testing
