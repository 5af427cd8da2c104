"""``python -m eval.sweep``: see :mod:`eval.studies.sweep`."""

import sys

from eval.run import guarded
from eval.studies.sweep import main

if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
