"""DELOREAN (Qin et al. 2020)."""
