// What a user of Eigen compiles anyway: the yardstick of compile times, which differ from machine to machine.
#include <Eigen/Dense>
#include <iostream>

int main() {
  Eigen::MatrixXd x(2, 2);
  x << 2, 1, 1, 2;
  std::cout << x.llt().solve(Eigen::VectorXd::Ones(2)).transpose() << '\n';
}
