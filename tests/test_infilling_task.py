"""Sentence infilling: its targets, what networks are trained on, and that no middle leaks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from eval.running.command import parse
from eval.running.plan import Plan
from tasks import load_task
from tasks.base import Annotation, Corpus, Target, Text, Words
from tasks.common.errors import UserError
from tasks.controls import Infill
from tasks.corpora import load_corpus
from tasks.infilling import (
    Infilling,
    joined,
    middle_lengths,
    middle_of,
    reordered,
    triples,
    windows,
)
from tasks.targets import NoReleasedList, TooFewTargets

HERE = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("DIFFUSION_BENCH_DATA", HERE.parent / "shared" / "data"))
FIVE = ("a b .", "c .", "d e f .", "g .", "h i .")


def words(*sentences: str) -> Words:
    return tuple(word for sentence in sentences for word in sentence.split())


def story(*sentences: str, **others: str) -> Text:
    fields = tuple((f"instead of {key[-1]}", value) for key, value in others.items())
    lengths = tuple(len(sentence.split()) for sentence in sentences)
    return Text(words(*sentences), fields=fields, sentences=lengths)


STORIES = [story(*FIVE), story("p .", "q r .", "s ."), story("t .", "u v .")]


@pytest.fixture(scope="module")
def stories() -> Corpus:
    return load_corpus("stories", size_train=300, size_valid=120)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "anlg").mkdir()
    items = {
        f"i{n}-1": {
            "obs1": f"Ann{n} ran.",
            "obs2": f"Ben{n} hid.",
            "gold_labels": [f"So{n}.", "No."],
        }
        for n in range(9)
    }
    (tmp_path / "anlg" / "dev.json").write_text(json.dumps(items))
    return tmp_path


def holds(context: Words, sentence: Words) -> bool:
    return f" {' '.join(sentence)} " in f" {' '.join(context)} "


def check(target: Target) -> None:
    control = target.control
    assert isinstance(control, Infill)
    assert target.references
    assert target.source is None
    for reference in target.references:
        assert reference
        assert not holds(control.left, reference)
        assert not holds(control.right, reference)


def test_windows_by_hand() -> None:
    three = [
        "a b . c . d e f .",
        "c . d e f . g .",
        "d e f . g . h i .",
        "p . q r . s .",
        "t . u v .",
    ]
    assert windows(STORIES, 3) == [words(text) for text in three]
    assert windows(STORIES, 0) == [text.words for text in STORIES]
    assert windows(STORIES, 9) == windows(STORIES, 0)
    assert windows(STORIES[2:], 1) == [("t", "."), ("u", "v", ".")]
    assert windows(iter(STORIES), 3) == windows(STORIES, 3)
    assert windows(STORIES, 3, gaps=True)[:3] == [
        words("a b . c . d e f ."),
        words("a b . c . g ."),
        words("a b . c . h i ."),
    ]
    assert windows(STORIES[1:], 3, gaps=True) == windows(STORIES[1:], 3)
    with pytest.raises(UserError, match="at least 1, or 0"):
        windows(STORIES, -1)


def test_triples_by_hand() -> None:
    """Three of a story of five, one of three, none of two (reference notes 2.10)."""
    found = triples(STORIES)
    assert found == [
        (words("a b ."), words("c ."), words("d e f .")),
        (words("c ."), words("d e f ."), words("g .")),
        (words("d e f ."), words("g ."), words("h i .")),
        (words("p ."), words("q r ."), words("s .")),
    ]
    five = [words(text) for text in FIVE]
    apart = triples(STORIES, gaps=True)
    assert apart == [
        *(
            (five[i], five[j], five[k])
            for i in range(5)
            for j in range(i + 1, 5)
            for k in range(j + 1, 5)
        ),
        found[3],
    ]
    assert len(apart) == 11 and set(found) < set(apart)
    assert reordered(found[1]) == words("c . g . d e f .")
    assert joined(found[1]) == words("c . d e f . g .") and middle_of(found[1]) == (2, 6)
    assert middle_lengths(STORIES) == {2: 2, 3: 1, 4: 1}
    assert list(middle_lengths(STORIES)) == [2, 3, 4]
    assert list(Infilling().examples(STORIES[1:], 0)) == [
        (Infill(words("p ."), words("s .")), words("q r ."))
    ]


def test_a_validation_target_is_a_window_of_its_story() -> None:
    text = story(*FIVE, of_2="C .", or_2="c c .", of_3="D .", of_4="G .")
    short, tiny = story("p .", "q r .", "s ."), story("t .", "u v .")
    corpus = Corpus("stories", (), (tiny, text, short))
    seen = set()
    for seed in range(20):
        for target in Infilling().targets(corpus, 2, "validation", seed):
            check(target)
            seen.add(target.id)
            row, at = (int(part) for part in target.id.split("-")[1:])
            said = corpus.valid[row].split()
            assert target.control == Infill(said[at - 2], said[at])
            assert target.references[0] == said[at - 1]
            others = {2: ["C .", "c c ."], 3: ["D ."], 4: ["G ."]}[at] if row == 1 else []
            assert target.references[1:] == tuple(map(words, others))
    assert seen == {"valid-00001-2", "valid-00001-3", "valid-00001-4", "valid-00002-2"}
    with pytest.raises(TooFewTargets, match="the validation texts give 2"):
        Infilling().targets(corpus, 3, "validation", 0)


def test_fewer_targets_are_the_first_of_more(stories: Corpus) -> None:
    task = Infilling()
    many = task.targets(stories, 100, "auto", 4)
    assert task.targets(stories, 30, "validation", 4) == many[:30]
    assert task.targets(stories, 30, "validation", 5) != many[:30]
    rows = [target.id.split("-")[1] for target in many]
    assert len(set(rows)) == 100
    for target in many:
        check(target)
        assert 3 <= len(target.references) <= 5


def test_no_middle_of_a_target_is_a_text_that_networks_see(stories: Corpus) -> None:
    seen = set(windows(stories.train, 3)) | set(map(reordered, triples(stories.train)))
    for target in Infilling().targets(stories, 100, "validation", 0):
        control = target.control
        assert isinstance(control, Infill)
        middle = target.references[0]
        assert control.left + middle + control.right not in seen
        assert control.left + control.right + middle not in seen
    assert not {text.words for text in stories.valid} & {text.words for text in stories.train}


def test_a_middle_that_its_context_holds_is_no_target() -> None:
    again = Corpus("stories", (), (story("a .", "a .", "b ."),))
    with pytest.raises(TooFewTargets, match="give 0"):
        Infilling().targets(again, 1, "validation", 0)
    other = Corpus("stories", (), (story("a .", "a .", "b .", of_2="c .", or_2="b ."),))
    (target,) = Infilling().targets(other, 1, "validation", 0)
    assert target.references == (("c", "."),)


def test_the_released_list_is_shuffled_once(data: Path) -> None:
    corpus = Corpus("rocstories", (), tuple(STORIES))
    task = Infilling(data)
    found = task.targets(corpus, 9, "released", 0)
    ids = [target.id for target in found]
    assert sorted(ids) == [f"released-i{n}-1" for n in range(9)] != ids
    assert task.targets(corpus, 4, "auto", 7) == found[:4]
    for target in found:
        check(target)
        n = target.id.removeprefix("released-i")[0]
        assert target.control == Infill((f"Ann{n}", "ran", "."), (f"Ben{n}", "hid", "."))
        assert target.references == ((f"So{n}", "."), ("No", "."))
    with pytest.raises(TooFewTargets, match="the released list has 9"):
        task.targets(corpus, 10, "released", 0)
    assert task.targets(corpus, 1, "validation", 0)[0].id.startswith("valid-0000")


def test_where_there_is_no_released_list(stories: Corpus, tmp_path: Path) -> None:
    real = Corpus("rocstories", (), tuple(STORIES))
    for task, corpus, message in (
        (Infilling(DATA), stories, "no released target list for corpus stories"),
        (Infilling(), real, "needs data=DIR"),
        (Infilling(tmp_path), real, r"has no anlg/dev\.json"),
    ):
        with pytest.raises(NoReleasedList, match=message):
            task.targets(corpus, 1, "released", 0)
        assert task.targets(corpus, 1, "auto", 0)[0].id.startswith("valid-")


def test_items_as_a_corpus_give_targets_too(data: Path) -> None:
    (data / "rocstories").mkdir()
    lines = [json.dumps([f"W{i} ran. He hid. She saw. We ate. It hid."]) for i in "abcdef"]
    (data / "rocstories" / "roc_valid.json").write_text("\n".join(lines))
    corpus = load_corpus("anlg", data)
    found = Infilling(data).targets(corpus, 9, "validation", 0)
    assert {target.id for target in found} == {f"valid-{n:05d}-2" for n in range(9)}
    listed = Infilling(data).targets(corpus, 9, "auto", 0)
    assert {(t.control, t.references) for t in found} == {(t.control, t.references) for t in listed}


def test_other_corpora_and_uses_are_refused() -> None:
    plain = load_corpus("grammar", size_train=2, size_valid=2)
    with pytest.raises(
        UserError, match="infilling needs stories: corpus=stories, rocstories, anlg"
    ):
        Infilling().targets(plain, 1, "auto", 0)
    with pytest.raises(UserError, match="no prompt tokens"):
        Infilling().prompt(Infill(("a",), ("b",)))
    assert Infilling().prompt_tokens(STORIES) == []


def test_what_the_task_says_of_itself() -> None:
    task = load_task("infilling")
    assert isinstance(task, Infilling)
    assert (task.quotes, task.fluency) == (True, False)
    assert not task.needs | task.reads
    assert list(task.metrics) == ["bleu4", "rouge_l", "rouge_l_google", "cider", "bertscore"]
    assert task.headlines == ("bleu4",)
    assert task.paper_metrics <= set(task.metrics) >= set(task.running) | set(task.pooled)


def test_a_text_is_scored_by_rouge_and_a_set_by_bleu() -> None:
    pytest.importorskip("pycocoevalcap")
    pytest.importorskip("sacrebleu")
    from tasks.metrics.bleu import statistics

    task = Infilling()
    own, other = words("She found the old key ."), words("A key turned up .")
    target = Target("valid-00000-2", Infill(("a",), ("b",)), references=(own, other))
    assert task.score(target, Annotation(own)) == {"rouge_l": pytest.approx(1.0)}
    # She key: two of two tokens, two of five (the full stop is no token of COCO's)
    p, r, b = 1.0, 2 / 5, 1.2**2
    assert task.score(target, Annotation(("She", "key"))) == {
        "rouge_l": pytest.approx((1 + b) * p * r / (r + b * p))
    }
    assert task.score(target, Annotation(())) == {"rouge_l": 0.0}
    assert task.references(target, Corpus("stories", (), ())) == [own, other]
    assert task.pooled["bleu4"](statistics(own, [own, other])) == pytest.approx(1.0)
    with pytest.raises(UserError, match="target t has no reference"):
        task.score(Target("t", Infill(("a",), ("b",))), Annotation(own))


@pytest.mark.skipif(
    not (DATA / "anlg" / "dev.json").is_file() or not (DATA / "rocstories").is_dir(),
    reason=f"no ROCStories and aNLG data in {DATA} (set DIFFUSION_BENCH_DATA)",
)
def test_the_real_lists_leak_nothing() -> None:
    corpus = load_corpus("rocstories", DATA)
    found = Infilling(DATA).targets(corpus, 1_780, "auto", 0)
    assert sum(len(target.references) for target in found) == 7_252  # none left out
    drawn = Infilling(DATA).targets(corpus, 500, "validation", 0)
    for target in (*found, *drawn):
        check(target)
    first = [len(t.references) for t in found[:200]]
    assert 3.9 < sum(first) / 200 < 4.3  # as the whole list: 4.07
    assert max(len(words) for words in windows(corpus.train, 3)) == 65
    # threes with gaps hold a story's first and last sentence, which 85 items have for contexts
    seen = Plan(parse(["task=infilling", f"data={DATA}", "corpus=rocstories", "gaps=true"]))
    contexts = {(t.control.left, t.control.right) for t in found if isinstance(t.control, Infill)}
    threes = seen.seen_triples(corpus.train)
    assert not [left for left, _, right in threes if (left, right) in contexts]
    assert len(corpus.train) - 85 <= len(seen._unasked(corpus.train)) < len(corpus.train)
    plain = Plan(parse(["task=infilling", f"data={DATA}", "corpus=rocstories", "gaps=false"]))
    assert plain._unasked(corpus.train) == list(corpus.train)
