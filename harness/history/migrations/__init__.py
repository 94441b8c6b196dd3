"""Migrations of the history, run by `harness.history.schema.migrate`."""
