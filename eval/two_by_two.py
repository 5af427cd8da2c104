"""``python -m eval.two_by_two``: see :mod:`eval.studies.two_by_two`."""

import sys

from eval.run import guarded
from eval.studies.two_by_two import main

if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
