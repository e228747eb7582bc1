#pragma once
#include <Eigen/Core>
#include <cmath>
#include <utility>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/core/slope_by_root.hpp"
#include "emulsion/data/points.hpp"

namespace emulsion {

/// What answers teach: how often each category of each item was chosen, all items after one another (C_1 + ... + C_d).
struct CategoricalStatistics {
  Eigen::VectorXd counts;

  CategoricalStatistics& operator+=(const CategoricalStatistics& other) {
    counts += other.counts;
    return *this;
  }
  void remove(const CategoricalStatistics& other) { counts -= other.counts; }
  CategoricalStatistics& operator*=(double c) {
    counts *= c;
    return *this;
  }
  template <class Visitor>
  void visit(Visitor&& visitor) {
    visitor(counts);
  }
};

template <class Scalar, int Dim>
class BasicCategoricalDirichlet;

/// d independent items, of which item j has the categories 0, ..., C_j - 1 with probabilities p_j,
///
///   log p(x) = sum_j log p_j(x_j).
///
/// A mixture of them is latent class analysis (Lazarsfeld, 1950). Probabilities are not negative and sum to one for
/// each item; a category of probability zero, the border that fits often reach, is impossible. Statistics: closed form.
template <class Scalar_ = double, int Dim = Eigen::Dynamic>
class BasicCategorical {
 public:
  using Scalar = Scalar_;
  using Data = Points<Scalar, Dim>;
  using Statistics = CategoricalStatistics;
  using Conjugate = BasicCategoricalDirichlet<Scalar_, Dim>;  ///< distributions/categorical_dirichlet.hpp

  /// Items of so many categories each (d), all equally probable: the prototype of a fit.
  explicit BasicCategorical(const std::vector<Index>& categories) {
    for (const Index count : categories) {
      require(count >= 1, "an item needs at least one category; item ", starts_.size() - 1, " has ", count);
      starts_.push_back(starts_.back() + count);
    }
    require_items();
    for (Index j = 0; j < dimension(); ++j) item(j).setConstant(1 / static_cast<double>(this->categories(j)));
    refresh();
  }
  /// The probabilities of every item's categories (d vectors): finite, not negative, with a sum of one to 1e-6; they
  /// are divided by it.
  explicit BasicCategorical(const std::vector<Eigen::VectorXd>& probabilities) {
    for (const auto& p : probabilities) starts_.push_back(starts_.back() + p.size());
    require_items();
    for (Index j = 0; j < dimension(); ++j) {
      const Eigen::VectorXd& p = probabilities[static_cast<std::size_t>(j)];
      require(p.size() >= 1, "an item needs at least one category; item ", j, " has none");
      for (Index c = 0; c < p.size(); ++c) {
        require(std::isfinite(p(c)) && p(c) >= 0, "probabilities must be finite and not negative; that of category ", c,
                " of item ", j, " is ", p(c));
      }
      require(std::abs(p.sum() - 1) <= 1e-6, "the probabilities of an item must sum to one; those of item ", j,
              " sum to ", p.sum());
      item(j) = p.sum() == 1 ? p : Eigen::VectorXd(p / p.sum());
    }
    refresh();
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  Index dimension() const { return static_cast<Index>(starts_.size()) - 1; }
  /// How many categories item j has.
  Index categories(Index j) const { return start(j + 1) - start(j); }
  /// Of item j (C_j).
  Eigen::VectorXd probabilities(Index j) const {
    require(j >= 0 && j < dimension(), "item ", j, " does not exist; there are ", dimension());
    return probabilities_.segment(start(j), categories(j));
  }
  Index free_parameters() const { return probabilities_.size() - dimension(); }
  /// How many probabilities lie at zero, the border of their range (below 1e-10).
  Index at_bound() const {
    return std::count_if(probabilities_.begin(), probabilities_.end(), [](double p) { return p < 1e-10; });
  }

  // Unconstrained: square roots, finite at the border, with all admissible that are not zero for a whole item.
  Index parameters() const { return probabilities_.size(); }
  void pack(Eigen::VectorXd& v, Index& at) const {
    for (Index c = 0; c < probabilities_.size(); ++c) v(at++) = std::sqrt(probabilities_(c));
  }
  bool unpack(const Eigen::VectorXd& v, Index& at) {
    for (Index c = 0; c < probabilities_.size(); ++c, ++at) probabilities_(c) = v(at) * v(at);
    for (Index j = 0; j < dimension(); ++j) item(j) /= item(j).sum();
    refresh();
    return probabilities_.allFinite();
  }
  void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    for (Index j = 0; j < dimension(); ++j) {
      double total = 0;
      for (Index c = start(j); c < start(j + 1); ++c) total += s.counts(c);
      for (Index c = start(j); c < start(j + 1); ++c) {
        v(at++) = slope_by_root(s.counts(c), total, probabilities_(c));
      }
    }
  }

