"""The embedded corpora's data files: the same texts come of them, and keys hang on content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.running import inputs
from tasks.corpora import CORPORA, embedded, load_corpus, stamp

#: digests of 300 training and 50 validation texts; those of the whole corpora are in the keys of
#: every stored network
DIGESTS = {"grammar": "f72ecf45bec886be", "stories": "cc891031a418b496"}


@pytest.mark.parametrize("name", DIGESTS)
def test_the_texts_are_pinned(name: str) -> None:
    """A change of rules, words or code that changes a text wants a new ``VERSION`` beside it."""
    assert load_corpus(name, size_train=300, size_valid=50).digest == DIGESTS[name]


def test_the_files_can_be_read_by_a_person() -> None:
    files = {path.name for path in embedded.FOLDER.iterdir()}
    assert files == {
        "grammar_lexicon.txt", "grammar_rules.txt", "grammar_world.yaml",
        "stories_rules.txt", "stories_world.yaml",
    }  # fmt: skip
    for name in files:
        assert (embedded.FOLDER / name).read_text(encoding="utf-8").startswith("# ")
    family = embedded.world("grammar_world")["values"]["family"]
    assert family == ["yes", "no"]  # words, and not what YAML makes of them bare


def test_a_stamp_hangs_on_the_data_files_and_the_version_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.corpora import grammar

    before = {name: stamp(name) for name in CORPORA}
    assert len(set(before.values())) == len(before)
    for path in embedded.FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(embedded, "FOLDER", tmp_path)
    assert {name: stamp(name) for name in CORPORA} == before
    with open(tmp_path / "stories_rules.txt", "a") as file:
        file.write("# one more\n")
    assert stamp("stories") != before["stories"] and stamp("grammar") == before["grammar"]
    monkeypatch.setattr(grammar, "VERSION", grammar.VERSION + 1)
    assert stamp("grammar") != before["grammar"]


def test_a_digest_is_of_the_content_and_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = load_corpus("stories", size_train=20, size_valid=5)
    asked = []

    def load(name: str, data: Path | None = None) -> object:
        asked.append(name)
        return small

    monkeypatch.setattr(inputs, "load_corpus", load)
    for _ in range(2):
        assert inputs.corpus_digest("stories", None, tmp_path) == small.digest
    assert asked == ["stories"]
    assert list(json.loads((tmp_path / "corpora.json").read_text())) == [stamp("stories")]


def test_a_stamp_hangs_on_the_files_of_a_corpus_that_has_files(tmp_path: Path) -> None:
    folder = tmp_path / "rocstories"
    folder.mkdir()
    (folder / "roc_valid.json").write_text("[]")
    one = stamp("rocstories", tmp_path)
    assert one != stamp("anlg", tmp_path) and one != stamp("rocstories")
    (folder / "roc_valid.json").write_text("[1]")
    assert stamp("rocstories", tmp_path) != one
