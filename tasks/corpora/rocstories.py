"""ROCStories: five-sentence stories of everyday life (Mostafazadeh et al. 2016).

Read from the official CSV files, whose rows have the five sentences apart, and from the form of
the reference code, one story a line. Words are the tokens of spaCy's blank English tokenizer, case
kept, with no newline token (reference notes 2.1).
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tasks.common.errors import UserError
from tasks.common.files import file_digest
from tasks.common.foreign import loads
from tasks.corpora import e2e
from tasks.corpora.sentences import split
from tasks.texts import Corpus, Text, Words

#: bumped when the same files give other texts
VERSION = 1
HEADER = ["storyid", "storytitle", *(f"sentence{n}" for n in range(1, 6))]
#: file names of the one-story-per-line form
JSON_NAMES = ("roc_train.json", "roc_valid.json")
#: stories of the validation split where no file says which they are: the last tenth, no more
VALID_SHARE, VALID_MOST = 10, 5_000
#: a story of fewer sentences has no middle one
FEWEST = 3
HUB_ID = "mintujupally/ROCStories"

_VALID = re.compile(r"(?<![a-z])val(id|idation)?(?![a-z])", re.IGNORECASE)


def load(data: Path | None = None) -> Corpus:
    """Both splits, each text with its ``sentences``.

    ``data``: a folder that holds ``rocstories/``, or the files themselves: ``*.csv`` in the
    official form (in ``data`` itself only those named ``ROC*``; the Story Cloze Test's are left
    alone) and ``roc_train.json`` or ``roc_valid.json``. A file with ``val``, ``valid`` or
    ``validation`` in its name is the validation split. Where all files are of one split, the last
    tenth of their stories, 5,000 at most, is the validation split, files taken by name: of
    ``roc_valid.json`` alone, 4,500 lines are for training and 500 for validation. A story of both
    splits stays in validation alone. ``None`` asks the public hub through ``datasets``.

    The one-story-per-line form does not say where sentences end: see
    :func:`tasks.corpora.sentences.split`, which finds five in 4,979 of the reference code's 5,000
    stories, three or four in 19. A story with fewer than three is left out (2 of the 5,000).
    Raises ``UserError`` for a missing folder or file, an unreachable hub, an empty sentence in a
    CSV file and any other malformed row (naming file and row).
    """
    tokenize = tokenizer()
    if data is None:
        train, valid = _from_hub(tokenize)
    else:
        files = find_files(data)
        train, valid = (
            [story for path in files if is_valid(path) is wanted for story in read(path, tokenize)]
            for wanted in (False, True)
        )
    if not (train and valid):
        stories = train or valid
        cut = len(stories) - min(VALID_MOST, max(1, len(stories) // VALID_SHARE))
        train, valid = stories[:cut], stories[cut:]
    held = {story.words for story in valid}
    kept = (story for story in train if story.words not in held)
    corpus = Corpus("rocstories", told(kept), told(valid))
    if not (corpus.train and corpus.valid):
        raise UserError(f"too few stories with {FEWEST} or more sentences for two splits")
    return corpus


def stamp(data: Path | None = None) -> dict[str, str]:
    """The files of stories and of aNLG's items by digest, or the name at the hub."""
    if data is None:
        return {"hub": HUB_ID}
    return {
        f"{folder.name}/{path.name}": file_digest(path)
        for folder in (data, data / "rocstories", data / "anlg")
        for path in (sorted(folder.glob("*.*")) if folder.is_dir() else ())
        if path.suffix in (".csv", ".json", ".jsonl")
    }


def told(stories: Iterable[Text]) -> tuple[Text, ...]:
    """The stories that have a middle sentence."""
    return tuple(story for story in stories if len(story.sentences) >= FEWEST)


def census(stories: Iterable[Text]) -> dict[int, int]:
    """How many stories have how many sentences."""
    return dict(sorted(Counter(len(story.sentences) for story in stories).items()))


