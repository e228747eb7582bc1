# One line per seeded defect, read by tests/mutation.sh:
#   defect NAME 'PARTS of suite.cpp that see it' 'OLD' 'NEW'
# OLD must occur exactly once in the headers, up to spaces: a defect says when the code has moved on.
# shellcheck shell=bash

# Gaussian: statistics, M-step, density, sampling
defect 'covariance divided by n + 1' 'gaussian' \
  'precision_.estimate(s.scatter, s.weight, frame_' 'precision_.estimate(s.scatter, s.weight + 1, frame_'
defect 'covariance divided by n - 1' 'gaussian' \
  'precision_.estimate(s.scatter, s.weight, frame_' 'precision_.estimate(s.scatter, s.weight - 1, frame_'
defect 'weights dropped from the moments' 'gaussian' 'const Lanes wy = weight * y[j];' 'const Lanes wy = y[j];'
defect 'padding counted in the moments' 'gaussian' \
  'for (Index i = block.size; i < block.rows; ++i) block.weights(i) = 0;' 'for (Index i = block.size; i < block.rows; ++i) block.weights(i) = 1e-6;'
defect 'merge without the distance between means' 'gaussian' \
  'const double shift = between * (other.mean(c) - mean(c));' 'const double shift = 0 * between * (other.mean(c) - mean(c));'
defect 'merge with the weight of one side' 'gaussian' \
  'const double share = other.weight / total, between = weight * share;' \
  'const double share = other.weight / total, between = other.weight * share;'
defect 'block merged without the distance between means' 'gaussian' \
  'const double across = between * (point(c) + shift(c) - mean(c));' 'const double across = 0 * between * (point(c) + shift(c) - mean(c));'
defect 'block not centred' 'gaussian' 'const double own = -added * shift(c);' 'const double own = 0 * added * shift(c);'
defect 'scaling forgets the scatter' 'gaussian' 'for (Index i = 0; i < scatter.size(); ++i) scatter(i) *= c;' ''
defect 'scaling by zero keeps the mean' 'gaussian' \
  'for (Index j = 0; j < mean.size() && weight == 0; ++j) mean(j) = 0;' ''
defect 'weight zero counted as a little' 'gaussian' 'const double weight = simd_sum(w, block.size);' \
  'const double weight = 1e-8 + simd_sum(w, block.size);'
defect 'log determinant forgotten' 'gaussian' 'frame_->log_jacobian() + precision_.log_determinant();' 'frame_->log_jacobian();'
defect 'constant of the density forgotten' 'gaussian' \
  '* log_two_pi + frame_->log_jacobian()' '* 0.0 + frame_->log_jacobian()'
defect 'Jacobian of the frame forgotten' 'gaussian' 'log_two_pi + frame_->log_jacobian()' 'log_two_pi'
defect 'density overwrites' 'gaussian' 'before += added;' 'before = added;'
defect 'transposed factor in the density' 'gaussian' 'z[t] += panel[4 * j + t] * y;' 'z[t] += panel[4 * t + j] * y;'
defect 'observations left out that matter' 'gaussian' 'const double least = 1e-19 * weight;' 'const double least = 1e-3 * weight;'
defect 'wide moments without weights' 'gaussian' 'const Lanes value = weight * (S::load' 'const Lanes value = (S::load'
defect 'transposed factor in wide densities' 'gaussian' 'z[r][t] += factor * y[r];' 'z[r][t] += factor * y[t % registers];'
defect 'transposition of the wrong lanes' 'gaussian' '(I & h) != 0 ? lanes + I - h : I' '(I & h) != 0 ? lanes + I : I'
defect 'factor misplaced in its panels' 'gaussian' \
  'return 2 * tile * q * (q + 1) + tile * j + i % tile;' 'return 2 * tile * q * (q + 1) + tile * j + (tile - 1 - i % tile);'
