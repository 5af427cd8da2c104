"""The reference pages, made from cards, settings, traits and help: nothing of them is written by
hand, so they say what the program does."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import importlib
import importlib.util
import inspect
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from baselines import METHODS
from eval.running.config import run_config
from eval.running.keys import Key, keys
from eval.running.presets import PRESETS, preset_config
from eval.running.roles import roles
from models.base import INFILLING, Card, NoSettings
from tasks import COMPOSITIONS, TASKS, asked_of, load_task
from tasks.base import Task
from tasks.common.commands import GROUPS, SCRIPT, Command, started_as
from tasks.corpora import CORPORA, traits

#: presets whose values stand in tables of keys, the first in full and others where they differ;
#: by whether the method fills in sentences only
SHOWN: Mapping[bool, Mapping[str, str | None]] = {
    False: {"demo": None, "small": "e2e", "paper": "e2e"},
    True: {"demo": "stories", "small": "rocstories", "paper": "rocstories"},
}


def pages() -> dict[str, str]:
    """Path below docs/ -> Markdown."""
    return {
        "reference/methods.md": "\n".join(methods()),
        "reference/tasks.md": "\n".join(tasks()),
        "reference/corpora.md": "\n".join(corpora()),
        "reference/presets.md": "\n".join(presets()),
        "reference/keys.md": "\n".join(all_keys()),
        "reference/commands.md": "\n".join(commands()),
    }


def methods() -> Iterator[str]:
    yield from ("# Methods", "", "A method's keys are given as `METHOD.KEY=VALUE`.", "")
    heads = ("method=", "name", "tables", "trained on the control", "paper")
    yield from _table(heads, [_method_row(card) for card in METHODS.values()])
    for card in METHODS.values():
        yield from _method(card)


def _method_row(card: Card) -> list[str]:
    tables = " and ".join(sorted(card.tables))
    trained = "yes" if card.trained else "no"
    return [f"[`{card.name}`](#{card.name})", card.label, tables, trained, card.paper]


def _method(card: Card) -> Iterator[str]:
    yield from ("", f"## {card.label} {{ #{card.name} }}", "", _said(card.method), "")
    yield f"- Paper: {card.paper}"
    yield f"- In Python and on the command line: `{card.name}`" + (
        f"; in the group `{card.group}`" if card.group else ""
    )
    needed = {task: _needs(card, task) for task in [*TASKS, *COMPOSITIONS]}
    for roles_of in dict.fromkeys(value for value in needed.values() if value):
        named = ", ".join(f"`{task}`" for task, value in needed.items() if value == roles_of)
        yield f"- Loads for {named}: {', '.join(f'`{role}`' for role in roles_of)}"
    refused: dict[str, list[str]] = {}
    for name in [*TASKS, *COMPOSITIONS]:
        if why := card.refuses(load_task(name)):
            refused.setdefault(why, []).append(f"`{name}`")
    for why, names in refused.items():
        yield f"- No cell for {', '.join(names)}: {why}"
    yield ""
    if card.Settings is NoSettings:
        yield "It has no options."
    else:
        yield from _keys_of(card.name, card.tables == {INFILLING})


def _needs(card: Card, name: str) -> tuple[str, ...]:
    """The roles for a task, without the task behind a role's colon."""
    task = load_task(name)
    if card.refuses(task):
        return ()
    needed = card.needs(task, card.Settings())
    return tuple(dict.fromkeys(role.partition(":")[0] for role in needed))


def tasks() -> Iterator[str]:
    yield from (
        "# Tasks",
        "",
        "`a+b` asks for two controls at once; the compositions below are the",
    )
    yield from ("paper's.", "")
    every = {name: load_task(name) for name in [*TASKS, *COMPOSITIONS]}
    rows = [
        [f"`{name}`", task.label, ", ".join(f"`{m}`" for m in task.headlines), _corpora(name)]
        for name, task in every.items()
    ]
    yield from _table(("task=", "name", "success is", "corpora"), rows)
    for name in TASKS:
        yield from _task(name, every[name])


def _corpora(task: str) -> str:
    return ", ".join(
        f"`{name}`" for name in CORPORA if load_task(task).refuses_corpus(name) is None
    )


def _task(name: str, task: Task) -> Iterator[str]:
    yield from ("", f"## {task.label} {{ #{name} }}", "", _said(TASKS[name]), "")
    if task.control is not None:
        control: Any = task.control
        fields = ", ".join(f"`{f.name}`" for f in dataclasses.fields(control))
        yield f"- Its control: `{task.control.__name__}`, of {fields}"
    yield f"- Judged by: {', '.join(sorted(task.needs)) or 'the words alone'}"
    yield f"- Can be composed with others: {'yes' if task.composes else 'no'}"
    able = [card.label for card in METHODS.values() if card.refuses(task) is None]
    yield f"- Methods that have a cell for it: {', '.join(able)}"
    yield ""
    rows = [
        [f"`{metric}`", meaning, "yes" if metric in task.paper_metrics else ""]
        for metric, meaning in task.metrics.items()
    ]
    yield from _table(("metric", "meaning", "the paper's"), rows)


def corpora() -> Iterator[str]:
    yield from ("# Corpora", "")
    rows = []
    for name in CORPORA:
        one = traits(name)
        source = "embedded" if one.embedded else "`data=DIR` or its public source"
        kind = "stories" if one.sentences else "single texts"
        rows.append([f"`{name}`", kind, source, one.lists or "none", ", ".join(_asked(name))])
    yield from _table(("corpus=", "texts", "from", "released targets", "tasks"), rows)
    for name in CORPORA:
        yield from ("", f"## `{name}`", "", _said(CORPORA[name]))


