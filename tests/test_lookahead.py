"""Exact look-ahead, on hidden Markov models small enough to enumerate (landmark 15)."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from baselines import METHODS
from baselines.autoregressive import Heads, uniforms
from baselines.ctrl_g.automata import Automaton, Chain, Product, Stated
from baselines.ctrl_g.config import CtrlGSettings, HMMConfig
from baselines.ctrl_g.hmm import HMM, Counts
from baselines.ctrl_g.lookahead import LookAhead, Model, Table
from baselines.ctrl_g.method import CtrlG
from baselines.ctrl_g.training import load_hmm, train_hmm
from baselines.rules import satisfied
from eval.running.command import parse
from models.jobs import Job
from models.nets.backbones import fresh
from models.nets.codec import WordCodec
from models.nets.config import LMConfig
from models.nets.decoding import sample
from models.word_tags import read_tags, tag_weights
from tasks import in_table, load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.composition import Composition
from tasks.controls import AllOf, Control, FieldValue, Length, TagSequence
from tasks.vocabulary import SPECIALS, Vocabulary

CODEC = WordCodec(Vocabulary([*SPECIALS, "ab", "b", "a", "ba"]))
V, EOS = CODEC.text_size, CODEC.eos
WORDS = [2, 4, 5, 6, 7]
TAGS = {"X": [0, 0, 1, 3, 0, 1, 0, 0], "Y": [0, 0, 1, 1, 2, 0, 0, 0], "Z": [0, 0, 0, 0, 0, 0, 5, 1]}
TEXT = ("semantic_content", "length", "parts_of_speech")
SINGLE = {name: load_task(name) for name in TEXT}
#: tokens of a text of three words, and of one of four that is cut
LIMIT = CODEC.limit(3)


def random_hmm(states: int = 3, seed: int = 0) -> HMM:
    torch.manual_seed(seed)
    hmm = HMM(states, V).double()
    counts = Counts(states, V)
    counts.initial = torch.rand(states, dtype=torch.float64)
    counts.transition = torch.rand(states, states, dtype=torch.float64) ** 3
    counts.emission = torch.rand(states, V, dtype=torch.float64) ** 3
    allowed = torch.tensor([float(i in (*WORDS, EOS)) for i in range(V)], dtype=torch.float64)
    hmm.fill(counts, 1e-3, allowed)
    return hmm


HIDDEN = random_hmm()


class Exact:
    """A language model that is the hidden Markov model: its hidden states are log p of the next
    word."""

    positions, device = 32, torch.device("cpu")
    table = torch.zeros(0)

    def __init__(self, hmm: HMM) -> None:
        from transformers import GPT2Config

        self.hmm = hmm
        self.body: Any = self._read
        self.decoder = self
        self.belief: dict[int, Tensor] = {}
        self.config = GPT2Config(n_layer=1)

    def _read(self, input_ids: Tensor, past_key_values: Any, use_cache: bool) -> Any:
        known = self.belief.get(id(past_key_values))
        if known is None:  # the head: nothing of a text
            belief = self.hmm.initial.expand(len(input_ids), -1)
        else:
            seen = known * self.hmm.emission.t()[input_ids[:, 0]]
            belief = (seen / seen.sum(1, keepdim=True)) @ self.hmm.transition
        self.belief[id(past_key_values)] = belief
        said = (belief @ self.hmm.emission).log()[:, None]
        return SimpleNamespace(last_hidden_state=said)

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden


@pytest.fixture(autouse=True)
def cached(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in's cache is what it keeps by the name of each."""

    def start(self: Any, decoder: Any) -> None:
        self.decoder, self.cache = decoder, object()
        decoder.__dict__.setdefault("alive", []).append(self.cache)

    def feed(self: Any, ids: Tensor) -> Tensor:
        last: Tensor = self.decoder.body(ids, self.cache, True).last_hidden_state[:, -1]
        return last

    def reorder(self: Any, rows: Tensor) -> None:
        belief = self.decoder.belief
        belief[id(self.cache)] = belief[id(self.cache)][rows]

    plain = torch.nn.Module
    from models.nets.backbones.base import CachedNetwork

    begin, go_on, others = CachedNetwork.__init__, CachedNetwork.feed, CachedNetwork.reorder

    def either(mine: Any, theirs: Any) -> Any:
        def call(self: Any, given: Any) -> Any:
            decoder = getattr(self, "decoder", given)
            return (theirs if isinstance(decoder, plain) else mine)(self, given)

        return call

    monkeypatch.setattr(CachedNetwork, "__init__", either(start, begin))
    monkeypatch.setattr(CachedNetwork, "feed", either(feed, go_on))
    monkeypatch.setattr(CachedNetwork, "reorder", either(reorder, others))


