"""Taggers that give UPOS tags."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.oracles.perceptron import (
    PARTS,
    Perceptron,
    find_perceptron,
    load_perceptron,
    save_perceptron,
    train_perceptron,
)
from tasks.oracles.upos import NEWLINE_TAG, universal

VERSION = 1


class NltkTagger:
    """NLTK's averaged perceptron tagger, its Penn Treebank tags mapped to UPOS (``upos``).

    Newline tokens are taken out before tagging and tagged ``SPACE``. ``data``: the data folder or
    its ``nltk_data``. Raises ``UserError`` naming a missing or damaged file.
    """

    def __init__(self, data: Path) -> None:
        folder = find_perceptron(data)
        self._tagger = load_perceptron(folder)
        self.id = f"nltk-perceptron-upos v{VERSION} {_digest(folder)}"

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
        return [_around_newlines(words, self._tag) for words in sentences]

    def _tag(self, words: Sequence[str]) -> Sequence[str]:
        return universal(words, self._tagger.tag(words))


class PerceptronTrained:
    """The same tagger trained on gold tags of a corpus, in whatever tag set they are."""

    def __init__(self, tagger: Perceptron, id: str) -> None:
        self._tagger, self.id = tagger, id

    @classmethod
    def train(
        cls, sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[str]], seed: int
    ) -> PerceptronTrained:
        """Raises ``UserError`` if there is nothing to learn from or a text lacks a tag."""
        paired: list[list[tuple[str, str]]] = []
        for words, given in zip(sentences, tags, strict=True):
            if len(words) != len(given):
                raise UserError(f"{len(given)} tags for the {len(words)} words {' '.join(words)!r}")
            paired.append([(w, t) for w, t in zip(words, given, strict=True) if w != "\n"])
        if not any(paired):
            raise UserError("a tagger cannot be trained on no words")
        return cls(train_perceptron(paired, seed), "perceptron in training")

    def save(self, folder: Path) -> None:
        """Writes JSON weights that :meth:`load` reads."""
        save_perceptron(folder, self._tagger)

    @classmethod
    def load(cls, folder: Path) -> PerceptronTrained:
        return cls(load_perceptron(folder), f"perceptron v{VERSION} {_digest(folder)}")

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
        return [_around_newlines(words, self._tagger.tag) for words in sentences]


class StanzaTagger:
    """stanza's English tagger on given tokens, one sentence each (reference notes 3.5).

    ``folder``: where stanza's models lie; nothing is downloaded. Raises ``UserError`` if the
    package or its English model is not available.
    """

    def __init__(self, folder: Path | None = None) -> None:
        try:
            import stanza
        except ImportError:
            raise UserError("stanza is not available: use the tagger 'nltk'") from None
        options: dict[str, Any] = {"dir": str(folder)} if folder else {}
        try:
            self._pipeline = stanza.Pipeline(
                "en", processors="tokenize,pos", tokenize_pretokenized=True,
                download_method=None, verbose=False, **options,
            )  # fmt: skip
        except (OSError, stanza.resources.common.ResourcesFileNotFoundError) as error:
            raise UserError(f"stanza's English model is not available: {error}") from None
        self.id = f"stanza {stanza.__version__} en"

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
        def tagged(words: Sequence[str]) -> Sequence[str]:
            return [word.upos for word in self._pipeline([list(words)]).sentences[0].words]

        return [_around_newlines(words, tagged) for words in sentences]


class SpacyTagger:
    """A spaCy pipeline on given tokens. Raises ``UserError`` if it is not available."""

    def __init__(self, model: str = "en_core_web_sm") -> None:
        try:
            import spacy

            self._nlp = spacy.load(model, disable=["ner"])
        except (ImportError, OSError):
            raise UserError(
                f"spaCy's model '{model}' is not available: use the tagger 'nltk'"
            ) from None
        self.id = f"spacy {spacy.about.__version__} {model} {self._nlp.meta['version']}"

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
        from spacy.tokens import Doc

        def tagged(words: Sequence[str]) -> Sequence[str]:
            return [token.pos_ for token in self._nlp(Doc(self._nlp.vocab, words=list(words)))]

        return [_around_newlines(words, tagged) for words in sentences]


def _around_newlines(
    words: Sequence[str], tagged: Callable[[Sequence[str]], Sequence[str]]
) -> tuple[str, ...]:
    """Tags the words that are not white space alone; the others are ``SPACE``."""
    real = [word for word in words if word.strip()]
    tags = iter(tagged(real) if real else ())
    return tuple(next(tags) if word.strip() else NEWLINE_TAG for word in words)


def _digest(folder: Path) -> str:
    sha = hashlib.sha256()
    for part in PARTS:
        for path in sorted(folder.glob(f"*{part}.json")):
            sha.update(json.dumps(part).encode() + path.read_bytes())
    return sha.hexdigest()[:12]
