"""Langevin sampling of an autoregressive model (experimental)."""
