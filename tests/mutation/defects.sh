# One line per seeded defect, read by tests/mutation.sh:
#   defect NAME 'PARTS of suite.cpp that see it' 'OLD' 'NEW'
# OLD must occur exactly once in the headers, up to spaces: a defect says when the code has moved on.
# shellcheck shell=bash

# Gaussian: statistics, M-step, density, sampling
defect 'covariance divided by n + 1' 'gaussian' \
  'estimate_factor(structure_, s.scatter, s.weight, frame_' 'estimate_factor(structure_, s.scatter, s.weight + 1, frame_'
defect 'covariance divided by n - 1' 'gaussian' \
  'estimate_factor(structure_, s.scatter, s.weight, frame_' 'estimate_factor(structure_, s.scatter, s.weight - 1, frame_'
defect 'weights dropped from the moments' 'gaussian' 'weights *= value; sum += weights;' 'weights = value; sum += weights;'
defect 'merge without the distance between means' 'gaussian' \
  'const double shift = between * (other_mean(c) - mean(c));' 'const double shift = 0 * between * (other_mean(c) - mean(c));'
defect 'merge with the weight of one side' 'gaussian' 'const Real between = weight * share;' 'const Real between = other_weight * share;'
defect 'mean merged before the scatter' 'gaussian' 'const Real share = other_weight / total;' \
  'const Real share = other_weight / total; for (Index j = 0; j < mean.size(); ++j) mean(j) += share * (other_mean(j) - mean(j));'
defect 'scaling forgets the scatter' 'gaussian' \
  'for (Index i = 0; i < scatter.size(); ++i) scatter.data()[i] *= c;' ''
defect 'scaling by zero keeps the mean' 'gaussian' \
  'for (Index j = 0; j < mean.size() && weight == 0; ++j) mean(j) = 0;' ''
defect 'zero weight leaves a trace' 'gaussian' \
  'if (!(other_weight > 0)) return; const Real total' 'other_weight += 1e-9; const Real total'
defect 'weight zero counted as a little' 'gaussian' 'double weight = 0; for (Index i = 0; i < block.size; ++i) weight += w[i];' \
  'double weight = 0; for (Index i = 0; i < block.size; ++i) weight += w[i] + 1e-8;'
defect 'log determinant forgotten' 'gaussian' \
  'constant_ -= std::log(is_diagonal(structure_) ? factor_(j, 0) : factor_(j, j));' ''
defect 'constant of the density forgotten' 'gaussian' \
  '* log_two_pi + frame_->log_jacobian()' '* 0.0 + frame_->log_jacobian()'
defect 'Jacobian of the frame forgotten' 'gaussian' 'log_two_pi + frame_->log_jacobian()' 'log_two_pi'
defect 'density overwrites' 'gaussian' 'out[lanes + i] += constant' 'out[lanes + i] = constant'
defect 'transposed factor in the density' 'gaussian' \
  'static_cast<Scalar>(inverse(p + r, i)) : Scalar(0)' 'static_cast<Scalar>(inverse(i, p + r)) : Scalar(0)'
defect 'transposed factor in sampling' 'gaussian' \
  'factor_.row(j).head(j + 1).dot(z.head(j + 1))' 'factor_.col(j).tail(d - j).dot(z.tail(d - j))'
defect 'sampling with the variance' 'gaussian' 'y(j) += factor_(j, 0) * z(j)' 'y(j) += factor_(j, 0) * factor_(j, 0) * z(j)'
defect 'floor adds to the variance' 'gaussian' 'std::sqrt(std::max(variance, least))' 'std::sqrt(variance + least)'
defect 'floor adds to the eigenvalues' 'gaussian' \
  'const double root = std::sqrt(std::max(values(j, j), least));' \
  'const double root = std::sqrt(std::max(values(j, j), least) + floor);'
defect 'frame change forgets the centre' 'gaussian' '(location_(i) + frame_->centre(i)) * ratio - frame->centre(i)' 'location_(i) * ratio'
defect 'chart without the logarithm' 'gaussian' 'g.factor_(c, c) = std::exp(v(at++));' 'g.factor_(c, c) = 1 + v(at++);'

# Counts and categories
defect 'Poisson without its factorial' 'discrete' \
  'packed.common(i) -= packed.large(j) != 0 ? stirling_excess(counts(i)) : log_factorial(counts(i));' ''
