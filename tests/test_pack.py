"""A run on a machine that has torch and its like alone: packed, trained and sampled there, taken
home, judged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from eval.run import guarded
from slurm import pack, unpack
from slurm.packing.making import make
from tests.test_runner import arguments

#: what the machine has, with all that these need themselves
ON_THE_MACHINE = ("torch", "transformers", "numpy", "scipy", "safetensors", "rich", "sacrebleu",
                  "accelerate")  # fmt: skip
#: what it has not, and training and sampling must not ask for
LACKING = ("pydantic", "pydantic_core", "annotated_types", "nltk", "benepar", "spacy", "datasets",
           "pandas", "matplotlib", "bert_score", "omegaconf", "submitit",
           "control_bench")  # fmt: skip


def needed(names: tuple[str, ...]) -> set[str]:
    """These packages and, as far as they are installed, all that they ask for."""
    found, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name.replace("-", "_") in LACKING:  # what asks for it does without
            continue
        try:
            requires = distribution(name).requires or ()
        except PackageNotFoundError:
            continue
        if name not in found:
            found.add(name)
            asked = [one for one in map(Requirement, requires)]
            waiting += [
                one.name for one in asked if not one.marker or one.marker.evaluate({"extra": ""})
            ]
    return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with those packages alone."""
    place = tmp_path_factory.mktemp("bare")
    venv.create(place, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    for name in needed(ON_THE_MACHINE):
        for top in {path.parts[0] for path in distribution(name).files or ()} - {
            "..",
            "__pycache__",
        }:
            if not (site / top).exists():
                (site / top).symlink_to(str(distribution(name).locate_file(top)))
    return place / "bin" / "python"


def on_the_machine(
    bare: Path, folder: Path, *given: str, code: int = 0, script: str = "run.sh"
) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"PYTHON": str(bare), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        ["sh", str(folder / script), *given], env=environment, cwd=folder.parent,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def packed(folder: Path, *more: str) -> list[str]:
    """The arguments of a toy run, its results aside."""
    given = arguments(folder, "prebuilt=", *more)
    return [one for one in given if not one.startswith("out=")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a pack, ``pack``, and what it was made from."""
    folder = tmp_path_factory.mktemp("home")
    assert guarded(pack.main, [*packed(folder), f"out={folder / 'pack'}"]) == 0
    return folder


def test_what_it_holds(made: Path) -> None:
    files = {str(path.relative_to(made / "pack")): path for path in (made / "pack").rglob("*.*")}
    assert {"run.sh", "start.py", "pack.json", "content.tar.xz"} <= set(files)
    assert sum(path.stat().st_size for path in files.values()) < 40 * 2**20
    said = json.loads(files["pack.json"].read_text())
    assert set(said["files"]) | {"pack.json"} == {n for n, p in files.items() if p.is_file()}
    assert [key.split("-")[0] for key in said["carried"]] == ["corpus", "vocabulary"]
    assert {key.split("-")[0] for key in said["trained"]} == {"diffusion", "teacher"}
    assert said["config"]["targets"] == 6 and said["teachers"] == ["teacher"]


def test_a_rehearsal(made: Path, bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Trained and sampled where nothing else is; judged here, without that training."""
    code = f"import importlib.util as u; print([n for n in {LACKING} if u.find_spec(n)])"
    found = subprocess.run([bare, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
    there = tmp_path / "machine" / "pack"
    shutil.copytree(made / "pack", there)
    # a first visit whose time is over at once loses nothing and says what is missing
    said = on_the_machine(bare, there, "minutes=0.001", "device=cpu", "threads=1")
    assert "the time is over" in said and "length/diffusion_lm: 0 of 6 targets in time" in said
    parcel = json.loads((there / "back" / "back.json").read_text())
    assert any("not trained in time" in why for why in parcel["missing"].values())
    said = on_the_machine(bare, there, "device=cpu", "threads=1", "part=0.01")
    assert "complete: bring home" in said and "missing" not in said
    back = there / "back"
    assert all(path.stat().st_size <= 0.01 * 2**20 + 1 for path in back.glob("back-*"))
    assert len(list(back.glob("back-*"))) > 1

    out = tmp_path / "out"
    assert guarded(unpack.main, [str(back), f"out={out}"]) == 0
    shown = capsys.readouterr().out
    assert "len_exact" in shown and "diffusion_lm" in shown and "train " not in shown
    cell = out / "length" / "diffusion_lm"
    records = [json.loads(line) for line in (cell / "samples.jsonl").read_text().splitlines()]
    assert len(records) == 12 and len((cell / "scores.jsonl").read_text().splitlines()) == 12
    config = json.loads((cell / "config.json").read_text())
    assert config["device"] == "cpu" and config["command"] == ["sh", "run.sh"]
    assert config["judges"]["teacher"].startswith("teacher-")
    (curve,) = (out / "machine").glob("diffusion-*/curve.jsonl")
    assert json.loads(curve.read_text().splitlines()[-1])["step"] == 40
    # home again it finds the same and changes nothing
    before = (cell / "samples.jsonl").read_bytes()
    assert guarded(unpack.main, [str(there), f"out={out}"]) == 0
    assert (
        cell / "samples.jsonl"
    ).read_bytes() == before and "len_exact" in capsys.readouterr().out
    # and refuses samples of another run beside them
    assert guarded(unpack.main, [str(back), f"out={out}", "seed=5"]) == 2
    assert "what came back for" in capsys.readouterr().err


def test_the_samples_are_those_of_a_run_here(made: Path, bare: Path, tmp_path: Path) -> None:
    from eval.run import main

    copy = tmp_path / "pack"
    shutil.copytree(made / "pack", copy)
    on_the_machine(bare, copy, "device=cpu", "threads=1", "weights=all")
    home = ["judge=false", f"store={tmp_path / 'store'}", f"out={tmp_path / 'out'}"]
    assert guarded(unpack.main, [str(copy), *home]) == 0
    stored = {path.name.split("-")[0] for path in (tmp_path / "store").iterdir()}
    assert {"diffusion", "teacher"} <= stored
    here = [one for one in arguments(made, "prebuilt=") if not one.startswith(("out=", "store="))]
    assert main([*here, f"store={tmp_path / 'fresh'}", f"out={tmp_path / 'here'}"]) == 0
    for name in ("unconditional", "length/diffusion_lm"):
        there, mine = (tmp_path / place / name / "samples.jsonl" for place in ("out", "here"))
        assert there.read_bytes() == mine.read_bytes()


def edited(path: Path, **more: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def broken(pack: Path, how: str) -> None:
    if how == "flipped":
        data = bytearray((pack / "content.tar.xz").read_bytes())
        data[len(data) // 2] ^= 1
        (pack / "content.tar.xz").write_bytes(data)
    elif how == "lacking":
        next((pack / "wheels").glob("pydantic-2*")).unlink()
    elif how == "no manifest":
        (pack / "pack.json").unlink()
    elif how == "no json":
        (pack / "pack.json").write_text("{")
    elif how == "format":
        edited(pack / "pack.json", format=99)
    elif how == "python":
        edited(pack / "pack.json", python="3.7")
    else:
        (pack / "work").mkdir()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("flipped", "content.tar.xz is damaged: copy the pack anew"),
        ("lacking", "is incomplete: wheels/pydantic-2"),
        ("no manifest", "is no pack: it has no pack.json"),
        ("no json", "pack.json is damaged"),
        ("format", "is a pack of format 99, and this is 1"),
        ("python", "was made for Python 3.7, and this is 3."),
        ("work", "work is of another pack"),
    ],
)
def test_a_pack_that_cannot_run(made: Path, tmp_path: Path, how: str, message: str) -> None:
    pack = tmp_path / "pack"
    shutil.copytree(made / "pack", pack)
    broken(pack, how)
    said = on_the_machine(Path(sys.executable), pack, code=2)
    assert said.startswith("error: ") and message in said and said.count("\n") == 1


def parcel(made: Path, folder: Path) -> Path:
    """What comes back of a pack with nothing done yet."""
    from slurm.packing.parcel import write_parcel

    manifest = made / "pack" / "pack.json"
    folder.mkdir()
    (folder / "provenance.json").write_text("{}")
    files = {"pack.json": manifest, "provenance.json": folder / "provenance.json"}
    write_parcel(folder, files, 500, manifest, missing={}, stayed=[])
    return folder


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("lacking", "is incomplete: back-"),
        ("flipped", "is damaged: bring it anew"),
        ("format", "back.json is of format 99, and this program's is 1"),
        ("of", "is damaged: its files are of another pack"),
        ("no json", "back.json is damaged"),
        ("outside", "'../x' is no file beside it"),
        ("another key", "unknown key 'colour'"),
        ("not run", "has not run yet"),
    ],
)
def test_what_cannot_be_taken_home(
    made: Path, tmp_path: Path, how: str, message: str, capsys: pytest.CaptureFixture
) -> None:
    back, more = parcel(made, tmp_path / "back"), []
    first = sorted(back.glob("back-*"))[0]
    if how == "lacking":
        first.unlink()
    elif how == "flipped":
        first.write_bytes(b"x" + first.read_bytes()[1:])
    elif how == "format":
        edited(back / "back.json", format=99)
    elif how == "of":
        edited(back / "back.json", of="0" * 64)
    elif how == "no json":
        (back / "back.json").write_text("[")
    elif how == "outside":
        edited(back / "back.json", parts={"../x": "0"})
    elif how == "another key":
        more = ["colour=red"]
    else:
        back = made / "pack"
    out = tmp_path / "out"
    assert guarded(unpack.main, [str(back), f"out={out}", *more]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said and said.count("\n") == 1, said
    assert not out.exists()


def test_too_much_is_refused(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "pack"
    given = [*packed(made), f"out={out}", "limit=0.5"]
    assert guarded(pack.main, given) == 2
    said = capsys.readouterr().err
    assert "MiB, above limit=0.5" in said and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["corpus=mine.jsonl"], "a pack takes no files of your own"),
        (["lm.pretrained=gpt2"], "lm.pretrained=gpt2: a pack takes no pretrained"),
    ],
)
def test_what_does_not_travel(
    more: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slurm.packing.config import PackConfig
    from tasks.common.errors import UserError

    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"A pub by the river number {i} ."} for i in range(60)]
    Path("mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=message):
        make(PackConfig(out="pack"), ["task=length", "method=fudge", *more])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.jsonl"]
