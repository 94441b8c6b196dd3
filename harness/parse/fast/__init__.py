"""Large logs: lines that differ in their numbers only, cut by compiled code."""
