#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>

#include "emulsion/core/special_functions.hpp"
#include "emulsion/experts/linear_location.hpp"

namespace emulsion {

struct StudentTOptions {
  double degrees_of_freedom = 8;            ///< nu of a prototype
  bool fixed = false;                       ///< keep nu as it is
  double least = 0.1;                       ///< nu is estimated between these
  double most = 1e4;                        ///< so near to the normal distribution that no data tell them apart
  Covariance structure = Covariance::full;  ///< of S; not tied
  double floor = LinearExpert::default_floor;
};

/// What Student t errors teach: what a linear expert learns from weights w u, u = E[latent precision | y], the sum of
/// the weights w, and that of w (u - 1 - log u), not negative.
struct StudentTStatistics {
  RegressionStatistics weighted;
  double weight = 0, divergence = 0;

  StudentTStatistics& operator+=(const StudentTStatistics& other) {
    weighted += other.weighted, weight += other.weight, divergence += other.divergence;
    return *this;
  }
  StudentTStatistics& operator*=(double c) {
    weighted *= c, weight *= c, divergence *= c;
    return *this;
  }
  template <class Visitor>
  void visit(Visitor&& visitor) {
    weighted.visit(visitor), visitor(weight), visitor(divergence);
  }
};

/// Linear regression with Student t errors, of q responses on p covariates,
///
///   y | x ~ t_nu(b + B x, S),   log p = log Gamma((nu + q) / 2) - log Gamma(nu / 2) - q / 2 log(nu pi) - 1/2 log |S|
///                                       - (nu + q) / 2 log(1 + e'S^-1 e / nu),   e = y - b - B x,
///
/// so that distant responses count little. S (full, diagonal or spherical) is the matrix of scales: the covariance is
/// S nu / (nu - 2), infinite for nu <= 2. nu is estimated, unless fixed.
///
/// Statistics: the complete data of y | u ~ N(b + B x, S / u), u ~ Gamma(nu / 2, nu / 2). M-step: that of parameter
/// expansion (Liu, Rubin and Wu, 1998, sec. 4): weighted least squares, S from the residuals per unit of w u, and nu
/// the root of
///
///   log(nu / 2) - psi(nu / 2) = log(mean u) - mean E[log u].
///
/// Where the floor holds S up, that of plain EM (Liu and Rubin, 1995). Cost of a pass: that of a linear expert, and a
/// logarithm per observation.
class StudentTExpert : public LinearLocation<StudentTExpert> {
 public:
  using Statistics = StudentTStatistics;
  struct Packed {
    PackedPoints<double> points;
    Eigen::VectorXd squares, weights;  // of whole strips
  };
  struct Workspace {
    LinearExpert::Workspace linear;
  };

