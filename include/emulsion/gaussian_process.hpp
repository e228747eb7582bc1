#pragma once

// Gaussian processes: kernels, exact inference, fitted hyperparameters.
#include "emulsion/inference/fit_gaussian_process.hpp"
#include "emulsion/kernels/kernels.hpp"
#include "emulsion/processes/gaussian_process.hpp"
