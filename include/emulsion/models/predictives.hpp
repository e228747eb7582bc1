#pragma once
#include <utility>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/read_block.hpp"
#include "emulsion/data/points.hpp"

namespace emulsion {

/// K distributions that are known, as the components of a mixture that is not fitted: what posteriors predict.
template <class P>
class Predictives {
 public:
  using Member = P;
  using Data = typename P::Data;
  struct Statistics {
    Statistics& operator+=(const Statistics&) { return *this; }
    Statistics& operator*=(double) { return *this; }
    template <class Visitor>
    void visit(Visitor&&) {}
  };
  struct Scratch {};
  static constexpr bool hastened = false;

  explicit Predictives(std::vector<P> all) : all_(std::move(all)) {}

  Index size() const { return static_cast<Index>(all_.size()); }
  Index dimension() const { return all_.front().dimension(); }
  const P& operator[](Index k) const { return all_[static_cast<std::size_t>(k)]; }
  const std::vector<P>& all() const { return all_; }
  Scratch scratch(Index) const { return {}; }
  void score(const Data& block, Scratch&, Scores scores) const {
    for (Index k = 0; k < size(); ++k) {
      read_block((*this)[k], block, [&](auto& read) { (*this)[k].log_density(read, scores.col(k)); });
    }
  }
  void check(const Data& x) const {
    if constexpr (requires { all_.front().check_shape(x); }) all_.front().check_shape(x);
    else require_dimension(x, dimension());
    all_.front().check(x);
  }
  double nearness(const Data& block, Index i, Index k) const {
    if constexpr (requires(const P& p) { p.log_distance(block, i); }) return -(*this)[k].log_distance(block, i);
    else return 0;
  }

 private:
  std::vector<P> all_;
};

}  // namespace emulsion
