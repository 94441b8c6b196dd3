"""The command line: `harness ...`."""
