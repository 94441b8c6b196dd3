"""Training logs of any program: a loss beside its name, and a position that the line states.

Iteration 12/100 - Loss: 1.23
step 3 loss 4.5
Epoch: [0][ 20/40]  lr: 0.02  loss: 4.25 (4.31)  acc1: 2.0 (2.0)
2iter - loss: 14.2954 - learning_rate: 4.997e-05 - epoch: 0.0 - step: 1
|Loss: 0.1
"""

from __future__ import annotations

import re
from math import isfinite

from harness.parse.collect import Collector
from harness.parse.grammar.copypaste import MARK, CopyPaste
from harness.parse.grammar.figures import Figure
from harness.parse.grammar.held import Held
from harness.parse.grammar.line import Parsed, parsed
from harness.parse.grammar.measures import DECIMAL, is_chatter, is_measure
from harness.parse.grammar.missing import Missing, spelled, value_of
from harness.parse.grammar.phases import EVALUATED, Phase, heading_of
from harness.parse.grammar.positions import place_of
from harness.parse.grammar.prefixes import prefix_of
from harness.parse.grammar.process import Process
from harness.parse.grammar.results import HINTS
from harness.parse.grammar.scores import headed, is_score, objectives
from harness.parse.grammar.words import OTHER_LOSSES
from harness.parse.line import Line
from harness.parse.number import number
from harness.parse.sets import RESULT, TESTED
from harness.parse.several import untold

MAX_LINE = 4000
"""Characters of a line that this format can be in."""
MAX_PROCESSES = 10_000
"""Ranks of one log whose counters are followed."""
MIN_AGAIN = 0.3
"""Part of the lines from which on repeated steps are processes and no resumed run; two are half."""

_HINTS = (
    *("oss", "xent", "cost ", "cost:", "trl:", "tel:", "ce-mean", "learn:", "objective function"),
    *(" avg,", "mse", "mae", "l1", "l2", "entropy", " l_"),
)
_SCORES = (
    *("acc", "lr", "rate", "norm", "top", "err", "auc", "map", "iou", "f1", "ppl", "perplexity"),
    *("bleu", "translation", "wer", "cer", "chrf", "rouge", "ndcg", "entropy"),
)
"""Parts of lines that may have a score, a rate or a norm."""
_COUNTER = re.compile(r"step|iter", re.ASCII | re.IGNORECASE)
_OTHER_EPOCH = re.compile(r"best|sav(?:ed|ing)|checkpoint|early|resum", re.IGNORECASE)
"""Words of a line whose epoch is not the one that begins."""
_OPENS = re.compile(r"[\s>]{0,8}(?:eval(?:uation)? begin\b|evaluation\s{0,8}\Z)", re.IGNORECASE)
_CLOSES = re.compile(
    r"[\s>]{0,8}(?:eval(?:uation)? (?:samples|end)|epoch|train(?:ing)?)\b", re.IGNORECASE
)
"""Lines around those of an evaluation, which say no more than lines of training: `Eval begin...`
and `Eval samples: 100` of Paddle, ` > EVALUATION` and ` > EPOCH: 1/10` of Coqui."""
_NO_RECORD = re.compile(r"best|param|config|setting|argument|namespace")
"""Words before the first figure of lines whose figures are settings, or those of another step."""
_BEGINS = re.compile(
    r"[\s#*=]{0,100}(?:time: \S{1,40} \S{1,40} -- )?\[?(?:learning |global[ _])?"
    r"(?:step|iter(?:ation)?|batch)[ :=#]{1,3}\d{1,12}(?:/\d{1,12})?"
    r"(?:,\s?epoch[ :=]{1,2}\d{1,6})?\]?:?(?=\s)",
    re.ASCII | re.IGNORECASE,
)
"""`Step 100 per-step time 0.5s`, `[step=100/1000,epoch=0]` of OLMo, `Learning iteration 5/100` of
rsl_rl, `--> TIME: 2025-01-02 10:00:00 -- STEP: 5/100 -- GLOBAL_STEP: 5` of Coqui."""
_BRACKETED = re.compile(r"\s\[step=\d{1,12}/\d{1,12},\s?epoch=\d{1,6}\]\s{0,8}\Z", re.ASCII)
"""The end of such a line behind prefixes of any kind."""
_ANNOUNCED = re.compile(
    r"(?<![\w./])(?:step|iter(?:ation)?)s?[ :=#]{1,4}(\d{1,12})[,:;)\]]{0,2}\s{1,4}"
    r"(?:testing|evaluating|validating)\b"
    r"|(?<![\w./])(?:testing|evaluating|validating) (?:at|after) (?:step|iter(?:ation)?)"
    r"[ :=#]{1,4}(\d{1,12})(?![\w.]|\s{0,4}/)",
    re.ASCII | re.IGNORECASE,
)
"""`Iteration 40, Testing net (#0)` of Caffe: the step of the results on the lines behind it."""


