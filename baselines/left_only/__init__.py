"""Left-only."""
