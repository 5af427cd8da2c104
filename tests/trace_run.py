"""What one run opens and scores, from command line to table.

``python tests/trace_run.py OUT key=value ...`` runs ``eval.run`` with ``out=OUT`` and prints JSON:
how often each file of the result set was opened for reading, and how often each sample was scored.
``--stacks`` as the first argument adds the calls that led to each reading of ``targets.jsonl``.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import sys
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, os.environ.get("TREE", str(ROOT)))


def trace(out: Path, arguments: list[str]) -> dict[str, Any]:
    """Runs the command line and counts."""
    from eval.run import main
    from tasks.syntax_spans import SyntaxSpans

    opened: Counter[str] = Counter()
    stacks: list[list[str]] = []
    scored: Counter[str] = Counter()
    modules: set[str] = set()

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(args[0], (str, os.PathLike)):
            return
        path, writes = Path(args[0]), (args[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        if out in path.parents and not writes and path.exists():
            opened[str(path.relative_to(out))] += 1
            if path.name == "targets.jsonl":
                frames = traceback.extract_stack()[:-1]
                ours = [f for f in frames if "/eval/" in f.filename or "/tasks/" in f.filename]
                places = [f"{f.filename.partition('/eval/')[2]}:{f.lineno} {f.name}" for f in ours]
                stacks.append(places)

    original = SyntaxSpans.score

    @functools.wraps(original)
    def score(self: Any, target: Any, annotation: Any) -> Any:
        scored[f"{target.id} {' '.join(annotation.words)}"] += 1
        return original(self, target, annotation)

    SyntaxSpans.score = score  # type: ignore[method-assign]
    sys.addaudithook(hook)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main([*arguments, f"out={out}"])
    for name, module in sys.modules.items():
        if name.split(".")[0] in ("tasks", "models", "baselines", "eval"):
            modules.add(getattr(module, "__file__", None) or name)
    samples = [
        f"{r['target']} {' '.join(r['words'])}"
        for path in out.glob("*/*/samples.jsonl")
        for r in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    ]
    return {
        "code": code,
        "opened": dict(opened.most_common()),
        "targets_read": sum(n for name, n in opened.items() if name.endswith("targets.jsonl")),
        "scorings": {sample: scored[sample] for sample in samples},
        "modules": len(modules),
        "stacks": stacks,
    }


if __name__ == "__main__":
    given = sys.argv[1:]
    shown = given[0] == "--stacks"
    found = trace(Path(given[shown]).resolve(), given[shown + 1 :])
    if not shown:
        del found["stacks"]
    print(json.dumps(found, indent=1))
