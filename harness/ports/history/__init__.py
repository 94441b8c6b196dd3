"""Results of ports over time, kept in SQLite or PostgreSQL."""