  /// The prototype of a fit.
  [[gnu::cold]] explicit StudentTExpert(Index covariates, Index responses = 1, const StudentTOptions& options = {})
      : LinearLocation(LinearExpert(covariates, responses, checked(options).structure, options.floor), true),
        options_(options), freedom_(options.degrees_of_freedom) {
    refresh();
  }
  /// Intercept b (q), slopes B (q x p), scales S (q x q, symmetric positive definite), and nu.
  [[gnu::cold]] StudentTExpert(const Eigen::Ref<const Eigen::VectorXd>& intercept,
                               const Eigen::Ref<const Eigen::MatrixXd>& slopes,
                               const Eigen::Ref<const Eigen::MatrixXd>& scales, double degrees_of_freedom,
                               StudentTOptions options = {})
      : LinearLocation(LinearExpert(intercept, slopes, scales, options.structure, options.floor), false),
        options_((options.degrees_of_freedom = degrees_of_freedom, checked(options))), freedom_(degrees_of_freedom) {
    refresh();
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// nu
  double degrees_of_freedom() const { return freedom_; }
  /// S (q x q)
  Eigen::MatrixXd scales() const { return line_.covariance(); }
  const StudentTOptions& options() const { return options_; }
  Index free_parameters() const { return line_.free_parameters() + (options_.fixed ? 0 : 1); }
  Index at_bound() const {
    return !options_.fixed && (freedom_ <= options_.least || freedom_ >= options_.most) ? 1 : 0;
  }
  bool alike(const StudentTExpert& other) const { return line_.alike(other.line_); }

  // --- density --------------------------------------------------------------------------------------------------------

  Packed packed(Index most) const {
    const Index rows = PackedPoints<double>::up(most, PackedPoints<double>::strip);
    return {line_.packed(most), Eigen::VectorXd(rows), Eigen::VectorXd::Zero(rows)};
  }
  void read(const Data& block, Packed& packed) const { line_.read(block, packed.points); }

  /// out(i) += log p(y_i | x_i)
  void log_density(Packed& block, Eigen::Ref<Eigen::VectorXd> out) const {
    square(block);
    const double constant = line_.log_peak() + rise_, power = posterior_shape();
    for (Index i = 0; i < block.points.size; ++i) {
      out(i) += constant - power * std::log1p(block.squares(i) / freedom_);
    }
  }

  // --- prediction: of queries x, one per column ---------------------------------------------------------------------------

  /// b + B x, q x m: the mean where nu > 1, and the centre of symmetry always.
  Eigen::MatrixXd mean(const Points<>& x) const { return line_.mean(x); }
  /// Roots of the diagonal of S, q x m.
  Eigen::MatrixXd scale(const Points<>& x) const { return line_.scale(x); }
  /// Infinite for nu <= 2.
  double variance(double /*mean*/, double scale) const {
    return freedom_ > 2 ? scale * scale * (freedom_ / (freedom_ - 2)) : std::numeric_limits<double>::infinity();
  }
  /// P(Y <= y) of a response with that mean and scale.
  double cumulative(double y, double mean, double scale) const { return student_t_cdf((y - mean) / scale, freedom_); }
  /// A response (q) about that mean.
  Eigen::VectorXd sample(const Eigen::Ref<const Eigen::VectorXd>& mean, const Eigen::Ref<const Eigen::VectorXd>& scale,
                         Rng& rng) const {
    const double widened = std::sqrt(freedom_ / 2) * std::exp(-0.5 * rng.log_gamma_variate(freedom_ / 2));
    return mean + widened * line_.sample(Eigen::VectorXd::Zero(dimension()), scale, rng);
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const { return {line_.statistics(), 0, 0}; }

  /// Adds the block with weights w (b).
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    square(block);
    const auto q = static_cast<double>(dimension());
    for (Index i = 0; i < block.points.size; ++i) {
      block.weights(i) = 0;
      if (!(w(i) > 0)) continue;
      const double excess = (q - block.squares(i)) / (freedom_ + block.squares(i));  // u - 1
      const double u = (freedom_ + q) / (freedom_ + block.squares(i));
      block.weights(i) = w(i) * u;
      s.weight += w(i);
      s.divergence += w(i) * (excess - (excess > -0.5 ? std::log1p(excess) : std::log(u)));
    }
    line_.accumulate(block.points, block.weights.head(block.points.size), s.weighted);
  }

  /// The old parameters where there are no observations.
  [[gnu::cold]] void maximize(const Statistics& s, StudentTExpert& next) const {
    LinearExpert::Workspace work = line_.workspace();
    maximize(s, next, work);
  }
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<StudentTExpert>& now,
                                         std::vector<StudentTExpert>& next, Workspace& work) {
    for (std::size_t k = 0; k < s.size(); ++k) now[k].maximize(s[k], next[k], work.linear);
  }
  [[gnu::cold]] Workspace workspace() const { return {line_.workspace()}; }

  /// What the statistics of `from` say of these parameters; see Recentred: their logarithms of latent precisions are
  /// relative to the degrees of freedom, all else is not local.
  void recentre(Statistics& s, const StudentTExpert& from) const {
    s.divergence += s.weight * (log_minus_digamma(from.posterior_shape()) - log_minus_digamma(posterior_shape()));
  }

  // --- unconstrained parameters: those of the line, and log nu ---------------------------------------------------------

