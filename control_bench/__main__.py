"""``python -m control_bench``: the console script ``control-bench``."""

import sys

from control_bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
