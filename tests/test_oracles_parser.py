"""The parser trained here: training, decoding, saving, and texts that are no single sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.nets.train import TrainConfig, fit
from tasks.common.errors import UserError
from tasks.oracles.config import ParserConfig
from tasks.oracles.measure import main
from tasks.oracles.parser import ChartParserOracle, ParserObjective, save_parser
from tasks.oracles.perceptron import train_perceptron
from tasks.oracles.trees import bracketing, leaves, nodes

TINY = replace(
    ParserConfig.small(), d_model=32, d_char=8, d_word=16, d_label=32, batch=8, dropout=0.0,
    max_words=20,
)  # fmt: skip


def trees(n: int, seed: int) -> list[str]:
    """Sentences whose attachment the last noun decides, with unary chains and brackets."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        subject = rng.choice(["(NP (PRP it))", "(NP (DT the) (NN cat))", "(NP (NNP (x))"][:2])
        verb, noun = rng.choice(["saw", "ate"]), rng.choice(["fish", "mice", "-LRB-"])
        if rng.random() < 0.5:
            verbal = f"(VP (VBD {verb}) (NP (NP (NN {noun})) (PP (IN of) (NP (NN sea)))))"
        else:
            verbal = f"(VP (VBD {verb}) (NP (NN {noun})) (PP (IN at) (NP (NN noon))))"
        found.append(f"(S {subject} {verbal} (. .))")
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> ParserObjective:
    torch.set_num_threads(1)
    objective = ParserObjective(trees(80, 0), trees(20, 1), TINY, seed=1)
    config = TrainConfig(steps=70, lr=1e-2, warmup=5, clip=5.0, every=70, bf16=False)
    curve = fit(objective, config, tmp_path_factory.mktemp("fit"), seed=1)
    assert curve[-1]["valid_f1"] > 95 and curve[-1]["valid_tags"] > 95
    return objective


@pytest.fixture(scope="module")
def oracle(trained: ParserObjective) -> ChartParserOracle:
    return ChartParserOracle(trained.module, TINY, None, "tiny")


def test_the_loss_is_benepars_own(trained: ParserObjective) -> None:
    """Chart scores of the fast path equal ``f_label`` applied to every span's difference."""
    from tasks.oracles.chart import collate

    module = trained.module.eval()
    batch = collate(module, trained._examples[:3])
    states = module.annotate(batch)
    half = TINY.d_model // 2
    fence = torch.cat([states[:, :-1, :half], states[:, 1:, half:]], -1)
    slow = module.f_label((fence[:, None] - fence[:, :, None])[:, :-1, 1:])
    chart, _ = module(batch)
    n = chart.shape[1]
    upper = torch.triu(torch.ones(n, n, dtype=torch.bool))
    assert torch.allclose(chart[..., 1:][:, upper], slow[:, upper], atol=1e-5)
    assert (chart[..., 0] == 0).all()


def test_decoding_agrees_with_benepar(trained: ParserObjective, oracle: ChartParserOracle) -> None:
    from nltk import Tree

    from tasks.oracles.chart import collate

    examples = trained._examples[:6]
    with torch.no_grad():
        chart, _ = trained.module.eval()(collate(trained.module, examples))
    for i, example in enumerate(examples):
        words = example["words"]
        ours = oracle.parse([words])[0]
        pos = [(w, t) for w, (_, t) in zip(words, nodes(ours).leaves, strict=True)]
        n = len(words)
        theirs: Tree = trained.module.decoder.tree_from_scores(
            chart[i, :n, :n].numpy(), [(w.replace("(", "-LRB-"), t) for w, t in pos]
        )
        assert bracketing([" ".join(str(theirs).split())], [ours]).f1 == 1.0


def test_every_text_is_parsed_over_its_own_words(oracle: ChartParserOracle) -> None:
    texts: list[list[str]] = [
        [], ["\n"], ["it"], "it saw fish of sea . \n".replace("\n", "\n").split(" "),
        ["\n", "the", "cat", "(", ")", "never-seen"], ["fish"] * 55, ["Café", "", "it"],
    ]  # fmt: skip
    parsed = oracle.parse(texts)
    assert parsed[0] == "(TOP )"
    for words, tree in zip(texts, parsed, strict=True):
        assert [w or " " for w in words] == list(leaves(tree))


def test_a_parse_depends_on_its_sentence_alone(oracle: ChartParserOracle) -> None:
    texts = [list(leaves(tree)) for tree in trees(30, 3)]
    together = oracle.parse(texts)
    assert together == [oracle.parse([text])[0] for text in texts]


def test_save_and_load(trained: ParserObjective, oracle: ChartParserOracle, tmp_path: Path) -> None:
    save_parser(tmp_path, trained, {"trained on": "fixtures"})
    loaded = ChartParserOracle.load(tmp_path)
    texts = [list(leaves(tree)) for tree in trees(10, 4)]
    assert loaded.parse(texts) == oracle.parse(texts)
    assert loaded.id == ChartParserOracle.load(tmp_path).id
    weights = tmp_path / "parser.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match="damaged or missing parser"):
        ChartParserOracle.load(tmp_path)
    (tmp_path / "parser.json").write_text("{}")
    with pytest.raises(UserError, match="parser.json: has no 'meta'"):
        ChartParserOracle.load(tmp_path)
    with pytest.raises(UserError, match="nowhere/parser.json is missing"):
        ChartParserOracle.load(tmp_path / "nowhere")


def test_input_tags_travel_with_the_parser(tmp_path: Path) -> None:
    tagged = [[(w, t) for w, t in nodes(tree).leaves] for tree in trees(40, 5)]
    tagger = train_perceptron(tagged, seed=0)
    config = replace(TINY, d_input=8)
    objective = ParserObjective(trees(16, 0), trees(4, 1), config, 1, tagger)
    save_parser(tmp_path, objective, {})
    loaded = ChartParserOracle.load(tmp_path)
    assert loaded.tagger is not None
    words = [["it", "saw", "fish"]]
    kept = ChartParserOracle(objective.module, config, tagger, "x").parse(words)
    assert loaded.parse(words) == kept


def test_the_seed_decides_the_network_and_the_batches() -> None:
    def first(seed: int) -> float:
        objective = ParserObjective(trees(30, 0), trees(4, 1), TINY, seed)
        torch.manual_seed(0)
        return float(objective.loss(0)[0])

    assert first(1) == first(1) != first(2)


def test_training_needs_a_tree() -> None:
    with pytest.raises(UserError, match="no training tree"):
        ParserObjective(["(TOP )"], [], TINY, 0)
    with pytest.raises(UserError, match="malformed tree"):
        ParserObjective(["(S (NN a)"], [], TINY, 0)


def test_the_published_model_says_when_it_is_missing() -> None:
    from tasks.oracles.pretrained import BeneparParser

    with pytest.raises(UserError, match="no_such_model is not available"):
        BeneparParser("no_such_model")


def test_options_of_the_measurement_are_checked() -> None:
    with pytest.raises(UserError, match="did you mean 'data'"):
        main(["dat=x"])
    with pytest.raises(UserError, match="parser="):
        main(["data=x"])
