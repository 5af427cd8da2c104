"""``python -m eval.collect``: see :mod:`eval.studies.collect`."""

import sys

from eval.run import guarded
from eval.studies.collect import main

if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
