#pragma once
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace emulsion {

/// A few threads that wait for work: made once per fit, so that a pass over the data starts in microseconds and
/// allocates nothing. The caller is worker 0.
class Workers {
 public:
  [[gnu::cold]] explicit Workers(int threads) {
    try {
      for (int t = 1; t < threads; ++t) {
        threads_.emplace_back([this, t](const std::stop_token& stop) { wait_for_work(stop, t); });
      }
    } catch (...) {  // the system gives no more threads
      dismiss();
      throw;
    }
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() { dismiss(); }

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  /// Calls job(t) for t = 0 ... size() - 1, each on its own thread, and waits for all. The first exception is
  /// thrown again here.
  template <class Job>
  void run(Job& job) {
    job_ = &job;
    call_ = [](void* self, int t) { (*static_cast<Job*>(self))(t); };
    error_ = nullptr;
    busy_.store(threads_.size());
    pass_.fetch_add(1);
    pass_.notify_all();
    guarded(0);
    for (std::size_t left = busy_.load(); left != 0; left = busy_.load()) busy_.wait(left);
    if (error_) std::rethrow_exception(error_);
  }

 private:
  [[gnu::cold]] void dismiss() {
    for (auto& thread : threads_) thread.request_stop();
    pass_.fetch_add(1);
    pass_.notify_all();
  }

  void guarded(int t) {
    try {
      call_(job_, t);
    } catch (...) {
      const std::scoped_lock lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  [[gnu::cold]] void wait_for_work(const std::stop_token& stop, int t) {
    for (unsigned seen = 0;;) {
      pass_.wait(seen);
      ++seen;
      if (stop.stop_requested()) return;
      guarded(t);
      if (busy_.fetch_sub(1) == 1) busy_.notify_one();
    }
  }

  void* job_ = nullptr;
  void (*call_)(void*, int) = nullptr;
  std::exception_ptr error_;
  std::mutex mutex_;
  std::atomic<unsigned> pass_{0};
  std::atomic<std::size_t> busy_{0};
  std::vector<std::jthread> threads_;  // last: joined before what they use is destroyed
};

}  // namespace emulsion
