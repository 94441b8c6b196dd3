"""The pytest plugin: `pytest ports.toml` runs a manifest; `loss_regression` checks a golden file.

pytest collects a test per port and rule from a file named ports.toml, and from another .toml file
with a [[port]] if the command line names it. Any verdict other than `pass` fails the test; its text
is the finding's table. Of a port with several attempts, each must pass. A port in quarantine does
not fail: pytest reports it as an expected failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.comparison.pipeline import Comparison
    from harness.comparison.quarantine import Quarantine
    from harness.ports.manifest import Port

MANIFEST = "ports.toml"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option that rewrites golden curves."""
    group = parser.getgroup("harness", "training-log comparisons")
    group.addoption(
        "--harness-rebaseline",
        action="store_true",
        help="rewrite the golden curves of loss_regression; these tests fail once, then pass",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declares the markers."""
    config.addinivalue_line("markers", "port: a port and rule of a ports.toml manifest")
    config.addinivalue_line(
        "markers", "harness_rule(text): the rule of loss_regression, such as 'tolerance:rtol=0.01'"
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ManifestFile | None:
    """Returns the collector of a manifest; None for any other file."""
    if file_path.name != MANIFEST and not (
        file_path.suffix == ".toml"
        and parent.session.isinitpath(file_path)
        and _has_entries(file_path)
    ):
        return None
    manifest: ManifestFile = ManifestFile.from_parent(parent, path=file_path)
    return manifest


def _has_entries(path: Path) -> bool:
    """Returns whether a file has an entry of a manifest in its first MiB."""
    try:
        with path.open("rb") as file:
            return b"[[port]]" in file.read(1 << 20)
    except OSError:
        return False


class ManifestFile(pytest.File):
    """A manifest: one item per port and rule."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yields the tests; a damaged manifest is a collection error with a one-line message."""
        from harness.ports.manifest import read_manifest

        try:
            ports = read_manifest(self.path).port
        except HarnessError as error:
            raise self.CollectError(str(error)) from error
        for port in ports:
            shared = SharedComparison(port, self.path.parent)
            for index, rule in enumerate(port.policy().calls):
                item: PortItem = PortItem.from_parent(
                    self, name=f"{port.name}[{rule}]", shared=shared, index=index
                )
                yield item


class SharedComparison:
    """The comparisons of a port, one per attempt, made once for all its rules."""

    def __init__(self, port: Port, root: Path) -> None:
        self.port = port
        self._root = root

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The comparisons. Raises HarnessError if the logs cannot be read or aligned."""
        from harness.ports.manifest import compare_port

        return tuple(compare_port(attempt, self._root) for attempt in self.port.tries())

    @cached_property
    def terms(self) -> Quarantine | None:
        """The quarantine of the port, with the day of the test; None without a quarantine."""
        import os
        from dataclasses import replace

        from harness.system.today import today

        entry = self.port.quarantine
        if entry is None:
            return None
        return replace(entry.terms(), checked=today(os.environ).isoformat())


class PortFailedError(Exception):
    """The failure of a port that does not pass a rule; its text is the finding's table."""


class PortItem(pytest.Item):
    """One rule of one port."""

    def __init__(self, *, shared: SharedComparison, index: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._shared = shared
        self._index = index
        self.add_marker("port")

    def runtest(self) -> None:
        """Fails unless the port is comparable, the data suffice, and the rule passes."""
        from harness.comparison.quarantine import sentence

        terms = self._shared.terms
        if terms is None:
            self._judge()
            return
        try:
            self._judge()
        except (PortFailedError, HarnessError) as error:
            said = sentence(terms, "fail")
            if terms.active:
                pytest.xfail(f"{said}; {str(error).splitlines()[0]}")
            msg = f"{said}\n{error}"
            raise PortFailedError(msg) from error
        self.add_report_section("call", "quarantine", sentence(terms, "pass"))

    def _judge(self) -> None:
        """Raises PortFailedError if an attempt does not pass; its text says how many do not."""
        from harness.report.comparison import failure

        messages = [failure.of_rule(c, self._index) for c in self._shared.comparisons]
        failed = [message for message in messages if message]
        if not failed:
            return
        several = len(messages) > 1
        head = f"{len(failed)} of {len(messages)} attempts do not pass\n" if several else ""
        raise PortFailedError(head + failed[0])

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """Returns the finding's table, or the one-line message of a user's error."""
        if isinstance(excinfo.value, PortFailedError | HarnessError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, None, str]:
        """Returns the manifest and the name of the test."""
        return self.path, None, self.name


@pytest.fixture
def loss_regression(request: pytest.FixtureRequest) -> LossRegression:
    """Compares a loss curve with the golden file beside the test.

    A complete example, with the rule that judges the curve (default `exact`)::

        @pytest.mark.harness_rule("tolerance:rtol=0.001")
        def test_training_reproduces(loss_regression):
            losses = train(steps=100, seed=0)
            loss_regression.check(losses)

    The golden file is `<test module>/<test name>.csv`. For a test in a class, its name begins with
    `<class>.`; for a named curve, `check(losses, name="validation")`, it ends with `.validation`.
    If the file is missing, it is written and the test fails once. If the curve differs, the test
    fails with a table of step, baseline, candidate and difference. With `--harness-rebaseline` the
    file is rewritten and the test fails once.
    """
    from harness.golden import LossRegression

    marker = request.node.get_closest_marker("harness_rule")
    module = Path(str(request.node.path))
    classes = [node.name for node in request.node.listchain() if isinstance(node, pytest.Class)]
    return LossRegression(
        folder=module.with_suffix(""),
        test=(*classes, request.node.name),
        rule=marker.args[0] if marker else "exact",
        rebaseline=bool(request.config.getoption("--harness-rebaseline")),
    )


if TYPE_CHECKING:
    from harness.golden import LossRegression

__all__: Sequence[str] = ("loss_regression",)
