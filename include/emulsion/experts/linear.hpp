#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "emulsion/core/constants.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/covariance/precision_factor.hpp"
#include "emulsion/covariance/regularity.hpp"
#include "emulsion/covariance/whitening.hpp"
#include "emulsion/data/inspect_regression.hpp"
#include "emulsion/data/regression.hpp"
#include "emulsion/distributions/add_moments.hpp"
#include "emulsion/experts/linear_kernel.hpp"
#include "emulsion/experts/linear_predictor.hpp"
#include "emulsion/experts/regression_statistics.hpp"

namespace emulsion {

template <class Data>
class BasicMatrixNormalWishart;

/// Linear regression with normal errors, of q responses on p covariates,
///
///   y | x ~ N(b + B x, S),
///
/// S full, diagonal, spherical, or tied to the other experts. Statistics: closed form (the moments of x and of the
/// residuals about the line that collects them).
///
/// Coefficients and the inverse factor of S are kept in the coordinates of a frame over (x, y), which the experts of a
/// model share: neither offset nor scale of the data costs digits. A floor holds up the variances, relative to those of
/// the responses (robust).
template <class Data_ = Regression>
class BasicLinearExpert {
 public:
  using Data = Data_;
  using Statistics = RegressionStatistics;
  using Packed = PackedPoints<double>;
  using Conjugate = BasicMatrixNormalWishart<Data_>;  ///< experts/matrix_normal_wishart.hpp

  static constexpr double default_floor = 1e-12;
  static constexpr double least_weight = 1e-305;  ///< below it, sums of weighted observations lose their digits

  /// Zero coefficients and unit variances: the prototype of a fit.
  [[gnu::cold]] explicit BasicLinearExpert(Index covariates, Index responses = 1,
                                           Covariance structure = Covariance::full, double floor = default_floor)
      : floor_(floor), coefficients_(Eigen::MatrixXd::Zero(checked(responses), 1 + std::max<Index>(0, covariates))),
        precision_(structure, responses) {
    require(covariates >= 0, "the number of covariates must not be negative, got ", covariates);
    require(floor >= 1e-20 && floor < 1, "the floor of a covariance, relative to the data's variances, must lie in ",
            "[1e-20, 1), got ", floor, "; below, it would drown in rounding");
    frame_ = std::make_shared<const Frame>(Frame::identity(covariates + responses));
    refresh();
  }

