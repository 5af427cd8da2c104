"""A result set as one page that needs nothing else: ``python -m eval.report run=results/SET``."""
