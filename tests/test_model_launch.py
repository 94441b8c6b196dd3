"""Launchers: who a rank is, where the ranks meet, and what is said when they do not."""

import socket
import subprocess
import sys
import threading
from contextlib import closing, suppress
from unittest.mock import Mock

import pytest
import torch
from simulated import plugged
from tiny_run import environment
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from model import interfaces, launch, store
from model.command import ended
from model.errors import ConfigError
from model.launchers import LAUNCHERS, PORTS, first_node, place_of, rank_of
from model.options import parser
from model.rendezvous import Member, Place, assemble

SLURM = {
    "SLURM_PROCID": "1", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1", "SLURM_JOB_ID": "7",
    "SLURM_STEP_ID": "0", "SLURM_JOB_NODELIST": "gpu[07-09],cpu3",
    "SLURM_STEP_NODELIST": "gpu[08-09]",
}  # fmt: skip
MPI = {
    "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "0",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2", "PMIX_NAMESPACE": "77",
}  # fmt: skip


@pytest.fixture
def variables(monkeypatch):
    """Sets variables, and removes all others of launchers."""

    def put(**wanted):
        for name in ("MASTER_ADDR", "MASTER_PORT", *SLURM, *MPI, "RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in wanted.items():
            monkeypatch.setenv(name, value)

    put()
    return put


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("a", "a"), ("a,b", "a"), ("n[3]", "n3"), ("n[01-04,9],m", "n01"), ("n[7,9-12]", "n7"),
     ("rack[2-3]n[05-06]", "rack2n05"), ("gpu-a.lab,b", "gpu-a.lab")],
)  # fmt: skip
def test_the_first_machine_of_slurms_list_is_found(nodes, first):
    assert first_node(nodes) == first


def test_slurms_ranks_meet_on_the_first_machine_of_their_step(variables):
    variables(**SLURM)
    member, local_rank = rank_of("slurm")
    assert (member.number, member.count, local_rank) == (1, 4, 1)
    assert place_of("slurm").address == "gpu08"
    variables(**{**SLURM, "SLURM_STEP_NODELIST": "gpu08"})
    assert place_of("slurm").address == "127.0.0.1"
    variables(**SLURM, MASTER_ADDR="10.0.0.5", MASTER_PORT="1234")
    assert str(place_of("slurm")) == "10.0.0.5:1234"


def test_the_port_follows_from_the_job(variables):
    ports = []
    for job, step in (("7", "0"), ("7", "1"), ("8", "0"), ("7", "0")):
        variables(**{**SLURM, "SLURM_JOB_ID": job, "SLURM_STEP_ID": step})
        ports.append(place_of("slurm").port)
    assert len(set(ports)) == 3
    assert ports[0] == ports[3]
    assert set(ports) <= set(PORTS)
    variables(**MPI)
    assert place_of("mpi").port in PORTS
    variables()
    assert str(place_of("pytorch")) == "127.0.0.1:29500"


def test_ranks_of_mpirun_on_several_machines_need_an_address(variables):
    variables(**MPI)
    assert place_of("mpi").address == "127.0.0.1"
    variables(**{**MPI, "OMPI_COMM_WORLD_LOCAL_SIZE": "1"})
    with pytest.raises(ConfigError, match="no MASTER_ADDR, and 1 of 2 ranks on this machine"):
        place_of("mpi")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SLURM_LOCALID": None}, "found no SLURM_LOCALID in the environment; start .* with srun"),
        ({"SLURM_NTASKS": "two"}, "SLURM_NTASKS is 'two'; expected a whole number"),
        ({"SLURM_PROCID": "4"}, "SLURM_PROCID is 4 with SLURM_NTASKS 4; expected a number from 0"),
        ({"SLURM_STEP_ID": None}, "no SLURM_STEP_ID: this is the batch script"),
    ],
)
def test_a_variable_that_is_missing_or_wrong_is_told(changes, said, variables):
    changed = {**SLURM, **changes}
    variables(**{name: value for name, value in changed.items() if value is not None})
    with pytest.raises(ConfigError, match=said):
        rank_of("slurm")


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", ""])
def test_a_port_that_is_none_is_refused(port, variables):
    variables(MASTER_PORT=port)
    with pytest.raises(ConfigError, match="expected a port from 1 to 65535"):
        place_of("pytorch")
    with pytest.raises(SystemExit):
        parser().parse_args(["--config", "x", "--master-port", port])


