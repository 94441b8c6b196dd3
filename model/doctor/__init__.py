"""The check of an environment before training: `python -m model.doctor [--device KIND]`."""
