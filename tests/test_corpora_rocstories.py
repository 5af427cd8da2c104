"""ROCStories and aNLG in the forms that they come in, and where sentences of a story end."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.base import Corpus
from tasks.common.errors import UserError
from tasks.corpora import anlg, load_corpus, rocstories, tokenizer
from tasks.corpora.sentences import split
from tasks.targets import NoReleasedList

HERE = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("DIFFUSION_BENCH_DATA", HERE.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "rocstories" / "roc_valid.json").is_file()
    or not (DATA / "anlg" / "dev.json").is_file(),
    reason=f"no ROCStories and aNLG data in {DATA} (set DIFFUSION_BENCH_DATA)",
)
SENTENCES = [
    "Mia's boat had no oar.",
    "She asked the old sailor for one!",
    "He only laughed.",
    "So she carved an oar herself.",
    "It didn't break.",
]
STORY = " ".join(SENTENCES)
WORDS = (
    "Mia", "'s", "boat", "had", "no", "oar", ".", "She", "asked", "the", "old", "sailor", "for",
    "one", "!", "He", "only", "laughed", ".", "So", "she", "carved", "an", "oar", "herself", ".",
    "It", "did", "n't", "break", ".",
)  # fmt: skip
LENGTHS = (7, 8, 4, 7, 5)
HEADER = "storyid,storytitle,sentence1,sentence2,sentence3,sentence4,sentence5\n"
ROW = "7f-1,Boat," + ",".join(SENTENCES) + "\n"
ITEM = {
    "obs1": "Mia lost her oar.",
    "obs2": "It was made of oak.",
    "gold_labels": ["She dug.", "X"],
}
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def real() -> Corpus:
    return load_corpus("rocstories", DATA)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str | bytes, name: str = "rocstories/roc_valid.json") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path

    return write


def lines(*stories: str) -> str:
    return "".join(json.dumps([story]) + "\n" for story in stories)


def numbered(n: int) -> list[str]:
    return [
        STORY.replace("Mia", f"Mia{'abcdefghij'[i % 10]}{'klmnopqrst'[i // 10]}") for i in range(n)
    ]


# sentence boundaries


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        (STORY, LENGTHS),
        ('"Stop!" she cried. He did. We ran... We hid! Why?! Nobody came.', None),
        # small letters, single letters and capitals without a stop, where five are wanted
        ("A fox ran. it hid. We looked. Nobody saw it. It left.", (4, 3, 3, 4, 3)),
        ("I got an F. The test was hard. I wept. Mum came. We ate.", (4, 5, 3, 3, 3)),
        ("I went home He slept. We ate. It rained. They left.", (3, 3, 3, 3, 3)),
        ("We saw Dr. B. He ran He hid. We ate. It rained. They left.", (4, 5, 3, 3, 3)),
        ('A fox ran. "We saw it." We ran. We hid. " He left us.', (4, 6, 3, 3, 5)),
        ("A fox ran. We hid. We sat. `. It left. They left.", (4, 3, 5, 3, 3)),
        # not five by any rule: the stops decide
        ("One fox ran. two foxes hid.", (8,)),
        ("It rained. We ran. We hid.", (3, 3, 3)),
        ("no stop at all", (4,)),
        ("...", (1,)),
    ],
)
def test_sentences_of_a_story(text: str, lengths: tuple[int, ...] | None) -> None:
    words = tokenizer("rocstories")(text)
    found = split(words)
    assert sum(found) == len(words)
    assert all(found)
    if lengths is not None:
        assert found == lengths, [words, found]


# ROCStories


def test_the_official_form_and_the_other_give_the_same_story(write: Write) -> None:
    other = ROW.replace("Mia", "Ben")
    data = write(HEADER + ROW + other, "rocstories/ROCStories_winter2017 - x.csv")
    found = load_corpus("rocstories", data)
    assert [text.words[:2] for text in (*found.train, *found.valid)] == [
        ("Mia", "'s"),
        ("Ben", "'s"),
    ]
    (story,) = found.train
    assert (story.words, story.sentences) == (WORDS, LENGTHS)
    assert [len(s) for s in story.split()] == [7, 8, 4, 7, 5]
    (data / "rocstories/ROCStories_winter2017 - x.csv").unlink()
    again = load_corpus("rocstories", write(lines(STORY + " \n", STORY.replace("Mia", "Ben"))))
    assert again.digest == found.digest


def test_the_name_of_a_file_says_which_split_it_is(write: Write) -> None:
    one, two, three = numbered(3)
    write(lines(one, two), "rocstories/roc_train.json")
    # validation wins where both have a story, and the cloze test's files are left alone
    write("junk", "rocstories/cloze_test_val__spring2016.csv")
    found = load_corpus("rocstories", write(lines(two, three)))
    assert [t.words[0] for t in found.train] == ["Miaak"]
    assert [t.words[0] for t in found.valid] == ["Miabk", "Miack"]
    names = {"ROCStories_val.csv": True, "roc-validation 2016.csv": True, "roc_valid.json": True}
    names |= {"ROCStories_spring2016.csv": False, "carnival.csv": False, "roc_train.json": False}
    assert {name: rocstories.is_valid(Path(name)) for name in names} == names


def test_without_a_validation_file_the_last_tenth_is_held_out(write: Write) -> None:
    found = load_corpus("rocstories", write(lines(*numbered(30))))
    assert (len(found.train), len(found.valid)) == (27, 3)
    assert [t.words[0] for t in found.valid] == ["Miahm", "Miaim", "Miajm"]
    top = write(HEADER + ROW + ROW.replace("Mia", "Ben"), "ROCStories_2016.csv")
    (top / "rocstories" / "roc_valid.json").unlink()
    write("junk", "other.csv")
    assert len(load_corpus("rocstories", top).train) == 1


def test_stories_with_fewer_than_five_sentences(write: Write) -> None:
    """Without rows of their own they are kept from three on, and counted."""
    short = [" ".join(SENTENCES[:n]) for n in (1, 2, 3, 4)]
    data = write(lines(*short, *numbered(10)))
    stories = rocstories.read(data / "rocstories" / "roc_valid.json", tokenizer("rocstories"))
    assert rocstories.census(stories) == {1: 1, 2: 1, 3: 1, 4: 1, 5: 10}
    found = load_corpus("rocstories", data)
    assert (rocstories.census(found.train), len(found.valid)) == ({3: 1, 4: 1, 5: 9}, 1)
    with pytest.raises(UserError, match="too few stories with 3 or more sentences"):
        load_corpus("rocstories", write(lines(*short[:2])))


BAD_CSV = [
    (HEADER + ROW + ROW.replace(SENTENCES[3], " "), "x.csv row 3: sentence4 is empty"),
    (HEADER + ROW + "7f-2,Boat,It ran.\n", "x.csv row 3: 3 columns, not 7"),
    (HEADER + ROW.replace("Mia", '"Mia\nBen"x'), "x.csv row 2: bad quoting"),
    (HEADER + ROW.replace("He only laughed.", '"He\nran"'), "x.csv row 2: sentence3 runs over"),
    (ROW, "x.csv row 1: the header must read storyid,storytitle,sentence1"),
    (HEADER.encode() + b"\xff" + ROW.encode(), "x.csv row 2: not UTF-8"),
    ("", "x.csv is empty"),
    (HEADER, "x.csv has no stories"),
]
BAD_JSON = [
    (lines(STORY) + "{'a'}\n", "roc_valid.json line 2: not JSON"),
    (lines(STORY) + "\n[]\n", "roc_valid.json line 3: no list of one story"),
    ('["One.", "Two."]\n', "roc_valid.json line 1: no list of one story"),
    ('{"story": "One."}\n', "roc_valid.json line 1: no list of one story"),
    ("[3]\n", "roc_valid.json line 1: no list of one story"),
    (lines(STORY, "  "), "roc_valid.json line 2: the story is empty"),
    (lines(STORY).encode() + b"\xff", "roc_valid.json line 2: not UTF-8"),
    ("\n", "roc_valid.json has no stories"),
]


@pytest.mark.parametrize(("content", "message"), BAD_CSV)
def test_malformed_csv_is_named(write: Write, content: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        load_corpus("rocstories", write(content, "rocstories/x.csv"))


@pytest.mark.parametrize(("content", "message"), BAD_JSON)
def test_malformed_json_is_named(write: Write, content: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        load_corpus("rocstories", write(content))


def test_missing_folders_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        load_corpus("rocstories", tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"has no rocstories/\*\.csv"):
        load_corpus("rocstories", tmp_path)
    with pytest.raises(UserError, match="nowhere does not exist"):
        load_corpus("anlg", tmp_path / "nowhere")
    with pytest.raises(NoReleasedList, match=r"has no anlg/dev\.json"):
        load_corpus("anlg", tmp_path)


# aNLG


def test_items_with_their_references(write: Write) -> None:
    data = write(json.dumps({"a-1": ITEM, "b-1": ITEM | {"gold_labels": ["No."]}}), "anlg/dev.json")
    first, second = anlg.load_items(data)
    left, right = ("Mia", "lost", "her", "oar", "."), ("It", "was", "made", "of", "oak", ".")
    assert first == anlg.Item("a-1", left, right, (("She", "dug", "."), ("X",)))
    assert (second.id, second.references) == ("b-1", (("No", "."),))
    write(lines(*numbered(10)))
    found = load_corpus("anlg", data)
    assert (found.name, len(found.train)) == ("anlg", 9)
    assert found.valid[0].split() == [left, ("She", "dug", "."), right]
    assert [text.fields for text in found.valid] == [(("instead of 2", "X"),), ()]


def test_the_official_release_of_anlg(write: Write) -> None:
    row = {"story_id": "a-1", "obs1": "Mia ran.", "obs2": "Ben hid.", "hyp1": "No.", "hyp2": "Yes."}
    rows = [
        row | {"label": "2"},
        row | {"label": 1, "hyp1": "Oh."},
        row | {"label": "1", "hyp1": "Oh."},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (item,) = anlg.load_items(write(text, "anlg/dev-w-comet-preds.jsonl"))
    assert item.references == (("Yes", "."), ("Oh", "."))
    for wrong, message in (
        (row | {"label": "0"}, r"line 2 \(story_id a-1\): the label must be 1 or 2, not 0"),
        (row | {"label": "1", "obs1": "Tom ran."}, "line 2 .*: other observations"),
        ({"obs1": "x"}, "line 2: no object with a story_id"),
    ):
        both = json.dumps(rows[0]) + "\n" + json.dumps(wrong) + "\n"
        with pytest.raises(UserError, match=message):
            anlg.load_items(write(both, "anlg/dev-w-comet-preds.jsonl"))
    with pytest.raises(UserError, match="line 1: not JSON"):
        anlg.load_items(write("x", "anlg/dev-w-comet-preds.jsonl"))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (ITEM | {"gold_labels": []}, "item b-1: no references under 'gold_labels'"),
        ({k: v for k, v in ITEM.items() if k != "gold_labels"}, "item b-1: no references"),
        (ITEM | {"gold_labels": ["Yes.", " "]}, "item b-1: reference 2 is no text"),
        (ITEM | {"obs2": ""}, "item b-1: no text under 'obs2'"),
        (ITEM | {"obs1": 3}, "item b-1: no text under 'obs1'"),
        ([], "item b-1: no object"),
    ],
)
def test_malformed_items_are_named(write: Write, item: object, message: str) -> None:
    data = write(json.dumps({"a-1": ITEM, "b-1": item}), "anlg/dev.json")
    with pytest.raises(UserError, match=message):
        anlg.load_items(data)


def test_malformed_lists_of_items_are_named(write: Write) -> None:
    for content, message in (
        ("[]", "dev.json: no items by id"),
        ("{", "dev.json: not JSON"),
        (b"\xff", "dev.json line 1: not UTF-8"),
    ):
        with pytest.raises(UserError, match=message):
            anlg.load_items(write(content, "anlg/dev.json"))


def test_a_story_that_an_item_was_made_of_is_not_trained_on(write: Write) -> None:
    item = {"obs1": SENTENCES[0], "obs2": SENTENCES[4], "gold_labels": ["She swam."]}
    write(json.dumps({"a-1": item, "b-1": ITEM}), "anlg/dev.json")
    data = write(lines(*numbered(5), STORY, *numbered(20)[5:]))
    trained = load_corpus("rocstories", data).train
    assert anlg.overlap(trained, anlg.load_items(data)) == [(5, "a-1")]
    assert load_corpus("anlg", data).train == (*trained[:5], *trained[6:])


# the public hub


def test_without_data_the_public_sources_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def load_dataset(name: str, revision: str | None = None) -> dict[str, Any]:
        if name == rocstories.HUB_ID:
            return {"train": {"text": numbered(3)[:2]}, "test": {"text": numbered(3)[2:]}}
        columns: dict[str, list[Any]] = {"observation_1": ["A b.", "C d.", "A b."]}
        columns |= {"observation_2": ["E.", "F.", "E."], "label": [1, 2, "2"]}
        columns |= {"hypothesis_1": ["G.", "H.", "I."], "hypothesis_2": ["J.", "Yes.", "L."]}
        return {"validation": columns}

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    found = load_corpus("rocstories")
    assert [len(split) for split in (found.train, found.valid)] == [2, 1]
    items = anlg.load_items()
    assert [(item.id, len(item.references)) for item in items] == [
        ("art-00000", 2),
        ("art-00001", 1),
    ]
    assert items[1].references == (("Yes", "."),)

    def unreachable(name: str, revision: str | None = None) -> None:
        raise ConnectionError("Couldn't reach it\nsecond line")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    for read in (rocstories.load, anlg.load_items):
        with pytest.raises(UserError, match=r"Couldn't reach it.*pass data=DIR") as error:
            read()
        assert "\n" not in str(error.value)


# the real data


@needs_data
def test_the_real_corpora_agree_with_the_reference_notes(real: Corpus) -> None:
    assert rocstories.census(real.train) == {3: 3, 4: 15, 5: 4_480}  # 2 of 4,500 have fewer
    assert rocstories.census(real.valid) == {4: 1, 5: 499}
    assert not {text.words for text in real.valid} & {text.words for text in real.train}
    items = anlg.load_items(DATA)
    assert len(items) == 1_780
    lengths = [len(reference) for item in items for reference in item.references]
    assert round(len(lengths) / len(items), 2) == 4.07
    assert round(sum(lengths) / len(lengths), 1) == 9.6
    assert 0.69 < sum(n <= 10 for n in lengths) / len(lengths) < 0.70
    found = load_corpus("anlg", DATA)
    assert (len(found.train), len(found.valid)) == (4_420, 1_780)
    assert not anlg.overlap(found.train, items)


@needs_data
def test_the_embedded_stories_share_no_sentence_with_the_real_ones(
    real: Corpus,
) -> None:
    embedded = load_corpus("stories", size_train=1_000, size_valid=1)
    told = {sentence for text in real.train for sentence in text.split()}
    for item in anlg.load_items(DATA):
        told |= {item.left, item.right, *item.references}
    assert not told & {sentence for text in embedded.train for sentence in text.split()}