@pytest.mark.parametrize("launcher", ["none", "slurm", "mpi"])
@pytest.mark.parametrize(
    "option", ["--nnodes 2", "--nproc-per-node 2", "--node-rank 1", "--master-addr a",
               "--master-port 29400"]
)  # fmt: skip
def test_an_option_of_torchrun_is_refused_under_other_launchers(launcher, option):
    args = parser().parse_args(["--config", "x", "--launcher", launcher, *option.split()])
    with pytest.raises(ConfigError, match=f"^{option} with --launcher {launcher}; expected"):
        launch.must_spawn(args)


def free_port():
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def outcomes(*members, timeout_s=20, jobs=None):
    """What `assemble` returned or raised for (number, count), each in a thread."""
    place = {"address": "127.0.0.1", "port": free_port(), "address_from": "A", "port_from": "P"}
    results = [None] * len(members)

    def run(i, number, count):
        member = Member(kind="rank", number=number, count=count, number_from="N", count_from="C")
        job = "" if jobs is None else jobs[i]
        try:
            results[i] = assemble(Place(**place, job=job), member, timeout_s=timeout_s)
        except ConfigError as error:
            results[i] = str(error)

    threads = [threading.Thread(target=run, args=(i, *who)) for i, who in enumerate(members)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_members_share_a_store_once_all_are_there(monkeypatch):
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    stores = outcomes((0, 3), (1, 3), (2, 3))
    stores[1].set("key", "value")
    assert [each.get("key") for each in stores] == [b"value"] * 3
    assert "GLOO_SOCKET_IFNAME" not in launch.os.environ


def test_those_that_are_missing_are_named():
    (first, second) = outcomes((0, 4), (2, 4), timeout_s=1)
    assert first.startswith("ranks 1, 3 did not come within 1 s (expected 4, from 0); look at its")
    assert "rank" in second
    (many,) = outcomes((0, 30), timeout_s=1)
    assert many.startswith("ranks 1, 2, 3, 4, 5, 6, 7, 8 and 21 more did not come within 1 s")


def test_members_that_contradict_each_other_all_say_so():
    said = outcomes((0, 2), (1, 3))
    assert len(set(said)) == 1
    assert "; expected the same number everywhere" in said[0]
    said = outcomes((0, 3), (1, 3), (1, 3))
    assert len(set(said)) == 1
    assert said[0].startswith("N is 1 twice, on ")
    assert said[0].endswith("expected each number from 0 to 2 once")


def test_a_rank_of_another_job_does_not_take_a_place():
    first, second = outcomes((0, 2), (1, 2), jobs=["7.0", "8.0"], timeout_s=6)
    assert first.startswith("rank 1 did not come within 6 s")
    assert "is not rank 0 of this run" in second


@pytest.mark.parametrize(
    ("number", "said"), [(0, "port .* is in use by another"), (1, "is not rank 0 of this run")]
)
def test_another_program_at_the_place_is_told(number, said, capfd, monkeypatch):
    monkeypatch.setattr(store, "TIMEOUT_S", 1)
    member = Member(kind="rank", number=number, count=2, number_from="N", count_from="C")
    with closing(socket.create_server(("", 0))) as other:
        port = other.getsockname()[1]
        threading.Thread(target=hang_up, args=[other], daemon=True).start()
        with pytest.raises(ConfigError, match=said):
            assemble(Place(address="127.0.0.1", port=port, address_from="A", port_from="P"), member)
    assert capfd.readouterr().err == ""


def hang_up(server):
    """A program that closes every connection."""
    with suppress(OSError):  # until it is closed itself
        while True:
            server.accept()[0].close()


def test_a_machine_at_its_loopback_address_is_refused_among_several(monkeypatch):
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    interfaces.check_addresses(["a 127.0.0.1 5", "a 127.0.0.1 6"])
    interfaces.check_addresses(["a 10.0.0.1 5", "b 10.0.0.2 5"])
    with pytest.raises(ConfigError, match=r"on a the address of rank 0 is 127\.0\.1\.1, which"):
        interfaces.check_addresses(["a 127.0.1.1 5", "b 10.0.0.2 5"])
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth0")
    interfaces.check_addresses(["a 127.0.1.1 5", "b 10.0.0.2 5"])


def test_gloo_is_told_the_interface_unless_the_user_did(monkeypatch):
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    monkeypatch.setattr(interfaces, "_interface", {"10.0.0.1": "eth0"}.get)
    for address, expected in (("127.0.0.1", None), ("10.9.9.9", None), ("10.0.0.1", "eth0")):
        interfaces.use_interface(address)
        assert launch.os.environ.get("GLOO_SOCKET_IFNAME") == expected
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "ib0")
    interfaces.use_interface("10.0.0.1")
    assert launch.os.environ["GLOO_SOCKET_IFNAME"] == "ib0"


