"""Diffusion by edits (DiffusER, Reid et al. 2022)."""
