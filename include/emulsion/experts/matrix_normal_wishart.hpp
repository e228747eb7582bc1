#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "emulsion/distributions/posterior.hpp"
#include "emulsion/distributions/wishart.hpp"
#include "emulsion/experts/coefficient_precision.hpp"
#include "emulsion/experts/linear.hpp"
#include "emulsion/experts/linear_predictive.hpp"

namespace emulsion {

/// Matrix-normal-Wishart distribution over the coefficients C = (b, B), q x (1 + p), and the precision L of the errors
/// of a linear expert, y | x ~ N(C (1, x), L^-1): its conjugate prior and posterior,
///
///   L ~ Wishart(nu, W),   C | L ~ N(M, L^-1 (x) K^-1):   row r of C has the covariance (L^-1)_rr K^-1,
///
/// K the precision of (b, B), (1 + p) x (1 + p), in units of observations (Murphy, 2012, sec. 7.6.3, of one response;
/// Rossi, Allenby and McCulloch, 2005, sec. 2.8, of several). Then
///
///   E[log p(y | x)] = E[log |L|] / 2 - q / 2 log 2 pi - nu (y - M (1, x))' W (y - M (1, x)) / 2
///                     - q / 2 (1, x)' K^-1 (1, x).
///
/// K is kept about its centre (CoefficientPrecision), so that a prior is the moments of kappa observations and an
/// update a merge of statistics. Structures of L other than full: as in Wishart; tied: one L for all experts,
/// coefficients for each.
///
/// updated() makes a posterior, which knows its prior. As a component of a mixture it maximizes the evidence bound.
template <class Data_>
class BasicMatrixNormalWishart : public ConjugatePosterior<BasicMatrixNormalWishart<Data_>, BasicLinearExpert<Data_>> {
  using Base = ConjugatePosterior<BasicMatrixNormalWishart<Data_>, BasicLinearExpert<Data_>>;

 public:
  using Member = BasicLinearExpert<Data_>;
  using Data = Data_;
  using Statistics = RegressionStatistics;
  using Predictive = LinearPredictive<Data_>;

  /// A prior.
  ///
  /// @param coefficients   M, q x (1 + p), the intercepts first
  /// @param precision      K, (1 + p) x (1 + p), symmetric positive definite
  /// @param nu             degrees of freedom; above q - 1, for diagonal and spherical structures above 0
  /// @param inverse_scale  W^-1, q x q, symmetric positive definite, of the structure's form
  /// @throws InvalidArgument for anything else
  BasicMatrixNormalWishart(const Eigen::Ref<const Eigen::MatrixXd>& coefficients,
                           const Eigen::Ref<const Eigen::MatrixXd>& precision, double nu,
                           const Eigen::Ref<const Eigen::MatrixXd>& inverse_scale,
                           Covariance structure = Covariance::full)
      : BasicMatrixNormalWishart(checked(coefficients, precision, nu, inverse_scale, structure), nu,
                                 CoefficientPrecision(precision)) {}

