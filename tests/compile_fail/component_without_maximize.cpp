// expect: (required expression|invalid).*maximize
#include "emulsion/models/mixture.hpp"
struct Incomplete {  // everything but the M-step
  using Data = emulsion::Points<double>;
  struct Statistics {
    Statistics& operator+=(const Statistics&) { return *this; }
    Statistics& operator*=(double) { return *this; }
  };
  emulsion::Index dimension() const { return 1; }
  emulsion::Index free_parameters() const { return 0; }
  void log_density(const Data&, Eigen::Ref<Eigen::VectorXd>) const {}
  Statistics statistics() const { return {}; }
  void accumulate(const Data&, const Eigen::Ref<const Eigen::VectorXd>&, Statistics&) const {}
};
static_assert(emulsion::Component<Incomplete>);