defect 'transposed factor in sampling' 'gaussian' 'y[i] -= (*this)(i, j) * y[j];' 'y[i] += (*this)(i, j) * y[j];'
defect 'sampling with the variance' 'gaussian' 'y[i] /= (*this)(i, i);' 'y[i] /= (*this)(i, i) * (*this)(i, i);'
defect 'floor adds to the variance' 'gaussian' '1 / std::sqrt(std::max(variance, least))' '1 / std::sqrt(variance + least)'
defect 'floor adds to the eigenvalues' 'gaussian' \
  'const double root = std::sqrt(std::max(a(j, j), floor));' 'const double root = std::sqrt(std::max(a(j, j), floor) + floor);'
defect 'frame change forgets the centre' 'gaussian' \
  '(location_(j) + frame_->centre(j)) * ratio(j) - frame->centre(j)' 'location_(j) * ratio(j)'
defect 'gradient forgets the means' 'term' \
  'even + odd + pull * (mean(j) - location(j));' 'even + odd;'
defect 'chart without the logarithm' 'gaussian' 'at(j, j) = std::exp(v(start));' 'at(j, j) = 1 + v(start);'

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
  'pooled.scatter(i) += s[k].scatter(i);' 'pooled.scatter(i) = s[k].scatter(i);'
defect 'tied covariance with the wrong weight' 'term' 'pooled.weight += s[k].weight;' 'pooled.weight += s[k].weight > 0 ? 20 : 0;'
defect 'bank does not merge its last component' 'term' \
  'for (std::size_t k = 0; k < all.size(); ++k) all[k] += other.all[k];' \
  'for (std::size_t k = 0; k + 1 < all.size(); ++k) all[k] += other.all[k];'

# Mixture, fold and driver
defect 'unordered merge' 'model' 'mine.wait();' ''
defect 'chunks depend on the threads' 'model' 'chunk_(block_ * std::max<Index>(1, data.size() / (block_ * most_chunks)))' \
  'chunk_(block_ * std::max<Index>(1, data.size() / (block_ * most_chunks)) * workers.size())'
defect 'fold keeps the sum of the pass before' 'model' 'partial *= 0.0;' ''
defect 'responsibilities without weights' 'mixture' \
  'sum[t] == 0 ? Lanes{} : w / sum[t];' 'sum[t] == 0 ? Lanes{} : 1.0 / sum[t];'
defect 'log normaliser without weights' 'mixture' 'total += w == 0 ? Lanes{} : w * normaliser;' 'total += w == 0 ? Lanes{} : normaliser;'
defect 'log-sum-exp without the maximum' 'mixture' 'shift = shift == nothing ? Lanes{} : shift;' 'shift = Lanes{};'
defect 'the last rows without weights' 'model' 's[k * stride] / sum * w;' 's[k * stride] / sum;'
defect 'objective with slack' 'model' 'std::clamp(10 * noise_, 1e5, 1e7) *' '1e10 *'
defect 'converged without the distance' 'model' 'return confirming_ && (plain_ >= 8 || convergence_.fixed_point()) && convergence_.settled();' \
  'return report_.iterations > 4;'
defect 'converged too early' 'model' \
  'return distance <= 0.003 * options_.tolerance * total_weight_;' 'return distance <= 1e4 * options_.tolerance * total_weight_;'
defect 'extrapolation kept though it fell' 'model' \
  'if (extrapolated_ && !(objective >= report_.objective - convergence_.rounding()))' 'if (extrapolated_ && !std::isfinite(objective))'
defect 'total weight counts observations' 'model' 'if (!weights_) return static_cast<double>(size_);' 'return static_cast<double>(size_);'
defect 'slice forgets its weights' 'model' 'block.weights_ = weights_ ? weights_ + first : nullptr;' 'block.weights_ = weights_;'
defect 'condition with the wrong sign' 'mixture' \
  'means.col(k).noalias() += t.bottomLeftCorner(m(), p()) * z;' 'means.col(k).noalias() -= t.bottomLeftCorner(m(), p()) * z;'
