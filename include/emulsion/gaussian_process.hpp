#pragma once

// Gaussian processes: kernels; exact inference, and that of one dimension in linear time; fitted hyperparameters.
#include "emulsion/inference/fit_gaussian_process.hpp"
#include "emulsion/inference/fit_markov_process.hpp"
#include "emulsion/kernels/kernels.hpp"
#include "emulsion/processes/gaussian_process.hpp"
#include "emulsion/processes/markov_process.hpp"
#include "emulsion/processes/sample_state_space.hpp"