  /// Intercept b (q), slopes B (q x p) and covariance S (q x q, symmetric positive definite) of the errors.
  [[gnu::cold]] BasicLinearExpert(const Eigen::Ref<const Eigen::VectorXd>& intercept,
                                  const Eigen::Ref<const Eigen::MatrixXd>& slopes,
                                  const Eigen::Ref<const Eigen::MatrixXd>& covariance,
                                  Covariance structure = Covariance::full, double floor = default_floor)
      : BasicLinearExpert(slopes.cols(), std::max<Index>(1, intercept.size()), structure, floor) {
    const Index q = intercept.size();
    require(q >= 1 && slopes.rows() == q && covariance.rows() == q && covariance.cols() == q, "an expert with ", q,
            " intercepts needs slopes of ", q, " x p and a covariance of ", q, " x ", q, ", got ", slopes.rows(), " x ",
            slopes.cols(), " and ", covariance.rows(), " x ", covariance.cols());
    require(all_finite(intercept) && all_finite(slopes) && all_finite(covariance),
            "intercept, slopes and covariance of an expert must be finite");
    coefficients_.col(0) = intercept;
    coefficients_.rightCols(covariates()) = slopes;
    Eigen::MatrixXd factor = covariance;
    for (Index j = 0; j < q; ++j) {
      for (Index i = 0; i < q; ++i) {
        const bool form = !precision_.diagonal() || i == j || covariance(i, j) == 0;
        require(covariance(i, j) == covariance(j, i) && form &&
                    (structure != Covariance::spherical || i != j || covariance(i, i) == covariance(0, 0)),
                "the covariance given is not symmetric and ", to_string(structure), ": element (", i, ", ", j, ") is ",
                covariance(i, j));
      }
    }
    require(cholesky(factor), "a covariance must be positive definite; the ", q, " x ", q, " matrix given is not");
    precision_.set_from_factor(std::move(factor));
    refresh();
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// q, the number of responses
  Index dimension() const { return coefficients_.rows(); }
  /// p
  Index covariates() const { return coefficients_.cols() - 1; }
  Covariance structure() const { return precision_.structure(); }
  double floor() const { return floor_; }
  /// b (q)
  Eigen::VectorXd intercept() const { return plain().col(0); }
  /// B (q x p)
  Eigen::MatrixXd slopes() const { return plain().rightCols(covariates()); }
  /// S (q x q)
  Eigen::MatrixXd covariance() const {
    if (precision_.diagonal()) return deviations().cwiseAbs2().asDiagonal();
    Eigen::MatrixXd l = precision_.factor();
    for (Index i = 0; i < dimension(); ++i) l.row(i) /= frame_->scale(covariates() + i);
    return l * l.transpose();
  }
  /// Square roots of the diagonal of S (q)
  Eigen::VectorXd deviations() const {
    if (!precision_.diagonal()) return covariance().diagonal().cwiseSqrt();
    Eigen::VectorXd result(dimension());
    for (Index i = 0; i < dimension(); ++i) result(i) = 1 / precision_(i, i) / frame_->scale(covariates() + i);
    return result;
  }
  /// W with W S W' = I.
  Whitening whitening() const { return {precision_, frame_->scale.tail(dimension())}; }
  Index at_floor() const { return at_floor_; }
  /// Of one expert alone: q (p + 1) coefficients, and the covariance.
  Index free_parameters() const { return coefficients_.size() + precision_.parameters(); }
  static Index free_parameters(const std::vector<BasicLinearExpert>& all) {
    const auto count = static_cast<Index>(all.size());
    const BasicLinearExpert& one = all.front();
    const Index shared = one.structure() == Covariance::tied ? 1 : count;
    return count * one.coefficients_.size() + shared * one.precision_.parameters();
  }

  const std::shared_ptr<const Frame>& shared_frame() const { return frame_; }
  /// In the frame: the mean response at its centre (q), the coefficients (q x (1 + p)), the precision.
  Eigen::VectorXd location() const { return coefficients_.col(0); }
  const Eigen::MatrixXd& coefficients() const { return coefficients_; }
  const PrecisionFactor& precision_factor() const { return precision_; }

  // --- density --------------------------------------------------------------------------------------------------------

  Packed packed(Index most) const {
    Packed result(most, covariates() + dimension());
    reserve_residuals(most, dimension(), result);
    return result;
  }
  void read(const Data& block, Packed& packed) const {
    packed.pack(block.x(), *frame_);
    packed.pack(block.y(), *frame_, covariates());
  }

  /// out(i) += log p(y_i | x_i)
  void log_density(const Packed& block, Eigen::Ref<Eigen::VectorXd> out) const { log_density(block, out.data()); }
  void log_density(const Packed& block, double* out) const {
    add_log_density_affine(block, rows_.data(), shift_.data(), dimension(), constant_, out);
  }
  /// The log density where the errors are zero: -q / 2 log(2 pi) - 1/2 log |S|.
  double log_peak() const { return constant_; }
  /// out(i) -= (y_i - b - B x_i)' S^-1 (y_i - b - B x_i) / 2
  void subtract_half_squares(const Packed& block, double* out) const {
    add_log_density_affine(block, rows_.data(), shift_.data(), dimension(), 0, out);
  }
  /// z(i) += (y_i - b - B x_i) / s of a single response.
  void add_standardised_errors(const Packed& block, double* z) const { add_affine(block, -shift_(0), rows_.data(), z); }

  /// log |L^-1 (y - b - B x)|: ranks experts where no density is above zero.
  [[gnu::cold]] double log_distance(const Data& data, Index i) const {
    const Index p = covariates(), q = dimension();
    Eigen::VectorXd y(q), z(q);
    for (Index r = 0; r < q; ++r) {
      y(r) = data.y()(r, i) * frame_->scale(p + r) - frame_->centre(p + r) - coefficients_(r, 0);
      for (Index j = 0; j < p; ++j) {
        y(r) -= coefficients_(r, 1 + j) * (data.x()(j, i) * frame_->scale(j) - frame_->centre(j));
      }
    }
    const double largest = largest_magnitude(y);
    if (!(largest > 0)) return largest == 0 ? -std::numeric_limits<double>::infinity() : 1e4;
    y /= largest;
    precision_.times(y.data(), z.data());
    return std::log(largest) + 0.5 * std::log(sum_of_squares(z));
  }

  // --- prediction: of queries x, one per column ---------------------------------------------------------------------------

  /// b + B x, q x m.
  Eigen::MatrixXd mean(const Points<>& x) const {
    Eigen::MatrixXd result(dimension(), x.size());
    for (Index i = 0; i < x.size(); ++i) {
      for (Index r = 0; r < dimension(); ++r) {
        double sum = coefficients_(r, 0);
        for (Index j = 0; j < covariates(); ++j) {
          sum += coefficients_(r, 1 + j) * (x(j, i) * frame_->scale(j) - frame_->centre(j));
        }
        result(r, i) = (sum + frame_->centre(covariates() + r)) / frame_->scale(covariates() + r);
      }
    }
    return result;
  }
  /// Standard deviations of the errors, q x m.
  Eigen::MatrixXd scale(const Points<>& x) const { return deviations().replicate(1, x.size()); }
  static double variance(double /*mean*/, double scale) { return scale * scale; }
  /// P(Y <= y) of a response with that mean and scale.
  static double cumulative(double y, double mean, double scale) {
    return 0.5 * std::erfc((mean - y) / scale / std::sqrt(2.0));
  }
  /// A response (q) about that mean.
  Eigen::VectorXd sample(const Eigen::Ref<const Eigen::VectorXd>& mean, const Eigen::Ref<const Eigen::VectorXd>&,
                         Rng& rng) const {
    Eigen::VectorXd z(dimension()), y(dimension());
    for (Index r = 0; r < dimension(); ++r) z(r) = rng.normal();
    precision_.divide(z.data(), y.data());
    for (Index r = 0; r < dimension(); ++r) y(r) = mean(r) + y(r) / frame_->scale(covariates() + r);
    return y;
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const { return {covariates(), dimension()}; }

  /// Adds the block with weights w (b): moments of x and of the residuals.
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    s.move_to(coefficients_);
    block.reference.setZero();
    with_residuals(coefficients_, block, [&] { add_moments(block, w.data(), false, s.moments); });
  }

  struct Workspace {
    RegressionSpace regression;
    EstimationSpace space;
    Eigen::VectorXd residual, pooled, spread;
  };
  [[gnu::cold]] Workspace workspace() const {
    const Index q = dimension();
    const Index size = precision_.diagonal() ? q : q * (q + 1) / 2;
    Workspace result;
    result.residual = result.pooled = Eigen::VectorXd::Zero(size);
    result.spread = Eigen::VectorXd::Zero(q);
    if (!precision_.diagonal()) result.space.a.resize(q, q);
    return result;
  }

  /// Weighted least squares, and the covariance of the residuals under the floor; the old parameters where there are no
  /// observations.
  void maximize(const Statistics& s, BasicLinearExpert& next) const {
    Workspace work = workspace();
    std::vector<BasicLinearExpert> found = {next};
    maximize_all({s}, {*this}, found, work);
    next = std::move(found.front());
  }

  /// The M-step of one expert whose covariance is not tied; the scatter of the residuals is divided by `weight`, which
  /// differs from that of the statistics where families around this one have latent variables.
  [[gnu::cold]] void maximize(const Statistics& s, double weight, BasicLinearExpert& next, Workspace& work) const {
    next.copy_parameters(*this);
    if (!(s.weight() > least_weight)) return;
    work.spread.setZero();
    next.regress(s, work);
    next.estimate_covariance(work.residual, weight, work);
  }

  /// The M-step of all experts at once: pools the residuals where the covariance is tied.
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<BasicLinearExpert>& now,
                                         std::vector<BasicLinearExpert>& next, Workspace& work) {
    const bool tied = now.front().structure() == Covariance::tied;
    double weight = 0;
    work.pooled.setZero();
    work.spread.setZero();
    for (std::size_t k = 0; k < s.size(); ++k) {
      next[k].copy_parameters(now[k]);
      if (!(s[k].weight() > least_weight)) continue;
      next[k].regress(s[k], work);
      if (!tied) {
        next[k].estimate_covariance(work.residual, s[k].weight(), work);
        work.spread.setZero();
        continue;
      }
      weight += s[k].weight();
      work.pooled += work.residual;
    }
    for (std::size_t k = 0; tied && weight > least_weight && k < s.size(); ++k) {
      if (k == 0) next[k].estimate_covariance(work.pooled, weight, work);
      else next[k].share_covariance(next.front());
    }
  }

