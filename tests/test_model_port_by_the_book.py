"""The page on porting, followed to the letter: a healthy simulated device, and four faults."""

import shutil

import pytest
from portingpage import BOOK, Machine, fits

STEPS = ("Prepare", "1.", "2.", "3.", "4.", "5.", "6.", "7.")
BASELINE = "3."
"""The step on the machine with the GPU."""
SECTIONS = ("Step 1", "Step 2", "Step 4", "Step 5")
BACKWARD = "aten::convolution_backward_overrideable"


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """A folder in which all steps ended well."""
    machine = Machine(tmp_path_factory.mktemp("healthy"))
    stopped = machine.follow(STEPS)
    assert stopped is None, f"{stopped[0]} {stopped[1].status}\n{stopped[1].printed[-6000:]}"
    return machine.folder


def test_a_healthy_device_gets_a_pass_that_others_can_repeat(healthy):
    for port in ("sdaa-start", "sdaa"):
        assert (healthy / "received" / "reports" / port / "report.html").is_file()
    for report in ("doctor.json", "replay/locate.json", "start/locate.json", "index.html"):
        assert (healthy / "received" / "reports" / report).is_file()


@pytest.mark.parametrize(
    ("fault", "stops_at", "says", "sections"),
    [
        (f"{BACKWARD}:scale:1.01", "1.", "problem  convolution ", ("Step 1", "Step 2")),
        ("aten::_softmax:scale:1.000005", "2.", "aten::_softmax in decode_head.cca", ("Step 2",)),
        (f"{BACKWARD}:scale:1.5:after=250", "4.", "look at the backward pass", ("Step 4",)),
        (f"{BACKWARD}:scale:20:after=900", "5.", "fail ", ("Step 5",)),
    ],
    ids=["a wrong kernel", "a slightly wrong kernel", "wrong after 8 steps", "wrong after 32"],
)
def test_a_fault_stops_at_a_step_whose_section_says_what_to_do(
    fault, stops_at, says, sections, healthy, tmp_path
):
    shutil.copytree(healthy / "data", tmp_path / "data")
    shutil.copy(healthy / "gpu.tar", tmp_path)
    (tmp_path / "reports").mkdir()
    machine = Machine(tmp_path, fault)
    step, ran = machine.follow([step for step in STEPS[1:] if step != BASELINE])
    assert (step, ran.status) == (stops_at, 1), ran
    assert says in ran.printed
    for section in sections:
        for block in BOOK.under(section):
            machine.run(block, on=True)


def test_these_tests_run_every_command_of_the_first_part():
    commands = [block for block in BOOK.blocks if block.kind == "sh"]
    followed = [block for start in (*STEPS, *SECTIONS) for block in BOOK.under(start)]
    assert commands[: len(followed)] == followed
    assert {b.heading.startswith("On the machine") for b in commands[len(followed) :]} == {True}


def test_output_that_differs_from_the_page_is_noticed():
    assert fits("pass: 7 of ...\nend\n", "│ pass: 12 of 13  │\nmore\nend\n")
    assert not fits("pass: 7 of ...\nend\n", "fail: 12 of 13\nmore\nend\n")
    assert not fits("pass: 7\n", "before\npass: 7\n")
