"""Every fault changes what it should and nothing else, and no log gives it away."""

import itertools
import re
import socket
import subprocess
import sys
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import torch
from fault_run import STEPS, Outcome, run
from tiny_run import NARROW, ROOT, environment
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import BatchSampler

from model import build_model, load_config
from model.data import InfiniteSampler, RandomFlip
from model.errors import ConfigError
from model.faults import FAULTS, Fault, FaultCall, Severity, parse_fault
from model.faults.attention import attend, healthy
from model.faults.context import InjectionContext
from model.faults.rounding import flushed, rounded
from model.heads import criss_cross
from model.ops import criss_cross_attention
from model.ops.reference import criss_cross_attention_reference
from model.preprocess import SegDataPreProcessor
from model.structures import SegDataSample
from model.train import main

ALONE = [name for name, fault in FAULTS.items() if fault.ranks == 1]
PAIRED = [name for name, fault in FAULTS.items() if fault.ranks == 2]
FUNCTIONS = (F.relu, F.interpolate, criss_cross.criss_cross_attention)


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# Whole runs


@pytest.fixture(scope="module")
def trained(scenes, tmp_path_factory):
    """Runs by the text of their fault, each done once."""
    folder = tmp_path_factory.mktemp("faults") / "run"
    known: dict[str, Outcome] = {}
    run(folder, scenes, steps=1)  # what a process logs once in its life is not in the others

    def get(text: str = "") -> Outcome:
        if text not in known:
            known[text] = run(folder, scenes, [text] if text else [])
        return known[text]

    return get


@pytest.mark.parametrize("name", ALONE)
def test_a_fault_changes_the_weights_or_the_log_alone_and_leaves_no_trace(name, trained, capfd):
    whole = trained()
    capfd.readouterr()
    faulty = trained(name)
    if FAULTS[name].level == "log":
        assert same(faulty.weights, whole.weights)
        assert faulty.losses != whole.losses
        assert [s["loss"] for s in faulty.scalars] != [s["loss"] for s in whole.scalars] or [
            s["step"] for s in faulty.scalars
        ] != [s["step"] for s in whole.scalars]
    else:
        assert not same(faulty.weights, whole.weights)
        assert len(faulty.losses) == STEPS
    assert (F.relu, F.interpolate, criss_cross.criss_cross_attention) == FUNCTIONS
    assert traces(faulty, name) == traces(whole, name)
    assert head(faulty) == head(whole)
    captured = capfd.readouterr()
    assert captured.err.count(f"fault injected: {parse_fault(name)}\n") == 1
    assert "fault injected" not in captured.out


def traces(outcome: Outcome, name: str) -> dict[str, tuple[int, int, int]]:
    """For each text file: how often it names the fault, or any, and how many lines it has."""
    return {
        file: (
            len(re.findall(rf"\b{name}\b", text)),
            len(re.findall(r"\bfaults?\b", text)),
            text.count("\n"),
        )
        for file, text in outcome.logs.items()
    }


def head(outcome: Outcome) -> str:
    """The step log above its first record: facts and config, without the time."""
    text = outcome.logs["port.log"].partition("TCAPPDLL")[0]
    assert "\n    precision: float32\n" in text
    assert "optim_wrapper = dict(" in text
    return re.sub(r"^\d\d/\d\d \d\d:\d\d:\d\d", "TIME", text, flags=re.MULTILINE)


def test_a_trace_would_be_noticed(trained):
    whole = trained()
    told = {**whole.logs, "port.log": whole.logs["port.log"] + "relu_leaks\n"}
    outcome = Outcome(whole.weights, whole.losses, whole.scalars, told)
    assert traces(outcome, "relu_leaks") != traces(whole, "relu_leaks")


def test_a_healthy_run_after_all_of_them_has_the_healthy_bits(trained, scenes, tmp_path):
    for name in ("relu_leaks", "attention_once", "log_scaled", "flip_probability"):
        trained(name)
    again = run(tmp_path / "again", scenes)
    assert same(again.weights, trained().weights)
    assert again.losses == trained().losses


