"""Corpora of the user's own: a file, a folder that ``datasets`` loads, or a name at the hub."""
