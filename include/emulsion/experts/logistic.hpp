#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "emulsion/core/random.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/data/inspect_regression.hpp"
#include "emulsion/data/regression.hpp"
#include "emulsion/experts/twins.hpp"
#include "emulsion/gates/softmax.hpp"
#include "emulsion/models/mixture_of_experts.hpp"

namespace emulsion {

/// Multinomial logistic regression of a class y, labelled 0, ..., C - 1, on p covariates,
///
///   p(y = c | x) = exp(b_c + B_c x) / sum_l exp(b_l + B_l x),   b_0 = 0, B_0 = 0,
///
/// class 0 for reference; C = 2 is Bernoulli regression. Where x separates the classes the slopes have no finite
/// maximum: the likelihood approaches its supremum from below and the report says `separated classes`; a ridge gives
/// them one. So does the probability of a class that is never seen tend to zero.
///
/// The same model of classes as the gate's of components, and the same M-step: see SoftmaxGate. Cost of a pass:
/// n C p, and n p^2 / 2 for each pair of classes.
class LogisticExpert {
 public:
  static constexpr bool local_m_step = true;

  using Data = Regression;
  using Statistics = SoftmaxGate::Statistics;

  /// A block as all experts of a model read it, and room for what one of them makes of it.
  struct Packed {
    SoftmaxGate::Scratch x;
    std::vector<Index> column;  // b: of the class of every observation
    Eigen::MatrixXd classes;    // b x C
  };

  /// Equal probabilities everywhere: the prototype of a fit. `covariates`: p.
  ///
  /// @param ridge  adds -ridge / 2 |B|^2 to the objective; 0: maximum likelihood
  [[gnu::cold]] explicit LogisticExpert(Index covariates, Index classes = 2, double ridge = 0)
      : softmax_(Eigen::MatrixXd(Eigen::MatrixXd::Zero(1 + checked(covariates, classes), std::max<Index>(2, classes))),
                 {.ridge = ridge}) {}
  /// Intercepts b (C - 1) and slopes B ((C - 1) x p) of classes 1, ..., C - 1.
  [[gnu::cold]] LogisticExpert(const Eigen::Ref<const Eigen::VectorXd>& intercept,
                               const Eigen::Ref<const Eigen::MatrixXd>& slopes, double ridge = 0)
      : softmax_(beside_reference(intercept, slopes), {.ridge = ridge}) {}

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// One response, the label.
  static Index dimension() { return 1; }
  /// p
  Index covariates() const { return softmax_.covariates(); }
  /// C
  Index classes() const { return softmax_.size(); }
  double ridge() const { return softmax_.ridge(); }
  /// b (C - 1), of classes 1, ..., C - 1
  Eigen::VectorXd intercept() const { return softmax_.coefficients().row(0).head(classes() - 1).transpose(); }
  /// B ((C - 1) x p)
  Eigen::MatrixXd slopes() const {
    return softmax_.coefficients().bottomLeftCorner(covariates(), classes() - 1).transpose();
  }
  Index free_parameters() const { return softmax_.free_parameters(); }

  // --- density --------------------------------------------------------------------------------------------------------

  Packed packed(Index most) const {
    return {softmax_.scratch(most), std::vector<Index>(static_cast<std::size_t>(most)),
            Eigen::MatrixXd(most, classes())};
  }
  void read(const Data& block, Packed& packed) const {
    softmax_.read(block.x(), packed.x);
    for (Index i = 0; i < block.size(); ++i) {
      packed.column[static_cast<std::size_t>(i)] = column_of(static_cast<Index>(block.y()(0, i)));
    }
  }

  /// out(i) += log p(y_i | x_i)
  void log_density(Packed& block, Eigen::Ref<Eigen::VectorXd> out) const {
    Scores scores(block.classes.topRows(out.size()));
    scores.setZero();
    softmax_.score(block.x, scores);
    for (Index i = 0; i < out.size(); ++i) out(i) += scores(i, block.column[static_cast<std::size_t>(i)]);
  }

  // --- prediction: of queries x, one per column ---------------------------------------------------------------------------

