#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "emulsion/core/random.hpp"

// generate N D K FOLDER: writes FOLDER/data, n x d uniform on the unit cube, and FOLDER/means, K observations drawn at
// random. The data and starts of benchmarks/inference/em_benchmark.cpp.

namespace {

void write_doubles(const std::string& path, const std::vector<double>& values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(double)));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s N D K FOLDER\n", argv[0]);
    return 2;
  }
  const std::size_t n = std::stoul(argv[1]), d = std::stoul(argv[2]), components = std::stoul(argv[3]);
  const std::string folder = argv[4];
  std::vector<double> data(n * d), means;
  emulsion::Rng uniform(1), choice(2);
  for (double& value : data) value = uniform.uniform();
  for (std::size_t k = 0; k < components; ++k) {
    const double* observation = data.data() + choice.below(std::uint64_t{n}) * d;
    means.insert(means.end(), observation, observation + d);
  }
  write_doubles(folder + "/data", data);
  write_doubles(folder + "/means", means);
}
