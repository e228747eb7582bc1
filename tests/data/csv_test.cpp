#include "emulsion/data/csv.hpp"

#include <clocale>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "catch.hpp"

using emulsion::CsvHeader;
using emulsion::CsvMissing;
using emulsion::CsvOptions;
using emulsion::Index;
using emulsion::parse_csv;
using emulsion::read_csv;

namespace {

using Names = std::vector<std::string>;

std::string error_of(std::string_view text, const CsvOptions& options = {}) {
  try {
    parse_csv(text, options, "f.csv");
  } catch (const emulsion::InvalidArgument& error) { return error.what(); }
  return "no error";
}

template <class Derived>
std::string shown(const Eigen::MatrixBase<Derived>& x) {
  std::ostringstream out;
  out << x.format(Eigen::IOFormat(17, Eigen::DontAlignCols, " ", "; "));
  return out.str();
}

std::string matrix_of(std::string_view text, const CsvOptions& options = {}) {
  return shown(parse_csv(text, options).matrix());
}

/// A file of its own in the working directory, removed at the end.
struct File {
  explicit File(std::string_view content) { std::ofstream(path, std::ios::binary) << content; }
  ~File() { std::remove(path.c_str()); }
  std::string path = "csv_test_file.csv";
};

}  // namespace

TEST_CASE("read_csv: an observation is a column") {
  const File file("eruptions,waiting\n3.6,79\n1.8,54\n3.333,74\n");
  const auto table = read_csv(file.path);
  CHECK(shown(table.matrix()) == "3.6000000000000001 1.8 3.3330000000000002; 79 54 74");
  CHECK(table.names() == Names{"eruptions", "waiting"});
  CHECK(table.labels().size() == 0);
  CHECK(table.label_names().empty());
  const Eigen::MatrixXd moved = read_csv(file.path).matrix();
  CHECK(moved == table.matrix());
  for (const std::string& name : read_csv(file.path, {.columns = {"2"}}).names()) CHECK(name == "waiting");
}

TEST_CASE("read_csv: errors name the file") {
  const File file("eruptions,waiting\n3.6,79\n1.8,abc\n");
  CHECK_THROWS_WITH(read_csv(file.path), "csv_test_file.csv, line 3, column 'waiting': 'abc' is not a number");
  CHECK_THROWS_AS(read_csv(file.path), emulsion::InvalidArgument);
  CHECK_THROWS_WITH(read_csv("no/such.csv"), "cannot read 'no/such.csv': No such file or directory");
  CHECK_THROWS_WITH(read_csv("."), "cannot read '.': Is a directory");
}

TEST_CASE("read_csv: a file longer than the buffer, round trip to the last bit") {
  std::ostringstream out;
  out.precision(17);
  Eigen::MatrixXd x(3, 5000);
  double value = 1;
  for (Index i = 0; i < x.size(); ++i) {
    value = std::abs(value) < 1e-290 ? 1 : value * -0.9731;
    x(i) = value * (i % 7 == 0 ? 1e280 : 1);
    out << x(i) << (i % 3 == 2 ? "\n" : ",");
  }
  const File file(out.str());
  CHECK(read_csv(file.path).matrix() == x);
}

TEST_CASE("csv: numbers") {
  CHECK(matrix_of("1\n-2\n+3\n.5\n6.\n7e2\n8E-1\n+.5e+1\n") == "1 -2 3 0.5 6 700 0.80000000000000004 5");
  CHECK(matrix_of(" 1\t,  2 \n\t-3,4\t \n") == "1 -3; 2 4");
  CHECK(matrix_of("\"1\", \"2.5\" \n3,4\n") == "1 3; 2.5 4");
  const auto x = parse_csv("5e-324\n2.2250738585072011e-308\n1.7976931348623157e308\n-0.0\n").matrix();
  CHECK(x(0) == std::numeric_limits<double>::denorm_min());
  CHECK(x(1) == 2.2250738585072011e-308);
  CHECK(x(2) == std::numeric_limits<double>::max());
  CHECK((x(3) == 0 && std::signbit(x(3))));
  for (const char* word : {"0x10", "1e", "--1", "+-1", "+", "-", ".", "1 2", "1_000", "1,5", "1.5.2", "TRUE", "1d5",
                           "5%", "e5", "1e5x", "+ 1", "\xD9\xA1"}) {
    const std::string text = "a;b\n1;" + std::string(word) + "\n";
    CHECK(error_of(text, {.columns = {"b"}, .delimiter = ';'}) ==
          "f.csv, line 2, column 'b': '" + std::string(word) + "' is not a number");
  }
  CHECK(error_of("a\n1\n1e400\n") == "f.csv, line 3, column 'a': '1e400' is out of range");
  CHECK(error_of("a\n1\n-1e400\n") == "f.csv, line 3, column 'a': '-1e400' is out of range");
  CHECK(error_of("a\n1\n1e-400\n") == "f.csv, line 3, column 'a': '1e-400' is out of range");
}

