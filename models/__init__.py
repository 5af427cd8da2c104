"""Generators and their parts: Diffusion-LM, causal language models, control classifiers."""
