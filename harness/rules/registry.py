"""The rules by name: the project's rules, and those that installed packages add.

A rule is a function `rule(aligned, *, parameter=default) -> Finding`. Each rule of the project is a
file of this folder with a function of the same name: `two_sided.py` defines `two_sided`, the rule
`two-sided`. Another package adds a rule by an entry point of the group `harness.rules`:

    [project.entry-points."harness.rules"]
    median-shift = "my_rules.median:median_shift"

A package cannot replace a rule of the project.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache, update_wrapper
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from harness.align.aligned import Aligned
from harness.errors import PolicyError
from harness.rules.finding import Finding
from harness.version import Extension, extensions

GROUP = "harness.rules"
"""The group of the entry points."""
SHARED = frozenset(
    {"calls", "departure", "finding", "holm", "looks", "ranges", "registry", "start_words"}
)
"""Files of this folder that define no rule."""


def _rules() -> dict[str, Callable[..., Finding]]:
    """Returns the rules in this folder, in the order of their names."""
    folder = __name__.rpartition(".")[0]
    files = sorted(m.name for m in iter_modules(import_module(folder).__path__))
    return {
        name.replace("_", "-"): getattr(import_module(f"{folder}.{name}"), name)
        for name in files
        if name not in SHARED
    }


RULES: Mapping[str, Callable[..., Finding]] = MappingProxyType(_rules())
"""The project's rules; `default` chooses among them."""
OLD_NAMES: Mapping[str, str] = MappingProxyType({"another-seed": "seed-variation"})
"""Names of earlier versions, which manifests may still use."""


def today(name: str) -> str:
    """Returns the present name of a rule, given its present or a former name.

    Raises:
        PolicyError: no such rule.
    """
    name = OLD_NAMES.get(name, name)
    if name not in RULES and name not in added():
        msg = f"no rule {name!r}; expected one of: {', '.join((*RULES, *added()))}"
        raise PolicyError(msg)
    return name


def rule_named(name: str) -> Callable[..., Finding]:
    """Returns the function of a rule.

    Raises:
        PolicyError: no such rule, or the package that adds it cannot be loaded.
    """
    name = today(name)
    return RULES[name] if name in RULES else _loaded(added()[name])


def added() -> Mapping[str, Extension]:
    """Returns the rules of other packages, without loading them.

    Raises:
        PolicyError: two packages add rules of the same name, or a package takes a name of ours.
    """
    by_name: dict[str, Extension] = {}
    for extension in extensions(GROUP):
        name = extension.name
        other = "this package" if name in {*RULES, *OLD_NAMES} else ""
        if name in by_name:
            other = by_name[name].package
        if other:
            msg = (
                f"the package {extension.package} adds a rule {name!r}, and so does {other}: "
                "uninstall one of them"
            )
            raise PolicyError(msg)
        by_name[name] = extension
    return by_name


@cache
def _loaded(extension: Extension) -> Callable[..., Finding]:
    """Returns the function behind an entry point, after a check of its signature."""
    rule = extension.load()
    try:
        aligned, *parameters = inspect.signature(rule).parameters.values()
        fits = aligned.kind is not inspect.Parameter.KEYWORD_ONLY
    except (TypeError, ValueError):  # not a function, or a function without parameters
        fits, parameters = False, []
    fits = fits and all(
        p.kind is inspect.Parameter.KEYWORD_ONLY and type(p.default) in (int, float)
        for p in parameters
    )
    if not fits:
        msg = (
            f"the rule {extension.name!r} of the package {extension.package} is not usable; "
            "expected a function of the aligned curves and of keyword-only parameters with numeric "
            "defaults"
        )
        raise PolicyError(msg)

    def checked_rule(aligned: Aligned, **parameters: float) -> Finding:
        finding = rule(aligned, **parameters)
        if not isinstance(finding, Finding):
            msg = (
                f"the rule {extension.name!r} of the package {extension.package} returned "
                f"{type(finding).__name__}; expected a Finding"
            )
            raise PolicyError(msg)
        return finding

    return update_wrapper(checked_rule, rule)
