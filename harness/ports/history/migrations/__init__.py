"""Migrations of the history, run by `harness.ports.history.schema.migrate`."""
