"""What an installation costs: `python -m benchmarks.install [EXTRA ...] [--with pip|uv]`.

Builds the wheel of this clone, installs it with the extras into a fresh virtual environment and
prints the seconds and the size of each distribution. The first installation fills the cache of
downloads, the second, into another fresh environment, is timed. `--with uv` needs uv on the path;
it writes no compiled files, so its sizes are smaller.
"""

from __future__ import annotations

import argparse
import re
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


def installed(what: str, place: Path, *, tool: str) -> float:
    """Returns the seconds in which `pip` or `uv` installs `what` into a new environment."""
    subprocess.run((sys.executable, "-m", "venv", str(place)), check=True)
    python = str(place / "bin" / "python")
    commands = {
        "pip": (python, "-m", "pip", "install", "-q", "--disable-pip-version-check", what),
        "uv": ("uv", "pip", "install", "-q", "--python", python, what),
    }
    begun = time.perf_counter()
    subprocess.run(commands[tool], check=True)
    return time.perf_counter() - begun


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
        seconds = installed(what, folder / "second", tool=asked.tool)
        table = sizes(folder / "second")
    for name, size in table.items():
        print(f"{size:8.1f} MB  {name}")
    print(f"{sum(table.values()):8.1f} MB  in all; {asked.tool} took {seconds:.1f} s")


if __name__ == "__main__":
    main()
