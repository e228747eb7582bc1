#pragma once

// All kernels.
#include "emulsion/kernels/any_kernel.hpp"
#include "emulsion/kernels/change_point.hpp"
#include "emulsion/kernels/combined.hpp"
#include "emulsion/kernels/constant.hpp"
#include "emulsion/kernels/coregionalization.hpp"
#include "emulsion/kernels/linear.hpp"
#include "emulsion/kernels/matern.hpp"
#include "emulsion/kernels/periodic.hpp"
#include "emulsion/kernels/polynomial.hpp"
#include "emulsion/kernels/rational_quadratic.hpp"
#include "emulsion/kernels/spectral_mixture.hpp"
#include "emulsion/kernels/squared_exponential.hpp"
#include "emulsion/kernels/white_noise.hpp"
