// expect: deleted function|give it a vector of doubles in memory
#include "emulsion/data/points.hpp"
int main() {
  const Eigen::MatrixXd x = Eigen::MatrixXd::Zero(2, 3);
  emulsion::weighted(x, Eigen::VectorXd(Eigen::VectorXd::Ones(3)));
}
