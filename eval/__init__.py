"""Command line, presets, artefact store, judging, statistics and tables."""

import sys
from pathlib import Path

# while python -m looks for a module of this package: a models.py in the folder where someone works
# is none of this program's packages
_looking = sys.argv[:1] == ["-m"] and not sys.flags.safe_path
if _looking and Path(sys.path[0]).resolve() != Path(__file__).resolve().parents[1]:
    del sys.path[0]
