"""What every shell needs of the operating system: files, processes, one line per error."""
