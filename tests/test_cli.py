"""The command line: values, presets and mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from carded import resolve

from baselines import METHODS
from eval.run import _refused, main
from eval.running.command import parse
from eval.running.config import RunConfig
from eval.running.keys import key_list, keys
from eval.running.presets import PRESETS
from models.base import CONTROL, INFILLING
from tasks.common.errors import UserError
from tasks.common.recipe import settings

#: the methods of the paper's comparison
PAPERS = [name for name, card in METHODS.items() if not card.group]
INFILLERS = [m for m in PAPERS if INFILLING in METHODS.card(m).tables]
ROOT = Path(__file__).resolve().parent.parent


def test_values_and_nested_keys() -> None:
    config = parse(
        [
            "task=syntax_spans,length",
            "method=diffusion_lm,fudge",
            "preset=small",
            "corpus=e2e",
            "data=../shared/data",
            "targets=50",
            "samples=10",
            "seed=7",
            "overwrite=true",
            "diffusion.network.layers=2",
            "lm.train.lr=1e-3",
            "fudge.lam=4",
        ]
    )
    assert config.tasks == ["syntax_spans", "length"]
    assert config.methods == ["diffusion_lm", "fudge"]
    assert (config.targets, config.samples, config.seed) == (50, 10, 7)
    assert config.diffusion.network.layers == 2
    assert config.lm.train.lr == 1e-3
    assert config.fudge.lam == 4
    assert config.overwrite is True
    assert str(config.folder) == "results/run-small-e2e"
    assert isinstance(config, RunConfig)


def test_all_methods_and_defaults() -> None:
    config = parse([])
    assert (config.preset, config.corpus) == ("demo", "grammar")
    assert config.tasks == ["syntax_spans"]
    assert config.methods == [m for m in PAPERS if CONTROL in METHODS.card(m).tables]
    others = [name for name, card in METHODS.items() if card.group == "discrete"]
    assert parse(["method=fudge,discrete"]).methods == ["fudge", *others]
    with pytest.raises(UserError, match="unknown method 'discret': did you mean 'discrete'"):
        parse(["method=discret"])


def test_infilling_brings_its_own_corpus_and_methods() -> None:
    config = parse(["task=infilling"])
    assert (config.corpus, config.methods) == ("stories", INFILLERS)
    assert parse(["task=infilling", "preset=small"]).corpus == "rocstories"
    assert parse(["task=all", "corpus=rocstories"]).tasks == ["infilling"]
    assert parse(["task=infilling,length", "corpus=stories"]).methods == [
        name for name in PAPERS if METHODS.card(name).tables
    ]
    with pytest.raises(UserError, match="infilling needs a corpus of stories: stories, roc"):
        parse(["task=infilling,length"])
    with pytest.raises(UserError, match="window=2: 3 sentences or more"):
        parse(["task=infilling", "window=2"])
    with pytest.raises(UserError, match="clean_contexts needs window=3, not 0"):
        parse(["task=infilling", "window=0", "diffusion.clean_contexts=0.5"])


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("demo-stories", ["task=infilling"]),
        ("small-anlg", ["task=infilling", "preset=small"]),
        ("pretrained-anlg", ["preset=pretrained"]),
    ],
)
def test_stored_infillings_were_decoded_as_their_presets_say(name: str, given: list[str]) -> None:
    config = parse(given)
    for method in INFILLERS:
        path = ROOT / "results" / name / "infilling" / method
        stored = json.loads((path / "config.json").read_text(encoding="utf-8"))["identity"]
        options = resolve(METHODS.load(method), getattr(config, method), "infilling")
        # JSON has lists where settings have tuples
        assert json.loads(json.dumps(settings(options))) == stored["settings"], method
        assert stored["samples"] == config.samples


def test_all_tasks_are_those_of_tables_2_and_4() -> None:
    assert parse(["task=all"]).tasks == [
        "syntax_spans",
        "length",
        "semantic_content",
        "parts_of_speech",
        "syntax_tree",
        "semantic_content+syntax_tree",
        "semantic_content+parts_of_speech",
    ]
    # any others compose, and in whichever order they are named
    config = parse(["task=length+syntax_spans, syntax_spans+length,length"])
    assert config.tasks == ["syntax_spans+length", "length"]


def test_paper_preset_has_the_papers_hyperparameters() -> None:
    config = PRESETS["paper"](None)
    assert (config.targets, config.samples) == (200, 50)
    assert config.diffusion.train.steps == 200_000
    assert config.diffusion.train.lr == 1e-4
    assert config.diffusion.train.ema == 0.9999
    assert (config.diffusion.length, config.diffusion.embedding) == (64, 16)
    assert config.vocabulary.above == 10


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("task=lenght", "unknown task 'lenght': did you mean 'length'"),
        ("task=", "task= names nothing"),
        ("task=length+lenght", "unknown task 'lenght': did you mean 'length'"),
        ("task=length+length", "a composition is of different tasks"),
        ("tagger.source=stnza", "expected one of .*stanza"),
        ("method=fugde", "unknown method 'fugde': did you mean 'fudge'"),
        ("corpus=e2ee", "unknown corpus 'e2ee': did you mean 'e2e'"),
        ("preset=smal", "unknown preset 'smal': did you mean 'small'"),
        ("tragets=3", "unknown key 'tragets': did you mean 'targets'"),
        ("diffusion.network.layer=3", "did you mean 'diffusion.network.layers'"),
        ("targets=many", "targets=many: .*expected int"),
        ("targets=0", "targets=0: at least 1"),
        ("threads=-1", "threads=-1: at least 0"),
        ("diffusion.schedule=root", "expected one of .*sqrt"),
        ("diffusion.network.width=255", "width 255 is no multiple of heads 4"),
        ("diffusion.network.heads=0", "diffusion.network.heads=0: at least 1"),
        ("lm.layers=0", "lm.layers=0: at least 1"),
        ("diffusion=3", "'diffusion' is a section"),
        ("task", "'task' is not of the form key=value"),
        ("source=anywhere", "expected one of"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    argument: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=message):
        parse([argument])
    assert main([argument]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ") and err.count("\n") == 1


def test_a_key_given_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seed=1", "seed=2"]) == 2
    assert "seed is given twice" in capsys.readouterr().err


def test_every_key_has_type_default_and_meaning() -> None:
    config = PRESETS["demo"](None)
    page = key_list(config)
    for name, key in keys(RunConfig, config).items():
        assert key.meaning and key.type, name
        assert f"  {name} ({key.type}) = " in page
    assert "targets (int) = 40\n      control targets a task" in page


def test_help_loads_no_package_but_our_own() -> None:
    """Which is what makes it quick: numpy, rich and pydantic would be seconds on a slow disk."""
    code = (
        "import sys; before = set(sys.modules); from eval.run import main\n"
        "code = main(['--help', 'all'])\n"
        "files = {name: getattr(sys.modules[name], '__file__', None) or '' for name in "
        "{*sys.modules} - before}\n"
        "print('packages:', *sorted({name.split('.')[0] for name, file in files.items() "
        "if 'site-packages' in file}))\nsys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    page, _, loaded = done.stdout.rpartition("packages:")
    assert loaded.split() == []
    assert "diffusion.network.layers (int)" in page


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    out = capsys.readouterr().out
    for name in (
        "syntax_spans",
        "semantic_content+syntax_tree",
        "ft_search",
        "grammar",
        "demo",
        "small",
        "paper",
    ):
        assert name in out


def test_a_run_without_any_cell_ends_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["task=length", "method=pplm", f"out={tmp_path / 'out'}", f"store={tmp_path / 's'}"]
    assert main(given) == 2
    said = capsys.readouterr().err
    assert said == (
        "error: nothing to run: pplm has no cell for length (n/a: PPLM has no positional control)\n"
    )
    assert not (tmp_path / "out").exists()


def test_reasons_of_earlier_runs_stay_with_the_set(tmp_path: Path) -> None:
    """One set, filled run by run: why a cell cannot be is known from whichever run was told."""
    before = {"length/pplm": "n/a: positional", "length/fudge": "n/a: failed once"}
    (tmp_path / "run.json").write_text(json.dumps({"refused": before}))
    config = SimpleNamespace(folder=tmp_path, tasks=["length"], rows=["fudge", "ft_poe"])
    run = SimpleNamespace(config=config, refused={("length", "ft_poe"): "n/a: needs two"})
    kept = {"length/pplm": "n/a: positional", "length/ft_poe": "n/a: needs two"}
    assert _refused(run) == kept  # type: ignore[arg-type]
    (tmp_path / "run.json").write_text("{")
    assert _refused(run) == {"length/ft_poe": "n/a: needs two"}  # type: ignore[arg-type]
