"""Runs on a machine that has neither this program nor a network: a pack goes there, is trained and
sampled, and what comes back is judged here.

``start`` opens a pack with nothing but Python, ``making`` makes one, ``machine`` is what it does
there, ``parcel`` is what comes back and ``home`` takes that into a result set.
"""
