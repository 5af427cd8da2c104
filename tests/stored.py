"""Small result sets for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.running.cells import write_lines
from tasks.common.files import write_text
from tasks.controls import Control, Length, to_json

ROOT = Path(__file__).resolve().parent.parent
LENGTHS: Mapping[str, Control] = {"t1": Length(3), "t2": Length(2)}
#: method -> target -> its samples
TEXTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "diffusion_lm": {"t1": ["a b c", "a b ."], "t2": ["a b", "a b c"]},
    "fudge": {"t1": ["a", "a b c"], "t2": ["a b c d e f", "a b c d e"]},
}


def make_set(
    folder: Path,
    texts: Mapping[str, Mapping[str, Sequence[str]]] = TEXTS,
    targets: Mapping[str, Control] = LENGTHS,
    task: str = "length",
    **run: Any,
) -> Path:
    """A judged set of one task under length's scores."""
    records = [{"id": name, "control": to_json(c)} for name, c in targets.items()]
    write_lines(folder / task / "targets.jsonl", records)
    for method, own in texts.items():
        fill(folder / task / method, own, targets)
    config = {"corpus": "grammar", "preset": "demo", "targets": 2, "samples": 2, "seed": 0}
    stored = {"command": "python -m eval.run out=somewhere", "config": config, "refused": {}}
    write_text(folder / "run.json", json.dumps(stored | run))
    return folder


def fill(
    cell: Path, texts: Mapping[str, Sequence[str]], targets: Mapping[str, Control] = LENGTHS
) -> None:
    samples, scores = [], []
    for target, rows in texts.items():
        for i, text in enumerate(rows):
            words = text.split()
            gap = abs(len(words) - targets[target].needed_words)
            own = {"len_exact": float(gap == 0), "len_pm2": float(gap <= 2)}
            place = {"target": target, "index": i}
            cost = {"of": len(rows), "nfe": 5.0, "seconds": 0.25}
            samples.append({**place, "words": words, "tokens": words, **cost})
            scores.append({**place, "scores": own, "nll": 2.0 * len(words), "tokens": len(words)})
    write_lines(cell / "samples.jsonl", samples)
    write_lines(cell / "scores.jsonl", scores)
    identity = {"method": cell.name, "seed": 0, "artefacts": {}}
    facts = {"settings": {"lam": 2.0}, "judges": {"teacher": "teacher-0"}}
    record = {"identity": identity, **facts, "command": ["python", "-m", "eval.run"]}
    write_text(cell / "config.json", json.dumps(record))
