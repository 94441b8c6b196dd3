"""The same start: what is random does not depend on device, precision, workers or ranks."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from same_run import argv, read, same
from tiny_run import environment
from torch import nn

import model.train
from benchmarks.defects.variations import VARIATIONS
from model.data import PackSegInputs
from model.errors import ConfigError
from model.faults import parse_fault
from model.same_start.draws import HostDraws, HostDropout1d, HostDropout2d, draw_on_host
from model.same_start.fingerprint import fingerprint, terms
from model.same_start.norms import FLOOR, norms
from model.same_start.weights import move_by_a_rounding

NORMS = [f"{of}_norm" for of in ("grad", "update", "weight", "buffer")]
FIGURES = (
    *("loss", "decode.loss_ce", "aux.loss_ce", "lr"),
    *NORMS,
    *(f"{name}_geometric" for name in NORMS),
)
TIMES = ("ips", "total_time")


@pytest.fixture(autouse=True)
def one_thread():
    """Goldens of one process hold for one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("same")


@pytest.fixture(scope="module")
def base(scenes, folder):
    """Six steps of the plan's nine, and four perturbed runs of the same start."""
    torch.set_num_threads(1)
    return same(folder / "base", scenes, "--steps", "6", "--perturb", "4")


def without_times(log):
    return {
        key: {name: value for name, value in figures.items() if name not in TIMES}
        for key, figures in log.steps.items()
    }


def away(log, other, name="loss"):
    """|a / b - 1| by step."""
    return np.abs(log.series(name) / other.series(name)[: len(log.series(name))] - 1)


def test_a_record_holds_the_figures_in_full_and_the_head_the_start(base):
    assert sorted(step for _, step in base.steps) == [0, 1, 2, 3, 4, 5]
    assert set(base.steps[0, 0]) == {*FIGURES, *TIMES}
    total = base.series("decode.loss_ce") + base.series("aux.loss_ce")
    assert base.series("loss") == pytest.approx(total, rel=1e-6)
    assert base.facts["planned_steps"] == "6"
    assert base.facts["same_start"] == "True"
    assert base.facts["deterministic_kernels"] == "True"
    assert (base.facts["autocast"], base.facts["matmul_precision"]) == ("none", "highest")
    assert base.start.shape == (4, 8)


def test_the_schedule_is_that_of_the_whole_plan(base):
    after = 0.1 * (1 - np.arange(6) / 199) ** 0.9
    assert base.series("lr") == pytest.approx(after, rel=1e-2)
    assert base.series("lr")[5] > 0.09


def test_workers_change_no_bit(base, scenes, folder):
    log = same(folder / "workers", scenes, "--steps", "6", more=["train_dataloader.num_workers=2"])
    assert without_times(log) == without_times(base)
    assert (log.start == base.start).all()


