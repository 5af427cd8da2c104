"""A corpus as an artefact: one text a line as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tasks.common.files import write_text
from tasks.texts import Corpus, Text, Words
from tasks.vocabulary import Vocabulary

#: texts of the validation split that training curves are drawn on
VALID = 512
VOCABULARY = "vocabulary.json"


def write_texts(path: Path, texts: Iterable[Text]) -> None:
    """One text a line as JSON."""
    records = ({k: v for k, v in dataclasses.asdict(text).items() if v} for text in texts)
    write_text(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records))


def _sentences(record: dict[str, Any]) -> str | None:
    parts = record.get("sentences")
    if parts and sum(parts) != len(record["words"]):
        return f"'sentences': {sum(parts)} words of {len(record['words'])}"
    return None


def read_texts(path: Path) -> tuple[Text, ...]:
    from tasks.common.schema import read_lines
    from tasks.corpora.schema import TextLine

    return tuple(
        Text(
            words=tuple(record["words"]),
            tree=record.get("tree"),
            tags=tuple(record["tags"]) if "tags" in record else None,
            fields=tuple((a, b) for a, b in record.get("fields", ())),
            sentences=tuple(record.get("sentences", ())),
            verbatim=record.get("verbatim", False),
        )
        for record in read_lines(path, TextLine, _sentences)
    )


def read_corpus(folder: Path) -> Corpus:
    """A corpus from its artefact, or with an oracle's trees from that of its parses."""
    train, valid = (read_texts(folder / f"{split}.jsonl") for split in ("train", "valid"))
    return Corpus((folder / "name").read_text(encoding="utf-8"), train, valid)


def held_out(corpus: Corpus) -> tuple[Text, ...]:
    """The validation texts that training curves are drawn on: ``VALID`` drawn at random, in random
    order, always the same. Files may be ordered (E2E's by meaning), and so would their first rows
    be; what is trained does not depend on them."""
    import numpy as np

    rows = np.random.default_rng(0).permutation(len(corpus.valid))[:VALID]
    return tuple(corpus.valid[row] for row in rows)


def write_corpus(folder: Path, corpus: Corpus) -> None:
    write_texts(folder / "train.jsonl", corpus.train)
    write_texts(folder / "valid.jsonl", corpus.valid)
    write_text(folder / "name", corpus.name)


def read_vocabulary(folder: Path) -> Vocabulary:
    """The vocabulary of an artefact."""
    return Vocabulary.load(folder / VOCABULARY)


def words_of(texts: Iterable[Text]) -> list[Words]:
    return [text.words for text in texts]
