"""Reads what the programs printed: `report.py check RUNS` and `report.py write RUNS FILE`.

RUNS has the file `cases` (name, structure, n, d, K), `limits.*`, and CASE.PROGRAM.THREADS.ROUND of every run.
"""

import collections
import math
import pathlib
import statistics
import sys

from results import circumstances, table, write_section

AGREEMENT = 1e-9
EXACT_PEERS = ["armadillo", "sklearn", "mclust"]
NAMES = {
    "emulsion": "emulsion",
    "emulsion_plain": "emulsion, plain x86-64",
    "armadillo": "Armadillo",
    "sklearn": "scikit-learn",
    "mclust": "mclust",
    "opencv": "OpenCV",
}
# Times the best peer with 1 and 2 threads; times the limit of one core.
GOALS = {
    "f2": (20, 14, 1.7),
    "f16": (8, 8, 1.8),
    "f64": (6, 9, 1.3),
    "f256": (3, 3.6, 1.25),
    "d16": (8, 10, 1.6),
    "d128": (2.6, 3.5, 1.35),
}
TWO_THREADS = {"f64": 1.75, "f256": 1.75, "d16": 1.75, "d128": 1.75}  # times one thread


def read_cases(runs):
    rows = [line.split() for line in open(runs / "cases")]
    return {name: (structure, int(n), int(d), int(k)) for name, structure, n, d, k in rows}


def read_runs(runs):
    """By (case, program, threads): a list of dictionaries, one for each round."""
    result = collections.defaultdict(list)
    for path in sorted(runs.glob("*.*.*.*")):
        case, program, threads, _ = path.name.split(".")
        run = {"after": {}}
        for line in path.read_text().splitlines():
            name, value = line.split(" ", 1)
            if name == "mean_log_likelihood_after":
                iteration, value = value.split()
                run["after"][int(iteration)] = float(value)
            else:
                run[name] = value.strip()
        run["after"][int(run["iterations"])] = float(run["mean_log_likelihood"])
        result[case, program, int(threads)].append(run)
    return result


def check(runs):
    """Ends the program unless all agree after the same iterations. The largest difference of each case."""
    values = collections.defaultdict(dict)
    for (case, program, threads), rounds in read_runs(runs).items():
        for number, run in enumerate(rounds, 1):
            for iteration, value in run["after"].items():
                values[case, iteration][f"{NAMES[program]}, {threads} threads, round {number}"] = value
    worst = collections.defaultdict(float)
    for (case, iteration), by_program in values.items():
        spread = max(by_program.values()) - min(by_program.values())
        if not (spread <= AGREEMENT and all(map(math.isfinite, by_program.values()))):
            lines = "".join(f"  {value:.15f}  {name}\n" for name, value in by_program.items())
            sys.exit(f"{case}: the mean log-likelihoods after {iteration} iterations differ by {spread:.1e}:\n{lines}")
        worst[case] = max(worst[case], spread)
    return worst


def read_limits(runs, case="*"):
    """Medians, as of the programs' times: of the rounds of a case, between whose runs they were measured."""
    values = collections.defaultdict(list)
    for path in runs.glob(f"limits.{case}-*"):
        for line in path.read_text().splitlines():
            name, value = line.split()
            values[name].append(float(value))
    limits = {name: statistics.median(v) for name, v in values.items()}
    limits["exp_ns"] = min(limits["exp_ns_eigen"], limits["exp_ns_emulsion"])
    limits["idle"] = limits["gflops_2"] / (2 * max(values["gflops_1"]))
    return limits


def limit(limits, structure, n, d, k):
    """Seconds of an iteration on one core: the multiply-adds of E- and M-step at peak, and n K exponentials."""
    step = n * k * (d * (d + 1) / 2 + d) if structure == "full" else 2 * n * k * d
    return 2 * step / (0.5e9 * limits["gflops_1"]) + n * k * 1e-9 * limits["exp_ns"]


def seconds(all_runs, case, program, threads):
    rounds = all_runs.get((case, program, threads))
    return statistics.median(float(run["seconds_per_iteration"]) for run in rounds) if rounds else None


def cell(value, digits=3):
    return "" if value is None else f"{value:.{digits}g}"