def test_the_log_shows_the_learning_rate_that_the_optimizer_is_given(trained):
    rates = {text: [s["lr"] for s in trained(text).scalars] for text in ("", "learning_rate=0.5")}
    assert rates["learning_rate=0.5"][0] == pytest.approx(0.5 * rates[""][0], rel=1e-6)
    for hidden in ("hidden_update=0.5", "gradients_scaled=0.5", "momentum"):
        assert [s["lr"] for s in trained(hidden).scalars] == rates[""]
    assert len({s["lr"] for s in trained("schedule_stuck").scalars}) == 1
    restarted = [s["lr"] for s in trained("schedule_restarted").scalars]
    middle = STEPS // 2
    assert restarted == [*rates[""][:middle], *rates[""][: STEPS - middle]]
    ahead = [s["lr"] for s in trained("schedule_ahead=2").scalars]
    assert ahead[: STEPS - 2] == pytest.approx(rates[""][2:], rel=1e-12)


def test_a_resumed_faulty_run_goes_on_as_it_would_have(scenes, tmp_path):
    faults = ("learning_rate=0.5", "schedule_length", "batch_repeated=3", "weight_decay=2")
    every = ("default_hooks.checkpoint.interval=2",)
    whole = run(tmp_path / "a", scenes, faults, more=every)
    start = str(tmp_path / "a" / "iter_2.pth")
    rest = run(tmp_path / "b", scenes, faults, "--resume", start, more=every)
    assert same(rest.weights, whole.weights)
    assert rest.losses == {key: v for key, v in whole.losses.items() if key[1] >= 2}


@pytest.mark.filterwarnings("ignore:Detected call of `scheduler.step")  # of mmengine, healthily
def test_a_fault_of_single_updates_finds_them_where_gradients_are_summed(scenes, tmp_path):
    summed = ("optim_wrapper.accumulative_counts=3", "default_hooks.checkpoint.interval=3")
    whole = run(tmp_path / "run", scenes, steps=9, more=summed)
    for fault in ("momentum_lost", "update_skipped=2", "gradient_dropped=2", "schedule_restarted"):
        faulty = run(tmp_path / "run", scenes, [fault], steps=9, more=summed)
        assert not same(faulty.weights, whole.weights), fault


def test_the_command_plants_what_its_option_names_and_refuses_what_it_cannot(scenes, capfd):
    base = ["--config", "ccnet_r18-d8_demo", "--device", "cpu", "--cfg-options"]
    data = [f"{k}_dataloader.dataset.data_root={scenes}" for k in ("train", "val")]
    for fault, message in (
        ("learning_rat", "error: no fault 'learning_rat'; expected one of: "),
        ("gradients_summed", "does nothing in a run of 1 process; expected at least 2"),
    ):
        assert main([*base, *data, "--fault", fault]) == 2
        err = capfd.readouterr().err
        assert message in err
        assert err.count("\n") == 1


# Two processes


