"""Commands that measure the project, run from the clone as `python -m benchmarks.NAME`."""
