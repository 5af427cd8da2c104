"""``python -m eval.tune``: see :mod:`eval.studies.tune`."""

import sys

from eval.run import guarded
from eval.studies.tune import main

if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