def make(name: str, tags: Sequence[Any] = (TAGS,), lm: Any = None, **options: Any) -> CtrlG:
    parts = tuple(SINGLE[part] for part in name.split("+"))
    task = parts[0] if len(parts) == 1 else Composition(parts)
    settings = CtrlGSettings(**{"max_words": 3, "rare": 0.3, **options})
    used = tags if "parts_of_speech" in name else ()
    return CtrlG((lm or Exact(HIDDEN), CODEC), HIDDEN, used, task, settings)


def texts(hmm: HMM) -> dict[tuple[int, ...], float]:
    """Every text and its probability: up to LIMIT tokens, the end among them."""
    found: dict[tuple[int, ...], float] = {}

    def grow(text: tuple[int, ...], belief: Tensor) -> None:
        if text and (text[-1] == EOS or len(text) == LIMIT):
            found[text] = float(belief.sum())
            return
        for token in (*WORDS, EOS):
            grow((*text, token), (belief * hmm.emission[:, token]) @ hmm.transition)

    grow((), hmm.initial)
    return found


LAW = texts(HIDDEN)


def worth(control: Control, text: Sequence[int]) -> float:
    """What a text is worth under a control, by the task's rule and, of tags, by the table."""
    if isinstance(control, AllOf):
        return math.prod(worth(one, text) for one in control.controls)
    words = CODEC.words(list(text))
    if not isinstance(control, TagSequence):
        task = SINGLE["length" if isinstance(control, Length) else "semantic_content"]
        return float(satisfied(task, Target("t", control), words))
    ids = CODEC.vocabulary.encode(words)
    if len(ids) != len(control.tags):
        return 0.0
    total = 1.0
    for tag, word in zip(control.tags, ids, strict=True):
        share = TAGS[tag][word] / max(1, sum(row[word] for row in TAGS.values()))
        total *= share if share >= 0.3 else 0.0
    return total


def read(automaton: Automaton, text: Sequence[int]) -> tuple[Any, float]:
    """The state behind a text, and the product of its words' weights."""
    state, total = automaton.start, 1.0
    for token in text:
        after = [(q, float(w[token])) for q, w in automaton.edges(state) if w[token] > 0]
        assert len(after) < 2  # edges partition the words
        if not after:
            return state, 0.0
        state, total = after[0][0], total * after[0][1]
    return state, total


CONTROLS: list[tuple[str, Control]] = [
    ("length", Length(2)),
    ("length", Length(1)),
    ("semantic_content", FieldValue("name", "b a")),
    ("semantic_content", FieldValue("name", "ab")),
    ("semantic_content", FieldValue("name", "ab b")),
    ("parts_of_speech", TagSequence(("X", "Y"))),
    ("length+semantic_content", AllOf((Length(3), FieldValue("name", "b b")))),
    (
        "semantic_content+parts_of_speech",
        AllOf((FieldValue("name", "ba"), TagSequence(("Z", "Y", "X")))),
    ),
]


def conditional(control: Control) -> dict[tuple[int, ...], float]:
    mass = {text: p * worth(control, text) for text, p in LAW.items()}
    total = sum(mass.values())
    return {text: p / total for text, p in mass.items()}


