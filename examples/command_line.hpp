#pragma once
#include <charconv>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "write_file.hpp"

/// Options of a program, --name VALUE, and the manners of the programs that take them.
namespace command_line {

/// A wrong command line, or a file that cannot be written: exit code 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using Arguments = std::map<std::string, std::string, std::less<>>;
/// Every option, and what its value is called: nothing where it takes none.
using Known = std::map<std::string_view, std::string_view>;

inline Arguments parse(int argc, char** argv, const Known& known) {
  Arguments given;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto option = known.find(name);
    if (option == known.end()) throw UsageError("unknown option '" + name + "'; --help lists all");
    std::string value;
    if (!option->second.empty()) {
      if (i + 1 < argc && !std::string_view(argv[i + 1]).starts_with("--")) value = argv[++i];
      if (value.empty()) throw UsageError((name + " needs a value: ").append(name).append(" ").append(option->second));
    }
    if (!given.emplace(name, value).second) throw UsageError(name + " is given twice");
  }
  return given;
}

inline std::string value_or(const Arguments& given, std::string_view name, const std::string& otherwise) {
  const auto option = given.find(name);
  return option == given.end() ? otherwise : option->second;
}

template <class Integer>
Integer value_or(const Arguments& given, std::string_view name, Integer otherwise, Integer least, Integer most) {
  const auto option = given.find(name);
  if (option == given.end()) return otherwise;
  const std::string& text = option->second;
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end == text.data() + text.size() && error == std::errc() && value >= least && value <= most) return value;
  throw UsageError(std::string(name) + " needs a whole number from " + std::to_string(least) + " to " +
                   std::to_string(most) + ", got '" + text + "'");
}

inline double value_or(const Arguments& given, std::string_view name, double otherwise) {
  const auto option = given.find(name);
  if (option == given.end()) return otherwise;
  const std::string& text = option->second;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end == text.data() + text.size() && error == std::errc()) return value;
  throw UsageError(std::string(name) + " needs a number, got '" + text + "'");
}

/// The value of an option that is one of a few words.
inline std::string one_of(const Arguments& given, std::string_view name, const std::string& otherwise,
                          const std::vector<std::string>& words) {
  std::string value = value_or(given, name, otherwise);
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (value == words[i]) return value;
    list += (i == 0 ? "" : i + 1 < words.size() ? ", " : " or ") + words[i];
  }
  throw UsageError(std::string(name) + " is " + list + ", not '" + value + "'");
}

/// The names in the value of an option, a,b,...; none where it is not given.
inline std::vector<std::string> names(const Arguments& given, std::string_view name) {
  const std::string list = value_or(given, name, std::string());
  std::vector<std::string> parts;
  for (std::size_t begin = 0, end = 0; end < list.size() && !list.empty(); begin = end + 1) {
    end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
    if (parts.back().empty()) throw UsageError(std::string(name) + " has an empty name in '" + list + "'");
  }
  return parts;
}

/// Before any work: can the file be written, and is it not the data?
inline void require_writable(const std::string& path, const std::string& data) {
  if (path.empty()) return;
  std::error_code error;
  if (std::filesystem::equivalent(path, data, error)) throw UsageError("'" + path + "' would overwrite the data");
  const bool is_new = !std::filesystem::exists(path, error);
  if (!std::ofstream(path, std::ios::app)) throw UsageError("cannot write to '" + path + "'");
  if (is_new) std::filesystem::remove(path, error);
}

/// write_file(), or an error.
inline void write(const std::string& path, std::string_view text) {
  if (!write_file(path, text)) throw UsageError("cannot write to '" + path + "'");
}

/// The exit code of a program: that of `work`, or of what it throws, which is printed.
template <class Work>
int run(const char* program, const Work& work) {
  try {
    return work();
  } catch (const UsageError& error) {
    std::cerr << program << ": " << error.what() << '\n';
    return 2;
  } catch (const std::bad_alloc&) {
    std::cerr << program << ": not enough memory\n";
  } catch (const std::exception& error) { std::cerr << program << ": " << error.what() << '\n'; }
  return 1;
}

}  // namespace command_line
