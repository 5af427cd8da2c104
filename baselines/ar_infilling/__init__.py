"""AR-infilling."""
