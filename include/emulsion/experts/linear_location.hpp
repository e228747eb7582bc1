#pragma once
#include <Eigen/Core>
#include <memory>
#include <utility>
#include <vector>

#include "emulsion/experts/linear.hpp"

namespace emulsion {

/// What regressions with errors that are not normal share: the line b + B x about which responses lie, the matrix S of
/// their squared scales, and the frame in which both are kept. They are those of a linear expert.
///
/// A prototype (which has no line yet) moves to the middle of any data: zero slopes, the median response, its spread;
/// there latent variables say nothing wild of any observation, whatever its units.
///
/// `Own` is the family. It may have moved(from): what else to do when the frame has changed.
template <class Own>
class LinearLocation {
 public:
  using Data = Regression;

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// q, the number of responses
  Index dimension() const { return line_.dimension(); }
  /// p
  Index covariates() const { return line_.covariates(); }
  /// b (q)
  Eigen::VectorXd intercept() const { return line_.intercept(); }
  /// B (q x p)
  Eigen::MatrixXd slopes() const { return line_.slopes(); }
  /// Structure of the matrix S.
  Covariance structure() const { return line_.structure(); }
  double floor() const { return line_.floor(); }
  Index at_floor() const { return line_.at_floor(); }
  const std::shared_ptr<const Frame>& shared_frame() const { return line_.shared_frame(); }

  /// log |L^-1 (y - b - B x)|, L L' = S: ranks experts where no density is above zero.
  double log_distance(const Data& data, Index i) const { return line_.log_distance(data, i); }

  // --- data -----------------------------------------------------------------------------------------------------------

  void check_shape(const Data& data) const { line_.check_shape(data); }
  /// Every value must be finite.
  void check(const Data& data) const { line_.check(data); }
  void inspect(const Data& data, Index components, EventLog& log) const { line_.inspect(data, components, log); }

  // --- frames ---------------------------------------------------------------------------------------------------------

  std::shared_ptr<const Frame> frame_for(const Data& data) const { return line_.frame_for(data); }
  /// The same expert, kept in the coordinates of another frame; a prototype in the middle of it.
  [[gnu::cold]] Own in(const std::shared_ptr<const Frame>& frame) const {
    Own result = static_cast<const Own&>(*this);
    const std::shared_ptr<const Frame> before = shared_frame();
    result.line_ = line_.in(frame);
    if (result.prototype_) result.line_.centre();
    if constexpr (requires { result.moved(*before); }) result.moved(*before);
    return result;
  }
  [[gnu::cold]] static void share_frame(std::vector<Own>& all) {
    for (Own& e : all) {
      if (!(*e.shared_frame() == *all.front().shared_frame())) e = e.in(all.front().shared_frame());
    }
  }
  /// Of the scales: see regularity_of. Two experts coincide where line and scale do.
  [[gnu::cold]] static Regularity regularity(const std::vector<Own>& all, const Eigen::VectorXd& weights,
                                             double least) {
    std::vector<LinearExpert> lines;
    lines.reserve(all.size());
    for (const Own& e : all) lines.push_back(e.line_);
    return LinearExpert::regularity(lines, weights, least);
  }

 protected:
  explicit LinearLocation(LinearExpert line, bool prototype) : line_(std::move(line)), prototype_(prototype) {}

  LinearExpert line_;
  bool prototype_;  // nothing was learnt or given yet
};

}  // namespace emulsion
