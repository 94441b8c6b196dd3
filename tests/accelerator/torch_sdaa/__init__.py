"""A plugin that adds the device type `sdaa` to torch, as a vendor's does: a device in host memory.

Nothing of it is meant for users. It is there so that tests train on a device that torch does not
build in. Its kernels compute what the CPU's compute; `torch_sdaa.simulation` makes them wrong,
slow to report errors, or absent. torch loads it by the entry point `torch.backends`.
"""

import sys

import torch
from torch import _tensor_str, distributed

from torch_sdaa import build

NAME = "sdaa"

_sdaa = build.load()
sys.modules[f"{__name__}._sdaa"] = _sdaa
_sdaa.register()

torch.utils.rename_privateuse1_backend(NAME)

from torch_sdaa import device, simulation  # noqa: E402

torch._register_device_module(NAME, device)
torch.utils.generate_methods_for_privateuse1_backend(for_storage=True)
_in_digits = _tensor_str._tensor_str
# torch prints a tensor from float64 copies on its device, which has none.
_tensor_str._tensor_str = lambda tensor, indent: _in_digits(
    tensor.cpu() if tensor.device.type == NAME else tensor, indent
)
torch.version.sdaa = "0.1.simulated"

if distributed.is_available():

    def _tccl(store, rank, size, timeout):
        return _sdaa.tccl(distributed.ProcessGroupGloo(store, rank, size, timeout))

    distributed.Backend.register_backend("tccl", _tccl, devices=[NAME])

simulation.from_environment()


def _autoload() -> None:
    """Does nothing: torch imports this module for the entry point, and the import does the work."""
