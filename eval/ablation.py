"""``python -m eval.ablation``: see :mod:`eval.studies.ablation`."""

import sys

from eval.run import guarded
from eval.studies.ablation import main

if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
