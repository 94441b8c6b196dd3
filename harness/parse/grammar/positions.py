"""The position of a line in the training, in every form that programs print."""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.parse.grammar.words import BATCHES, EVALUATION, GLOBAL_COUNTERS, TRAINING
from harness.parse.names import alternation
from harness.parse.number import count

N = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
"""A counter, with thousands separators if a program prints them."""
_END = r"(?!\w|%|[.,]\d)"
_GAP = r"['\"]?\s{0,8}[:=#]?\s{0,8}['\"]?[\[({]?\s{0,8}"
_STATES = rf"(?P<step>{N})\s{{0,8}}/\s{{0,8}}(?P<length>{N}){_END}"
_PHASES = alternation(TRAINING | EVALUATION)

_EPOCH = re.compile(
    rf"(?<![\w./])(?:epochs?|ep)(?:_num|_id|_idx)?\b\.?(?:\s{{0,2}}\((?:{_PHASES})\))?{_GAP}"
    rf"(?P<epoch>\d+(?:\.\d+)?)(?!\w|%|\.\d)(?:\s{{0,8}}(?:/|of)\s{{0,8}}(?P<epochs>\d+))?"
    r"\s{0,8}[\])}'\"]?"
    rf"(?:(?:\s{{0,8}}[:,-]{{0,2}}\s{{0,8}}[\[(]|:\s{{1,16}})\s{{0,16}}{_STATES})?",
    re.ASCII | re.IGNORECASE,
)
_TRAIN = re.compile(
    rf"\s{{0,8}}(?:{_PHASES})\b:?\s{{0,8}}(?:\[\s{{0,8}}(?P<epoch>\d+)\s{{0,8}}/\s{{0,8}}"
    rf"(?P<epochs>\d+)\]|(?P<bare>\d+)(?:/\d+)?(?:\s{{0,4}}\(\s{{0,4}}\d{{1,3}}%\))?)"
    rf"\s{{0,8}}[\[(]\s{{0,16}}{_STATES}",
    re.ASCII | re.IGNORECASE,
)
"""`Train: [1/300][20/50]` of Swin, `Train: 0 [  20/100 ( 20%)]` of timm, `Train: 1/80 (  1%)
[  20/100 ( 20%)]` of OpenPCDet."""
_EPOCH_OF = re.compile(
    rf"\s{{0,8}}(?:(?:{_PHASES}) \((?P<epoch>\d+)/(?P<epochs>\d+)\)(?= \|)"
    r"|(?P<bare>\d+)/\d+ \* Epoch(?= \())",
    re.ASCII | re.IGNORECASE,
)
"""`train (1/3) | loss: 0.5` and `1/3 * Epoch (train):` of Catalyst: an epoch behind, or before."""
_STEP = re.compile(
    r"(?<![\w./-])(?P<word>(?:global[ _]|current[ _]|cur[ _]|train(?:ing)?[ _/]|trainer/global_|"
    r"optim(?:izer)?[ _]|n_|num_)?(?:steps?|iterations?|iters?|itrs?|its?|updates?|"
    r"up\.|(?:mini)?batch(?:es)?)"
    rf"(?:_?(?:id|idx|num|no|index))?)(?:/(?:max|total)_steps)?(?![\w.]){_GAP}"
    rf"(?:\d{{1,12}}-(?=\d))?(?P<step>{N}){_END}(?:\s{{0,8}}(?:/|of)\s{{0,8}}(?P<length>{N}))?",
    re.ASCII | re.IGNORECASE,
)
"""The last of a range counts: `Batch [20-40]` of MXNet, `minibatches 10-19` of Kaldi."""
_PAIR = re.compile(
    rf"\s{{0,8}}(?:[\[(]\s{{0,8}}(?P<epoch>\d+),\s{{0,8}}(?P<step>\d+)[\])]"
    rf"|(?P<bare>\d+)epoch:[a-z]{{1,12}}:\d+-(?P<last>{N})batch\b"
    rf"|(?:TRAIN|CV)(?: \|(?: steps/sec [\d.]{{1,20}}\|)?)? Batch (?P<of>\d+)/(?P<batch>{N})\b"
    rf"|E=(?P<short>\d+) B=(?P<after>{N})\b)",
    re.ASCII,
)
"""`[1,  2000] loss: 2.2`, `(0, 10) loss : 2.2` of DLLogger, `10epoch:train:1-20batch:` of ESPnet,
`TRAIN Batch 1/100` of WeNet, `E=0 B=50` of Sockeye: epoch and batch."""
_GLOBAL = re.compile(rf"\s{{0,8}}(?P<epoch>\d+)\|(?P<step>{N})\|(?=[A-Za-z])", re.ASCII)
"""`1|20|Loss: 2.5` of torchtune: an epoch, and a step that counts over the whole training."""
_LISTED = re.compile(
    rf"['\"]step['\"]: \[(?P<epoch>\d+)(?:, (?P<step>{N}))?(?:, \d+)?\]", re.ASCII | re.IGNORECASE
)
"""`"step": [0, 20]` of DLLogger: epoch and batch, or the epoch alone."""
_TWO = re.compile(
    r"\s{0,8}\[\s{0,8}(?P<epoch>\d+)(?:\s{0,8}/\s{0,8}(?P<epochs>\d+)\]\s{0,2}[\[(]|:)"
    rf"\s{{0,8}}{_STATES}\s{{0,8}}[\])]",
    re.ASCII,
)
"""`[0/25][50/150]` of DCGAN, `[0: 1/4]` of PointNet: epoch and batch."""
_BEFORE_WORD = re.compile(rf"\s{{0,8}}(?P<step>{N})\s?(?:iter|it|step)\b(?!/)", re.ASCII | re.I)
"""`2iter - loss: 5.5`."""
_FORMS = (
    re.compile(rf"^s:(?P<step>{N})(?=\s)", re.ASCII),
    re.compile(rf"%\|[^|]{{0,400}}\|\s{{0,8}}(?P<step>{N})/(?P<length>{N}) \[", re.ASCII),
    re.compile(rf"(?<![\w.,])(?P<step>{N})it \[\d", re.ASCII),
    re.compile(rf"[━╸╺]\s{{1,8}}(?P<step>{N})/(?P<length>{N})(?=\s)", re.ASCII),
    re.compile(rf"(?<![\w./])(?:{_PHASES})\[\s{{0,8}}(?P<step>{N})\]:", re.ASCII | re.I),
    re.compile(rf"(?<![\w.,])(?P<step>{N})/\s{{0,8}}(?P<length>{N}) (?:batches|steps|iter)", re.A),
    re.compile(rf"\[xla:\d{{1,6}}(?:/\d{{1,6}})?\]\((?P<step>{N})\)", re.ASCII),
)
"""`s:1` of llm.c, bars of tqdm and rich, `train[ 20]:`, a counter before `batches`, the mark of
PyTorch/XLA."""
_BEFORE_BAR = re.compile(rf"\s{{0,16}}(?P<step>{N})\s{{0,8}}\|(?=\s)", re.ASCII)
"""`100 | loss 5.5`."""
_ALONE = re.compile(
    rf"\s{{0,16}}\[?(?P<step>{N})\]?(?:, \d{{1,6}}\.\d{{1,9}})?\s{{0,2}}[:)\]](?=\s)", re.ASCII
)
"""`100: loss 5.5`, and `100, 0.500: 5.5, 5.6 avg` of darknet, with the epoch behind it."""
_OF_LENGTH = re.compile(
    rf"\s{{0,16}}\[?(?P<step>{N})/(?P<length>{N})\]?[,:]\s{{1,4}}(?=[A-Za-z])", re.ASCII
)
"""`20/100, train_loss: 5.5`, the epoch on a line before."""
BETWEEN = re.compile(
    rf"loss\s{{1,4}}(?P<step>{N})(?::\s{{0,4}}|\s{{1,4}})(?=-?\d{{1,9}}\.\d)", re.A | re.I
)
"""`Train loss 20 5.5`, `Validation loss 20:  5.5` of Tacotron 2: a counter, then the value."""
_KERAS = re.compile(
    rf"\s{{0,8}}(?P<step>{N})/(?P<length>{N})\s{{1,4}}(?:\[[=>.]{{3,200}}\]|[━╸╺]|-\s{{0,4}}\d)"
)
_BRACKET = re.compile(rf"[\[(]\s{{0,16}}{_STATES}[^\[\]\n]{{0,16}}[\])]", re.ASCII)
_BARE = re.compile(r"[\s_/]")
_EPOCH_GROUPS = ("epoch", "bare", "of", "short")
_BATCH_GROUPS = ("step", "last", "batch", "after")


