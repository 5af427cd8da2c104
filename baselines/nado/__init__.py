"""NADO: a decomposed oracle of the language model's own samples (Meng et al. 2022)."""
