"""The module `torch.sdaa`: what programs ask a device for, with the names of `torch.cuda`."""

import torch

from torch_sdaa import _sdaa

_NAME = "Simulated SDAA"


def _index(device=None) -> int:
    """Returns the number of a device given as a number, text or `torch.device`."""
    if isinstance(device, str):
        device = torch.device(device)
    if isinstance(device, torch.device):
        device = device.index
    return _sdaa.current_device() if device is None else int(device)


class device:  # noqa: N801 - torch's name
    """A context in which another device is the current one."""

    def __init__(self, device) -> None:
        self.idx = _index(device)

    def __enter__(self) -> None:
        self.previous = _sdaa.current_device()
        _sdaa.set_device(self.idx)

    def __exit__(self, *_) -> None:
        _sdaa.set_device(self.previous)


def is_available() -> bool:
    return _sdaa.device_count() > 0


def is_initialized() -> bool:
    return True


def _lazy_init() -> None:
    """torch 2.7 waits for no device of a plugin without this function."""


init = _lazy_init


def _is_in_bad_fork() -> bool:
    return False


def device_count() -> int:
    return _sdaa.device_count()


def current_device() -> int:
    return _sdaa.current_device()


def set_device(device) -> None:
    _sdaa.set_device(_index(device))


def synchronize(device=None) -> None:
    _sdaa.synchronize(_index(device))


def get_device_name(device=None) -> str:
    return _NAME


def get_amp_supported_dtype() -> list[torch.dtype]:
    return [torch.float16, torch.bfloat16]


def is_bf16_supported() -> bool:
    return True


# --- streams: everything runs in order


def Stream(device=None, priority=0):  # noqa: N802 - torch's name
    return torch.Stream(torch.device("sdaa", _index(device)))


def Event(enable_timing=False):  # noqa: N802 - torch's name
    return torch.Event("sdaa")


def current_stream(device=None):
    return Stream(device)


def default_stream(device=None):
    return Stream(device)


# --- random state


def manual_seed(seed: int) -> None:
    _sdaa.default_generator(_sdaa.current_device()).manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    for index in range(_sdaa.device_count()):
        _sdaa.default_generator(index).manual_seed(seed)


def initial_seed() -> int:
    return _sdaa.default_generator(_sdaa.current_device()).initial_seed()


def get_rng_state(device=None) -> torch.Tensor:
    return _sdaa.default_generator(_index(device)).get_state()


def set_rng_state(new_state: torch.Tensor, device=None) -> None:
    _sdaa.default_generator(_index(device)).set_state(new_state)


def get_rng_state_all() -> list[torch.Tensor]:
    return [get_rng_state(index) for index in range(_sdaa.device_count())]


def set_rng_state_all(new_states) -> None:
    for index, state in enumerate(new_states):
        set_rng_state(state, index)


# --- memory, in bytes; nothing is cached


def memory_allocated(device=None) -> int:
    return _sdaa.allocated(_index(device))


def max_memory_allocated(device=None) -> int:
    return _sdaa.peak(_index(device))


memory_reserved = memory_allocated
max_memory_reserved = max_memory_allocated


def reset_peak_memory_stats(device=None) -> None:
    _sdaa.reset_peak(_index(device))


def mem_get_info(device=None) -> tuple[int, int]:
    """Returns the free and the total memory."""
    total = _sdaa.limit(_index(device))
    return total - memory_allocated(device), total


def empty_cache() -> None:
    pass
