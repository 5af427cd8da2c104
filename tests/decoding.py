"""Samples decoded again and compared with stored ones.

    python -m tests.decoding               decode every cell and compare
    python -m tests.decoding --write       decode every cell and store them as the reference
    python -m tests.decoding demo/length   only cells whose name begins so
    python -m tests.decoding --targets     draw the committed targets again and compare

A cell is one method under one task of a result set: of the committed sets whose networks are
shipped, and of sets that are nowhere committed: the demo's networks with the paper's
hyperparameters of control, and infilling, of which no network is shipped, with networks that are
trained here in seconds. Of a committed set the first sample of the first target is decoded: its
random numbers depend on neither the samples nor the targets beside it. Of the others it is all
samples of the first target, and which of them the method chose.

Two references. The committed samples came from CPUs that multiply bf16 natively, and are compared
where this one does. Elsewhere networks run in fp32 and give other samples in places:
``samples-float32.json`` holds those of one kind of CPU. Of real corpora it holds digests alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from eval.running.cells import SAMPLES, TARGETS, Shard
from eval.running.command import parse
from eval.running.display import Display
from eval.running.runner import Run
from models.nets.precision import matrix_dtype
from tasks.corpora import traits

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
DATA = Path(os.environ.get("DIFFUSION_BENCH_DATA", ROOT.parent / "shared" / "data"))
REFERENCE = Path(__file__).parent / "golden" / "samples-float32.json"
#: how the floor, which has no task, is named beside the cells
FLOOR = "unconditional"

_NETWORK = "network.layers=1 {0}.network.width=16 {0}.network.heads=2 {0}.network.feedforward=32"
#: toys: every arithmetic step of methods without a shipped network, on networks that hardly
#: learned. ``stories`` is the released way to infill with Diffusion-LM and ``framed`` the other
_TOYS = {
    name: (
        "task=infilling method=all corpus=stories targets=4 samples=3 batch=8 diffusion.steps=40 "
        "diffusion.time=16 diffusion.train.steps=12 diffusion.train.batch=4 "
        f"diffusion.{_NETWORK.format('diffusion')} "
        "lm.layers=1 lm.width=16 lm.heads=2 lm.train.steps=12 lm.train.batch=4 "
        "unconditional.sampling.steps=10 diffusion_lm.infilling.sampling.steps=10 "
        "cold.iterations=6 cold.chains=2 delorean.passes=2 delorean.backward_steps=2 " + more
    ).split()
    for name, more in {
        "toy-stories": "",
        "toy-framed": "window=3 diffusion.output=words diffusion.clean_contexts=0.5 "
        "diffusion.embedding_std=0.5 diffusion_lm.infilling.layout=framed "
        "diffusion_lm.infilling.middle=variable",
    }.items()
}
#: sets that are decoded and not committed, by the command line behind them
UNCOMMITTED: Mapping[str, Sequence[str]] = {
    "demo-paper": [
        "task=length,semantic_content,semantic_content+parts_of_speech",
        "method=diffusion_lm",
        "targets=4",
        "samples=2",
        "diffusion_lm.profile=paper",
    ],
    **_TOYS,
}


#: a line of ``samples.jsonl``
Record = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """One cell to decode; ``task`` is None for the floor."""

    set: str
    task: str | None
    method: str

    @property
    def name(self) -> str:
        return "/".join(part for part in (self.set, self.task, self.method) if part)

    @property
    def committed(self) -> Path:
        """Its folder among the results; an uncommitted set has none."""
        return RESULTS / self.name

    @staticmethod
    def of(name: str) -> Piece:
        """The cell with such a :attr:`name`."""
        first, *task, method = name.split("/")
        return Piece(first, task[0] if task else None, method)


def committed_sets() -> list[str]:
    return sorted(path.parent.name for path in RESULTS.glob("*/run.json"))


def arguments(name: str) -> list[str]:
    """The command line behind a set, without the places that it read and wrote."""
    if name in UNCOMMITTED:
        return list(UNCOMMITTED[name])
    stored = json.loads((RESULTS / name / "run.json").read_text(encoding="utf-8"))
    given = shlex.split(stored["command"])
    given = given[given.index("eval.run") + 1 :]
    dropped = ("out", "data", "threads", "overwrite", "samples", "floor", "batch")
    kept = [one for one in given if one.split("=")[0] not in dropped]
    data = [f"data={DATA}"] if any(one.startswith("data=") for one in given) else []
    return [*kept, "samples=1", *data]


def needs_data(name: str) -> bool:
    return any(one.startswith("data=") for one in arguments(name))


class Decoder:
    """Runs of result sets whose new samples go below ``work``."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._runs: dict[tuple[str, str], Run] = {}

    def run(self, name: str, out: str = "out") -> Run:
        """A run of the set as it was asked for, but for the number of samples."""
        if (name, out) not in self._runs:
            given = [*arguments(name), "floor=1", "device=cpu"]
            given += [f"out={self.work / out / name}", f"store={self.work / 'store'}"]
            given.append(f"prebuilt={RESULTS / 'prebuilt'}")
            display = Display(Console(file=open(os.devnull, "w", encoding="utf-8")))  # noqa: SIM115
            self._runs[name, out] = Run(parse(given), display, given)
        return self._runs[name, out]

    def pieces(self, name: str) -> list[Piece]:
        """The cells of a set that can be decoded: with committed samples, and networks that are
        shipped or, of an uncommitted set, trained at once."""
        run, found = self.run(name), []
        for job in [run.floor, *run.jobs]:
            piece = Piece(name, job.task, job.method)
            if name in UNCOMMITTED or (
                (piece.committed / SAMPLES).exists()
                and not self._unshipped(run, job.recipes.values())
            ):
                found.append(piece)
        return found

    @staticmethod
    def _unshipped(run: Run, recipes: Iterable[Any]) -> list[str]:
        missing = run.store.missing(list(recipes))
        return [recipe.key for recipe in missing if not recipe.cheap]

    def unshipped(self, name: str) -> list[str]:
        """Networks that a set needs and the repository does not have."""
        run = self.run(name)
        recipes = [recipe for job in [run.floor, *run.jobs] for recipe in job.recipes.values()]
        return self._unshipped(run, recipes)

    def decode(self, piece: Piece) -> list[Record]:
        """The samples of the first target, as records of ``samples.jsonl``."""
        run = self.run(piece.set)
        jobs = {(job.task, job.method): job for job in [run.floor, *run.jobs]}
        job = jobs[piece.task, piece.method]
        shard = Shard(0, 1 if piece.task is None else self._place(run, piece))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            run.perform(run.generation(job, shard))
        finally:
            torch.set_num_threads(threads)
        (records,) = job.cell.shard(shard).samples().values()
        return records

    def _place(self, run: Run, piece: Piece) -> int:
        """Leaves the task's targets where the run looks for them; returns how many there are."""
        assert piece.task is not None
        path = run.folder / piece.task / TARGETS
        if not path.exists():
            if piece.set in UNCOMMITTED:
                run.perform(run.choosing(piece.task))
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes((RESULTS / piece.set / piece.task / TARGETS).read_bytes())
        return len(path.read_text(encoding="utf-8").splitlines())

    def draw(self, name: str, task: str) -> bool:
        """Whether a task's targets, drawn again, are the committed ones byte for byte."""
        run = self.run(name, "drawn")
        run.perform(run.choosing(task))
        drawn, stored = run.folder / task / TARGETS, RESULTS / name / task / TARGETS
        return drawn.read_bytes() == stored.read_bytes()


