"""What is measured beside the tables."""
