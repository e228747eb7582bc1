"""Iterations of mixtures of experts with flexmix and with emulsion.

/usr/bin/python3 benchmarks/comparisons/experts.py [--rounds N] [--file FILE]

Needs what run.sh builds, and flexmix (Debian: r-cran-flexmix). Data: see emulsion_experts.cpp. Adds a section to results.md.
No time is printed before both agree in the mean log-likelihood after the same iterations from the same start.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # flexmix's products are too small for threads, which only wait for each other

from results import circumstances, table, write_section

FOLDER = pathlib.Path(__file__).parent
PROGRAM = FOLDER.parent.parent / "build" / "comparisons" / "emulsion_experts"
N, COVARIATES, COMPONENTS, ITERATIONS = 100_000, 8, 4, 5
GOAL = 50  # times faster, with one thread
# Where they must agree: observations, iterations, how near. With a softmax gate flexmix maximises in every M-step, emulsion
# makes one Newton step: they share the limit, not the way.
AGREEMENT = {"constant": (N, ITERATIONS, 1e-9), "softmax": (10_000, 40, 1e-8)}


def values(*command):
    """What a program prints: names and the rest of their lines."""
    out = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
    return dict(line.split(" ", 1) for line in out.splitlines())


def programs(gate, n, iterations, folder):
    """The commands, by name; their data are made here."""
    subprocess.run([PROGRAM, "generate", str(n), str(COVARIATES), str(COMPONENTS), folder], check=True)
    size = [gate, n, COVARIATES, COMPONENTS, folder, iterations]
    return {
        "flexmix": ["Rscript", FOLDER / "flexmix_experts.R", *size],
        "one": [PROGRAM, *size, 1],
        "two": [PROGRAM, *size, 2],
    }


def compare(gate, folder, rounds):
    n, iterations, near = AGREEMENT[gate]
    runs = [values(*command) for command in programs(gate, n, iterations, folder).values()]
    likelihoods = [float(run["mean_log_likelihood"]) for run in runs]
    spread = max(likelihoods) - min(likelihoods)
    if spread > near:
        raise SystemExit(f"{gate}: mean log-likelihoods {likelihoods} differ by more than {near}")
    seconds = {}
    commands = programs(gate, N, ITERATIONS, folder)
    for _ in range(rounds):
        for name, command in commands.items():
            seconds.setdefault(name, []).append(float(values(*command)["seconds_per_iteration"]))
    theirs, one, two = (statistics.median(seconds[name]) for name in commands)
    short = "" if theirs / one >= GOAL else " (**short**)"
    times = [f"{theirs:.3g}", f"{one:.3g}", f"{two:.3g}", f"{theirs / one:.3g}{short}", f"{theirs / two:.3g}"]
    return [gate, *times, f"{spread:.0e} after {iterations}, n = {n:,}"], runs[0]["version"].strip()


def main():
    parser = argparse.ArgumentParser(description="Iterations of mixtures of experts with flexmix and emulsion.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--file", default=FOLDER / "results.md", help="the results file to write to")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=PROGRAM.parent) as folder:
        rows, versions = zip(*(compare(gate, folder, arguments.rounds) for gate in ("constant", "softmax")))
    goal = f"x flexmix (goal {GOAL})"
    head = ["gate", "flexmix, s", "emulsion, s", "2 threads, s", goal, "2 threads, x flexmix", "disagreement"]
    body = f"""\
{circumstances()}; {versions[0]}.

Seconds per EM iteration of {COMPONENTS} linear experts, {N:,} observations, {COVARIATES} covariates, one response; {ITERATIONS}
iterations from the same responsibilities, medians of {arguments.rounds} interleaved rounds. flexmix has no threads. Disagreement: in the
mean log-likelihood after so many iterations. With a softmax gate, flexmix's M-step is the maximum, emulsion's one Newton
step: they are compared where both have arrived.

{table(head, rows)}"""
    write_section(arguments.file, "Mixtures of experts", body)
    print(body)


if __name__ == "__main__":
    main()
