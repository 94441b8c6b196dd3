"""The list of rules, for `harness rules`."""

from __future__ import annotations

import math
from inspect import getdoc, getmodule

from rich.console import Console
from rich.text import Text

from harness.report.escape import terminal
from harness.rules import PRESETS, RULES, default_parameters
from harness.rules.registry import added, rule_named


def write(console: Console) -> None:
    """Prints every rule with its summary, its parameters and their defaults.

    Raises:
        HarnessError: an installed package adds a rule that cannot be loaded.
    """
    console.print(
        Text(
            "A policy names the rules that a port must satisfy: --rule NAME[:PARAMETER=VALUE,..]\n"
        )
    )
    for name in RULES:
        _print(console, name, origin="")
    for name, extension in added().items():
        _print(console, name, origin=f" (from the package {extension.package})")


def _print(console: Console, name: str, *, origin: str) -> None:
    rule = rule_named(name)
    about = (getattr(getmodule(rule), "__doc__", "") or getdoc(rule) or "").partition("\n")[0]
    console.print(Text.assemble((name, "bold"), terminal(f"{origin}: {about}")), soft_wrap=True)
    for key, value in default_parameters(name).items():
        names = ", ".join(f"{k} {v:g}" for k, v in PRESETS.get((name, key), {}).items())
        given = "(no limit)" if math.isinf(value) else f"{value:g}"
        console.print(Text(f"    {key}={given}" + (f"  ({names})" if names else ""), style="dim"))
