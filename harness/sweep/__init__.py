"""Trains the runs of a sweep, continues one that was interrupted, and judges its ensembles."""
