"""What comes out of a generator, held against what :class:`models.base.Generator` promises.

Whoever samples asks :func:`loaded` for the generator and :func:`answers` for the texts, and gets
nothing that could not be stored, judged and resumed. A breach is a ``UserError`` in one line that
names the method, when it happens: what came before it is whole.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.base import Card, Generator, Sample, TargetSamples
from models.nets.finite import NotFinite
from tasks.base import Target, Task
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent

#: a setting so many times larger or smaller than its default may be why numbers are not finite
UNUSUAL = 100.0


def loaded(
    cls: Any, folders: Mapping[str, Path], task: Task, settings: Any, device: Any
) -> Generator:
    """``cls.load``. Raises ``UserError`` where it gives anything but a generator."""
    made = cls.load(folders, task, settings, device)
    if not isinstance(made, Generator):
        raise UserError(f"{cls.card.name}: load gave {_said(made)}, no Generator")
    return made


def answers(
    generator: Generator,
    targets: Sequence[Target],
    samples: int,
    seed: int,
    *,
    settings: Any,
    batch: int = 64,
    progress: Progress = silent,
) -> Iterator[TargetSamples]:
    """What ``generator.generate`` yields, each of ``targets`` once. ``settings``: the options that
    it decodes with, which errors quote.

    Raises ``UserError`` for what breaks the contract, and for numbers that are not finite.
    """
    name, card = generator.name, generator.card
    count = card.samples(settings, samples)
    waiting = {target.id: None for target in targets}
    try:
        made: Any = generator.generate(targets, samples, seed, batch, progress)
        if not isinstance(made, Iterable) or isinstance(made, str):
            raise UserError(f"{name}: generate gave {_said(made)}, no iterator of TargetSamples")
        for one in made:
            try:
                yield _held(one, waiting, targets, count)
            except _Breach as breach:
                raise UserError(f"{name}: {breach}") from None
    except NotFinite as error:
        raise UserError(f"{name}: {error}: {blame(card, settings)}") from None
    if waiting and count:
        raise UserError(
            f"{name}: generate ended without samples of {len(waiting)} of {len(targets)} targets, "
            f"the first of which is {next(iter(waiting))}"
        )


class _Breach(Exception):
    """What is wrong with the samples of a target."""


def _held(
    one: Any, waiting: dict[str, None], targets: Sequence[Target], count: int
) -> TargetSamples:
    """``one``, if it is the samples of one of the ``waiting`` targets, which it leaves."""
    if not isinstance(one, TargetSamples):
        raise _Breach(f"generate yielded {_said(one)}, no TargetSamples")
    if not isinstance(one.target_id, str) or one.target_id not in waiting:
        known = any(target.id == one.target_id for target in targets)
        wrong = "has been answered already" if known else "was not asked for"
        raise _Breach(f"generate yielded samples of target {_said(one.target_id)}, which {wrong}")
    where = f"target {one.target_id}"
    if not isinstance(one.samples, (tuple, list)):
        raise _Breach(f"{where}: samples are {_said(one.samples)}, no tuple of Sample")
    if len(one.samples) != count:
        raise _Breach(f"{where}: {len(one.samples)} samples where {count} were asked for")
    for index, sample in enumerate(one.samples):
        wrong = _wrong(sample, index)
        if wrong:
            raise _Breach(f"{where}, sample {index}: {wrong}")
    chosen = one.chosen
    if chosen is not None and not (_whole(chosen) and 0 <= chosen < count):
        raise _Breach(f"{where}: chosen is {_said(chosen)}, no index of its {count} samples")
    del waiting[one.target_id]
    return one


def _wrong(sample: Any, index: int) -> str:
    """What is wrong with the sample that should have this index; empty where nothing is."""
    if not isinstance(sample, Sample):
        return f"it is {_said(sample)}, no Sample"
    if not _whole(sample.index) or sample.index != index:
        return f"its index is {_said(sample.index)}: samples stand in index order, from 0"
    for what, words in (("words", sample.words), ("tokens", sample.tokens)):
        if not isinstance(words, (tuple, list)):
            return f"its {what} are {_said(words)}, no tuple of strings"
        for word in words:
            if not isinstance(word, str):
                return f"{_said(word)} among its {what} is no string"
            if any("\ud800" <= letter <= "\udfff" for letter in word):
                return f"{word!a} among its {what} is no text (half of a surrogate pair)"
    for what, number in (("nfe", sample.nfe), ("seconds", sample.seconds)):
        real = isinstance(number, (int, float)) and not isinstance(number, bool)
        if not real or not math.isfinite(number) or number < 0:
            return f"its {what} is {_said(number)}, no finite number of at least 0"
    z = sample.log_z
    if z is not None and not (isinstance(z, float) and z < math.inf):
        return f"its log_z is {_said(z)}, no number below infinity"
    return ""


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _said(value: Any) -> str:
    """A value in a few words of one line."""
    text = " ".join(ascii(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def blame(card: Card, settings: Any) -> str:
    """Where numbers that are not finite most likely come from: the setting of a method furthest
    from its default, or its networks."""
    found = sorted(_unusual(settings, card.Settings(), card.name), reverse=True)
    if found:
        return f"most likely {found[0][1]} is at fault"
    return "its networks' weights are at fault, or their half precision"


def _unusual(given: Any, default: Any, name: str) -> Iterator[tuple[float, str]]:
    """How many decades the numbers of ``given`` are from those of ``default``, with their keys;
    counts and flags make nothing overflow."""
    if given == default:
        return
    if dataclasses.is_dataclass(given) and not isinstance(given, type):
        whole = default if type(default) is type(given) else _defaults(type(given))
        for one in dataclasses.fields(given):
            value, usual = getattr(given, one.name), getattr(whole, one.name, None)
            yield from _unusual(value, usual, f"{name}.{one.name}")
    elif isinstance(given, (tuple, list)):
        wrong = [one for value in given for one in _unusual(value, None, name)]
        if wrong:
            yield max(wrong)[0], f"{name}=[{','.join(map(str, given))}]"
    elif isinstance(given, float) or (isinstance(given, int) and not isinstance(default, int)):
        usual = abs(default) if isinstance(default, (int, float)) and default else 1.0
        size = abs(given)
        if not math.isfinite(given):
            yield math.inf, f"{name}={given}"
        elif size and abs(math.log10(size) - math.log10(usual)) >= math.log10(UNUSUAL):
            yield abs(math.log10(size) - math.log10(usual)), f"{name}={given}"


def _defaults(cls: type) -> Any:
    try:
        return cls()
    except TypeError:
        return None
