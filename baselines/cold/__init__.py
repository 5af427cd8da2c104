"""COLD (Qin et al. 2022)."""