def verdict(reached, goal, at_most=False):
    if goal is None:
        return cell(reached)
    met = reached <= goal if at_most else reached >= goal
    return f"{cell(reached)} ({'at most' if at_most else 'goal'} {goal:g}{'' if met else ': **short**'})"


def ratios(all_runs, case, threads, bound):
    """One row: emulsion against the best peer and the limit. A peer may use fewer threads where that is faster."""
    peers = {
        name: min(filter(None, (seconds(all_runs, case, name, t) for t in range(1, threads + 1))), default=None)
        for name in EXACT_PEERS
    }
    peers = {name: value for name, value in peers.items() if value}
    best = min(peers, key=peers.get)
    one_thread = seconds(all_runs, case, "emulsion", 1)
    ours, plain = (seconds(all_runs, case, name, threads) for name in ("emulsion", "emulsion_plain"))
    goals = GOALS[case]
    return [
        case,
        threads,
        f"{NAMES[best]} {cell(peers[best])}",
        verdict(peers[best] / ours, goals[threads - 1]),
        verdict(peers[best] / plain, 1),
        verdict(ours / bound, goals[2], at_most=True) if threads == 1 else "",
        verdict(one_thread / ours, TWO_THREADS.get(case)) if threads > 1 else "",
    ]


def write(runs, path):
    worst = check(runs)
    all_runs, cases, limits = read_runs(runs), read_cases(runs), read_limits(runs)
    programs = [name for name in NAMES if any(key[1] == name for key in all_runs)]
    times, against = [], []
    for case, (structure, n, d, k) in cases.items():
        bound = limit(read_limits(runs, case), structure, n, d, k)
        for threads in (1, 2):
            row = [cell(seconds(all_runs, case, name, threads)) for name in programs]
            times.append([case, f"{structure} {n:,} x {d}, {k}", threads, *row, cell(bound) if threads == 1 else ""])
            against.append(ratios(all_runs, case, threads, bound))
    disturbed = ""
    if limits["idle"] < 0.9:
        disturbed = f"""
**Provisional**: other programs ran at the same time. In the median during the runs, two threads got
{limits["idle"]:.0%} of the arithmetic of two idle cores.
"""
    versions = sorted(
        {rounds[0]["version"] for (_, program, _), rounds in all_runs.items() if "emulsion" not in program}
    )
    rounds = max(len(r) for r in all_runs.values())
    times_head = ["case", "covariance, n x d, K", "threads", *map(NAMES.get, programs), "limit, 1 core"]
    against_head = ["case", "threads", "best peer, s", "x best peer", "plain, x best peer", "x limit", "x 1 thread"]
    body = f"""\
{circumstances()}.

{"; ".join(versions)}.
{disturbed}
Seconds per EM iteration, median of interleaved rounds: {rounds}, or one for programs that take very long. After the
same iterations all agree in the mean log-likelihood, to {max(worst.values()):.0e} at worst. mclust and OpenCV have one
thread only.

{table(times_head, times)}
Times the best exact peer (Armadillo, scikit-learn, mclust, each at the better of 1 and 2 threads where there are 2),
beside the goals. "Plain": compiled without `-march=native`, the peers with it or as Debian ships them.

{table(against_head, against)}
Limit: multiply-adds / peak + n K exponentials, both measured between the runs of the case; in the median of all
cases: peak of one core {limits["gflops_1"]:.1f} GFLOP/s, of two
{limits["gflops_2"]:.1f}. An exponential {limits["exp_ns"]:.2f} ns, the faster of emulsion's
{limits["exp_ns_emulsion"]:.2f} and Eigen's {limits["exp_ns_eigen"]:.2f}.
Memory, not part of it: {limits["gigabytes_1"]:.0f} GB/s read by one thread, {limits["gigabytes_2"]:.0f} by two.
"""
    write_section(path, "One EM iteration", body)
    print(body)


if __name__ == "__main__":
    command, runs, *rest = sys.argv[1:]
    if command == "write":
        write(pathlib.Path(runs), *rest)
    else:
        for name, spread in check(pathlib.Path(runs)).items():
            print(f"{name}: all programs agree to {spread:.0e}")