TEST_CASE("csv: float is read to the nearest float") {
  const auto x = parse_csv<float>("a\n0.1\n16777217.0000001\n").matrix();
  CHECK(x(0) == 0.1f);
  CHECK(x(1) == 16777218.0f);  // the nearest double is a tie, which would round to 16777216
  CHECK_THROWS_WITH(parse_csv<float>("a\n1e39\n"), "CSV text, line 2, column 'a': '1e39' is out of range");
}

TEST_CASE("csv: numbers do not depend on the locale") {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8"}) {  // where they are installed
    if (std::setlocale(LC_ALL, name)) CHECK(matrix_of("1.5,2\n") == "1.5; 2");
  }
  std::setlocale(LC_ALL, before.c_str());
}

TEST_CASE("csv: missing values and infinities") {
  const std::string advice = " is a missing value; leave such records out, or let the option 'missing' read NaN";
  CHECK(error_of("a,b\n1,\n") == "f.csv, line 2, column 'b': ''" + advice);
  CHECK(error_of("a,b\n1,\"\"\n") == "f.csv, line 2, column 'b': ''" + advice);
  CHECK(error_of("a,b\n1,2\n , 2\n") == "f.csv, line 3, column 'a': ''" + advice);
  CHECK(error_of("a,b\nNA,1\n") == "f.csv, line 2, column 'a': 'NA'" + advice);
  CHECK(error_of("a,b\nNaN,1\n") == "f.csv, line 2, column 'a': 'NaN'" + advice);
  CHECK(error_of("a,b\n1,-inf\n") ==
        "f.csv, line 2, column 'b': '-inf' is not finite; the option 'infinite' accepts it");
  CHECK(error_of("a,b\n1,Infinity\n", {.missing = CsvMissing::nan}) ==
        "f.csv, line 2, column 'b': 'Infinity' is not finite; the option 'infinite' accepts it");
  CHECK(error_of("a,b\n1,nan\n", {.infinite = true}) == "f.csv, line 2, column 'b': 'nan'" + advice);
  CHECK(matrix_of("a,b\n1,\nNA,2\n\"NA\",nan\n", {.missing = CsvMissing::nan}) == "1 nan nan; nan 2 nan");
  CHECK(matrix_of("a,b\n1,-inf\n+inf,2\n", {.infinite = true}) == "1 inf; -inf 2");
}

TEST_CASE("csv: header") {
  CHECK(parse_csv("1,2\n3,4\n").names() == Names{"x1", "x2"});
  CHECK(matrix_of("1,2\n3,4\n") == "1 3; 2 4");
  CHECK(matrix_of("1,2") == "1; 2");
  CHECK(parse_csv("1990,1991\n3,4\n", {.header = CsvHeader::present}).names() == Names{"1990", "1991"});
  CHECK(matrix_of("1990,1991\n3,4\n", {.header = CsvHeader::present}) == "3; 4");
  CHECK(parse_csv("a,,c\n1,2,3\n").names() == Names{"a", "x2", "c"});
  CHECK(error_of("a,b\n1,2\n", {.header = CsvHeader::absent})
            .starts_with("f.csv, line 1, column 'x1': 'a' is not a number"));
  CHECK(matrix_of("NA,1\n2,3\n", {.missing = CsvMissing::nan}) == "nan 2; 1 3");

  const std::string advice = " like data; the option 'header' says which it is";
  CHECK(error_of("id,1990\n7,2\n") == "f.csv: in its first record 'id' looks like a name and '1990'" + advice);
  CHECK(error_of("id,1990\n7,2\n", {.columns = {"2"}}) ==
        "f.csv: in its first record 'id' looks like a name and '1990'" + advice);
  CHECK(matrix_of("id,1990\n7,2\n", {.header = CsvHeader::present}) == "7; 2");
  for (const char* text : {"id,1990\nu,\n", "id,1990\n,\n", "id,1990\nu", "id,1990"}) {  // numbers nowhere below words
    CHECK(error_of(text) ==
          "f.csv, line 1, column 'x1': 'id' is not a number; choose the columns to read with 'columns', or name this "
          "one as 'label'");
  }
  CHECK(matrix_of("5.1,setosa\n4.9,setosa\n", {.label = "2"}) == "5.0999999999999996 4.9000000000000004");
}

