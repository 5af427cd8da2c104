"""Completion in a shell: commands, their keys, and the values of keys that have choices.

The scripts hand the line up to the cursor to ``control-bench complete`` and get the words that may
stand where its last one stands. What a user's file brings is not among them: no code of theirs is
run for it. Values that are files or folders are left to the shell.
"""

from __future__ import annotations

import importlib
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from tasks.common.commands import COMMANDS, HELP, RUN, Command
from tasks.common.errors import UserError, unknown

#: what the script takes besides the commands; the scripts below ask the second
COMPLETION, COMPLETE = "completion", "complete"
#: keys that take several values, separated by commas
LISTS = ("task", "method", "methods")
_ASK = f"control-bench {COMPLETE}"

SCRIPTS = {
    "bash": f"""\
# control-bench in bash: source <(control-bench completion bash), in ~/.bashrc to keep it
_control_bench() {{
    local line="${{COMP_LINE:0:COMP_POINT}}" IFS=$'\\n' found
    found=($({_ASK} "$line" 2>/dev/null))
    # bash completes what stands behind the last = or :
    local word="${{line##* }}"
    local before="${{word%"${{word##*[=:]}}"}}"
    COMPREPLY=("${{found[@]#"$before"}}")
    [[ ${{COMPREPLY[0]-}} == *[=.] ]] && compopt -o nospace 2>/dev/null
    return 0
}}
complete -o default -F _control_bench control-bench
""",
    "zsh": f"""\
#compdef control-bench
# control-bench in zsh: source <(control-bench completion zsh), in ~/.zshrc behind compinit
_control_bench() {{
    local -a found
    found=(${{(f)"$({_ASK} "$LBUFFER" 2>/dev/null)"}})
    if (( $#found )); then
        compadd -Q -S '' -- $found
    else
        compset -P '*[=,]'
        _files
    fi
}}
compdef _control_bench control-bench
""",
    "fish": f"""\
# control-bench in fish: control-bench completion fish | source, in config.fish to keep it
complete -c control-bench -f -a '({_ASK} (commandline -cp | string collect) 2>/dev/null)'
complete -c control-bench -n 'string match -q "*=*" -- (commandline -ct)' -F
""",
}


def script(given: Sequence[str]) -> str:
    """The script of a shell. Raises ``UserError`` for another one."""
    if len(given) != 1:
        shells = ", ".join(SCRIPTS)
        raise UserError(f"name one shell, as control-bench {COMPLETION} bash ({shells})")
    if given[0] not in SCRIPTS:
        raise unknown("shell", given[0], SCRIPTS)
    return SCRIPTS[given[0]]


def candidates(line: str) -> list[str]:
    """The whole words that the last word of ``line``, which may be empty, can become."""
    words = line.split()
    current = words.pop() if words and not line[-1:].isspace() else ""
    if len(words) < 2:
        found: Iterable[str] = (*COMMANDS, COMPLETION, *HELP[:1], "--version")
        found = found if words else ()
    elif words[1] == COMPLETION:
        found = SCRIPTS if len(words) == 2 else ()
    elif words[1] in COMMANDS:
        found = _of_command(COMMANDS[words[1]], words[2:], current)
    else:
        found = ()
    return [word for word in found if word.startswith(current)]


def _of_command(command: Command, given: Sequence[str], current: str) -> Iterable[str]:
    if current.startswith("-"):
        return (*HELP[:1], *(("--list",) if command.name == "run" else ()))
    hints = _hints(command)
    name, equals, value = current.partition("=")
    if equals:
        return _values(name, value, hints.get(name))
    if set(HELP) & set(given):
        return _sections(hints) if RUN[0] in command.keys else ()
    if not given and command.first:
        return command.first
    taken = {one.partition("=")[0] for one in given}
    keys = (key for key in (*hints, *command.more) if key not in taken)
    return dict.fromkeys(_step(key, len(current)) for key in keys if key.startswith(current))


def _step(key: str, typed: int) -> str:
    """A key up to the next dot behind what is typed of it: sections open one by one."""
    dot = key.find(".", typed)
    return f"{key}=" if dot < 0 else key[: dot + 1]


def _hints(command: Command) -> dict[str, Any]:
    """Every key of a command and what its value is annotated with."""
    from eval.running.keys import keys

    hints = dict[str, Any]()
    for name in command.keys:
        module, _, attribute = name.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        config = found if isinstance(found, type) else found()
        hints |= {key: one.hint for key, one in keys(config).items()}
    return hints


def _values(key: str, value: str, hint: Any) -> list[str]:
    """``key=choice`` for each choice that the value may become."""
    choices = _choices(key, hint)
    before, part = "", value
    if key in LISTS:
        before, comma, part = value.rpartition(",")
        named = before.split(",")
        choices = [choice for choice in choices if choice not in named]
        before += comma
    if key == "task" and "+" in part:  # a composition of single tasks
        first, _, part = part.rpartition("+")
        before += f"{first}+"
        choices = [one for one in choices if "+" not in one and one not in ("all", first)]
    return [f"{key}={before}{choice}" for choice in choices]


def _choices(key: str, hint: Any) -> list[str]:
    parts = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _choices(key, parts[0])
    if typing.get_origin(hint) is Literal:
        return [str(part) for part in parts]
    if hint is bool:
        return ["true", "false"]
    return _named(key) if hint is str else []


def _named(key: str) -> list[str]:
    """The names that a key of a run can have."""
    from baselines import GROUPS, METHODS
    from eval.running.presets import PRESETS
    from tasks import COMPOSITIONS, TASKS
    from tasks.common.shipped import SHIPPED
    from tasks.corpora import CORPORA

    names: dict[str, Iterable[str]] = {
        "task": (*TASKS, *COMPOSITIONS, "all"),
        "method": (*METHODS, *GROUPS),
        "methods": METHODS,
        "preset": PRESETS,
        "corpus": CORPORA,
        "floor_by": ("auto", *METHODS.floors),
        "repair": [card.name for card in METHODS.cards if card.repairs],
        "device": ("auto", "cpu", "cuda"),
        "prebuilt": (SHIPPED,),
    }
    return list(names.get(key, ()))


def _sections(hints: Iterable[str]) -> list[str]:
    """What ``--help`` can be followed by."""
    from baselines import METHODS
    from tasks import TASKS

    tops = (key.partition(".")[0] for key in hints if "." in key)
    return list(dict.fromkeys([*tops, *METHODS, *TASKS, "all"]))
