"""``python -m eval.trajectory``: see :mod:`eval.studies.trajectory`."""

import sys

from eval.run import guarded
from eval.studies.trajectory import main

if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
