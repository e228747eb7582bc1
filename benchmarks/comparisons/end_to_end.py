"""Time to the answer: a whole fit with scikit-learn and with emulsion, seeding included, both with 2 threads.

/usr/bin/python3 benchmarks/comparisons/end_to_end.py [--seeds N] [--n N] [--file FILE]

Needs what run.sh builds. Data: see emulsion_fit.cpp. Adds a section to results.md. A seed takes minutes: its times are kept
in build/comparisons/end_to_end_N, so that a run that was stopped goes on; remove that folder to measure again.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time
import warnings

THREADS = 2
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(THREADS)  # before numpy is loaded

import numpy as np  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402

from results import circumstances, table, write_section  # noqa: E402

FOLDER = pathlib.Path(__file__).parent
PROGRAM = FOLDER.parent.parent / "build" / "comparisons" / "emulsion_fit"
DIMENSION, COMPONENTS = 8, 16
GOAL = 10  # times faster
CLOSE = 1e-4  # nats per observation: as good as the best known
WORSE = 1e-6  # below a competitor by more than this is a worse optimum
STILL = 1e-7  # a change per iteration below which scikit-learn is taken to have ended
ENOUGH = 50  # times the time of emulsion's slower way after which a fit with scikit-learn is given up


def emulsion(*arguments):
    command = [PROGRAM, *map(str, arguments)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [[float(value) for value in line.split()[1:]] for line in lines]


class Enough(Exception):
    pass


class WatchedMixture(GaussianMixture):
    """Notes the mean log-likelihood of every E-step. The call with the default tolerance would end where the change
    first is below 1e-3; this one goes on until it has reached the target as well, or no tolerance would help."""

    def _e_step(self, X):
        result = super()._e_step(X)
        self.path.append((time.perf_counter() - self.begin, result[0]))
        change = abs(self.path[-1][1] - self.path[-2][1]) if len(self.path) > 1 else np.inf
        if self.default is None and (self.ended or len(self.path) > GaussianMixture().max_iter):
            self.default = self.path[-1]  # the default call ends with one more E-step
        self.ended = self.ended or change < GaussianMixture().tol
        arrived = result[0] >= self.target or change < STILL or self.path[-1][0] > self.longest
        if self.default is not None and arrived:
            raise Enough
        return result


def sklearn(x, seed, target, longest):
    """The path of one call, and where the default call ends on it: the same start, the same iterations."""
    model = WatchedMixture(COMPONENTS, random_state=seed, tol=0, max_iter=1_000_000)
    model.path, model.target, model.longest, model.default = [], target, longest, None
    model.ended, model.begin = False, time.perf_counter()
    try:
        model.fit(x)
    except Enough:
        pass
    return model.default, model.path


def first_reached(path, target):
    """Seconds until the path reaches the target, infinite where it never does."""
    return next((seconds for seconds, value in path if value >= target), np.inf)


def measure(n, seed, folder):
    file = folder / "data"
    (truth,) = emulsion("draw", file, n, seed)[0]
    x = np.fromfile(file).reshape(n, DIMENSION)
    paths = {str(restarts): emulsion("fit", file, n, restarts, THREADS) for restarts in (1, 0)}
    best = max([truth, *(path[-1][1] for path in paths.values())])
    slower = max(first_reached(path, best - CLOSE) for path in paths.values())
    longest = ENOUGH * (slower if np.isfinite(slower) else max(path[-1][0] for path in paths.values()))
    default, tight = sklearn(x, seed, best - CLOSE, longest)
    return {
        "seed": seed,
        "best": max(best, *(value for _, value in tight)),
        "default": default,
        "tight": tight,
        "paths": paths,
    }


def final(path):
    return path[-1][1]


def duration(seconds):
    return "never" if np.isinf(seconds) else f"{seconds:.3g}"


def ratio(theirs, ours):
    """How many times faster; unknown where neither arrives."""
    return np.nan if np.isinf(theirs) and np.isinf(ours) else theirs / ours


def to_default(run):
    """Until scikit-learn's own final log-likelihood: a row of the table; the ratios."""
    theirs, value = run["default"]
    ours = [(first_reached(path, value), path[-1][0]) for path in run["paths"].values()]
    below = [run["best"] - other for other in (value, *map(final, run["paths"].values()))]
    times = [f"{duration(first)} ({total:.3g})" for first, total in ours]
    row = [run["seed"], f"{theirs:.3g}", *times, *(f"{gap:.1e}" for gap in below)]
    return row, [ratio(theirs, first) for first, _ in ours]


