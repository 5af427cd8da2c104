"""Plain text before the corpus: what is read of a file of prose, and what starts from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from test_infilling_pretrained import NETWORK
from test_infilling_run import TOY, stories, write_data
from torch import nn

from eval.run import main
from eval.running.command import parse
from eval.running.hub import LEFT_OUT
from eval.running.plan import Plan
from models.nets.artefact import WEIGHTS, save_module
from models.nets.pretraining import START_FROM, begin, sayable
from tasks.common.errors import UserError
from tasks.corpora import load_corpus, traits
from tasks.corpora.own.rows import passages
from tasks.texts import Text
from tasks.vocabulary import SPECIALS, Vocabulary

#: method -> the role of its network, one for each way of training that starts from plain text
STARTING = {
    "diffusion_lm": "diffusion",
    "mdlm": "masked",
    "diffuser": "edit_model",
    "ar_infilling": "reordered_lm",
}


def prose(folder: Path, text: str) -> Path:
    path = folder / "prose.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("One. Two!\nThree?\n\n Four \n five.\n", [["One.", "Two!", "Three?"], ["Four five."]]),
        ("\n\nOne.\nTwo. Three.\n\n", [["One."], ["Two.", "Three."]]),
        ("A. B. C. D. E. F. G.", [["A. B. C. D. E. F. G."]]),
        ("* * *\n\nNo end\n\nTHE END", [["No end"]]),
        ("", []),
    ],
)
def test_prose_is_read_in_sentences(tmp_path: Path, text: str, rows: list[list[str]]) -> None:
    read = [record["sentences"] for _, record in passages(prose(tmp_path, text))]
    assert read == rows


def test_a_passage_is_named_by_its_line_and_has_five_sentences_at_most(tmp_path: Path) -> None:
    text = "\n\nOnce.\n\n" + "\n".join(f"He saw {i} birds." for i in range(7))
    named = list(passages(prose(tmp_path, text)))
    assert [place for place, _ in named] == [f"prose.txt line {at}" for at in (3, 5, 5)]
    assert [len(record["sentences"]) for _, record in named] == [1, 5, 2]


def test_a_file_of_prose_is_a_corpus(tmp_path: Path) -> None:
    text = "\n\n".join(
        f"{name} left. It was {i}. All slept." for i, name in enumerate("ABCDE" * 12)
    )
    path = str(prose(tmp_path, text))
    corpus = load_corpus(path)
    assert len(corpus.train) + len(corpus.valid) == 60 and len(corpus.valid) >= 2
    assert corpus.train[0].sentences == (3, 4, 3) and traits(path).sentences


def test_texts_that_the_vocabulary_lacks_words_of_are_left_out() -> None:
    words = Vocabulary([*SPECIALS, "a", "b"])
    texts = [Text(("a",) * known + ("x",) * (4 - known)) for known in range(5)]
    assert [len(sayable(texts, words, most)) for most in (0.0, 0.25, 0.3, 1.0)] == [1, 2, 2, 5]


class Counting(nn.Linear):
    def __init__(self) -> None:
        super().__init__(3, 2)
        self.register_buffer("counts", torch.zeros(2))


def test_a_network_starts_from_weights_and_keeps_its_counts(tmp_path: Path) -> None:
    other, own, untouched = Counting(), Counting(), Counting()
    other.counts += 1
    other.weight.data = other.weight.data.bfloat16().float()
    save_module(tmp_path / WEIGHTS, other, {"vocabulary": "x"})
    begin(own, tmp_path, vocabulary="x")
    assert torch.equal(own.weight, other.weight) and torch.equal(own.bias, other.bias)
    assert own.counts.tolist() == [0, 0]
    before = untouched.weight.clone()
    begin(untouched, None)
    assert torch.equal(untouched.weight, before)
    with pytest.raises(UserError, match="was made for vocabulary='x', not 'y'"):
        begin(own, tmp_path, vocabulary="y")


def test_every_network_of_texts_starts_from_the_plain_text(tmp_path: Path) -> None:
    """From the first step on it knows more than one that starts from nothing; the judges' keys
    stay, and nothing asks for plain text where none is named."""
    write_data(tmp_path / "data")
    plain, fast = prose(tmp_path, "\n\n".join(stories())), NETWORK.replace("1e-6", "1e-2")
    given = [
        *(key for key in TOY if not key.startswith("method=")), f"method={','.join(STARTING)}",
        f"data={tmp_path / 'data'}", f"store={tmp_path / 'store'}",
        *(key for role in ("masked", "edit_model") for key in fast.format(role).split()),
        *(f"{section}.train.every=1" for section in ("diffusion", "lm")),
        "edit_model.decoder_layers=1", "mdlm.steps=3", "diffuser.steps=2",
        "diffusion.train.lr=1e-2", "diffusion.train.ema=0",
    ]  # fmt: skip
    also = [f"pretrain.corpus={plain}", "pretrain.steps=60"]
    first: list[dict[str, float]] = []
    named = {role: (method, role) for method, role in STARTING.items()}
    for name, more in (("without", []), ("with", also)):
        out = tmp_path / name
        assert main([*given, *more, f"out={out}"]) == 0
        first.append({role: first_loss(out, *row, tmp_path) for role, row in named.items()})
    for role, loss in first[0].items():
        assert first[1][role] < 0.95 * loss, role
    plans = [Plan(parse([*given, *more])) for more in ([], also)]
    for role in STARTING.values():
        kinds = [set(plan.role(role).deps) for plan in plans]
        assert kinds[1] - kinds[0] == {START_FROM}
        start = plans[1].role(role).deps[START_FROM]
        assert START_FROM not in start.deps
        # texts, which are not published
        assert start.deps["corpus"].spec.kind in LEFT_OUT
        assert start.deps["vocabulary"].key == plans[0].role("vocabulary").key
    assert plans[0].role("teacher").key == plans[1].role("teacher").key


def first_loss(out: Path, method: str, role: str, place: Path) -> float:
    config = json.loads((out / "infilling" / method / "config.json").read_text())
    key = config["identity"]["artefacts"][role]
    curve = (place / "store" / key / "curve.jsonl").read_text().splitlines()
    point: dict[str, Any] = json.loads(curve[0])
    return float(point["train_loss"])


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("pretrain.corpus=nowhere.txt", "there is no corpus file nowhere.txt"),
        ("pretrain.corpus=storeis", "unknown corpus 'storeis': did you mean 'stories'"),
        ("pretrain.corpus=grammar", "pretrain.corpus=grammar has no sentences, as corpus=stories"),
        ("pretrain.unknown=2", "pretrain.unknown=2: from 0 to 1"),
        ("pretrain.steps=-1", "pretrain.steps=-1: at least 0"),
    ],
)
def test_mistakes_are_named(
    key: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["task=infilling", "method=mdlm", "corpus=stories", f"out={tmp_path / 'out'}"]
    assert main([*given, f"store={tmp_path / 'store'}", key]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