def _asked(corpus: str) -> list[str]:
    return [f"`{task}`" for task in asked_of(corpus)]


def presets() -> Iterator[str]:
    yield from ("# Presets", "", "A preset is a value for every key; keys given besides win.", "")
    for name, make in PRESETS.items():
        yield from (f"## `{name}`", "", _prose(inspect.getdoc(make) or ""), "")
        config = preset_config(name, None)
        plain = ("task", "corpus", "targets", "samples", "longest")
        yield ", ".join(f"`{key}={getattr(config, key)}`" for key in plain)
        yield ""
        yield from _table(
            ("network", "shape", "training"),
            [row for role in roles().values() if (row := _network(role.section, config))],
        )
        yield ""


def _network(section: str, config: Any) -> list[str]:
    """A section's width, depth and training, where it is of a network."""
    settings = getattr(config, section, None) if section else None
    train = getattr(settings, "train", None)
    if train is None:
        return []
    shape = getattr(settings, "network", settings)
    sizes = [f"{n} {getattr(shape, n)}" for n in ("layers", "width") if hasattr(shape, n)]
    training = f"{train.steps:,} steps of {train.batch}, peak rate {train.lr:g}"
    return [f"`{section}`", ", ".join(sizes), training]


def all_keys() -> Iterator[str]:
    yield from (
        "# Keys",
        "",
        "Every key of `run`, and of the commands that share its settings. The",
    )
    yield from (
        "default is that of preset `demo`; other presets' values stand where they differ.",
        "",
    )
    yield from ("## Of a run", "", *_rows(_presets("", False), ""))
    sections = dict.fromkeys(name.split(".")[0] for name in keys(run_config()) if "." in name)
    for section in (name for name in sections if name not in METHODS):
        meaning = inspect.getdoc(type(getattr(preset_config("demo", None), section))) or ""
        yield from ("", f"## `{section}`", "", _prose(meaning.split("\n\n")[0]), "")
        yield from _keys_of(section, False)
    yield from ("", "Methods' own options stand with the [methods](methods.md).")


def _keys_of(section: str, fills: bool) -> Iterator[str]:
    return _rows(_presets(section, fills), f"{section}.")


def _presets(section: str, fills: bool) -> dict[str, dict[str, Key]]:
    """Preset -> its keys of a section; the run's own where the section is empty."""
    made = {}
    for preset, corpus in SHOWN[fills].items():
        config = preset_config(preset, corpus)
        if section:
            settings = getattr(config, section)
            made[preset] = keys(type(settings), settings)
        else:
            every = keys(type(config), config)
            made[preset] = {name: key for name, key in every.items() if "." not in name}
    return made


def _rows(by_preset: Mapping[str, Mapping[str, Key]], prefix: str) -> Iterator[str]:
    (_, first), *others = by_preset.items()
    rows = []
    for name, key in first.items():
        shown = [_value(key.default)]
        for preset, of_preset in others:
            if name in of_preset and of_preset[name].default != key.default:
                shown.append(f"{preset}: {_value(of_preset[name].default)}")
        rows.append(
            [f"`{prefix}{name}`", f"{key.type}", "<br>".join(shown), key.meaning.replace("``", "`")]
        )
    yield from _table(("key", "type", "default", "meaning"), rows)


def _value(value: Any) -> str:
    if value is None or value == "":
        return "null" if value is None else "empty"
    return f"`{value}`"


def commands() -> Iterator[str]:
    yield from ("# Commands", "", f"`{SCRIPT} NAME ...` is `python -m MODULE ...`; `--help` prints")
    yield from ("what stands here, and the [keys](keys.md).", "")
    for title, group in GROUPS.items():
        yield from (f"## {title}", "")
        for command in group:
            yield from _command(command)


def _command(command: Command) -> Iterator[str]:
    yield from (f"### {SCRIPT} {command.name}", "", f"{_capital(command.line)}.", "")
    yield from (f"`python -m {command.module}`", "", "```text", help_of(command), "```", "")


def help_of(command: Command) -> str:
    """What ``--help`` prints, as the console script has it."""
    name = f"{command.module}.__main__" if _is_package(command.module) else command.module
    main = importlib.import_module(name).main
    out = io.StringIO()
    started_as(SCRIPT)
    try:
        with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            main(["--help"])
    finally:
        started_as("")
    return out.getvalue().strip("\n")


def _is_package(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.submodule_search_locations is not None


def _said(place: str) -> str:
    """The first paragraph that the module of ``module:Class`` says of itself, read as text: to
    import it may take torch."""
    spec = importlib.util.find_spec(place.partition(":")[0])
    assert spec is not None and spec.origin is not None
    with open(spec.origin, encoding="utf-8") as file:
        doc = ast.get_docstring(ast.parse(file.read())) or ""
    return _prose(doc.split("\n\n")[0])


def _prose(doc: str) -> str:
    """A docstring as Markdown: its double backticks are single ones."""
    return _capital(_plain(doc.replace("``", "`")))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(_plain(cell.replace('|', chr(92) + '|')) for cell in cells)} |"

    heads = list(heads)
    yield line(heads)
    yield line(["---"] * len(heads))
    yield from map(line, rows)


def _plain(text: str) -> str:
    """Without line ends, and with nothing that Markdown takes for a tag or emphasis but breaks."""
    joined = " ".join(text.split()).replace("<br>", "\0")
    outside = joined.split("`")
    outside[::2] = [
        part.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_") for part in outside[::2]
    ]
    return "`".join(outside).replace("\0", "<br>")
