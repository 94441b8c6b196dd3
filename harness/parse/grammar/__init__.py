"""A grammar for the lines of any training log: prefixes, phase, position and named figures."""