def test_the_toy_says_something() -> None:
    assert math.isclose(sum(LAW.values()), 1, rel_tol=1e-9) and len(LAW) > 500
    for _, control in CONTROLS:
        held = sum(p > 0 for p in conditional(control).values())
        assert 1 < held < 0.9 * len(LAW)


@pytest.mark.parametrize(("name", "control"), CONTROLS)
def test_what_it_looks_ahead_to_is_what_enumeration_gives(name: str, control: Control) -> None:
    """p(control), and p(control | text so far, next word) behind every prefix, to 1e-9."""
    automaton = make(name).automaton(control)
    table = Table(Model(HIDDEN), automaton, EOS, LIMIT)
    mass = {text: p * worth(control, text) for text, p in LAW.items()}
    assert math.isclose(math.exp(table.log_p), sum(mass.values()), rel_tol=1e-9)
    prefixes = {text[:n] for text, p in mass.items() if p for n in range(len(text))}
    for prefix in prefixes:
        ahead = LookAhead([table], 1.0)
        for token in prefix:
            ahead.advance(torch.tensor([token]))
        found = ahead.logits(torch.zeros(1, V, dtype=torch.float64))[0]
        n, (_, before) = len(prefix), read(automaton, prefix)
        for token in (*WORDS, EOS):
            longer = [text for text in LAW if text[: n + 1] == (*prefix, token)]
            wanted = sum(mass[text] for text in longer) / sum(LAW[text] for text in longer)
            here = before * math.exp(float(found[token]))
            assert math.isclose(here, wanted, rel_tol=1e-9, abs_tol=1e-15)


@pytest.mark.parametrize(("name", "control"), [CONTROLS[i] for i in (0, 3, 5, 6)])
def test_samples_come_from_the_exact_conditional(name: str, control: Control) -> None:
    """Where the language model is the hidden Markov model; and a text that violates the control
    has no chance."""
    expected, count = conditional(control), 600
    (found,) = make(name).generate([Target("t", control)], count, 1, batch=512)
    drawn = Counter(tuple(CODEC.vocabulary.ids[w] for w in one.tokens) for one in found.samples)
    assert all(expected[text] > 0 for text in drawn)
    common = [text for text, p in expected.items() if p * count >= 5]
    counts = [drawn[text] for text in common]
    shares = [expected[text] for text in common]
    if 1 - sum(shares) > 1 / count:
        counts, shares = [*counts, count - sum(counts)], [*shares, 1 - sum(shares)]
    wanted = [share * sum(counts) / sum(shares) for share in shares]
    assert len(common) > 1 and chisquare(counts, wanted).pvalue > 1e-3
    assert all(one.nfe == len(one.tokens) for one in found.samples)


NETWORK = fresh(len(CODEC), LMConfig(1, 16, 2, 0.0, 16)).served(torch.device("cpu"))
TARGETS = [Target(f"t{n}", Length(n)) for n in (2, 1, 3)]


def content(results: Any) -> dict[str, list[Any]]:
    return {r.target_id: [(s.tokens, s.nfe) for s in r.samples] for r in results}


def test_without_weight_it_is_the_language_model() -> None:
    """Byte for byte; and so it is for what no text can satisfy."""
    head = CODEC.head(())
    jobs = [Job(0, TARGETS[0], i, Heads.of([head])) for i in range(30)]
    plain = sample(NETWORK, [head] * 30, uniforms("ctrl_g", jobs, 0, LIMIT), EOS, CODEC.forbidden)
    words = [CODEC.tokens(ids) for ids in plain]
    (found,) = make("length", lm=NETWORK, weight=0.0).generate(TARGETS[:1], 30, 0)
    assert [one.tokens for one in found.samples] == words
    never = Target(TARGETS[0].id, FieldValue("name", "elsewhere"))
    (found,) = make("semantic_content", lm=NETWORK).generate([never], 30, 0)
    assert [one.tokens for one in found.samples] == words


