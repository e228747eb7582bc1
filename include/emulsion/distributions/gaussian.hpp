#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <array>
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
#include "emulsion/data/frame.hpp"
#include "emulsion/data/inspect.hpp"
#include "emulsion/distributions/add_moments.hpp"
#include "emulsion/distributions/gaussian_statistics.hpp"

namespace emulsion {

template <class Scalar, int Dim>
class BasicNormalWishart;

/// Normal distribution on R^d,
///
///   log p(x) = -d/2 log 2 pi - 1/2 log |S| - 1/2 (x - m)' S^-1 (x - m),
///
/// S full, diagonal, spherical, or tied to the other components of a mixture. Statistics: closed form.
///
/// It keeps the mean and the inverse W of the covariance's Cholesky factor (PrecisionFactor), in the coordinates of its
/// frame, so that neither offset nor scale of the data costs digits: only covariance() can overflow. The components of
/// one mixture share one frame.
///
/// `Scalar` is the type of the data; parameters are double. Float data are worked on in float while em() is far from
/// its limit (hasten(), refine()), 1.6 to 1.8 times as fast, and in double at the end and everywhere else: what a fit
/// returns is that of the same data in double.
template <class Scalar_ = double, int Dim = Eigen::Dynamic>
class BasicGaussian {
 public:
  using Scalar = Scalar_;
  using Data = Points<Scalar, Dim>;
  using Statistics = GaussianStatistics;
  using Conjugate = BasicNormalWishart<Scalar_, Dim>;  ///< distributions/normal_wishart.hpp
  static constexpr bool mixed = std::is_same_v<Scalar, float>;
  /// A block of float data in both precisions, of which hasten() chooses.
  struct MixedPoints {
    PackedPoints<float> fast;
    PackedPoints<double> exact;
  };
  using Packed = std::conditional_t<mixed, MixedPoints, PackedPoints<double>>;

  static constexpr double default_floor = 1e-12;

  /// Standard normal in `dimension` dimensions: the prototype of a fit. `floor`: the least eigenvalue of a fitted
  /// covariance, relative to the (robust) variances of the data.
  [[gnu::cold]] explicit BasicGaussian(Index dimension, Covariance structure = Covariance::full,
                                       double floor = default_floor)
      : floor_(floor), frame_(std::make_shared<const Frame>(Frame::identity(checked(dimension)))),
        location_(Eigen::VectorXd::Zero(dimension)), precision_(structure, dimension) {
    require(floor >= 1e-15 && floor < 1, "the floor of a covariance, relative to the data's variances, must lie in ",
            "[1e-15, 1), got ", floor, "; below, it would drown in rounding");
    refresh();
  }

  /// With the given mean (d) and covariance (d x d, symmetric positive definite, else InvalidArgument). A diagonal or
  /// spherical structure needs a matrix of that form.
  BasicGaussian(const Eigen::Ref<const Eigen::VectorXd>& mean, const Eigen::Ref<const Eigen::MatrixXd>& covariance,
                Covariance structure = Covariance::full)
      : BasicGaussian(std::max<Index>(1, mean.size()), structure) {
    const Index d = mean.size();
    require(d >= 1 && covariance.rows() == d && covariance.cols() == d, "a Gaussian with a mean of dimension ", d,
            " needs a covariance of ", d, " x ", d, ", got ", covariance.rows(), " x ", covariance.cols());
    require(all_finite(mean) && all_finite(covariance), "the mean and covariance of a Gaussian must be finite");
    const double largest = largest_magnitude(covariance);
    for (Index j = 0; j < d; ++j) {
      for (Index i = 0; i < j; ++i) {
        require(std::abs(covariance(i, j) - covariance(j, i)) <= 1e-10 * largest,
                "a covariance must be symmetric; this one differs from its transpose by more than rounding");
      }
    }
    Frame frame = Frame::identity(d);
    for (Index j = 0; j < d; ++j) {
      require(covariance(j, j) > 0, "a covariance must be positive definite; its diagonal element ", j, " is ",
              covariance(j, j));
      frame.scale(j) = Frame::scale_for(std::sqrt(covariance(j, j)));
    }
    if (structure == Covariance::spherical) frame.scale.setConstant(frame.scale(0));
    for (Index j = 0; j < d; ++j) frame.centre(j) = mean(j) * frame.scale(j);
    if (is_diagonal(structure)) {
      for (Index i = 0; i < d; ++i) {
        for (Index j = 0; j < d; ++j) {
          const double wanted = i != j ? 0.0 : structure == Covariance::spherical ? covariance(0, 0) : covariance(i, i);
          require(std::abs(covariance(i, j) - wanted) <= 1e-10 * largest, "the covariance given is not ",
                  to_string(structure), ": element (", i, ", ", j, ") is ", covariance(i, j));
        }
      }
    }
    Eigen::MatrixXd factor = covariance;
    for (Index j = 0; j < d; ++j) {
      for (Index i = 0; i < d; ++i) factor(i, j) *= frame.scale(i) * frame.scale(j);
    }
    require(cholesky(factor), "a covariance must be positive definite; the ", d, " x ", d, " matrix given is not");
    precision_.set_from_factor(std::move(factor));
    frame_ = std::make_shared<const Frame>(std::move(frame));
    refresh();
  }

