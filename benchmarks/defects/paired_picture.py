"""The table of the paired corpus as a picture, beside what 300 steps show to the rules on seeds."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd

from benchmarks.defects.corpus import ROOT
from benchmarks.defects.paired_table import JUDGES, PARTS, SHORT, asked
from benchmarks.defects.picture import BENIGN, FAULTS
from benchmarks.defects.score import COSTLY, verdicts
from benchmarks.defects.table import NOTICED

TARGET = ROOT / "docs" / "images" / "same-start.png"
SEEDS = {"1 v 1": "default, 300 steps, 1 v 1 seed", "10 v 1": "default, 300 steps, 10 v 1 seeds"}
"""Sizes of comparisons of the long corpus that are drawn below the others."""
POLICY = "default policy"


def main() -> int:
    """Draws the picture from the stored figures, and says where it is."""
    mpl.use("agg")
    draw(shares(asked("float32")), long_shares())
    print(TARGET)
    return 0


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """Returns the shares of benign runs and of costly faults noticed, by judge and steps."""
    kinds = found["group"].where(found["group"] != "harmless")
    of_groups = found.groupby(["judge", "steps", kinds])["noticed"].mean()
    return of_groups.unstack()  # noqa: PD010  (two levels of one index)


def long_shares() -> pd.DataFrame:
    """Returns the same shares of the default policy on whole runs that differ by seed."""
    found = verdicts("cpu", "cpu")
    mine = found[(found["judge"] == POLICY) & found["size"].isin(SEEDS) & (found["part"] == 1.0)]
    noticed = mine.assign(noticed=mine["verdict"].isin(NOTICED))
    by_setting = noticed.groupby(["size", "group", "setting"])["noticed"].mean()
    of_groups = by_setting.groupby(["size", "group"]).mean()
    return of_groups.unstack()  # noqa: PD010  (two levels of one index)


def draw(short: pd.DataFrame, long: pd.DataFrame) -> None:
    """One panel for each number of steps, one row for each judge; two dots in each."""
    from matplotlib import pyplot as plt

    names = [*JUDGES, *SEEDS.values()]
    figure, panels = plt.subplots(
        1, len(PARTS), figsize=(12, 0.36 * len(names) + 1.4), sharey=True, layout="constrained"
    )
    rows = dict(zip(names, range(len(names), 0, -1), strict=True))
    for steps, panel in zip(PARTS, panels, strict=True):
        points = {judge: short.loc[(judge, steps)] for judge in JUDGES}
        if steps == PARTS[-1]:
            points |= {SEEDS[size]: long.loc[size] for size in SEEDS}
        for name, share in points.items():
            ends = share["benign"], share["costly"]
            panel.hlines(rows[name], *ends, color="#cccccc", linewidth=2, zorder=1)
            panel.scatter(ends[0], rows[name], color=BENIGN, marker="o", s=42)
            panel.scatter(ends[1], rows[name], color=FAULTS, marker="D", s=34)
        panel.set_xlim(-0.05, 1.05)
        panel.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"], fontsize=9)
        last = " (or 300 of other seeds)" if steps == PARTS[-1] else ""
        panel.set_title(f"{SHORT[steps]}{last}", fontsize=10)
        panel.grid(axis="x", color="#eeeeee")
        panel.set_axisbelow(True)
        for side in ("top", "right", "left"):
            panel.spines[side].set_visible(False)
        panel.tick_params(axis="y", length=0)
    panels[0].set_yticks(list(rows.values()), list(rows), fontsize=9)
    panels[0].get_yticklabels()[0].set_fontweight("bold")
    marks = [
        plt.Line2D([], [], color=BENIGN, marker="o", linestyle="", label="benign runs failed"),
        plt.Line2D(
            [], [], color=FAULTS, marker="D", linestyle="",
            label=f"faults that cost over {COSTLY:g} point of mIoU noticed",
        ),
    ]  # fmt: skip
    figure.legend(handles=marks, loc="outside lower center", ncols=2)
    figure.suptitle(
        "One run a side from the same start: green belongs on the left, red on the right",
        fontsize=11,
    )
    figure.savefig(TARGET, dpi=130)
