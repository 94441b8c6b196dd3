"""Runs -> Comparison: the pipeline in one place, the verdict, what a difference resembles."""