TEST_CASE("csv: a first column without a name holds row names") {
  const std::string_view text = "\"\",\"a\",\"b\"\n\"1\",2,3\n\"2\",4,5\n";
  CHECK(matrix_of(text) == "2 4; 3 5");
  CHECK(parse_csv(text).names() == Names{"a", "b"});
  CHECK(matrix_of(text, {.columns = {"1", "b"}}) == "1 2; 3 5");
  CHECK(parse_csv(text, {.columns = {"x1"}}).names() == Names{"x1"});
  CHECK(matrix_of(",a\nr1,2\nr2,4\n") == "2 4");
}

TEST_CASE("csv: columns by name or number, in the order asked for") {
  const std::string_view text = "a,2,text\n1,2,u\n3,4,v\n";
  CHECK(matrix_of(text, {.columns = {"2", "a"}, .header = CsvHeader::present}) == "2 4; 1 3");
  CHECK(matrix_of(text, {.columns = {"1"}, .header = CsvHeader::present}) == "1 3");
  CHECK(matrix_of("5,3,1\n6,4,2\n", {.columns = {"3", "x1"}}) == "1 2; 5 6");
  CHECK(parse_csv("5,3,1\n6,4,2\n", {.columns = {"3", "x1"}}).names() == Names{"x3", "x1"});
  CHECK(matrix_of("3,c\n1,2\n", {.columns = {"3"}, .header = CsvHeader::present}) == "1");  // a name comes first

  CHECK(error_of("a,b\n1,2\n", {.columns = {"wait"}}) ==
        "f.csv has no column 'wait'; it has 'a', 'b', or by number 1 to 2");
  for (const char* choice : {"0", "3", "-1", "+1", "1.0", " 1", "99999999999999999999999", ""}) {
    CHECK(error_of("a,b\n1,2\n", {.columns = {choice}}) ==
          "f.csv has no column '" + std::string(choice) + "'; it has 'a', 'b', or by number 1 to 2");
  }
  CHECK(error_of("a,b\n1,2\n", {.label = "c"}) == "f.csv has no column 'c'; it has 'a', 'b', or by number 1 to 2");
  CHECK(error_of("a,b\n1,2\n", {.columns = {"b", "2"}}) == "f.csv: column 'b' is chosen twice");
  CHECK(error_of("a,b,a\n1,2,3\n") == "f.csv: columns 1 and 3 are both called 'a'; choose columns by number");
  CHECK(error_of("a,b,a\n1,2,3\n", {.columns = {"a"}}) ==
        "f.csv: columns 1 and 3 are both called 'a'; choose columns by number");
  CHECK(matrix_of("a,b,a\n1,2,3\n", {.columns = {"b"}}) == "2");
  CHECK(matrix_of("a,b,a\n1,2,3\n", {.columns = {"3", "1"}}) == "3; 1");
  CHECK(error_of("a\nu\n", {.label = "a"}) == "f.csv has no column of numbers besides the label and row names");

  std::string wide = "c1";
  for (int j = 2; j <= 30; ++j) wide += ",c" + std::to_string(j);
  const std::string message = error_of(wide + "\n", {.header = CsvHeader::present});
  CHECK(message == "f.csv has a header but no data");
  const std::string unknown = error_of(wide + "\n" + wide, {.columns = {"d"}, .header = CsvHeader::present});
  CHECK(unknown.ends_with("'c19', 'c20', ..., or by number 1 to 30"));
}

TEST_CASE("csv: a text column must be chosen away") {
  const std::string_view text = "a,b\n1,u\n2,v\n";
  CHECK(error_of(text) ==
        "f.csv, line 2, column 'b': 'u' is not a number; choose the columns to read with 'columns', or name this one "
        "as 'label'");
  CHECK(error_of(text, {.columns = {"b"}}) == "f.csv, line 2, column 'b': 'u' is not a number");
  CHECK(matrix_of(text, {.columns = {"a"}}) == "1 2");
}

