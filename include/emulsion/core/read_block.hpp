#pragma once
#include <algorithm>

#include "emulsion/core/concepts.hpp"

namespace emulsion {

/// Calls use(block) with the observations in the form in which the component reads them.
template <class C, class Use>
void read_block(const C& c, const typename C::Data& x, const Use& use) {
  if constexpr (PackedComponent<C>) {
    auto packed = c.packed(std::max<Index>(1, x.size()));
    c.read(x, packed);
    use(packed);
  } else {
    use(x);
  }
}

}  // namespace emulsion
