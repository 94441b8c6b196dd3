"""Log formats, one file each, an example at the top."""