def committed(piece: Piece) -> Record:
    """The first committed sample of a cell."""
    with open(piece.committed / SAMPLES, encoding="utf-8") as file:
        record: Record = json.loads(file.readline())
    return record


def digest(record: Record) -> str:
    text = json.dumps([record["words"], record["tokens"]], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def entry(piece: Piece, run: Run, records: Sequence[Record]) -> dict[str, Any]:
    """Samples of one target as the reference holds them: digests of words and tokens, network
    evaluations, the words where the corpus may be quoted."""
    kept: dict[str, Any] = {"target": records[0]["target"]}
    if piece.set in UNCOMMITTED:
        kept["chosen"] = records[0].get("chosen")
    quoted = traits(run.config.corpus).embedded
    kept["samples"] = [
        {"digest": digest(record), "nfe": record["nfe"]}
        | ({"words": " ".join(record["words"])} if quoted else {})
        for record in records
    ]
    return kept


def as_committed(piece: Piece, run: Run, records: Sequence[Record]) -> bool:
    """Whether a decoded cell equals the committed one in words, tokens and evaluations."""
    if piece.set in UNCOMMITTED:
        return False
    return entry(piece, run, records) == entry(piece, run, [committed(piece)])


def machine() -> dict[str, str]:
    """What fp32 samples hang on beside the code."""
    return {
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "dtype": str(matrix_dtype(torch.device("cpu"))).removeprefix("torch."),
    }


def reference() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))
    return found


