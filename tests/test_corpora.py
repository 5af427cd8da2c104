"""The E2E loader, on files written here and on the real data where it is at hand."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.base import Corpus
from tasks.common.errors import UserError
from tasks.corpora import CORPORA, load_corpus
from tasks.corpora.e2e import parse_meaning
from tasks.corpora.embedded import world
from tasks.vocabulary import Vocabulary

HERE = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("DIFFUSION_BENCH_DATA", HERE.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "e2e" / "trainset.csv").is_file(),
    reason=f"no E2E data in {DATA} (set DIFFUSION_BENCH_DATA)",
)
GOOD = 'mr,ref\n"name[The Old Oar], near[Pond Hall]","Isn\'t The Old Oar dear? It\'s £20-£25."\n'
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def e2e() -> Corpus:
    return load_corpus("e2e", DATA)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(train: str | bytes = GOOD, valid: str | bytes = GOOD, folder: str = "e2e") -> Path:
        (tmp_path / folder).mkdir(exist_ok=True)
        for name, content in (("trainset.csv", train), ("devset.csv", valid)):
            raw = content.encode() if isinstance(content, str) else content
            (tmp_path / folder / name).write_bytes(raw)
        return tmp_path

    return write


def test_untokenised_text_is_tokenised_and_ends_in_a_newline(write: Write) -> None:
    text = load_corpus("e2e", write()).train[0]
    expected = ["Is", "n't", "The", "Old", "Oar", "dear", "?", "It", "'s", "£", "20-£25", "."]
    assert text.words == (*expected, "\n")
    assert text.fields == (("name", "The Old Oar"), ("near", "Pond Hall"))


def test_tokenised_text_gives_the_same_words(write: Write) -> None:
    split = "mr,ref\nname[A],Is n't  The Old Oar dear ? It 's £ 20-£25 . \r\n"
    corpus = load_corpus("e2e", write(split, GOOD, folder="."))
    assert corpus.train[0].words == corpus.valid[0].words


BAD = [
    ("name[A,Fine food .", "row 3: the meaning"),
    ("Fine food .,name[A]", "row 3: the meaning"),
    ("name[A],", "row 3: the text is empty"),
    ('name[A],"  "', "row 3: the text is empty"),
    ("name[A]", "row 3: 1 columns"),
    ("name[A],good , cheap .", "row 3: 3 columns"),
    ('name[A],"Fine food .', "row 3: bad quoting"),
    ('name[A],"Fine" food .', "row 3: bad quoting"),
    ('name[A],"Fine\nfood ."', "row 3: ref runs over"),
]


@pytest.mark.parametrize(("row", "message"), BAD)
def test_a_malformed_row_is_named(write: Write, row: str, message: str) -> None:
    data = write(GOOD + row + "\n" + GOOD.split("\n")[1] + "\n")
    with pytest.raises(UserError, match=f"^trainset.csv {message}"):
        load_corpus("e2e", data)


def test_wrong_encoding_header_and_emptiness_are_named(write: Write) -> None:
    latin = GOOD.encode() + "name[A],Café food .\n".encode("latin-1")
    for content, message in (
        (latin, "devset.csv row 3: not UTF-8"),
        ("name[A],Fine food .\n", "devset.csv row 1: the header must read mr,ref"),
        ("", "is empty: no header"),
        ("mr,ref\n", "has a header and no rows"),
    ):
        with pytest.raises(UserError, match=message):
            load_corpus("e2e", write(valid=content))


def test_missing_files_and_folders_are_named(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data folder .*nowhere does not exist"):
        load_corpus("e2e", tmp_path / "nowhere")
    (write() / "e2e" / "devset.csv").unlink()
    with pytest.raises(UserError, match=r"e2e has no devset\.csv"):
        load_corpus("e2e", tmp_path)


def test_unknown_corpus_and_option() -> None:
    assert set(CORPORA) >= {"grammar", "e2e"}
    with pytest.raises(UserError, match="unknown corpus 'gramar': did you mean 'grammar'"):
        load_corpus("gramar")
    with pytest.raises(UserError, match="did you mean 'size_train'"):
        load_corpus("grammar", size_tran=3)


@pytest.mark.parametrize("mr", ["", "name", "name[A]]", "name[A] food[B]", "name[A],", "[A]"])
def test_malformed_meanings(mr: str) -> None:
    with pytest.raises(UserError, match="the meaning"):
        parse_meaning(mr)


def test_without_data_the_public_source_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def load_dataset(name: str, revision: str) -> dict[str, dict[str, list[str]]]:
        row = {"meaning_representation": ["name[A]"], "human_reference": ["Dear food."]}
        return {"train": row, "validation": row}

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert load_corpus("e2e").valid[0].words == ("Dear", "food", ".", "\n")

    def unreachable(name: str, revision: str) -> None:
        raise ConnectionError("Couldn't reach it\nsecond line")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(UserError, match=r"Couldn't reach it.*pass data=DIR") as error:
        load_corpus("e2e")
    assert "\n" not in str(error.value)


@needs_data
def test_the_real_corpus_agrees_with_the_reference_notes(e2e: Corpus) -> None:
    assert (len(e2e.train), len(e2e.valid)) == (42_061, 4_672)
    vocabulary = Vocabulary.build(text.words for text in e2e.train)
    assert len(vocabulary) == 821
    assert "\n" in vocabulary.ids
    lengths = [len(text.words) for text in e2e.valid]
    assert round(statistics.mean(lengths), 1) == 25.9
    assert (statistics.median(lengths), max(lengths)) == (26, 82)
    assert round(sum(8 <= n <= 38 for n in lengths) / len(lengths), 3) == 0.943
    assert round(sum(n > 62 for n in lengths) / len(lengths), 4) == 0.0009
    assert all(text.words[-1] == "\n" and "\n" not in text.words[:-1] for text in e2e.train)


@needs_data
def test_the_grammar_shares_no_name_and_no_sentence_with_the_real_corpus(e2e: Corpus) -> None:
    names = {value for text in (*e2e.train, *e2e.valid) for _, value in text.fields}
    assert not names & set(world("grammar_world")["names"])
    real = {" ".join(text.words[:-1]) for text in (*e2e.train, *e2e.valid)}
    grammar = load_corpus("grammar", size_train=2_000, size_valid=10)
    assert not real & {" ".join(text.words) for text in grammar.train}