  /// A prior in the frame of `expected`, whose coefficients are M and whose precision is nu W; K in it too. Unchecked.
  static BasicMatrixNormalWishart with_expected(const Member& expected, double nu, const CoefficientPrecision& k) {
    return BasicMatrixNormalWishart(expected, nu, k);
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  Covariance structure() const { return stand_in_.structure(); }
  /// p
  Index covariates() const { return stand_in_.covariates(); }
  /// M, q x (1 + p)
  Eigen::MatrixXd coefficients() const {
    Eigen::MatrixXd result(this->dimension(), 1 + covariates());
    result << stand_in_.intercept(), stand_in_.slopes();
    return result;
  }
  /// K, (1 + p) x (1 + p)
  Eigen::MatrixXd precision() const { return k_.plain(*shared_frame()); }
  double nu() const { return nu_; }
  /// W^-1, q x q
  Eigen::MatrixXd inverse_scale() const { return stand_in_.covariance() * nu_; }
  /// The expert with coefficients M and precision E[L] = nu W.
  const Member& expected() const { return stand_in_; }
  /// Coefficients and covariance, as of the expert.
  Index free_parameters() const { return stand_in_.free_parameters(); }
  static Index free_parameters(const std::vector<BasicMatrixNormalWishart>& all) {
    const auto count = static_cast<Index>(all.size());
    const Index own = all.front().stand_in_.coefficients().size();
    const Index shared = all.front().structure() == Covariance::tied ? 1 : count;
    return count * own + shared * (all.front().free_parameters() - own);
  }

  // --- one block ------------------------------------------------------------------------------------------------------

  /// out(i) += E[log p(y_i | x_i)]. Cost n (p + q)^2.
  void log_density(PackedPoints<double>& block, Eigen::Ref<Eigen::VectorXd> out) const {
    Base::log_density(block, out);
    add_log_density_affine(block, rows_.data(), shift_.data(), covariates(), 0, out.data());
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  /// Becomes the posterior of the prior after observations with those statistics, which must be in its frame.
  void learn(const BasicMatrixNormalWishart& prior, const Statistics& s) {
    Workspace work = workspace();
    regress(prior, s, work);
    work.pooled = prior.scatter_ + work.residual;
    nu_ = prior.nu_ + s.weight() * observed();
    finish(work);
  }

  struct Workspace {
    Statistics sum;
    RegressionSpace regression;
    EstimationSpace space;
    Eigen::MatrixXd coefficients;
    Eigen::VectorXd residual, pooled, spread;
    PrecisionFactor precision;
  };
  [[gnu::cold]] Workspace workspace() const {
    const Index p = covariates(), q = this->dimension();
    Workspace result{stand_in_.statistics(),
                     {Eigen::MatrixXd(p, p), Eigen::MatrixXd(p, q), Eigen::VectorXd(p)},
                     {},
                     stand_in_.coefficients(),
                     scatter_,
                     scatter_,
                     Eigen::VectorXd(q),
                     stand_in_.precision_factor()};
    if (!is_diagonal(structure())) result.space.a.resize(q, q);
    return result;
  }

  /// The M-step of all experts: pools the residuals where the precision is tied.
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s,
                                         const std::vector<BasicMatrixNormalWishart>& now,
                                         std::vector<BasicMatrixNormalWishart>& next, Workspace& work) {
    const bool tied = now.front().structure() == Covariance::tied;
    const BasicMatrixNormalWishart& first = now.front().prior();
    double nu = first.nu_;
    work.pooled = first.scatter_;
    for (std::size_t k = 0; k < s.size(); ++k) {
      BasicMatrixNormalWishart& one = next[k];
      one.prior_ = now[k].prior_or_this();
      one.regress(*one.prior_, s[k], work);
      if (tied) {
        work.pooled += work.residual;
        nu += s[k].weight();
        one.stand_in_.set(work.coefficients, one.stand_in_.precision_factor());
        continue;
      }
      work.pooled = one.prior_->scatter_ + work.residual;
      one.nu_ = one.prior_->nu_ + s[k].weight() * one.observed();
      one.finish(work);
    }
    for (std::size_t k = 0; tied && k < s.size(); ++k) {
      next[k].nu_ = nu;
      work.coefficients = next[k].stand_in_.coefficients();
      next[k].finish(work);
    }
  }
  /// Starts again as another; where the precision is tied, only the coefficients are its own.
  void renew(const BasicMatrixNormalWishart& from) {
    const double nu = nu_;
    const PrecisionFactor shared = stand_in_.precision_factor();
    *this = from;
    if (structure() != Covariance::tied) return;
    nu_ = nu;
    stand_in_.set(from.stand_in_.coefficients(), shared);
    refresh();
  }

  // --- evidence ---------------------------------------------------------------------------------------------------------

  /// Kullback-Leibler divergence of this from `other`, of the same structure, in nats.
  double divergence(const BasicMatrixNormalWishart& other) const {
    if (!(*other.shared_frame() == *shared_frame())) return divergence(other.in(shared_frame()));
    return coefficients_divergence(other) + scale_divergence(other);
  }
  /// Minus the divergence of all experts from their priors: a tied precision counts once.
  static double offset(const std::vector<BasicMatrixNormalWishart>& all) {
    double sum = 0;
    for (const BasicMatrixNormalWishart& one : all) {
      sum -= one.coefficients_divergence(one.prior());
      if (one.structure() != Covariance::tied || &one == &all.front()) sum -= one.scale_divergence(one.prior());
    }
    return sum;
  }

  /// log p(y | x) of the observations with those statistics, in nats: the parameters integrated out (of one response,
  /// Murphy, 2012, eq. 7.69 to 7.73).
  double log_evidence(const Statistics& s) const {
    const BasicMatrixNormalWishart after = this->updated(s);
    double jacobian = 0;
    for (Index r = 0; r < this->dimension(); ++r) jacobian += std::log(shared_frame()->scale(covariates() + r));
    return after.log_integral() - log_integral() + s.weight() * (jacobian - 0.5 * responses() * log_two_pi);
  }

  // --- parameters and observations that follow --------------------------------------------------------------------------

  /// The mode of the joint density of coefficients and covariance; where it is tied, to so many experts.
  Member mode(Index components = 1) const {
    auto count = static_cast<double>(1 + covariates());  // of normal variates per response
    if (structure() == Covariance::spherical) count *= responses();
    if (structure() == Covariance::tied) count *= static_cast<double>(components);
    const auto own = static_cast<double>(Wishart::own_dimension(structure(), this->dimension()));
    return widened(nu_ / (nu_ + own + 1 + count));
  }
  /// Whether the density is bounded: a mode exists.
  bool bounded() const { return true; }
  /// Log density of an expert's coefficients and covariance, in nats.
  double log_density_of(const Member& expert) const {
    if (!(*expert.shared_frame() == *shared_frame())) return log_density_of(expert.in(shared_frame()));
    const PrecisionFactor& root = expert.precision_factor();
    const auto count = static_cast<double>(1 + covariates());
    double jacobian = 0, of_slopes = 0;
    for (Index j = 0; j < covariates(); ++j) of_slopes += std::log(shared_frame()->scale(j));
    for (Index r = 0; r < this->dimension(); ++r) jacobian += std::log(shared_frame()->scale(covariates() + r));
    const double of_coefficients = 0.5 * responses() * (k_.log_determinant() - count * log_two_pi) +
                                   count * (root.log_determinant() + jacobian) - responses() * of_slopes -
                                   0.5 * k_.square_distance(root, expert.coefficients(), stand_in_.coefficients());
    return of_coefficients + wishart().log_density_of_covariance(root, trace_of(root), jacobian);
  }
  /// An expert drawn from this distribution over experts.
  Member sample(Rng& rng) const {
    const Index q = this->dimension();
    const Eigen::MatrixXd factor = wishart().sample_factor(rng);
    Eigen::MatrixXd coefficients = stand_in_.coefficients();
    const auto noise = [&] {
      Eigen::VectorXd z(q), y(q);
      for (Index r = 0; r < q; ++r) z(r) = rng.normal();
      lower_times(factor, z.data(), y.data());
      return y;
    };
    k_.add_noise(noise, coefficients);
    PrecisionFactor precision = stand_in_.precision_factor();
    precision.set_from_factor(factor);
    Member result = stand_in_;
    result.set(coefficients, precision);
    return result;
  }
  /// Of a new response: a Student t with nu - q + 1 degrees of freedom and scale W^-1 (1 + (1, x)' K^-1 (1, x)) /
  /// (nu - q + 1); of diagonal and spherical structures with nu.
  Predictive predictive() const {
    const double freedom = is_diagonal(structure()) ? nu_ : nu_ - responses() + 1;
    return Predictive(widened(nu_ / freedom), freedom, k_);
  }

  // --- what a mixture asks ------------------------------------------------------------------------------------------------

  /// Whether the components of a mixture share a parameter.
  bool shared_between_components() const { return structure() == Covariance::tied; }
  bool alike(const BasicMatrixNormalWishart& other) const { return stand_in_.alike(other.stand_in_); }
  const std::shared_ptr<const Frame>& shared_frame() const { return stand_in_.shared_frame(); }
  std::shared_ptr<const Frame> frame_for(const Data& data) const { return stand_in_.frame_for(data); }
  [[gnu::cold]] BasicMatrixNormalWishart in(const std::shared_ptr<const Frame>& frame) const {
    BasicMatrixNormalWishart result = *this;
    result.stand_in_ = stand_in_.in(frame);
    result.k_ = k_.moved(*shared_frame(), *frame);
    if (prior_) result.prior_ = std::make_shared<const BasicMatrixNormalWishart>(prior_->in(frame));
    result.refresh();
    result.prepare_as_prior();
    return result;
  }
  [[gnu::cold]] static void share_frame(std::vector<BasicMatrixNormalWishart>& all) {
    for (BasicMatrixNormalWishart& one : all) {
      if (!(*one.shared_frame() == *all.front().shared_frame())) one = one.in(all.front().shared_frame());
    }
  }

 private:
  friend Base;
  using Base::gain_;
  using Base::prior_;
  using Base::stand_in_;

  BasicMatrixNormalWishart(const Member& expected, double nu, CoefficientPrecision k)
      : Base(expected), nu_(nu), k_(std::move(k)) {
    refresh();
    prepare_as_prior();
  }

  [[gnu::cold]] static Member checked(const Eigen::Ref<const Eigen::MatrixXd>& coefficients,
                                      const Eigen::Ref<const Eigen::MatrixXd>& precision, double nu,
                                      const Eigen::Ref<const Eigen::MatrixXd>& inverse_scale, Covariance structure) {
    const Index q = coefficients.rows(), columns = coefficients.cols();
    require(q >= 1 && columns >= 1 && precision.rows() == columns && precision.cols() == columns,
            "a prior of coefficients q x (1 + p) needs a precision of (1 + p) x (1 + p); got coefficients of ", q,
            " x ", columns, " and a precision of ", precision.rows(), " x ", precision.cols());
    require(inverse_scale.rows() == q && inverse_scale.cols() == q, "a prior of ", q, " responses needs an inverse ",
            "scale of ", q, " x ", q, ", got ", inverse_scale.rows(), " x ", inverse_scale.cols());
    require(all_finite(coefficients) && all_finite(precision) && all_finite(inverse_scale), "coefficients, precision ",
            "and inverse scale of a matrix-normal-Wishart prior must be finite");
    const double least = is_diagonal(structure) ? 0 : static_cast<double>(q - 1);
    require(nu > least && std::isfinite(nu), "the degrees of freedom of a matrix-normal-Wishart prior of ", q,
            " responses must be finite and above ", least, ", got ", nu);
    for (const Eigen::Ref<const Eigen::MatrixXd>* given : {&precision, &inverse_scale}) {
      Eigen::MatrixXd factor = *given;
      require(*given == given->transpose() && cholesky(factor), "the ", given == &precision ? "precision" : "inverse ",
              given == &precision ? "" : "scale", " of a matrix-normal-Wishart prior must be symmetric and positive ",
              "definite; the ", given->rows(), " x ", given->cols(), " matrix given is not");
    }
    return Member(coefficients.col(0), coefficients.rightCols(columns - 1), inverse_scale / nu, structure);
  }
  Wishart wishart() const { return {stand_in_.precision_factor(), nu_}; }
  double responses() const { return static_cast<double>(this->dimension()); }
  double observed() const { return Wishart::observed(structure(), this->dimension()); }
  Member widened(double c) const {
    PrecisionFactor precision = stand_in_.precision_factor();
    precision.rescale(Eigen::VectorXd::Constant(this->dimension(), std::sqrt(c)));
    Member result = stand_in_;
    result.set(stand_in_.coefficients(), precision);
    return result;
  }

  /// Least squares of the prior's moments and the data's: M into work.coefficients, the scatter of the residuals of
  /// both into work.residual; sets K.
  void regress(const BasicMatrixNormalWishart& prior, const Statistics& s, Workspace& work) {
    work.sum = prior.as_statistics_;
    work.sum += s;
    least_squares(work.sum, work.regression, work.coefficients, work.residual, is_diagonal(structure()));
    k_.learn(work.sum.moments, work.regression);
  }
  /// Precision from work.pooled, of nu_ degrees of freedom.
  void finish(Workspace& work) {
    for (Index r = 0; r < this->dimension(); ++r) work.spread(r) = shared_frame()->spread(covariates() + r);
    work.precision.estimate(work.pooled, nu_ / observed(), work.spread, no_floor, work.space);
    stand_in_.set(work.coefficients, work.precision);
    refresh();
  }

  /// What densities read: the rows for q (1, x)' K^-1 (1, x), but for its constant; the gain.
  void refresh() {
    const Index padded = PackedPoints<double>::up(covariates() + this->dimension(), PackedPoints<double>::tile);
    k_.set_rows(responses(), padded, rows_, shift_);
    gain_ = 0.5 * wishart().log_determinant_gain() - 0.5 * responses() / k_.kappa();
  }

  /// As statistics of observations; W^-1; and the factor that traces need.
  [[gnu::cold]] void prepare_as_prior() {
    const Index q = this->dimension();
    as_statistics_ = k_.statistics(stand_in_.coefficients());
    scale_factor_ = stand_in_.precision_factor().factor();
    const Eigen::MatrixXd expected = scale_factor_ * scale_factor_.transpose();
    const bool diagonal = is_diagonal(structure());
    scatter_.resize(diagonal ? q : q * (q + 1) / 2);
    for (Index j = 0, at = 0; j < q; ++j) {
      for (Index i = j; i < (diagonal ? j + 1 : q); ++i) scatter_(at++) = expected(i, j) * nu_ / observed();
    }
  }

  /// tr(root' root (nu W)^-1)
  double trace_of(const PrecisionFactor& root) const {
    const PrecisionFactor& own = stand_in_.precision_factor();
    const Eigen::MatrixXd made = prior_ && !root.diagonal() ? own.factor() : Eigen::MatrixXd();
    return expected_trace(root, own, prior_ ? made : scale_factor_);
  }
  double coefficients_divergence(const BasicMatrixNormalWishart& other) const {
    const double log_ratio = k_.log_determinant() - other.k_.log_determinant();
    return 0.5 * (responses() * (k_.trace_of(other.k_) - static_cast<double>(1 + covariates()) + log_ratio) +
                  other.k_.square_distance(stand_in_.precision_factor(), stand_in_.coefficients(),
                                           other.stand_in_.coefficients()));
  }
  double scale_divergence(const BasicMatrixNormalWishart& other) const {
    return wishart().divergence(other.wishart(), other.trace_of(stand_in_.precision_factor()));
  }
  /// Of the density without its constant, over coefficients and precision; less q (1 + p) / 2 log 2 pi.
  double log_integral() const { return wishart().log_integral() - 0.5 * responses() * k_.log_determinant(); }

  static constexpr double no_floor = 1e-300;  // the prior keeps covariances from collapsing

  double nu_;
  CoefficientPrecision k_;  // K, in the frame
  Eigen::VectorXd rows_, shift_;
  Statistics as_statistics_;      // what a prior is worth, without W^-1
  Eigen::VectorXd scatter_;       // of a prior: W^-1, lower triangle or diagonal
  Eigen::MatrixXd scale_factor_;  // of a prior: Cholesky factor of (nu W)^-1
};

using MatrixNormalWishart = BasicMatrixNormalWishart<Regression>;

static_assert(Component<MatrixNormalWishart>);

}  // namespace emulsion
