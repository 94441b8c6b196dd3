"""Reading in bulk gives what reading line by line gives, to the last bit, whatever the log."""

import os
import subprocess
import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logforms import LOGS
from loglines import READ, header, record, records

import harness
from harness.errors import HarnessError
from harness.log.run import same_series
from harness.parse import parse_log, text
from harness.parse.fast.bulk import Bulk
from harness.parse.fast.shape import shape_of
from harness.parse.growing import Growing
from harness.parse.number import number
from harness.parse.track import Track, turning_points

pytestmark = pytest.mark.extra("fast")
NOISE = (
    "",
    "Saving checkpoint",
    "WARNING: slow",
    " 12%|##  | 3/25 [00:01<00:09]\r 16%|##  | 4/25 [00:01<00:09]",
    "12",
    "3.5  train.ips : 4.0 imgs/s",
    "TCAPPDLL",
    "TCAPPDLL 2025-07-26 08:17:23.9 - Epoch: 0 Iteration: 1  rank : 0",
    "# TCAPPDLL - Epoch: e Iteration: i  rank : r  train.loss : x",
    *(
        line
        for log in ("mmengine", "scalars.json", "tcappdll json")
        for line in LOGS[log].split("\n")
    ),
)
FIELDS = (
    "  train.loss : {0}  train.ips : 4.0 imgs/s train.total_time : 0.5 ",
    "  train.loss : {0}",
    "  train.loss : {0}  train.ips : 4.0 imgs/s train.decode.loss_ce : {0} train.grad_norm : {0} ",
    "  train.loss : {0}  train.loss_avg : {0}  train.ips : 4.0 imgs/s",
    " train.loss : {0} lr : 0.01",
    "  val.acc : {0} % train.loss : 2.5",
)
VALUES = (
    *("1.0E+01", "nan", "inf", "-inf", "-0.0", "1,234.5", "1_0", "0x1p3", "1e400", "+1.5", ".5"),
    *(
        "0.1234567:",
        "0.12345:78",
        "0.1234567/",
        "1.",
        "",
        "1e",
        "--1",
        "٣",
        "1e-400",
        "9" * 30,
        "0." + "1" * 70,
    ),
)
COUNTS = (
    "0",
    "007",
    "-1",
    "1e3",
    "1.0",
    "9" * 12,
    "9" * 13,
    "9" * 20,
    "0" * 17 + "1",
    "",
    "+2",
    "x",
)


def head(epoch, iteration, rank, stamp="2025-07-26 08:17:23.789113"):
    return f"TCAPPDLL {stamp} - Epoch: {epoch} Iteration: {iteration}  rank : {rank}"


@st.composite
def logs(draw):
    """A run of one shape with events in it, then a few lines damaged."""
    shape = draw(st.sampled_from(FIELDS))
    lines: list[str] = []
    ranks = draw(st.integers(1, 3))
    epoch, step = 0, 0
    for _ in range(draw(st.integers(1, 14))):
        event = draw(
            st.sampled_from(["go", "go", "go", "go", "epoch", "back", "again", "jump", "shape"])
        )
        if event == "epoch":
            epoch, step = epoch + 1, draw(st.sampled_from([0, 1, step]))
        elif event == "back":
            step = max(0, step - draw(st.integers(1, 3)))
        elif event == "again":
            epoch, step = 0, 0
        elif event == "jump":
            step += draw(st.integers(1, 20))
        elif event == "shape":
            shape = draw(st.sampled_from(FIELDS))
        shown = draw(st.sampled_from([epoch, epoch, epoch, f"{epoch}.5", f"{epoch}.0"]))
        for rank in range(ranks):
            value = draw(st.one_of(st.floats(-1e3, 1e3).map(repr), st.sampled_from(VALUES)))
            lines.append(head(shown, step, rank) + shape.format(value))
        step += 1
    for _ in range(draw(st.integers(0, 4))):
        damage(draw, lines)
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    return (end.join(lines) + draw(st.sampled_from([end, ""]))).encode()