  void renew(const BasicLinearExpert& from) {
    if (structure() == Covariance::tied) coefficients_ = from.coefficients_, refresh();
    else *this = from;
  }

  // --- unconstrained parameters: coefficients in the frame, and the chart of the precision factor ---------------------------

  /// Of one expert; without its covariance where that is another's.
  [[gnu::cold]] void pack(Eigen::VectorXd& v, Index& at, bool covariance = true) const {
    for (Index i = 0; i < coefficients_.size(); ++i) v(at++) = coefficients_.data()[i];
    if (covariance) precision_.pack(v, at);
  }
  [[gnu::cold]] bool unpack(const Eigen::VectorXd& v, Index& at, const BasicLinearExpert* tied_to = nullptr) {
    for (Index i = 0; i < coefficients_.size(); ++i) coefficients_.data()[i] = v(at++);
    if (tied_to) precision_ = tied_to->precision_;
    else precision_.unpack(v, at);
    at_floor_ = 0;
    if (!precision_.clear_of(floor_, frame_->spread.tail(dimension()))) return false;
    refresh();
    return true;
  }
  [[gnu::cold]] static void pack(const std::vector<BasicLinearExpert>& all, Eigen::VectorXd& v, Index& at) {
    for (const BasicLinearExpert& e : all) e.pack(v, at, e.structure() != Covariance::tied || &e == &all.front());
  }
  /// False where a covariance would lie below the floor.
  [[gnu::cold]] static bool unpack(std::vector<BasicLinearExpert>& all, const Eigen::VectorXd& v, Index& at) {
    for (BasicLinearExpert& e : all) {
      const bool tied = e.structure() == Covariance::tied && &e != &all.front();
      if (!e.unpack(v, at, tied ? &all.front() : nullptr)) return false;
    }
    return true;
  }
  /// Of the log densities of what the statistics hold, by these parameters.
  [[gnu::cold]] static void gradient(const std::vector<BasicLinearExpert>& all, const std::vector<Statistics>& s,
                                     Eigen::VectorXd& v, Index& at) {
    Index factor = at;
    for (std::size_t k = 0; k < all.size(); ++k) {
      const BasicLinearExpert& e = all[k];
      const Index start = at;
      at += e.coefficients_.size();
      if (e.structure() != Covariance::tied || k == 0) {
        factor = at;
        at += e.precision_.parameters();
      }
      for (Index i = start; i < at; ++i) v(i) = 0;
      if (s[k].weight() > 0) e.add_gradient(s[k], &v(start), &v(factor));
    }
  }

