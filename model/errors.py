"""Errors of a user's making, told in one line.

ModelError             base: a command prints it and ends with status 2, without a traceback
├── ConfigError        a config path, name or option that does not exist
├── DataError          a data set that is missing, incomplete or damaged
├── DeviceError        a device that is not on this machine
│   └── UnknownDevice  a device that neither the table nor a plugin knows
├── CheckpointError    a checkpoint that is missing, damaged or not one of ours
└── WriteError         a log or checkpoint that cannot be written

A message says what was found, what was expected and what to do.
"""


class ModelError(Exception):
    """Base of the errors that a user can put right."""


class ConfigError(ModelError):
    """A config path, name or option that does not exist."""


class DataError(ModelError):
    """A data set that is missing, incomplete or damaged."""


class DeviceError(ModelError):
    """A device that is not on this machine."""


class UnknownDevice(DeviceError):  # noqa: N818 - it is bad usage
    """A device that neither the table nor a plugin knows."""


class CheckpointError(ModelError):
    """A checkpoint that is missing, damaged or not one of ours."""


class WriteError(ModelError):
    """A log or checkpoint that cannot be written, as on a full disk."""
