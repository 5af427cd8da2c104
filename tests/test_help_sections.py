"""``--help``: the ordinary keys at once, everything else by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from baselines import METHODS
from eval.run import guarded, main
from eval.running.help import asked
from eval.running.keys import keys
from eval.running.presets import preset_config
from eval.score import main as score
from slurm.sweep import main as sweep
from tasks import TASKS

BIGRAM = Path(__file__).parent / "own" / "bigram.py"
CONFIG = preset_config("demo", None)
KEYS = keys(type(CONFIG), CONFIG)
SECTIONS = list(dict.fromkeys(name.partition(".")[0] for name in KEYS if "." in name))


def page(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_the_first_page_has_the_ordinary_keys_and_a_line_for_each_section(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = page(capsys, "--help")
    for name, key in KEYS.items():
        assert (f"\n  {name} ({key.type}) = " in first) == ("." not in name), name
    for name in (*SECTIONS, *METHODS, *METHODS.floors):
        starts = sum(line.startswith(f"  {name} ") for line in first.splitlines())
        assert starts + first.count(f", and {name}: ") == 1, name
    for title in ("Methods", "Networks", "Words and judges"):
        assert f"\n{title}, each with --help NAME:\n" in first
    assert first.count("\n") < 180
    networks = first.split("Networks, ")[1].split("Words and judges")[0]
    assert "\n  diffusion " in networks and "\n  lm " in networks and "teacher" not in networks


def test_every_key_is_on_the_page_of_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    pages = {name: page(capsys, "--help", name) for name in SECTIONS}
    for name, key in KEYS.items():
        top, dot, _ = name.partition(".")
        if dot:
            assert f"  {name} ({key.type}) = " in pages[top], name
    everything = page(capsys, "--help", "all")
    assert all(f"  {name} ({key.type}) = " in everything for name, key in KEYS.items())


def test_a_method_says_what_it_loads(capsys: pytest.CaptureFixture[str]) -> None:
    text = page(capsys, "--help", "diffusion_lm")
    assert text.startswith("diffusion_lm: Diffusion-LM\n  tasks: syntax_spans, length")
    loads = next(line for line in text.splitlines() if "settings of what it loads" in line)
    assert {"diffusion", "classifier"} <= set(loads.rpartition(": ")[2].split(", "))
    assert "\n  diffusion_lm.sampling.steps (" in text
    assert page(capsys, "-h", "ft_search").startswith("ft_search: FT-search\n")


def test_a_preset_has_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert "lm.layers (int) = 4\n" in page(capsys, "preset=small", "--help", "lm")
    assert "lm.layers (int) = 4\n" in page(capsys, "--help", "lm", "preset=small")


@pytest.mark.parametrize("name", TASKS)
def test_a_task_says_its_metrics_and_methods(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = page(capsys, "--help", name)
    for metric, meaning in TASKS.load(name)(None).metrics.items():
        assert f"  {metric}" in text and meaning in text
    assert "  methods: " in text and "  corpora: " in text


def test_several_names_keys_and_parts(capsys: pytest.CaptureFixture[str]) -> None:
    text = page(capsys, "--help", "targets", "lm.train", "length")
    assert text.startswith("  targets (int) = 40\n      control targets a task\n\n  lm.train.")
    assert "lm.layers" not in text and "\nlength: Length\n" in text


def test_a_file_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    before = dict(METHODS._files)
    try:
        for given in (f"{BIGRAM}:Bigram", str(BIGRAM)):
            assert "  bigram.temperature (float) = 1.0" in page(capsys, "--help", given)
        assert main(["--help", "nowhere/mine.py:Mine"]) == 2
        assert "there is no file nowhere/mine.py" in capsys.readouterr().err
    finally:
        METHODS._files.clear()
        METHODS._files.update(before)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("difusion", "diffusion"),
        ("lenght", "length"),
        ("fugde", "fudge"),
        ("lm.layer", "lm.layers"),
    ],
)
def test_a_name_that_nothing_has(name: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help", name]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith(f"error: unknown section '{name}': did you mean '{near}'? ")


def test_other_commands_have_the_same_sections(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(score, ["--help", "lm"]) == sweep(["--help", "lm"]) == 0
    one, other = capsys.readouterr().out.split("\nlm: ")[0], page(capsys, "--help", "lm")
    assert one.strip() == other.strip() or other.strip() in one
    assert sweep(["--help"]) == 0
    text = capsys.readouterr().out
    assert "  max_parallel (int) = 8" in text and "Keys of python -m eval.run:\n  task" in text
    assert "lm.layers" not in text


def test_where_names_stand() -> None:
    assert asked(["task=length"]) is None
    assert asked(["preset=small", "--help", "lm", "seed=1", "-h"]) == (
        ["lm"], ["preset=small", "seed=1"],
    )  # fmt: skip
    assert asked(["stray", "--help"]) == ([], ["stray"])
