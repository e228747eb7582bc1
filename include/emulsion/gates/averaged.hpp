#pragma once
#include <Eigen/Core>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"

namespace emulsion {

/// The mean of the weights of several gates of one kind,
///
///   w_k(z) = sum_s w_sk(z) / S,
///
/// what draws from a posterior of gates predict together. Weights sum to one at every z, whatever S. It has no
/// statistics: it is not fitted.
template <class Gate>
class AveragedGate {
 public:
  struct Statistics {
    Statistics& operator+=(const Statistics&) { return *this; }
    Statistics& operator*=(double) { return *this; }
    template <class Visitor>
    void visit(Visitor&&) {}
  };
  struct Scratch {
    typename Gate::Scratch of_one;
    Eigen::MatrixXd scores, largest;  // b x K
  };

  explicit AveragedGate(std::vector<Gate> gates) : gates_(std::move(gates)) {
    require(!gates_.empty(), "an average of gates needs at least one, got none");
    weights_ = gates_.front().weights();
  }

  /// K
  Index size() const { return gates_.front().size(); }
  Index covariates() const { return gates_.front().covariates(); }
  /// The gates averaged.
  const std::vector<Gate>& all() const { return gates_; }
  /// Those of the first gate.
  const Eigen::VectorXd& weights() const { return weights_; }

  Statistics statistics() const { return {}; }
  Scratch scratch(Index most) const {
    return {gates_.front().scratch(most), Eigen::MatrixXd(most, size()), Eigen::MatrixXd(most, size())};
  }
  /// scores(i, k) += log w_k(z_i), in log space. Cost S times that of one.
  template <class Data>
  void score(const Data& block, Scratch& scratch, Scores scores) const {
    const Index b = scores.rows();
    auto largest = scratch.largest.topRows(b);
    auto sum = scratch.scores.topRows(b);
    largest.setConstant(-std::numeric_limits<double>::infinity());
    sum.setZero();
    Eigen::MatrixXd own(b, size());
    for (const Gate& gate : gates_) {
      own.setZero();
      gate.score(block, scratch.of_one, own);
      for (Index k = 0; k < size(); ++k) {
        for (Index i = 0; i < b; ++i) add(own(i, k), largest(i, k), sum(i, k));
      }
    }
    const double log_count = std::log(static_cast<double>(gates_.size()));
    for (Index k = 0; k < size(); ++k) {
      for (Index i = 0; i < b; ++i) scores(i, k) += largest(i, k) + std::log(sum(i, k)) - log_count;
    }
  }
  template <class Data>
  void check(const Data& data) const {
    gates_.front().check(data);
  }

 private:
  /// One more term of a sum of exponentials, which is exp(largest) sum.
  static void add(double term, double& largest, double& sum) {
    if (term > largest) {
      sum = sum * std::exp(largest - term) + 1;
      largest = term;
    } else if (term > -std::numeric_limits<double>::infinity()) {
      sum += std::exp(term - largest);
    }
  }

  std::vector<Gate> gates_;
  Eigen::VectorXd weights_;
};

}  // namespace emulsion
