"""Packages that only some commands need: the extra that installs each, and how to install it.

Nothing here imports them. A command asks `is_installed` if it can do without the package, and says
what it left out; otherwise it calls `require` before the import.
"""

from __future__ import annotations

from importlib.util import find_spec

DISTRIBUTION = "ccnet-port-harness"
EXTRAS = {
    "adlfs": "azure",
    "backports.zstd": "zstd",
    "gcsfs": "gcs",
    "matplotlib": "plots",
    "mlflow": "mlflow",
    "numba": "fast",
    "pandas": "frames",
    "polars": "parquet",
    "psycopg": "history,postgres",
    "ruptures": "history",
    "s3fs": "s3",
    "sqlalchemy": "history",
    "torch": "capture",
    "trackio": "trackio",
    "wandb": "wandb",
}
"""The extra of each package, by the name that is imported."""


class MissingExtraError(ImportError):
    """A package that an extra installs is needed, and is not installed."""


def is_installed(package: str) -> bool:
    """Returns whether a package can be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # the package around it is absent
        return False


def needs(package: str) -> str:
    """Returns the words after the subject of a message.

    >>> needs("matplotlib")
    "needs matplotlib; install it: pip install 'ccnet-port-harness[plots]'"
    """
    return f"needs {package}; install it: pip install '{DISTRIBUTION}[{EXTRAS[package]}]'"


def require(package: str, what: str) -> None:
    """Raises unless a package is installed; `what` is the subject of the message.

    Raises:
        MissingExtraError: it is not installed.
    """
    if not is_installed(package):
        msg = f"{what} {needs(package)}"
        raise MissingExtraError(msg)
