"""Toys of methods that steer a language model: networks of two words, whose laws are enumerated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from scipy.stats import chisquare

from baselines import METHODS
from baselines.autoregressive import Heads, uniforms
from models.base import Generator
from models.jobs import Job
from models.nets.backbones.gpt2 import GPT2
from models.nets.codec import WordCodec
from models.nets.config import DiscriminatorConfig
from models.nets.decoding import sample
from models.nets.discriminator import Discriminator
from tasks import load_task
from tasks.base import Target
from tasks.controls import Length
from tasks.vocabulary import SPECIALS, Vocabulary

GROUP = "steering"
#: the settings under which a method is the language model that it draws from
PLAIN = {
    "gedi": {"weight": 0.0}, "dexperts": {"alpha": 0.0}, "ft_cfg": {"gamma": 0.0},
    "best_of_n": {"n": 1}, "ft_rerank": {"n": 1}, "rejection": {"n": 1}, "smc": {"lam": 0.0},
    "smc_rule": {"particles": 1},
}  # fmt: skip
#: those of the group whose networks are the ones below; others have tests of their own
METHOD_NAMES = [name for name, card in METHODS.items() if card.group == GROUP and name in PLAIN]
TASK = load_task("length")
TARGET = Target("t", Length(2))
TARGETS = [Target(f"t{n}", Length(n)) for n in (2, 1, 3)]
CODEC = WordCodec(Vocabulary([*SPECIALS, "a", "b"]))
READS = CODEC.with_prompt([token for t in TARGETS for token in TASK.prompt(t.control)])
#: tokens of a text of two words, and of one that is cut
LIMIT = CODEC.limit(2)
Law = Mapping[tuple[int, ...], float]


def network(seed: int, vocabulary: int) -> GPT2:
    torch.manual_seed(seed)
    model = GPT2.fresh(vocabulary, 16, 1, 16, 2, 0.0).eval().requires_grad_(False)
    for weight in model.parameters():
        weight.mul_(1.0 if weight.ndim == 1 else 3.0)
    return model


LM, EXPERT, ANTI = network(0, len(CODEC)), network(1, len(READS)), network(3, len(READS))
torch.manual_seed(2)
JUDGE = Discriminator(len(READS), DiscriminatorConfig(1, 16, 2, 0.0, 16, 16)).eval()
JUDGE.requires_grad_(False)
JUDGE.out.weight.mul_(8.0)


def make(name: str, task: Any = TASK, parts: int = 1, lm: GPT2 = LM, **options: Any) -> Any:
    cls: Any = METHODS.load(name)
    other: Any = {"finetuned": EXPERT, "discriminator": JUDGE}.get(cls.card.role)
    others = [] if other is None else [other] * parts
    if options.get("anti") == "trained":
        others = [*others, *[ANTI] * parts]
    settings = cls.card.Settings(**{"max_words": 2, **options})
    return cls(lm, CODEC, others, [READS] * len(others), task, settings)


def drawn(generator: Generator, count: int, seed: int = 0, **more: Any) -> list[Any]:
    (result,) = generator.generate([TARGET], count, seed, **{"batch": 512, **more})
    return list(result.samples)


def content(results: Any) -> dict[str, list[tuple[Any, float]]]:
    return {r.target_id: [(s.tokens, s.nfe) for s in r.samples] for r in results}


def ids(one: Any) -> tuple[int, ...]:
    return tuple(CODEC.vocabulary.ids[token] for token in one.tokens)


def log_p(model: GPT2, head: Sequence[int], text: Sequence[int]) -> torch.Tensor:
    """log p(next word | head, text) over the words that can come, computed without a cache."""
    logits = model.logits(model.hidden(torch.tensor([[*head, *text]])))[0, -1].double()
    logits = logits[: CODEC.text_size].clone()
    logits[CODEC.forbidden] = -torch.inf
    return logits.log_softmax(-1)


HEAD = CODEC.head(())
PROMPTED = READS.head(TASK.prompt(TARGET.control))


def law(
    step: Callable[[tuple[int, ...]], torch.Tensor], codec: WordCodec = CODEC, limit: int = LIMIT
) -> dict[tuple[int, ...], float]:
    """The distribution of texts whose next word has log-weights ``step(text)``, cut at ``limit``
    tokens."""

    def grow(text: tuple[int, ...], p: float) -> Iterator[tuple[tuple[int, ...], float]]:
        if text and (text[-1] == codec.eos or len(text) == limit):
            yield text, p
            return
        for token, q in enumerate(step(text).softmax(-1).tolist()):
            if q:
                yield from grow((*text, token), p * q)

    return dict(grow((), 1.0))


def base(text: Sequence[int]) -> torch.Tensor:
    return log_p(LM, HEAD, text)


def expert(text: Sequence[int]) -> torch.Tensor:
    return log_p(EXPERT, PROMPTED, text)


def holds(text: Sequence[int]) -> float:
    """p(control | text) by the discriminator."""
    logit = JUDGE(torch.tensor([[*PROMPTED, *text]]))[0, -1]
    return float(logit.double().sigmoid())


def seen(model: Callable[[Sequence[int]], torch.Tensor], text: Sequence[int]) -> float:
    return sum(float(model(text[:i])[token]) for i, token in enumerate(text))


def finite(x: torch.Tensor) -> torch.Tensor:
    return x.nan_to_num(neginf=0.0)


def agrees(texts: Sequence[tuple[int, ...]], expected: Law) -> None:
    """Chi-square, rare texts together."""
    found = Counter(texts)
    assert set(found) <= {text for text, p in expected.items() if p > 0}
    common = [text for text, p in expected.items() if p * len(texts) >= 5]
    counts = [found[text] for text in common]
    shares = [expected[text] for text in common]
    rest = 1 - sum(shares)
    if rest * len(texts) >= 1:
        counts, shares = [*counts, len(texts) - sum(counts)], [*shares, rest]
    else:
        shares = [share / sum(shares) for share in shares]
        assert sum(counts) >= len(texts) - 10
    wanted = [share * sum(counts) / sum(shares) for share in shares]
    assert len(common) > 3
    assert chisquare(counts, wanted).pvalue > 1e-3


def plain(name: str, model: GPT2, head: Sequence[int], count: int) -> list[tuple[int, ...]]:
    jobs = [Job(0, TARGET, i, Heads.of([head])) for i in range(count)]
    codec = CODEC if model is LM else READS
    u = uniforms(name, jobs, 0, LIMIT)
    return [tuple(x) for x in sample(model, [head] * count, u, codec.eos, codec.forbidden)]