def damage(draw, lines):
    at = draw(st.integers(0, len(lines) - 1))
    line = lines[at]
    cut = draw(st.integers(0, len(line)))
    kind = draw(
        st.sampled_from(["noise", "torn", "joined", "spliced", "count", "byte", "lost", "twice"])
    )
    if kind == "noise":
        lines.insert(at, draw(st.sampled_from(NOISE)))
    elif kind == "torn":
        lines[at : at + 1] = [
            line[:cut],
            *draw(st.lists(st.sampled_from(NOISE), max_size=2)),
            line[cut:],
        ]
    elif kind == "joined" and at + 1 < len(lines):
        lines[at : at + 2] = [line + draw(st.sampled_from(["", " "])) + lines[at + 1]]
    elif kind == "spliced":
        lines[at] = line[:cut] + draw(st.sampled_from(lines)) + line[cut:]
    elif kind == "count":
        count = draw(st.sampled_from(COUNTS))
        place = draw(st.sampled_from(["Iteration: ", "Epoch: ", "rank : "]))
        lines[at] = line.replace(place, place + count, 1)
    elif kind == "byte":
        lines[at] = line[:cut] + draw(st.sampled_from("\t\r\v \x1b[0m.e-+0é\u3000")) + line[cut:]
    elif kind == "lost":
        del lines[at:at]
    else:
        lines.insert(at, line)


def read(blocks, bulk_after):
    try:
        return parse_log(blocks, source="x.log", bulk_after=bulk_after)
    except HarnessError as error:
        return str(error)


def check_alike(blocks, others=None):
    """Both readings are the same, or the same error."""
    by_line, in_bulk = read(blocks, 1 << 60), read(others or blocks, 0)
    if isinstance(by_line, str) or isinstance(in_bulk, str):
        assert by_line == in_bulk
        return
    shown = [
        [(s.key, s.rank, s.steps.tolist(), s.values.tolist()) for s in r.series]
        for r in (by_line, in_bulk)
    ]
    assert same_series(by_line.series, in_bulk.series), shown
    assert same_series(by_line.replaced, in_bulk.replaced)
    for name in READ:
        assert repr(getattr(by_line, name)) == repr(getattr(in_bulk, name)), name


@settings(
    max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(logs(), st.sampled_from([40, 150, 600, 1 << 20]), st.integers(1, 200))
def test_in_bulk_a_damaged_log_reads_as_it_does_line_by_line(data, chunk, size):
    """Chunk borders fall anywhere, and so do those of the blocks that come from the disk."""
    blocks = [data[i : i + size] for i in range(0, len(data), size)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "CHUNK_BYTES", chunk)
        check_alike([data], blocks)


@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_a_number_in_bulk_where_it_is_one_alone(value, fields):
    lines = [head(0, i, 0) + fields.format(v) for i, v in enumerate(["4.5", value, "4.25", "4.0"])]
    check_alike([("\n".join(lines) + "\n").encode()])


@pytest.mark.parametrize("place", ["Iteration: {}", "Epoch: {}", "rank : {}"])
@pytest.mark.parametrize("count", COUNTS)
def test_a_counter_is_one_in_bulk_where_it_is_one_alone(count, place):
    lines = [record(i, 4.5 - i) for i in range(5)]
    lines[2] = lines[2].replace(place.format(2 if "Iter" in place else 0), place.format(count))
    check_alike([("\n".join(lines) + "\n").encode()])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.text("+,-./0123456789:;* \u00bd", min_size=1, max_size=30), min_size=4, max_size=9)
)
def test_a_date_and_a_time_of_any_length_are_in_bulk_what_they_are_alone(stamps):
    lines = [
        head(0, i, 0, s) + FIELDS[0].format(4.5 - i) for i, s in enumerate(["1-1 1:1", *stamps])
    ]
    check_alike([("\n".join(lines) + "\n").encode()])


def test_ranks_far_apart_are_sorted_in_bulk():
    ranks = [0, 10**11, 7, 10**12 - 1, 3]
    lines = [record(i, 4.5 - i, rank=rank) for i in range(9) for rank in ranks]
    check_alike([("\n".join(lines) + "\n").encode()])


