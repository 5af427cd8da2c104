"""``python -m eval``: the index of all commands."""

import sys
from collections.abc import Sequence

from eval.run import guarded
from tasks.common.commands import HELP, find, index
from tasks.common.errors import UserError


def main(given: Sequence[str]) -> None:
    rest = [one for one in given if one not in HELP]
    if rest:
        raise UserError(f"python -m eval lists the commands: type python -m {find(rest[0]).module}")
    print(index())


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
