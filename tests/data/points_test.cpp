#include "emulsion/data/points.hpp"

#include "catch.hpp"

using namespace emulsion;

namespace {

/// 3 observations of dimension 2.
Eigen::MatrixXd numbers() {
  Eigen::MatrixXd x(2, 3);
  x << 1, 2, 3, 10, 20, 30;
  return x;
}

template <class D>
bool shows_numbers(const D& view) {
  bool equal = view.dimension() == 2 && view.size() == 3;  // allocates nothing: it would reuse what a view has lost
  for (Index i = 0; equal && i < 3; ++i)
    equal = view(0, i) == static_cast<double>(i + 1) && view(1, i) == 10 * view(0, i);
  return equal;
}

template <class X>
concept CanBeWeightedByTemporary = requires(X x) {
  weighted(x, Eigen::VectorXd(3));
};
static_assert(!CanBeWeightedByTemporary<Eigen::MatrixXd>);
static_assert(Observations<Points<double>> && Observations<Points<float, 3>>);

}  // namespace

TEST_CASE("columns and rows of what has memory of its own: no copy, whatever the strides") {
  const Eigen::MatrixXd x = numbers(), transposed = x.transpose();
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const RowMajor x_rows = x, transposed_rows = transposed;
  CHECK(shows_numbers(columns(x)));
  CHECK(shows_numbers(rows(transposed)));
  CHECK(shows_numbers(columns(x_rows)));
  CHECK(shows_numbers(rows(transposed_rows)));
  CHECK(columns(x).data() == x.data());
  CHECK(rows(transposed).data() == transposed.data());
  CHECK(columns(x_rows).data() == x_rows.data());
  CHECK(rows(transposed_rows).data() == transposed_rows.data());
  CHECK(rows(transposed_rows).inner_stride() == 1);  // a C-ordered n x d array is a column-major d x n matrix
  CHECK(rows(transposed_rows).outer_stride() == 2);

  Eigen::MatrixXd wide = Eigen::MatrixXd::Constant(5, 6, -1);
  wide.block(2, 1, 2, 3) = x;
  CHECK(shows_numbers(columns(wide.block(2, 1, 2, 3))));
  CHECK(columns(wide.block(2, 1, 2, 3)).data() == &wide(2, 1));
  const auto block = wide.block(2, 1, 2, 3);
  CHECK(shows_numbers(rows(block.transpose())));
  CHECK(rows(block.transpose()).data() == &wide(2, 1));

  double buffer[12] = {};
  using Both = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  Eigen::Map<Eigen::MatrixXd, 0, Both> strided(buffer, 2, 3, Both(4, 2));
  strided = x;
  CHECK(shows_numbers(columns(strided)));
  CHECK(columns(strided).data() == buffer);
  CHECK(columns(strided).inner_stride() == 2);
  const Eigen::Map<const Eigen::MatrixXd> map(x.data(), 2, 3);
  CHECK(columns(map).data() == x.data());
  const Eigen::Ref<const Eigen::MatrixXd> ref = x;
  CHECK(columns(ref).data() == x.data());
  CHECK(shows_numbers(columns(x.leftCols(3))));
  CHECK(columns(x.row(1)).dimension() == 1);
  CHECK(columns(x.row(1))(0, 2) == 30);
  CHECK(rows(x.row(1)).dimension() == 3);
  const Points<double> implicit = x;
  CHECK(implicit.data() == x.data());
}

TEST_CASE("expressions and temporaries are kept inside the view, and inside its copies") {
  const Eigen::MatrixXd x = numbers();
  const auto expression = columns(2 * x - x), product = rows(x.transpose() * Eigen::Matrix2d::Identity());
  const auto temporary = columns(numbers()), of_rows = rows(Eigen::MatrixXd(x.transpose()));
  const Points<double> implicit = numbers();
  Points<double> copy = implicit;
  {
    const auto gone = columns(x + x * 0);
    copy = gone;
  }
  const Eigen::MatrixXd litter = Eigen::MatrixXd::Constant(2, 3, -1);  // where a lost temporary was
  for (const auto& view : {expression, product, temporary, of_rows, implicit, copy}) CHECK(shows_numbers(view));
  CHECK(shows_numbers(columns(x.cast<float>())));
  CHECK(columns<2>(x).matrix().RowsAtCompileTime == 2);
}