def test_a_large_log_with_every_kind_of_event_reads_alike():
    rng = np.random.default_rng(5)
    lines = []
    for i in range(6000):
        step = i if i < 4000 else i - 1500  # resumed
        lines += [record(step, rng.normal(), rank=rank, epoch=step // 500) for rank in range(2)]
        if rng.random() < 0.01:
            lines.append(NOISE[rng.integers(len(NOISE))])
        if rng.random() < 0.01:
            cut = rng.integers(len(lines[-1]) + 1)
            lines[-1:] = [lines[-1][:cut], lines[-1][cut:]]
    data = (header(world=2) + "\n".join(lines) + "\n").encode()
    check_alike([data[i : i + 70_001] for i in range(0, len(data), 70_001)])


def test_the_comparison_can_fail():
    good, other = records([4.0, 3.0]).encode(), records([4.0, 3.5]).encode()
    with pytest.raises(AssertionError):
        check_alike([good], [other])


counters = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.0, 2.0]), st.integers(0, 6)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(counters, st.lists(st.integers(0, 40), max_size=3))
def test_records_taken_many_at_a_time_give_the_track_that_single_ones_give(places, cuts):
    epochs, iterations = (np.array(column) for column in zip(*places, strict=True))
    iterations = iterations.astype(np.int64)
    lines, values = np.arange(len(places)), np.arange(len(places)) / 8
    one, many = Track(), Track()
    for i in lines.tolist():
        one.add(i, float(epochs[i]), int(iterations[i]), float(values[i]))
    bounds = sorted({0, len(places), *(c for c in cuts if c < len(places))})
    for a, b in pairwise(bounds):
        part = slice(a, b)
        turns = turning_points(epochs[part], iterations[part])
        many.add_many(lines[part], epochs[part], iterations[part], values[part], turns)
    assert state(many) == state(one)


def state(track):
    taken = {"steps": track.steps.numbers().tolist(), "values": track.values.numbers().tolist()}
    return track.__dict__ | taken


