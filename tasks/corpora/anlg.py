"""aNLG: two observations and what may have happened between them (Bhagavatula et al. 2020).

A list of targets and an evaluation set; as a corpus, it comes with the training stories of
ROCStories, as in the paper's Table 5. Words are those of ``rocstories``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.foreign import loads
from tasks.corpora import rocstories
from tasks.corpora.rocstories import stamp, tokenizer
from tasks.corpora.stories import INSTEAD
from tasks.targets import NoReleasedList
from tasks.texts import Corpus, Text, Words

#: bumped when the same files give other texts
VERSION = 1
#: by preference: items by id, with all their references; the official rows of the development set
NAMES = ("dev.json", "dev-w-comet-preds.jsonl", "dev.jsonl")
#: the public copy: the branch of plain data files, since the default one is a loading script
HUB_ID, HUB_REVISION = "allenai/art", "refs/convert/parquet"

__all__ = [
    "VERSION", "Item", "find_file", "items", "load", "load_items", "overlap", "stamp", "tokenizer",
]  # fmt: skip


@dataclass(frozen=True)
class Item:
    """``left`` and ``right``: the observations O1 and O2. ``references``: 1 to 5 human middles."""

    id: str
    left: Words
    right: Words
    references: tuple[Words, ...]


def load(data: Path | None = None) -> Corpus:
    """Training: the training stories of ``rocstories``, read from the same place. Validation: the
    items, in order of the file, as texts of three sentences (O1, the first reference, O2); further
    references are ``("instead of 2", "words joined with spaces")`` among a text's ``fields``.

    O1 and O2 are the first and the last sentence of a story of ROCStories: of the reference code's
    5,000 stories, 85 hold both observations of an item, one of them with a reference between them.
    Such stories are left out of training here, so that the validation split is unseen; corpus
    ``rocstories`` keeps them, as the paper did (see :func:`overlap`). Windows of three sentences
    never hold the two together. Raises ``UserError`` as
    :func:`load_items` and ``rocstories`` do.
    """
    examples = load_items(data)
    stories = rocstories.load(data).train
    seen = {row for row, _ in overlap(stories, examples)}
    train = tuple(story for row, story in enumerate(stories) if row not in seen)
    return Corpus("anlg", train, tuple(map(_text, examples)))


def overlap(stories: Iterable[Text], examples: Iterable[Item]) -> list[tuple[int, str]]:
    """(row, item id) of every story that has both observations of an item among its sentences."""
    by_left: dict[Words, list[Item]] = {}
    for item in examples:
        by_left.setdefault(item.left, []).append(item)
    return [
        (row, item.id)
        for row, story in enumerate(stories)
        for sentences in (story.split(),)
        for sentence in sentences
        for item in by_left.get(sentence, ())
        if item.right in sentences
    ]


def load_items(data: Path | None = None) -> list[Item]:
    """The development items, in order of the file.

    ``data``: see :func:`find_file`; ``None`` asks the public hub through ``datasets``. Raises
    ``NoReleasedList`` where the folder has no such file, and ``UserError`` for an unreachable hub
    and a malformed item or one with no references (naming it).
    """
    if data is None:
        return items(_grouped(_from_hub()), HUB_ID)
    path = find_file(data)
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text") from None
    if path.suffix == ".jsonl":
        return items(_grouped(_rows(content, path.name)), path.name)
    return items(loads(content, str(path)), path.name)


def find_file(data: Path) -> Path:
    """``anlg/dev.json`` (an object by id: ``obs1``, ``obs2``, ``gold_labels``), or the official
    release's ``dev-w-comet-preds.jsonl`` or ``dev.jsonl`` (rows of ``story_id``, ``obs1``,
    ``obs2``, ``hyp1``, ``hyp2``, ``label``), in ``data/anlg`` or ``data``. Raises
    ``NoReleasedList``."""
    if not data.is_dir():
        raise UserError(f"data folder {data} does not exist")
    for folder in (data / "anlg", data):
        for name in NAMES:
            if (folder / name).is_file():
                return folder / name
    raise NoReleasedList(f"{data} has no anlg/{NAMES[0]} (the aNLG development items)")


def items(records: Any, place: str) -> list[Item]:
    """Items from ``{id: {"obs1": text, "obs2": text, "gold_labels": [text, ...]}}``. ``place``:
    what to name in an error. Raises ``UserError`` for anything else."""
    if not isinstance(records, dict) or not records:
        raise UserError(f"{place}: no items by id")
    tokenize = tokenizer()
    return [_item(name, row, f"{place} item {name}", tokenize) for name, row in records.items()]


def _item(name: str, row: Any, place: str, tokenize: Callable[[str], Words]) -> Item:
    if not isinstance(row, dict):
        raise UserError(f"{place}: no object with obs1, obs2 and gold_labels")
    for key in ("obs1", "obs2"):
        if not _is_text(row.get(key)):
            raise UserError(f"{place}: no text under '{key}'")
    references = row.get("gold_labels")
    if not isinstance(references, list) or not references:
        raise UserError(f"{place}: no references under 'gold_labels'")
    for number, reference in enumerate(references, start=1):
        if not _is_text(reference):
            raise UserError(f"{place}: reference {number} is no text")
    left, right = tokenize(row["obs1"]), tokenize(row["obs2"])
    return Item(name, left, right, tuple(map(tokenize, references)))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _text(item: Item) -> Text:
    first, *others = item.references
    text = rocstories.story((item.left, first, item.right))
    fields = tuple((INSTEAD.format(n=2), " ".join(other)) for other in others)
    return Text(text.words, fields=fields, sentences=text.sentences)


def _rows(content: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(place, row) of every line of the official form."""
    for number, line in enumerate(content.removesuffix("\n").split("\n"), start=1):
        place = f"{name} line {number}"
        row = loads(line, place)
        if not isinstance(row, dict) or not row.get("story_id"):
            raise UserError(f"{place}: no object with a story_id")
        yield f"{place} (story_id {row['story_id']})", row