def test_two_ranks_are_one_with_the_whole_batch(base, scenes, folder):
    ranks = ("--launcher", "pytorch", "--nproc-per-node", "2", "--steps", "6", "--perturb", "1")
    words = argv(folder / "ranks", scenes, *ranks, more=["train_dataloader.batch_size=2"])
    done = subprocess.run(
        [sys.executable, "-m", "model.train", *words],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    for log in (read(folder / "ranks"), read(folder / "ranks/perturbed_1")):
        assert len(log.steps) == 12
        assert log.start == pytest.approx(base.start, abs=1e-5)
        assert away(log, base).max() < 1e-5
        assert away(log, base, "grad_norm").max() < 1e-4
    assert done.stdout.count("TCAPPDLL") == 12


def test_float64_starts_where_float32_does(base, scenes, folder):
    with VARIATIONS["float64"]():
        log = same(folder / "float64", scenes, "--steps", "2")
    assert log.start == pytest.approx(base.start, abs=1e-5)
    assert away(log, base)[0] < 1e-6


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_mixed_precision_starts_where_float32_does(base, scenes, folder, dtype):
    more = [f"optim_wrapper.dtype={dtype}"]
    log = same(folder / dtype, scenes, "--steps", "1", "--amp", more=more)
    assert log.start == pytest.approx(base.start, abs=1e-5)
    assert log.facts["autocast"] == dtype
    assert 0 < away(log, base)[0] < 1e-3
    assert away(log, base, "grad_norm")[0] < 0.05  # of float16, without the scale of 65,536


def test_nothing_is_drawn_from_torch(base, scenes, folder, monkeypatch):
    """As on a device whose generator draws other numbers."""
    monkeypatch.setattr(model.loop, "seed_step", lambda *_: torch.manual_seed(12345))
    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d"):
        monkeypatch.setattr(nn.functional, name, lambda *_: pytest.fail("torch's own dropout"))
    log = same(folder / "generator", scenes, "--steps", "6")
    assert without_times(log) == without_times(base)


def test_a_step_that_draws_from_torch_is_told(scenes, folder, capfd):
    def noisy(network):
        network.decode_head.conv_seg.register_forward_hook(
            lambda _, __, out: out + 0 * torch.rand(1)
        )

    same(folder / "noisy", scenes, "--steps", "2", change=noisy)
    assert capfd.readouterr().err.count("draws from torch's generator") == 1
    same(folder / "still", scenes, "--steps", "2")
    assert "generator" not in capfd.readouterr().err


def test_a_same_start_leaves_torch_as_it_was(base):
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.allow_tf32
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_perturbed_runs_have_the_start_and_drift_apart(base, folder):
    logs = [read(folder / f"base/perturbed_{k}") for k in range(1, 5)]
    roundings = [log.facts["perturbed"] for log in logs]
    assert roundings[0] == "weights and images moved by one unit in the last place, draw 1"
    assert "memory format" in roundings[1]
    assert "2 threads" in roundings[3]
    assert logs[3].facts["num_threads"] == "2"
    assert len({tuple(log.series("grad_norm")) for log in (*logs, base)}) == 5
    for log in logs:
        assert log.start == pytest.approx(base.start, abs=1e-5)
        assert away(log, base)[0] < 1e-6
        assert away(log, base).max() < 1e-3
    first, last = (max(away(log, base, "grad_norm")[i] for log in logs) for i in (0, 5))
    assert last > 3 * first > 0


def test_the_perturbed_runs_have_the_faults_of_the_run(base, scenes, folder):
    faults = [parse_fault("dropout_absent")]
    log = same(folder / "fault", scenes, "--steps", "2", "--perturb", "1", faults=faults)
    assert away(log, base)[0] > 1e-5
    assert away(read(folder / "fault/perturbed_1"), log).max() < 1e-6


# What makes another start


def scaled(network):
    with torch.no_grad():
        network.decode_head.conv_seg.weight.mul_(1.01)


def transposed(network):
    weight = network.backbone.layer1[0].conv1.weight
    with torch.no_grad():
        weight.copy_(weight.transpose(0, 1).clone())


def reinitialised(network):
    nn.init.kaiming_normal_(network.backbone.layer2[0].conv1.weight)


def biased(network):
    with torch.no_grad():
        network.decode_head.conv_seg.bias[0] = 0.01


def tracked(network):
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    norms[3].running_var.mul_(0.99)


def shifted(item):
    labels = item["data_samples"].gt_sem_seg
    labels.data = labels.data.roll(1, -1)


def renumbered(item):
    labels = item["data_samples"].gt_sem_seg
    labels.data = torch.where(labels.data == 0, 18, labels.data)


def next_class(item):
    labels = item["data_samples"].gt_sem_seg
    labels.data = torch.where(labels.data == 255, 255, labels.data + 1)


def flipped(item):
    item["inputs"] = item["inputs"].flip(-1)


def brighter(item):
    item["inputs"] = item["inputs"].int() + 1


def of_unit_range(item):
    item["inputs"] = item["inputs"] / 255


def one_pixel_cut(item):
    item["inputs"] = item["inputs"][..., :-1]
    labels = item["data_samples"].gt_sem_seg.data
    item["data_samples"].gt_sem_seg = PixelData(data=labels[..., :-1])


class OneReplaced:
    """Changes the third image alone."""

    def __init__(self):
        self.count = 0

    def __call__(self, item):
        self.count += 1
        if self.count % 1000 == 3 + 4:  # four are fetched for the first batch
            item["inputs"] = item["inputs"].flip(-2)


WAYS = {
    "seed": {"args": ["--seed", "1"]},
    "weights scaled": {"change": scaled},
    "weights transposed": {"change": transposed},
    "weights drawn again": {"change": reinitialised},
    "bias": {"change": biased},
    "running variance": {"change": tracked},
    "checkpoint": {"more": ["load_from={folder}/other.pth"]},
    "labels shifted": {"item": shifted},
    "class renumbered": {"item": renumbered},
    "next class": {"item": next_class},
    "images flipped": {"item": flipped},
    "images brighter": {"item": brighter},
    "images from 0 to 1": {"item": of_unit_range},
    "images cut by a pixel": {"item": one_pixel_cut},
    "image replaced": {"item": OneReplaced()},
    "crop": {"more": ["model.data_preprocessor.size=(32,96)"]},
    "channels": {"more": ["model.data_preprocessor.bgr_to_rgb=False"]},
    "mean": {"more": ["model.data_preprocessor.mean=[123.675,116.28,104.0]"]},
    "deviation": {"more": ["model.data_preprocessor.std=[60.0,57.12,57.375]"]},
    "ignored label": {"more": ["model.data_preprocessor.seg_pad_val=0"]},
    "order": {"more": ["train_dataloader.sampler.shuffle=False"]},
    "dropout ratio": {"more": ["model.decode_head.dropout_ratio=0.11"]},
    "no dropout": {"more": ["model.auxiliary_head.dropout_ratio=0"]},
    "batch": {"more": ["train_dataloader.batch_size=3"]},
}


@pytest.mark.parametrize("way", WAYS)
def test_another_start_has_another_fingerprint(base, scenes, folder, monkeypatch, way):
    args, change, item, more = (WAYS[way].get(k) for k in ("args", "change", "item", "more"))
    if way == "checkpoint":
        same(folder / "other", scenes, "--steps", "1", "--seed", "9", change=lambda network: (
            torch.save({"state_dict": network.state_dict()}, folder / "other.pth")
        ))  # fmt: skip
    if item is not None:
        pack = PackSegInputs.__call__

        def packed(self, results):
            found = pack(self, results)
            item(found)
            return found

        monkeypatch.setattr(PackSegInputs, "__call__", packed)
    more = [text.format(folder=folder) for text in more or ()]
    log = same(folder / "way", scenes, "--steps", "1", *(args or ()), more=more, change=change)
    assert np.abs(log.start - base.start).max() > 1e-3


# Parts


def test_a_global_batch_has_its_masks_however_it_is_shared_out():
    whole = HostDraws(seed=3, rank=0, world_size=1)
    halves = [HostDraws(seed=3, rank=rank, world_size=2) for rank in (0, 1)]
    for step in (0, 1, 7):
        for draws in (whole, *halves):
            draws.begin(step)
        rows = whole.batch("head.dropout", 4, 5)
        parts = [draws.batch("head.dropout", 2, 5) for draws in halves]
        assert (rows == np.stack([parts[0][0], parts[1][0], parts[0][1], parts[1][1]])).all()
        assert (rows != whole.batch("head.dropout", 4, 5)).any()  # another call of the module
        assert (rows != whole.batch("other", 4, 5)).any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d])
