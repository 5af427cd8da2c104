"""``--help`` of the commands with a run's keys: the ordinary ones, and the rest by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from baselines import METHODS
from eval.running.command import USAGE, parse
from eval.running.config import RunConfig
from eval.running.keys import key_entry, key_list, keys, said_of
from eval.running.roles import SHARED, roles
from models.base import Card
from models.diffusion.latents.card import classifier_section
from models.nets.recipes import LM
from tasks import TASKS, load_task
from tasks.base import Task
from tasks.common.commands import HELP, typed
from tasks.common.errors import UserError
from tasks.common.own import in_file
from tasks.corpora import CORPORA

ALL = "all"


def asked(arguments: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """The names behind ``--help`` and the other arguments; None where help is not asked for."""
    flags = [at for at, argument in enumerate(arguments) if argument in HELP]
    if not flags:
        return None
    names = [one for one in arguments[flags[0] :] if one not in HELP and "=" not in one]
    before = list(arguments[: flags[0]])
    return names, before + [one for one in arguments[flags[0] :] if "=" in one]


def asks_help(arguments: Sequence[str], usage: str = USAGE, *, keys_too: bool = True) -> bool:
    """Whether ``--help`` or ``-h`` is among the arguments of a command with ``eval.run``'s keys;
    then ``usage`` and the keys have been printed, with the values of the other arguments, or what
    the names behind ``--help`` stand for. ``keys_too``: without names, the keys below the usage.
    Raises ``UserError`` for a name that nothing has."""
    help_of = asked(arguments)
    if help_of is None:
        return False
    names, rest = help_of
    if names and names != [ALL]:
        print(typed(sections(names, rest)))
    elif names:
        print(typed(usage) + key_list(parse(rest)))
    else:
        print(typed(usage) + (typed(brief(parse(rest))) if keys_too else ""))
    return True


def brief(config: RunConfig) -> str:
    """The keys in no section and those of methods from files, then a line for each section."""
    own = [METHODS.card(name) for name in config.methods if name in METHODS.own]
    full = {"", *(card.name for card in own)}
    full |= {role.section for card in own for role in card.brings}
    lines = [key_list(config, full), ""]
    groups = grouped(config)
    width = max(len(name) for names in groups.values() for name in names)
    for title, names in groups.items():
        lines.append(f"{title}, each with --help NAME:")
        for name in names:
            if not _classifies(name, names):
                beside = [one for one in names if _classifies(one, [name])]
                words = "".join(f", and {one}: {_count(config, one)}" for one in beside)
                lines.append(f"  {name:{width}}  {_line(config, name)}{words}")
        lines.append("")
    return "\n".join([*lines, f"Every key: --help {ALL}. A task's metrics, methods: --help TASK."])


def grouped(config: RunConfig) -> dict[str, list[str]]:
    """The sections of a run by what they are of, methods without settings among them."""
    every = dict.fromkeys(name.partition(".")[0] for name in keys(type(config)) if "." in name)
    methods = [card.name for card in METHODS.cards]
    others = [name for name in every if name not in methods]
    loaded = {role.section for role in roles().values()} - {role.section for role in SHARED}
    networks = loaded | {LM.section}
    return {
        "Methods": methods,
        "Networks": [name for name in others if name in networks],
        "Words and judges": [name for name in others if name not in networks],
    }


def _classifies(name: str, networks: Sequence[str]) -> bool:
    """Whether a section is that of the classifiers of one of the networks, on whose line it
    stands."""
    return any(name == classifier_section(network) for network in networks)


def _count(config: RunConfig, name: str) -> str:
    count = sum(key.startswith(f"{name}.") for key in keys(type(config)))
    return f"{count} key{'s' if count > 1 else ''}" if count else "no keys"


def _line(config: RunConfig, name: str) -> str:
    titles = [role.title for role in roles().values() if role.section == name and role.title]
    title = METHODS.card(name).label if _is_method(name) else next(iter(titles), "")
    return f"{_count(config, name):9}{title or said_of(getattr(config, name))}"


def _is_method(name: str) -> bool:
    return name in METHODS or name in METHODS.own or name in METHODS.floors


def sections(names: Sequence[str], rest: Sequence[str]) -> str:
    """What the names stand for, one below the other."""
    called = [_from_file(name) if in_file(name) else name for name in names]
    config = parse(rest)
    return "\n\n".join(_page(name, config) for name in called)


def _from_file(name: str) -> str:
    """What a method's or a task's file is called as."""
    try:
        return METHODS.name(name)
    except UserError:
        try:
            return TASKS.name(name)
        except UserError:
            pass
        raise


def _page(name: str, config: RunConfig) -> str:
    valid = keys(type(config), config)
    if _is_method(name):
        return _method(METHODS.card(name), config)
    if name in TASKS or name in TASKS.own or "+" in name:
        return _task(load_task(name))
    if name in valid:
        return key_entry(name, valid[name])
    inner = [key for key in valid if key.startswith(f"{name}.")]
    if inner and "." in name:
        return "\n".join(key_entry(key, valid[key]) for key in inner)
    if inner:
        return key_list(config, {name}).lstrip("\n")
    tops = {key.partition(".")[0] for key in valid}
    known = set(valid) if "." in name else {*METHODS, *METHODS.own, *TASKS, *tops}
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise UserError(f"unknown section '{name}': {hint}(--help lists them, --help {ALL} every key)")


def _method(card: Card, config: Any) -> str:
    """A method's tasks, the sections of the networks that it loads, and its keys."""
    own, tasks, loads = getattr(config, card.name, None) or card.Settings(), [], dict[str, str]()
    for task in map(load_task, TASKS):
        if card.refuses(task) is None:
            tasks.append(task.name)
            loads |= {role.partition(":")[0]: "" for role in card.needs(task, own)}
    known = roles()
    named = dict.fromkeys(known[role].section for role in loads if role in known)
    lines = [f"{card.name}: {card.label}", f"  tasks: {', '.join(tasks) or 'none'}"]
    if any(named):
        lines.append(f"  settings of what it loads: {', '.join(filter(None, named))}")
    return "\n".join(lines) + "\n" + (key_list(config, {card.name}) or "  no keys of its own")


def _task(task: Task) -> str:
    """A task's metrics, the corpora that it can be asked of, and its methods."""
    lines = [f"{task.name}: {task.label or task.name}"]
    for name, meaning in task.metrics.items():
        ctrl = " (ctrl)" if name in task.headlines else ""
        lines.append(f"  {name}{ctrl}: {meaning}")
    corpora = [name for name in CORPORA if task.refuses_corpus(name) is None]
    refused = {name: card.refuses(task) for name, card in METHODS.items()}
    lines.append(f"  corpora: {', '.join(corpora)}")
    lines.append(f"  methods: {', '.join(name for name, why in refused.items() if why is None)}")
    lines += [f"  n/a: {name} ({why})" for name, why in refused.items() if why is not None]
    return "\n".join(lines)
