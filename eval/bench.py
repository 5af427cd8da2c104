"""``python -m eval.bench``: see :mod:`eval.studies.bench`."""

import sys

from eval.run import guarded
from eval.studies.bench import main

if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
