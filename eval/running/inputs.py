"""What artefacts start from: corpora as files, their identity, and where oracles' data lies."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from tasks.common.errors import UserError
from tasks.common.files import canonical, file_digest, write_text
from tasks.corpora import load_corpus, stamp


def corpus_digest(name: str, data: Path | None, store: Path) -> str:
    """Identity of a corpus's content, whatever files or source it came from.

    Reading a corpus takes seconds, so the answer is remembered in ``store/corpora.json`` under what
    the content hangs on (``tasks.corpora.stamp``).
    """
    made_from = stamp(name, data)
    known = store / "corpora.json"
    digests = _remembered(known)
    if made_from not in digests:
        digests[made_from] = load_corpus(name, data).digest
        store.mkdir(parents=True, exist_ok=True)
        write_text(known, json.dumps(digests, indent=1))
    return digests[made_from]


def _remembered(path: Path) -> dict[str, str]:
    """What is known of corpora; a file that cannot be read is made anew."""
    try:
        digests = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    whole = isinstance(digests, dict) and all(isinstance(one, str) for one in digests.values())
    return dict(digests) if whole else {}


def _nltk_places(data: Path | None) -> list[Path]:
    places = [data] if data else []
    places += [Path(part) for part in os.environ.get("NLTK_DATA", "").split(os.pathsep) if part]
    places.append(Path.home() / "nltk_data")
    return [base for place in places for base in (place, place / "nltk_data")]


def has_benepar(data: Path | None) -> bool:
    """Whether benepar_en3 lies in one of NLTK's usual folders; quick, as it imports nothing."""
    names = ("models/benepar_en3", "models/benepar_en3.zip")
    return any((base / name).exists() for base in _nltk_places(data) for name in names)


def nltk_folder(data: Path | None) -> Path:
    """Where NLTK's treebank sample and tagger lie: the data folder, ``NLTK_DATA`` or the home
    folder. Raises ``UserError`` if they are nowhere."""
    for base in _nltk_places(data):
        if (base / "corpora" / "treebank.zip").is_file():
            return base
    raise UserError(
        "the oracle parser needs NLTK's treebank sample: set data=DIR to a folder with "
        "nltk_data/corpora/treebank.zip, or run python -m nltk.downloader treebank "
        "averaged_perceptron_tagger_eng"
    )


def treebank_digest(folder: Path) -> str:
    """Identity of what the oracle parser is trained from."""
    from tasks.oracles.perceptron import find_perceptron

    files = [folder / "corpora" / "treebank.zip", *sorted(find_perceptron(folder).glob("*.json"))]
    parts = {path.name: file_digest(path) for path in files}
    return hashlib.sha256(canonical(parts).encode()).hexdigest()
