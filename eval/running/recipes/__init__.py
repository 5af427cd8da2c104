"""What every artefact is made from: corpus -> vocabulary, oracles -> networks.

Keys follow from the corpus's digest, the settings and seeds, the builders' versions and the keys
of dependencies; neither the device nor the time between checkpoints changes them.
"""

from eval.running.recipes.base import VALID, Folders, pick_device, settings, vocabulary_of
from eval.running.recipes.networks import Plan
from eval.running.recipes.oracles import load_parser

__all__ = ["VALID", "Folders", "Plan", "load_parser", "pick_device", "settings", "vocabulary_of"]
