"""Samples made by any other program: one JSON object a line, read with every mistake named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.running.raw import SPECIALS, parts, stripped
from tasks.base import Target, Words
from tasks.common.errors import UserError, unknown
from tasks.common.given import numbered, parse_json, read_text

#: malformed lines that an error shows; the rest are counted
SHOWN = 20


@dataclass(frozen=True)
class Form:
    """How the texts of a corpus are written. ``tokenize``: splits a string as the corpus was.
    ``closing``: the tokens that end each of its texts, which are appended to ``words`` that lack
    them. ``strip``: leave out special tokens of raw outputs."""

    tokenize: Callable[[str], Words]
    closing: Words = ()
    strip: bool = False

    def of_words(self, words: Words) -> Words:
        if self.strip:
            words = stripped(words)
        n = len(self.closing)
        return words if words[len(words) - n :] == self.closing else words + self.closing

    def of_text(self, text: str) -> Words:
        return self.tokenize(" ".join(stripped(tuple(parts(text)))) if self.strip else text)


@dataclass
class Samples:
    """What a file holds before its targets are known. ``rows``: (line, target id, words) of every
    sample; ``wrong``: what is wrong with each malformed line; ``raw``: samples with special tokens
    of raw outputs; ``closed``: samples given as words without the closing tokens."""

    path: Path
    rows: list[tuple[int, str, Words]] = field(default_factory=list)
    wrong: dict[int, str] = field(default_factory=dict)
    raw: int = 0
    closed: int = 0

    def check(self) -> None:
        """Raises ``UserError`` naming every malformed line, and for a file without samples."""
        if self.wrong:
            reasons = [f"line {line}: {self.wrong[line]}" for line in sorted(self.wrong)]
            more = [f"and {len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else []
            listed = "".join(f"\n  {reason}" for reason in [*reasons[:SHOWN], *more])
            raise UserError(f"{self.path} has {len(reasons)} malformed lines:{listed}")
        if not self.rows:
            raise UserError(f"{self.path} holds no samples")

    def of(self, targets: Sequence[str]) -> dict[str, list[Words]]:
        """Target id -> its samples' words, in the order of the file. Raises ``UserError`` naming
        every malformed line and every id that is none of ``targets``."""
        known, samples = set(targets), dict[str, list[Words]]()
        for line, target, words in self.rows:
            if target in known:
                samples.setdefault(target, []).append(words)
            else:
                self.wrong[line] = str(unknown("target", target[:80], known, most=3))
        self.check()
        return samples


def read_external(path: Path, targets: Sequence[Target], form: Form) -> dict[str, list[Words]]:
    """Target id -> its samples' words, in the order of the file; see :func:`read_samples`. Raises
    ``UserError`` also for targets that are none of ``targets``."""
    return read_samples(path, form).of([target.id for target in targets])


def read_samples(path: Path, form: Form) -> Samples:
    """The samples of a file.

    A line holds ``target``, the id of a target, and either ``words``, a list of tokens, or
    ``text``, which is split as the corpus was (``form``). Other entries are let be. Malformed lines
    are kept for :meth:`Samples.check`. Raises ``UserError`` for a file that is missing or no UTF-8
    text.
    """
    samples = Samples(path)
    for number, line in numbered(read_text(path, "samples file")):
        try:
            target, given = _sample(parse_json(line, ""))
        except UserError as error:
            samples.wrong[number] = str(error).removeprefix(": ")
            continue
        tokens = parts(given) if isinstance(given, str) else given
        samples.raw += not SPECIALS.isdisjoint(tokens)
        if isinstance(given, str):
            words = form.of_text(given)
        else:
            words = form.of_words(given)
            samples.closed += bool(form.closing) and words[: len(given)] == given != words
        samples.rows.append((number, target, words))
    return samples


def _sample(record: Any) -> tuple[str, Words | str]:
    if not isinstance(record, Mapping):
        raise UserError("not a JSON object with 'target' and 'words' or 'text'")
    target = record.get("target")
    if not isinstance(target, str):
        raise UserError("no target id under 'target'")
    words, text = record.get("words"), record.get("text")
    if (words is None) == (text is None):
        raise UserError("give either 'words' or 'text'")
    if words is None:
        if not isinstance(text, str):
            raise UserError("'text' is no string")
        return target, text
    if not isinstance(words, list) or not all(isinstance(w, str) and w for w in words):
        raise UserError("'words' is no list of non-empty strings")
    return target, tuple(words)
