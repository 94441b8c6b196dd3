"""What does each rule catch? Runs with injected faults, and every rule asked about each.

    python -m benchmarks.defects run           train the corpus (resumable), figures into `corpus/`
    python -m benchmarks.defects repeat NAME   train a run again: the same bits?
    python -m benchmarks.defects table         every rule on the stored figures, in a minute
    python -m benchmarks.defects picture       its summary, for README
    python -m benchmarks.defects signatures    what `harness explain` knows

A *setting* is a baseline, a benign variation that must be accepted, or a fault with its severity.
Each is trained with several seeds, on the config and the scenes of `settings.py`.
"""
