#pragma once
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "emulsion/core/error.hpp"

namespace emulsion {

/// All bytes of a file; InvalidArgument where it cannot be read.
[[gnu::cold]] inline std::string read_file(const std::string& path) {
  const auto close = [](std::FILE* f) { return std::fclose(f); };
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rb"), close);
  std::string text;
  std::vector<char> buffer(file ? 1 << 16 : 0);
  while (const auto size = file ? std::fread(buffer.data(), 1, buffer.size(), file.get()) : 0) {
    text.append(buffer.data(), size);
  }
  if (!file || std::ferror(file.get())) fail({"cannot read '", path, "': ", std::generic_category().message(errno)});
  return text;
}

}  // namespace emulsion
