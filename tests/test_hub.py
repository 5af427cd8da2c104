"""Artefacts to and from a hub: a local folder, and a stand-in for the hub on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hubs import Hub, served

from eval import hub as command
from eval.run import guarded
from eval.running.hub import pull
from eval.running.model_card import model_card
from eval.running.store import Store, read_digests, read_spec, seal, verify
from tasks.common.errors import UserError
from tasks.common.recipe import Spec

ROOT = Path(__file__).resolve().parent.parent
SPEC = Spec(
    "lm", {"task": "length", "train": {"steps": 7}}, 1, deps={"corpus": "corpus-" + "0" * 16}
)


def artefact(store: Path) -> Path:
    """A small one, its corpus beside it."""
    corpus = Spec("corpus", {"name": "grammar"}, 1)
    for spec, files in (
        (
            SPEC,
            {"weights.safetensors": "w" * 50, "curve.jsonl": '{"step": 7.0, "valid_nll": 1.25}\n'},
        ),
        (corpus, {"train.jsonl": "{}\n"}),
    ):
        folder = store / spec.key
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        seal(folder, spec)
    # where the spec points
    (store / corpus.key).rename(store / SPEC.deps["corpus"])
    return store / SPEC.key


def run(url: str, home: Path, token: str, *commands: str) -> subprocess.CompletedProcess[str]:
    """Commands of ``eval.hub``, one after the other, in a program whose hub is ``url``."""
    code = "import sys; from eval.run import guarded; from eval.hub import main\n"
    code += "for line in sys.argv[1:]: print(guarded(main, line.split()))"
    env = {**os.environ, "HF_ENDPOINT": url, "HF_HOME": str(home), "HF_TOKEN": token}
    env |= {"HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *commands], capture_output=True, text=True, env=env, cwd=home
    )


@pytest.fixture(scope="module")
def hub() -> object:
    with served() as one:
        yield one


def test_there_and_back(hub: Hub, tmp_path: Path) -> None:
    folder = artefact(tmp_path / "from")
    (folder / "notes.txt").write_text("of no concern")
    done = run(
        hub.url,
        tmp_path,
        "hf_right",
        f"push artefact={folder} repo=me/net private=true",
        f"push artefact={folder} repo=me/net revision=next message=again license=mit",
        "pull repo=me/net",
        "pull repo=me/net revision=next into=other",
        "pull repo=me/none",
        "pull repo=me/net revision=gone",
        "pull repo=me/net/net",
    )
    assert done.stdout.split("\n")[:2] == [f"{hub.url}/me/net", "0"], done.stderr
    assert [line for line in done.stdout.split("\n") if line.isdigit()] == list("0000222")
    files = {*read_digests(folder), "spec.json", "digests.json", "README.md"}
    assert set(hub.repos["me/net"]["main"]) == files and hub.private["me/net"]
    errors = done.stderr.splitlines()
    assert len(errors) == 3
    assert errors[0].startswith(f"error: repo=me/none: {hub.url} has none, or none that this acc")
    assert errors[1] == f"error: repo=me/net: {hub.url} has no revision 'gone' of it"
    assert errors[2].startswith("error: repo=me/net/net: ")
    for place in (tmp_path / ".store", tmp_path / "other"):
        assert [path.name for path in place.iterdir()] == [SPEC.key]
        verify(place / SPEC.key)
        assert {path.name for path in (place / SPEC.key).iterdir()} == files - {"README.md"}
        # as the store finds it, under a key that its settings give
        assert Store(tmp_path / "empty", [place]).find(SPEC.key) == place / SPEC.key
    card = hub.repos["me/net"]["next"]["README.md"].decode()
    head = yaml.safe_load(card.split("---")[1])
    assert head["license"] == "mit" and head["library_name"] == "control-bench"

    # what was changed on the hub does not come in, and nothing of it stays
    hub.repos["me/net"]["main"]["weights.safetensors"] = b"other"
    hub.repos["me/empty"] = {"main": {}, "0" * 40: {}}
    hub.repos["me/empty"]["0" * 40] = hub.repos["me/empty"]["main"]
    wrong = run(
        hub.url,
        tmp_path,
        "hf_wrong",
        "pull repo=me/net into=new",
        "pull repo=me/empty into=new",
        f"push artefact={folder} repo=me/net",
    )
    assert wrong.stdout.split() == ["2", "2", "2"]
    errors = wrong.stderr.splitlines()
    assert len(errors) == 3
    assert "repo=me/net is damaged" in errors[0] and "weights.safetensors" in errors[0]
    assert "repo=me/empty holds no artefact" in errors[1]
    assert "repo=me/net" in errors[2] and hub.url in errors[2]
    assert list((tmp_path / "new").iterdir()) == []


def test_a_hub_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    done = run("http://127.0.0.1:9", tmp_path, "hf_right", "pull repo=me/net")
    assert done.stdout.split() == ["2"]
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: repo=me/net: cannot reach http://127.0.0.1:9: ")


def test_the_card_says_what_the_artefact_is(tmp_path: Path) -> None:
    folder = artefact(tmp_path)
    card = model_card(folder, "me/net", "apache-2.0")
    head = yaml.safe_load(card.split("---")[1])
    assert head == {
        "language": "en",
        "license": "apache-2.0",
        "library_name": "control-bench",
        "tags": ["control-bench", "controllable-text-generation", "lm", "length"],
    }
    assert "| corpus | grammar |" in card and f"`{SPEC.key}`" in card
    assert '"steps": 7' in card and "| valid nll | 1.25 |" in card
    assert 'control_bench.from_pretrained("me/net")' in card
    assert read_digests(folder)["weights.safetensors"] in card
    shutil.rmtree(tmp_path / SPEC.deps["corpus"])
    assert f"`{SPEC.deps['corpus']}`, which is not at hand" in model_card(folder, "me/net", "mit")


def test_a_local_folder_is_taken_as_a_repository(tmp_path: Path) -> None:
    folder = artefact(tmp_path / "from")
    assert pull(str(folder), tmp_path / "store") == folder  # found by prebuilt= where it is
    clone = tmp_path / "clone"
    shutil.copytree(folder, clone)
    (clone / "README.md").write_text("a card")
    got = pull(str(clone), tmp_path / "store")
    assert got == tmp_path / "store" / SPEC.key and read_spec(got) == SPEC
    assert not (got / "README.md").exists() and pull(str(clone), tmp_path / "store") == got
    (clone / "weights.safetensors").write_text("other")
    with pytest.raises(UserError, match=r"clone is damaged: artefact file .*weights.safetensors"):
        pull(str(clone), tmp_path / "again")
    (clone / "weights.safetensors").unlink()
    (clone / "weights.safetensors").symlink_to("/etc/hostname")
    with pytest.raises(UserError, match=r"weights\.safetensors is missing, or a link"):
        pull(str(clone), tmp_path / "again")
    digests = json.loads((folder / "digests.json").read_text())
    (clone / "digests.json").write_text(json.dumps({**digests, "../../out": "0"}))
    with pytest.raises(UserError, match="is no file of the folder"):
        pull(str(clone), tmp_path / "again")
    assert list((tmp_path / "again").iterdir()) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "say push or pull first"),
        (["repo=me/x"], "say push or pull first"),
        (["pusch", "repo=me/x"], "unknown action 'pusch': did you mean 'push'?"),
        (["push", "artefact={lm}"], "repo= is missing"),
        (["push", "repo=me/x"], "artefact= is missing"),
        (["push", "artefact=difusion", "repo=me/x"], "artefact=difusion: no folder, and no role"),
        (["push", "artefact=no/where", "repo=me/x"], "there is no such folder"),
        (["push", "artefact=classifier", "repo=me/x"], "one for each task, as classifier:length"),
        (["push", "artefact=lm", "repo=me/x", "store={tmp}/none", "prebuilt={tmp}/none"],
         "is not built yet: run python -m eval.run first"),
        (["push", "artefact={corpus}", "repo=me/x"], "holds texts of a corpus"),
        (["push", "artefact={tmp}", "repo=me/x"], "is no artefact, which is a folder KIND-"),
        (["push", "artefact={lm}", "repo=me/x", "private=maybe"], "private=maybe: true or false"),
        (["push", "artefact={linked}", "repo=me/x"], "is a link: put what it leads to"),
        (["push", "artefact={damaged}", "repo=me/x"], "damaged"),
        (["pull", "repo={tmp}"], "holds no artefact"),
        (["pull", "repo=me/x", "artefact={lm}"], "unknown key 'artefact'"),
        (["pull", "repo={clone}", "into={lm}/spec.json"], "is no folder"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is asked of a hub."""
    lm = artefact(tmp_path / "store")
    places = {"tmp": tmp_path, "lm": lm, "corpus": lm.parent / SPEC.deps["corpus"]}
    for name in ("linked", "damaged", "clone"):
        places[name] = tmp_path / name / SPEC.key
        shutil.copytree(lm, places[name])
    weights = places["linked"] / "weights.safetensors"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    (places["damaged"] / "weights.safetensors").write_text("short")
    (places["clone"].parent / "repo").mkdir()
    places["clone"] = places["clone"].rename(places["clone"].parent / "repo" / "net")
    assert guarded(command.main, [one.format(**places) for one in given]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1
