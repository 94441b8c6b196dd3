"""Results of ports over time in SQLite or PostgreSQL; the schema migrates itself on opening."""
