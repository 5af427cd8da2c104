"""Diffusion for every family: processes, the one loop, guidance, classifiers."""