class Place(NamedTuple):
    """The position that a line states; None or 0 for what it does not state.

    `counter` counts within the epoch, or over the training if the line does not say; `length` is
    its end. `step` counts over the whole training, up to `total`. `within` says that the counter
    certainly counts within the epoch, `bar` that it is a bar of Keras, whose figures are means
    since the start of the epoch. `between` says that the counter stands between the name of a loss
    and its value. `stated` is the number of counters on the line.
    """

    epoch: float | None = None
    counter: int | None = None
    length: int = 0
    step: int | None = None
    total: int = 0
    within: bool = False
    bar: bool = False
    between: bool = False
    fraction: bool = False
    damaged: bool = False
    stated: int = 0

    @property
    def is_stated(self) -> bool:
        """Whether a counter is stated."""
        return self.counter is not None or self.step is not None

    @property
    def whole_epoch(self) -> int | None:
        """The epoch as a number without a fraction; None where a line states none."""
        return None if self.epoch is None or self.fraction else int(self.epoch)


def place_of(text: str, start: int = 0) -> Place:
    """Returns the position that a line states; `start` is where its prefixes end.

    >>> place_of("Epoch: [2]  [ 20/40]  loss: 4.5")[:3]
    (2.0, 20, 40)
    """
    overall = _GLOBAL.match(text, start)
    if overall is not None and (step := _n(overall["step"])) is not None:
        return Place(epoch=float(overall["epoch"][:16]), step=step, stated=1)
    listed = _LISTED.search(text)
    if listed is not None:
        return _with_epoch(listed)._replace(within=False, stated=listed["step"] is not None)
    steps = list(_STEP.finditer(text))
    epoch = _EPOCH_OF.match(text, start) or _EPOCH.search(text)
    place = _with_epoch(_TRAIN.match(text, start) or epoch or _two(text, start))
    stated = len(steps) + (place.counter is not None)
    best = min(steps, key=_rank_of_word, default=None)
    if best is not None and _rank_of_word(best) == 0:
        return _of_step(best, place)._replace(stated=stated)
    if place.counter is not None:
        return place._replace(stated=stated)
    if best is not None and _rank_of_word(best) == 1:
        return _of_step(best, place)._replace(stated=stated)
    return _without_word(text, start, place, best, epoch)


