"""lm-score: its definition on a known network, and the guard against judging oneself."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
import torch

from models.nets.artefact import read_tensors, write_tensors
from models.nets.backbones.gpt2 import GPT2
from models.nets.causal import train_lm
from models.nets.codec import Codec, TokenizerCodec, WordCodec
from models.nets.config import LMConfig, TrainConfig
from models.nets.teacher import Teacher, assert_distinct
from tasks.common.errors import UserError
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
VOCABULARY = Vocabulary([*SPECIALS, *(f"w{i}" for i in range(12)), "\n"])
CODEC = WordCodec(VOCABULARY)
CONFIG = LMConfig(1, 16, 2, 0.0, 16, train=TrainConfig(steps=5, batch=4, lr=1e-2, every=5))
TEXTS = [("w1", "w2", "w3"), ("w4",), (), ("w5",) * 14, ("w1", "zebra"), ("w2", "w2")]


def train(folder: Path, seed: int) -> Path:
    folder.mkdir()
    texts = [((), (f"w{i % 12}", f"w{(i + 1) % 12}")) for i in range(40)]
    train_lm(folder, texts, [], CODEC, CONFIG, seed, device=CPU)
    return folder


def random_teacher(codec: Codec) -> Teacher:
    torch.manual_seed(0)
    model = GPT2.fresh(len(codec), 16, 2, 32, 2, 0.0).eval()
    with torch.no_grad():
        model.table.mul_(10)
    return Teacher(model, codec, "0" * 64)


def test_a_uniform_teacher_gives_the_log_of_the_vocabulary() -> None:
    teacher = random_teacher(CODEC)
    with torch.no_grad():
        teacher.model.table.zero_()
    for words, (nats, tokens) in zip(TEXTS, teacher.score(TEXTS), strict=True):
        assert tokens == len(words) + 1  # the end is predicted, the start is not
        assert nats == pytest.approx(tokens * math.log(len(CODEC)), rel=1e-6)


def test_scores_equal_transformers_own_loss_in_any_company() -> None:
    teacher = random_teacher(CODEC)
    scores = teacher.score(TEXTS)
    for words, (nats, tokens) in zip(TEXTS, scores, strict=True):
        ids = torch.tensor([[CODEC.bos, *VOCABULARY.encode(words), CODEC.eos]])
        with torch.no_grad():
            loss = float(teacher.model.network(ids, labels=ids).loss)
        assert nats / tokens == pytest.approx(loss, rel=1e-5)
        alone = teacher.score([words])[0]
        assert alone[0] == pytest.approx(nats, rel=1e-5) and alone[1] == tokens
    assert teacher.score(TEXTS) == scores
    backwards = teacher.score(TEXTS[::-1])[::-1]
    assert [nats for nats, _ in backwards] == pytest.approx([nats for nats, _ in scores])


def test_words_outside_the_vocabulary_are_unk() -> None:
    teacher = random_teacher(CODEC)
    odd, unk = teacher.score([("w1", "zebra"), ("w1", "UNK")])
    assert odd == pytest.approx(unk)


def test_no_text_and_the_empty_text() -> None:
    teacher = random_teacher(CODEC)
    assert teacher.score([]) == []
    ((nats, tokens),) = teacher.score([()])
    assert tokens == 1 and math.isfinite(nats) and nats > 0


@pytest.mark.parametrize("words", [15, 16, 22, 23, 24, 100])
def test_a_longer_text_is_read_in_windows(words: int) -> None:
    """Each token is predicted once, from all that its window holds before it."""
    teacher = random_teacher(CODEC)
    text = tuple(f"w{i * i % 12}" for i in range(words))
    ids = [CODEC.bos, *VOCABULARY.encode(text), CODEC.eos]
    nats = 0.0
    for at in range(1, len(ids)):
        # 16 positions: the first window, then steps of 8, the last one up to the end
        end = 16 if at < 16 else min(16 + 8 * ((at - 16) // 8 + 1), len(ids))
        start = max(0, end - 16)
        with torch.no_grad():
            logits = teacher.model.network(torch.tensor([ids[start:at]])).logits[0, -1]
        nats -= float(logits.log_softmax(-1)[ids[at]])
    short = ("w1", "w2")
    both = teacher.score([text, short])
    assert both[0][1] == words + 1 and both[0][0] == pytest.approx(nats, rel=1e-5)
    assert both[1] == pytest.approx(teacher.score([short])[0], rel=1e-5)
    assert teacher.long == 1


def test_subword_teachers_count_subwords() -> None:
    from tokenizers import ByteLevelBPETokenizer

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(["w1 w2 w3"] * 5, vocab_size=265, special_tokens=["<|endoftext|>"])
    codec = TokenizerCodec(bpe._tokenizer.to_str(), 0, 0, VOCABULARY)
    teacher = random_teacher(codec)
    words = ("w1", "zebra", "w2")
    pieces = codec.encode(words)
    assert codec.tokens(pieces).count("UNK") == 1 and len(pieces) > len(words)
    ((nats, tokens),) = teacher.score([words])
    assert tokens == len(pieces) + 1 and math.isfinite(nats)


def test_a_teacher_never_judges_itself(tmp_path: Path) -> None:
    teacher, other = train(tmp_path / "a", 1), train(tmp_path / "b", 2)
    assert_distinct(teacher, [other])
    copy = tmp_path / "copy"
    shutil.copytree(teacher, copy)
    tensors, meta = read_tensors(copy / "weights.safetensors")
    write_tensors(copy / "weights.safetensors", tensors, {**meta, "note": "renamed"})
    with pytest.raises(UserError, match="same network"):
        assert_distinct(teacher, [other, copy])
    a, b = Teacher.load(teacher, CPU), Teacher.load(other, CPU)
    assert a.id != b.id and a.id == Teacher.load(copy, CPU).id
    with pytest.raises(UserError):
        Teacher.load(tmp_path / "nowhere", CPU)
