"""Runs of both sides -> their common steps, and exactly what was left out; facts side by side."""
