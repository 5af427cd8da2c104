"""Diffusion on the simplex of words (SSD-LM, TESS): block by block, guided by classifiers of clean
text."""