def test_the_loopback_interface_is_found_by_its_address():
    assert interfaces._interface("127.0.0.1") == "lo"
    assert interfaces._interface("192.0.2.77") is None


def test_a_lost_rank_is_one_line_and_status_1(capsys):
    text = (
        "[/src/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error [10.0.0.2]:59594: "
        "Connection reset by peer. This is typically caused by a remote worker."
    )

    def work():
        raise RuntimeError(text)

    assert ended(work) == 1
    assert capsys.readouterr().err == (
        "error: no connection to another rank (Read error [10.0.0.2]:59594: Connection reset by "
        "peer); if one ended, its message says why. Go on with --resume auto\n"
    )

    def other():
        raise torch.distributed.DistBackendError("remote process exited")

    assert ended(other) == 1


def test_the_rank_that_failed_first_is_named_and_not_one_that_lost_it(monkeypatch, capsys):
    def failing(*statuses):
        ranks = {
            rank: ProcessFailure(local_rank=rank, pid=1, exitcode=status, error_file="")
            for rank, status in enumerate(statuses)
        }
        return Mock(side_effect=ChildFailedError("model.train", ranks))

    args = parser().parse_args(["--config", "x", "--launcher", "pytorch", "--nproc-per-node", "2"])
    for statuses, status, said in (
        ([1, 2], 2, "error: rank 1 ended with status 2; its message is above\n"),
        ([1, -11], 1, "error: rank 1 was ended by SIGSEGV; go on with --resume auto\n"),
        ([1, 1], 1, "error: rank 0 ended with status 1; its message is above\n"),
    ):
        monkeypatch.setattr(launch, "run_elastic", failing(*statuses))
        assert launch.spawn(args, []) == status
        assert capsys.readouterr().err == said


RANK = """
import torch
from model.devices import find_device
from model.launch import join, leave
device = find_device("sdaa")
rank, size = join("{launcher}", device, timeout_s=30, rendezvous_timeout_s=30)
total = torch.full((2,), float(rank + 1), device="sdaa")
torch.distributed.all_reduce(total)
print(rank, torch.sdaa.current_device(), total.cpu().tolist())
torch.distributed.barrier()
leave()
"""


def test_a_rank_that_sees_its_own_device_alone_takes_it():
    """Slurm's --gpus-per-task shows each task one device, whatever its local rank."""
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK.format(launcher="slurm")],
            env=environment(**plugged(devices="1"), **{
                **SLURM, "SLURM_NTASKS": "2", "SLURM_STEP_NODELIST": "gpu08",
                "SLURM_PROCID": rank, "SLURM_LOCALID": rank, "MASTER_PORT": str(port),
            }),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for port in [free_port()]
        for rank in "01"
    ]  # fmt: skip
    outputs = [rank.communicate(timeout=120) for rank in ranks]
    assert [out for out, _ in outputs] == ["0 0 [3.0, 3.0]\n", "1 0 [3.0, 3.0]\n"], outputs


def test_too_few_devices_are_told_with_the_option_of_the_launcher():
    for name, launcher in LAUNCHERS.items():
        assert launcher.per_machine in {"--nproc-per-node", "--ntasks-per-node", "--npernode"}
        done = subprocess.run(
            [sys.executable, "-c", RANK.format(launcher=name)],
            env=environment(**plugged(devices="2"), **{
                launcher.rank: "2", launcher.size: "3", launcher.local_rank: "2",
                "SLURM_STEP_ID": "0",
            }),
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert f"lower {launcher.per_machine} to 2" in done.stderr