class Grammar:
    """Reads the losses of a line and the figures beside them.

    Positions are taken as they are stated; the stated length of an epoch unrolls its counters.
    Lines without a counter are numbered by their epoch where each states another one, and in order
    otherwise. Figures of an evaluation are `val.`, at the last step of training.

    Used only where no other format has a record: in their logs such lines say the same again.
    """

    name = "plain"
    example = "Iteration 12/100 - Loss: 1.23"
    fallback = True
    long_lines = False

    def __init__(self) -> None:
        self._processes: dict[int, Process] = {}
        self._missing = Missing()
        self._held = Held()
        self._summaries = 0
        self._ranked = False
        self._heading: Phase = ""
        self._inside: Phase = ""
        self._copypaste = CopyPaste()

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a line with a loss."""
        if len(line.text) > MAX_LINE:
            return False
        low = line.text.lower()
        heading, self._heading = self._heading, ""
        if not any(hint in low for hint in _HINTS):
            return self._without_loss(line, low, heading, into)
        text = line.text.rstrip("\r\n\b")
        said = parsed(text, ranked=self._ranked, heading=heading, inside=self._inside)
        losses = self._losses(text, said, whole=line.whole)
        if not losses:
            return line.whole and (
                self._is_damaged(line.number, line.text, said, into)
                or self._beside(said, low, into)
            )
        if not line.whole:
            into.skip(line.number, line.text, "the log ends inside this line")
        else:
            self._take(line.number, line.text, said, losses, into)
        return True

    def close(self, into: Collector) -> None:
        """Hands over what was held: evaluations, and losses without a step if no other has one."""
        processes = self._processes.values()
        for process in processes:
            process.close(into)
        self._refuse(into)
        lines = self._held.lines
        if lines and any(process.placed for process in processes):
            into.note(f"plain: {lines} losses without a step beside others with one are left out")
        elif lines:
            into.claim(self.name)
            way = self._held.hand_over(into)
            into.note(f"plain: {lines} losses without a step are numbered {way}")
        if self._summaries:
            into.note(f"plain: {self._summaries} lines of means over an epoch are left out")
        means = sum(process.evaluating.averaged for process in processes)
        if means:
            into.note(f"plain: {means} evaluations state no mean; that of their batches is taken")
        left = sum(process.evaluating.left_out for process in processes)
        if left:
            into.note(f"plain: {left} lines inside evaluations state no mean and are left out")

    def _without_loss(self, line: Line, low: str, heading: Phase, into: Collector) -> bool:
        """Takes what a line without a loss says of those behind it, or of an evaluation."""
        if MARK in low:
            return self._pasted(line, into)
        self._begin_phase(line.text, low, heading)
        if any(hint in low for hint in HINTS) and self._is_result_alone(line, heading, into):
            return True
        if "poch" in low:
            self._begin_epoch(line.text)
            if line.whole:
                self._begin_step(line.text)
        elif "ing" in low and (announced := _ANNOUNCED.search(line.text)):
            process = self._process(prefix_of(line.text).rank or 0)
            if process is not None:
                process.announced = int(announced[1] or announced[2])
        elif ("step" in low or "iter" in low or "batch" in low) and line.whole:
            self._begin_step(line.text)
        elif "@1" in low and line.whole:
            said = parsed(line.text, ranked=self._ranked)
            process = self._processes.get(said.rank or 0)
            if process is not None and said.ends and process.evaluating.is_open:
                process.evaluating.result(said.values(), general=said.general)
                return True
        if line.whole and any(word in low for word in _SCORES):
            return self._beside(parsed(line.text.rstrip(), ranked=self._ranked), low, into)
        return False

    def _begin_phase(self, text: str, low: str, heading: Phase) -> None:
        """Takes the phase of the lines behind this one: of the next one, or of all to its end."""
        if _OPENS.match(low):
            self._inside = "eval"
        elif self._inside and _CLOSES.match(low):
            self._inside = ""
        if low.isspace():
            self._heading = heading
        elif low.rstrip().endswith(":"):
            self._heading = heading_of(text)

    def _is_result_alone(self, line: Line, heading: Phase, into: Collector) -> bool:
        """Takes a line of results without a loss: `[EVAL] mIoU: 0.75`, once training began."""
        if not line.whole or not DECIMAL.search(line.text) or is_chatter(line.text):
            return False
        said = parsed(line.text.rstrip(), ranked=self._ranked, heading=heading)
        process = self._processes.get(self._rank(said)) if self._processes else None
        values = {
            name: figure.value
            for name, figure in zip(said.names, said.figures, strict=True)
            if figure.value is not None and is_measure(figure)
        }
        if process is None or not process.placed or not values:
            return False
        if not all(name.startswith(RESULT) for name in values):
            return False
        process.take(said, values, into)
        return True

    def _pasted(self, line: Line, into: Collector) -> bool:
        """Takes one of the lines that detectron2 prints of the results of an evaluation."""
        values = self._copypaste.feed(line.text) if line.whole else None
        process = self._processes.get(0)
        if values is None or process is None or not process.placed:
            return False
        process.results(values, into)
        return True

    def _beside(self, said: Parsed, low: str, into: Collector) -> bool:
        """Takes the rate, the norm and the scores of a line without a loss.

        Those of training need a step; those of an evaluation, that training has begun.
        """
        said = headed(said)
        figures = {name: v for name, v in said.values().items() if is_score(name)}
        if (
            not figures
            or said.phase == "summary"
            or _NO_RECORD.search(low[: said.figures[0].start])
        ):
            return False
        if self._ranked and said.rank is None and not self._is_result(said):
            return False
        known = self._processes.get(self._rank(said))
        if known is None and said.place.is_stated:
            known = self._process(self._rank(said))
        return known is not None and known.beside(said, figures, into)

    def _refuse(self, into: Collector) -> None:
        """Refuses a log of several processes that cannot be told apart."""
        again = sum(process.again for process in self._processes.values())
        placed = sum(process.placed for process in self._processes.values())
        if again > 1 and again >= MIN_AGAIN * placed:
            example = next(p.example for p in self._processes.values() if p.again)
            into.refusals[self.name] = untold(again, example, records=placed)

    def _begin_epoch(self, line: str) -> None:
        """Takes the epoch of a line without a loss, such as `Epoch 2/10`."""
        prefix = prefix_of(line)
        place = place_of(line, prefix.end)
        process = self._process(prefix.rank or 0)
        if place.epoch is not None and process is not None and not _OTHER_EPOCH.search(line):
            process.counting.epoch = place.epoch

    def _begin_step(self, line: str) -> None:
        """Takes the step of a line without a loss, such as `Step 100 per-step time 0.5s`."""
        if self._inside:
            return
        prefix = prefix_of(line)
        if _BEGINS.match(line, prefix.end) or _BRACKETED.search(line):
            place = place_of(line, prefix.end)
            process = self._process(prefix.rank or 0)
            if process is not None and place.is_stated:
                process.begun = place.counter if place.step is None else place.step

    def _losses(self, text: str, said: Parsed, *, whole: bool) -> list[Figure]:
        """The losses of a line that have a number, or a word that is a value such as `None`."""
        placed = said.place.is_stated
        losses = [f for f in said.figures if f.is_loss]
        named = [f for f in losses if f.name.lower().removeprefix("val ") not in OTHER_LOSSES]
        if not named:
            others = losses or objectives(said.figures, said.names)
            return [f for f in others if placed and f.value is not None]
        if not whole:
            return [f for f in named if f.value is not None or f.torn]
        return [f for f in named if self._missing.is_value(text, f, placed=placed)]

    def _is_damaged(self, number: int, line: str, said: Parsed, into: Collector) -> bool:
        """Whether a line has a step, and where lines of records have their loss, something else."""
        losses = (f for f in said.figures if f.is_loss and f.value is None)
        alike = said.place.is_stated and any(self._missing.is_alike(line, f) for f in losses)
        if alike:
            into.skip(number, line, "a loss whose number cannot be read")
        return alike

    def _take(
        self, line: int, text: str, said: Parsed, losses: list[Figure], into: Collector
    ) -> None:
        self._missing.learn(text, losses)
        into.in_containers |= said.container
        reason = self._unusable(text, said, losses)
        process = self._process(self._rank(said))
        if reason or process is None:
            into.skip(line, text, reason or f"more than {MAX_PROCESSES} ranks")
            return
        for loss, name in _odd(said, losses):
            into.odd(name, loss.text, spelled(loss), text)
        if said.phase == "summary":
            self._summaries += 1
            process.results(_values(said, losses), into)
        else:
            process.take(said, _values(said, losses), into)

    def _unusable(self, text: str, said: Parsed, losses: list[Figure]) -> str:
        """Why no record of a line can be trusted; empty where there is no reason."""
        if any(value_of(loss) is None for loss in losses):
            return "a loss whose number cannot be read"
        names = {loss.name.lower() for loss in losses}
        if len(names) < len(losses) and len(_COUNTER.findall(text)) > 1:
            return "two steps, each with a loss, on one line"
        self._ranked |= said.rank is not None
        if self._ranked and said.rank is None and not self._is_result(said):
            return "a loss without the rank that lines before it have"
        return "a loss whose step is no number of steps" if said.place.damaged else ""

    def _is_result(self, said: Parsed) -> bool:
        """Whether a line has results alone, and one process only can have printed them."""
        return said.phase in EVALUATED and not said.place.is_stated and len(self._processes) == 1

    def _rank(self, said: Parsed) -> int:
        """The rank of a line; results without a rank are those of the only process."""
        if said.rank is None and self._ranked and self._is_result(said):
            return next(iter(self._processes))
        return said.rank or 0

    def _process(self, rank: int) -> Process | None:
        process = self._processes.get(rank)
        if process is None and len(self._processes) < MAX_PROCESSES:
            process = self._processes[rank] = Process(rank, self._held)
        return process


def _values(said: Parsed, losses: list[Figure]) -> dict[str, float]:
    """The first number of each series on a line; a word instead of a loss is NaN."""
    values: dict[str, float] = {}
    for figure, name in zip(said.figures, said.names, strict=True):
        value = value_of(figure) if figure in losses else figure.value
        if value is not None:
            values.setdefault(_series(name, losses), value)
    return values


def _series(name: str, losses: list[Figure]) -> str:
    """The name of a series: `loss` for a line's loss under another name."""
    bare = name.removeprefix(TESTED).removeprefix(RESULT)
    other = bare in OTHER_LOSSES and losses[0].name.lower() in OTHER_LOSSES
    return name.replace(bare, "loss") if other else name


def _odd(said: Parsed, losses: list[Figure]) -> list[tuple[Figure, str]]:
    """The losses whose value is not a number, with their series."""
    named = zip(said.figures, said.names, strict=True)
    return [
        (figure, name)
        for figure, name in named
        if figure in losses and not _is_finite(figure.value) and number(figure.text) is None
    ]


def _is_finite(value: float | None) -> bool:
    return value is not None and isfinite(value)
