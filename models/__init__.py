"""Generators and what they are made of: Diffusion-LM, causal language models, control classifiers."""
