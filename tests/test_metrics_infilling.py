"""The metrics of sentence infilling, each against a hand-checked fixture and another reckoning."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.base import Words
from tasks.common.errors import UserError
from tasks.metrics import bleu, cider, infilling, rouge
from tasks.metrics.bertscore import BertScore
from tasks.metrics.text import detokenize, ptb

HERE = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("DIFFUSION_BENCH_DATA", HERE.parent / "shared" / "data"))
WORD = st.sampled_from(["red", "dogs", "chase", "cats", "today"])
TEXT = st.lists(WORD, min_size=1, max_size=7).map(tuple)
ITEMS = st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=3)), min_size=1, max_size=5)


def w(text: str) -> Words:
    return tuple(text.split())


CAT = w("the cat sat on the mat")
CATS = [w("the cat sat on a mat"), w("a cat was on the mat today")]
DOGS = w("dogs chase red cats")


# text


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("I did n't go , but she 's in .", "I didn't go, but she's in."),
        ('He said " go home " ( twice ) !', 'He said "go home" (twice)!'),
        ("The dogs ' well - worn bed cost $ 20 ...", "The dogs' well-worn bed cost $20..."),
        ("5 % off ; or [ more ]", "5% off; or [more]"),
        ("We 're gon na win and / or lose - maybe", "We're gonna win and/or lose-maybe"),
        ("n't it", "n't it"),
        ("a ' b ' c", "a 'b' c"),
        ("", ""),
    ],
)
def test_detokenize(tokens: str, text: str) -> None:
    assert detokenize(w(tokens)) == text


def test_white_space_tokens_are_dropped() -> None:
    assert detokenize(("She", " ", "left", ".", "\n")) == "She left."


SENTENCES = [
    "Ann didn't see Bob's car, so she couldn't stop.",
    'He said "hello" (twice) and left!',
    "They can't pay $1,200 for a well-worn 3-piece suite...",
    "Dr. Moss came at 5 p.m. and left. Nobody noticed?",
    "I'm sure we'll be there; you'd better be, too.",
    "It was gonna rain: 50% of the U.S. was wet.",
    "The dogs' bowls and the cats' toys -- all gone.",
]


def test_ptb_tokens() -> None:
    assert ptb(SENTENCES[0]) == w("ann did n't see bob 's car so she could n't stop")
    assert ptb("It rained. Then it didn\u2019t..") == w("it rained then it did n't")
    assert ptb("...") == ()


@pytest.mark.skipif(shutil.which("java") is None, reason="no java for COCO's own tokenizer")
def test_ptb_tokens_are_those_of_coco_s_jar() -> None:
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    given = {i: [{"caption": text}] for i, text in enumerate(SENTENCES)}
    jar = PTBTokenizer().tokenize(given)
    assert [" ".join(ptb(text)) for text in SENTENCES] == [jar[i][0] for i in given]


@pytest.mark.skipif(
    not (DATA / "anlg" / "dev.json").is_file(),
    reason=f"no aNLG data in {DATA} (set DIFFUSION_BENCH_DATA)",
)
def test_real_middles_come_back_from_their_tokens() -> None:
    from spacy.lang.en import English

    items = json.loads((DATA / "anlg" / "dev.json").read_text(encoding="utf-8")).values()
    texts = [" ".join(t.split()) for item in items for t in item["gold_labels"]]
    tokens = English()
    wrong = sum(detokenize([t.text for t in tokens(text)]) != text for text in texts)
    assert wrong < 0.005 * len(texts)  # 23 of 7,252, nearly all with a slip in their spacing


# BLEU


def test_bleu_by_hand() -> None:
    # unigrams: the (once, for no reference has two), cat, sat, on, mat: 5 of 6
    # bigrams: all 5; trigrams: all but "sat on the": 3 of 4; 4-grams: the first: 1 of 3
    # references of 6 and 7 words: 6 is as long, so no brevity penalty
    counts = bleu.statistics(CAT, CATS)
    assert counts == (5, 5, 3, 1, 6, 5, 4, 3, 6, 6)
    expected = 100 * (5 / 6 * 5 / 5 * 3 / 4 * 1 / 3) ** 0.25
    assert bleu.from_statistics([counts]) == pytest.approx(expected)


def test_bleu_takes_the_nearest_length_and_of_two_the_shorter() -> None:
    near = [w("a b c"), w("a b c d e"), w("a b c d e f g h")]
    assert bleu.statistics(w("a b c d"), near)[-2:] == (4, 3)


def test_bleu_splits_off_punctuation_and_ignores_case() -> None:
    # "Didn't go." has the tokens didn't, go and a full stop
    counts = bleu.statistics(("Did", "n't", "go", "."), [("did", "n't", "GO", ".")])
    assert counts == (3, 2, 1, 0, 3, 2, 1, 0, 3, 3)


def test_bleu_of_nothing() -> None:
    empty = bleu.statistics((), [CAT])
    assert empty == (0,) * 9 + (6,)
    assert bleu.from_statistics([empty]) == 0.0
    # one order without a match: nothing is smoothed
    assert bleu.from_statistics([bleu.statistics(w("a b"), [w("b a")])]) == 0.0
    with pytest.raises(ValueError, match="at least one reference"):
        bleu.statistics(CAT, [])
    with pytest.raises(ValueError, match="at least one item"):
        bleu.from_statistics([])


@settings(max_examples=40, deadline=None)
@given(ITEMS)
def test_summed_counts_give_sacrebleu_s_own_score(items: list[tuple[Words, list[Words]]]) -> None:
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="13a", lowercase=True, smooth_method="none", effective_order=False)
    streams = [[" ".join(r[k]) if k < len(r) else None for _, r in items] for k in range(3)]
    theirs = metric.corpus_score([" ".join(p) for p, _ in items], streams).score
    assert bleu.from_statistics([bleu.statistics(p, r) for p, r in items]) == theirs


def test_bleu_is_nltk_s() -> None:
    from nltk.translate.bleu_score import corpus_bleu

    predictions = [CAT, w("he took the early bus home"), w("she was very late again")]
    references = [CATS, [w("then he took the early bus")], [w("she was very late"), w("late")]]
    ours = bleu.from_statistics(
        [bleu.statistics(p, r) for p, r in zip(predictions, references, strict=True)]
    )
    assert ours == pytest.approx(100 * corpus_bleu(references, predictions))


# ROUGE-L


def test_rouge_by_hand() -> None:
    # one reference: subsequence of 3; P = 3/4, R = 3/3; F = 2.44 * 0.75 / (1 + 1.44 * 0.75)
    short = w("dogs chase cats")
    assert rouge.coco(DOGS, [short]) == pytest.approx(2.44 * 0.75 / 2.08)
    # the other: P = 4/4, R = 4/7; COCO takes P of this one and R of that one, both 1
    long = w("big dogs chase red cats every day")
    assert rouge.coco(DOGS, [short, long]) == pytest.approx(1.0)
    # Google's takes the better F1: 2 (3/4) / (1 + 3/4) = 6/7 over 2 (4/7) / (1 + 4/7) = 8/11
    assert rouge.google(DOGS, [short, long]) == pytest.approx(6 / 7)


def lcs(a: Words, b: Words) -> int:
    if not a or not b:
        return 0
    if a[0] == b[0]:
        return 1 + lcs(a[1:], b[1:])
    return max(lcs(a[1:], b), lcs(a, b[1:]))


@settings(max_examples=60, deadline=None)
@given(TEXT, st.lists(TEXT, min_size=1, max_size=3))
def test_rouge_is_its_definition(prediction: Words, references: list[Words]) -> None:
    common = [lcs(prediction, r) for r in references]
    p = max(n / len(prediction) for n in common)
    r = max(n / len(own) for n, own in zip(common, references, strict=True))
    expected = 2.44 * p * r / (r + 1.44 * p) if p else 0.0
    assert rouge.coco(prediction, references) == pytest.approx(expected)
    f1 = max(2 * n / (len(prediction) + len(o)) for n, o in zip(common, references, strict=True))
    assert rouge.google(prediction, references) == pytest.approx(f1)


def test_rouge_drops_punctuation_and_case() -> None:
    assert rouge.coco(("Ran", "!"), [("ran", ".")]) == 1.0
    assert rouge.coco((), [CAT]) == rouge.google((), [CAT]) == 0.0
    assert rouge.coco((".",), [(".",)]) == 0.0  # not two equal empty texts
    # COCO's tokens part n't from did, Google's part t from didn
    assert rouge.coco(("did", "n't"), [("did",)]) == pytest.approx(2.44 * 0.5 / 1.72)


# CIDEr-D


def test_cider_by_hand() -> None:
    # Every n-gram of the references stands in one of the two items: weight log 2.
    # Item 1, equal texts: cosine 1 for unigrams and bigrams, no longer n-grams: 10 (1 + 1) / 4.
    # Item 2, "blue dog" for "blue cat": unigram cosine 1/2, no common bigram: 10 (1/2) / 4.
    found = cider.cider_d([w("red dog"), w("blue dog")], [[w("red dog")], [w("blue cat")]])
    assert found == pytest.approx([5.0, 1.25])


def test_cider_hangs_on_the_set() -> None:
    assert cider.cider_d([CAT], [CATS]) == [0.0]  # one item: every weight is log 1
    two = cider.cider_d([CAT, DOGS], [CATS, [DOGS]])
    # "the cat ..." in the references of another item too: its words weigh less
    three = cider.cider_d([CAT, DOGS, CAT], [CATS, [DOGS], CATS])
    assert two[0] > 0 and two[1] == pytest.approx(10.0) and three[0] != pytest.approx(two[0])


def direct_cider(predictions: list[Words], references: list[list[Words]]) -> list[float]:
    """CIDEr-D of Vedantam et al. 2015 (section 6), with vectors over all n-grams of the set."""
    scores = np.zeros(len(predictions))
    for n in range(1, 5):

        def count(words: Words, n: int = n) -> list[Words]:
            return [words[i : i + n] for i in range(len(words) - n + 1)]

        texts = [*predictions, *(r for own in references for r in own)]
        grams = sorted({g for words in texts for g in count(words)})
        df = np.array([sum(any(g in count(r) for r in own) for own in references) for g in grams])
        idf = np.log(len(references)) - np.log(np.maximum(df, 1))
        for i, own in enumerate(references):
            c = np.array([count(predictions[i]).count(g) for g in grams]) * idf
            for r in own:
                s = np.array([count(r).count(g) for g in grams]) * idf
                norm = float(np.linalg.norm(c) * np.linalg.norm(s)) if grams else 0.0
                # pycocoevalcap measures lengths in bigrams
                gap = max(len(predictions[i]) - 1, 0) - max(len(r) - 1, 0)
                if norm:
                    cosine = float(np.minimum(c, s) @ s) / norm
                    scores[i] += 10 / 4 / len(own) * cosine * np.exp(-(gap**2) / 72)
    return [float(score) for score in scores]


@settings(max_examples=40, deadline=None)
@given(ITEMS)
def test_cider_is_its_formula(items: list[tuple[Words, list[Words]]]) -> None:
    predictions, references = [p for p, _ in items], [r for _, r in items]
    expected = direct_cider(predictions, references)
    assert cider.cider_d(predictions, references) == pytest.approx(expected, abs=1e-9)


# BERTScore

VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *w("the dog ran home a cat slept . big"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny-bert")


def tiny_bert(place: Path) -> Path:
    """A tiny BERT whose tokenizer, as many, does not say how long a text may be."""
    from transformers import BertConfig, BertModel

    place.mkdir()
    (place / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    (place / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(place)
    return place


def direct_f1(folder: Path, layer: int, prediction: Words, reference: Words) -> float:
    """F1 of greedy matches (Zhang et al. 2020, section 3), special tokens without weight."""
    from transformers import BertModel

    network = BertModel.from_pretrained(folder).eval()
    sides = []
    for words in (prediction, reference):
        ids = [2, *(VOCABULARY.index(word) for word in words), 3]
        with torch.no_grad():
            out = network(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]
        sides.append(out / out.norm(dim=-1, keepdim=True))
    similarity = sides[0] @ sides[1].T
    precision = float(similarity.max(1).values[1:-1].mean())
    recall = float(similarity.max(0).values[1:-1].mean())
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("layer", [1, 2])
def test_bertscore_is_its_definition(folder: Path, layer: int) -> None:
    predictions = [w("the dog ran home ."), w("a cat slept")]
    references = [[w("the big dog slept"), w("a dog ran home .")], [w("the cat slept")]]
    expected = [
        max(direct_f1(folder, layer, prediction, reference) for reference in own)
        for prediction, own in zip(predictions, references, strict=True)
    ]
    found = BertScore(str(folder), layer=layer).score(predictions, references)
    assert found == pytest.approx(expected, abs=1e-5)
    assert all(score < 0.999 for score in found)


def test_bertscore_of_equal_empty_and_long_texts(folder: Path) -> None:
    scorer = BertScore(str(folder), layer=1, batch=2)
    long = ("dog",) * 60  # twice what the network holds
    found = scorer.score([w("the dog"), (), long], [[w("a cat"), w("the dog")], [w("a")], [long]])
    assert found == pytest.approx([1.0, 0.0, 1.0], abs=1e-5)
    assert scorer.score([], []) == []


def test_bertscore_s_hash_says_the_settings(folder: Path, tmp_path: Path) -> None:
    found = BertScore(str(folder), layer=1).hash
    assert found.startswith("tiny-bert@") and "_L1_no-idf_version=" in found
    assert str(folder) not in found
    copy = shutil.copytree(folder, tmp_path / "tiny-bert")
    assert BertScore(str(copy), layer=1).hash == found
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")
    assert BertScore(str(copy), layer=1).hash != found


def test_bertscore_settings_that_cannot_be(folder: Path) -> None:
    with pytest.raises(UserError, match="cannot be rescaled with the local folder"):
        BertScore(str(folder), layer=1, rescale=True)
    with pytest.raises(UserError, match="no layer for the model 'tiny-bert': name one"):
        BertScore(str(folder))
    with pytest.raises(UserError, match="'tiny-bert' has 2 layers: none is layer 3"):
        BertScore(str(folder), layer=3).score([CAT], [CATS])


def test_bertscore_without_its_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    with pytest.raises(UserError, match=r"^skipped: roberta-large not available"):
        BertScore()
    with pytest.raises(UserError, match="skipped: .* not available: there is no such folder"):
        BertScore(str(tmp_path / "no" / "such" / "folder"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="skipped: empty cannot be loaded"):
        BertScore(str(tmp_path / "empty"), layer=1).score([CAT], [CATS])


def test_a_cached_model_asks_no_network_and_rescales(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    import huggingface_hub

    cached = str(folder / "config.json")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: cached)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", None)
    plain = BertScore("roberta-large", layer=1)
    rescaled = BertScore("roberta-large", layer=1, rescale=True)
    assert plain.hash.startswith("roberta-large_L1_") and rescaled.hash.endswith("-rescaled")
    assert BertScore("roberta-large").layer == 17
    (f1,), (own,) = (s.score([w("the dog")], [[w("a cat")]]) for s in (plain, rescaled))
    base = 0.6703483  # F of layer 1 in bert-score's rescale_baseline/en/roberta-large.tsv
    assert own == pytest.approx((f1 - base) / (1 - base), abs=1e-6)
    with pytest.raises(UserError, match="no baseline of layer 99"):
        BertScore("roberta-large", layer=99, rescale=True)


def test_roberta_s_first_word_has_its_space(tmp_path: Path) -> None:
    # bert-score asks for it at every call, which transformers 5 no longer hears
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import RobertaConfig, RobertaModel

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=290,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["a dog ran and the dog and the cat slept"] * 5, trainer)
    bpe.model.save(str(tmp_path))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer"}')
    config = RobertaConfig(
        vocab_size=bpe.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=34,
    )
    RobertaModel(config).save_pretrained(tmp_path)
    scorer = BertScore(str(tmp_path), layer=1)
    _, tokenizer = scorer._network
    assert tokenizer.tokenize("the dog")[0] == "\u0120the"
    assert tokenizer.model_max_length == 32  # positions begin after the padding id, 1
    assert scorer.score([("dog",) * 50], [[("dog",) * 50]]) == pytest.approx([1.0], abs=1e-5)


# all together


def test_rows_and_totals(folder: Path) -> None:
    predictions, references = [CAT, (), DOGS], [CATS, [CAT], [w("dogs chase cats")]]
    rows = infilling.evaluate(predictions, references, BertScore(str(folder), layer=1))
    assert [set(row) for row in rows] == [
        {"bleu4", "rouge_l", "rouge_l_google", "cider", "bertscore"}
    ] * 3
    zero = {metric: value for metric, value in rows[1].items() if metric != "bleu4"}
    assert set(zero.values()) == {0.0}
    assert rows[2]["rouge_l"] == pytest.approx(2.44 * 0.75 / 2.08)
    found = infilling.totals(rows)
    counts = [bleu.statistics(p, r) for p, r in zip(predictions, references, strict=True)]
    assert found["bleu4"] == bleu.from_statistics(counts)
    ciders = cider.cider_d(predictions, references)
    assert found["cider"] == pytest.approx(100 * sum(ciders) / 3)
    assert "bertscore" not in infilling.totals(infilling.evaluate(predictions, references))


def test_an_item_without_reference_is_named() -> None:
    for nothing in ([], [()]):
        with pytest.raises(UserError, match="item 1 has no reference"):
            infilling.evaluate([CAT, CAT], [CATS, nothing])
    assert infilling.evaluate([], []) == []


def test_only_empty_answers() -> None:
    found = infilling.totals(infilling.evaluate([(), ()], [CATS, [DOGS]]))
    assert set(found.values()) == {0.0}


def test_ceiling_by_hand(folder: Path) -> None:
    one, two, three = w("dogs chase cats"), w("dogs chase red cats"), w("a quiet day")
    bert = BertScore(str(folder), layer=1)
    rows = infilling.ceiling([[one, two], [three], [three, three, one]], bert)
    assert len(rows) == 2  # the item with one reference has nothing to be held against
    # P = 1, R = 3/4, and then P = 3/4, R = 1
    both = 2.44 * 0.75 / (0.75 + 1.44), 2.44 * 0.75 / (1 + 1.44 * 0.75)
    assert rows[0]["rouge_l"] == pytest.approx(sum(both) / 2)
    assert rows[0]["bleu4"] == bleu.statistics(one, [two])
    assert rows[1]["rouge_l"] == pytest.approx(2 / 3)  # twice itself, once nothing in common
    # the k-th references of both items: the set of one "k" gives the weights
    first = cider.cider_d([one, three], [[two], [three, one]])
    second = cider.cider_d([two, three], [[one], [three, one]])
    third = cider.cider_d([one, one], [[two], [three, three]])
    assert rows[0]["cider"] == pytest.approx((first[0] + second[0]) / 2)
    assert rows[1]["cider"] == pytest.approx((first[1] + second[1] + third[1]) / 3)
    f1 = bert.score([three, three, one], [[three, one], [three, one], [three, three]])
    assert rows[1]["bertscore"] == pytest.approx(sum(f1) / 3, abs=1e-5)
    assert infilling.ceiling([[one]]) == []


def test_every_metric_is_described(folder: Path) -> None:
    bert = BertScore(str(folder), layer=1)
    found = infilling.describe(bert)
    assert set(found) == set(infilling.evaluate([CAT], [CATS], bert)[0])
    assert "nrefs:var|case:lc|eff:no|tok:13a|smooth:none|version:" in found["bleu4"]
    assert bert.hash in found["bertscore"] and "Treebank" in found["cider"]
    assert "bertscore" not in infilling.describe()