TEST_CASE("csv: labels are numbered by first appearance") {
  const auto table = parse_csv("s,x\nv,1\n\" u\",2\nv,3\nu,4\n10,5\n", {.label = "s"});
  CHECK(shown(table.matrix()) == "1 2 3 4 5");
  CHECK(table.names() == Names{"x"});
  CHECK(shown(table.labels().transpose()) == "0 1 0 2 3");
  CHECK(table.label_name() == "s");
  CHECK(parse_csv("s,x\nv,1\nw,2\n", {.label = "1"}).label_name() == "s");
  CHECK(parse_csv("x\n1\n").label_name().empty());
  CHECK(table.label_names() == Names{"v", " u", "u", "10"});
  CHECK(shown(parse_csv("5,u\n6,v\n7,u\n", {.label = "2"}).labels().transpose()) == "0 1 0");

  const auto both = parse_csv("k,x\n7,1\n5,2\n", {.columns = {"x", "k"}, .label = "k"});
  CHECK(shown(both.matrix()) == "1 2; 7 5");
  CHECK(both.label_names() == Names{"7", "5"});

  const std::string advice = " is a missing value; leave such records out, or let the option 'missing' read NaN";
  CHECK(error_of("s,x\nv,1\n,2\n", {.label = "s"}) == "f.csv, line 3, column 's': ''" + advice);
  CHECK(error_of("s,x\nv,1\nNA,2\n", {.label = "s"}) == "f.csv, line 3, column 's': 'NA'" + advice);
  const auto partly = parse_csv("s,x\nv,1\n,2\nNA,3\n\"NA\",4\n", {.label = "s", .missing = CsvMissing::nan});
  CHECK(shown(partly.labels().transpose()) == "0 -1 -1 1");
  CHECK(partly.label_names() == Names{"v", "NA"});
}

TEST_CASE("csv: quoted fields") {
  const auto table = parse_csv("\"a,\"\"1\"\"\nb\", \"c\" ,text\r\n1,\"2\",\"x\ny\"\r\n3,4,\"\"\"\"\r\n",
                               {.columns = {"c", "a,\"1\"\nb"}, .label = "text"});
  CHECK(shown(table.matrix()) == "2 4; 1 3");
  CHECK(table.label_names() == Names{"x\ny", "\""});
  CHECK(matrix_of("a,b 5\" wide\n1,2\n", {.columns = {"b 5\" wide"}}) == "2");  // a quote inside is a character

  CHECK(error_of("a,b\n1,\"2\n3,4\n") == "f.csv, line 2: the quote that opens here is never closed");
  CHECK(error_of("a,b\n\"1\n2\n3\"x,4\n") == "f.csv, line 4: text follows the closing quote of '1?2?3'");
  CHECK(error_of("a,b\n\"1\n2\",4\n5,u\n") ==
        "f.csv, line 2, column 'a': '1?2' is not a number; choose the columns to read with 'columns', or name this one "
        "as 'label'");
  CHECK(error_of("a,b,c\n1,\"2\n\",x\n", {.columns = {"c"}}) == "f.csv, line 3, column 'c': 'x' is not a number");
}

TEST_CASE("csv: ends of lines, blank lines, byte order mark") {
  for (const char* text : {"a,b\n1,2\n3,4\n", "a,b\r\n1,2\r\n3,4\r\n", "a,b\r1,2\r3,4\r", "a,b\n1,2\n3,4",
                           "a,b\r\n1,2\n3,4\n\n \r\n\t\n", "\n \n a,b\n1,2\n3,4  ", "\xEF\xBB\xBF\"a\",b\n1,2\n3,4"}) {
    const auto table = parse_csv(text);
    CHECK(table.names() == Names{"a", "b"});
    CHECK(shown(table.matrix()) == "1 3; 2 4");
  }
  CHECK(error_of("a,b\n1,2\n\n3,4\n") == "f.csv, line 3 is blank");
  CHECK(error_of("a\r\n\r\n1\r\n") == "f.csv, line 2 is blank");
  CHECK(error_of("a,b\r\n1,2\r\n3,u\r\n") == "f.csv, line 3, column 'b': 'u' is not a number");
  CHECK(error_of("\n\na,b\n1,2\n3,u") == "f.csv, line 5, column 'b': 'u' is not a number");
}

TEST_CASE("csv: ragged rows") {
  CHECK(error_of("a,b,c\n1,2,3\n4,5\n") == "f.csv, line 3: expected 3 fields, got 2");
  CHECK(error_of("a,b,c\n1,2,3\n4,5,6,7,8\n") == "f.csv, line 3: expected 3 fields, got 5");
  CHECK(error_of("a,b\n1,u;2,3\n\n", {.columns = {"a"}}) ==
        "f.csv, line 2: expected 2 fields, got 3; the header must name every field, row names too");
  CHECK(error_of("1,2\n3,4,\n") == "f.csv, line 2: expected 2 fields, got 3");
  CHECK(error_of("a,b,c\nu,2\n") == "f.csv, line 2: expected 3 fields, got 2");  // not: 'u' is not a number
  CHECK(error_of("a,b,c\n1,\"2\n2\"\n") == "f.csv, line 2: expected 3 fields, got 2");
}