def find_files(data: Path) -> list[Path]:
    """The files of the corpus in ``data/rocstories`` or else ``data``, by name.
    Raises ``UserError`` where there are none."""
    if not data.is_dir():
        raise UserError(f"data folder {data} does not exist")
    for folder, whole_folder in ((data / "rocstories", True), (data, data.name == "rocstories")):
        files = [
            path
            for path in sorted(folder.glob("*"))
            if path.name in JSON_NAMES
            or (
                path.suffix == ".csv"
                and not path.name.startswith("cloze_test")
                and (whole_folder or path.name.lower().startswith("roc"))
            )
        ]
        if files:
            return files
    raise UserError(
        f"{data} has no rocstories/*.csv (the official form) and no rocstories/roc_valid.json"
    )


def is_valid(path: Path) -> bool:
    """Whether the name of a file says that it is the validation split."""
    return _VALID.search(path.stem.replace("_", " ")) is not None


def read(path: Path, tokenize: Callable[[str], Words]) -> list[Text]:
    """All stories of a file of either form, in file order. Raises ``UserError``."""
    raw = path.read_bytes()
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path.name} line {number}: not UTF-8 text (in {path.parent})") from None
    try:
        if path.suffix == ".csv":
            stories = [story(map(tokenize, row)) for row in _sentences(content, path.name)]
        else:
            stories = [unsplit(text, tokenize) for text in _lines(content, path.name)]
    except UserError as error:
        raise UserError(f"{error} (in {path.parent})") from None
    if not stories:
        raise UserError(f"{path} has no stories")
    return stories


def story(sentences: Iterable[Words]) -> Text:
    """A text of these sentences."""
    parts = list(sentences)
    words = tuple(word for sentence in parts for word in sentence)
    return Text(words, sentences=tuple(map(len, parts)))


def unsplit(text: str, tokenize: Callable[[str], Words]) -> Text:
    """A story given as one string, with the sentences that rules find in it."""
    words = tokenize(text)
    return Text(words, sentences=split(words))


def tokenizer() -> Callable[[str], Words]:
    """spaCy's blank English tokenizer of the stripped text, runs of white space taken as one
    space: E2E's without its newline token."""
    tokenize = e2e.tokenizer()
    return lambda text: tokenize(text)[:-1]


def _sentences(content: str, name: str) -> Iterator[list[str]]:
    """The five sentences of every row below the header. Rows count as in a spreadsheet."""
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    number = 1
    try:
        for row in reader:
            place = f"{name} row {number}"
            if number == 1:
                if [cell.strip().lower() for cell in row] != HEADER:
                    raise UserError(f"{place}: the header must read {','.join(HEADER)}, not {row}")
            elif len(row) != len(HEADER):
                raise UserError(f"{place}: {len(row)} columns, not {len(HEADER)}")
            else:
                for column, cell in zip(HEADER[2:], row[2:], strict=True):
                    if not cell.strip():
                        raise UserError(f"{place}: {column} is empty")
                    if "\n" in cell.strip():
                        raise UserError(f"{place}: {column} runs over the end of the line")
                yield row[2:]
            number = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{name} row {number}: bad quoting: {error}") from None
    if number == 1:
        raise UserError(f"{name} is empty: no header {','.join(HEADER)}")


def _lines(content: str, name: str) -> Iterator[str]:
    """The story of every line."""
    if not content.strip():
        return
    # not splitlines(): JSON strings may hold its rarer line ends as they are
    for number, line in enumerate(content.removesuffix("\n").split("\n"), start=1):
        place = f"{name} line {number}"
        row = loads(line, place)
        if not (isinstance(row, list) and len(row) == 1 and isinstance(row[0], str)):
            raise UserError(f"{place}: no list of one story")
        if not row[0].strip():
            raise UserError(f"{place}: the story is empty")
        yield row[0]


def _from_hub(tokenize: Callable[[str], Words]) -> tuple[list[Text], list[Text]]:
    import datasets
    import httpx

    try:
        rows = datasets.load_dataset(HUB_ID)
        splits = [[str(text) for text in rows[name]["text"]] for name in ("train", "test")]
    except (OSError, ValueError, RuntimeError, LookupError, httpx.HTTPError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"cannot fetch {HUB_ID} from the public hub ({reason[:120]}): pass data=DIR, a folder"
            " with rocstories/*.csv or rocstories/roc_valid.json"
        ) from None
    train, valid = ([unsplit(t, tokenize) for t in lines if t.strip()] for lines in splits)
    return train, valid
