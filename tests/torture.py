"""Kills at random moments, after which a rerun must end with the bytes of an undisturbed run.

    python -m tests.torture kills=200 seed=1            all kinds in turn
    python -m tests.torture kills=20 kinds=train,sweep

A trial starts from a store and a result set as far as its kind asks, is killed once to three times
(SIGKILL, SIGTERM or SIGINT, at a moment drawn from the time that the run takes) and then run to its
end. The processes are forked from one that has imported everything, so that a kill costs no start.
Exit code 1 if anything was lost, changed or left behind.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from test_runner import TOY, write_corpus

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
KINDS = ("train", "sample", "judge", "sweep")
#: exit codes of a run that was asked to end, or had ended
FINE = {0, 1, 75, 130, *(-one for one in SIGNALS)}
#: what differs between two runs: times, and what was printed
TIMES = (
    "timing.jsonl", "curve.jsonl", "training.json", "digests.json", "config.json", "run.json",
    "table.json",
)  # fmt: skip


def keys(folder: Path) -> list[str]:
    data, store = folder.parent / "data", folder / "store"
    return [*TOY, f"data={data}", f"out={folder / 'out'}", f"store={store}", "device=cpu"]


def forked(folder: Path, kind: str, sleep: float | None = None, kill: int = 0) -> tuple[int, float]:
    """Runs the command of a kind in a child; after ``sleep`` seconds it gets the signal ``kill``.
    Its exit code (minus the signal that ended it), and the seconds that it took."""
    began, child = time.monotonic(), os.fork()
    if not child:
        os.setsid()
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1), os.dup2(log, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        code = 99
        try:
            if kind == "sweep":
                from slurm.sweep import main as sweep

                extra = ["cluster=local", "max_parallel=2", "gpus=0", "cpus=1"]
                code = sweep([*keys(folder), *extra])
            else:
                from eval.run import main

                code = main(keys(folder))
        finally:
            os._exit(code)
    if sleep is not None:
        time.sleep(sleep)
        os.killpg(child, kill)
    _, status = os.waitpid(child, 0)
    if kill == signal.SIGKILL and kind == "sweep":
        _end_workers(child)
    return os.waitstatus_to_exitcode(status), time.monotonic() - began


def _end_workers(group: int) -> None:
    """Waits for what a killed sweep leaves of its own session."""
    for _ in range(100):
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.05)


def content(folder: Path) -> Mapping[str, bytes]:
    """What must be the same: samples, readings, scores, tables, weights and all else but times."""
    files = [*(folder / "out").rglob("*"), *(folder / "store").rglob("*")]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(files)
        if path.is_file() and path.name not in TIMES and ".sweep" not in path.parts
    }


def odd(folder: Path, whole: Mapping[str, bytes]) -> list[str]:
    """What is not as after an undisturbed run."""
    found = content(folder)
    names = sorted(found.keys() | whole.keys())
    return [
        f"{name} " + ("is missing" if name not in found else
                      "is left" if name not in whole else "differs")
        for name in names
        if found.get(name) != whole.get(name)
    ]  # fmt: skip


def begin(kind: str, folder: Path, whole: Path) -> None:
    """The state from which a trial starts."""
    folder.mkdir()
    shutil.copytree(whole / "store", folder / "store")
    if kind in ("train", "sweep"):
        for path in [
            *(folder / "store").glob("diffusion-*"),
            *(folder / "store").glob("teacher-*"),
        ]:
            shutil.rmtree(path)
    if kind == "judge":
        shutil.copytree(whole / "out", folder / "out")
        for name in ("scores.jsonl", "annotations.jsonl"):
            for path in (folder / "out").rglob(name):
                path.unlink()


def torture(
    kills: int, seed: int, kinds: Sequence[str], say: Callable[[str], None] = print
) -> list[str]:
    """Everything that was lost, changed or left behind by so many kills."""
    rng, wrong, done = random.Random(seed), list[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as root:
        whole, took = Path(root) / "whole", dict[str, float]()
        whole.mkdir()
        write_corpus(Path(root) / "data")
        code, _ = forked(whole, "train")
        if code:
            return [f"the undisturbed run ended with {code}: {(whole / 'log').read_text()}"]
        expected = content(whole)
        for kind in kinds:
            begin(kind, Path(root) / kind, whole)
            code, took[kind] = forked(Path(root) / kind, kind)
            wrong += [f"{kind}, undisturbed: {one}" for one in odd(Path(root) / kind, expected)]
        trial = 0
        while done.total() < kills and not wrong:
            kind = kinds[trial % len(kinds)]
            folder, trial = Path(root) / f"trial-{trial}", trial + 1
            begin(kind, folder, whole)
            said = []
            for _ in range(min(rng.randint(1, 3), kills - done.total())):
                sent, at = rng.choice(SIGNALS), rng.random() * took[kind]
                code, _ = forked(folder, kind, at, sent)
                done[sent.name] += 1
                said.append(f"{sent.name} at {at:.2f} s ({code})")
                if code not in FINE:
                    wrong.append(f"{kind}: exit code {code} after {said[-1]}")
            code, _ = forked(folder, kind)
            found = [f"the rerun ended with {code}"] if code else odd(folder, expected)
            wrong += [f"{kind}, {', '.join(said)}: {one}" for one in found]
            say(f"{kind}: {', '.join(said)}: {found or 'the same'}")
            if found:
                say((folder / "log").read_text()[-3000:])
            shutil.rmtree(folder)
    say(f"{done.total()} kills in {trial} trials: {dict(done)}; {len(wrong)} differences")
    return wrong


def main(given: Sequence[str]) -> int:
    options = {"kills": "20", "seed": "0", "kinds": ",".join(KINDS)}
    options |= dict(one.split("=", 1) for one in given)
    import torch

    import slurm.sweep  # noqa: F401

    torch.set_num_threads(1)
    kinds = options["kinds"].split(",")
    return 1 if torture(int(options["kills"]), int(options["seed"]), kinds) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
