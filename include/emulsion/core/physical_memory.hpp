#pragma once
#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace emulsion {

/// Bytes of memory that this machine has; 8 GiB where the system does not say.
[[gnu::cold]] inline double physical_memory() {
#if defined(_SC_PHYS_PAGES) && defined(_SC_PAGESIZE)
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  if (pages > 0 && size > 0) return static_cast<double>(pages) * static_cast<double>(size);
#endif
  return 8.0 * 1024 * 1024 * 1024;
}

}  // namespace emulsion
