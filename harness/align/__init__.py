"""Aligns the runs of both sides on their common steps, and compares their facts."""
