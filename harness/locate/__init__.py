"""Captures of two sides -> the first stage and the first operator that differ. numpy alone."""