defect 'condition with the weights of the joint' 'mixture' '- 0.5 * distance * distance - log_determinant' '- log_determinant'
defect 'marginal of the first dimensions' 'mixture' \
  'location(i) = model[k].location()(dimension(i));' 'location(i) = model[k].location()(i);'

# Conjugate posteriors, variational gates
defect 'no degrees of freedom from the data' 'posterior' \
  'nu_ = prior.nu_ + s.weight * prior.counts_per_observation();' 'nu_ = prior.nu_ + 0.5 * s.weight * prior.counts_per_observation();'
defect 'uncertain mean costs nothing' 'posterior' 'wishart().log_determinant_gain() - 0.5 * static_cast<double>(this->dimension()) / beta_;' 'wishart().log_determinant_gain();'
defect 'divergence of the means without their precision' 'posterior' \
  '(d * (ratio - 1 - std::log(ratio)) + other.beta_ * square)' '(d * (ratio - 1) + other.beta_ * square)'
defect 'divergence of the scales without their traces' 'posterior' '+ 0.5 * nu_ * (trace - variates() * own_number()) +' '+'
defect 'Wishart draws with equal degrees of freedom' 'posterior' 'chi(nu_ - static_cast<double>(d - 1 - i))' 'chi(nu_)'
defect 'predictive scale without the uncertain mean' 'posterior' 'nu_ / freedom * (1 + 1 / beta_)' 'nu_ / freedom'
defect 'mode divided by nu' 'posterior' 'stand_in_.scaled(nu_ / (nu_ + shift))' 'stand_in_.scaled(1)'
defect 'prior of the gate forgotten' 'posterior' 'next.posterior_(k) = next.prior_mean_ + s.counts(k);' 'next.posterior_(k) = 1e-3 + s.counts(k);'
defect 'entropy of the gate with the wrong sign' 'posterior' 'entropy_ -= (posterior_(k) - 1) * log_weights_(k);' 'entropy_ += (posterior_(k) - 1) * log_weights_(k);'
defect 'sticks do not count what comes after' 'posterior' 'b_(k) = prior_b(k, concentration_.mean()) + after;' 'b_(k) = prior_b(k, concentration_.mean());'
defect 'discount forgotten' 'posterior' 'return c + static_cast<double>(k + 1) * discount_;' 'return c + static_cast<double>(k) * discount_;'
defect 'concentration without its prior' 'posterior' 'bound_ = top + std::log(sum) + shape_' 'bound_ = top + shape_'
defect 'expected rates instead of geometric ones' 'posterior' 'const double log_rate = digamma(shapes_(j)) - std::log(rate_);' 'const double log_rate = std::log(shapes_(j)) - std::log(rate_);'
defect 'expected probabilities instead of geometric ones' 'posterior' \
  'logs_(at) = digamma(concentrations_(at)) - of_total;' 'logs_(at) = std::log(concentrations_(at)) - of_total;'
defect 'removal without the distance between means' 'posterior' '+ pull * (other.mean(r) - mean(r));' ';'

# --- mixtures of experts: a softmax gate and linear experts ---------------------------------------------------------------
defect 'gate without its normaliser' 'experts' \
  'Soft::normalise(w, nullptr, scratch.normalisers.data()); for (Index k = 0; k < size(); ++k) scores.col(k) -= scratch.normalisers.head(b);' \
  'Soft::normalise(w, nullptr, scratch.normalisers.data());'
defect 'gradient of the gate ignores its own weights' 'experts' \
  'v.head(b) = r.col(k) - total.head(b).cwiseProduct(w.col(k).head(b));' 'v.head(b) = r.col(k);'
defect 'gate steps down' 'experts' \
  'next.coefficients_.col(k) += share * step.col(0).segment(k * p, p);' \
  'next.coefficients_.col(k) -= share * step.col(0).segment(k * p, p);' \
  'else next.coefficients_.col(k) += other.col(k);' 'else next.coefficients_.col(k) -= other.col(k);'
