#pragma once
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "emulsion/data/replace_file.hpp"

/// Writes all of the text or leaves the file as it was; what is no file (/dev/stdout) gets the text as it comes. False
/// where it cannot be written.
inline bool write_file(const std::string& path, std::string_view text) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    return file.good();
  }
  try {
    emulsion::replace_file(path, text);
  } catch (const emulsion::InvalidArgument&) { return false; }
  return true;
}
