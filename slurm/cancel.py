"""``python -m slurm.cancel OUT``: ends every waiting and running job of a result folder's sweeps.

  python -m slurm.cancel results/SET

What is stored stays: the same sweep, run again, goes on from it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from eval.run import guarded
from eval.running.options import explains
from slurm.cluster import cancel, queue
from slurm.status import find_state


def main(given: Sequence[str]) -> None:
    if explains(given, __doc__):
        return
    state, _ = find_state(given)
    state.latest()
    queued = queue()
    ids = [one.id for one in state.submitted() if one.id in queued]
    # the last job first: it is the one that submits again what is missing
    cancel(list(reversed(ids)))
    print(f"cancelled {len(ids)} jobs")


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
