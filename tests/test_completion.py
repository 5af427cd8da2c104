"""Completion: what may stand at the cursor, and a real bash that asks for it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from baselines import METHODS
from control_bench.completion import SCRIPTS, candidates, script
from tasks import TASKS
from tasks.common.commands import COMMANDS
from tasks.common.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def after(text: str) -> list[str]:
    return candidates(f"control-bench {text}")


def test_commands() -> None:
    assert set(after("")) == {*COMMANDS, "completion", "--help", "--version"}
    assert after("ta") == ["targets", "tables"] and after("rnu") == []
    assert candidates("") == [] and candidates("control-bench") == []
    assert after("completion ") == ["bash", "zsh", "fish"] and after("completion bash ") == []


@pytest.mark.parametrize("name", [name for name, one in COMMANDS.items() if one.keys])
def test_every_command_has_keys(name: str) -> None:
    first = COMMANDS[name].first
    found = after(f"{name} {first[0]} " if first else f"{name} ")
    assert found and all(one[-1] in "=." for one in found)


def test_keys_open_section_by_section() -> None:
    found = after("run ")
    assert {"task=", "method=", "lm.", "diffusion_lm."} <= set(found)
    assert not [one for one in found if "." in one[:-1]] and len(found) == len(set(found))
    assert after("run lm.t") == ["lm.train."]
    assert "lm.train.steps=" in after("run lm.train.")
    assert "task=" not in after("run task=length ") and "samples=" in after("score ")
    assert after("human ex") == ["export"] and "items=" in after("human export ")
    assert after("status ") == after("nothing ") == []


def test_values() -> None:
    assert after("run task=len") == ["task=length"]
    assert set(after("run method=")) >= {f"method={name}" for name in (*METHODS, "all", "discrete")}
    assert after("run preset=sm") == ["preset=small"] and after("run corpus=e") == ["corpus=e2e"]
    assert after("run source=") == ["source=auto", "source=released", "source=validation"]
    assert after("run gaps=") == ["gaps=true", "gaps=false"]
    assert after("sweep cluster=l") == ["cluster=local"] and after("tune metric=ci") == [
        "metric=cider"
    ]
    assert after("run seed=") == after("run out=") == after("run nokey=") == []


def test_lists_and_compositions() -> None:
    found = after("run method=fudge,")
    assert "method=fudge,pplm" in found and "method=fudge,fudge" not in found
    assert after("run method=fudge,ft_s") == ["method=fudge,ft_sample", "method=fudge,ft_search"]
    assert after("run task=length,syntax_t") == ["task=length,syntax_tree"]
    assert after("run task=length+syntax_t") == ["task=length+syntax_tree"]
    assert "task=length+length" not in after("run task=length+")


def test_sections_of_help() -> None:
    found = set(after("run --help "))
    assert found >= {"diffusion", "lm", *METHODS, *TASKS, "all"}
    assert after("run --") == ["--help", "--list"] and after("tables -") == ["--help"]


def test_a_script_for_each_shell() -> None:
    for shell, text in SCRIPTS.items():
        assert script([shell]) == text and "control-bench complete" in text
    for given, said in (([], "name one shell"), (["bsh"], "did you mean 'bash'")):
        with pytest.raises(UserError, match=said):
            script(given)
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n"], input=SCRIPTS["zsh"], text=True, check=True)


def bash_environment(tmp_path: Path) -> dict[str, str]:
    """A folder with the console script in front of the path."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "control-bench").write_text(
        f"#!{sys.executable}\nimport sys\nfrom control_bench.cli import main\nsys.exit(main())\n"
    )
    (place / "control-bench").chmod(0o755)
    return {**os.environ, "PATH": f"{place}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def test_bash_gets_what_stands_behind_its_own_breaks(tmp_path: Path) -> None:
    lines = ["control-bench run task=leng", "control-bench run method=fudge,ft_sa"]
    asks = [f"COMP_LINE='{one}' COMP_POINT={len(one)}; _control_bench" for one in lines]
    code = "\n".join([SCRIPTS["bash"], *(f'{one}; echo "<${{COMPREPLY[*]}}>"' for one in asks)])
    done = subprocess.run(
        ["bash", "--norc", "-c", code], env=bash_environment(tmp_path), cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "<length>\n<fudge,ft_sample>\n" and done.stderr == ""


def test_tab_in_a_bash_that_someone_types_into(tmp_path: Path) -> None:
    """The key is completed without a space, its value with one."""
    environment = {**bash_environment(tmp_path), "TERM": "dumb", "PS1": "$ "}
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)

    def reads(wanted: str, seconds: float = 120.0) -> str:
        text, until = "", time.monotonic() + seconds
        while wanted not in text and time.monotonic() < until:
            if select.select([terminal], [], [], 1.0)[0]:
                text += os.read(terminal, 4096).decode()
        assert wanted in text, text
        return text

    try:
        reads("$ ")
        os.write(terminal, b"source <(control-bench completion bash); echo rea''dy\n")
        reads("ready\r\n")
        os.write(terminal, b"control-bench run pres\t")
        reads("preset=")
        os.write(terminal, b"sm\t")
        reads("small ")
        os.write(terminal, b"\x15exit\n")
    finally:
        os.close(terminal)
        os.waitpid(child, 0)
