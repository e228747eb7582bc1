"""results.md: sections, each remade by the program that measures it."""

import datetime
import os
import pathlib
import platform
import subprocess

FOLDER = pathlib.Path(__file__).parent
HEAD = "# Results\n\nMade by `run.sh`, `end_to_end.py` and `experts.py`; [README.md](README.md) says how, and what is measured.\n"


def output(*command):
    """What a command prints, or nothing where there is no such command."""
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=FOLDER).stdout.strip()
    except OSError:
        return ""


def circumstances():
    """Processor, compiler, revision and date, in one sentence."""
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    compiler = output("c++", "--version").split("\n")[0]
    revision = output("git", "rev-parse", "--short", "HEAD") or "unknown"
    if output("git", "status", "--porcelain", "--", "../../include"):
        revision += " with changes"
    return "; ".join(
        [
            f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores",
            compiler,
            f"emulsion at {revision}",
            datetime.date.today().isoformat(),
            f"load average {os.getloadavg()[0]:.1f} at the end",
        ]
    )


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def write_section(path, title, body):
    """Puts the section in the place of the old one of that title, or at the end."""
    path = pathlib.Path(path)
    parts = path.read_text().split("\n## ") if path.exists() else [HEAD]
    kept = [part.rstrip("\n") + "\n" for part in parts[1:] if not part.startswith(title + "\n")]
    new = f"{title}\n\n{body.rstrip()}\n"
    places = [i for i, part in enumerate(parts[1:]) if part.startswith(title + "\n")]
    kept.insert(places[0] if places else len(kept), new)
    path.write_text("\n## ".join([HEAD, *kept]))
