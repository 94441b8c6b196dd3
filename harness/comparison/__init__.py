"""Compares the runs of both sides: the pipeline, the verdict, the history and the diagnosis."""
