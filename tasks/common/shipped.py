"""What comes with the program: the paper's numbers, result sets, trained networks.

In a checkout that is ``results/``. A wheel holds the part of it that ``setup.py`` chooses, beside
the code, and the names of the networks that it leaves out. Nothing is ever written there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tasks.common.recipe import Recipe

#: the folder that the packages of this program lie in: a checkout, or ``site-packages``
ROOT = Path(__file__).resolve().parents[2]
#: in a list of folders: the networks that come with the program
SHIPPED = "shipped"
#: of a wheel: the names of the networks that the repository has and the wheel has not
LEFT_OUT = "left-out.txt"
_IN_WHEEL = ROOT / "control_bench" / "shipped"


def shipped() -> Path:
    """The folder of what comes with the program."""
    return _IN_WHEEL if _IN_WHEEL.is_dir() else ROOT / "results"


def ready(names: str) -> list[Path]:
    """Folders of ready artefacts, separated by commas, relative ones from where the user is;
    ``shipped`` stands for those that come with the program."""
    networks = shipped() / "prebuilt"
    return [networks if name == SHIPPED else Path(name) for name in names.split(",") if name]


def installed() -> bool:
    """Whether the program runs from a wheel."""
    return _IN_WHEEL.is_dir()


@cache
def left_out() -> frozenset[str]:
    """The keys of the networks that this installation lacks; none in a checkout."""
    path = _IN_WHEEL / LEFT_OUT
    return frozenset(path.read_text(encoding="utf-8").split() if path.is_file() else ())


def note_left_out(missing: Iterable[Recipe]) -> str:
    """One line about what is trained now though the repository has it, and how to have it; empty
    where there is no such thing."""
    titles = [recipe.title for recipe in missing if recipe.key in left_out()]
    if not titles:
        return ""
    return (
        f"note: the wheel holds the networks of preset demo; {len(titles)} of this run ({titles[0]}"
        f"{', ...' if len(titles) > 1 else ''}) are in the repository alone and are trained now: "
        "with a clone of it, prebuilt=CLONE/results/prebuilt brings them"
    )
