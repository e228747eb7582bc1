"""The iterations of one case with scikit-learn.

sklearn_em.py full|diagonal N D K FOLDER ITERATIONS THREADS, with OMP_NUM_THREADS and OPENBLAS_NUM_THREADS set.
"""

import statistics
import sys
import time
import warnings

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_info, threadpool_limits


class TimedMixture(GaussianMixture):
    """Notes when each E-step begins: from one to the next is one iteration, E-step, M-step and bound."""

    def _e_step(self, X):
        self.begins.append(time.perf_counter())
        return super()._e_step(X)


def main():
    structure, n, d, components, folder, iterations, threads = sys.argv[1:]
    n, d, components = int(n), int(d), int(components)
    x = np.fromfile(folder + "/data").reshape(n, d)
    means = np.fromfile(folder + "/means").reshape(components, d)
    full = structure == "full"
    model = TimedMixture(
        components,
        covariance_type="full" if full else "diag",
        tol=0,
        reg_covar=0,
        max_iter=int(iterations),
        init_params="random_from_data",  # overruled by the start below; k-means, the default, would run all the same
        weights_init=np.full(components, 1 / components),
        means_init=means,
        precisions_init=np.tile(np.eye(d), (components, 1, 1)) if full else np.ones((components, d)),
        random_state=0,
    )
    model.begins = []
    with threadpool_limits(int(threads)):
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x)
        mean_log_likelihood = model.score(x)
    blas = next((lib for lib in threadpool_info() if lib["user_api"] == "blas"), None)
    print(
        "version scikit-learn",
        sklearn.__version__,
        "with",
        f"{blas['internal_api']} {blas['version']}" if blas else "reference BLAS",
    )
    print("iterations", len(model.begins) - 1)
    print(f"mean_log_likelihood {mean_log_likelihood:.17g}")
    print(f"seconds_per_iteration {statistics.median(np.diff(model.begins)):.6g}")


main()
