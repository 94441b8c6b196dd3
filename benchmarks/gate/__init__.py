"""Measures the rates that `harness gate` promises, on data that no choice has seen."""