TEST_CASE("csv: nothing to read") {
  for (const char* text : {"", "\n", " \r\n\n", "\xEF\xBB\xBF", "\xEF\xBB\xBF\n"})
    CHECK(error_of(text) == "f.csv is empty");
  CHECK(error_of("a,b") == "f.csv has a header but no data");
  CHECK(error_of("a,b\n\n") == "f.csv has a header but no data");
  CHECK(error_of("1,2\n", {.header = CsvHeader::present}) == "f.csv has a header but no data");
  CHECK(error_of(std::string_view("\xFF\xFE"
                                  "a\0",
                                  4)) == "f.csv is UTF-16 text; save it as UTF-8");
}

TEST_CASE("csv: delimiters") {
  CHECK(matrix_of("a;b\n1;2\n", {.delimiter = ';'}) == "1; 2");
  CHECK(matrix_of("a\tb\n1\t2\n\t\n", {.delimiter = '\t', .missing = CsvMissing::nan}) == "1 nan; 2 nan");
  CHECK(matrix_of("a b\n1 2\n", {.delimiter = ' '}) == "1; 2");
  for (const char* text :
       {"a,b\n1,2\n", "a;b\n1;2\n", "a\tb\n1\t2\n", "\n\"a;;;\";b\n1;2\n", "\"x\n,,,\"\tb\n1\t2\n"}) {
    CHECK(matrix_of(text, {.delimiter = '\0'}) == "1; 2");
  }
  CHECK(matrix_of("a\n1\n", {.delimiter = '\0'}) == "1");
  for (const char c : {'"', '\n', '\r'}) {
    CHECK(error_of("a\n1\n", {.delimiter = c}) == "f.csv: the delimiter cannot be a quote or the end of a line");
  }
}

TEST_CASE("csv: messages stay short, on one line and valid UTF-8") {
  CHECK(error_of("a\n1\n" + std::string(1000, 'x') + "\n") ==
        "f.csv, line 3, column 'a': '" + std::string(40, 'x') + "...' is not a number");
  CHECK(error_of("a\n1\n" + std::string(39, 'x') + "\xC3\xA9\xC3\xA9\n") ==
        "f.csv, line 3, column 'a': '" + std::string(39, 'x') + "...' is not a number");
  CHECK(error_of(std::string_view("a\n1\nx\0\x1b[2J\n", 10)) == "f.csv, line 3, column 'a': 'x??[2J' is not a number");
}

TEST_CASE("csv: no shape of the text asks for more memory than the text has") {
  const std::string wide(200000, ',');
  const std::string tall(200000, '\n');
  CHECK(error_of(wide + tall) ==
        "f.csv, line 1, column 'x1': '' is a missing value; leave such records out, or let the option 'missing' read "
        "NaN");
  CHECK(error_of("a" + wide + tall, {.columns = {"a"}}) == "f.csv has a header but no data");
  CHECK(error_of("a" + wide + "\n1" + wide + tall + "1", {.columns = {"a"}}) == "f.csv, line 3 is blank");
  CHECK(error_of("a" + wide + "\n" + std::string(200000, '\n') + "1") == "f.csv, line 2 is blank");
  const auto one = parse_csv(wide, {.header = CsvHeader::absent, .missing = CsvMissing::nan});
  CHECK(one.matrix().rows() == 200001);
  CHECK(one.matrix().cols() == 1);
}

TEST_CASE("csv: shipped data", "[data]") {
  const std::string here = __FILE__;
  const std::string data = here.substr(0, here.rfind("tests/data/csv_test.cpp")) + "examples/data/";
  const auto faithful = read_csv(data + "faithful.csv");
  CHECK(faithful.matrix().rows() == 2);
  CHECK(faithful.matrix().cols() == 272);
  CHECK(faithful.matrix().row(0).mean() == Approx(3.48778308823529));
  CHECK(faithful.matrix().row(1).mean() == Approx(70.8970588235294));
  const auto iris = read_csv(data + "iris.csv", {.label = "Species"});
  CHECK(iris.names() == Names{"Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width"});
  CHECK(iris.label_names() == Names{"setosa", "versicolor", "virginica"});
  CHECK((iris.labels().array() == 1).count() == 50);
  CHECK(iris.matrix().sum() == Approx(2078.7));
}
