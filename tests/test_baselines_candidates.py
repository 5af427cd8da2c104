"""Candidates of an infilling: how they are cut, which are dropped, how they rank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fetching import CODEC, CPU, FOLLOWS
from transformers import BertConfig, BertForNextSentencePrediction, BertTokenizer

from baselines.candidates import (
    LMRanking,
    NextSentenceRanking,
    best,
    first_sentence,
    repeats,
    until_period,
)
from models.nets.backbones.gpt2 import GPT2
from tasks.base import Words
from tasks.common.errors import UserError
from tasks.controls import Infill


def test_how_candidates_are_cut() -> None:
    def cut(text: str) -> str:
        return " ".join(until_period(tuple(text.split())))

    assert cut("she sat . he ran . they met .") == "she sat . he ran ."
    assert cut("she looked . he ran .") == "she looked ."  # the period is character 11
    assert cut("she stood . he ran .") == "she stood ."  # and here character 10, just behind ten
    assert cut("she woke . he ran .") == "she woke . he ran ."  # and here one too early
    assert cut("no period at all !") == "no period at all !"
    assert first_sentence(("why", "?", "so", ".")) == ("why", "?")
    assert first_sentence(("no", "end")) == ("no", "end") and until_period(()) == ()


def test_repetition() -> None:
    assert repeats(("he", "ran") * 4) and not repeats(("he", "ran") * 3)
    assert repeats(("ha",) * 8)  # "ha ha " four times
    assert not repeats(("ha",) * 7) and not repeats(("a", "b", "c")) and not repeats(())


class ByLength:
    """Longer is better."""

    def scores(self, control: Infill, middles: Sequence[Words]) -> list[float]:
        return [float(len(words)) for words in middles]


def test_the_best_candidate_does_not_depend_on_the_order() -> None:
    control = Infill(("a",), ("b",))
    a, b, empty, echo = ("x", "y"), ("x", "z"), (), ("he", "ran") * 4
    pool: list[Words] = [empty, a, echo, b, a]
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 3, 1, 4]):
        candidates = [pool[i] for i in order]
        assert candidates[best(ByLength(), control, candidates)] == b
    assert best(ByLength(), control, [empty, empty]) == 0
    assert best(ByLength(), control, [empty, echo]) == 1  # nothing else is left
    assert best(ByLength(), control, [empty, a, a]) == 1


def test_ranking_by_the_language_model() -> None:
    """Against one text at a time, by the definition."""
    torch.manual_seed(0)
    model = GPT2.fresh(len(CODEC), 24, 2, 16, 2, 0.0).eval()
    for parameter in model.parameters():
        parameter.data.mul_(2)
    control = Infill(("ann", "sat", "down", "."), ("doors", "stand", "open", "."))
    middles: list[Words] = [("she", "fetched", "a", thing, ".") for thing in FOLLOWS]
    middles.append(("key", "."))
    scores = LMRanking(model, CODEC).scores(control, middles)
    for words, score in zip(middles, scores, strict=True):
        ids = [CODEC.bos, *CODEC.encode([*control.left, *words, *control.right])]
        log_probs = model.network(torch.tensor([ids])).logits[0].log_softmax(-1)
        each = [float(log_probs[i - 1, ids[i]]) for i in range(1, len(ids))]
        middle, right = each[4 : 4 + len(words)], each[4 + len(words) :]
        assert score == pytest.approx(float(np.mean(middle) + np.mean(right)), abs=1e-4)
    assert max(scores) - min(scores) > 0.1


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CODEC.vocabulary.words[4:]]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        initializer_range=0.5,
    )
    BertForNextSentencePrediction(config).save_pretrained(folder)
    return folder


def test_ranking_by_next_sentences(bert: Path) -> None:
    """Against one pair at a time, token by token."""
    ranking = NextSentenceRanking.load(str(bert), CPU)
    control = Infill(("ann", "sat", "down", "."), ("doors", "stand", "open", "."))
    middles = [("she", "fetched", "a", "key", "."), ("he", "!")]
    for words, score in zip(middles, ranking.scores(control, middles), strict=True):
        total = 0.0
        for one, two in (
            (control.left, (*words, *control.right)),
            ((*control.left, *words), control.right),
        ):
            tokens = ["[CLS]", *one, "[SEP]", *two, "[SEP]"]
            ids = torch.tensor([ranking.tokenizer.convert_tokens_to_ids(tokens)])
            kinds = torch.tensor([[0] * (len(one) + 2) + [1] * (len(two) + 1)])
            total += float(ranking.model(input_ids=ids, token_type_ids=kinds).logits[0, 0])
        assert score == pytest.approx(total, abs=1e-4)


def test_a_ranking_model_without_its_head(bert: Path, tmp_path: Path) -> None:
    """One line that says what it lacks."""
    loaded: Any = BertForNextSentencePrediction.from_pretrained(bert)
    loaded.bert.save_pretrained(tmp_path)
    BertTokenizer(str(bert / "vocab.txt")).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"is not available \(it lacks cls.* choose ranking=lm"):
        NextSentenceRanking.load(str(tmp_path), CPU)
