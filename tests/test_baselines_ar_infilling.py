"""AR-infilling on toy stories whose middles follow from both contexts, trained for real."""

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from carded import needs, refuses

from baselines.ar_infilling.method import ARInfilling
from baselines.ar_infilling.settings import ARInfillingSettings
from models.base import TargetSamples
from models.nets.backbones.gpt2 import GPT2
from models.nets.causal import load_lm, train_lm
from models.nets.codec import TokenizerCodec, WordCodec
from models.nets.config import LMConfig, TrainConfig
from models.nets.decoding import CachedNetwork
from tasks import COMPOSITIONS, TASKS, load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import Infill, Length
from tasks.metrics import mbr
from tasks.vocabulary import END, SPECIALS, START, UNK, Vocabulary

CPU = torch.device("cpu")
TASK = load_task("infilling")
VOCABULARY = Vocabulary(
    [*SPECIALS, *["the", "a", "cat", "dog", "woke", "slept", "barked", "then", "it"]]
)
CODEC = WordCodec(VOCABULARY)
POSITIONS = 16
#: (left, right, middle): the middle says the noun of the left context, the verb of the right one
#: and an "it" every other time; after "woke" there is none
STORIES = [
    (("the", noun, "woke"), ("then", noun, verb), (noun, verb, *more))
    for noun in ("cat", "dog")
    for verb in ("slept", "barked")
    for more in ((), ("it",))
] + [(("a", "cat"), ("it", "woke"), ())]
#: its middle is a word that the vocabulary lacks
STRANGE = (("a", "dog"), ("it", "slept"), ("zebra", "it"))
TARGETS = [Target(f"t{i}", Infill(left, right)) for i, (left, right, _) in enumerate(STORIES[::2])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The language model: the words of a training sequence are left, right, middle."""
    path = tmp_path_factory.mktemp("reordered_lm")
    texts = [((), (*left, *right, *middle)) for left, right, middle in [*STORIES, STRANGE]]
    train = TrainConfig(steps=200, batch=18, lr=1e-2, every=200, bf16=False)
    config = LMConfig(1, 32, 2, 0.0, POSITIONS, train=train)
    train_lm(path, texts * 2, texts, CODEC, config, 1, device=CPU)
    return path


def infilling(folder: Path, **changes: Any) -> ARInfilling:
    settings = ARInfillingSettings(**changes)
    return ARInfilling.load({"reordered_lm": folder}, TASK, settings, CPU)


def tokens(results: list[TargetSamples]) -> dict[tuple[str, int], tuple[str, ...]]:
    return {(r.target_id, s.index): s.tokens for r in results for s in r.samples}


def test_middles_follow_from_both_contexts(folder: Path) -> None:
    """In content, in the share of the word that every other middle has, and in emptiness."""
    results = list(infilling(folder).generate(TARGETS, 60, seed=0))
    assert [r.target_id for r in results] == [t.id for t in TARGETS]
    for result, (_, _, middle) in zip(results[:4], STORIES[::2]):
        counts = Counter(s.words for s in result.samples)
        assert counts[middle] + counts[(*middle, "it")] > 50
        assert 15 < counts[middle] < 45
    assert sum(s.words == () for s in results[4].samples) > 50
    assert all(s.nfe == len(s.tokens) for r in results for s in r.samples)
    assert {s.tokens for s in results[4].samples if not s.words} == {("END",)}


def test_the_model_reads_left_right_middle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """START, the left context, the right one, and what it wrote itself, with nothing between."""
    fed: list[list[int]] = []
    inner = CachedNetwork.feed

    def spy(self: CachedNetwork, ids: torch.Tensor) -> torch.Tensor:
        fed.append(ids[0].tolist())
        return inner(self, ids)

    monkeypatch.setattr(CachedNetwork, "feed", spy)
    (result,) = infilling(folder).generate(TARGETS[:1], 1, seed=0)
    written = VOCABULARY.encode(result.samples[0].tokens)
    assert fed[0] == [START, *VOCABULARY.encode(["the", "cat", "woke", "then", "cat", "slept"])]
    assert [i for ids in fed[1:] for i in ids] == written[:-1] and written[-1] == END


def test_the_likeliest_middle_is_the_plain_argmax(folder: Path) -> None:
    """top_k=1 against the model called anew on the whole sequence for every token."""
    model, _, _ = load_lm(folder, CPU)
    for result, target in zip(infilling(folder, top_k=1).generate(TARGETS, 2, 0), TARGETS):
        assert isinstance(target.control, Infill)
        ids = [START, *VOCABULARY.encode(target.control.left + target.control.right)]
        head = len(ids)
        while ids[-1] != END and len(ids) < POSITIONS:
            logits = model.network(input_ids=torch.tensor([ids])).logits[0, -1]
            logits[[START, UNK, 3]] = -torch.inf
            ids.append(int(logits.argmax()))
        assert {s.tokens for s in result.samples} == {VOCABULARY.decode(ids[head:])}


def test_samples_ignore_batch_order_and_cuts(folder: Path) -> None:
    made = infilling(folder, temperature=2.0)
    targets = [*TARGETS, Target("long", Infill(("the", "dog", "woke"), ("then", "it", "slept")))]
    whole = tokens(list(made.generate(targets, 5, seed=3)))
    assert len(set(whole.values())) > 10
    assert tokens(list(made.generate(targets, 5, seed=3, batch=1))) == whole
    assert tokens(list(made.generate(targets[::-1], 5, seed=3, batch=8))) == whole
    cut = tokens(list(made.generate(targets[2:], 5, seed=3, batch=7)))
    assert cut == {key: value for key, value in whole.items() if key[0] not in ("t0", "t1")}
    assert tokens(list(made.generate(targets, 5, seed=4))) != whole


def test_only_the_contexts_are_read(folder: Path) -> None:
    made = infilling(folder)
    told = [dataclasses.replace(t, source=("it",), references=(("dog",), ("it",))) for t in TARGETS]
    bare = tokens(list(made.generate(TARGETS, 4, seed=0)))
    assert tokens(list(made.generate(told, 4, seed=0))) == bare


def test_the_answer_is_the_sample_of_least_risk(folder: Path) -> None:
    for result in infilling(folder, temperature=1.5).generate(TARGETS, 12, seed=0):
        texts = [s.words for s in result.samples]
        assert result.chosen == mbr.choose(texts)
        if any(texts):
            assert texts[result.chosen]  # an empty sample never answers
    assert list(infilling(folder).generate(TARGETS, 0, seed=0)) == []


class Told:
    """Stands in for a masked language model: writes the sides it was given."""

    def repair(self, left: Any, middle: Any, right: Any) -> tuple[str, ...]:
        return tuple(f"{left[-1]}-{right[0]}" if word == "UNK" else word for word in middle)


def test_unk_is_avoided_kept_or_repaired(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target("strange", Infill(*STRANGE[:2]))

    def words(made: ARInfilling) -> Counter[str]:
        (result,) = made.generate([target], 30, seed=0)
        return Counter(word for s in result.samples for word in s.words)

    assert words(infilling(folder, unk="keep"))["UNK"] > 25
    assert words(infilling(folder))["UNK"] == 0
    monkeypatch.setattr("models.nets.unk.MaskedRepair.load", lambda name, device: Told())
    repaired = infilling(folder, unk="repair", repair_model="some/folder")
    found = words(repaired)
    assert found["UNK"] == 0 and found["dog-it"] > 25
    (result,) = repaired.generate([target], 3, seed=0)
    assert all("UNK" in s.tokens for s in result.samples if "dog-it" in s.words)
    assert result.samples[result.chosen or 0].words[0] == "dog-it"


def test_samples_end_where_words_or_positions_do(folder: Path) -> None:
    def longest(target: Target, **changes: Any) -> int:
        made = infilling(folder, temperature=50.0, **changes)  # all but uniform
        (result,) = made.generate([target], 40, seed=0)
        return max(len(s.tokens) for s in result.samples)

    assert longest(TARGETS[0], max_words=3) == 4
    assert longest(TARGETS[0]) == POSITIONS - 7
    full = Target("full", Infill(("the",) * 6, ("a",) * 7))
    assert longest(full) == 2
    far = Target("far", Infill(("the",) * 7, ("a",) * 7))
    with pytest.raises(UserError, match="contexts of target far take 15 tokens, .* reads 16"):
        list(infilling(folder).generate([*TARGETS, far], 1, seed=0))


def test_what_it_refuses(folder: Path, tmp_path: Path) -> None:
    for task in (*TASKS, *COMPOSITIONS):
        expected = None if task == "infilling" else "it fills in sentences only"
        assert refuses(ARInfilling, task) == expected
    assert needs(ARInfilling, "infilling") == ("reordered_lm",)
    with pytest.raises(UserError, match="target l: infilling cannot read Length"):
        list(infilling(folder).generate([Target("l", Length(3))], 1, seed=0))
    with pytest.raises(UserError, match="cannot read .*codec.json"):
        infilling(tmp_path)
    for wrong in ({"temperature": 0.0}, {"top_p": 0.0}, {"max_words": 0}, {"top_k": -1}):
        with pytest.raises(UserError, match="at least|above"):
            ARInfillingSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="unk=repair needs repair_model"):
        ARInfillingSettings(unk="repair")


def test_defaults_are_the_released_ones() -> None:
    """Reference notes, section 2.10: top_k=V, plain sampling."""
    settings = ARInfillingSettings()
    assert (settings.temperature, settings.top_k, settings.top_p) == (1.0, 0, 1.0)


def test_a_subword_model_reads_the_contexts_as_one_text(tmp_path: Path) -> None:
    """As :meth:`Codec.sequence` cuts a training sequence, so that the first word of the right
    context has a space before it; UNK is one of its tokens."""
    from tokenizers import ByteLevelBPETokenizer

    bpe = ByteLevelBPETokenizer()
    lines = [" ".join(left + right + middle) for left, right, middle in STORIES]
    bpe.train_from_iterator(lines * 9, vocab_size=300, special_tokens=["<|endoftext|>"])
    text = json.dumps(json.loads(bpe.to_str()))
    codec = TokenizerCodec(text, 0, 0, VOCABULARY)
    torch.manual_seed(0)
    model = GPT2.fresh(len(codec), 48, 1, 32, 2, 0.0).eval()
    made = ARInfilling(model, codec, TASK, ARInfillingSettings(temperature=5.0))
    left, right, middle = STORIES[0]
    (head,) = made._heads(Infill(left, right))
    whole, _ = codec.sequence((), (*left, *right, *middle))
    assert whole[: len(head)] == head
    assert codec.words(whole[len(head) :]) == middle
    assert set(made.forbidden) == {*codec.forbidden, *codec.encode(["zebra"])}
    (result,) = made.generate(TARGETS[:1], 20, seed=0)
    assert any(result.samples[0].words)
    assert not any("UNK" in s.words for s in result.samples)
