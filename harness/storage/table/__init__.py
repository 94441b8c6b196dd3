"""Collects the runs of many logs in a table of Parquet files, and reads them from it."""