  /// With covariance L L', L lower triangular (d x d) with a positive diagonal: exact where the covariance itself would
  /// overflow or lose its small eigenvalues.
  static BasicGaussian from_factor(const Eigen::Ref<const Eigen::VectorXd>& mean,
                                   const Eigen::Ref<const Eigen::MatrixXd>& lower) {
    const Index d = mean.size();
    require(d >= 1 && lower.rows() == d && lower.cols() == d, "a Gaussian with a mean of dimension ", d,
            " needs a factor of ", d, " x ", d, ", got ", lower.rows(), " x ", lower.cols());
    require(all_finite(mean) && all_finite(lower), "the mean and factor of a Gaussian must be finite");
    BasicGaussian result(d);
    Eigen::MatrixXd factor = lower;
    Frame frame = Frame::identity(d);
    for (Index i = 0; i < d; ++i) {
      require(lower(i, i) > 0, "the factor of a covariance needs a positive diagonal; element ", i, " is ",
              lower(i, i));
      double largest = 0;
      for (Index j = 0; j <= i; ++j) largest = std::max(largest, std::abs(lower(i, j)));
      frame.scale(i) = Frame::scale_for(largest);
      frame.centre(i) = mean(i) * frame.scale(i);
      for (Index j = 0; j <= i; ++j) factor(i, j) *= frame.scale(i);
    }
    result.frame_ = std::make_shared<const Frame>(std::move(frame));
    result.precision_.set_from_factor(std::move(factor));
    result.refresh();
    return result;
  }

