"""Stored results as tables, figures and a page."""
