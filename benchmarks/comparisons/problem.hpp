#pragma once
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

// What the programs of the comparison share: the same arguments, the same start, the same output.

/// Little-endian doubles, as many as `count`.
inline std::vector<double> read_doubles(const std::string& path, std::size_t count) {
  std::vector<double> values(count);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(double)));
  if (!file) throw std::runtime_error("cannot read " + std::to_string(count) + " doubles from " + path);
  return values;
}

/// One case. The start: means as given, weights 1 / K, identity covariances.
struct Problem {
  bool full = true;  ///< or diagonal
  std::size_t n = 0, d = 0, components = 0;
  int iterations = 0, threads = 1;
  std::vector<double> data;   ///< n x d, one observation after another
  std::vector<double> means;  ///< K x d, one mean after another
};

inline Problem read_problem(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: %s full|diagonal N D K FOLDER ITERATIONS THREADS\n", argv[0]);
    std::exit(2);
  }
  Problem p;
  const std::string folder = argv[5];
  p.full = std::string(argv[1]) == "full";
  p.n = std::stoul(argv[2]);
  p.d = std::stoul(argv[3]);
  p.components = std::stoul(argv[4]);
  p.iterations = std::stoi(argv[6]);
  p.threads = std::stoi(argv[7]);
  p.data = read_doubles(folder + "/data", p.n * p.d);
  p.means = read_doubles(folder + "/means", p.components * p.d);
  return p;
}

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline void print_result(const Problem& p, const std::string& version, double mean_log_likelihood, double seconds) {
  std::printf("version %s\niterations %d\nmean_log_likelihood %.17g\nseconds_per_iteration %.6g\n", version.c_str(),
              p.iterations, mean_log_likelihood, seconds);
}
