"""The command line: ``key=value`` with dots for nested keys, typed by frozen dataclasses.

Nothing here imports torch: ``--help`` and mistyped keys answer at once.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from baselines import GROUPS, METHODS, suited
from eval.running.infilling import BertScoreSection
from eval.running.roles import roles
from models.base import NoSettings
from models.nets.pretraining import PretrainConfig
from tasks import COMPOSITIONS, TASKS, load_task, parts
from tasks import suited as suited_tasks
from tasks.common.errors import UserError, unknown
from tasks.common.own import in_file
from tasks.common.ranges import Checked, a_seed, maybe_empty, ranged
from tasks.common.shipped import SHIPPED
from tasks.corpora import check_name, label

#: names of devices as torch has them, of the kinds that networks here run on
DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,3})?")


#: what the rows of edited samples are called by, behind the name of the method that wrote them
REPAIRED = "-repaired"


@dataclass(frozen=True)
class RunConfig(Checked):
    """One run: which tasks, methods and corpus, how many samples. The settings of every network
    and method are sections of :func:`run_config`'s class."""

    #: tasks, separated by commas, or all; a composition is written a+b, and
    #: path/to/file.py:ClassName is one of your own
    task: str = maybe_empty("syntax_spans")
    #: methods, separated by commas, or all (those of the paper) or discrete (the families of
    #: discrete diffusion); path/to/file.py:ClassName is one of your own
    method: str = maybe_empty("all")
    #: a method that edits what others wrote, towards the control: each of the run's methods has a
    #: second row, METHOD-repaired, of its samples edited so. The keys of its own section say how
    repair: str = maybe_empty("")
    #: demo (minutes on two CPU cores), small (E2E, 5-10 M parameters) or paper (one GPU)
    preset: str = "demo"
    #: grammar (embedded) or e2e; stories (embedded), rocstories or anlg for infilling; or your own:
    #: path/to/file.jsonl (or .csv, .tsv), one text a row (text or words; fields, tags, tree and
    #: split where there are any), prose as path/to/book.txt, a folder that datasets loads, or
    #: owner/name[:config] at the hub
    corpus: str = "grammar"
    #: folder of the official corpus files; without it the public source is asked
    data: str | None = None
    #: sentences of a story that a network sees at once; 0: whole stories
    window: int = ranged(0, least=0, most=10**6)
    #: with a window: any sentences of a story in order, whether or not others lie between them. For
    #: infilling ten threes of a story of five instead of three, the contexts of aNLG (its first and
    #: last sentence) among them; stories that hold both contexts of an item of aNLG are left out
    gaps: bool = False
    #: control targets a task
    targets: int = ranged(200, least=1, most=10**6)
    #: samples a target
    samples: int = ranged(50, least=1, most=10**6)
    #: seed of targets and samples
    seed: int = a_seed()
    #: seed of every trained artefact
    train_seed: int = a_seed()
    #: where targets come from: the authors' released lists or drawn from validation texts; auto is
    #: released where the corpus has such a list
    source: Literal["auto", "released", "validation"] = "auto"
    #: a file of controls of your own, one JSON object a line, in place of targets that are drawn:
    #: as python -m eval.targets control=... writes it, or {"control": "food=Italian"} as typed
    controls: str | None = None
    #: the most words that a target may ask for, where targets are drawn from validation texts
    longest: int = ranged(62, least=1, most=10**6)
    #: unconditional samples behind the floor; 0 leaves it out
    floor: int = ranged(50, least=0, most=10**6)
    #: what makes them: auto is the one whose networks the run's methods need anyway, if there is
    #: one; or its name
    floor_by: str = "auto"
    #: result folder; by default results/run-PRESET-CORPUS
    out: str | None = None
    #: folder of trained artefacts
    store: str = ".store"
    #: read-only folders of ready artefacts, separated by commas; shipped: those that come with the
    #: program
    prebuilt: str = maybe_empty(SHIPPED)
    #: auto (a GPU where there is one), cpu, cuda, cuda:1, ...
    device: str = "auto"
    #: samples decoded at once; changes the speed and never a sample
    batch: int = ranged(64, least=1, most=10**6)
    #: CPU threads; 0 leaves torch's choice
    threads: int = ranged(0, least=0, most=1024)
    #: replace stored cells that were made with other settings
    overwrite: bool = False
    #: save and end after so many minutes, with exit code 75; the same command goes on. 0: never
    stop_after: float = ranged(0.0, least=0, most=1e6, unit="minutes")
    #: stored result sets whose comparable rows stand beside this run's in its tables, separated by
    #: commas: folders, or names of shipped sets, as demo; they are read, never made or judged again
    beside: str = field(default="", metadata={"typed": "with"})
    #: auto: a printed table has the columns that the terminal is wide enough for; all: every one
    columns: Literal["auto", "all"] = "auto"
    #: short: tables are printed without what their columns, marks and judges mean; full: with it
    legend: Literal["short", "full"] = "short"
    #: where training curves go beside the artefacts: tensorboard, or wandb (offline unless
    #: WANDB_MODE says otherwise); changes nothing of what is trained
    log: Literal["none", "tensorboard", "wandb"] = "none"
    #: folder of these logs, one for each network: tensorboard --logdir runs
    log_folder: str = "runs"
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    bertscore: BertScoreSection = field(default_factory=BertScoreSection)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """A section."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_device(self.device)
        if self.floor_by != "auto" and self.floor_by not in METHODS.floors:
            raise unknown("floor", self.floor_by, ["auto", *METHODS.floors])
        check_name(self.corpus)
        _ = self.methods
        if self.repair:
            every = {card.name for card in METHODS.cards if card.repairs}
            if self.repair not in every:
                raise unknown("repair", self.repair, sorted(every))
        if self.window in (1, 2):
            raise UserError(f"window={self.window}: 3 sentences or more, or 0 for whole stories")
        for role in roles().values():
            if role.check is not None and hasattr(self, role.section):
                role.check(self)

    def having(self, **sections: Any) -> Self:
        """The same run with other values of keys and sections."""
        return dataclasses.replace(self, **sections)

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks asked for. Raises ``UserError`` for an unknown one."""
        names = [name.strip() for name in self.task.split(",")]
        every = suited_tasks(self.corpus) if "all" in names else ()
        names = [one for name in names for one in (every if name == "all" else [name])]
        names = ["+".join(parts(name)) if "+" in name or in_file(name) else name for name in names]
        also = [*TASKS.own, *(name for name in names if "+" in name)]
        return _names("task", ",".join(names), [*TASKS, *COMPOSITIONS], also)

    @property
    def methods(self) -> list[str]:
        """Names of the methods asked for. Raises ``UserError`` for an unknown one."""
        names = [METHODS.name(name.strip()) for name in self.method.split(",")]
        tasks = [load_task(name) for name in self.tasks]
        every = {group: suited(tasks, group) for group in GROUPS if group in names}
        names = [one for name in names for one in every.get(name, [name])]
        return _names("method", ",".join(names), list(METHODS), METHODS.own, GROUPS[1:])

    @property
    def rows(self) -> list[str]:
        """What a table of the run has rows of: the methods, each before what ``repair`` makes of
        it."""
        return [
            row
            for name in self.methods
            for row in (name, *([name + REPAIRED] if self.repairs(name) else []))
        ]

    def repairs(self, method: str) -> bool:
        """Whether the run edits the samples of ``method``: not those that are edited already."""
        return bool(self.repair) and not METHODS.card(method).repairs

    @property
    def folder(self) -> Path:
        """Where the result set is stored."""
        own = f"-{Path(self.controls).stem}" if self.controls else ""
        return Path(self.out or f"results/run-{self.preset}-{label(self.corpus)}{own}")


