"""The scheduler: plans a sweep and runs its jobs on SLURM, in local processes, or right here."""

import sys
from pathlib import Path

# as in eval, which a file of the user's may hide until this is done
_looking = sys.argv[:1] == ["-m"] and not sys.flags.safe_path
if _looking and Path(sys.path[0]).resolve() != Path(__file__).resolve().parents[1]:
    del sys.path[0]
