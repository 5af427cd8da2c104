"""``python -m eval.likelihood``: see :mod:`eval.studies.likelihood`."""

import sys

from eval.run import guarded
from eval.studies.likelihood import main

if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
