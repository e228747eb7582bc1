#pragma once
#include <algorithm>
#include <atomic>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"
#include "emulsion/core/workers.hpp"

namespace emulsion {

/// Observations per block where nobody chose: a block and its scores stay in the cache.
inline constexpr Index default_block = 512;

inline void check_threads(int threads) {
  require(threads >= 1 && threads <= 4096, "threads must lie between 1 and 4096, got ", threads);
}
/// No more threads than there are blocks to share out.
inline int useful_threads(int asked, Index size, Index block = 0) {
  return static_cast<int>(std::min<Index>(asked, 1 + size / (block > 0 ? block : default_block)));
}

/// One pass over the data: sums what `model.accumulate` learns from every block.
///
/// The data are cut into chunks by their size alone; threads take chunks as they become free, and chunk c is
/// merged after chunk c - 1 whoever computed it. So the bits do not depend on the number of threads, and
/// threads + 1 partial statistics suffice. All storage is made here; a pass allocates nothing.
template <class M, class D>
class Fold {
 public:
  using Statistics = typename M::Statistics;

  [[gnu::cold]] Fold(const M& model, const D& data, Workers& workers, Index block = 0)
      : data_(data), block_(std::min(block > 0 ? block : preferred_block(model), std::max<Index>(1, data.size()))),
        chunk_(block_ * std::max<Index>(1, data.size() / (block_ * most_chunks))), workers_(workers),
        total_(model.statistics()), partial_(static_cast<std::size_t>(workers_.size()), total_),
        scratch_(partial_.size(), model.scratch(std::min(block_, data_.size()))) {}

  /// The statistics of all observations under the model's responsibilities; valid until the next pass.
  Statistics& operator()(const M& model, const AnyEStep<D>& e_step) {
    total_ *= 0.0;
    std::atomic<Index> next{0};
    std::atomic<Index> turn{0};
    auto work = [&](int t) {
      Statistics& partial = partial_[static_cast<std::size_t>(t)];
      for (Index c = next++; c < chunks(); c = next++) {
        const Turn mine(turn, c);  // passed on even if the family throws, or the others would wait for ever
        partial *= 0.0;
        const Index end = std::min(data_.size(), (c + 1) * chunk_);
        for (Index first = c * chunk_; first < end; first += block_) {
          model.accumulate(data_.slice(first, std::min(block_, end - first)), e_step,
                           scratch_[static_cast<std::size_t>(t)], partial);
        }
        mine.wait();
        total_ += partial;
      }
    };
    workers_.run(work);
    return total_;
  }

 private:
  static constexpr Index most_chunks = 256;

  struct Turn {
    std::atomic<Index>& turn;
    Index mine;
    Turn(std::atomic<Index>& turns, Index chunk) : turn(turns), mine(chunk) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    void wait() const {
      for (Index now = turn.load(); now != mine; now = turn.load()) turn.wait(now);
    }
    ~Turn() {
      wait();
      turn.store(mine + 1);
      turn.notify_all();
    }
  };

  static Index preferred_block(const M& model) {
    if constexpr (requires { model.preferred_block(); }) return model.preferred_block();
    else return default_block;
  }
  Index chunks() const { return (data_.size() + chunk_ - 1) / chunk_; }

  D data_;
  Index block_;
  Index chunk_;
  Workers& workers_;
  Statistics total_;
  std::vector<Statistics> partial_;
  std::vector<typename M::Scratch> scratch_;
};

}  // namespace emulsion
