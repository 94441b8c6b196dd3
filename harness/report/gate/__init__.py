"""A proposed gate as text, as JSON, and as lines for ports.toml."""
