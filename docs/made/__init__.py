"""What of README.md and docs/ is made from results, cards and settings.

``python -m docs.made`` says which of it is stale, ``python -m docs.made --write`` makes it anew:
the picture and the tables of results. The reference is made whenever the site is built
(:mod:`docs.made.hook`) and stored nowhere.
"""
