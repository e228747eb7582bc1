// libFuzzer target: any bytes are a table or one InvalidArgument, whatever the options.
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I include -I /usr/include/eigen3 \
//     tests/fuzz/csv_fuzz.cpp -o csv_fuzz && ./csv_fuzz -max_total_time=60 tests/fuzz/corpus/csv
// The first byte chooses the options, the rest is the text.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "emulsion/data/csv.hpp"

namespace {

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

emulsion::CsvOptions options_of(unsigned byte) {
  emulsion::CsvOptions options;
  options.header = static_cast<emulsion::CsvHeader>(byte % 3);
  if (byte & 4) options.delimiter = (byte & 8) ? '\0' : '\t';
  if (byte & 16) options.missing = emulsion::CsvMissing::nan;
  if (byte & 32) options.columns = {"2", "a"};
  if (byte & 64) options.label = "1";
  options.infinite = (byte & 128) != 0;
  return options;
}

template <class Table>
void check_table(const Table& table, const emulsion::CsvOptions& options, std::size_t size) {
  const auto& x = table.matrix();
  check(x.rows() > 0 && x.cols() > 0, "a table is never empty");
  check(static_cast<std::size_t>(x.rows()) == table.names().size(), "a name for each row of the matrix");
  check(static_cast<std::size_t>(x.size()) <= 2 * size, "no more numbers than the text has room for");
  for (emulsion::Index i = 0; i < x.size(); ++i) {
    const auto value = x.data()[i];
    check(options.missing == emulsion::CsvMissing::nan || !std::isnan(value), "no NaN unless asked for");
    check(options.infinite || !std::isinf(value), "no infinity unless asked for");
  }
  check(table.labels().size() == (options.label.empty() ? 0 : x.cols()), "a label for each observation");
  const auto known = static_cast<emulsion::Index>(table.label_names().size());
  const emulsion::Index lowest = options.missing == emulsion::CsvMissing::nan ? -1 : 0;
  emulsion::Index next = 0;
  for (const emulsion::Index label : table.labels()) {
    check(lowest <= label && label <= next, "labels are numbered by first appearance");
    if (label == next) ++next;
  }
  check(next == known, "a name for each label");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto options = options_of(data[0]);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    const auto table = emulsion::parse_csv(text, options);
    check_table(table, options, size);
    check_table(emulsion::parse_csv<float>(text, options), options, size);
  } catch (const emulsion::InvalidArgument& error) {
    const std::string_view message = error.what();
    check(message.starts_with("CSV text") && message.size() < 2000, "a message is one short sentence");
    for (const char c : message) check(c < 0 || c >= ' ', "a message is one line");
  }
  return 0;
}
