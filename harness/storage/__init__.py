"""Reads logs and recorded baselines, from wherever they are."""