def test_dropout_on_the_host_is_torchs_dropout(kind, dtype):
    extra = {nn.Dropout1d: (50,), nn.Dropout2d: (4, 5), nn.Dropout3d: (2, 4, 5)}.get(kind, (9,))
    network = nn.Sequential(kind(0.25))
    draw_on_host(network, HostDraws(seed=0, rank=0, world_size=1))
    x = torch.ones(8, 300, *extra, dtype=dtype, requires_grad=True)
    out = network(x)
    assert isinstance(network[0], kind)
    assert set(out.unique().tolist()) == {0.0, torch.tensor(4 / 3, dtype=dtype).item()}
    kept = (out != 0).double().mean()
    assert kept == pytest.approx(0.75, abs=0.03)
    if kind is not nn.Dropout:
        assert (out.flatten(2) == out.flatten(2)[..., :1]).all()
    out.sum().backward()
    assert torch.equal(x.grad != 0, out != 0)
    network[0].p = 0.0
    assert torch.equal(network(x), x)
    network[0].p = 1.0
    assert not network(x).any()
    network.eval()
    assert network(x) is x


def test_a_sample_without_a_batch_drops_channels_too():
    network = nn.Sequential(nn.Dropout1d(0.5))
    draw_on_host(network, HostDraws(seed=0, rank=0, world_size=1))
    assert isinstance(network[0], HostDropout1d)
    out = network(torch.ones(200, 7))
    assert (out == out[:, :1]).all()
    assert 50 < int((out[:, 0] == 0).sum()) < 150


def test_a_module_that_draws_on_the_device_is_refused():
    for module in (nn.RReLU(), nn.AlphaDropout(), type("Own", (nn.Dropout2d,), {})()):
        with pytest.raises(ConfigError, match=r"1 is a \w+, which draws from the device's"):
            draw_on_host(nn.Sequential(nn.ReLU(), module), HostDraws(seed=0, rank=0, world_size=1))