  /// p(y = c | x), C x m.
  Eigen::MatrixXd class_probabilities(const Points<>& x) const {
    const Eigen::MatrixXd& coefficients = softmax_.coefficients_in_frame();
    Eigen::MatrixXd result(classes(), x.size());
    for (Index i = 0; i < x.size(); ++i) {
      for (Index c = 0; c < classes(); ++c) {
        result(c, i) = linear_predictor(coefficients.col(column_of(c)), *softmax_.frame(), x, i);
      }
      const double largest = result.col(i).maxCoeff();
      for (Index c = 0; c < classes(); ++c) result(c, i) = std::exp(result(c, i) - largest);
      result.col(i) /= result.col(i).sum();
    }
    return result;
  }
  // Predicted are the indicators of classes 1, ..., C - 1; of two classes, the label.

  /// p(y = c | x) for c = 1, ..., C - 1, (C - 1) x m.
  Eigen::MatrixXd mean(const Points<>& x) const { return class_probabilities(x).bottomRows(classes() - 1); }
  /// Standard deviations of the indicators, (C - 1) x m.
  Eigen::MatrixXd scale(const Points<>& x) const {
    return mean(x).unaryExpr([](double p) { return std::sqrt(variance(p, 0)); });
  }
  static double variance(double mean, double /*scale*/) { return mean * (1 - mean); }
  /// P([y = c] <= value) of an indicator with that mean.
  static double cumulative(double value, double mean, double /*scale*/) {
    if (value >= 1) return 1;
    return value >= 0 ? 1 - mean : 0.0;
  }
  /// Indicators (C - 1) with those means.
  static Eigen::VectorXd sample(const Eigen::Ref<const Eigen::VectorXd>& mean, const Eigen::Ref<const Eigen::VectorXd>&,
                                Rng& rng) {
    Eigen::VectorXd y = Eigen::VectorXd::Zero(mean.size());
    double left = rng.uniform();
    for (Index c = 0; c < mean.size() && left >= 0; ++c) {
      left -= mean(c);
      if (left < 0) y(c) = 1;
    }
    return y;
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const { return softmax_.statistics(); }

  /// Adds the block with weights w (b): gradient and curvature at these coefficients.
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    Scores r(block.classes.topRows(w.size()));
    r.setZero();
    softmax_.score(block.x, r);
    r.setZero();
    for (Index i = 0; i < w.size(); ++i) r(i, block.column[static_cast<std::size_t>(i)]) = w(i);
    softmax_.accumulate(r, block.x, s);
  }
  /// One step up the weighted log-likelihood (and the ridge) that cannot lead down.
  void maximize(const Statistics& s, LogisticExpert& next) const { softmax_.maximize(s, next.softmax_); }
  /// What the statistics of `from` say of these coefficients; see Recentred.
  void recentre(Statistics& s, const LogisticExpert& from) const { softmax_.recentre(s, from.softmax_); }
  /// Log prior of the ridge, without its constant.
  double offset() const { return softmax_.offset(); }

  // --- unconstrained parameters: the coefficients in the frame --------------------------------------------------------------

  Index parameters() const { return softmax_.parameters(); }
  void pack(Eigen::VectorXd& v, Index& at) const { softmax_.pack(v, at); }
  bool unpack(const Eigen::VectorXd& v, Index& at) { return softmax_.unpack(v, at); }
  void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const { softmax_.gradient(s, v, at); }

  // --- data -----------------------------------------------------------------------------------------------------------

  void check_shape(const Data& data) const { data.require_shape(covariates(), 1); }
  /// Covariates must be finite, responses labels.
  void check(const Data& data) const {
    require_finite(data.x(), "covariate");
    for (Index i = 0; i < data.size(); ++i) {
      const double y = data.y()(0, i);
      require(y >= 0 && y < static_cast<double>(classes()) && y == std::floor(y), "the response of observation ", i,
              " is ", y, "; labels must be integers from 0 to ", classes() - 1);
    }
  }
  [[gnu::cold]] void inspect(const Data& data, Index components, EventLog& log) const {
    inspect_regression(data, components, log, ": one class takes all");
    std::vector<char> seen(static_cast<std::size_t>(classes()), 0);
    for (Index i = 0; i < data.size(); ++i) {
      if (data.weight(i) > 0) seen[static_cast<std::size_t>(data.y()(0, i))] = 1;
    }
    for (Index c = 0; c < classes(); ++c) {
      if (seen[static_cast<std::size_t>(c)] != 0) continue;
      log.add({EventKind::unseen_class, 0, -1, c, 0,
               sentence({"no observation is of class ", c, ": its probability tends to zero"})});
    }
  }
  /// Whether the covariates separate a class from the others, among the observations of this expert, number k.
  [[gnu::cold]] void describe(const Statistics& s, Index k, EventLog& log) const {
    for (Index c = 0; c < classes(); ++c) {
      if (!softmax_.separates(s, column_of(c))) continue;
      log.add({EventKind::separated_classes, 0, k, c, s.counts(column_of(c)),
               sentence({"the covariates separate class ", c, " from the others among the observations of expert ", k,
                         ": its slopes have no finite maximum; a ridge gives them one"})});
    }
  }
  bool alike(const LogisticExpert& other) const {
    return covariates() == other.covariates() && classes() == other.classes();
  }

