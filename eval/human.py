"""``python -m eval.human``: see :mod:`eval.studies.human`."""

import sys

from eval.run import guarded
from eval.studies.human import main

if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
