"""Diffusion-LM (Li et al. 2022)."""
