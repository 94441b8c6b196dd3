"""Writers of a check of many ports, and of its history: PortResult -> text. They decide nothing."""