defect 'intercept of an expert at the mean of y' 'experts' \
  'intercept -= coefficients(r, 1 + j) * s.mean(j);' ''
defect 'residuals without their covariance with x' 'experts' \
  'sum += coefficients(r, 1 + j) * own - coefficients(c, 1 + j) * scatter(p + r, j);' ''
defect 'experts forget the unit of y' 'experts' \
  'jacobian += std::log(frame_->scale(p + r));' ''
defect 'gate recentred by half of its curvature' 'experts' \
  'add_packed_product(&s.pairs(0, pair), p, toward(l, k), &s.gradient(0, l));' ''
defect 'packed product without its upper triangle' 'experts' 'to[j] += *lower * v(i);' ''
defect 'terms of a mixture not recentred' 'experts' \
  'std::get<i>(terms_).recentre(std::get<i>(s.parts), std::get<i>(from.terms_));' ';'

# Penalised experts and gates
defect 'shrunk half as much as the penalty asks' 'penalised' \
  'return v * penalty_.lambda * penalty_.alpha * unit_of(j);' 'return 0.5 * v * penalty_.lambda * penalty_.alpha * unit_of(j);'
defect 'ridge of an elastic net halved' 'penalised' \
  'return penalty_.lambda * (1 - penalty_.alpha) * unit_of(j) * unit_of(j);' \
  'return 0.5 * penalty_.lambda * (1 - penalty_.alpha) * unit_of(j) * unit_of(j);'
defect 'objective of a gate without its lasso' 'penalised' \
  'if (options_.lasso > 0) sum -= threshold(j) * coefficients_.row(j).cwiseAbs().sum();' ''
defect 'lasso of a gate on slopes of other units' 'penalised' \
  'return j == 0 ? 0 : options_.lasso * frame_->scale(j - 1) * options_.temperature;' \
  'return j == 0 ? 0 : options_.lasso * options_.temperature;'

# What linear experts collect
defect 'residuals about a line without its intercept' 'experts' 'S::fill(factor, line(r, 0));' 'S::fill(factor, 0.0);'
defect 'residuals left in the place of the responses' 'experts' 'put_responses_back(line.rows(), block);' ';'

# Posteriors of experts and of softmax gates
defect 'uncertain intercept of an expert costs nothing' 'expert_posterior' '- 0.5 * responses() / k_.kappa();' ';'
defect 'uncertain slopes cost nothing' 'expert_posterior' \
  'const double value = std::sqrt(c) * inverse_(i, j);' 'const double value = 0 * std::sqrt(c) * inverse_(i, j);'
defect 'divergence of coefficients without their precision' 'expert_posterior' \
  '- static_cast<double>(1 + covariates()) + log_ratio) +' '- static_cast<double>(1 + covariates())) +'
defect 'prediction of several responses with too many degrees of freedom' 'expert_posterior' \
  'is_diagonal(structure()) ? nu_ : nu_ - responses() + 1;' 'nu_;'
defect 'bound on the gate for two components, of any number' 'expert_posterior' \
  'std::sqrt(0.5 * others) * factor_(i, j);' 'std::sqrt(0.5) * factor_(i, j);'
defect 'gate as certain as half the data' 'expert_posterior' \
  'system(i, j) += 0.5 * s.second(at++);' 'system(i, j) += 0.25 * s.second(at++);'
defect 'divergence of the gate without its entropy' 'expert_posterior' \
  'per_class -= 2 * std::log(factor_(j, j) * prior_root_(j, j));' ''

# --- block-diagonal covariances, and covariances of low rank --------------------------------------------------------------
defect 'dimensions of a block read into one place' 'factors' \
  'packed[b].pack(run, parts_[b].frame(), static_cast<Index>(j));' 'packed[b].pack(run, parts_[b].frame(), 0);'
