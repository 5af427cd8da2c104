"""A corpus of one's own: how it is read, split, fitted and exported."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from own_corpus import DISHES, TOY, rows, write

from eval import export
from eval.run import listing
from eval.running.command import parse
from eval.running.fitting import notes
from eval.running.inputs import corpus_digest
from eval.running.plan import Plan
from tasks import load_task, suited
from tasks.base import Text
from tasks.controls import FieldValue
from tasks.corpora import (
    CORPORA,
    is_own,
    joiner,
    label,
    load_corpus,
    stamp,
    tokenizer,
    traits,
)
from tasks.corpora.stored import read_corpus, write_corpus
from tasks.semantic_content import fields_of


@pytest.fixture
def moods(tmp_path: Path) -> str:
    return str(write(tmp_path / "moods.jsonl", rows()))


def test_texts_and_their_split(moods: str, tmp_path: Path) -> None:
    corpus = load_corpus(moods)
    assert len(corpus.train) + len(corpus.valid) == 200 and corpus.name == "own corpus moods"
    first = next(rows())
    assert corpus.train[0].words == (*first["text"].removesuffix(".").split(), ".")
    assert dict(corpus.train[0].fields) == first["fields"] and corpus.train[0].verbatim
    # equal texts are on one side, wherever the file lies and whatever else it holds
    held = {text.words for text in corpus.valid}
    assert not held & {text.words for text in corpus.train}
    others = ({"text": f"Nobody ate {i}."} for i in range(9))
    more = write(tmp_path / "more.jsonl", [*rows(), *others])
    assert held <= {text.words for text in load_corpus(str(more)).valid}
    given = [row | {"split": "valid" if i < 50 else "train"} for i, row in enumerate(rows())]
    assert len(load_corpus(str(write(tmp_path / "split.jsonl", given))).valid) == 50


def test_its_traits(moods: str, tmp_path: Path) -> None:
    plain = traits(moods)
    assert plain.fields and not plain.sentences and not plain.gold and not plain.lists
    both = str(write(tmp_path / "both.jsonl", rows(60, "tags", "tree")))
    assert traits(both).gold == {"tags", "tree"}
    bare = str(write(tmp_path / "bare.jsonl", ({"text": row["text"]} for row in rows())))
    assert not traits(bare).fields and not any("semantic" in task for task in suited(bare))
    told = [{"sentences": [f"Tom{i} ran.", "He fell.", "He got up."]} for i in range(60)]
    stories = str(write(tmp_path / "stories.jsonl", told))
    assert traits(stories).sentences and suited(stories) == ("infilling",)
    assert [len(part) for part in load_corpus(stories).train[0].split()] == [3, 3, 4]


def test_a_table(moods: str, tmp_path: Path) -> None:
    for suffix, delimiter in ((".csv", ","), (".tsv", "\t")):
        path = tmp_path / f"moods{suffix}"
        with open(path, "w", newline="") as file:
            table = csv.writer(file, delimiter=delimiter)
            table.writerow(["text", "dish", "mood", "who", "tags"])
            for i, row in enumerate(rows(200, "tags")):
                facts = list(row["fields"].values())
                facts[1] = "" if i == 0 else facts[1]
                table.writerow([row["text"], *facts, " ".join(row["tags"])])
        corpus = load_corpus(str(path))
        assert [t.words for t in corpus.train] == [t.words for t in load_corpus(moods).train]
        assert [name for name, _ in corpus.train[0].fields] == ["dish", "who"]
        assert traits(str(path)).gold == {"tags"}


def test_words_are_taken_as_they_stand(tmp_path: Path) -> None:
    lines = [{"words": ["Joe's", f"x-{i}"], "fields": {"name": "Joe's"}} for i in range(90)]
    name = str(write(tmp_path / "w.jsonl", lines))
    corpus = load_corpus(name)
    assert corpus.train[0].words[0] == "Joe's" and tokenizer(name)("Joe's x-1") == ("Joe's", "x-1")
    task = load_task("semantic_content")
    (target,) = task.targets(corpus, 5, "auto", 0)
    assert target.control == FieldValue("name", "Joe's")
    assert task.score(target, _annotated(corpus.valid[0]))["value_words"] == 1.0
    assert fields_of(corpus.train) == ("name",)


def _annotated(text: Text):  # type: ignore[no-untyped-def]
    from tasks.base import Annotation

    return Annotation(text.words)


def test_a_changed_file_is_another_corpus(moods: str, tmp_path: Path) -> None:
    before, digest = stamp(moods), corpus_digest(moods, None, tmp_path / "store")
    plan = [parse([f"corpus={moods}", "task=length", f"store={tmp_path}/store"])]
    keys = [Plan(plan[0]).role("corpus").key]
    write(Path(moods), [*rows(), {"text": "Ada slept."}])
    assert stamp(moods) != before and corpus_digest(moods, None, tmp_path / "store") != digest
    assert Plan(plan[0]).role("corpus").key not in keys
    # where it lies does not matter
    (tmp_path / "sub").mkdir()
    moved = write(tmp_path / "sub" / "moods.jsonl", [*rows(), {"text": "Ada slept."}])
    config = parse([f"corpus={moved}", "task=length", f"store={tmp_path}/store"])
    assert Plan(config).role("corpus").key == Plan(plan[0]).role("corpus").key


def test_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("e2e.jsonl"), rows())
    assert label("e2e.jsonl") == "own-e2e" and not traits("e2e.jsonl").closing
    assert str(parse(["corpus=e2e.jsonl", "task=length"]).folder) == "results/run-demo-own-e2e"
    assert label("owner/name:config") == "owner-name-config" and is_own("owner/name@v1")
    assert not any(map(is_own, [*CORPORA, "gramar", "a" * 5000, "x\0/y", "", "./nowhere"]))
    assert "path/to/file.jsonl" in listing()


def test_a_text_and_its_words(moods: str) -> None:
    for name in (moods, "grammar"):
        split, join = tokenizer(name), joiner(name)
        corpus = load_corpus(name) if name == moods else load_corpus(name, size_train=50)
        assert all(split(join(text.words)) == text.words for text in corpus.train)
    assert (
        joiner(moods)(
            ("Mia", "was", "sad", "."),
        )
        == "Mia was sad."
    )


def test_it_is_stored_as_it_is(moods: str, tmp_path: Path) -> None:
    corpus = load_corpus(moods)
    write_corpus(tmp_path, corpus)
    assert read_corpus(tmp_path) == corpus and read_corpus(tmp_path).digest == corpus.digest


def test_presets_are_fitted_to_it(moods: str, tmp_path: Path) -> None:
    config = parse([f"corpus={moods}", "task=semantic_content", "preset=small"])
    assert config.vocabulary.above == 0 and config.targets == len(load_corpus(moods).valid)
    train = config.diffusion.train
    assert train.steps < 12_000 and 1 / (1 - train.ema) <= train.steps / 10 + 1
    assert config.teacher.train.steps == 300 and config.diffusion.length == 48
    (line,) = notes(config)
    assert "vocabulary.above=0" in line and "18 of 18 words known" in line
    # what a command line says comes first
    assert parse([f"corpus={moods}", "task=length", "targets=3"]).targets == 3
    assert list(notes(parse(["task=length"]))) == []
    texts = [f"{i} {'very ' * (i % 50)}good." for i in range(300)]
    more = [{"text": text, "fields": {"x": "y"}} for text in texts]
    long = parse([f"corpus={write(tmp_path / 'long.jsonl', more)}", "task=semantic_content"])
    assert (long.diffusion.length, long.diffusion.positions, long.longest) == (64, 64, 62)
    cut = parse([f"corpus={tmp_path / 'long.jsonl'}", "task=length", "diffusion.length=32"])
    (said,) = [note for note in notes(cut) if "are cut" in note]
    assert "have more than 30 words (up to 52)" in said and "diffusion.length=64" in said
    rare = [{"text": f"It is {i}.", "fields": {"class": "prose"}} for i in range(60)]
    hidden = parse([f"corpus={write(tmp_path / 'rare.jsonl', rare)}", "task=semantic_content"])
    assert any("hardly state the values of class" in note for note in notes(hidden))


def test_texts_and_vocabulary_go_out_and_come_back(
    moods: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [f"corpus={moods}", f"store={tmp_path}/store", "prebuilt="]
    export.main([*common, f"file={tmp_path}/out.jsonl"])
    corpus, again = load_corpus(moods), load_corpus(str(tmp_path / "out.jsonl"))
    assert (again.train, again.valid) == (corpus.train, corpus.valid)
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert first["text"] == next(rows())["text"] and first["split"] == "train"
    capsys.readouterr()
    export.main([*common, "what=vocabulary", "vocabulary.above=20"])
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [token for token, _ in lines[:4]] == ["START", "END", "UNK", "PAD"]
    counts = {token: int(count) for token, count in lines}
    assert counts["."] == len(corpus.train) and set(DISHES) <= set(counts)
    assert sum(counts.values()) == sum(len(text.words) for text in corpus.train)


def test_a_folder_that_datasets_loads(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", rows(60))
    corpus = load_corpus(str(tmp_path))
    assert len(corpus.train) + len(corpus.valid) == 60 and corpus.train[0].fields
    assert len(stamp(str(tmp_path))) == 64 and label(str(tmp_path)) == tmp_path.name


def test_toy_settings_are_those_of_the_command_line() -> None:
    assert parse(["task=length", *TOY]).diffusion.train.steps == 6
