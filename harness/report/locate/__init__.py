"""Reports of `harness locate`: terminal, JSON, one HTML page, and the link from a comparison."""
