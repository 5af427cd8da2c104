"""Artefacts of any content: one line, never a traceback, and no advice to delete what is good."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slices import ODD, mistake, places, replaced, snapshot
from stored import ROOT

from eval.run import guarded
from eval.running.store import DIGESTS, SPEC, Store, read_spec, seal, verify
from eval.verify import Damaged, main
from models.nets.artefact import read_tensors, write_tensors
from models.nets.codec import load_codec
from models.nets.pretrained import load_tokenizer, source
from models.nets.unk import MaskedRepair
from tasks.common.errors import UserError
from tasks.common.hub import pinned, revised
from tasks.common.recipe import Spec
from tasks.common.schema import read_json
from tasks.corpora.stored import read_corpus, write_corpus
from tasks.oracles.files import ParserFile, TaggerFile
from tasks.texts import Corpus, Text
from tasks.vocabulary import SPECIALS, Vocabulary
from tests.hardening import Tried

BYTES = (
    *(b"", b"null", b"[]", b"{}", b"3", b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 10_000),
    *(b'{"a": NaN}', b'[{"a": 1}]', b'{"../../x": "0"}', b'{"/etc/passwd": "0"}', b'{"": "0"}'),
)
#: file -> what reads it
READERS: dict[str, Callable[[Path], Any]] = {
    "codec.json": load_codec,
    "vocabulary.json": Vocabulary.load,
    "parser.json": lambda path: read_json(path, ParserFile),
    "tagger.json": lambda path: read_json(path, TaggerFile),
    "spec.json": lambda path: read_spec(path.parent),
}
EXAMPLES = 60
TRIED = (
    Tried("artefacts", "digests or spec of other bytes", 2 * len(BYTES)),
    Tried("artefacts", "a value of a stored file replaced", EXAMPLES, "read, or one line"),
    Tried("artefacts", "weights of other bytes", len(BYTES) + 3),
    Tried("artefacts", "a corpus whose lines are none", len(ODD), "read, or one line"),
    Tried("artefacts", "eval.verify of folders that are no store", 3, "nothing to delete is named"),
    Tried("artefacts", "pretrained folders that ask for code", 6, "one line; the code is not run"),
)


@pytest.fixture
def thing(tmp_path: Path) -> Path:
    """A whole artefact in a store of its own."""
    spec = Spec("thing", {"a": 1}, 1)
    folder = tmp_path / "store" / spec.key
    folder.mkdir(parents=True)
    (folder / "weights.json").write_text("[1]")
    seal(folder, spec)
    return folder


@pytest.mark.parametrize("name", [DIGESTS, SPEC])
@pytest.mark.parametrize("data", BYTES)
def test_damaged_papers(
    name: str, data: bytes, thing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (thing / name).write_bytes(data)
    before = snapshot(thing)
    if not (name == DIGESTS and data == b"{}"):
        with pytest.raises(UserError) as error:
            Store(thing.parent).find(thing.name)
        assert str(thing) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(Damaged):
        main([f"store={thing.parent}"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "0 artefacts are whole, 1 damages" and snapshot(thing) == before


def test_no_advice_to_delete_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(main, [f"store={ROOT / 'results' / 'demo'}"]) == 2
    said = capsys.readouterr().err
    assert "no folder of artefacts" in said and "delete" not in said and said.count("\n") == 1


def test_results_beside_artefacts_are_left_alone(
    thing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (thing.parent / "sweep" / "demo").mkdir(parents=True)
    main([f"store={thing.parent}"])
    out = capsys.readouterr().out
    assert "1 artefacts are whole, 0 damages" in out and "delete" not in out
    assert f"{thing.parent / 'sweep'} is no artefact, and was not looked at" in out
    with pytest.raises(UserError, match="is no artefact"):
        verify(thing.parent / "sweep")


def test_no_advice_to_delete_what_cannot_be_read(
    thing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(Damaged):
        main([f"store={thing.parent}"])
    out = capsys.readouterr().out
    assert f"cannot read {thing / DIGESTS}: Permission denied" in out
    assert "delete the" not in out


@given(data=st.data(), name=st.sampled_from(sorted(READERS)))
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_any_value(data: st.DataObject, name: str, tmp_path: Path) -> None:
    found = sorted((ROOT / "results" / "prebuilt").glob(f"*/{name}"))[0]
    text = json.loads(found.read_text(encoding="utf-8"))
    at = data.draw(st.sampled_from(sorted(places(text), key=str)))
    odd = data.draw(st.sampled_from((*ODD, ...)))
    changed = replaced(text, at, lambda _: odd)
    path = tmp_path / name
    path.write_text("" if changed is ... else json.dumps(changed))
    said = mistake(lambda: READERS[name](path))
    assert changed != text or not said


@pytest.mark.parametrize("data", BYTES)
def test_weights_of_other_bytes(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    for head in (b"", len(data).to_bytes(8, "little"), b"\xff" * 8):
        path.write_bytes(head + data)
        said = mistake(lambda: read_tensors(path))
        assert str(path) in said or read_tensors(path) == ({}, {})


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_weights_have_the_mode_of_any_file(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_tensors(tmp_path / "weights.safetensors", {"a": torch.zeros(2)}, {})
    finally:
        os.umask(before)
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_stored_corpus(tmp_path: Path) -> None:
    text = Text(("a", "b"), tree="(S (NN a) (NN b))", tags=("X", "Y"), sentences=(2,))
    write_corpus(tmp_path, Corpus("grammar", (text,), (text,)))
    assert read_corpus(tmp_path).train == (text,)
    line = json.loads((tmp_path / "train.jsonl").read_text())
    for at in places(line):
        for odd in (*ODD, ...):
            changed = replaced(line, at, lambda _, odd=odd: odd)
            (tmp_path / "train.jsonl").write_text(
                "" if changed is ... else json.dumps(changed) + "\n"
            )
            said = mistake(lambda: read_corpus(tmp_path))
            assert not said or "train.jsonl line 1" in said or "train.jsonl is damaged" in said


# pretrained networks


@pytest.fixture(params=["config.json", "tokenizer_config.json"])
def coded(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A pretrained folder that brings code of its own."""
    folder = tmp_path / "model"
    folder.mkdir()
    mark = tmp_path / "mark"
    (folder / "modeling_x.py").write_text(f"open({str(mark)!r}, 'w').write('run')\n")
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    stored = {"model_type": "x", "auto_map": {"AutoConfig": "modeling_x.X"}}
    (folder / request.param).write_text(json.dumps(stored))
    return folder


@pytest.mark.parametrize("load", [load_tokenizer, MaskedRepair.load, source])
def test_no_code_of_a_pretrained_folder_is_run(
    load: Callable[[str], Any], coded: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"asks for code of its own \(auto_map\)") as error:
        load(str(coded))
    assert "\n" not in str(error.value) and not (tmp_path / "mark").exists()


def test_a_hub_id_may_name_its_revision(tmp_path: Path) -> None:
    assert revised("owner/model@v1.0") == ("owner/model", "v1.0")
    assert revised("owner/model") == ("owner/model", None)
    assert pinned("owner/model@abc") == (
        "owner/model",
        {"trust_remote_code": False, "revision": "abc"},
    )
    folder = tmp_path / "a@b"
    folder.mkdir()
    assert pinned(str(folder)) == (str(folder), {"trust_remote_code": False})


def test_a_vocabulary_is_one() -> None:
    assert Vocabulary([*SPECIALS, "a"]).words[-1] == "a"
