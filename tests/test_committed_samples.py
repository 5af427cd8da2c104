"""Committed samples come out of the shipped networks again, byte for byte.

A dozen seconds' worth by default; ``GOLDEN=all`` decodes every cell of every set (see
``tests/decoding.py``, which is also a command).
"""

from __future__ import annotations

import os

import pytest
from decoding import (
    UNCOMMITTED,
    Decoder,
    Piece,
    committed_sets,
    comparable,
    entry,
    expected,
    reference,
)

SAMPLES = sorted(reference()["samples"])
#: guided by gradients through networks: seconds a sample
SLOW = ("diffusion_lm", "pplm")
#: those of them that are decoded all the same
SHOWN = (
    "demo/length/diffusion_lm",
    "demo/syntax_tree/diffusion_lm",
    "demo-paper/semantic_content/diffusion_lm",
)


def quick(name: str) -> bool:
    piece = Piece.of(name)
    if piece.set == "demo":
        return name in SHOWN or (piece.method not in SLOW and piece.task is not None)
    return name in SHOWN or (piece.set.startswith("toy-") and piece.task is not None)


EVERYTHING = os.environ.get("GOLDEN") == "all"
CELLS = [name for name in SAMPLES if EVERYTHING or quick(name)]


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    return Decoder(tmp_path_factory.mktemp("decoded"))


@pytest.mark.parametrize("name", CELLS)
def test_decoded_again(name: str, decoder: Decoder) -> None:
    piece = Piece.of(name)
    if reason := comparable(piece):
        pytest.skip(reason)
    records = decoder.decode(piece)
    run = decoder.run(piece.set)
    assert entry(piece, run, records) == expected(piece, run)


def test_every_shipped_cell_is_in_the_reference(decoder: Decoder) -> None:
    """Sets without a data folder stand for the others, whose corpora are not everywhere."""
    found = [piece.name for name in ("demo", *UNCOMMITTED) for piece in decoder.pieces(name)]
    assert [name for name in found if name not in SAMPLES] == []
    of_sets = {Piece.of(name).set for name in SAMPLES}
    assert of_sets <= {*committed_sets(), *UNCOMMITTED}
    assert {"demo", "small-e2e", "small-e2e-validation"} <= of_sets


def test_the_reference_quotes_no_real_corpus() -> None:
    for name, found in reference()["samples"].items():
        told = any("words" in sample for sample in found["samples"])
        assert told != name.startswith("small-e2e"), name


@pytest.mark.parametrize("task", ["length", "parts_of_speech", "semantic_content+syntax_tree"])
def test_targets_are_drawn_again(task: str, decoder: Decoder) -> None:
    assert decoder.draw("demo", task)
