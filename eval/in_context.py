"""``python -m eval.in_context``: see :mod:`eval.studies.in_context`."""

import sys

from eval.run import guarded
from eval.studies.in_context import main

if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
