"""Time grows with the length of a log and not with its square, on lines made to hurt."""

import time
from contextlib import suppress

import pytest
from loglines import record

from harness.errors import HarnessError
from harness.parse import parse_log

HEAD = "TCAPPDLL 1 2 - Epoch: 0 Iteration: 1  rank : 0  "
MMENGINE = "- mmengine - INFO - Iter(train) [ 5/20]  "
BLOCK = "x - INFO - Config:\n"
ENVIRONMENT = "System environment:\n"


def times(text, end="\n"):
    return lambda n: text * (n // len(text)) + end


def behind(start, text, end="\n"):
    return lambda n: start + text * (n // len(text)) + end


def counted(line):
    """Lines with a number in them that rises."""
    return lambda n: "".join(line(i) for i in range(n // len(line(0))))


HOSTILE = {
    **{f"{c!r} alone": times(c) for c in [*" 1[{'\"\r\x1b(a.,:|", "\r\n", "x\r", "{'", "a ", "\\"]},
    **{
        f"{mark!r} alone": times(mark)
        for mark in (
            *(
                "TCAPPDLL",
                "TCAPPDLL ",
                'TCAPPDLL {"',
                ":::MLLOG ",
                "Namespace(",
                "iteration 1/ 5 |",
            ),
            *(
                " - INFO - Iter [5/20] ",
                "{'loss': 1.0, 'epoch': ",
                '{"a":',
                "\x1b[",
                "\x1b]",
                "loss ",
            ),
            *("step 1 loss ", "epoch [", "Iter(train) [", "TrainingArguments(", "1,", "loss=1\r"),
        )
    },
    "records joined": times(record(1, 4.5) + " "),
    "a record and words": behind(HEAD, "a "),
    "a record and a word": behind(HEAD, "a"),
    "a record and dots": behind(HEAD, "a."),
    "a record and colons": behind(HEAD, "a : "),
    "a record of many fields": lambda n: HEAD + "".join(f"f{i} : 1 " for i in range(n // 9)) + "\n",
    "an epoch of many digits": behind("TCAPPDLL 1 2 - Epoch: ", "1", "x\n"),
    "a value of many digits": behind(HEAD + "loss : ", "1", "x\n"),
    "a step of many digits": behind("step ", "1", " loss 1\n"),
    "the rest of a record": behind(record(1, 4.5).rstrip() + "\n", "1", "x\n"),
    "mmengine and a word": behind(MMENGINE, "a"),
    "mmengine and fields": behind(MMENGINE, "a: "),
    "mmengine joined": behind("mmengine", MMENGINE + "loss: 1 "),
    "mmengine and blanks": behind("mmengine Iter(train) [", " "),
    "mmcv and a word": behind(" - INFO - Iter [5/20] ", "a"),
    "mmcv and fields": behind(" - INFO - Iter [5/20] ", "a: 1, "),
    "megatron and fields": behind("iteration 1/ 5 |", " a: 1 |"),
    "megatron and blanks": behind("iteration 1/ 5 | lm loss: ", " ", "|\n"),
    "megatron and a name": behind("iteration 1/ 5 |", "a", ": 1 |\n"),
    "plain and losses": times("step 1 " + "loss " * 700 + "\n"),
    "plain and steps": times("loss: 1 " + "step " * 700 + "\n"),
    "plain and epochs": times("loss: 1 " + "epoch [ " * 400 + "\n"),
    "plain and bars": times("loss: 1 " + "%|" * 1700 + "\n"),
    "plain and blanks": times("loss: 1 " + " " * 3400 + "\n"),
    "plain and digits": times("loss: " + "1" * 3400 + "x\n"),
    "plain and joined words": times("step 1 loss 1 " + "a-" * 1900 + "\n"),
    "plain and dotted words": times("step 1 loss 1 " + "a." * 1900 + "\n"),
    "plain and words before loss": times("step 1 " + "a b c d " * 450 + "loss 1\n"),
    "plain and colons": times("loss 1 " + "a: " * 1200 + "\n"),
    "plain and brackets": times("loss 1 " + "[1/2 " * 700 + "\n"),
    "plain and braces": times("loss 1 " + "a={[" * 900 + "\n"),
    "plain and means": times("loss 1 " + "a: 1 (1" * 500 + "\n"),
    "plain and phases": times("val " * 900 + "loss 1\n"),
    "plain and times": times("2025-01-01 10:00:00 " * 150 + "loss 1\n"),
    "plain and loggers": times("INFO a - " * 400 + "loss 1\n"),
    "plain and dots in brackets": times("1/2 [" + "=" * 3900 + " loss 1\n"),
    "settings of dots": times("  a " + "." * 900 + "\n"),
    "settings with dots": times("  a .... b" * 90 + "\n"),
    "settings and blanks": times("  a .... b" + " " * 900 + "c\n"),
    "validations of megatron": behind("validation loss at iteration 1 | ", " a value: 1 |"),
    "plain names": counted(lambda i: f"step {i:06} a{i:06}_loss 1\n"),
    "pairs with blanks": times("1" + " " * 390 + "x\n"),
    "a config of brackets": behind(BLOCK + "a = ", "("),
    "a config of dicts": lambda n: BLOCK + "a = " + "dict(a=" * min(n // 7, 3000) + "\n",
    "a config of settings": behind(BLOCK, "a = dict(b=1)\n"),
    "a config of sums": behind(BLOCK + "a = [", "1+", "1]\n"),
    "a config of signs": behind(BLOCK + "a = ", "-", "1\n"),
    "a config of lists": behind(BLOCK + "a = [", "dict(b=[1,'x',None]),", "]\n"),
    "a config that begins again": times(BLOCK),
    "objects in objects": times('{"step":'),
    "a huge step": behind('{"step": ', "1", "}\n"),
    "a huge loss": behind('{"step": 1, "loss": ', "1", "}\n"),
    "an object of many keys": lambda n: (
        '{"step": 1, ' + ", ".join(f'"k{i}": 1' for i in range(n // 10)) + "}\n"
    ),
    "a history of brackets": behind('{"log_history": ', "["),
    "a history": behind('{"log_history": [', '{"step": 1, "loss": 1},', "{}]}\n"),
    "a history that never ends": behind('{\n"log_history": [\n', '{\n"step": 1,\n'),
    "a history of open lines": behind('{\n"log_history": [\n', '{"a": 1\n'),
    "events of brackets": behind(':::MLLOG {"key": "a", "value": ', "["),
    "a huge event": behind(':::MLLOG {"key": "train_loss", "value": ', "1", "}\n"),
    "arguments": behind("Namespace(", "a=", ")\n"),
    "arguments in quotes": behind("Namespace(", "a='", ")\n"),
    "arguments of a word": behind("TrainingArguments(\n", "a"),
    "an entry of blanks": behind(ENVIRONMENT + "    a: ", " "),
    "an entry of a word": behind(ENVIRONMENT + "    ", "a"),
    "an entry of many GPUs": behind(ENVIRONMENT + "    GPU ", "0,", ": x\n"),
    "entries": counted(lambda i: f"{'' if i else ENVIRONMENT}    seed: {i:06}\n"),
    "banners": times(" a" + " " * 380 + "x\n"),
    "a table of commas": behind("step,loss\n", ","),
    "a table of quotes": behind("step,loss\n", '"'),
    "a heading of many names": behind("step,", "a,"),
    "figures in text": behind('TCAPPDLL {"type": "LOG", "step": 1, "data": "', "'a': ", '"}\n'),
    "a name in text": behind('TCAPPDLL {"type": "LOG", "step": 1, "data": "\'', "a", '"}\n'),
    "counters that restart": counted(lambda i: record(i % 2, 4.5) + "\n"),
    "counters that fall": counted(lambda i: record(10**6 - i, 4.5) + "\n"),
    "epochs": counted(lambda i: record(0, 4.5, epoch=i) + "\n"),
    "ranks": counted(lambda i: record(0, 4.5, rank=i) + "\n"),
    "intervals that change": counted(
        lambda i: f'{{"mode": "train", "iter": {i * i}, "loss": 1}}\n'
    ),
}
SHORT, LONG = 12_000, 48_000


def seconds(text, **options):
    """Of the processor; the least of four tries: the first may compile, others lose their cache."""
    took = []
    for _ in range(4):
        began = time.process_time()
        with suppress(HarnessError):
            parse_log([text], source="x", **options)
        took.append(time.process_time() - began)
        if took[0] < 0.05:
            break
    return min(took)


def check_growth(make, **options):
    long = seconds(make(LONG), **options)
    assert long < 2.0
    if long > 0.1:
        assert long < 10 * seconds(make(SHORT), **options)


@pytest.mark.parametrize("shape", HOSTILE)
def test_four_times_the_text_takes_about_four_times_as_long(shape):
    check_growth(HOSTILE[shape])


@pytest.mark.parametrize("shape", ["records joined", "counters that fall", "epochs", "ranks"])
def test_so_it_does_in_bulk(shape):
    check_growth(HOSTILE[shape], bulk_after=0)


def test_the_check_can_fail(monkeypatch):
    from harness.parse import offering

    def slow(raw):
        sum(len(raw) for _ in range(len(raw) ** 2 // 200))
        return raw.decode(), True

    monkeypatch.setattr(offering, "decoded", slow)
    with pytest.raises(AssertionError):
        check_growth(times("a"))


def test_memory_follows_the_numbers_of_a_log_and_not_its_text():
    import tracemalloc

    text = "".join("x" * 2000 + "\n" + record(i, 4.5) + "\n" for i in range(2000))
    tracemalloc.start()
    run = parse_log((text[i : i + 65_536] for i in range(0, len(text), 65_536)), source="x")
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(run.find("loss", 0)[0]) == 2000
    assert kept < 2 << 20
    assert most < 8 * len(text)