  // --- density --------------------------------------------------------------------------------------------------------

  /// A block as all components read it: the place of every answer among the probabilities (b x d).
  struct Packed {
    Index size = 0;
    Eigen::Matrix<int, Eigen::Dynamic, Eigen::Dynamic> place;
  };
  Packed packed(Index most) const { return {0, {most, dimension()}}; }
  void read(const Data& block, Packed& packed) const {
    packed.size = block.size();
    for (Index j = 0; j < dimension(); ++j) {
      const auto first = static_cast<int>(start(j));
      for (Index i = 0; i < block.size(); ++i) packed.place(i, j) = first + static_cast<int>(block(j, i));
    }
  }

  /// out(i) += log p(x_i)
  void log_density(const Packed& block, Eigen::Ref<Eigen::VectorXd> out) const {
    for (Index j = 0; j < dimension(); ++j) {
      for (Index i = 0; i < block.size; ++i) out(i) += log_probabilities_(block.place(i, j));
    }
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const { return {Eigen::VectorXd::Zero(probabilities_.size())}; }

  /// Adds the block with weights w (b).
  void accumulate(const Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    for (Index j = 0; j < dimension(); ++j) {
      for (Index i = 0; i < block.size; ++i) s.counts(block.place(i, j)) += w(i);
    }
  }

  /// The shares of the categories; the old probabilities where there are no observations.
  void maximize(const Statistics& s, BasicCategorical& next) const {
    for (Index j = 0; j < dimension(); ++j) {
      const auto counts = s.counts.segment(start(j), categories(j));
      const double total = counts.sum();
      if (total > 0) next.item(j) = counts / total;
      else next.item(j) = probabilities_.segment(start(j), categories(j));
    }
    next.refresh();
  }

  // --- sampling -------------------------------------------------------------------------------------------------------

  /// One category per item (d).
  Eigen::VectorXd sample(Rng& rng) const {
    Eigen::VectorXd x(dimension());
    for (Index j = 0; j < dimension(); ++j) {
      x(j) = static_cast<double>(rng.categorical(probabilities_.segment(start(j), categories(j))));
    }
    return x;
  }

  // --- model files: see data/model_file.hpp ---------------------------------------------------------------------------

  static constexpr const char* stored_as = "Categorical";
  template <class Fields>
  void save(Fields& out) const {
    std::vector<Eigen::VectorXd> all;
    for (Index j = 0; j < dimension(); ++j) all.push_back(probabilities(j));
    out.vectors("probabilities", all);
  }
  template <class Fields>
  static BasicCategorical load(const Fields& in) {
    const std::vector<Eigen::VectorXd> all = in.vectors("probabilities");
    BasicCategorical result(all);
    for (Index j = 0; j < result.dimension(); ++j) result.item(j) = all[static_cast<std::size_t>(j)];
    result.refresh();  // bit for bit: not divided by their sum again
    return result;
  }

  /// Whether both have the same numbers of categories.
  bool alike(const BasicCategorical& other) const { return starts_ == other.starts_; }

  // --- data -----------------------------------------------------------------------------------------------------------

  /// Every value must be the number of a category.
  void check(const Data& x) const {
    for (Index i = 0; i < x.size(); ++i) {
      for (Index j = 0; j < x.dimension(); ++j) {
        const auto value = static_cast<double>(x(j, i));
        if (value >= 0 && value < static_cast<double>(categories(j)) && value == std::floor(value)) continue;
        require(false, "item ", j, " of observation ", i, " is ", value, "; its categories are the integers 0 to ",
                categories(j) - 1);
      }
    }
  }

 private:
  friend BasicCategoricalDirichlet<Scalar, Dim>;

  Index start(Index j) const { return starts_[static_cast<std::size_t>(j)]; }
  Eigen::VectorBlock<Eigen::VectorXd> item(Index j) { return probabilities_.segment(start(j), categories(j)); }

  void require_items() {
    require(dimension() >= 1, "a categorical distribution needs at least one item, got none");
    require(Dim == Eigen::Dynamic || dimension() == Dim, "expected ", Dim, " items, got ", dimension());
    probabilities_.resize(starts_.back());
    log_probabilities_.resize(starts_.back());
  }

  void refresh() {
    for (Index c = 0; c < probabilities_.size(); ++c) log_probabilities_(c) = std::log(probabilities_(c));
  }

  std::vector<Index> starts_ = {0};  // d + 1: where the items begin, and the end
  Eigen::VectorXd probabilities_, log_probabilities_;
};

using Categorical = BasicCategorical<double, Eigen::Dynamic>;

static_assert(Component<Categorical>);

}  // namespace emulsion