  /// From location (d) and factor (d x d, lower triangular) in the coordinates of the frame. Unchecked: for models that
  /// this library made.
  static BasicGaussian in_frame(std::shared_ptr<const Frame> frame, const Eigen::VectorXd& location,
                                const Eigen::MatrixXd& factor, Covariance structure, double floor = default_floor) {
    BasicGaussian result(location.size(), structure, floor);
    result.frame_ = std::move(frame);
    result.location_ = location;
    result.precision_.set_from_factor(factor);
    result.refresh();
    return result;
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  Index dimension() const { return location_.size(); }
  Covariance structure() const { return precision_.structure(); }
  double floor() const { return floor_; }
  /// d
  Eigen::VectorXd mean() const { return frame_->restored(location_); }
  /// d x d. Elements beyond the range of a double are infinite or zero; factor() is exact then.
  Eigen::MatrixXd covariance() const {
    Eigen::MatrixXd result = Eigen::MatrixXd::Zero(dimension(), dimension());
    add_square(factor(), 1, result);
    for (Index j = 0; j < dimension(); ++j) {
      for (Index i = 0; i < j; ++i) result(i, j) = result(j, i);
    }
    return result;
  }
  /// Lower triangular L with covariance L L', d x d.
  Eigen::MatrixXd factor() const {
    Eigen::MatrixXd l = precision_.factor();
    for (Index j = 0; j < dimension(); ++j) {
      for (Index i = j; i < dimension(); ++i) l(i, j) /= frame_->scale(i);
    }
    return l;
  }
  /// How many eigenvalues of the covariance the floor holds up.
  Index at_floor() const { return at_floor_; }
  /// Of one component alone: d for the mean, and d (d + 1) / 2, d or 1 for the covariance.
  Index free_parameters() const { return dimension() + covariance_parameters(structure(), dimension()); }

  const Frame& frame() const { return *frame_; }
  const std::shared_ptr<const Frame>& shared_frame() const { return frame_; }
  /// Mean and precision factor in the coordinates of the frame.
  const Eigen::VectorXd& location() const { return location_; }
  const PrecisionFactor& precision_factor() const { return precision_; }

  // --- density --------------------------------------------------------------------------------------------------------

  /// As many observations as stay, with their scores, in a second-level cache of 1 MB.
  Index preferred_block(Index components) const {
    const Index bytes = 8 * (components + dimension());
    return std::clamp<Index>(600'000 / bytes / 64 * 64, 384, mixed ? 512 : 1024);
  }
  Packed packed(Index most) const {
    PackedPoints<double> exact(most, dimension(), precision_.diagonal());
    if constexpr (mixed) return {PackedPoints<float>(most, dimension(), precision_.diagonal()), std::move(exact)};
    else return exact;
  }
  void read(const Data& block, Packed& packed) const {
    with_precision(packed, [&](auto& points, const auto&, const auto&) { points.pack(block, *frame_); });
  }

  /// out(i) += log p(x_i)
  void log_density(Packed& block, Eigen::Ref<Eigen::VectorXd> out) const {
    with_precision(block, [&](const auto& points, const auto* m, const auto* w) {
      add_log_density(points, precision_.diagonal(), m, w, constant_, out.data());
    });
  }

  /// Works on float data in float until refine() is called. False where there is nothing to gain, or their scale is
  /// near the ends of a float's range.
  bool hasten(const Data&) requires mixed {
    fast_ = true;
    for (Index j = 0; j < dimension(); ++j) fast_ = fast_ && std::abs(std::ilogb(frame_->scale(j))) < 100;
    refresh();
    return fast_;
  }
  void refine() requires mixed { fast_ = false; }

  /// log p(x) of one point (d). Allocates nothing in up to 64 dimensions.
  double log_density_at(const Scalar* x) const {
    constexpr Index most = 64;
    const Index d = dimension();
    std::array<double, most> few;
    Eigen::VectorXd many(d > most ? d : 0);
    double* const y = d > most ? many.data() : few.data();
    double q = 0;
    for (Index i = 0; i < d; ++i) {
      y[i] = static_cast<double>(x[i]) * frame_->scale(i) - frame_->centre(i) - location_(i);
      double z = 0;
      for (Index j = precision_.diagonal() ? i : 0; j <= i; ++j) z += precision_(i, j) * y[j];
      q += z * z;
    }
    return constant_ - 0.5 * q;
  }

  /// log |L^-1 (x - m)|, finite for every finite x, however far. Ranks components where no density is above zero.
  [[gnu::cold]] double log_distance(const Data& x, Index i) const {
    const Index d = dimension();
    Eigen::VectorXd y(d);
    bool overflow = false;
    for (Index j = 0; j < d; ++j) {
      y(j) = static_cast<double>(x(j, i)) * frame_->scale(j) - (frame_->centre(j) + location_(j));
      overflow = overflow || !std::isfinite(y(j));
    }
    for (Index j = 0; j < d && overflow; ++j) {  // all by 2^-1100: what that loses is nothing beside the largest
      int power = 0;
      const double mantissa = std::frexp(static_cast<double>(x(j, i)), &power);
      y(j) = std::ldexp(mantissa, power + std::ilogb(frame_->scale(j)) - 1100) -
             std::ldexp(frame_->centre(j) + location_(j), -1100);
    }
    const double largest = largest_magnitude(y);
    if (!(largest > 0)) return -std::numeric_limits<double>::infinity();
    for (Index j = 0; j < d; ++j) y(j) /= largest;
    Eigen::VectorXd z(d);
    precision_.times(y.data(), z.data());
    return std::log(largest) + 0.5 * std::log(sum_of_squares(z)) + (overflow ? 1100 * std::log(2.0) : 0.0);
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const { return {dimension(), precision_.diagonal()}; }

  /// Adds the block with weights w (b): sums about the current mean (a diagonal covariance near the frame's centre:
  /// about that), then one merge.
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    with_precision(block, [&](auto& points, const auto&, const auto&) {
      for (Index c = 0; c < dimension(); ++c) points.reference(c) = near_centre_ ? 0.0 : location_(c);
      add_moments(points, w.data(), precision_.diagonal(), s);
    });
  }

  /// What the M-step of all components works in, besides the statistics.
  struct Workspace {
    Statistics pooled;  // of a tied covariance
    EstimationSpace space;
  };
  [[gnu::cold]] Workspace workspace() const {
    Workspace result;
    if (structure() == Covariance::tied) result.pooled = statistics();
    if (!precision_.diagonal()) result.space.a.resize(dimension(), dimension());
    return result;
  }

  /// Mean and covariance of the weighted observations, the covariance under the floor; the old parameters where there
  /// are none.
  void maximize(const Statistics& s, BasicGaussian& next) const {
    Workspace work = workspace();
    maximize(s, next, work.space);
  }
  void maximize(const Statistics& s, BasicGaussian& next, EstimationSpace& space) const {
    if (!(s.weight > least_weight)) {
      if (&next != this) next.copy_parameters(*this);
      return;
    }
    next.location_ = s.mean;
    next.estimate_covariance(s, space);
  }

  /// The M-step of all components at once: pools the scatter where the covariance is tied.
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<BasicGaussian>& now,
                                         std::vector<BasicGaussian>& next, Workspace& work) {
    if (now.front().structure() != Covariance::tied) {
      for (std::size_t k = 0; k < s.size(); ++k) now[k].maximize(s[k], next[k], work.space);
      return;
    }
    Statistics& pooled = work.pooled;
    pooled *= 0.0;
    for (std::size_t k = 0; k < s.size(); ++k) {
      next[k].location_ = s[k].weight > least_weight ? s[k].mean : now[k].location_;
      pooled.weight += s[k].weight;
      for (Index i = 0; i < pooled.scatter.size(); ++i) pooled.scatter(i) += s[k].scatter(i);
    }
    if (!(pooled.weight > least_weight)) {
      for (std::size_t k = 0; k < s.size(); ++k) next[k].copy_parameters(now[k]);
      return;
    }
    next.front().estimate_covariance(pooled, work.space);
    for (std::size_t k = 1; k < s.size(); ++k) next[k].share_covariance(next.front());
  }

  /// Starts again as another; where the covariance is tied, only the location is its own.
  void renew(const BasicGaussian& from) {
    if (structure() == Covariance::tied) location_ = from.location_, refresh();
    else *this = from;
  }

  static Index free_parameters(const std::vector<BasicGaussian>& all) {
    const BasicGaussian& one = all.front();
    const auto count = static_cast<Index>(all.size());
    const Index shared = one.structure() == Covariance::tied ? 1 : count;
    return count * one.dimension() + shared * one.precision_.parameters();
  }

  // --- unconstrained parameters: locations, and the chart of the precision factor -----------------------------------------

  [[gnu::cold]] static void pack(const std::vector<BasicGaussian>& all, Eigen::VectorXd& v, Index& at) {
    for (const BasicGaussian& g : all) {
      for (Index j = 0; j < g.dimension(); ++j) v(at++) = g.location_(j);
      if (g.structure() != Covariance::tied || &g == &all.front()) g.precision_.pack(v, at);
    }
  }

  /// False where a covariance would lie below the floor.
  [[gnu::cold]] static bool unpack(std::vector<BasicGaussian>& all, const Eigen::VectorXd& v, Index& at) {
    for (BasicGaussian& g : all) {
      for (Index j = 0; j < g.dimension(); ++j) g.location_(j) = v(at++);
      if (g.structure() != Covariance::tied || &g == &all.front()) g.precision_.unpack(v, at);
      else g.precision_ = all.front().precision_;
      g.at_floor_ = 0;
      if (!g.precision_.clear_of(g.floor_, g.frame_->spread)) return false;
      g.refresh();
    }
    return true;
  }

  /// Of the log densities of what the statistics hold, by these parameters.
  [[gnu::cold]] static void gradient(const std::vector<BasicGaussian>& all, const std::vector<Statistics>& s,
                                     Eigen::VectorXd& v, Index& at) {
    Index factor = at;
    for (std::size_t k = 0; k < all.size(); ++k) {
      const BasicGaussian& g = all[k];
      const Index location = at;
      at += g.dimension();
      if (g.structure() != Covariance::tied || k == 0) {
        factor = at;
        at += g.precision_.parameters();
      }
      for (Index i = location; i < at; ++i) v(i) = 0;
      if (s[k].weight > 0) {
        g.precision_.add_gradient(s[k].scatter, s[k].weight, s[k].mean, g.location_, &v(location), &v(factor));
      }
    }
  }

  // --- sampling -------------------------------------------------------------------------------------------------------

  /// d
  Eigen::VectorXd sample(Rng& rng) const {
    const Index d = dimension();
    Eigen::VectorXd z(d), y(d);
    for (Index j = 0; j < d; ++j) z(j) = rng.normal();
    precision_.divide(z.data(), y.data());
    for (Index j = 0; j < d; ++j) y(j) += location_(j);
    return frame_->restored(y);
  }

  // --- model files: see data/model_file.hpp ---------------------------------------------------------------------------

  static constexpr const char* stored_as = "Gaussian";

  /// Location and precision factor in the frame, which mean and covariance would round.
  template <class Fields>
  void save(Fields& out) const {
    out.text("covariance", to_string(structure()));
    out.number("floor", floor_);
    out.count("at_floor", at_floor_);
    out.vector("centre", frame_->centre);
    out.vector("scale", frame_->scale);
    out.vector("spread", frame_->spread);
    out.vector("location", location_);
    if (precision_.diagonal()) out.vector("precision_factor", precision_.values());
    else out.lower("precision_factor", precision_.matrix());
  }

  template <class Fields>
  static BasicGaussian load(const Fields& in) {
    const auto name = in.text("covariance");
    auto structure = Covariance::full;
    for (const Covariance c : {Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
      if (to_string(c) == name) structure = c;
    }
    require(to_string(structure) == name, "its covariance must be full, diagonal, spherical or tied");
    const bool diagonal = is_diagonal(structure);
    const Eigen::VectorXd location = in.vector("location");
    const Index d = location.size();
    const Frame frame{in.vector("centre", d), in.vector("scale", d), in.vector("spread", d)};
    const Eigen::MatrixXd w =
        diagonal ? Eigen::MatrixXd(in.vector("precision_factor", d)) : in.lower("precision_factor", d);
    BasicGaussian result(d, structure, in.number("floor"));
    result.frame_ = std::make_shared<const Frame>(frame);
    result.location_ = location;
    result.at_floor_ = in.count("at_floor");
    require(result.at_floor_ <= d, "a covariance of dimension ", d, " cannot have ", result.at_floor_,
            " eigenvalues at the floor");
    for (Index j = 0; j < d; ++j) {
      const double scale = frame.scale(j), reciprocal = w(j, diagonal ? 0 : j);
      require(scale == Frame::scale_for(1 / scale), "scale ", j, " must be a power of two, got ", scale);
      require(frame.spread(j) > 0, "spread ", j, " must be positive, got ", frame.spread(j));
      require(reciprocal > 0, "a precision factor needs a positive diagonal; element ", j, " is ", reciprocal);
      require(structure != Covariance::spherical || std::abs(reciprocal - w(0, 0)) <= 1e-9 * w(0, 0),
              "the standard deviations of a spherical covariance must be equal; reciprocal ", j, " is ", reciprocal,
              " and the first ", w(0, 0));
      for (Index i = j; i < (diagonal ? j + 1 : d); ++i) result.precision_.at(i, j) = w(i, diagonal ? 0 : j);
    }
    result.refresh();
    require(all_finite(result.mean()) && all_finite(result.factor()),
            "its parameters lie beyond the range of a double");
    return result;
  }

  /// Whether both have the same structure.
  bool alike(const BasicGaussian& other) const { return structure() == other.structure(); }

  // --- data -----------------------------------------------------------------------------------------------------------

  /// Every value must be finite.
  void check(const Data& x) const { require_finite(x); }
  /// Constant and collinear dimensions, outliers, duplicates, too few observations.
  void inspect(const Data& x, Index components, EventLog& log) const {
    inspect_points(x, components, !precision_.diagonal(), log);
  }

  // --- frames ---------------------------------------------------------------------------------------------------------

  std::shared_ptr<const Frame> frame_for(const Data& x) const {
    auto frame = frame_of(x, structure() == Covariance::spherical);
    if constexpr (mixed) {  // so that the difference of a float and its centre is rounded but once
      Frame rounded = *frame;
      rounded.centre = rounded.centre.template cast<float>().template cast<double>();
      frame = std::make_shared<const Frame>(std::move(rounded));
    }
    return frame;
  }

  /// The same distribution, kept in the coordinates of another frame.
  [[gnu::cold]] BasicGaussian in(const std::shared_ptr<const Frame>& frame) const {
    BasicGaussian result = *this;
    result.frame_ = frame;
    Eigen::VectorXd ratio(dimension());
    for (Index j = 0; j < dimension(); ++j) {
      ratio(j) = frame->scale(j) / frame_->scale(j);
      result.location_(j) = (location_(j) + frame_->centre(j)) * ratio(j) - frame->centre(j);
    }
    result.precision_.rescale(ratio);
    result.refresh();
    return result;
  }

  /// Moves components into one common frame.
  [[gnu::cold]] static void share_frame(std::vector<BasicGaussian>& all) {
    const bool shared =
        std::all_of(all.begin(), all.end(), [&](const auto& g) { return *g.frame_ == *all.front().frame_; });
    if (shared) return;
    Frame frame = *all.front().frame_;
    for (Index j = 0; j < frame.dimension(); ++j) {
      for (const BasicGaussian& g : all) frame.scale(j) = std::min(frame.scale(j), g.frame_->scale(j));  // the widest's
      frame.centre(j) = 0;  // means are exact, and so is their difference from a near observation
    }
    const auto common = std::make_shared<const Frame>(std::move(frame));
    for (BasicGaussian& g : all) g = g.in(common);
  }

  static Regularity regularity(const std::vector<BasicGaussian>& all, const Eigen::VectorXd& weights, double least) {
    return regularity_of(all, weights, least);
  }

 private:
  static constexpr double least_weight = 1e-305;  // below it, sums of weighted observations lose their digits

  static Index checked(Index dimension) {
    require(dimension >= 1, "a Gaussian needs at least one dimension, got ", dimension);
    require(Dim == Eigen::Dynamic || dimension == Dim, "expected dimension ", Dim, ", got ", dimension);
    return dimension;
  }

  /// use(packed points, location, precision factor) of the precision in use.
  template <class P, class Use>
  void with_precision(P& block, const Use& use) const {
    if constexpr (mixed) {
      if (fast_) use(block.fast, rounded_.location.data(), rounded_.values.data());
      else use(block.exact, location_.data(), precision_.values().data());
    } else {
      use(block, location_.data(), precision_.values().data());
    }
  }

  // What a distribution over Gaussians makes of this one, in its frame.
  friend BasicNormalWishart<Scalar, Dim>;

  /// With the covariance multiplied by c > 0.
  BasicGaussian scaled(double c) const {
    BasicGaussian result = *this;
    result.precision_.rescale(Eigen::VectorXd::Constant(dimension(), std::sqrt(c)));
    result.refresh();
    return result;
  }
  BasicGaussian with_parameters(const Eigen::VectorXd& location, const Eigen::MatrixXd& factor) const {
    return in_frame(frame_, location, factor, structure(), floor_);
  }

  void share_covariance(const BasicGaussian& from) {
    precision_ = from.precision_;
    at_floor_ = from.at_floor_;
    refresh();
  }
  void copy_parameters(const BasicGaussian& from) {
    location_ = from.location_;
    share_covariance(from);
  }

  void estimate_covariance(const Statistics& s, EstimationSpace& space) { estimate_covariance(s, floor_, space); }
  void estimate_covariance(const Statistics& s, double floor, EstimationSpace& space) {
    at_floor_ = precision_.estimate(s.scatter, s.weight, frame_->spread, floor, space);
    refresh();
  }

  /// The constant of the log density, and whether sums of squares about the frame's centre lose no more than two
  /// digits.
  void refresh() {
    if constexpr (mixed) {
      rounded_.location = location_.template cast<float>();
      rounded_.values = precision_.values().template cast<float>();
    }
    near_centre_ = precision_.diagonal();
    for (Index j = 0; j < dimension() && near_centre_; ++j)
      near_centre_ = std::abs(location_(j)) * precision_(j, j) <= 10;
    constant_ =
        -0.5 * static_cast<double>(dimension()) * log_two_pi + frame_->log_jacobian() + precision_.log_determinant();
  }

  double floor_;
  std::shared_ptr<const Frame> frame_;
  Eigen::VectorXd location_;  // in the frame
  PrecisionFactor precision_;
  double constant_ = 0;
  Index at_floor_ = 0;
  bool near_centre_ = false, fast_ = false;
  struct Rounded {
    Eigen::VectorXf location, values;
  };
  struct Nothing {};
  [[no_unique_address]] std::conditional_t<mixed, Rounded, Nothing> rounded_;
};

using Gaussian = BasicGaussian<double, Eigen::Dynamic>;

static_assert(Component<Gaussian>);

}  // namespace emulsion
