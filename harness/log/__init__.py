"""What one log says: its series and its facts, as values that never change."""