def refuse_repair(config: RunConfig, command: str) -> None:
    """Raises ``UserError`` where a command has no samples that lie ready to be edited."""
    if config.repair:
        raise UserError(
            f"repair={config.repair}: {command} edits no stored samples; python -m eval.run does, "
            "in the same out="
        )


def check_device(name: str) -> None:
    """Raises ``UserError`` for what is no device on any machine."""
    if not DEVICE.fullmatch(name):
        raise UserError(f"unknown device '{name}' (valid: auto, cpu, cuda, cuda:N)")


def check_folder(key: str, folder: Path) -> None:
    """Raises ``UserError`` where nothing can be written into a folder that may not be there yet:
    before the work whose end that is."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not place.is_dir():
        raise UserError(f"{key}={folder}: {place} is no folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{key}={folder}: {place} may not be written into")


def _names(
    what: str, text: str, valid: Sequence[str], also: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> list[str]:  # fmt: skip
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UserError(f"{what}= names nothing: choose from {', '.join(valid)} or all")
    for name in names:
        if name not in valid and name not in also:
            raise unknown(what, name, [*valid, "all", *groups])
    return list(dict.fromkeys(names))


def run_config() -> type[RunConfig]:
    """:class:`RunConfig` with a section for each role and method that has settings, those that come
    from files among them. Raises ``UserError`` for a method that is called as another key is."""
    sections: dict[str, type] = {}
    for role in roles().values():
        if role.section and role.Config is not None:
            sections.setdefault(role.section, role.Config)
    for card in METHODS.cards:
        if card.Settings is not NoSettings:
            if card.name in sections or card.name in RunConfig.__dataclass_fields__:
                raise UserError(f"a method cannot be called '{card.name}', as a key is")
            sections[card.name] = card.Settings
    return _with_sections(tuple(sections.items()))


@functools.cache
def _with_sections(sections: tuple[tuple[str, type], ...]) -> type[RunConfig]:
    fields = [(name, cls, field(default_factory=cls)) for name, cls in sections]
    made: type[RunConfig] = dataclasses.make_dataclass(
        "RunSettings", fields, bases=(RunConfig,), frozen=True
    )
    return made