@given(st.lists(st.one_of(st.integers(1, 3), st.just(0), st.integers(-3000, -1)), max_size=40))
def test_an_array_that_grows_holds_what_a_list_would(changes):
    """Above 0: so many more, one by one. 0: one less. Below: so many more at once."""
    growing, expected = Growing(np.int64), []
    for change in changes:
        new = range(len(expected), len(expected) + abs(change))
        if change > 0:
            for number in new:
                growing.append(number)
        elif change < 0:
            growing.more(len(new))[:] = new
        elif expected:
            growing.pop()
            expected.pop()
        expected += new
        assert len(growing) == len(expected)
    assert growing.numbers().tolist() == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2025-07-26", "2\v025-07-26"),
        ("2025-07-26", "20TCAPPDLL25"),
        ("2025-07-26", "2025-07*26"),
        ("2025-07-26", "2025-07;26"),
        ("train.loss : ", "train.loss : \t"),
        ("train.loss", "train.l1oss"),
        ("Epoch: ", "Ep0och: "),
        (" : 0  ", " :1 0  "),
        ("imgs/s", "im2gs/s"),
        ("08:17:23", "08:17:2é3"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_of_the_usual_shape_with_one_odd_character_is_left_to_the_readers(old, new, end):
    bulk = Bulk()

    def sort(lines):
        return bulk._sort(whole("".join(lines)))

    lines = [record(i, 1.5) + end for i in range(20)]
    found = sort(lines)
    assert unmatched_lines(found) == [18, 19]
    usual = found.matched[0].shape
    lines[7] = lines[7].replace(old, new, 1)
    odd = sort(lines)
    assert 7 not in [i for part in odd.matched if part.shape == usual for i in part.lines.tolist()]
    assert 7 in unmatched_lines(odd) or shape_of(lines[7]) is not None


def whole(lines):
    return text.Chunk(b"", lines.encode(), 0, len(lines.encode()))


def unmatched_lines(found):
    return [line for line, _ in found.unmatched]


SPELLINGS = (
    *("{!r}", "{:.17g}", "{:.16e}", "{:.9g}", "{:.6f}", "{:.19f}", "{:.40f}", "{:+.3E}", "{:G}"),
    *("{:.0f}", "{:.0f}.", "000{:.17g}", "{:.15f}e3", "{:.7g}".upper()),
)
WHOLE = st.integers(0, 2**64 - 1)
NUMBERS = st.one_of(
    st.tuples(st.floats(), st.sampled_from(SPELLINGS)).map(lambda at: at[1].format(at[0])),
    st.tuples(st.floats(1e-6, 1e6), st.sampled_from(SPELLINGS)).map(lambda at: at[1].format(at[0])),
    st.tuples(WHOLE, st.integers(-350, 330)).map(lambda at: f"{at[0]}e{at[1]}"),
    st.tuples(WHOLE, WHOLE).map(lambda at: f"{at[0]}.{at[1]:d}"),
    st.tuples(WHOLE, st.integers(0, 10)).map(  # half way between two floats, and beside it
        lambda at: f"{((at[0] >> 11 | 1 << 53) * 2 + 1 << at[1]) // 2}"
    ),
    st.tuples(WHOLE, st.integers(1, 4)).map(
        lambda at: str(Decimal((at[0] >> 11 | 1 << 52) * 2 + 1) / 2 ** at[1])
    ),
    st.sampled_from(["-0", "-.0", "0e999", ".5", "5.", "-5.e-1", "1e400", "-1e-400", "9" * 400]),
    st.sampled_from(["nan", "NaN", "inf", "-inf", "+Inf", "4.9e-324", "2.4e-324", "1e00000000308"]),
    st.sampled_from(["9" * 19, "9" * 20, "0." + "0" * 40 + "1" * 19, "1e-99999999999", "0" * 300]),
)
"""Numbers as logs spell them, and as they might."""


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(NUMBERS, min_size=1, max_size=40))
def test_a_number_read_in_bulk_is_the_one_that_float_reads_to_the_last_bit(texts):
    texts = [text for text in texts if number(text) is not None]
    lines = [head(0, i, 0) + f"  train.loss : {text}\n" for i, text in enumerate([*texts, 0, 0])]
    found = Bulk()._sort(whole("".join([record(0, 1.5) + "\n", *lines])))
    assert unmatched_lines(found) == [len(lines) - 1, len(lines)]
    read = [part.values[0] for part in found.matched if len(part.values) == 1]
    expected = np.array([float(text) for text in texts])
    assert b"".join(values.tobytes() for values in read) == expected.tobytes()


def test_remarks_on_series_of_two_formats_stand_in_the_same_order():
    mmcv = next(line for line in LOGS["mmcv"].split("\n") if "Iter [" in line)
    lines = [record(i, 4.5 - i) for i in (0, 1, 2, 3, 1, 2, 3)]
    check_alike([("\n".join([mmcv, mmcv, *lines, mmcv]) + "\n").encode()])


@pytest.mark.parametrize("name", ["train.", "train." + "a" * 120, "train." + "a" * 121])
def test_a_series_without_a_name_or_with_a_long_one_is_skipped_alike(name):
    lines = [head(0, i, 0) + f"  train.loss : 1.5  {name} : 4.0" for i in range(6)]
    check_alike([("\n".join(lines) + "\n").encode()])


BULK = """
import sys
from harness.parse import parse_log
data = open(sys.argv[1], "rb")
run = parse_log(data, source="x", bulk_after=0)
data.close()
assert "numba" in sys.modules
print(len(run.series[0]))
"""