  // --- frames, over x -----------------------------------------------------------------------------------------------------

  static std::shared_ptr<const Frame> frame_for(const Data& data) { return frame_of(data.x(), false); }
  /// The same expert, kept in the coordinates of another frame.
  [[gnu::cold]] LogisticExpert in(const std::shared_ptr<const Frame>& frame) const {
    LogisticExpert result = *this;
    result.softmax_.follow(frame);
    return result;
  }
  [[gnu::cold]] static void share_frame(std::vector<LogisticExpert>& all) {
    for (LogisticExpert& e : all) {
      if (!(*e.softmax_.frame() == *all.front().softmax_.frame())) e = e.in(all.front().softmax_.frame());
    }
  }
  static Regularity regularity(const std::vector<LogisticExpert>& all, const Eigen::VectorXd& weights, double) {
    return twins_among(all, weights, [](const LogisticExpert& a, const LogisticExpert& b) {
      return same_predictors(a.softmax_.coefficients_in_frame(), b.softmax_.coefficients_in_frame(),
                             *a.softmax_.frame());
    });
  }

 private:
  static Index checked(Index covariates, Index classes) {
    require(covariates >= 0, "the number of covariates must not be negative, got ", covariates);
    require(classes >= 2, "a logistic expert needs at least two classes, got ", classes);
    return covariates;
  }
  /// (1 + p) x C, a column per class, class 0 last.
  static Eigen::MatrixXd beside_reference(const Eigen::Ref<const Eigen::VectorXd>& intercept,
                                          const Eigen::Ref<const Eigen::MatrixXd>& slopes) {
    require(intercept.size() >= 1 && slopes.rows() == intercept.size(), "an expert with ", intercept.size(),
            " intercepts needs slopes of ", intercept.size(), " x p, got ", slopes.rows(), " x ", slopes.cols());
    require(all_finite(intercept) && all_finite(slopes), "intercepts and slopes of an expert must be finite");
    Eigen::MatrixXd result = Eigen::MatrixXd::Zero(1 + slopes.cols(), 1 + intercept.size());
    result.topLeftCorner(1, intercept.size()) = intercept.transpose();
    result.bottomLeftCorner(slopes.cols(), intercept.size()) = slopes.transpose();
    return result;
  }
  /// The softmax has its reference in the last column, here class 0.
  Index column_of(Index label) const { return (label > 0 ? label : classes()) - 1; }

  SoftmaxGate softmax_;
};

static_assert(Component<LogisticExpert>);

/// p(y = c | x, z) = sum_k w_k(z) p_k(c | x) of a mixture of logistic experts at queries, C x m.
///
/// @throws InvalidArgument  if the dimensions differ or a value is not finite
template <class Gate>
Eigen::MatrixXd class_probabilities(const MixtureOfExperts<Gate, LogisticExpert>& model, const Covariates& at) {
  const ExpertPrediction<Gate, LogisticExpert> prediction = predict(model, at);
  Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(model[0].classes(), at.size());
  for (Index k = 0; k < model.size(); ++k) {
    sum += model[k].class_probabilities(at.x()) * prediction.weights().col(k).asDiagonal();
  }
  return sum;
}
template <class Gate>
Eigen::MatrixXd class_probabilities(const MixtureOfExperts<Gate, LogisticExpert>& model, const Points<>& x) {
  return class_probabilities(model, Covariates(x));
}

}  // namespace emulsion
