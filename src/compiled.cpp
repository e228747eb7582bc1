#include "emulsion/gaussian_mixture.hpp"

// The target emulsion::compiled: what the header declares `extern template` under EMULSION_COMPILED.

namespace emulsion {

template Fit<GaussianMixture> fit_gaussian_mixture(const Points<double>&, const GaussianMixtureOptions&);
template Selection<GaussianMixture> select_gaussian_mixture(const Points<double>&, const SelectionOptions&);
template Fit<GaussianMixture> em(GaussianMixture, const Points<double>&, const EmOptions&, Soft, NoReduce);

template <int alignment, int registers>
bool compiled_for();
template <>
bool compiled_for<EIGEN_MAX_ALIGN_BYTES, widest_simd_bytes>() {
  return true;
}

}  // namespace emulsion
