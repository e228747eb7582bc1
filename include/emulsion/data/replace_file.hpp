#pragma once
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#if __has_include(<unistd.h>)
#include <unistd.h>
#endif

#include "emulsion/core/error.hpp"

namespace emulsion {

/// Replaces the file, or throws and leaves it as it was: the text goes to a new file in the same folder, which gets the
/// name only when all of it is on the disk.
inline void replace_file(const std::string& path, std::string_view text) {
  namespace fs = std::filesystem;
  const auto stop = [&](const std::string& why) { fail({"cannot write '", path, "': ", why}); };
  const auto stop_errno = [&](int code) { stop(std::generic_category().message(code)); };
  std::error_code error;
  fs::path target = path;
  if (fs::is_symlink(fs::symlink_status(target, error))) target = fs::weakly_canonical(target, error);
  const fs::file_status old = fs::status(target, error);
  if (fs::is_directory(old)) stop_errno(EISDIR);
  if (fs::exists(old) && !fs::is_regular_file(old)) stop("it is not a regular file");

  fs::path temporary;
  std::FILE* file = nullptr;
  for (int i = 0; i < 100 && !file; ++i) {  // a name that no other process has
    temporary = target;
    temporary += ".part" + (i > 0 ? std::to_string(i) : "");
    file = std::fopen(temporary.string().c_str(), "wbx");
    if (!file && errno != EEXIST) break;
  }
  if (!file) stop_errno(errno);
  bool good = std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0;
#if __has_include(<unistd.h>)
  good = good && fsync(fileno(file)) == 0;
#endif
  int code = errno;
  if (std::fclose(file) != 0 && good) good = false, code = errno;
  if (good) {
    if (fs::exists(old)) fs::permissions(temporary, old.permissions(), error);
    fs::rename(temporary, target, error);
    if (!error) return;
    code = error.value();
  }
  fs::remove(temporary, error);
  stop_errno(code);
}

}  // namespace emulsion