  Index parameters() const { return free_parameters(); }
  [[gnu::cold]] void pack(Eigen::VectorXd& v, Index& at) const {
    line_.pack(v, at);
    if (!options_.fixed) v(at++) = std::log(freedom_);
  }
  /// False where a scale would lie below the floor. Degrees of freedom beyond their bounds become the bound.
  [[gnu::cold]] bool unpack(const Eigen::VectorXd& v, Index& at) {
    const bool admissible = line_.unpack(v, at);
    const double freedom = options_.fixed ? freedom_ : std::exp(v(at++));
    if (!admissible || std::isnan(freedom)) return false;
    if (!options_.fixed) freedom_ = std::clamp(freedom, options_.least, options_.most);
    prototype_ = false;
    refresh();
    return true;
  }
  [[gnu::cold]] void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    const Index start = at, factor = start + line_.coefficients().size();
    const Index freedom = factor + line_.precision_factor().parameters();
    at += parameters();
    for (Index i = start; i < at; ++i) v(i) = 0;
    if (!(s.weight > 0)) return;
    line_.add_gradient(s.weighted, &v(start), &v(factor));
    line_.precision_factor().add_log_determinant_gradient(s.weight - s.weighted.weight(), &v(factor));
    if (options_.fixed) return;
    const double slope = log_minus_digamma(freedom_ / 2) - log_minus_digamma(posterior_shape());
    const double by_log = freedom_ / 2 * (s.weight * slope - s.divergence);
    // On the border, outward, nothing is to be gained.
    const bool outward = (freedom_ <= options_.least && by_log < 0) || (freedom_ >= options_.most && by_log > 0);
    v(freedom) = outward ? 0 : by_log;
  }

 private:
  static const StudentTOptions& checked(const StudentTOptions& options) {
    const double nu = options.degrees_of_freedom;
    require(nu > 0 && std::isfinite(nu), "the degrees of freedom must be positive and finite, got ", nu);
    require(options.least > 0 && options.least <= options.most && std::isfinite(options.most),
            "the degrees of freedom must be estimated between positive bounds, got ", options.least, " and ",
            options.most);
    require(options.fixed || (nu >= options.least && nu <= options.most),
            "the degrees of freedom must lie within their bounds, got ", nu, " outside [", options.least, ", ",
            options.most, "]");
    require(options.structure != Covariance::tied, "Student t experts cannot share one matrix of scales: choose full, ",
            "diagonal or spherical");
    return options;
  }

  double posterior_shape() const { return 0.5 * (freedom_ + static_cast<double>(dimension())); }

  /// block.squares = e'S^-1 e
  void square(Packed& block) const {
    block.squares.head(block.points.size).setZero();
    line_.subtract_half_squares(block.points, block.squares.data());
    block.squares.head(block.points.size) *= -2;
  }

  void maximize(const Statistics& s, StudentTExpert& next, LinearExpert::Workspace& work) const {
    next.options_ = options_;
    next.freedom_ = freedom_;
    next.prototype_ = prototype_;
    line_.maximize(s.weighted, s.weighted.weight(), next.line_, work);
    const bool learnt = s.weighted.weight() > LinearExpert::least_weight;
    if (learnt) {
      bool expanded = true;
      if (next.at_floor() > 0) {
        // The expansion ends where the floor does: with it, a scale at the floor could lower the likelihood.
        line_.maximize(s.weighted, s.weight, next.line_, work);
        expanded = false;
      }
      // The degrees of freedom of a prototype's latent precisions are those of the middle of the data, not of a line.
      if (!options_.fixed && !prototype_) {
        double value = s.divergence / s.weight + log_minus_digamma(posterior_shape());
        if (expanded) {
          const double excess = (s.weighted.weight() - s.weight) / s.weight;
          value -= excess - std::log1p(excess);
        }
        if (value > 0) next.freedom_ = std::clamp(2 * inverse_log_minus_digamma(value), options_.least, options_.most);
        else next.freedom_ = options_.most;
      }
      next.prototype_ = false;
    }
    next.refresh();
  }

  void refresh() { rise_ = log_gamma_rise(freedom_ / 2, 0.5 * static_cast<double>(dimension())); }

  StudentTOptions options_;
  double freedom_;
  double rise_ = 0;  // of the constant of the density over that of a normal
};

static_assert(Component<StudentTExpert>);

}  // namespace emulsion
