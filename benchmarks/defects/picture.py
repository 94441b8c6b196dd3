"""The summary as a picture: what each rule accepts of benign runs, and notices of costly faults."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd

from benchmarks.defects.corpus import ROOT
from benchmarks.defects.score import COSTLY, SIZES, verdicts
from benchmarks.defects.table import summary
from harness.log.wording import counted

TARGET = ROOT / "docs" / "images" / "defects.png"
BENIGN, FAULTS = "#2a7f62", "#c8553d"
FIRST = "default policy"


def main(device: str, reference: str) -> int:
    """Draws the picture from the stored figures, and says where it is."""
    mpl.use("agg")
    draw(summary(verdicts(device, reference)), device)
    print(TARGET)
    return 0


def draw(shares: pd.DataFrame, device: str) -> None:
    """One panel a size of comparison, one row a judge; two dots in each."""
    from matplotlib import pyplot as plt

    judges = list(dict.fromkeys(shares.index.get_level_values("judge")))
    figure, panels = plt.subplots(
        1, len(SIZES), figsize=(11, 0.34 * len(judges) + 1.3), sharey=True, layout="constrained"
    )
    figure.get_layout_engine().set(wspace=0.04)  # the labels of neighbouring panels stay apart
    rows = range(len(judges), 0, -1)
    for (b, c), panel in zip(SIZES, panels, strict=True):
        here = shares.loc[f"{b} v {c}"].loc[judges]
        accepted, noticed = here["benign accepted"], here["costly noticed"]
        panel.hlines(rows, accepted, noticed, color="#cccccc", linewidth=2, zorder=1)
        panel.scatter(accepted, rows, color=BENIGN, marker="o", s=42, label="benign accepted")
        panel.scatter(
            noticed, rows, color=FAULTS, marker="D", s=34, label=f"faults > {COSTLY:g} mIoU noticed"
        )
        panel.set_xlim(-0.05, 1.05)
        panel.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"], fontsize=9)
        panel.set_title(f"{counted(b, 'baseline run')}, {counted(c, 'candidate')}", fontsize=10)
        panel.grid(axis="x", color="#eeeeee")
        panel.set_axisbelow(True)
        for side in ("top", "right", "left"):
            panel.spines[side].set_visible(False)
        panel.tick_params(axis="y", length=0)
    panels[0].set_yticks(list(rows), judges, fontsize=9)
    for label in panels[0].get_yticklabels():
        if label.get_text() == FIRST:
            label.set_fontweight("bold")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.suptitle(f"Both dots should stand at the right ({device})", fontsize=11)
    figure.savefig(TARGET, dpi=130)
