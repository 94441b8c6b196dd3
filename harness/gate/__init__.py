"""A history of good runs -> limits for one figure of the next run, with their known rates.

`figures.py` reduces runs to a figure each, `checks.py` tests the history for drift, outliers and
its distribution, `limits.py` derives limits, and `propose.py` decides whether to propose them.
"""