defect 'log determinant without the factors' 'factors' 'log_determinant_ += std::log1p(square);' ''
defect 'whitening by the variance' 'factors' \
  'taken_(c) = square / (root * (root + 1));' 'taken_(c) = square / (root * root);'
defect 'spherical noise spread over all dimensions' 'factors' \
  'noise += s(at, at) / static_cast<double>(d - r);' 'noise += s(at, at) / static_cast<double>(d);'

# --- kernels and Gaussian processes ---------------------------------------------------------------------------------------
defect 'gradient of a length scale of the wrong size' 'process' \
  'g.segment(1, lengths_.size()) -= 2 * variance_ * of_lengths;' 'g.segment(1, lengths_.size()) -= variance_ * of_lengths;'
defect 'product kernel without the other factor' 'process' \
  'this->first_.add_gradient(a, b, other, g.head(this->first_.parameters()));' \
  'this->first_.add_gradient(a, b, weights, g.head(this->first_.parameters()));'
defect 'gradient of a change point in one input only' 'process' 'g(both) -= w * (of_a + of_b);' 'g(both) -= 2 * w * of_a;'
defect 'length scales of the other dimension' 'process' \
  'double length(Index c) const { return lengths_(lengths_.size() == 1 ? 0 : c); }' \
  'double length(Index c) const { return lengths_(lengths_.size() - 1); }'
defect 'elements on the diagonal counted twice' 'process' 'w(j, j) *= 0.5;' ''
defect 'elements above the diagonal counted too' 'process' 'w.col(j).head(j).setZero();' ''
defect 'evidence with half the determinant' 'process' \
  'factor.log_determinant() + static_cast<double>(x.cols()) * log_two_pi' \
  '0.5 * factor.log_determinant() + static_cast<double>(x.cols()) * log_two_pi'
defect 'noise of a weight two as of one' 'process' \
  'a.diagonal().array() += variances.array() / weights.array();' 'a.diagonal().array() += variances.array();'
defect 'repeated observations without their own density' 'process' \
  '((weights(i) - 1) * (log_two_pi + std::log(variances(i))) + std::log(weights(i)));' \
  '((weights(i) - 1) * log_two_pi + std::log(weights(i)));'
defect 'mean of a process forgotten in predictions' 'process' 'prior().mean().fill(z, result);' 'result.setZero();'
defect 'predicted variance of the prior' 'process' \
  'mine = (mine - cross.colwise().squaredNorm().transpose()).cwiseMax(0.0);' \
  'mine = (mine - 0 * cross.colwise().squaredNorm().transpose()).cwiseMax(0.0);'

# Sparse and Markov processes
defect 'bound without what inducing inputs leave out' 'approximate' \
  'if (bound_ == SparseBound::titsias) sum.rest += s.precision(i) * s.rest(i);' ''
defect 'divergence without the mean of the inducing values' 'approximate' \
  '(covariance.diagonal().sum() + mean_.squaredNorm() - m + precision_.log_determinant())' \
  '(covariance.diagonal().sum() - m + precision_.log_determinant())'
defect 'gradient of features of half the variance' 'approximate' \
  'cross.col(i) = precision * cross.col(i) - 2 * g * phi.col(i);' 'cross.col(i) = precision * cross.col(i) - g * phi.col(i);'
defect 'variance without what inducing inputs leave out' 'approximate' \
  'return rest_ + whitened_.colwise().squaredNorm().transpose();' 'return whitened_.colwise().squaredNorm().transpose();'
defect 'filter that forgets the noise of an observation' 'approximate' \
  'column_ = -noise * gain_;' 'column_ = 0 * noise * gain_;'
defect 'smoother that forgets later observations' 'approximate' 'mean(q) += z.col(q - first).dot(r_);' ''
defect 'gradient of the noise without the errors' 'approximate' 'return 0.5 * (e * e - d);' 'return -0.5 * d;'