defect 'Poisson with the weight of one' 'discrete' 's.weight += w.sum();' 's.weight += static_cast<double>(block.size);'
defect 'Poisson scaled without its sums' 'discrete' 'weight *= c, sums *= c;' 'weight *= c;'
defect 'category off by one' 'discrete' 'first + static_cast<int>(block(j, i))' 'first + (static_cast<int>(block(j, i)) + 1) % 3'
defect 'categories not weighted' 'discrete' 's.counts(block.place(i, j)) += w(i);' 's.counts(block.place(i, j)) += w(i) > 0 ? 1 : 0;'
defect 'categories smoothed' 'discrete' 'next.item(j) = counts / total' 'next.item(j) = (counts.array() + 0.01) / (total + 0.03)'

# Gate and bank
defect 'gate not normalised' 'term' 'total > 0 ? s.counts(k) / total :' 'total > 0 ? s.counts(k) / (total + 1) :'
defect 'gate overwrites' 'term' 'column[i] += score;' 'column[i] = score;'
defect 'gate statistics overwrite' 'term' 'counts(k) += other.counts(k);' 'counts(k) = other.counts(k);'
defect 'tied covariance pools one component' 'term' \
  'pooled.scatter.data()[i] += s[k].scatter.data()[i];' 'pooled.scatter.data()[i] = s[k].scatter.data()[i];'
defect 'tied covariance with the wrong weight' 'term' 'pooled.weight += s[k].weight;' 'pooled.weight += s[k].weight > 0 ? 20 : 0;'
defect 'bank does not merge its last component' 'term' \
  'for (std::size_t k = 0; k < all.size(); ++k) all[k] += other.all[k];' \
  'for (std::size_t k = 0; k + 1 < all.size(); ++k) all[k] += other.all[k];'

# Mixture, fold and driver
defect 'unordered merge' 'model' 'mine.wait();' ''
defect 'chunks depend on the threads' 'model' 'chunk_(block_ * std::max<Index>(1, data.size() / (block_ * most_chunks)))' \
  'chunk_(block_ * std::max<Index>(1, data.size() / (block_ * most_chunks)) * workers.size())'
defect 'fold keeps the sum of the pass before' 'model' 'partial *= 0.0;' ''
defect 'responsibilities without weights' 'model' \
  '== nothing ? 0.0 : w / factor[i];' '== nothing ? 0.0 : 1 / factor[i];'
defect 'log normaliser without weights' 'model' 'total += w * normaliser;' 'total += normaliser;'
defect 'log-sum-exp without the maximum' 'mixture' 's[i] -= largest[i] == nothing ? 0.0 : largest[i];' ';' \
  'nothing : largest[i] + std::log(factor[i])' 'nothing : std::log(factor[i])'
defect 'objective with slack' 'model' 'slack = 1e-10 *' 'slack = 1e-5 *'
defect 'converged without the distance' 'model' 'return confirming_ && (plain_ >= 8 || convergence_.fixed_point()) && convergence_.settled();' \
  'return report_.iterations > 4;'
defect 'converged too early' 'model' \
  'confirming_ = distance <= 0.01 * tolerance;' 'confirming_ = distance <= 1e4 * tolerance;'
defect 'extrapolation kept though it fell' 'model' \
  'if (extrapolated_ && !(objective >= report_.objective - convergence_.rounding()))' 'if (extrapolated_ && !std::isfinite(objective))'
defect 'total weight counts observations' 'model' 'if (!weights_) return static_cast<double>(size_);' 'return static_cast<double>(size_);'
defect 'slice forgets its weights' 'model' 'block.weights_ = weights_ ? weights_ + first : nullptr;' 'block.weights_ = weights_;'
defect 'condition with the wrong sign' 'mixture' \
  'means.col(k).noalias() += t.bottomLeftCorner(m(), p()) * z;' 'means.col(k).noalias() -= t.bottomLeftCorner(m(), p()) * z;'
defect 'condition with the weights of the joint' 'mixture' '- 0.5 * distance * distance - log_determinant' '- log_determinant'
defect 'marginal of the first dimensions' 'mixture' \
  'location(i) = model[k].location()(dimension(i));' 'location(i) = model[k].location()(i);'