def _grouped(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Rows of one choice each as items by id, with every distinct right choice as a reference."""
    records: dict[str, dict[str, Any]] = {}
    for place, row in rows:
        label = str(row.get("label"))
        if label not in ("1", "2"):
            raise UserError(f"{place}: the label must be 1 or 2, not {label}")
        new: dict[str, Any] = {"obs1": row.get("obs1"), "obs2": row.get("obs2"), "gold_labels": []}
        item = records.setdefault(str(row["story_id"]), new)
        if (item["obs1"], item["obs2"]) != (new["obs1"], new["obs2"]):
            raise UserError(f"{place}: other observations than in an earlier row of this id")
        gold = row.get(f"hyp{label}")
        if gold not in item["gold_labels"]:
            item["gold_labels"].append(gold)
    return records


def _from_hub() -> Iterator[tuple[str, Mapping[str, Any]]]:
    import datasets
    import httpx

    names = {"obs1": "observation_1", "obs2": "observation_2", "label": "label"}
    names |= {f"hyp{n}": f"hypothesis_{n}" for n in (1, 2)}
    try:
        table = datasets.load_dataset(HUB_ID, revision=HUB_REVISION)["validation"]
        columns = {key: list(table[name]) for key, name in names.items()}
    except (OSError, ValueError, RuntimeError, LookupError, httpx.HTTPError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"cannot fetch {HUB_ID} from the public hub ({reason[:120]}): pass data=DIR, a folder"
            " with anlg/dev.json"
        ) from None
    ids: dict[tuple[Any, Any], str] = {}
    for number, values in enumerate(zip(*columns.values(), strict=True)):
        row = dict(zip(columns, values, strict=True))
        # the copy has no ids: rows of the same observations are one item, named by its first row
        name = ids.setdefault((row["obs1"], row["obs2"]), f"art-{number:05d}")
        yield f"{HUB_ID} row {number}", {**row, "story_id": name}
