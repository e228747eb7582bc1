"""Log marginal likelihood and gradient of exact Gaussian processes with scikit-learn and with emulsion.

/usr/bin/python3 benchmarks/comparisons/processes.py [--rounds N] [--file FILE]

Needs what run.sh builds, and scikit-learn. An ARD squared exponential in 8 dimensions plus noise; scikit-learn's BLAS with as
many threads as it likes, and with one. Adds a section to results.md. No time is printed before both agree in the log
marginal likelihood (1e-10) and its gradient (1e-8 of the largest element).
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from results import circumstances, table, write_section

FOLDER = pathlib.Path(__file__).parent
PROGRAM = FOLDER.parent.parent / "build" / "comparisons" / "emulsion_process"
DIMENSIONS, SIZES = 8, (500, 1000, 2000)
GOAL = 5  # times faster at the largest size


def scikit_learn(path, n, threads):
    """In a process of its own, so that the number of threads is known before BLAS starts."""
    environment = dict(os.environ)
    if threads:
        environment["OPENBLAS_NUM_THREADS"] = str(threads)
    command = [sys.executable, FOLDER / "sklearn_process.py", path, str(n), str(DIMENSIONS), "3"]
    return values(command, environment)


def values(command, environment=None):
    out = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, env=environment).stdout
    lines = dict(line.split(" ", 1) for line in out.splitlines())
    return {name: [float(one) for one in line.split()] if name != "version" else line for name, line in lines.items()}


def check_agreement(n, ours, theirs):
    a, b = ours["log_marginal_likelihood"][0], theirs["log_marginal_likelihood"][0]
    if abs(a - b) > 1e-10 * abs(b):
        raise SystemExit(f"n = {n}: log marginal likelihoods {a} and {b}")
    largest = max(abs(g) for g in theirs["gradient"])
    away = max(abs(g - h) for g, h in zip(ours["gradient"], theirs["gradient"], strict=True)) / largest
    if away > 1e-8:
        raise SystemExit(f"n = {n}: gradients differ by {away} of the largest element")
    return abs(a - b) / abs(b), away


def compare(n, folder, rounds):
    path = pathlib.Path(folder) / f"process_{n}"
    subprocess.run([PROGRAM, "generate", str(n), str(DIMENSIONS), path], check=True)
    seconds = {"one": [], "all": [], "ours": []}
    for _ in range(rounds):
        runs = {
            "one": scikit_learn(path, n, 1),
            "all": scikit_learn(path, n, None),
            "ours": values([PROGRAM, path, n, DIMENSIONS, 5]),
        }
        away = check_agreement(n, runs["ours"], runs["all"])
        for name, run in runs.items():
            seconds[name].append(run["seconds"][0])
    one, both, ours = (statistics.median(seconds[name]) for name in ("one", "all", "ours"))
    ratio = min(one, both) / ours
    short = " (**short**)" if n == max(SIZES) and ratio < GOAL else ""
    row = [f"{n:,}", f"{one:.3g}", f"{both:.3g}", f"{ours:.3g}", f"{ratio:.3g}{short}", f"{away[0]:.0e}, {away[1]:.0e}"]
    return row, runs["all"]["version"]


def main():
    parser = argparse.ArgumentParser(description="Exact Gaussian processes with scikit-learn and emulsion.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--file", default=FOLDER / "results.md", help="the results file to write to")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=PROGRAM.parent) as folder:
        rows, versions = zip(*(compare(n, folder, arguments.rounds) for n in SIZES))
    head = ["n", "scikit-learn, 1 thread, s", "2 threads, s", "emulsion, 1 thread, s", f"x the better (goal {GOAL})", "disagreement"]
    body = f"""\
{circumstances()}; {versions[0]}.

Seconds for the log marginal likelihood and its gradient with respect to the hyperparameters of an exact process, squared
exponential with {DIMENSIONS} length scales and noise: medians of {arguments.rounds} interleaved rounds. Disagreement: of the log
marginal likelihood, relative, and of the gradient, in units of its largest element.

{table(head, rows)}"""
    write_section(arguments.file, "Gaussian processes", body)
    print(body)


if __name__ == "__main__":
    main()