def test_a_large_log_is_read_where_no_folder_can_keep_what_is_compiled(tmp_path):
    """Not even by root: a file stands where each folder would be made."""
    package = Path(harness.__file__).parent
    (tmp_path / "harness").mkdir()
    for path in package.rglob("*.py"):
        copy = tmp_path / "harness" / path.relative_to(package)
        copy.parent.mkdir(exist_ok=True, parents=True)
        copy.write_bytes(path.read_bytes())
    for place in ("harness/parse/__pycache__", "home", "cache"):
        (tmp_path / place).write_text("")
    (tmp_path / "x.log").write_text(records([4.5] * 30))
    nowhere = {"HOME": "home", "XDG_CACHE_HOME": "cache", "NUMBA_CACHE_DIR": "cache"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BULK, str(tmp_path / "x.log")],
        env={
            **os.environ,
            **{name: str(tmp_path / at) for name, at in nowhere.items()},
            "PYTHONPATH": str(tmp_path),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "30\n"), done.stderr


def test_a_small_log_and_one_of_another_format_never_load_the_compiler():
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from harness.parse import parse_log; from loglines import records; "
        "from logforms import LOGS\n"
        "parse_log([records([4.5] * 9)], source='x')\n"
        "parse_log([LOGS['mmengine']], source='x', bulk_after=0)\n"
        "assert 'numba' not in sys.modules"
    )
    roots = [str(Path(harness.__file__).parents[1]), str(Path(__file__).parent)]
    subprocess.run([sys.executable, "-c", code, *roots], check=True)


WITHOUT_NUMBA = """
import sys
from harness.parse import parse_log
if sys.argv[2] == "absent":
    sys.modules["numba"] = None
with open(sys.argv[1], "rb") as log:
    run = parse_log(log, source="x", bulk_after=0)
assert ("harness.parse.fast.cutter" in sys.modules) == (sys.argv[2] == "there")
print([(s.name, s.rank, s.steps.tolist(), s.values.tolist()) for s in run.series])
print("numba cannot be loaded" in " ".join(run.notes), "[fast]" in " ".join(run.notes), sep="")
"""


def test_a_large_log_is_read_line_by_line_where_numba_is_absent(tmp_path):
    """By two threads at once, of which neither may take what is left of an import for a module."""
    log = tmp_path / "x.log"
    log.write_text("".join(record(i, 4.5 - i / 1e6) + "\n" for i in range(120_000)))
    printed = {}
    for numba in ("there", "absent"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", WITHOUT_NUMBA, str(log), numba],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed[numba] = done.stdout.splitlines()
    assert printed["there"][0] == printed["absent"][0]
    assert (printed["there"][1], printed["absent"][1]) == ("FalseFalse", "TrueTrue")


def test_no_numba_is_no_matter_for_a_log_without_lines_that_it_would_read(monkeypatch):
    monkeypatch.setattr("harness.parse.fast.bulk.why_not_compiled", lambda: "absent")
    assert parse_log([LOGS["mmengine"]], source="x", bulk_after=0).notes == ()


def test_why_numba_cannot_be_loaded_is_said_in_one_line(monkeypatch):
    import harness.parse.fast.bulk as module

    def broken(name):
        raise ImportError("Numba needs NumPy 2.4 or less.\nGot NumPy 2.5.")

    monkeypatch.setattr(module.importlib, "import_module", broken)
    run = parse_log(["".join(record(i, 4.5) + "\n" for i in range(60))], source="x", bulk_after=0)
    assert [note for note in run.notes if "numba" in note] == [
        "this large log was read line by line, since numba cannot be loaded "
        "(Numba needs NumPy 2.4 or less.); the extra [fast] reads it many times as fast"
    ]


def test_settings_before_the_first_record_are_facts_in_bulk_as_well():
    record = (
        "TCAPPDLL 2025-07-26 08:17:23.789113 - Epoch: 0 Iteration: {i}  rank : 0  "
        "train.loss : 4.5  train.ips : 4.0 imgs/s train.total_time : 0.5 \n"
    )
    log = "weight_decay: 0.25\n" + "".join(record.format(i=i) for i in range(50))
    runs = [parse_log([log.encode()], source="x", bulk_after=n) for n in (0, 1 << 60)]
    assert [run.facts.get("weight_decay") for run in runs] == [0.25, 0.25]
