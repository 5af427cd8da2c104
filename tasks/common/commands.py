"""The commands, in one list: the index, ``control-bench NAME``, completion and hints follow it.

A new command is one line here and a module with a ``main`` that ``python -m MODULE`` runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.common.errors import unknown

#: the console script
SCRIPT = "control-bench"
HELP = ("--help", "-h")


@dataclass(frozen=True)
class Command:
    """``control-bench NAME``, which is ``python -m MODULE``. ``line``: what it does, as the index
    says it. ``keys``: the config dataclasses of its ``key=value`` arguments, ``module:Class``, or
    ``module:function`` that gives one; ``more``: keys besides; ``first``: words that come first."""

    name: str
    module: str
    line: str
    keys: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    first: tuple[str, ...] = ()


RUN = ("eval.running.config:run_config",)
SWEEP = ("slurm.config:SweepConfig", *RUN)

GROUPS: Mapping[str, Sequence[Command]] = {
    "Run and judge": (
        Command("run", "eval.run", "train what is missing, generate, judge, compare", RUN),
        Command("targets", "eval.targets", "the controls of a task, for other programs", RUN,
                ("file",)),
        Command("score", "eval.score", "judge texts that another program made", RUN,
                ("samples", "name", "strip")),
        Command("generate", "eval.generate", "texts for a control of your own", RUN,
                ("control", "file")),
        Command("tune", "eval.tune", "pick a method's options on held-out targets",
                ("eval.studies.tune:TuneOptions", *RUN)),
    ),
    "Read what is stored": (
        Command("tables", "eval.tables", "the paper's tables", ("eval.tables:TablesOptions",)),
        Command("plots", "eval.plots", "the figures", ("eval.plots:PlotsOptions",)),
        Command("report", "eval.report", "one HTML page of a result set",
                ("eval.report:ReportOptions",)),
        Command("compare", "eval.compare", "two result sets by paired tests",
                ("eval.compare:CompareOptions",)),
    ),
    "Study": (
        Command("vary", "eval.sweep", "one option, many values",
                ("eval.studies.sweep:SweepOptions",)),
        Command("ablation", "eval.ablation", "variants of Diffusion-LM (Figure 4)",
                ("eval.studies.ablation:AblationOptions",)),
        Command("two-by-two", "eval.two_by_two", "prompting against guidance, and both at once",
                ("eval.studies.two_by_two:TwoByTwoOptions",)),
        Command("likelihood", "eval.likelihood", "bounds on the likelihood of texts (Table 7)",
                ("eval.studies.likelihood:LikelihoodOptions",)),
        Command("trajectory", "eval.trajectory", "one text from noise to words (Figure 1)",
                ("eval.studies.trajectory:TrajectoryOptions",)),
        Command("collect", "eval.collect", "training curves and embeddings, for the figures",
                ("eval.studies.collect:CollectOptions",)),
        Command("in-context", "eval.in_context", "how infilled middles read in their stories",
                ("eval.studies.in_context:InContextOptions",)),
        Command("human", "eval.human", "ratings by people: export and import",
                ("eval.studies.human:ExportOptions", "eval.studies.human:ImportOptions"),
                first=("export", "import")),
        Command("measure", "tasks.oracles.measure", "how good parser and tagger are",
                more=("data", "parser")),
        Command("bench", "eval.bench", "the speed of training and decoding", RUN, ("estimate",)),
    ),
    "On a cluster": (
        Command("sweep", "slurm.sweep", "a run as jobs, of SLURM or on this machine", SWEEP),
        Command("status", "slurm.status", "the state of every job"),
        Command("logs", "slurm.logs", "what a job printed"),
        Command("cancel", "slurm.cancel", "end the jobs"),
        Command("bench-sweep", "slurm.bench", "what scheduling costs", SWEEP),
        Command("pack", "slurm.pack", "a run as a folder for a machine without a network",
                ("slurm.packing.config:PackConfig", *RUN)),
        Command("unpack", "slurm.unpack", "what came back of a pack, judged",
                ("slurm.packing.config:UnpackConfig", *RUN)),
        Command("worker", "slurm.worker", "one job of a sweep, as its scheduler starts it"),
    ),
    "Keep and share": (
        Command("copied", "eval.copied", "count a set's copies of training texts",
                ("eval.copied:CopiedOptions",)),
        Command("verify", "eval.verify", "trained networks against their digests",
                ("eval.verify:VerifyConfig",)),
        Command("hub", "eval.hub", "networks to and from a model hub", RUN,
                ("artefact", "repo", "revision", "private", "message", "license", "into"),
                first=("push", "pull")),
        Command("export", "eval.export", "texts or vocabulary, to train elsewhere", RUN,
                ("what", "file", "oracles")),
        Command("export-lm-eval", "eval.export_lm_eval", "a set in lm-evaluation-harness's files",
                ("eval.export_lm_eval:ExportOptions",)),
        Command("publish", "eval.publish", "copy the networks of a run to where others find them",
                RUN),
    ),
}  # fmt: skip
COMMANDS = {command.name: command for group in GROUPS.values() for command in group}
_NAMES = {command.module: command.name for command in COMMANDS.values()}
_PYTHON = re.compile(r"python -m ([a-z_]+(?:\.[a-z_]+)*)")
#: what stands for ``python -m`` in what this process says; empty while it was started so
_started = ""


def started_as(script: str) -> None:
    """From now on :func:`typed` names commands as ``script`` has them."""
    global _started
    _started = script


def typed(text: str) -> str:
    """``text`` with its commands, written ``python -m MODULE``, in the form that the user typed.
    What is stored keeps the written form, which works everywhere.

    >>> typed("see python -m eval.run --help")
    'see python -m eval.run --help'
    """

    def one(match: re.Match[str]) -> str:
        name = "" if match[1] == "eval" else _NAMES.get(match[1])
        return match[0] if name is None else f"{_started} {name}".rstrip()

    return _PYTHON.sub(one, text) if _started else text


def find(name: str) -> Command:
    """Raises ``UserError`` for a name that no command has, naming the nearest one."""
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    return COMMANDS[name]


def index() -> str:
    """Every command in a line, by groups, each in the form that the user types."""
    form, names = _started, list(COMMANDS if _started else _NAMES)
    width = max(map(len, names))
    lines = [f"usage: {form or 'python -m MODULE'} {'COMMAND ' if form else ''}key=value ..."]
    if not form:
        lines[0] += "    (python -m eval lists the modules)"
    for title, group in GROUPS.items():
        shown = [(one.name if form else one.module, one.line) for one in group]
        lines += ["", f"{title}:", *(f"  {name:{width}}  {line}" for name, line in shown)]
    if not form:
        return "\n".join([*lines, "", f"With --help a module says its keys. {SCRIPT} is shorter."])
    last = {
        "COMMAND --help": "its keys",
        "run --list": "tasks, methods, corpora and presets",
        "completion SHELL": "completes commands, keys, values",
        "--version": "the version",
    }
    lines += ["", *(f"{form} {name:{width + 5}}  {line}" for name, line in last.items())]
    return "\n".join(lines)
