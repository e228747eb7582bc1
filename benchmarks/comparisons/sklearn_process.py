"""Log marginal likelihood and gradient of an exact Gaussian process with scikit-learn; see processes.py.

sklearn_process.py FILE N D REPEATS
"""

import statistics
import sys
import time

import numpy
import sklearn
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

path, n, d, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
numbers = numpy.fromfile(path)
x, y = numbers[: n * d].reshape(n, d), numbers[n * d :]
kernel = ConstantKernel(1.7) * RBF(numpy.linspace(1, 3, d)) + WhiteKernel(0.1)
process = GaussianProcessRegressor(kernel, alpha=0, optimizer=None).fit(x[:10], y[:10])
process.X_train_, process.y_train_ = x, y  # as fit() leaves them, without its own factorisation
seconds = []
for _ in range(repeats):
    start = time.perf_counter()
    likelihood, gradient = process.log_marginal_likelihood(process.kernel_.theta, eval_gradient=True)
    seconds.append(time.perf_counter() - start)
print("version scikit-learn", sklearn.__version__)
print("seconds", statistics.median(seconds))
print("log_marginal_likelihood", repr(float(likelihood)))
print("gradient", *(repr(float(g)) for g in gradient))