def to_best(run):
    """Until close to the best known: the same."""
    target = run["best"] - CLOSE
    theirs = first_reached(run["tight"], target)
    ours = [first_reached(path, target) for path in run["paths"].values()]
    text = duration(theirs)
    if np.isinf(theirs):
        text = f"not yet ({run['tight'][-1][0]:.0f} s, {run['best'] - final(run['tight']):.1e} below)"
    return [run["seed"], text, len(run["tight"]), *map(duration, ours)], [ratio(theirs, seconds) for seconds in ours]


def medians(ratios):
    """In words, for restarts = 1 and the default."""
    parts = []
    for name, values in zip(("`.restarts = 1`", "default"), zip(*ratios)):
        known = [value for value in values if not np.isnan(value)]
        value = statistics.median(known) if known else np.nan
        text = f"{value:.3g} times faster"
        if np.isinf(value):
            text = f"more than {ENOUGH} times faster, or only emulsion arrives"
        elif value == 0:
            text = "only scikit-learn arrives"
        elif np.isnan(value):
            text = "neither arrives"
        parts.append(f"{name}: {text}{'' if value >= GOAL else ' (**short**)'}")
    return f"Median, goal {GOAL} times: {'; '.join(parts)}."


def optima(runs):
    """In words, whether a default fit ends below a fit with scikit-learn."""
    bad = [
        run["seed"]
        for run in runs
        if final(run["paths"]["0"]) < max(run["default"][1], *(value for _, value in run["tight"])) - WORSE
    ]
    if bad:
        return f"emulsion's default fit ends in a **worse** optimum than scikit-learn for the seeds {bad}."
    return "emulsion's default fit never ends in a worse optimum than scikit-learn."


def report(runs, n, path):
    default_rows, default_ratios = zip(*map(to_default, runs))
    best_rows, best_ratios = zip(*map(to_best, runs))
    seeds = ", ".join(str(run["seed"]) for run in runs)
    ours = ["emulsion, `.restarts = 1`", "emulsion, default"]
    below = ["scikit-learn below", "`.restarts = 1` below", "default below"]
    body = f"""\
{circumstances()}.

{n:,} observations from 16 overlapping Gaussians in 8 dimensions, {THREADS} threads, seeds {seeds} (of the data and of
scikit-learn; emulsion's is 0 throughout).

Seconds to the log-likelihood at which scikit-learn's `GaussianMixture(16)` ends, in brackets until emulsion's fit ends;
nats per observation from where a fit ends to the best known. {medians(default_ratios)}

{table(["seed", "scikit-learn", *ours, *below], default_rows)}
Seconds until within {CLOSE:g} nats per observation of the best known; scikit-learn without tolerance, stopped when it
arrives, or after {ENOUGH} times the time of emulsion's slower way. {medians(best_ratios)}

{table(["seed", "scikit-learn", "its E-steps", *ours], best_rows)}
{optima(runs)}
"""
    write_section(path, "Time to the answer", body)
    print(body)


def main():
    parser = argparse.ArgumentParser(description="Whole fits with scikit-learn and emulsion.")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0; the goal is stated for 10")
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--file", default=FOLDER / "results.md", help="the results file to write to")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    kept = PROGRAM.parent / f"end_to_end_{arguments.n}"
    kept.mkdir(exist_ok=True)
    runs = []
    with tempfile.TemporaryDirectory(dir=PROGRAM.parent) as folder:
        for seed in range(arguments.seeds):
            path = kept / f"{seed}.json"
            if not path.exists():
                path.write_text(json.dumps(measure(arguments.n, seed, pathlib.Path(folder))))
            runs.append(json.loads(path.read_text()))
            print(f"seed {seed} is done", flush=True)
    report(runs, arguments.n, arguments.file)


main()
