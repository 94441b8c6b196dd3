"""A result that somebody published: final figures and how they were obtained, without a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The standard deviation between runs that repeat one training, and where it comes from.

    `value` is in the unit of the figure, `degrees` are its degrees of freedom. `names` are the
    published results whose runs show it; it is pooled over them.
    """

    value: float
    degrees: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What is known of a published result beside its figures and facts.

    `name` is the name on the command line, `source` says who published it and
    when, `url` where. `spreads` has the
    spread between runs by series, such as `val.mIoU`; a series without a known spread is absent.
    """

    name: str
    source: str
    url: str
    spreads: Mapping[str, Spread]

    def __post_init__(self) -> None:
        object.__setattr__(self, "spreads", MappingProxyType(dict(self.spreads)))
