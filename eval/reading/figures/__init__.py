"""The paper's figures from stored results alone: ``python -m eval.plots run=results/SET``."""
