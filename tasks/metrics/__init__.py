"""Metrics of sentence infilling, each by a library where one is kept."""
