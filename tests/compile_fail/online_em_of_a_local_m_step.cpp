// expect: its statistics belong to one value of the parameters
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/inference/online_em.hpp"
#include "emulsion/models/mixture.hpp"

/// A model whose M-step is one Newton step, as of a softmax gate, but which cannot recentre its statistics.
struct Newton : emulsion::MixtureOf<emulsion::Poisson> {
  using emulsion::MixtureOf<emulsion::Poisson>::Mixture;
  static constexpr bool local_m_step = true;
};

int main() {
  const Newton start(Eigen::VectorXd::Ones(1), {emulsion::Poisson(1)});
  emulsion::OnlineEm online(start);
}
