"""The paper's tables from stored results alone: ``python -m eval.tables run=results/SET``."""