def test_a_sample_depends_on_nothing_but_its_names() -> None:
    generator = make("length", lm=NETWORK)
    whole = content(generator.generate(TARGETS, 7, seed=3))
    assert all(len(row[0]) - 1 == int(key[1:]) for key, rows in whole.items() for row in rows)
    assert content(generator.generate(TARGETS, 7, seed=3, batch=1)) == whole
    assert content(generator.generate(TARGETS[::-1], 7, seed=3, batch=5)) == whole
    assert content(generator.generate(TARGETS[1:2], 4, seed=3)) == {"t1": whole["t1"][:4]}
    assert content(generator.generate(TARGETS, 7, seed=4)) != whole


def value(automaton: Automaton, text: Sequence[int]) -> float:
    """What an automaton says of a text."""
    state, total = read(automaton, text)
    return total * automaton.accepts(state)


@pytest.mark.parametrize("stated", ["b", "ab", "a b", "b b", "ab ab", "b a", "bb", "b ab b"])
def test_a_value_stands_where_the_rule_finds_it(stated: str) -> None:
    """Inside words and across them, as the headline metric does."""
    automaton = make("semantic_content").automaton(FieldValue("name", stated))
    task, target = SINGLE["semantic_content"], Target("t", FieldValue("name", stated))
    for n in range(1, 5):
        for text in itertools.product(WORDS, repeat=n):
            assert value(automaton, text) == satisfied(task, target, CODEC.words([*text, EOS]))
    accented = Stated("e\u0301a", ["x", None, "\u00e9a", "e"])
    assert value(accented, [2]) == 1 and value(accented, [0]) == 0


def test_products_multiply() -> None:
    one = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    other = torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64)
    both = Product([Chain([one, one]), Chain([other, one])])
    assert value(both, [1, 1]) == 0.0625 and value(both, [1, 2]) == 0.25
    assert value(both, [2, 1]) == value(both, [1]) == 0
    assert both.edges((2, 2)) == []


def test_a_word_counts_as_often_as_it_has_the_tag() -> None:
    words = torch.tensor([float(i in WORDS) for i in range(V)], dtype=torch.float64)
    x, y, none = tag_weights(("X", "Y", "W"), TAGS, words, 0.0)
    assert x.tolist() == [0, 0, 0.5, 0, 0, 1, 0, 0]  # PAD is no word
    assert y.tolist() == [0, 0, 0.5, 0, 1, 0, 0, 0] and not none.any()
    assert not tag_weights(("X",), TAGS, words, 0.6)[0][2]


def test_a_table_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tags.json").write_text('{"X": [1, 2]}')
    with pytest.raises(UserError, match="made for 2 words, not 8"):
        read_tags(tmp_path, V)
    (tmp_path / "tags.json").write_text('{"X": "many"}')
    with pytest.raises(UserError, match="tags.json"):
        read_tags(tmp_path, V)


def nll(hmm: HMM, rows: Sequence[Sequence[int]]) -> float:
    """Nats of texts, by enumerating paths of hidden states."""
    total = 0.0
    for row in rows:
        p = 0.0
        for path in itertools.product(range(hmm.states), repeat=len(row)):
            q = float(hmm.initial[path[0]] * hmm.emission[path[0], row[0]])
            for (a, b), token in zip(itertools.pairwise(path), row[1:], strict=True):
                q *= float(hmm.transition[a, b] * hmm.emission[b, token])
            p += q
        total -= math.log(p)
    return total