  /// Adds those of one expert.
  void add_gradient(const Statistics& s, double* by_coefficients, double* by_chart) const {
    const Index p = covariates(), q = dimension();
    const auto [mean, crossed, residual] = residual_moments(s, coefficients_, precision_.diagonal());
    Eigen::VectorXd cross(q), none = Eigen::VectorXd::Zero(q), pull = none;
    precision_.add_gradient(residual, s.weight(), mean, none, pull.data(), by_chart);
    for (Index r = 0; r < q; ++r) by_coefficients[r] += pull(r);
    Eigen::VectorXd z(q);
    for (Index j = 0; j < p; ++j) {  // S^-1 sum w (residual) x_j
      for (Index r = 0; r < q; ++r) cross(r) = crossed(r, j) + s.weight() * mean(r) * s.moments.mean(j);
      precision_.times(cross.data(), z.data());
      for (Index r = 0; r < q; ++r) {
        for (Index i = precision_.diagonal() ? r : 0; i <= r; ++i)
          by_coefficients[(1 + j) * q + i] += precision_(r, i) * z(r);
      }
    }
  }

  // --- data -----------------------------------------------------------------------------------------------------------

  void check_shape(const Data& data) const { data.require_shape(covariates(), dimension()); }
  /// Every value must be finite.
  void check(const Data& data) const {
    require_finite(data.x(), "covariate");
    require_finite(data.y(), "response");
  }
  void inspect(const Data& data, Index components, EventLog& log) const { inspect_regression(data, components, log); }
  bool alike(const BasicLinearExpert& other) const {
    return structure() == other.structure() && covariates() == other.covariates();
  }

