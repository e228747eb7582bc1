#pragma once
#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

// How many bytes of heap a piece of code holds at its peak. This header replaces malloc and its family, and with them
// operator new and Eigen's allocator, in the program that includes it: every block is counted with its usable size and
// passed on to the C library. The definitions are weak, so that several sources of one program may include them.
//
// Not counted: stacks of threads, memory mapped by hand. With another C library than glibc, and under a sanitizer,
// which has a malloc of its own, nothing is replaced, and every count is zero.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EMULSION_COUNTS_MEMORY 0
#elif defined(__has_feature)
#define EMULSION_COUNTS_MEMORY \
  !(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer))
#else
#define EMULSION_COUNTS_MEMORY 1
#endif
#ifndef __GLIBC__
#undef EMULSION_COUNTS_MEMORY
#define EMULSION_COUNTS_MEMORY 0
#endif

namespace emulsion::benchmarks {

/// Bytes now held by the program, the most since the last PeakMemory began, and how often memory was asked for.
struct HeapCounts {
  std::atomic<long long> held{0}, peak{0}, calls{0};

  void add(long long bytes) {
    calls.fetch_add(1, std::memory_order_relaxed);
    const long long now = held.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    long long most = peak.load(std::memory_order_relaxed);
    while (now > most && !peak.compare_exchange_weak(most, now, std::memory_order_relaxed)) {}
  }
  void remove(long long bytes) { held.fetch_sub(bytes, std::memory_order_relaxed); }
};
inline constinit HeapCounts heap;

/// From its construction on: the most bytes held at once beyond those held at the start. One at a time.
class PeakMemory {
 public:
  PeakMemory() : start_(heap.held.load()) { heap.peak.store(start_); }
  double bytes() const { return static_cast<double>(heap.peak.load() - start_); }

 private:
  long long start_;
};

}  // namespace emulsion::benchmarks

#if EMULSION_COUNTS_MEMORY
extern "C" {
void* __libc_malloc(std::size_t size);                        // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(std::size_t count, std::size_t size);     // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* old, std::size_t size);            // NOLINT(bugprone-reserved-identifier)
void* __libc_memalign(std::size_t alignment, std::size_t n);  // NOLINT(bugprone-reserved-identifier)
void __libc_free(void* memory);                               // NOLINT(bugprone-reserved-identifier)

namespace emulsion::benchmarks {
inline long long usable(void* memory) { return static_cast<long long>(malloc_usable_size(memory)); }
inline void* counted(void* memory) noexcept {
  if (memory != nullptr) heap.add(usable(memory));
  return memory;
}
}  // namespace emulsion::benchmarks

[[gnu::weak]] void* malloc(std::size_t size) noexcept { return emulsion::benchmarks::counted(__libc_malloc(size)); }
[[gnu::weak]] void* calloc(std::size_t count, std::size_t size) noexcept {
  return emulsion::benchmarks::counted(__libc_calloc(count, size));
}
[[gnu::weak]] void* realloc(void* old, std::size_t size) noexcept {
  const long long before = old != nullptr ? emulsion::benchmarks::usable(old) : 0;
  void* memory = __libc_realloc(old, size);
  if (memory != nullptr || size == 0) emulsion::benchmarks::heap.remove(before);
  return emulsion::benchmarks::counted(memory);
}
[[gnu::weak]] void* memalign(std::size_t alignment, std::size_t size) noexcept {
  return emulsion::benchmarks::counted(__libc_memalign(alignment, size));
}
[[gnu::weak]] void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return emulsion::benchmarks::counted(__libc_memalign(alignment, size));
}
// Under another name in C++, because headers disagree about its exception specification.
[[gnu::weak]] int counted_posix_memalign(void** out, std::size_t alignment, std::size_t size) __asm__("posix_memalign");
int counted_posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  if (alignment % sizeof(void*) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
  void* memory = emulsion::benchmarks::counted(__libc_memalign(alignment, size));
  if (memory == nullptr) return ENOMEM;
  *out = memory;
  return 0;
}
[[gnu::weak]] void free(void* memory) noexcept {
  if (memory != nullptr) emulsion::benchmarks::heap.remove(emulsion::benchmarks::usable(memory));
  __libc_free(memory);
}
}
#endif
