"""The perceptron tagger, its training and the map to universal tags."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tasks.common.errors import UserError
from tasks.oracles.measure import tag_agreement
from tasks.oracles.perceptron import (
    find_perceptron,
    load_perceptron,
    save_perceptron,
    train_perceptron,
)
from tasks.oracles.tagger import NltkTagger, PerceptronTrained, SpacyTagger, StanzaTagger
from tasks.oracles.upos import universal

DATA = Path(os.environ.get("DIFFUSION_BENCH_DATA", "../shared/data"))
needs_data = pytest.mark.skipif(
    not (DATA / "nltk_data" / "taggers").is_dir(), reason=f"no tagger weights in {DATA}"
)
SENTENCES = [
    [("the", "DET"), ("cat", "NOUN"), ("sat", "VERB"), (".", "PUNCT")],
    [("a", "DET"), ("dog", "NOUN"), ("ran", "VERB"), ("home", "ADV"), (".", "PUNCT")],
    [("the", "DET"), ("run", "NOUN"), ("ended", "VERB"), (".", "PUNCT")],
    [("dogs", "NOUN"), ("run", "VERB"), (".", "PUNCT")],
] * 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It/PRP is/VBZ cheap/JJ ./.", "PRON AUX ADJ PUNCT"),
        ("There/EX is/VBZ a/DT pub/NN", "PRON VERB DET NOUN"),
        ("It/PRP has/VBZ been/VBN rated/VBN", "PRON AUX AUX VERB"),
        ("It/PRP has/VBZ a/DT view/NN", "PRON VERB DET NOUN"),
        ("They/PRP do/VBP not/RB open/VB", "PRON AUX PART VERB"),
        ("They/PRP did/VBD it/PRP", "PRON VERB PRON"),
        ("close/RB to/TO the/DT river/NN", "ADV ADP DET NOUN"),
        ("likes/VBZ to/TO eat/VB", "VERB PART VERB"),
        ("a/DT pub/NN that/WDT sells/VBZ beer/NN", "DET NOUN PRON VERB NOUN"),
        ("says/VBZ that/IN he/PRP left/VBD", "VERB SCONJ PRON VERB"),
        ("that/DT pub/NN", "DET NOUN"),
        ("This/DT is/VBZ its/PRP$ price/NN", "PRON AUX PRON NOUN"),
        ("the/DT pub/NN 's/POS food/NN", "DET NOUN PART NOUN"),
        ("after/IN the/DT rain/NN stopped/VBD", "SCONJ DET NOUN VERB"),
        ("after/IN the/DT rain/NN", "ADP DET NOUN"),
        ("known/VBN for/IN serving/VBG fish/NN", "VERB SCONJ VERB NOUN"),
        ("£/NN 20/CD -/: 25/CD", "SYM NUM SYM NUM"),
        ("a/DT friendly/RB pub/NN &/CC bar/NN", "DET ADJ NOUN CCONJ NOUN"),
        ("fast/RB food/NN", "ADJ NOUN"),
        ("(/( -/: )/)", "PUNCT PUNCT PUNCT"),
    ],
)
def test_universal_tags_in_context(text: str, expected: str) -> None:
    words, tags = zip(*(pair.rsplit("/", 1) for pair in text.split()), strict=True)
    assert " ".join(universal(words, tags)) == expected


def test_training_round_trip(tmp_path: Path) -> None:
    words = [[w for w, _ in s] + ["\n"] for s in SENTENCES]
    tags = [[*(t for _, t in s), "X"] for s in SENTENCES]
    tagger = PerceptronTrained.train(words, tags, seed=1)
    tagger.save(tmp_path)
    loaded = PerceptronTrained.load(tmp_path)
    expected = [(*own[:-1], "SPACE") for own in tags]
    assert tagger.tag(words) == loaded.tag(words) == expected
    assert loaded.tag([[], ["\n"]]) == [(), ("SPACE",)]
    assert loaded.id == PerceptronTrained.load(tmp_path).id
    other = PerceptronTrained.train(words[:2], tags[:2], seed=1)
    other.save(tmp_path / "other")
    assert PerceptronTrained.load(tmp_path / "other").id != loaded.id


def test_training_depends_on_the_seed_alone() -> None:
    import random

    first = train_perceptron(SENTENCES, seed=3).weights
    random.seed(9)
    before = random.getstate()
    assert train_perceptron(SENTENCES, seed=3).weights == first
    assert random.getstate() == before


def test_training_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="1 tags for the 2 words"):
        PerceptronTrained.train([["a", "b"]], [["X"]], seed=0)
    with pytest.raises(UserError, match="no words"):
        PerceptronTrained.train([["\n"]], [["X"]], seed=0)


def test_compressed_weights_are_the_same_and_their_damage_is_named(tmp_path: Path) -> None:
    tagger = train_perceptron(SENTENCES, 0)
    save_perceptron(tmp_path / "one", tagger, compress=True)
    save_perceptron(tmp_path / "two", tagger, compress=True)
    packed = tmp_path / "one" / "weights.json.gz"
    assert packed.read_bytes() == (tmp_path / "two" / "weights.json.gz").read_bytes()
    again = load_perceptron(tmp_path / "one")
    assert (again.weights, again.tagdict) == (tagger.weights, tagger.tagdict)
    for damaged in (packed.read_bytes()[:-9], b"{}", packed.read_bytes()[:40] + bytes(40)):
        packed.write_bytes(damaged)
        with pytest.raises(UserError, match=r"weights\.json\.gz"):
            load_perceptron(tmp_path / "one")


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"weights\.json"):
        load_perceptron(tmp_path)
    PerceptronTrained(train_perceptron(SENTENCES, 0), "x").save(tmp_path)
    (tmp_path / "tagdict.json").write_text('{"a": ')
    with pytest.raises(UserError, match=r"tagdict\.json"):
        load_perceptron(tmp_path)
    (tmp_path / "tagdict.json").write_text("[]")
    with pytest.raises(UserError, match="tagdict"):
        load_perceptron(tmp_path)
    with pytest.raises(UserError, match="averaged_perceptron"):
        NltkTagger(tmp_path)


def test_the_same_tags_as_nltk() -> None:
    from nltk.tag.perceptron import PerceptronTagger

    own = train_perceptron(SENTENCES, seed=0)
    theirs = PerceptronTagger(load=False)
    theirs.model.weights, theirs.tagdict = own.weights, own.tagdict
    theirs.classes = theirs.model.classes = set(own.classes)
    for text in ("a run ran home .", "dogs 2024 7up well-known", "the the the", "x"):
        words = text.split()
        assert own.tag(words) == [tag for _, tag in theirs.tag(words)]


def test_taggers_that_are_not_installed_say_so() -> None:
    with pytest.raises(UserError, match="not available"):
        SpacyTagger("no_such_model")
    try:
        import stanza  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match="stanza is not available"):
            StanzaTagger()


@needs_data
def test_released_tags_are_mostly_ours() -> None:
    figures = tag_agreement(NltkTagger(DATA), DATA)
    assert figures["tags_total"] == 4257
    # a naive map from tag to tag reaches 92.6
    assert figures["tags"] > 94


@needs_data
def test_tagger_weights_are_whole() -> None:
    sizes = json.loads(
        next(find_perceptron(DATA).glob("*classes.json")).read_text(encoding="utf-8")
    )
    assert len(load_perceptron(find_perceptron(DATA)).classes) == len(sizes) > 40
