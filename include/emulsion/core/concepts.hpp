#pragma once
#include <Eigen/Core>
#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

namespace emulsion {

class EventLog;

using Index = Eigen::Index;
using Labels = Eigen::Matrix<Index, Eigen::Dynamic, 1>;

/// b x K, one contiguous column per component: scores of a block, then responsibilities times weights.
using Scores = Eigen::Ref<Eigen::MatrixXd>;
using Responsibilities = Eigen::Ref<const Eigen::MatrixXd>;

/// Data: a cheap view that can be cut. A block is a smaller view of the same type; what is known beyond the value
/// (weights, given responsibilities) travels inside the view.
template <class D>
concept Observations = std::copyable<D> && requires(const D& d, Index i) {
  { d.size() } -> std::convertible_to<Index>;
  { d.weight(i) } -> std::convertible_to<double>;       // how often observation i counts
  { d.total_weight() } -> std::convertible_to<double>;  // sum of the weights: the n of BIC
  { d.slice(i, i) } -> std::same_as<D>;                 // first, count
};

/// Data with covariates and responses: an observation is (x, y), and z for the gate.
template <class D>
concept RegressionData = Observations<D> && requires(const D& data) {
  data.x().dimension();
  data.y().dimension();
  data.z().dimension();
};

/// What is learnt from data: a commutative monoid with scaling. Storage is kept, never reallocated.
template <class S>
concept Mergeable = std::copyable<S> && requires(S s, const S& t, double c) {
  { s += t } -> std::same_as<S&>;
  { s *= c } -> std::same_as<S&>;  // c >= 0; 0 gives the zero
};

/// A summand of the complete log-likelihood, for K components at once: a gate or a bank of components.
template <class T, class Data>
concept Term = std::copyable<T> && Mergeable<typename T::Statistics> &&
    requires(const T& t, T& next, const Data& block, Scores scores, const Responsibilities& r,
             typename T::Scratch& scratch, typename T::Statistics& s) {
  { t.size() } -> std::convertible_to<Index>;                   // K
  { t.statistics() } -> std::same_as<typename T::Statistics>;   // the zero, with all its storage
  { t.scratch(Index{}) } -> std::same_as<typename T::Scratch>;  // for blocks of at most that many observations
  t.score(block, scratch, scores);                              // scores(i, k) += log p(x_i | k)
  t.accumulate(block, r, scratch, s);             // s += block; r holds the weights; scratch as score() left it
  t.maximize(std::as_const(s), next);             // next = argmax of the term given s; no allocation
  { t.offset() } -> std::convertible_to<double>;  // log prior (MAP), minus KL (variational) or 0
  { t.free_parameters() } -> std::convertible_to<Index>;
  next.drop(Index{});      // without component k
  next.renew(Index{}, t);  // component k as it is in t
};

/// A term with unconstrained parameters, which it writes to and reads from v at `at`, and moves `at` on.
template <class T>
concept ChartedTerm = requires(const T& t, T& next, Eigen::VectorXd& v, const Eigen::VectorXd& u, Index& at) {
  { t.parameters() } -> std::convertible_to<Index>;  // how many
  t.pack(v, at);
  { next.unpack(u, at) } -> std::same_as<bool>;
};

/// A charted term that knows how the objective rises in its parameters.
template <class T>
concept DifferentiableTerm = ChartedTerm<T> &&
    requires(const T& t, const typename T::Statistics& s, Eigen::VectorXd& v, Index& at) {
  t.gradient(s, v, at);  // of Q(. | t), in the order of pack(); s are the statistics of an E-step with t
};

/// A term that has something to say of itself after an E-step.
template <class T>
concept DescribedTerm = requires(const T& t, const typename T::Statistics& s, EventLog& log) {
  t.describe(s, log);
};

/// A model, a term or a component whose statistics are value, gradient and curvature at the present parameters, and
/// whose M-step is one step from there: drivers damp it where the objective would fall. Statistics of several
/// iterations can be averaged only if it is Recentred too.
template <class T>
concept LocalMStep = requires {
  requires T::local_m_step;
};

/// A model, a term or a component that can tell what local statistics say elsewhere. A driver that keeps statistics
/// over an M-step calls now.recentre(s, before) for them: s were collected, or recentred last, at `before`; afterwards
/// they are those of the same local model of the objective about `now`,
///
///   gradient -= curvature (theta_now - theta_before)
///
/// or a closer form that the family knows, with the same derivative at `before`. It is linear in s up to what only
/// bounds steps, so that sums can be recentred as their parts; and it leads back: there and back again changes nothing.
/// Both must be of one frame. Penalties are no part of it: maximize() adds them where it is.
template <class T>
concept Recentred = requires(const T& t, typename T::Statistics& s) {
  t.recentre(s, t);
};

/// A component that reads a block in a form of its own, made once for all components of a mixture.
template <class C>
concept PackedComponent = requires(const C& c, Index most, const typename C::Data& block, typename C::Packed& packed) {
  { c.packed(most) } -> std::same_as<typename C::Packed>;  // for blocks of at most that many observations
  c.read(block, packed);
};

/// What log_density and accumulate are given: C::Packed where the family has one, else the data themselves.
template <class C>
struct BlockOf {
  using type = const typename C::Data;
};
template <PackedComponent C>
struct BlockOf<C> {
  using type = typename C::Packed;
};

/// What a newcomer writes: one member of a family. Components<C> makes a term of K of them. docs/adding_a_family.md.
template <class C>
concept Component = std::copyable<C> && Mergeable<typename C::Statistics> && Observations<typename C::Data> &&
    requires(const C& c, C& next, typename BlockOf<C>::type& block, Eigen::Ref<Eigen::VectorXd> out,
             const Eigen::Ref<const Eigen::VectorXd>& w, typename C::Statistics& s) {
  { c.dimension() } -> std::convertible_to<Index>;
  { c.free_parameters() } -> std::convertible_to<Index>;
  c.log_density(block, out);  // out(i) += log p(x_i | theta)
  { c.statistics() } -> std::same_as<typename C::Statistics>;
  c.accumulate(block, w, s);           // s += sum_i w_i t(x_i)
  c.maximize(std::as_const(s), next);  // next = argmax; the old parameters where s is empty
};

/// Any E-step, erased: one call per block costs nothing, and the kernels are compiled once.
template <class Data>
using AnyEStep = std::function<double(const Data&, Scores)>;

/// What a driver knows. EStep turns the scores of a block into responsibilities and returns log-normalisers.
template <class M, class Data, class EStep>
concept LatentModel = std::copyable<M> && Mergeable<typename M::Statistics> &&
    requires(const M& m, M& next, const Data& block, const EStep& e, typename M::Scratch& scratch,
             typename M::Statistics& s) {
  { m.statistics() } -> std::same_as<typename M::Statistics>;
  { m.scratch(Index{}) } -> std::same_as<typename M::Scratch>;
  m.accumulate(block, e, scratch, s);  // score all terms, e, accumulate all terms
  m.maximize(std::as_const(s), next);
  { m.objective(std::as_const(s)) } -> std::convertible_to<double>;  // of *m*: log normalisers + offsets
};

/// A model of components that may empty, collapse or lie on a border: what the driver reports and acts on.
template <class M>
concept Componentwise = requires(const M& m, M& next, Index k) {
  { m.size() } -> std::convertible_to<Index>;
  { m.emptied(k) } -> std::same_as<bool>;
  { m.at_floor(k) } -> std::convertible_to<Index>;  // how many parameters of component k a floor holds up
  { m.at_bound(k) } -> std::convertible_to<Index>;
  next.drop(k);
  next.renew(k, m);
};

/// A model with cheaper arithmetic for the way to the optimum (float data in float): hasten() is true where it has, and
/// the data are so many that it pays; refine() goes back to the exact one.
template <class M, class Data>
concept Hastened = requires(M& m, const Data& data) {
  { m.hasten(data) } -> std::same_as<bool>;
  m.refine();
};

/// Unconstrained parameters (roots of weights, means, log-Cholesky): for acceleration and for distances below the
/// rounding of the objective. unpack() returns false where the parameters are not admissible.
template <class M>
concept Charted = requires(const M& m, M& next, Eigen::VectorXd& v, const Eigen::VectorXd& u) {
  m.pack(v);
  { next.unpack(u) } -> std::same_as<bool>;
};

/// A charted model with the gradient of its objective, which its statistics know (Fisher's identity): what acceleration
/// needs.
template <class M>
concept Differentiable = Charted<M> && requires(const M& m, const typename M::Statistics& s, Eigen::VectorXd& v) {
  m.gradient(s, v);
  { m.total_weight(s) } -> std::convertible_to<double>;
};

}  // namespace emulsion