  // --- frames ---------------------------------------------------------------------------------------------------------

  std::shared_ptr<const Frame> frame_for(const Data& data) const {
    return std::make_shared<const Frame>(
        joined(*frame_of(data.x(), false), *frame_of(data.y(), structure() == Covariance::spherical)));
  }
  /// The same expert, kept in the coordinates of another frame.
  [[gnu::cold]] BasicLinearExpert in(const std::shared_ptr<const Frame>& frame) const {
    BasicLinearExpert result = *this;
    Eigen::VectorXd ratio(dimension());
    for (Index r = 0; r < dimension(); ++r) {
      ratio(r) = frame->scale(covariates() + r) / frame_->scale(covariates() + r);
    }
    result.coefficients_ = moved_coefficients(coefficients_, *frame_, *frame);
    result.precision_.rescale(ratio);
    result.frame_ = frame;
    result.refresh();
    return result;
  }
  [[gnu::cold]] static void share_frame(std::vector<BasicLinearExpert>& all) {
    for (BasicLinearExpert& e : all) {
      if (!(*e.frame_ == *all.front().frame_)) e = e.in(all.front().frame_);
    }
  }
  /// Moves it to the middle of the frame: coefficients zero, deviations the spreads.
  [[gnu::cold]] void centre() {
    coefficients_.setZero();
    precision_ = PrecisionFactor(structure(), dimension());
    precision_.rescale(frame_->spread.tail(dimension()));
    refresh();
  }
  /// The same frame and floor with other coefficients (q x (1 + p)) and errors, in the frame.
  [[gnu::cold]] BasicLinearExpert with(const Eigen::MatrixXd& coefficients, const PrecisionFactor& precision) const {
    BasicLinearExpert result = *this;
    result.coefficients_ = coefficients;
    result.precision_ = precision;
    result.refresh();
    return result;
  }
  /// Coefficients (q x (1 + p)) in the frame, and of a single response the reciprocal deviation, in the frame too.
  void set(const Eigen::Ref<const Eigen::MatrixXd>& coefficients, double precision, Index held = 0) {
    coefficients_ = coefficients;
    precision_.at(0, 0) = precision;
    at_floor_ = held;
    refresh();
  }

  /// Coefficients (q x (1 + p)) and the precision of the errors, of the same structure, in the frame.
  void set(const Eigen::MatrixXd& coefficients, const PrecisionFactor& precision) {
    coefficients_ = coefficients;
    precision_ = precision;
    at_floor_ = 0;
    refresh();
  }

