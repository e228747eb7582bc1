#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "emulsion/core/random.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/covariance/partition.hpp"
#include "emulsion/distributions/gaussian.hpp"

namespace emulsion {

/// What the parts of a product of independent Gaussians learn.
struct BlockGaussianStatistics {
  std::vector<GaussianStatistics> parts;

  BlockGaussianStatistics& operator+=(const BlockGaussianStatistics& other) {
    for (std::size_t b = 0; b < parts.size(); ++b) parts[b] += other.parts[b];
    return *this;
  }
  BlockGaussianStatistics& operator*=(double c) {
    for (GaussianStatistics& part : parts) part *= c;
    return *this;
  }
  template <class Visitor>
  void visit(Visitor&& visitor) {
    for (GaussianStatistics& part : parts) part.visit(visitor);
  }
};

/// Normal distribution on R^d whose covariance is block diagonal: for a partition of the dimensions into blocks B,
///
///   p(x) = prod_B N(x_B; m_B, S_B).
///
/// A product of Gaussians over slices of the dimensions: one full for every block of several, and one diagonal for all
/// blocks of one. Everything is that of the parts: densities, statistics, M-step (closed form), floor, chart. Cost
/// sum_B |B|^2 per observation in place of d^2. The components of a mixture share one partition; covariance_blocks()
/// and block_path() find partitions.
template <class Scalar_ = double>
class BasicBlockGaussian {
 public:
  using Scalar = Scalar_;
  using Data = Points<Scalar, Eigen::Dynamic>;
  using Statistics = BlockGaussianStatistics;
  using Packed = std::vector<PackedPoints<double>>;
  using Workspace = std::vector<Gaussian::Workspace>;

