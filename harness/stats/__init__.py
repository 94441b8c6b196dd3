"""Statistics on aligned curves: permutation tests, intervals, power. No verdicts here."""