def test_a_fault_of_dropout_acts_on_the_host_too():
    network = nn.Sequential(nn.Dropout2d(0.5))
    draw_on_host(network, HostDraws(seed=0, rank=0, world_size=1))
    assert isinstance(network[0], HostDropout2d)
    network[0].register_forward_hook(lambda module, _, out: out * (1 - module.p))
    assert set(network(torch.ones(4, 9, 2, 2)).unique().tolist()) == {0.0, 1.0}


def test_a_fingerprint_is_its_definition():
    from zlib import crc32

    x = np.array([[1.5, -2.0, 0.25], [3.0, 0.0, 7.0]])
    norm_, sums = np.sqrt((x**2).sum()), []
    for j in range(8):
        drawn = np.random.Generator(np.random.PCG64([crc32(b"a"), j])).bytes(1)
        signs = [1 if drawn[0] >> (7 - i) & 1 else -1 for i in range(7)]
        products = [s * value for s, value in zip(signs, x.ravel(), strict=False)]
        sums.append(sum(products) / norm_ + signs[6] * np.sin((10 + j) * np.log(norm_)))
    assert terms("a", x) == pytest.approx(sums, rel=1e-12)
    zeros = terms("z", np.zeros(3))
    assert not zeros.any()
    shown = [float(word) for word in fingerprint([terms("a", x), zeros]).split()]
    assert shown == pytest.approx(np.array(sums) / np.sqrt(2), rel=1e-6)


def test_norms_add_up_in_float64():
    tensors = [torch.full((1000,), 3.0), torch.full((10, 10), -4.0, dtype=torch.float64)]
    assert norms(tensors[:1] * 50).whole == pytest.approx(np.sqrt(50 * 1000 * 9), rel=1e-7)
    assert norms(tensors[1:]).whole == 40.0
    assert norms([]).whole == norms([]).geometric == 0.0


def test_the_geometric_norm_sees_every_tensor_alike_and_is_that_of_a_loop():
    sizes, each = (1000, 4, 1), (3.0, 0.5, 0.0)
    tensors = [torch.full((n,), value) for n, value in zip(sizes, each, strict=True)]
    squares = [n * value**2 for n, value in zip(sizes, each, strict=True)]
    whole = sum(squares)
    product = 1.0
    for square, n in zip(squares, sizes, strict=True):
        product *= np.sqrt(square + FLOOR**2 * whole * n / sum(sizes))
    found = norms(tensors)
    assert found.geometric == pytest.approx(product ** (1 / 3), rel=1e-6)
    changed = norms([tensors[0], 1.01 * tensors[1], tensors[2]])
    assert changed.geometric / found.geometric == pytest.approx(1.01 ** (1 / 3), rel=1e-5)
    assert changed.whole / found.whole == pytest.approx(1.0, abs=1e-5)


def test_a_moved_weight_is_a_neighbour_of_its_value():
    network = nn.Linear(200, 50)
    before = network.weight.detach().clone()
    network.bias.detach().zero_()
    move_by_a_rounding(network, seed=0, draw=1)
    up, down = (torch.nextafter(before, torch.tensor(x)) for x in (np.inf, -np.inf))
    shares = [float((network.weight == one).float().mean()) for one in (down, before, up)]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.03)
    assert not network.bias.any()


# What a user is told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps", "3"], "--steps 3 without --same-start; expected both"),
        (["--perturb", "3"], "--perturb 3 without --same-start; expected both"),
        (["--same-start", "--resume"], "a same start begins at step 0"),
        (["--same-start", "--steps", "201"], "the config plans 200 steps; expected at most as"),
        (["--same-start", "--steps", "0"], "expected a whole number from 1 on"),
    ],
)
def test_options_that_do_not_fit_are_one_line(words, message, capfd):
    try:
        status = model.train.main(["--config", "ccnet_r18-d8_demo", "--device", "cpu", *words])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert message in capfd.readouterr().err


def test_a_folder_with_a_log_is_refused(base, scenes, folder, capfd):
    words = argv(folder / "base", scenes)
    before = (folder / "base/port.log").read_bytes()
    assert model.train.main(words) == 2
    assert "port.log is there already; expected a folder without" in capfd.readouterr().err
    assert (folder / "base/port.log").read_bytes() == before
