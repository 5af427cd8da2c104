"""PPLM (Dathathri et al. 2020)."""
