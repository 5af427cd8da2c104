"""Rows that ``datasets`` loads: a folder, or a name at the public hub."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.files import canonical
from tasks.common.hub import revised
from tasks.corpora.own.checks import SPLITS
from tasks.corpora.own.rows import Rows, of_columns

#: split of ``datasets`` -> ours; with a held-out split of its own, ``test`` is left alone
NAMES = {"train": "train", "validation": "valid", "valid": "valid", "dev": "valid"}


def rows(name: str) -> Rows:
    """The rows of the splits ``train`` and ``validation``; without the latter, those of ``train``
    alone. Columns count as in a table (:mod:`tasks.corpora.own.rows`), and texts and class labels
    among the others are labels. Raises ``UserError`` where nothing can be loaded."""
    splits = _loaded(name)
    ours = {split: table for split, table in splits.items() if split in NAMES}
    if "train" not in map(NAMES.get, ours):
        raise UserError(f"corpus={name} has no split train, but {', '.join(splits)}")
    several = len(ours) > 1
    for split, table in ours.items():
        labels = {n: f for n, f in table.features.items() if hasattr(f, "int2str")}
        for number, record in enumerate(table):
            cells = {key: cell for key, cell in record.items() if _counts(key, cell, labels)}
            for key, feature in labels.items():
                known = record[key] is not None and record[key] >= 0
                cells[key] = feature.int2str(record[key]) if known else None
            if isinstance(cells.get("fields"), Mapping):
                cells["fields"] = {k: v for k, v in cells["fields"].items() if v not in (None, "")}
            place = f"{name} {split} row {number}"
            row = of_columns(cells, place)
            yield place, row | ({"split": NAMES[split]} if several else {})


def stamp(name: str) -> dict[str, str]:
    """What identifies the rows: the fingerprints that ``datasets`` keeps."""
    prints = {split: str(table._fingerprint) for split, table in _loaded(name).items()}
    return {"datasets": hashlib.sha256(canonical(prints).encode()).hexdigest()}


def _counts(key: str, cell: Any, labels: Mapping[str, Any]) -> bool:
    known = key in ("text", "words", "tags", "tree", "sentences", "fields")
    split = key == "split" and cell in SPLITS
    return key not in labels and (known or split or isinstance(cell, str))


@lru_cache(maxsize=4)
def _loaded(name: str) -> Mapping[str, Any]:
    import datasets
    import httpx

    place, revision = revised(name)
    folder = Path(place).is_dir()
    path, _, config = (place, "", "") if folder else place.partition(":")
    datasets.disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # says each retry
    try:
        loaded = datasets.load_dataset(path, config or None, revision=revision)
    except Exception as error:  # what loaders raise has no common base
        network = (OSError, RuntimeError, LookupError, ValueError, httpx.HTTPError)
        if not isinstance(error, (*network, datasets.exceptions.DatasetsError)):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        if folder:
            raise UserError(f"datasets cannot load the folder {name}: {reason}") from None
        raise UserError(
            f"corpus={name}: there is no such folder, and the public hub gives no such dataset "
            f"({reason}): name a file, as corpus=my/texts.jsonl"
        ) from None
    if not isinstance(loaded, Mapping):
        raise UserError(f"datasets loads {name} as no dataset with splits")
    return loaded
