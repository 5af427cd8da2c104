"""Codecs, training, fine-tuning and loading of the causal language models."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from carded import needs

from baselines import METHODS
from models.nets.backbones.gpt2 import GPT2
from models.nets.causal import LMObjective, by_length, load_lm, token_nll, train_lm
from models.nets.codec import Codec, TokenizerCodec, WordCodec, load_codec
from models.nets.config import DiscriminatorConfig, LMConfig, TrainConfig
from models.nets.discriminator import train_discriminator
from models.nets.teacher import Teacher
from tasks.base import Target, Text
from tasks.common.errors import UserError
from tasks.controls import Length
from tasks.length import LengthTask
from tasks.vocabulary import END, PAD, SPECIALS, START, UNK, Vocabulary

CPU = torch.device("cpu")
VOCABULARY = Vocabulary([*SPECIALS, *(f"w{i}" for i in range(12)), "\n"])
TINY = LMConfig(
    layers=1,
    width=32,
    heads=2,
    dropout=0.0,
    max_length=16,
    train=TrainConfig(steps=60, batch=16, lr=1e-2, every=30, bf16=False),
)


def counting_texts(n: int, seed: int = 0) -> list[tuple[str, ...]]:
    """w_k w_k+1 ... of 2 to 8 words."""
    rng = random.Random(seed)
    return [
        tuple(f"w{(start + i) % 12}" for i in range(rng.randint(2, 8)))
        for start in (rng.randrange(12) for _ in range(n))
    ]


def plain(texts: list[tuple[str, ...]]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [((), words) for words in texts]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lm")
    texts = counting_texts(400)
    train_lm(folder, plain(texts), plain(texts[:50]), WordCodec(VOCABULARY), TINY, 1, device=CPU)
    return folder


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 with a byte-level BPE tokenizer, as ``from_pretrained`` finds it."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("pretrained")
    bpe = ByteLevelBPETokenizer()
    lines = [" ".join(words) for words in counting_texts(100)]
    bpe.train_from_iterator(lines, vocab_size=300, special_tokens=["<|endoftext|>"])
    end = "<|endoftext|>"
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token=end, eos_token=end, unk_token=end
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    GPT2.fresh(len(fast), 64, 1, 32, 2, 0.0).network.save_pretrained(folder)
    return folder


def codecs(pretrained: Path) -> list[Codec]:
    return [
        WordCodec(VOCABULARY, ["5", "NP"]),
        TokenizerCodec.from_pretrained(str(pretrained), VOCABULARY, ["5", "NP"]),
    ]


def test_codecs_give_back_words_and_replace_unknown_ones(pretrained: Path, tmp_path: Path) -> None:
    for codec in codecs(pretrained):
        words = ("w3", "w11", "UNK", "w1", "\n")
        assert codec.words([*codec.encode(words), codec.eos]) == words
        assert codec.words(codec.encode(("w3", "zebra"))) == ("w3", "UNK")
        assert codec.words([codec.eos, *codec.encode(("w1",))]) == ()
        codec.save(tmp_path / "codec.json")
        again = load_codec(tmp_path / "codec.json")
        assert again.digest == codec.digest and len(again) == len(codec)
        assert again.sequence(("5", "NP"), words) == codec.sequence(("5", "NP"), words)


def test_prompt_tokens_have_ids_of_their_own(pretrained: Path) -> None:
    vocabulary = Vocabulary([*VOCABULARY.words, "5"])
    for codec in [
        WordCodec(vocabulary, ["5", "NP"]),
        TokenizerCodec.from_pretrained(str(pretrained), vocabulary, ["5", "NP"]),
    ]:
        prompt = codec.encode_prompt(["NP", "5"])
        assert prompt == [len(codec) - 1, len(codec) - 2]
        assert not set(prompt) & set(codec.encode(("5", "w5", "15")))
        assert set(prompt) <= set(codec.forbidden)
        assert codec.eos not in codec.forbidden
        with pytest.raises(UserError, match="unknown prompt token 'VP'"):
            codec.encode_prompt(["VP"])
        # the text's ids do not move when the prompt changes
        assert codec.with_prompt(["other"]).encode(("w1", "5")) == codec.encode(("w1", "5"))


def test_word_sequences_are_the_reference_ones() -> None:
    codec = WordCodec(VOCABULARY, ["NP"])
    assert codec.sequence((), ("w0", "nowhere")) == ([START, 4, UNK, END], 1)
    assert codec.sequence(("NP",), ("w0",)) == ([17, START, 4, END], 2)
    assert codec.forbidden == [START, PAD, 17]
    assert codec.tokens([4, END, 17]) == ("w0", "END", "<NP>")


def test_damaged_codecs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "codec.json"
    for text in ["{", "[]", '{"kind": "words"}', '{"kind": "x", "words": ["a"]}']:
        path.write_text(text)
        with pytest.raises(UserError):
            load_codec(path)
    path.write_text(json.dumps({"kind": "wrods", "words": list(VOCABULARY.words), "prompt": []}))
    with pytest.raises(UserError, match="did you mean 'words'"):
        load_codec(path)


def test_padding_changes_no_loss_and_counts_no_token() -> None:
    torch.manual_seed(0)
    model = GPT2.fresh(17, 16, 2, 32, 2, 0.0).eval()
    codec = WordCodec(VOCABULARY)
    examples = plain(counting_texts(7))
    objective = LMObjective(model, codec, examples, examples, TINY, 0)
    with torch.no_grad():
        together = objective._nll(objective.rows, objective.heads)
        alone = [
            objective._nll([row], np.array([head]))
            for row, head in zip(objective.rows, objective.heads, strict=True)
        ]
        # the referee: transformers' own loss
        ids = torch.tensor(objective.rows[0].tolist())[None]
        mean = model.network(ids, labels=ids).loss
    assert len(together) == sum(len(words) + 1 for _, words in examples)
    torch.testing.assert_close(together, torch.cat(alone))
    first = together[: len(objective.rows[0]) - 1]
    torch.testing.assert_close(first.mean(), mean)


def test_the_prompt_is_trained_on_by_default_only() -> None:
    codec = WordCodec(VOCABULARY, ["a", "b"])
    examples = [(("a", "b"), ("w1", "w2", "w3"))]
    torch.manual_seed(0)
    model = GPT2.fresh(len(codec), 16, 1, 32, 2, 0.0).eval()
    ids = torch.tensor([codec.sequence(*examples[0])[0]])
    with torch.no_grad():
        each = token_nll(model, ids, torch.ones(1, ids.shape[1] - 1, dtype=torch.bool))
    assert len(each) == 6  # b, START, three words, END
    for on_prompt, expected in [(True, each), (False, each[2:])]:
        config = LMConfig(1, 32, 2, 0.0, 16, loss_on_prompt=on_prompt, train=TINY.train)
        objective = LMObjective(model, codec, examples, examples, config, 0)
        torch.testing.assert_close(objective.loss(0)[0], expected.mean())
        with torch.no_grad():
            valid = objective.validate()
        assert valid["nll"] == pytest.approx(float(each[2:].mean()), rel=1e-5)


def test_training_approaches_the_entropy_of_the_texts(trained: Path) -> None:
    """12 equally likely starts, then 7 equally likely lengths, everything else determined."""
    curve = [json.loads(line) for line in (trained / "curve.jsonl").read_text().splitlines()]
    tokens = 5 + 1
    floor = (math.log(12) + math.log(7)) / tokens
    assert curve[-1]["valid_nll"] < floor + 0.35 < math.log(13)
    model, codec, config = load_lm(trained, CPU)
    assert config == TINY and codec.digest == WordCodec(VOCABULARY).digest
    assert not model.training and model.head is model.table
    # bf16 storage costs next to nothing
    objective = LMObjective(model, codec, plain(counting_texts(400)[:50]), [], config, 0)
    with torch.no_grad():
        nll = float(objective._nll(objective.rows, objective.heads).mean())
    assert nll == pytest.approx(curve[-1]["valid_nll"], abs=0.02)


def test_training_is_reproducible(trained: Path, tmp_path: Path) -> None:
    texts = counting_texts(400)
    train_lm(tmp_path, plain(texts), plain(texts[:50]), WordCodec(VOCABULARY), TINY, 1, device=CPU)
    assert (tmp_path / "weights.safetensors").read_bytes() == (
        trained / "weights.safetensors"
    ).read_bytes()


def test_finetuning_starts_from_the_language_model(trained: Path, tmp_path: Path) -> None:
    codec = WordCodec(VOCABULARY, [str(n) for n in range(2, 9)])
    examples = [((str(len(words)),), words) for words in counting_texts(100)]
    one = LMConfig(1, 32, 2, 0.0, 16, train=TrainConfig(steps=1, batch=8, lr=1e-9))
    train_lm(tmp_path, examples, examples, codec, one, 2, device=CPU, init=trained)
    base, _, _ = load_lm(trained, CPU)
    tuned, again, _ = load_lm(tmp_path, CPU)
    assert len(again) == 17 + 7 and tuned.table.shape == (24, 32)
    torch.testing.assert_close(tuned.table[:17], base.table, atol=1e-2, rtol=1e-2)
    fresh = tuned.table[17:]
    assert 0.5 < float(fresh.std()) / tuned.network.config.initializer_range < 2
    other = WordCodec(Vocabulary([*SPECIALS, "only"]))
    with pytest.raises(UserError, match="another vocabulary"):
        train_lm(tmp_path, [((), ("only",))], [], other, one, 2, device=CPU, init=trained)


def test_a_pretrained_model_and_its_tokenizer(pretrained: Path, tmp_path: Path) -> None:
    config = LMConfig(
        max_length=40,
        pretrained=str(pretrained),
        train=TrainConfig(steps=40, batch=16, lr=1e-2, every=20, bf16=False),
    )
    codec = TokenizerCodec.from_pretrained(str(pretrained), VOCABULARY)
    texts = plain(counting_texts(200))
    train_lm(tmp_path, texts, texts[:20], codec, config, 1, device=CPU)
    curve = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert curve[-1]["valid_nll"] < curve[0]["train_loss"]
    model, again, _ = load_lm(tmp_path, CPU)
    assert again.digest == codec.digest and model.vocabulary == len(codec)
    with pytest.raises(UserError, match="needs its own tokenizer"):
        train_lm(tmp_path, texts, texts, WordCodec(VOCABULARY), config, 1, device=CPU)
    with pytest.raises(UserError, match="empty"):
        train_lm(tmp_path, texts, texts, codec, TINY, 1, device=CPU)


def test_a_missing_pretrained_model_is_one_line(tmp_path: Path) -> None:
    name = str(tmp_path / "nowhere")
    with pytest.raises(UserError, match="nowhere' is not available") as error:
        TokenizerCodec.from_pretrained(name, VOCABULARY)
    assert "\n" not in str(error.value)


def test_what_does_not_fit_together_is_refused(trained: Path, tmp_path: Path) -> None:
    for name in ["weights.safetensors", "codec.json", "config.json"]:
        folder = tmp_path / name
        shutil.copytree(trained, folder)
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(UserError):
            load_lm(folder, CPU)
        (folder / name).unlink()
        with pytest.raises(UserError):
            load_lm(folder, CPU)
    folder = tmp_path / "mixed"
    shutil.copytree(trained, folder)
    WordCodec(Vocabulary([*VOCABULARY.words[:-1], "other"])).save(folder / "codec.json")
    with pytest.raises(UserError, match="codec"):
        load_lm(folder, CPU)


def test_config_mistakes() -> None:
    with pytest.raises(UserError, match="multiple of heads"):
        LMConfig(width=30, heads=4)
    with pytest.raises(UserError, match="no training examples"):
        train_lm(Path(), [], [], WordCodec(VOCABULARY), TINY, 0, device=CPU)


def test_batches_of_like_lengths_cover_everything_once() -> None:
    parts = list(by_length([5, 1, 4, 1, 9], 2))
    assert [part.tolist() for part in parts] == [[1, 3], [2, 0], [4]]


def test_every_baseline_runs_on_a_pretrained_model(pretrained: Path, tmp_path: Path) -> None:
    """From a pretrained folder to samples and their lm-score, over BPE tokens throughout."""
    train = TrainConfig(steps=4, batch=8, every=4)
    config = LMConfig(pretrained=str(pretrained), max_length=60, train=train)
    task = LengthTask()
    texts = [Text(words) for words in counting_texts(40)]
    pairs = [(task.prompt(control), words) for control, words in task.examples(texts, 0)]
    bare = TokenizerCodec.from_pretrained(str(pretrained), VOCABULARY)
    codec = bare.with_prompt(task.prompt_tokens(texts))
    folders = {name: tmp_path / name for name in ("lm", "teacher", "finetuned", "discriminator")}
    for folder in folders.values():
        folder.mkdir()
    for name, seed in (("lm", 0), ("teacher", 1)):
        data = plain([text.words for text in texts])
        train_lm(folders[name], data, data, bare, config, seed, device=CPU)
    train_lm(folders["finetuned"], pairs, pairs, codec, config, 0, device=CPU)
    small = DiscriminatorConfig(layers=1, width=16, heads=2, hidden=16, max_length=60, train=train)
    train_discriminator(folders["discriminator"], pairs, pairs, codec, small, 0, device=CPU)
    targets = [Target("a", Length(4)), Target("b", Length(12))]
    teacher = Teacher.load(folders["teacher"], CPU)
    for name in ("fudge", "ft_sample", "ft_search"):
        cls = METHODS.load(name)
        needed = {role: folders[role] for role in needs(cls, "length")}
        method = cls.load(needed, task, dataclasses.replace(cls.card.Settings(), max_words=15), CPU)
        whole = list(method.generate(targets, 2, seed=0))
        again = [r for t in targets for r in method.generate([t], 2, seed=0, batch=1)]
        assert [r.target_id for r in whole] == ["a", "b"]
        found = [[s.words for s in r.samples] for r in whole]
        assert found == [[s.words for s in r.samples] for r in again]
        for nll, tokens in teacher.score([words for group in found for words in group]):
            assert tokens >= 1
            assert math.isfinite(nll)
