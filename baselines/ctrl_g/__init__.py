"""Exact look-ahead by a hidden Markov model and finite automata (Ctrl-G, Zhang et al. 2024)."""