  /// Standard normal: the prototype of a fit. `floor`: see Gaussian.
  [[gnu::cold]] explicit BasicBlockGaussian(const Partition& partition, double floor = Gaussian::default_floor)
      : slices_(std::make_shared<const Slices>(partition)) {
    for (const Slice& slice : slices_->all) {
      parts_.emplace_back(static_cast<Index>(slice.dimensions.size()), slice.structure, floor);
    }
  }
  /// With the given mean (d) and covariance (d x d, symmetric positive definite, zero between blocks to 1e-10 of its
  /// largest element, else InvalidArgument).
  [[gnu::cold]] BasicBlockGaussian(const Eigen::Ref<const Eigen::VectorXd>& mean,
                                   const Eigen::Ref<const Eigen::MatrixXd>& covariance, const Partition& partition)
      : slices_(std::make_shared<const Slices>(partition)) {
    const Index d = partition.dimension();
    require(mean.size() == d && covariance.rows() == d && covariance.cols() == d, "a partition of ", d,
            " dimensions needs a mean of ", d, " and a covariance of ", d, " x ", d, ", got ", mean.size(), " and ",
            covariance.rows(), " x ", covariance.cols());
    Eigen::MatrixXd between = covariance;
    for (const auto& block : partition.blocks()) between(block, block).setZero();
    require(largest_magnitude(between) <= 1e-10 * largest_magnitude(covariance),
            "the covariance given is not zero between the blocks: an element is ", largest_magnitude(between));
    for (const auto& [dimensions, structure] : slices_->all) {
      Eigen::MatrixXd own = covariance(dimensions, dimensions);
      if (is_diagonal(structure)) own = Eigen::MatrixXd(own.diagonal().asDiagonal());
      parts_.emplace_back(Eigen::VectorXd(mean(dimensions)), own, structure);
    }
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  Index dimension() const { return partition().dimension(); }
  const Partition& partition() const { return slices_->partition; }
  /// d
  Eigen::VectorXd mean() const {
    Eigen::VectorXd result(dimension());
    each([&](const auto& slice, const Gaussian& part) { result(slice) = part.mean(); });
    return result;
  }
  /// d x d
  Eigen::MatrixXd covariance() const {
    Eigen::MatrixXd result = Eigen::MatrixXd::Zero(dimension(), dimension());
    each([&](const auto& slice, const Gaussian& part) { result(slice, slice) = part.covariance(); });
    return result;
  }
  /// Lower triangular L with covariance L L', d x d.
  Eigen::MatrixXd factor() const {
    Eigen::MatrixXd result = Eigen::MatrixXd::Zero(dimension(), dimension());
    each([&](const auto& slice, const Gaussian& part) { result(slice, slice) = part.factor(); });
    return result;
  }
  /// How many eigenvalues of the covariance the floor holds up.
  Index at_floor() const {
    return sum([](const Gaussian& part) { return part.at_floor(); });
  }
  Index free_parameters() const {
    return sum([](const Gaussian& part) { return part.free_parameters(); });
  }

  // --- density --------------------------------------------------------------------------------------------------------

  Packed packed(Index most) const {
    Packed result;
    for (const Gaussian& part : parts_) result.push_back(part.packed(most));
    return result;
  }
  void read(const Data& block, Packed& packed) const {
    for (std::size_t b = 0; b < parts_.size(); ++b) {
      const auto& slice = slices_->all[b].dimensions;
      for (std::size_t j = 0; j < slice.size();) {  // runs of neighbours at once
        std::size_t end = j + 1;
        while (end < slice.size() && slice[end] == slice[end - 1] + 1) ++end;
        const Data run(block.data() + slice[j] * block.inner_stride(), static_cast<Index>(end - j), block.size(),
                       block.inner_stride(), block.outer_stride());
        packed[b].pack(run, parts_[b].frame(), static_cast<Index>(j));
        j = end;
      }
    }
  }

  /// out(i) += log p(x_i)
  void log_density(Packed& block, const Eigen::Ref<Eigen::VectorXd>& out) const {
    for (std::size_t b = 0; b < parts_.size(); ++b) parts_[b].log_density(block[b], out);
  }
  /// log |L^-1 (x - m)|, finite for every finite x. Ranks components where no density is above zero.
  [[gnu::cold]] double log_distance(const Data& x, Index i) const {
    double largest = -std::numeric_limits<double>::infinity(), squares = 0;
    std::vector<double> all;
    for (std::size_t b = 0; b < parts_.size(); ++b) {
      const auto& slice = slices_->all[b].dimensions;
      Eigen::VectorXd own(static_cast<Index>(slice.size()));
      for (Index j = 0; j < own.size(); ++j) { own(j) = static_cast<double>(x(slice[static_cast<std::size_t>(j)], i)); }
      all.push_back(parts_[b].log_distance(Points<>(own), 0));
      largest = std::max(largest, all.back());
    }
    if (!std::isfinite(largest)) return largest;
    for (const double one : all) squares += std::exp(2 * (one - largest));
    return largest + 0.5 * std::log(squares);
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const {
    Statistics result;
    for (const Gaussian& part : parts_) result.parts.push_back(part.statistics());
    return result;
  }
  /// Adds the block with weights w (b).
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    for (std::size_t b = 0; b < parts_.size(); ++b) parts_[b].accumulate(block[b], w, s.parts[b]);
  }
  [[gnu::cold]] Workspace workspace() const {
    Workspace result;
    for (const Gaussian& part : parts_) result.push_back(part.workspace());
    return result;
  }
  /// The parts' own; the old parameters where there are no observations.
  void maximize(const Statistics& s, BasicBlockGaussian& next) const {
    Workspace work = workspace();
    maximize(s, next, work);
  }
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<BasicBlockGaussian>& now,
                                         std::vector<BasicBlockGaussian>& next, Workspace& work) {
    for (std::size_t k = 0; k < s.size(); ++k) now[k].maximize(s[k], next[k], work);
  }

  // --- unconstrained parameters: those of the parts, one after another ----------------------------------------------------

  Index parameters() const { return free_parameters(); }
  [[gnu::cold]] void pack(Eigen::VectorXd& v, Index& at) const { Gaussian::pack(parts_, v, at); }
  /// False where a covariance would lie below the floor.
  [[gnu::cold]] bool unpack(const Eigen::VectorXd& v, Index& at) { return Gaussian::unpack(parts_, v, at); }
  [[gnu::cold]] void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    Gaussian::gradient(parts_, s.parts, v, at);
  }

  // --- sampling -------------------------------------------------------------------------------------------------------

  /// d
  Eigen::VectorXd sample(Rng& rng) const {
    Eigen::VectorXd result(dimension());
    each([&](const auto& slice, const Gaussian& part) { result(slice) = part.sample(rng); });
    return result;
  }

