"""Writers of reports: they lay out results and decide nothing."""