  /// Of the residual variances: see regularity_of.
  static Regularity regularity(const std::vector<BasicLinearExpert>& all, const Eigen::VectorXd& weights,
                               double least) {
    return regularity_of(all, weights, least);
  }

 private:
  static Index checked(Index responses) {
    require(responses >= 1, "an expert needs at least one response, got ", responses);
    return responses;
  }

  Eigen::MatrixXd plain() const {
    return moved_coefficients(coefficients_, *frame_, Frame::identity(frame_->dimension()));
  }

  void copy_parameters(const BasicLinearExpert& from) {
    coefficients_ = from.coefficients_;
    share_covariance(from);
  }
  void share_covariance(const BasicLinearExpert& from) {
    precision_ = from.precision_;
    at_floor_ = from.at_floor_;
    refresh();
  }

  /// Coefficients; work.residual, and in work.spread what the floor is relative to: the spread of the responses, or
  /// what rounding allows where that is more.
  void regress(const Statistics& s, Workspace& work) {
    least_squares(s, work.regression, coefficients_, work.residual, precision_.diagonal());
    for (Index r = 0; r < dimension(); ++r) {
      const double least = least_deviation(s, r) / std::sqrt(floor_);
      work.spread(r) = std::max({work.spread(r), frame_->spread(covariates() + r), least});
    }
  }
  void estimate_covariance(const Eigen::VectorXd& residual, double weight, Workspace& work) {
    at_floor_ = precision_.estimate(residual, weight, work.spread, floor_, work.space);
    refresh();
  }

  /// What densities read: the rows of (-W B, W), the shifts W b, the constant.
  void refresh() {
    const Index p = covariates(), q = dimension(), padded = Packed::up(p + q, Packed::tile);
    if (rows_.size() != q * padded) rows_ = Eigen::VectorXd::Zero(q * padded), shift_.resize(q);
    double jacobian = 0;
    for (Index r = 0; r < q; ++r) {
      double* const row = &rows_(r * padded);
      std::fill_n(row, p + q, 0.0);
      shift_(r) = 0;
      for (Index i = precision_.diagonal() ? r : 0; i <= r; ++i) {
        const double w = precision_(r, i);
        row[p + i] = w;
        shift_(r) += w * coefficients_(i, 0);
        for (Index j = 0; j < p; ++j) row[j] -= w * coefficients_(i, 1 + j);
      }
      jacobian += std::log(frame_->scale(p + r));
    }
    constant_ = -0.5 * static_cast<double>(q) * log_two_pi + jacobian + precision_.log_determinant();
  }

  double floor_;
  std::shared_ptr<const Frame> frame_;  // over (x, y)
  Eigen::MatrixXd coefficients_;        // q x (1 + p), in the frame
  PrecisionFactor precision_;
  Eigen::VectorXd rows_, shift_;
  double constant_ = 0;
  Index at_floor_ = 0;
};

using LinearExpert = BasicLinearExpert<>;

/// Whether two experts are one but for rounding.
template <class Data>
[[gnu::cold]] bool coincide(const BasicLinearExpert<Data>& a, const BasicLinearExpert<Data>& b) {
  const Index q = a.dimension();
  double square = 0;
  Eigen::VectorXd z(q);
  for (Index j = 0; j <= a.covariates(); ++j) {
    const Eigen::VectorXd shift = a.coefficients().col(j) - b.coefficients().col(j);
    a.precision_factor().times(shift.data(), z.data());
    const double spread = j == 0 ? 1 : a.shared_frame()->spread(j - 1);
    square += sum_of_squares(z) * spread * spread;
  }
  const double ratio = a.precision_factor().log_determinant() - b.precision_factor().log_determinant();
  return square <= 1e-10 * static_cast<double>(q) && std::abs(ratio) <= 1e-5 * static_cast<double>(q);
}

static_assert(Component<LinearExpert>);

}  // namespace emulsion
