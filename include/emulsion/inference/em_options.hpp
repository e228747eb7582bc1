#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <stop_token>

#include "emulsion/core/fold.hpp"
#include "emulsion/core/report.hpp"

namespace emulsion {

enum class Acceleration {
  automatic,  ///< quasi-Newton steps, for models with a gradient; each is checked, the objective never falls
  none
};

/// What to do with a component that lost all its weight or collapsed onto a bound of its parameters.
enum class Degenerate {
  floor,   ///< keep it: a collapsed one at the floor, an empty one with weight zero
  reseed,  ///< place it anew, twice at most; then as `floor`
  drop,    ///< remove it; the last one stays
  fail     ///< end with Status::failed and the model before
};

struct EmOptions {
  Index max_iterations = 100'000;
  double tolerance = 1e-9;  ///< estimated distance to the limit, in nats per observation; not below the rounding of
                            ///< the objective, unless the model has a chart
  int threads = 1;
  Acceleration acceleration = Acceleration::automatic;
  Degenerate degenerate = Degenerate::floor;
  std::uint64_t seed = 0;                            ///< of reseeded components
  std::function<bool(const Report&)> progress = {};  ///< after every iteration; false stops, the best model is kept
  std::stop_token stop = {};                         ///< the same from another thread
  Index block = 0;                                   ///< observations per block; 0: chosen by the library
};

/// The data are all here. Where they are spread over processes, each of which runs em() on its own with the same start,
/// `reduce(s)` makes s the sum over all of them, in one order, so that all take the same steps.
struct NoReduce {
  template <class S>
  void operator()(S&) const {}
};

inline void check(const EmOptions& options) {
  require(options.tolerance > 0 && std::isfinite(options.tolerance), "the tolerance must be positive and finite, got ",
          options.tolerance);
  require(options.max_iterations >= 0, "max_iterations must not be negative, got ", options.max_iterations);
  check_threads(options.threads);
  require(options.block >= 0, "the block size must not be negative, got ", options.block);
}

}  // namespace emulsion
