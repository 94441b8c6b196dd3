"""Blocks of a log that state facts: printed configs, arguments, environments."""
