"""Writers of a check of many ports, and of its history: tables, CI reports, and the site."""
