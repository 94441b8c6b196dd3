"""Error rates of `harness locate`: planted kernel faults, faults of the model, healthy kernels."""
