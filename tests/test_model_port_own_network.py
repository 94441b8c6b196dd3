"""The page on porting, second part: scripts of other libraries, on the simulated device."""

import importlib.util
import shutil

import pytest
from portingpage import BOOK, ROOT, Machine

EXAMPLES = ROOT / "examples"
SCRIPTS = {
    "Plain PyTorch": "same_start_loop.py",
    "mmengine": "port_mmengine.py",
    "Hugging Face": "port_trainer.py",
}
"""The sections of the page, and the example of which each shows the lines to add."""
STEPS = ("On the machine with the GPU", "On the machine with the new device")


@pytest.fixture(params=SCRIPTS)
def script(request, tmp_path):
    """A folder with a script `train.py` and what the page says to copy beside it."""
    if request.param == "Hugging Face" and importlib.util.find_spec("transformers") is None:
        pytest.skip("transformers is not installed; `tox -e book` installs it")
    shutil.copy(EXAMPLES / SCRIPTS[request.param], tmp_path / "train.py")
    for helper in EXAMPLES.glob("same_start*.py"):
        shutil.copy(helper, tmp_path)
    return tmp_path


def test_a_healthy_device_passes_and_a_wrong_kernel_is_named(script):
    machine = Machine(script)
    stopped = machine.follow(STEPS)
    assert stopped is None, f"{stopped[0]} {stopped[1].status}\n{stopped[1].printed[-6000:]}"
    shutil.rmtree(script / "bin")
    faulty = Machine(script, "aten::addmm:scale:1.001")
    _, ran = faulty.follow(STEPS[1:])
    assert ran.status == 1
    assert "fail: aten::addmm in " in ran.printed


@pytest.mark.parametrize("section", SCRIPTS)
def test_the_page_shows_lines_of_the_example_in_their_order(section):
    text = (EXAMPLES / SCRIPTS[section]).read_text(encoding="utf-8")
    (block,) = BOOK.under(section, "python")
    at = 0
    for line in block.code.splitlines():
        code = line.partition("#")[0].strip()
        assert code in text[at:], line
        at = text.index(code, at) + len(code)
