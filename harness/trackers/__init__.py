"""Reads runs from experiment trackers, and writes verdicts back to them."""
