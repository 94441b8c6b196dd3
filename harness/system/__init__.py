"""Access to the operating system for the shells: files, processes, one line per error."""
