"""Writers of one comparison: Comparison -> text. They decide nothing."""