def _two(text: str, start: int) -> re.Match[str] | None:
    """An epoch and a counter that no word names."""
    return _PAIR.match(text, start) or _TWO.match(text, start)


def _rank_of_word(match: re.Match[str]) -> int:
    """0 for a counter of the whole training, 1 for a step, 2 for a batch."""
    word = match["word"].lower()
    if _BARE.sub("", word) in GLOBAL_COUNTERS:
        return 0
    return 2 if word.startswith(BATCHES) else 1


def _with_epoch(match: re.Match[str] | None) -> Place:
    if match is None:
        return Place()
    groups = match.groupdict()
    shown = next((groups[name] for name in _EPOCH_GROUPS if groups.get(name)), "0")
    step = next((groups[name] for name in _BATCH_GROUPS if groups.get(name)), None)
    length = groups.get("length")
    damaged = step is not None and (_n(step) is None or _n(length or "0") is None)
    return Place(
        epoch=float(shown[:16]),
        fraction="." in shown,
        counter=None if step is None else _n(step),
        length=_n(length or "0") or 0,
        within=step is not None or groups.get("epochs") is not None,
        damaged=damaged,
    )


def _of_step(match: re.Match[str], place: Place, *, bar: bool = False) -> Place:
    """The place with the counter of a match."""
    groups = match.groupdict()
    step, length = _n(match["step"]), _n(groups.get("length") or "0")
    if step is None or length is None:
        return place._replace(damaged=True, counter=None)
    if "word" in groups and _rank_of_word(match) == 0:
        return place._replace(step=step, total=length)
    within = place.within or bar
    return place._replace(counter=step, length=length, within=within, bar=bar)


def _without_word(
    text: str, start: int, place: Place, batch: re.Match[str] | None, epoch: re.Match[str] | None
) -> Place:
    """The place of a line without a word that counts steps."""
    keras = _KERAS.match(text, start)
    if keras is not None:
        return _of_step(keras, place, bar=True)._replace(stated=1)
    first = _BEFORE_WORD.match(text, start)
    if first is not None:
        return _of_step(first, place)._replace(stated=1)
    for form in _FORMS:
        match = form.search(text, start)
        if match is not None:
            return _of_step(match, place)._replace(stated=1)
    match = _BEFORE_BAR.match(text, start) or batch or _bracket(text, start, epoch)
    if match is None and epoch is None:
        match = _ALONE.match(text, start) or _OF_LENGTH.match(text, start)
    if match is not None:
        return _of_step(match, place)._replace(stated=1)
    between = None if epoch is not None else BETWEEN.search(text, start)
    return place if between is None else _of_step(between, place)._replace(stated=1, between=True)


def _bracket(text: str, start: int, epoch: re.Match[str] | None) -> re.Match[str] | None:
    """A counter in brackets that no name claims: `[20/40]`, and not `mem: [10/80]`."""
    for match in _BRACKET.finditer(text, start):
        before = text[: match.start()].rstrip()
        word = before.rstrip(":=").rpartition(" ")[2].lower()
        named = before.endswith((":", "=")) and word not in TRAINING | EVALUATION
        inside = epoch is not None and epoch.start() <= match.start() < epoch.end()
        if not named and not inside:
            return match
    return None


def _n(text: str) -> int | None:
    """The counter that a text of digits and separators is; None where it is too large."""
    return count(text.replace(",", ""))