def comparable(piece: Piece) -> str:
    """Why a cell's samples cannot be decoded or compared on this machine; empty where they can."""
    if needs_data(piece.set) and not DATA.is_dir():
        return f"{piece.set} needs a corpus, and there is no {DATA}"
    here, made = machine(), reference()["machine"]
    if here["dtype"] == "bfloat16" and piece.set not in UNCOMMITTED:
        return ""
    return "" if made == here else f"the reference was made on {made}, and this is {here}"


def expected(piece: Piece, run: Run) -> dict[str, Any] | None:
    """What a cell must give on this machine, None where it is in no reference."""
    if machine()["dtype"] == "bfloat16" and piece.set not in UNCOMMITTED:
        return entry(piece, run, [committed(piece)])
    found: dict[str, Any] | None = reference()["samples"].get(piece.name)
    return found


def sweep(
    decoder: Decoder, prefixes: Sequence[str], say: Callable[[str], None]
) -> Iterator[tuple[Piece, Run, list[Record]]]:
    """Every cell that can be decoded, and its samples; what cannot be is said."""
    for name in [*committed_sets(), *UNCOMMITTED]:
        if prefixes and not any(name.startswith(p.split("/")[0]) for p in prefixes):
            continue
        if needs_data(name) and not DATA.is_dir():
            say(f"{name}: not decoded, there is no {DATA}")
            continue
        if name not in UNCOMMITTED and (lacking := decoder.unshipped(name)):
            say(f"{name}: its networks are not shipped: {', '.join(lacking)}")
        for piece in decoder.pieces(name):
            if not prefixes or any(piece.name.startswith(prefix) for prefix in prefixes):
                began = time.monotonic()
                records, run = decoder.decode(piece), decoder.run(name)
                note = ", as committed" if as_committed(piece, run, records) else ""
                say(f"{piece.name}: {time.monotonic() - began:.1f} s{note}")
                yield piece, run, records


def main(given: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="store the samples as the reference")
    parser.add_argument("--targets", action="store_true", help="draw committed targets again")
    parser.add_argument("--work", help="folder to decode in; by default one that is removed")
    parser.add_argument("cells", nargs="*", help="beginnings of names, as demo or demo/length")
    args = parser.parse_args(given)

    def say(line: str) -> None:
        print(line, flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        decoder = Decoder(Path(args.work or temporary).resolve())
        if args.targets:
            return _targets(decoder, args.cells, say)
        samples, wrong, equal = {}, [], 0
        for piece, run, records in sweep(decoder, args.cells, say):
            found = samples[piece.name] = entry(piece, run, records)
            equal += as_committed(piece, run, records)
            if not args.write and not comparable(piece):
                wanted = expected(piece, run)
                if found != wanted:
                    wrong.append(piece.name)
                    say(f"  DIFFERS\n    decoded {found}\n    stored  {wanted}")
    of_sets = sum(name.split("/")[0] not in UNCOMMITTED for name in samples)
    say(f"{len(samples)} samples decoded; {equal} of {of_sets} equal the committed ones")
    if args.write:
        kept = reference()["samples"] if args.cells and REFERENCE.exists() else {}
        stored = {"machine": machine(), "samples": kept | samples}
        REFERENCE.parent.mkdir(exist_ok=True)
        text = json.dumps(stored, indent=1, ensure_ascii=False, sort_keys=True)
        REFERENCE.write_text(text + "\n", encoding="utf-8")
        return 0
    reasons = {comparable(Piece(name.split("/")[0], None, "")) for name in samples} - {""}
    for reason in sorted(reasons):
        say(f"some not compared: {reason}")
    say(f"{len(wrong)} differ" + (f": {', '.join(wrong)}" if wrong else ""))
    return bool(wrong)


def _targets(decoder: Decoder, prefixes: Sequence[str], say: Callable[[str], None]) -> int:
    wrong = 0
    for name in committed_sets():
        if prefixes and not any(name.startswith(p.split("/")[0]) for p in prefixes):
            continue
        if needs_data(name) and not DATA.is_dir():
            say(f"{name}: not drawn, there is no {DATA}")
            continue
        for task in decoder.run(name, "drawn").config.tasks:
            equal = decoder.draw(name, task)
            say(f"{name}/{task}: {'as committed' if equal else 'DIFFERS'}")
            wrong += not equal
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