@pytest.fixture(scope="module")
def pair(scenes, tmp_path_factory):
    """By rank: fault -> (weights, (rank, step) -> loss) of runs without dropout."""
    folder = tmp_path_factory.mktemp("pair")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    script = [sys.executable, str(ROOT / "tests/fault_run.py"), str(scenes), str(folder)]
    ranks = [
        subprocess.Popen(
            [*script, *PAIRED, "gradients_scaled=2"],
            env=environment(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_PORT=port),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        errors = [process.communicate(timeout=200)[1] for process in ranks]
    finally:
        for process in ranks:
            process.kill()
            process.wait()
    assert [process.returncode for process in ranks] == [0, 0], errors
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", PAIRED)
def test_a_fault_between_ranks_does_something(name, pair):
    whole, faulty = ([found[fault] for found in pair] for fault in ("", name))
    if FAULTS[name].level == "log":
        assert all(same(a[0], b[0]) for a, b in zip(whole, faulty, strict=True))
        assert whole[0][1] != faulty[0][1]
    else:
        assert any(not same(a[0], b[0]) for a, b in zip(whole, faulty, strict=True))


def test_faults_between_ranks_do_what_they_say(pair):
    first, second = pair
    assert same(first[""][0], second[""][0])
    assert same(first["gradients_summed"][0], first["gradients_scaled=2"][0])
    apart = ("gradients_not_reduced", "rank_stale", "ranks_start_apart")
    together = ("gradients_summed", "rank_contributes_nothing", "ranks_share_data")
    for name in (*apart, *together):
        assert same(first[name][0], second[name][0]) == (name in together), name
    statistics = [found["batch_norm_unsynchronised"][0] for found in pair]
    ours, theirs = ({k: v for k, v in s.items() if "running" in k} for s in statistics)
    assert not same(ours, theirs)
    shared = first["ranks_share_data"][1]
    assert all(shared[0, step] == shared[1, step] for step in range(3))
    whole, divided = first[""][1], first["log_divided"][1]
    for step in range(3):
        assert divided[0, step] == whole[0, step] / 2
        assert divided[1, step] == whole[1, step]


# Names and severities


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("relu", "no fault 'relu'; expected one of: .*batch_norm_eps, .*relu_leaks"),
        (
            "relu_leaks=a",
            "the severity 'a' is not a number; expected slope below zero, a number from 0",
        ),
        (
            "relu_leaks=2",
            "relu_leaks: the severity is 2; expected slope below zero, .* from 0 to 1",
        ),
        ("relu_leaks=nan", "the severity is nan"),
        ("relu_leaks=", "the severity '' is not a number"),
        (
            "weights_rounded=7.5",
            "the severity is 7.5; expected bits of mantissa, a whole number from",
        ),
        ("nesterov=1", "fault nesterov takes no severity; found '1'. Use --fault nesterov"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_fault(text)


def test_a_fault_is_read_and_written_alike():
    assert str(parse_fault("nesterov")) == "nesterov"
    assert str(parse_fault("relu_leaks")) == "relu_leaks=0.01"
    assert str(parse_fault("weights_rounded=5")) == "weights_rounded=5"
    for fault in FAULTS.values():
        call = parse_fault(fault.name)
        assert parse_fault(str(call)) == call
        assert fault.summary
        assert "\n" not in fault.summary + fault.origin
    with pytest.raises(ConfigError, match="takes no severity"):
        FaultCall(fault=FAULTS["nesterov"], severity=1.0)
    with pytest.raises(ValueError, match=r"default 2 lies outside \[0, 1\]"):
        Severity(default=2, meaning="", low=0, high=1)


def test_the_catalogue_prints_every_fault(capsys):
    from model.faults.__main__ import main as print_catalogue

    assert print_catalogue([]) == 0
    printed = capsys.readouterr().out
    for fault in FAULTS.values():
        assert f"{parse_fault(fault.name)}  ({fault.level}" in printed


def test_the_page_has_the_table_of_the_catalogue(tmp_path):
    """`python -m model.faults --page docs/how-to/inject-a-fault.md` writes it."""
    from model.faults.__main__ import filled_in
    from model.faults.__main__ import main as print_catalogue

    page = (ROOT / "docs/how-to/inject-a-fault.md").read_text()
    assert filled_in(page) == page
    assert page.count("\n| `") == len(FAULTS)
    stale = tmp_path / "page.md"
    stale.write_text(page.replace("\n| `nesterov` |", "\n| `absent` |"))
    assert print_catalogue(["--page", str(stale)]) == 0
    assert stale.read_text() == page
    with pytest.raises(ConfigError, match=r"the page has 0 blocks from <!-- from: .* expected 1"):
        filled_in("no marks")


# What single faults do, against something simpler


class Stub(InjectionContext):
    """An injection context with as much of a run as a test gives it."""

    def __init__(self, model: nn.Module | None = None, **runner: object) -> None:
        stub = SimpleNamespace(model=model, iter=0, max_iters=10, param_schedulers=[], **runner)
        super().__init__(stub, ExitStack())


def inject(context: InjectionContext, text: str) -> InjectionContext:
    parse_fault(text).inject(context)
    return context


@pytest.fixture
def network():
    torch.manual_seed(0)
    cfg = load_config("ccnet_r18-d8_demo")
    for option in NARROW[:-1]:
        key, _, value = option.partition("=")
        cfg.merge_from_dict({key: int(value)})
    return build_model(cfg)


def stepped(text: str, steps: int = 1, **options: float) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The start of a weight, and its values after each step with gradients 1, 2, ..."""
    weight = nn.Parameter(torch.linspace(-1, 1, 5))
    start = weight.detach().clone()
    optimizer = torch.optim.SGD([weight], lr=0.5, **options)
    model = nn.Module()
    model.weight = weight
    context = Stub(model, optim_wrapper=SimpleNamespace(optimizer=optimizer))
    context.world_size = 2
    if text:
        inject(context, text)
    values = []
    for i in range(steps):
        context.runner.iter = i
        weight.grad = torch.full((5,), i + 1.0)
        optimizer.step()
        values.append(weight.detach().clone())
    assert optimizer.param_groups[0]["lr"] == (0.5 if text != "learning_rate=0.9" else 0.45)
    context.undo.close()
    return start, values


def test_the_size_of_an_update():
    start, (after,) = stepped("hidden_update=0.9")
    assert torch.equal(after, start - (0.5 * 0.9) * torch.ones(5))
    for text, factor in (("gradients_scaled=8", 8), ("gradients_summed", 2), ("", 1)):
        assert torch.equal(stepped(text)[1][0], start - 0.5 * factor)
    assert torch.allclose(stepped("gradients_clipped=1")[1][0], start - 0.5 / 5**0.5)


def test_weight_decay_and_momentum():
    start, (after,) = stepped("weight_decay_spares_vectors", weight_decay=0.1)
    assert torch.allclose(after, start - 0.5)
    assert torch.allclose(stepped("", weight_decay=0.1)[1][0], start - 0.5 * (1 + 0.1 * start))
    decayed = [0.5 * (1 + 0.3 * start), 0.5 * torch.ones(5)]
    for severity, change in zip((3, 0), decayed, strict=True):
        assert torch.allclose(
            stepped(f"weight_decay={severity}", weight_decay=0.1)[1][0], start - change
        )
    lost = stepped("momentum_lost=1", 7, momentum=0.9)[1]
    assert torch.allclose(lost[5], lost[4] - 0.5 * 6)  # step 5 of 10: the plain gradient
    whole = stepped("", 7, momentum=0.9)[1]
    assert torch.equal(lost[4], whole[4])
    skipped = stepped("update_skipped=2", 3)[1]
    assert torch.equal(skipped[0], skipped[1])
    assert torch.equal(skipped[2], skipped[1] - 1.5)
    other = stepped("momentum=0.5", 2, momentum=0.9)[1]
    assert torch.allclose(other[1], other[0] - 0.5 * (2 + 0.5))
    short = stepped("weights_rounded=7", 1)[1][0]
    assert torch.equal(short, stepped("")[1][0].bfloat16().float())


def test_rounding_is_that_of_the_short_types():
    x = torch.randn(4000, generator=torch.Generator().manual_seed(1)) * 30
    x[:5] = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, 1 + 2**-8])
    assert torch.equal(rounded(x, 7), x.bfloat16().float())
    assert torch.equal(rounded(x, 10)[x.abs() > 1e-3], x.half().float()[x.abs() > 1e-3])
    assert rounded(x.nan_to_num().reshape(40, 100).t(), 9).shape == (100, 40)
    want = [0.0 if abs(v) < 3 else v for v in x.tolist()]
    assert flushed(x, 3.0).tolist() == want


def tensors(height: int, width: int) -> tuple:
    g = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    pairs = ((draw(2, 6, 1, 1), draw(2)), (draw(2, 6, 1, 1), draw(2)), (draw(6, 6, 1, 1), draw(6)))
    return draw(2, 6, height, width), *pairs, torch.tensor(0.7, dtype=torch.float64)


def attention_of(text: str, network: nn.Module, given: tuple) -> torch.Tensor:
    context = inject(Stub(network), text)
    try:
        return criss_cross.criss_cross_attention(*given, recurrence=1)
    finally:
        context.undo.close()


def attention_by_loops(given: tuple, *, twice: bool = False, swapped: bool = False) -> torch.Tensor:
    x, query, key, value, gamma = given
    q, k, v = F.conv2d(x, *query), F.conv2d(x, *key), F.conv2d(x, *value)
    out = x.clone()
    images, _, height, width = x.shape
    for n, i, j in itertools.product(range(images), range(height), range(width)):
        column = [(a, j) for a in range(height)]
        row = [(i, b) for b in range(width)]
        energy = [q[n, :, i, j] @ k[n, :, a, b] for a, b in (*column, *row)]
        if not twice:
            energy[i] = torch.tensor(-torch.inf, dtype=x.dtype)
        weights = torch.stack(energy).softmax(0)
        places = (*row, *column) if swapped else (*column, *row)
        for weight, (a, b) in zip(weights, places, strict=True):
            out[n, :, i, j] += gamma * weight * v[n, :, a, b]
    return out


@pytest.mark.parametrize(("height", "width"), [(3, 4), (1, 3), (4, 1)])
def test_attention_is_wrong_as_a_loop_that_is_wrong(height, width, network):
    given = tensors(height, width)
    assert torch.allclose(attention_by_loops(given), criss_cross_attention(*given))
    right = attend(*given, recurrence=2, weigh=healthy)
    assert torch.allclose(right, criss_cross_attention_reference(*given, recurrence=2))
    twice = attention_of("attention_centre_twice", network, given)
    assert torch.allclose(twice, attention_by_loops(given, twice=True))
    swapped = attention_of("attention_branches_swapped", network, given)
    assert torch.allclose(swapped, attention_by_loops(given, swapped=True))


def test_attention_in_half_precision_overflows_without_the_maximum(network):
    x, *rest = tensors(3, 4)
    for scale, finite in ((0.1, True), (30.0, False)):
        given = (x * scale, *rest)
        right = attend(*given, recurrence=1, weigh=healthy)
        half = attention_of("softmax_half", network, given)
        assert torch.allclose(half, right, rtol=0.05, atol=0.05 * scale)
        short = attention_of("softmax_without_max", network, given)
        assert bool(short.isfinite().all()) == finite
    detached = [t.requires_grad_() for t in (x, *itertools.chain(*rest[:3]))]
    attention_of("attention_weights_detached", network, (x, *rest)).sum().backward()
    assert [bool(t.grad.any()) for t in detached] == [True, *[False] * 4, True, True]
    scaled = attention_of("attention_scaled", network, (x, *rest))
    root = network.decode_head.cca.query_conv.out_channels**-0.5
    query = tuple(t * root for t in rest[0])
    assert torch.allclose(scaled, criss_cross_attention(x, query, *rest[1:]))


def injected_layer(text: str, layer: nn.Module) -> nn.Module:
    """The layer within a network that is nothing but it, with a fault."""
    backbone = nn.Module()
    backbone.maxpool = layer
    model = nn.Module()
    model.backbone = backbone
    inject(Stub(model), text)
    return layer


def test_convolutions():
    torch.manual_seed(0)
    x = torch.randn(2, 40, 6, 8, requires_grad=True)
    conv = nn.Conv2d(40, 4, 3, padding=1, bias=False)
    weight, exact = conv.weight, conv(x)
    cut = rounded(weight, 7), rounded(x, 7)
    assert torch.equal(
        injected_layer("conv_inputs_rounded=7", conv)(x), F.conv2d(cut[1], cut[0], padding=1)
    )
    assert torch.equal(injected_layer("conv_outputs_rounded=7", conv)(x), rounded(exact, 7))

    out = injected_layer("conv_weight_gradient_rounded=7", conv)(x)
    assert torch.equal(out, exact)
    wrong = F.conv2d(cut[1], weight, padding=1)
    (got,), (want,) = (
        torch.autograd.grad(y.square().sum(), weight, retain_graph=True) for y in (out, exact)
    )
    (by_rounded,) = torch.autograd.grad(wrong, weight, 2 * exact.detach())
    assert not torch.equal(got, want)
    assert torch.allclose(got, by_rounded, rtol=1e-5, atol=1e-5)
    (ours,), (theirs,) = (
        torch.autograd.grad(conv(x).sum(), x),
        torch.autograd.grad(exact.sum(), x),
    )
    assert torch.equal(ours, theirs)

    total = torch.zeros_like(exact)
    for i in range(0, 40, 16):
        part = F.conv2d(x[:, i : i + 16], weight[:, i : i + 16], padding=1)
        total = rounded(total + part, 7)
    assert torch.equal(injected_layer("conv_accumulation_rounded=7", conv)(x), total)

    small = injected_layer("flush_to_zero=0.5", conv)(x)
    assert torch.equal(small, exact.where(exact.abs() >= 0.5, 0.0))
    strided = injected_layer("strided_conv_shifted", nn.Conv2d(40, 4, 3, stride=2, padding=1))
    want = F.conv2d(F.pad(x, (0, 1, 0, 1)), strided.weight, strided.bias, stride=2)
    assert torch.equal(strided(x), want)
    dilated = injected_layer("dilation_ignored", nn.Conv2d(40, 4, 3, padding=2, dilation=2))
    assert torch.equal(dilated(x), F.conv2d(x, dilated.weight, dilated.bias, padding=1))


def test_pooling_and_resampling():
    x = torch.randn(1, 2, 7, 8)
    pool = injected_layer("pooling_shifted", nn.MaxPool2d(3, stride=2, padding=1))
    want = F.max_pool2d(F.pad(x, (0, 1, 1, 1), value=-torch.inf), 3, 2)  # an odd height is even
    assert torch.equal(pool(x), want)
    calls = {"size": (56, 64), "mode": "bilinear", "align_corners": False}
    right = F.interpolate(x, **calls)
    other = F.interpolate(x, (56, 64), mode="bilinear", align_corners=True)
    results = {}
    for name in ("wraps", "align_corners", "nearest"):
        context = inject(Stub(), f"upsampling_{name}")
        results[name] = F.interpolate(x, **calls)
        rolled = F.interpolate(x.roll(1, -1), **calls)
        context.undo.close()
    assert torch.equal(results["align_corners"], other)
    assert torch.equal(results["nearest"], x.repeat_interleave(8, -1).repeat_interleave(8, -2))
    context = inject(Stub(), "upsampling_wraps")
    rolled = F.interpolate(x.roll(1, -1), **calls)
    context.undo.close()
    assert torch.allclose(rolled, results["wraps"].roll(8, -1), atol=1e-6)
    inner = (..., slice(4, -4), slice(4, -4))
    assert torch.allclose(results["wraps"][inner], right[inner], atol=1e-6)
    assert not torch.allclose(results["wraps"], right)


def test_normalisation_and_dropout():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 2, 2) * 5
    norm = injected_layer("batch_norm_biased", nn.BatchNorm2d(3, momentum=0.25))
    norm(x)
    want = 0.75 + 0.25 * x.var((0, 2, 3), correction=0)
    assert torch.allclose(norm.running_var, want)
    frozen = injected_layer("batch_norm_frozen", nn.BatchNorm2d(3))
    frozen.train()
    assert torch.allclose(frozen(x), x / (1 + frozen.eps) ** 0.5)
    eps = injected_layer("batch_norm_eps=2", nn.BatchNorm2d(3)).eval()
    assert torch.allclose(eps(x), x / 3**0.5)
    dropout = injected_layer("dropout_unscaled", nn.Dropout2d(0.5))
    kept = dropout(x)
    assert torch.equal(kept, x.where(kept != 0, 0.0))
    assert 0 < int((kept != 0).sum()) < x.numel()
    assert torch.equal(dropout.eval()(x), x)
    assert torch.equal(injected_layer("dropout_absent", nn.Dropout2d(0.5))(x), x)


def preprocessed(text: str, *, classes: int = 19) -> tuple[torch.Tensor, torch.Tensor]:
    """The image [3, 2, 4] and labels [2, 4] that leave the preprocessor for fixed ones."""
    preprocessor = SegDataPreProcessor(mean=[10.0] * 3, std=[2.0] * 3, bgr_to_rgb=True)
    model = SimpleNamespace(data_preprocessor=preprocessor, num_classes=classes)
    inject(Stub(model), text)
    from mmengine.structures import PixelData

    sample = SegDataSample()
    labels = torch.tensor([[[0, 1, 2, 255], [9, 17, 18, 3]]])
    sample.gt_sem_seg = PixelData(data=labels)
    image = torch.arange(24, dtype=torch.uint8).reshape(3, 2, 4)
    batch = preprocessor({"inputs": [image], "data_samples": [sample]}, False)
    return batch["inputs"][0], batch["data_samples"][0].gt_sem_seg.data[0]


def test_images_and_labels():
    image = torch.arange(24.0).reshape(3, 2, 4)
    normalised = (image.flip(0) - 10) / 2
    for text, want in {
        "images_bgr": (image - 10) / 2,
        "images_normalised_twice": (normalised - 10) / 2,
        "images_not_normalised": image.flip(0),
        "images_std=4": normalised / 4,
    }.items():
        assert torch.equal(preprocessed(text)[0], want), text
    for text, want in {
        "ignored_counts": [[0, 1, 2, 0], [9, 17, 18, 3]],
        "labels_next_class": [[1, 2, 3, 255], [10, 18, 0, 4]],
        "labels_displaced=1": [[255, 0, 1, 2], [3, 9, 17, 18]],
        "labels_coarse=2": [[0, 0, 2, 2], [0, 0, 2, 2]],
        "labels_wrap=8": [[0, 1, 2, 255], [1, 1, 2, 3]],
        "pixel_index_wraps=0.5": [[0, 1, 2, 255], [0, 1, 2, 255]],
    }.items():
        assert preprocessed(text)[1].tolist() == want, text


def test_a_flip_may_forget_the_labels():
    import numpy as np

    pipeline = SimpleNamespace(transforms=[RandomFlip(prob=1.0)])
    context = Stub()
    loader = torch.utils.data.DataLoader([0])
    context.runner._train_dataloader = loader
    object.__setattr__(loader, "dataset", SimpleNamespace(pipeline=pipeline))
    inject(context, "flip_without_labels")
    array = np.arange(6).reshape(2, 3)
    done = pipeline.transforms[0]({"img": array, "gt": array, "seg_fields": ["gt"]})
    assert done["img"].tolist() == array[:, ::-1].tolist()
    assert done["gt"].tolist() == array.tolist()
    context.undo.close()
    assert isinstance(pipeline.transforms[0], RandomFlip)


def stream(text: str, count: int, start: int = 0) -> list[tuple[int, int]]:
    """(index, position) of the first samples of a data set of 6 in batches of 2."""
    sampler = InfiniteSampler(range(6), seed=3)
    loader = torch.utils.data.DataLoader(range(6), batch_size=2, sampler=sampler)
    context = Stub()
    context.runner._train_dataloader = loader
    if text:
        inject(context, text)
    sampler.start = start
    assert isinstance(loader.batch_sampler, BatchSampler)
    assert len(loader) == 3
    batches = itertools.islice(loader.batch_sampler, count // 2)
    return [(int(index), index.position) for batch in batches for index in batch]


def test_the_order_of_samples():
    whole = stream("", 18)
    indices = [index for index, _ in whole]
    places = list(range(18))
    assert indices[:6] != indices[6:12] != list(range(6))
    assert stream("shuffle_repeats", 18) == list(zip(indices[:6] * 3, places, strict=True))
    assert stream("shuffle_absent", 18) == list(zip([*range(6)] * 3, places, strict=True))
    assert stream("augmentation_repeats", 18) == [(i, p % 6) for i, p in whole]
    repeated = stream("batch_repeated=3", 18)
    assert repeated == [
        *whole[:4],
        *whole[2:4],
        *whole[6:10],
        *whole[8:10],
        *whole[12:16],
        *whole[14:16],
    ]
    assert stream("batch_repeated=3", 8, start=10) == repeated[10:18]
    missing = stream("samples_missing=0.5", 18)
    assert {index for index, _ in missing} == {0, 1, 2}


def printed(text: str, values: list[float]) -> list[float]:
    """The losses that a run prints whose losses are `values`, of which 1 is the auxiliary one."""
    steps = iter(values)

    def train_step(*_, **__):
        value = torch.tensor(next(steps), requires_grad=True)
        return {"loss": value, "decode.loss_ce": value - 1, "aux.loss_ce": torch.tensor(1.0)}

    runner_model = nn.Module()
    runner_model.train_step = train_step
    inject(Stub(runner_model), text)
    return [runner_model.train_step()["loss"].item() for _ in values]


def test_what_is_printed():
    values = [4.0, 2.0, 3.125, 1.7578125]
    assert printed("log_stale", values) == [4.0, 4.0, 2.0, 3.125]
    assert printed("log_scaled=3", values) == [12.0, 6.0, 9.375, 5.2734375]
    assert printed("log_without_auxiliary", values) == [v - 1 for v in values]
    assert printed("log_smoothed=2", values) == [4.0, 3.0, 2.5625, 2.44140625]
    assert printed("log_decimals=2", values) == [4.0, 2.0, 3.12, 1.76]
    assert printed("log_rounded=3", values) == [4.0, 2.0, 3.0, 1.75]


def test_a_single_image_and_a_later_step_are_printed(trained):
    shifted = trained("log_step=3").losses
    assert shifted == {(0, step + 3): loss for (_, step), loss in trained().losses.items()}
    assert [s["step"] for s in trained("log_step=3").scalars] == list(range(4, STEPS + 4))


def test_the_single_image_is_the_first(network):
    torch.manual_seed(0)
    context = Stub(network)
    network.train_step = lambda: {"loss": losses()}
    scores, labels = torch.randn(2, 19, 4, 4), torch.randint(19, (2, 4, 4))
    parts = list(
        itertools.chain(network.decode_head.loss_decode, network.auxiliary_head.loss_decode)
    )

    def losses():
        return sum(part(scores, labels, ignore_index=255) for part in parts)

    inject(context, "log_single_image")
    want = 1.4 * F.cross_entropy(scores[:1], labels[:1])
    assert torch.allclose(network.train_step()["loss"], want)
    assert torch.allclose(network.train_step()["loss"], want)
    assert isinstance(FAULTS["log_single_image"], Fault)


def test_starts_and_losses(network):
    before = {k: v.clone() for k, v in network.state_dict().items()}
    for text in ("init_scale=0.5", "init_residual", "init_bias=2", "auxiliary_weight=0.7"):
        inject(Stub(network), text)
    inject(Stub(network), "class_weight=3")
    after = network.state_dict()
    assert torch.equal(
        after["decode_head.cca.value_conv.weight"], before["decode_head.cca.value_conv.weight"] / 2
    )
    assert bool((after["backbone.layer1.0.bn2.weight"] == 1).all())
    assert after["decode_head.conv_seg.bias"].tolist() == [2.0, *[0.0] * 18]
    assert network.auxiliary_head.loss_decode[0].loss_weight == 0.7
    assert network.decode_head.loss_decode[0].loss_weight == 1.0
    assert network.decode_head.loss_decode[0].class_weight == (3.0, *[1.0] * 18)
