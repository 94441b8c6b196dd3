"""Positions without a word, marks of containers and loggers: what is read of each, by hand."""

import pytest
from grammarlogs import points_of

from harness.errors import ParseError
from harness.parse import parse_log


def series(text, **more):
    return points_of(parse_log([text], source="x.log", **more))


FORMS = {
    "counters by Itrs": (
        "Epoch 1, Itrs 10/30000, Loss=1.75\nEpoch 1, Itrs 20/30000, Loss=1.5\n"
        "Epoch 2, Itrs 30/30000, Loss=1.25\n",
        {"loss": {10: 1.75, 20: 1.5, 30: 1.25}},
    ),
    "a counter by itr": ("itr: 5 loss: 2.5\nitr: 10 loss: 2.25\n", {"loss": {5: 2.5, 10: 2.25}}),
    "a counter by it": ("it 5, loss 2.5\nit 10, loss 2.25\n", {"loss": {5: 2.5, 10: 2.25}}),
    "two losses behind two brackets": (
        "[0/2][0/20]\tLoss_D: 1.5\tLoss_G: 4.5\n[0/2][10/20]\tLoss_D: 1.25\tLoss_G: 4.25\n"
        "[1/2][0/20]\tLoss_D: 1.0\tLoss_G: 4.0\n",
        {"Loss_D": {0: 1.5, 10: 1.25, 20: 1.0}, "Loss_G": {0: 4.5, 10: 4.25, 20: 4.0}},
    ),
    "an epoch, a colon and a counter": (
        "[0: 1/3] train loss: 2.5\n[0: 2/3] train loss: 2.25\n[0: 2/3] test loss: 3.5\n"
        "[1: 1/3] train loss: 2.125\n[1: 2/3] train loss: 2.0\n",
        {"loss": {1: 2.5, 2: 2.25, 4: 2.125, 5: 2.0}, "val.loss": {2: 3.5}},
    ),
    "the key of a tracker": (
        "step:1 - train/loss:2.5\nstep:2 - train/loss:2.25\nstep:2 - val/loss:2.75\n",
        {"train/loss": {1: 2.5, 2: 2.25}, "val.loss": {2: 2.75}},
    ),
    "the key of a tracker beside a plain loss": (
        "step:1 - loss:3.5 train/loss:2.5\nstep:2 - loss:3.25 train/loss:2.25\n",
        {"loss": {1: 3.5, 2: 3.25}, "train/loss": {1: 2.5, 2: 2.25}},
    ),
    "Composer's total": (
        "step 1 Train loss/train/total: 2.5\nstep 2 Train loss/train/total: 2.25\n",
        {"Train loss/train/total": {1: 2.5, 2: 2.25}},
    ),
    "a function and its line": (
        "2025-03-04 10:00:00.123 | INFO     | __main__:fit:57 - step 1 loss 2.5\n"
        "2025-03-04 10:00:01.123 | INFO     | net.core.trainer:257 - step 2 loss 2.25\n",
        {"loss": {1: 2.5, 2: 2.25}},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_dialect_gives_the_series_that_it_states(form):
    text, truth = FORMS[form]
    assert series(text) == truth


CONTAINERS = (
    "net-{}  | ",
    "net-{}-x7k2p  | ",
    "net_{}  | ",
    "[pod/net-{}/main] ",
    "[pod/net-worker-{}-x7k2p/main] ",
    "[net-{}:main] ",
)


def log(mark, ranks, steps=range(30)):
    return "".join(
        f"{mark.format(r)}step {s} loss {4 + r + s / 64}\n" for s in steps for r in ranks
    )


@pytest.mark.parametrize("mark", CONTAINERS)
def test_the_numbers_of_containers_are_ranks(mark):
    truth = {
        f"loss of {rank}" if rank else "loss": {s: 4 + rank + s / 64 for s in range(30)}
        for rank in (0, 1, 2)
    }
    assert series(log(mark, (0, 1, 2))) == truth
    assert series(log(mark, (2, 0, 1)), bulk_after=1) == truth


@pytest.mark.parametrize("mark", CONTAINERS)
def test_the_only_container_is_rank_0_whatever_its_number(mark):
    truth = {"loss": {s: 5 + s / 64 for s in range(30)}}
    assert series(log(mark, (1,))) == truth
    assert series(log(mark, (1,)), bulk_after=1) == truth


def test_a_rank_that_the_program_prints_outweighs_the_number_of_its_container():
    text = log("net-7  | [rank{}]: ", (1, 2), range(2))
    assert series(text) == {"loss of 1": {0: 5.0, 1: 5.015625}, "loss of 2": {0: 6.0, 1: 6.015625}}


def test_a_pod_without_a_number_is_a_prefix_alone():
    assert series("[pod/net-7d9f8b6c5/main] step 1 loss 2.5\n") == {"loss": {1: 2.5}}


PATTERN = r"step (?P<step>\d+) .* value (?P<loss>\S+)"
MASTERS = (
    "[pod/net-{}/pytorch] ",
    "[pod/net-{}-x7k2p/pytorch] ",
    "[net-{}:pytorch] ",
    "net-{}: ",
    "{}: ",
    "net-{} | ",
)


@pytest.mark.parametrize("mark", MASTERS)
@pytest.mark.parametrize("master", ["master", "chief"])
def test_the_workers_of_a_job_are_the_ranks_behind_its_master(mark, master):
    names = (f"{master}-0", "worker-0", "worker-1")
    text = "".join(
        f"{mark.format(name)}step {step} loss {4 + rank + step / 64}\n"
        for step in range(30)
        for rank, name in reversed([*enumerate(names)])
    )
    truth = {
        f"loss of {rank}" if rank else "loss": {s: 4 + rank + s / 64 for s in range(30)}
        for rank in (0, 1, 2)
    }
    assert series(text) == truth
    assert series(text, bulk_after=1) == truth


@pytest.mark.parametrize("name", ["master-0", "worker-0", "worker-3"])
def test_the_only_member_of_a_job_is_rank_0(name):
    assert series(f"[pod/net-{name}/main] step 1 loss 2.5\n") == {"loss": {1: 2.5}}


def test_records_at_one_step_are_a_counter_that_was_not_read():
    text = "".join(f"epoch 1 step 5 beat {beat} loss {beat}.5\n" for beat in range(9))
    with pytest.raises(ParseError, match=r"all 9 records are at one step .*--pattern"):
        parse_log([text], source="x.log")
    with pytest.raises(ParseError, match="all 9 records are at one step"):
        parse_log([text.replace("loss", "value")], source="x.log", pattern=PATTERN)


def test_containers_of_one_number_that_log_one_step_are_refused():
    text = "".join(
        f"[pod/{name}-0/main] step {step} loss {loss + step}\n"
        for step in range(9)
        for name, loss in (("net", 4.5), ("server", 3.25))
    )
    with pytest.raises(ParseError, match="state another loss for the step"):
        parse_log([text], source="x.log")
