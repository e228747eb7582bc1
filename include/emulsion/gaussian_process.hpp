#pragma once

// Gaussian processes: kernels; exact inference, that of one dimension in linear time, and that of many observations
// through inducing inputs; fitted hyperparameters.
#include "emulsion/inference/fit_gaussian_process.hpp"
#include "emulsion/inference/fit_markov_process.hpp"
#include "emulsion/inference/fit_sparse_process.hpp"
#include "emulsion/kernels/kernels.hpp"
#include "emulsion/processes/gaussian_process.hpp"
#include "emulsion/processes/inducing_points.hpp"
#include "emulsion/processes/kmeans_inducing_points.hpp"
#include "emulsion/processes/markov_process.hpp"
#include "emulsion/processes/sample_state_space.hpp"
#include "emulsion/processes/sparse_process.hpp"
