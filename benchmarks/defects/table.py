"""The table: what each rule accepts of benign runs, and notices of faults."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.defects.score import COSTLY, ONE_MORE, PARTS, SLOW, verdicts

NOTICED = frozenset({"fail", "incomparable"})
COLUMNS = (
    ("benign", "passed", "accepted"),
    ("benign", "noticed", "failed"),
    ("costly", "noticed", "noticed"),
    ("costly", "passed", "passed"),
    ("harmless", "noticed", "noticed"),
)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Shares by size and judge: benign runs passed and failed, faults noticed, costly or not.

    Every setting counts the same, however many runs it has.
    """
    whole = found[found["part"] == 1.0]
    noticed = whole.assign(
        noticed=whole["verdict"].isin(NOTICED), passed=whole["verdict"] == "pass"
    )
    by_setting = noticed.groupby(["size", "judge", "group", "setting"], sort=False)[
        ["noticed", "passed"]
    ].mean()
    shares = by_setting.groupby(["size", "judge", "group"], sort=False).mean().reset_index()
    tables = {
        f"{group} {name}": shares[shares["group"] == group].set_index(["size", "judge"])[column]
        for group, column, name in COLUMNS
    }
    return pd.DataFrame(tables)


def steps_needed(found: pd.DataFrame, size: str = "10 v 1") -> pd.Series:
    """The part of the run after which a judge notices half of the costly faults; inf if never."""
    asked = ~found["judge"].isin(SLOW) & (found["size"] == size)
    mine = found[asked & (found["group"] == "costly")]
    share = mine.assign(noticed=mine["verdict"].isin(NOTICED))
    by_part = share.pivot_table(index="judge", columns="part", values="noticed", sort=False)
    reached = by_part >= 0.5
    return reached.apply(lambda row: min((p for p in row.index if row[p]), default=np.inf), axis=1)


def missed(found: pd.DataFrame, judge: str = "default policy") -> str:
    """The costly faults of which a judge notices less than all runs, by size; a Markdown list."""
    mine = found[(found["judge"] == judge) & (found["group"] == "costly") & (found["part"] == 1.0)]
    share = mine["verdict"].isin(NOTICED).groupby([mine["size"], mine["setting"]], sort=False)
    rows = [(size, name, part) for (size, name), part in share.mean().items() if part < 1]
    return "\n".join(f"- {size}: `{name}`, noticed in {part:.0%}" for size, name, part in rows)


def markdown(table: pd.DataFrame) -> str:
    """A table of shares in percent."""
    head = ["", *table.columns]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, row in table.iterrows():
        cells = ["-" if np.isnan(v) else f"{v:.0%}" for v in row]
        lines.append("| " + " | ".join([str(name).replace("|", r"\|"), *cells]) + " |")
    return "\n".join(lines)


def main(device: str, reference: str) -> int:
    """Prints every table from the stored figures."""
    found = verdicts(device, reference, parts=PARTS)
    n = found.drop_duplicates("setting")["group"].value_counts()
    print(
        f"Candidates {device}, baseline {reference}: {n.get('benign', 0)} benign settings, "
        f"{n.get('costly', 0)} faults that cost more than {COSTLY:g} point of mIoU, "
        f"{n.get('harmless', 0)} that do not.\n"
    )
    for title, chosen in (("all faults", found), ("faults new to the rules", found[found["new"]])):
        shares = summary(chosen)
        for size in ("1 v 1", "10 v 1", ONE_MORE, "10 v 3"):
            if size in shares.index and not shares["costly noticed"].isna().all():
                print(f"### {size}, {title}\n\n{markdown(shares.loc[size])}\n")
    print("### Part of the run after which half of the costly faults are noticed, 10 v 1\n")
    for name, part in steps_needed(found).items():
        print(f"- {name}: {f'{part:.0%}' if np.isfinite(part) else 'never'}")
    print("\n### Costly faults that the default policy does not always notice\n")
    print(missed(found))
    return 0