TEST_CASE("so are constant temporaries, as eval() returns them, and those of a fixed size") {
  using Fixed = Eigen::Matrix<double, 2, Eigen::Dynamic>;
  const Eigen::MatrixXd x = numbers();
  const Eigen::Vector3d w(1, 2, 3);
  const auto evaluated = columns((2 * x - x).eval()), of_rows = rows((2 * x - x).transpose().eval());
  const Points<double> implicit = (2 * x - x).eval(), fixed = Fixed(x), counted = weighted((2 * x - x).eval(), w);
  std::vector<Eigen::MatrixXd> litter(8, Eigen::MatrixXd::Constant(2, 3, -1));  // where lost temporaries were
  CHECK(shows_numbers(evaluated));
  CHECK(shows_numbers(of_rows));
  CHECK(shows_numbers(implicit));
  CHECK(shows_numbers(fixed));
  CHECK(shows_numbers(counted));
}

TEST_CASE("a slice is a smaller view that knows its place") {
  const Eigen::MatrixXd x = numbers();
  const Eigen::Vector3d w(1, 0, 2);
  const auto data = weighted(x, w);
  const auto block = data.slice(1, 2).slice(1, 1);
  CHECK(block.size() == 1);
  CHECK(block.first() == 2);
  CHECK(block(1, 0) == 30);
  CHECK(block.weight(0) == 2);
  CHECK(block.data() == &x(0, 2));
  CHECK(data.slice(3, 0).size() == 0);
}

TEST_CASE("weights: of any view, counted once, chosen observations keep them") {
  const Eigen::MatrixXd x = numbers();
  const Eigen::VectorXd w = Eigen::Vector3d(0.5, 0, 2);
  const auto data = weighted(x, w);
  CHECK(shows_numbers(data));
  CHECK(data.weighted());
  CHECK(data.total_weight() == 2.5);
  CHECK_FALSE(columns(x).weighted());
  CHECK(columns(x).weight(1) == 1);
  CHECK(columns(x).total_weight() == 3);
  CHECK(shows_numbers(weighted(rows(Eigen::MatrixXd(x.transpose())), w)));
  CHECK(shows_numbers(weighted(numbers(), w)));
  CHECK(weighted(x, w.array().matrix()).weight(2) == 2);

  const auto chosen = data.gather({2, 0, 2});
  CHECK(chosen.size() == 3);
  CHECK(chosen(0, 0) == 3);
  CHECK(chosen(1, 1) == 10);
  CHECK((chosen.weight(0) == 2 && chosen.weight(1) == 0.5));
  CHECK_FALSE(columns(x).gather({1}).weighted());
}

TEST_CASE("misuse of views is one sentence") {
  const Eigen::MatrixXd x = numbers();
  const Eigen::VectorXd few = Eigen::VectorXd::Ones(2), zero = Eigen::VectorXd::Zero(3);
  CHECK_THROWS_WITH(weighted(x, few), "expected one weight for each of 3 observations, got 2 weights");
  CHECK_THROWS_WITH(weighted(x, zero), "at least one of the 3 weights must be positive; all are zero");
  Eigen::VectorXd w = Eigen::VectorXd::Ones(3);
  w(1) = -0.5;
  CHECK_THROWS_WITH(weighted(x, w), "weights must be finite and not negative; weight 1 is -0.5");
  w(1) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(weighted(x, w), ContainsSubstring("weight 1 is"));
  w.setConstant(1e308);
  CHECK_THROWS_WITH(weighted(x, w), ContainsSubstring("the sum of the 3 weights must be finite"));
  const Eigen::MatrixXd table = Eigen::MatrixXd::Ones(2, 3);
  CHECK_THROWS_WITH(weighted(x, table.row(0)),
                    "weighted(x, w) needs weights that are contiguous in memory, got stride 2");
  CHECK_THROWS_WITH((Points<double, 3>(x)),
                    "expected observations of dimension 3, got dimension 2 (3 observations; an "
                    "observation is a column, rows(x) adapts rows)");
  CHECK_THROWS_WITH(columns<3>(x), ContainsSubstring("expected observations of dimension 3"));
  CHECK_NOTHROW(rows<3>(x));
}