def test_expected_counts_are_those_of_all_paths() -> None:
    rows = [[4, EOS], [5, 6, 7, EOS], [7, 7, EOS]]
    ids = torch.tensor([row + [0] * (4 - len(row)) for row in rows])
    mask = torch.arange(4) < torch.tensor([[len(row)] for row in rows])
    counts = Counts(3, V)
    counts.expected(HIDDEN, ids, mask)
    assert math.isclose(counts.nll, nll(HIDDEN, rows), rel_tol=1e-9)
    assert counts.tokens == 9 and math.isclose(float(counts.initial.sum()), 3, rel_tol=1e-9)
    assert math.isclose(float(counts.transition.sum()), 6, rel_tol=1e-9)
    assert torch.allclose(counts.emission.sum(0)[WORDS[1:]], torch.tensor([1.0, 1, 1, 3]).double())
    one = Counts(3, V)
    one.expected(HIDDEN, ids[:1], mask[:1])
    first = HIDDEN.initial * HIDDEN.emission[:, 4]
    paths = first[:, None] * HIDDEN.transition * HIDDEN.emission[:, EOS]
    torch.testing.assert_close(one.transition, paths / paths.sum(), atol=1e-9, rtol=0)


def drawn_texts(count: int) -> Iterator[tuple[str, ...]]:
    rng = torch.Generator().manual_seed(0)
    every = list(LAW)
    chosen = torch.multinomial(torch.tensor(list(LAW.values())), count, True, generator=rng)
    for i in chosen.tolist():
        if every[i][-1] == EOS and len(every[i]) > 1:
            yield CODEC.words(every[i])


def test_distilling_descends_and_can_be_read_back(tmp_path: Path) -> None:
    """Expectation maximisation never raises the nats, and ends below a model of single words."""
    words = list(drawn_texts(800))
    config = HMMConfig(states=4, epochs=15, clustered=200, smoothing=1e-6)
    train_hmm(tmp_path, (NETWORK, CODEC), words[50:], words[:50], config, seed=0)
    hmm, codec = load_hmm(tmp_path)
    assert codec.digest == CODEC.digest and hmm.states == 4
    lines = (tmp_path / "curve.jsonl").read_text().splitlines()
    curve = [float(line.split('"train_nll": ')[1].split(",")[0]) for line in lines]
    assert len(curve) == 15 and all(b <= a + 1e-4 for a, b in itertools.pairwise(curve))
    single = Counter(token for text in words[50:] for token in [*text, "END"])
    total = sum(single.values())
    assert curve[-1] < -sum(n / total * math.log(n / total) for n in single.values()) - 0.02
    for table in (hmm.initial[None], hmm.transition, hmm.emission):
        torch.testing.assert_close(table.sum(1), torch.ones(len(table)), atol=1e-5, rtol=0)
    assert not hmm.emission[:, CODEC.forbidden].any()
    (tmp_path / "weights.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="weights"):
        load_hmm(tmp_path)


def test_its_card() -> None:
    card = METHODS.card("ctrl_g")
    assert card.knows_rule and not card.trained and card.group == "steering"
    refused = {n for n in in_table("control") if card.refuses(load_task(n))}
    assert refused == {"syntax_spans", "syntax_tree"}
    reason = "no finite automaton over words reads its controls"
    assert card.refuses(load_task("length+syntax_spans")) == reason
    assert card.refuses(load_task("infilling")) == "it reads controls and no contexts"
    assert card.needs(load_task("length"), None) == ("lm", "hmm")
    assert card.needs(load_task("parts_of_speech"), None) == ("lm", "hmm", "word_tags")
    both = load_task("semantic_content+parts_of_speech")
    assert card.needs(both, None) == ("lm", "hmm", "word_tags:parts_of_speech")
    config: Any = SimpleNamespace(lm=SimpleNamespace(pretrained="gpt2"))
    with pytest.raises(UserError, match="language model of the corpus's words"):
        card.check(config, None)


@pytest.mark.parametrize(
    "given",
    ["ctrl_g.weight=-1", "ctrl_g.rare=2", "hmm.states=0", "hmm.smoothing=0", "lm_samples.count=1"],
)
def test_bad_settings_are_refused_in_one_line(given: str) -> None:
    with pytest.raises(UserError, match=given.split("=")[0].split(".")[1]) as caught:
        parse(["method=ctrl_g", "task=length", given])
    assert "\n" not in str(caught.value)