  // --- data and frames --------------------------------------------------------------------------------------------------

  /// Whether both have the same partition.
  bool alike(const BasicBlockGaussian& other) const { return partition() == other.partition(); }
  /// Every value must be finite.
  void check(const Data& x) const { require_finite(x); }
  /// Constant dimensions, outliers, duplicates; no more observations than the largest block has dimensions.
  [[gnu::cold]] void inspect(const Data& x, Index components, EventLog& log) const {
    inspect_points(x, components, false, log);
    std::size_t largest = 0;
    for (const auto& block : partition().blocks()) largest = std::max(largest, block.size());
    const Index used = positive_observations(x);
    if (largest == 1 || used > static_cast<Index>(largest)) return;
    log.add({EventKind::few_observations, 0, -1, -1, static_cast<double>(used),
             sentence({used, " observations cannot determine the covariance of a block of ", largest,
                       " dimensions: the floor fills it up"})});
  }
  /// Of all d dimensions; the parts take their slices of it.
  std::shared_ptr<const Frame> frame_for(const Data& x) const { return frame_of(x, false); }
  /// The same distribution, kept in the coordinates of another frame (d).
  [[gnu::cold]] BasicBlockGaussian in(const std::shared_ptr<const Frame>& frame) const {
    BasicBlockGaussian result = *this;
    for (std::size_t b = 0; b < parts_.size(); ++b) {
      const auto& slice = slices_->all[b].dimensions;
      result.parts_[b] = parts_[b].in(
          std::make_shared<const Frame>(Frame{frame->centre(slice), frame->scale(slice), frame->spread(slice)}));
    }
    return result;
  }
  /// Moves components into one common frame.
  [[gnu::cold]] static void share_frame(std::vector<BasicBlockGaussian>& all) {
    for (std::size_t b = 0; b < all.front().parts_.size(); ++b) {
      std::vector<Gaussian> parts = part_of(all, b);
      Gaussian::share_frame(parts);
      for (std::size_t k = 0; k < all.size(); ++k) all[k].parts_[b] = std::move(parts[k]);
    }
  }
  /// The worst of the blocks: see regularity_of.
  [[gnu::cold]] static Regularity regularity(const std::vector<BasicBlockGaussian>& all, const Eigen::VectorXd& weights,
                                             double least) {
    Regularity found = regularity_of(part_of(all, 0), weights, least);
    for (std::size_t b = 1; b < all.front().parts_.size(); ++b)
      found.join(regularity_of(part_of(all, b), weights, least));
    return found;
  }

 private:
  struct Slice {
    std::vector<Index> dimensions;
    Covariance structure;
  };
  struct Slices {
    explicit Slices(Partition given) : partition(std::move(given)) {
      Slice alone{{}, Covariance::diagonal};
      for (const auto& block : partition.blocks()) {
        if (block.size() == 1) alone.dimensions.push_back(block.front());
        else all.push_back({block, Covariance::full});
      }
      if (!alone.dimensions.empty()) all.push_back(std::move(alone));
    }
    Partition partition;
    std::vector<Slice> all;  // one for each part
  };

  template <class Use>
  void each(const Use& use) const {
    for (std::size_t b = 0; b < parts_.size(); ++b) use(slices_->all[b].dimensions, parts_[b]);
  }
  template <class Count>
  Index sum(const Count& count) const {
    Index total = 0;
    for (const Gaussian& part : parts_) total += count(part);
    return total;
  }
  static std::vector<Gaussian> part_of(const std::vector<BasicBlockGaussian>& all, std::size_t b) {
    std::vector<Gaussian> parts;
    for (const BasicBlockGaussian& g : all) parts.push_back(g.parts_[b]);
    return parts;
  }

  void maximize(const Statistics& s, BasicBlockGaussian& next, Workspace& work) const {
    for (std::size_t b = 0; b < parts_.size(); ++b) parts_[b].maximize(s.parts[b], next.parts_[b], work[b].space);
  }

  std::shared_ptr<const Slices> slices_;
  std::vector<Gaussian> parts_;
};

using BlockGaussian = BasicBlockGaussian<>;

static_assert(Component<BlockGaussian>);

}  // namespace emulsion
