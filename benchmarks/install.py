"""What an installation costs: `python -m benchmarks.install [EXTRA ...] [--with pip|uv]`.

Builds the wheel of this clone, installs it with the extras into a fresh virtual environment and
prints the size of each distribution, and the wall and processor seconds. The first installation
fills the cache of downloads, the second, into another fresh environment, is timed. `--with uv`
needs uv on the path; it writes no compiled files, so its sizes are smaller.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_OURS = frozenset({"pip", "setuptools"})
"""What `python -m venv` puts into an environment."""
MB = 1e6


def wheel(folder: Path) -> Path:
    """Returns the wheel of this clone, built into the folder."""
    build = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT))
    subprocess.run(build, check=True)
    return next(folder.glob("*.whl"))


def installed(what: str, place: Path, *, tool: str) -> tuple[float, float]:
    """Returns wall and processor seconds in which a tool installs `what` in a new environment."""
    subprocess.run((sys.executable, "-m", "venv", str(place)), check=True)
    python = str(place / "bin" / "python")
    commands = {
        "pip": (python, "-m", "pip", "install", "-q", "--disable-pip-version-check", what),
        "uv": ("uv", "pip", "install", "-q", "--python", python, what),
    }
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(commands[tool], check=True)
    wall_s, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def sizes(place: Path) -> dict[str, float]:
    """Returns the distributions of an environment with their sizes in MB, the largest first."""
    packages = next(place.glob("lib/python*/site-packages"))
    found = {
        re.sub(r"[-_.]+", "-", distribution.name).lower(): _size(distribution)
        for distribution in distributions(path=[str(packages)])
        if distribution.name not in NOT_OURS
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _size(distribution: Distribution) -> float:
    """The files that an installation recorded; those outside site-packages are a few kB."""
    paths = (Path(str(distribution.locate_file(file))) for file in distribution.files or ())
    return sum(path.stat().st_size for path in paths if path.is_file()) / MB


def main(words: list[str] | None = None) -> None:
    """Prints a table of sizes and, under it, their sum and the seconds of the installation."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("extras", nargs="*", help="extras to install; without any, the core")
    parser.add_argument("--with", dest="tool", choices=["pip", "uv"], default="pip")
    asked = parser.parse_args(words)
    if asked.tool == "uv" and shutil.which("uv") is None:
        parser.error("uv is not on the path; install it: pip install uv")
    extras = f"[{','.join(asked.extras)}]" if asked.extras else ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        what = f"{wheel(folder)}{extras}"
        installed(what, folder / "first", tool=asked.tool)
        wall_s, cpu_s = installed(what, folder / "second", tool=asked.tool)
        table = sizes(folder / "second")
    for name, size in table.items():
        print(f"{size:8.1f} MB  {name}")
    whole = f"{sum(table.values()):8.1f} MB  in all"
    print(f"{whole}; {asked.tool} took {wall_s:.1f} s, {cpu_s:.1f} s of them on a processor")


if __name__ == "__main__":
    main()
