"""Where training curves go beside the artefact: TensorBoard, Weights & Biases.

A log changes nothing of what is trained: it is told of each point of the curve, under the number of
steps done, once it is there. A training that goes on after a kill goes on in its log, behind the
last point that its checkpoint knows.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tasks.common.errors import UserError, unknown

#: a point of a curve: ``step``, ``seconds`` and the figures of training and validation
Point = Mapping[str, float]
NONE = "none"
#: what is no figure of a point
STEP = "step"


class Writer(Protocol):
    """A log of one training."""

    def point(self, step: int, figures: Mapping[str, float]) -> None:
        """Keeps the figures after ``step`` steps."""

    def close(self) -> None: ...


#: (folder of the log, name of the artefact, steps done) -> a writer; points of more steps than
#: those, which a killed process may have written, are not to be shown
Open = Callable[[Path, str, int], Writer]


@dataclass(frozen=True)
class Kind:
    """``module``: what must be installed, by ``package`` of PyPI."""

    module: str
    package: str
    open: Open


class _TensorBoard:
    def __init__(self, folder: Path, name: str, done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(str(folder), purge_step=done + 1)

    def point(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self.writer.add_scalar(_tag(name), value, step)
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


def _tag(name: str) -> str:
    """``train_loss`` and ``valid_loss`` as ``train/loss`` and ``valid/loss``, side by side."""
    part, _, rest = name.partition("_")
    return f"{part}/{rest}" if part in ("train", "valid") and rest else name


class _WandB:
    """Kept in the folder until ``wandb sync``, unless ``WANDB_MODE`` says otherwise."""

    def __init__(self, folder: Path, name: str, done: int) -> None:
        import wandb  # type: ignore[import-not-found, unused-ignore]

        os.environ.setdefault("WANDB_SILENT", "true")
        self.run: Any = wandb.init(
            project="control-bench",
            name=name,
            id=name,
            resume="allow",
            dir=str(folder),
            mode=os.environ.get("WANDB_MODE", "offline"),  # type: ignore[arg-type, unused-ignore]
        )
        # figures go by their own step, so that those of a resumed training find their place
        self.run.define_metric(STEP)
        self.run.define_metric("*", step_metric=STEP)

    def point(self, step: int, figures: Mapping[str, float]) -> None:
        self.run.log({STEP: step, **{_tag(name): value for name, value in figures.items()}})

    def close(self) -> None:
        self.run.finish()


KINDS: Mapping[str, Kind] = {
    "tensorboard": Kind("tensorboard", "tensorboard", _TensorBoard),
    "wandb": Kind("wandb", "wandb", _WandB),
}

#: the log of this process, and the folder that holds those of all trainings
_chosen: tuple[str, Path] = (NONE, Path())


def check(kind: str) -> None:
    """Raises ``UserError`` for a log that is none, and for one whose package is not installed."""
    if kind == NONE:
        return
    if kind not in KINDS:
        raise unknown("log", kind, [NONE, *KINDS])
    if importlib.util.find_spec(KINDS[kind].module) is None:
        package = KINDS[kind].package
        raise UserError(f"log={kind}: {package} is not installed: pip install {package}")


@contextmanager
def kept(kind: str, folder: Path) -> Iterator[None]:
    """What is trained in this block is logged under ``folder``, by the name of its artefact."""
    global _chosen
    before = _chosen
    _chosen = (kind, folder)
    try:
        yield
    finally:
        _chosen = before


class _Nothing:
    def point(self, step: int, figures: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class Log:
    """The log of one training. ``name``: of its artefact."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.writer: Writer = _Nothing()

    def start(self, curve: Sequence[Point]) -> None:
        """``curve``: the points of a training that goes on. A log that has none of them, because it
        was not asked for before, gets them now."""
        kind, root = _chosen
        if kind == NONE:
            return
        folder = root / self.name
        fresh = not folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        self.writer = KINDS[kind].open(folder, self.name, _step(curve[-1]) if curve else 0)
        for point in curve if fresh else ():
            self.point(point)

    def point(self, point: Point) -> None:
        """A point that was just added to the curve."""
        figures = {name: value for name, value in point.items() if name != STEP}
        self.writer.point(_step(point), figures)


def _step(point: Point) -> int:
    return int(point[STEP])


@contextmanager
def opened(name: str) -> Iterator[Log]:
    """The log of a training, closed at its end."""
    log = Log(name)
    try:
        yield log
    finally:
        log.writer.close()
