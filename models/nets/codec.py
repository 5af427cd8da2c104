"""Words <-> token ids of the causal language models, behind one interface.

Prompt tokens (the linear form of a control) have ids of their own: the prompt token ``NP`` or ``5``
is never the word ``NP`` or ``5`` of a text, and never comes out of decoding.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from models.nets.artefact import read_config
from models.nets.pretrained import load_tokenizer
from tasks.base import Words
from tasks.common.errors import UserError, unknown
from tasks.common.files import write_text
from tasks.metrics.text import detokenize
from tasks.vocabulary import END, PAD, START, UNKNOWN, Vocabulary

#: what stands between the documents that GPT-2 and its kin are trained on
END_OF_TEXT = "<|endoftext|>"


class Codec(ABC):
    """A sequence is ``prompt tokens, bos, the text, eos``; an empty prompt starts at ``bos``."""

    vocabulary: Vocabulary
    prompt: tuple[str, ...]
    bos: int
    eos: int
    pad: int

    @abstractmethod
    def __len__(self) -> int:
        """How many ids there are."""

    @abstractmethod
    def encode(self, words: Iterable[str]) -> list[int]:
        """Ids of the text alone; words outside the corpus vocabulary become UNK."""

    @abstractmethod
    def tokens(self, ids: Iterable[int]) -> Words:
        """The raw output tokens, one for each id."""

    @abstractmethod
    def words(self, ids: Sequence[int]) -> Words:
        """The text of generated ids: everything before the first eos, specials stripped."""

    @property
    def unknown(self) -> list[int]:
        """Ids that stand for words outside the corpus vocabulary."""
        return self.encode([UNKNOWN])

    def inner(self, word: str) -> int:
        """The last id of ``word`` inside a text."""
        return self.encode([".", word])[-1]

    @abstractmethod
    def limit(self, max_words: int) -> int:
        """How many tokens, eos included, decoding may spend on a text of ``max_words`` words."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Everything that :func:`codec_from_json` needs."""

    @abstractmethod
    def with_prompt(self, prompt: Sequence[str]) -> Codec:
        """The same words with other prompt tokens."""

    @property
    @abstractmethod
    def text_size(self) -> int:
        """Ids below this are shared by all codecs over the same words; prompt tokens follow."""

    def reads(self, tokens: Iterable[str]) -> bool:
        """Whether all of these are prompt tokens of this codec."""
        return all(token in self._prompt_ids for token in tokens)

    def encode_prompt(self, tokens: Iterable[str]) -> list[int]:
        """Ids of prompt tokens. Raises ``UserError`` for one that this codec does not have."""
        ids = []
        for token in tokens:
            if token not in self._prompt_ids:
                raise unknown("prompt token", token, self.prompt)
            ids.append(self._prompt_ids[token])
        return ids

    @cached_property
    def _prompt_ids(self) -> dict[str, int]:
        return {token: self.text_size + i for i, token in enumerate(self.prompt)}

    def sequence(self, prompt: Iterable[str], words: Iterable[str]) -> tuple[list[int], int]:
        """The full sequence of ids and the length of its head, ``prompt`` and bos."""
        head = self.head(prompt)
        return [*head, *self.encode(words), self.eos], len(head)

    def head(self, prompt: Iterable[str]) -> list[int]:
        """What decoding starts from: the prompt and bos."""
        return [*self.encode_prompt(prompt), self.bos]

    @property
    def forbidden(self) -> list[int]:
        """Ids that are no text and hence never decoded: prompt tokens, PAD, a bos that is not eos.

        No training text holds them after bos, so that a trained network gives them next to no
        probability anyway.
        """
        odd = {self.pad, self.bos} - {self.eos}
        return sorted(odd | set(range(self.text_size, self.text_size + len(self.prompt))))

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def save(self, path: Path) -> None:
        write_text(path, json.dumps(self.to_json(), ensure_ascii=False))


class WordCodec(Codec):
    """One id a word: the corpus vocabulary with START, END and PAD, then the prompt tokens."""

    def __init__(self, vocabulary: Vocabulary, prompt: Sequence[str] = ()) -> None:
        self.vocabulary, self.prompt = vocabulary, _distinct(prompt)
        self.bos, self.eos, self.pad = START, END, PAD

    def __len__(self) -> int:
        return len(self.vocabulary) + len(self.prompt)

    @property
    def text_size(self) -> int:
        return len(self.vocabulary)

    def with_prompt(self, prompt: Sequence[str]) -> WordCodec:
        return WordCodec(self.vocabulary, prompt)

    def encode(self, words: Iterable[str]) -> list[int]:
        return self.vocabulary.encode(words)

    def tokens(self, ids: Iterable[int]) -> Words:
        size = len(self.vocabulary)
        return tuple(
            self.vocabulary.words[i] if i < size else f"<{self.prompt[i - size]}>" for i in ids
        )

    def words(self, ids: Sequence[int]) -> Words:
        return self.vocabulary.strip(self.tokens(_before(ids, self.eos)))

    def limit(self, max_words: int) -> int:
        return max_words + 1

    def to_json(self) -> dict[str, Any]:
        return {"kind": "words", "words": self.vocabulary.words, "prompt": self.prompt}


class SubwordCodec(Codec):
    """What codecs over a serialised ``tokenizers.Tokenizer`` share."""

    def __init__(self, tokenizer: str) -> None:
        from tokenizers import Tokenizer

        self.base = tokenizer
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer)
        except Exception as error:  # the library raises nothing more special
            raise UserError(f"damaged tokenizer: {str(error).splitlines()[0]}") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def tokens(self, ids: Iterable[int]) -> Words:
        return tuple(str(self._tokenizer.id_to_token(i)) for i in ids)

    def limit(self, max_words: int) -> int:
        """Three tokens a word, which GPT-2's tokenizer stays well below on all the corpora."""
        return 3 * max_words + 1


class TokenizerCodec(SubwordCodec):
    """A Hugging Face subword tokenizer (pretrained GPT-2) over texts joined by single spaces.

    Words outside the corpus vocabulary are replaced by ``UNK``, which is added to the tokenizer
    as one token, beside ``<PAD>`` and the prompt tokens as ``<ctrl:TOKEN>`` (reference notes,
    sections 2.9 and 2.11, which add the prompt tokens bare; a bare ``5`` or ``NP`` would also cut
    up words of the text). ``tokenizer``: the serialised ``tokenizers.Tokenizer``.
    """

    def __init__(
        self,
        tokenizer: str,
        bos: int,
        eos: int,
        vocabulary: Vocabulary,
        prompt: Sequence[str] = (),
    ) -> None:
        from tokenizers import AddedToken

        super().__init__(tokenizer)
        self.vocabulary, self.prompt = vocabulary, _distinct(prompt)
        self.bos, self.eos = bos, eos
        unk = AddedToken("UNK", single_word=True, normalized=False)
        self._tokenizer.add_tokens([unk, AddedToken("<PAD>", normalized=False)])
        self._text_size = self._tokenizer.get_vocab_size()
        self._tokenizer.add_tokens(
            [AddedToken(f"<ctrl:{token}>", normalized=False) for token in self.prompt]
        )
        self.pad = self._tokenizer.encode("<PAD>", add_special_tokens=False).ids[0]

    @classmethod
    def from_pretrained(
        cls, name: str, vocabulary: Vocabulary, prompt: Sequence[str] = ()
    ) -> TokenizerCodec:
        """The tokenizer of a hub id or local folder; ``UserError`` if it cannot be had."""
        tokenizer = load_tokenizer(name)
        eos = tokenizer.eos_token_id
        bos = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else eos
        if eos is None:
            raise UserError(f"the tokenizer of pretrained model '{name}' has no end token")
        return cls(tokenizer.backend_tokenizer.to_str(), bos, eos, vocabulary, prompt)

    @property
    def text_size(self) -> int:
        return self._text_size

    def with_prompt(self, prompt: Sequence[str]) -> TokenizerCodec:
        return TokenizerCodec(self.base, self.bos, self.eos, self.vocabulary, prompt)

    def encode(self, words: Iterable[str]) -> list[int]:
        known = [word if word in self.vocabulary.ids else "UNK" for word in words]
        return list(self._tokenizer.encode(" ".join(known), add_special_tokens=False).ids)

    def words(self, ids: Sequence[int]) -> Words:
        text = self._tokenizer.decode(_before(ids, self.eos), skip_special_tokens=False)
        return self.vocabulary.strip([word for word in text.split(" ") if word])

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "tokenizer",
            "tokenizer": self.base,
            "bos": self.bos,
            "eos": self.eos,
            "words": self.vocabulary.words,
            "prompt": self.prompt,
        }


class PlainCodec(SubwordCodec):
    """A pretrained model's subword tokenizer over plain text, for a model that is asked as it is:
    words are put together as people write them, and none is unknown.

    Every text starts with a space, so that pieces are the same wherever they stand. ``reverse``:
    for a model that reads from right to left; the words that it is given are in that order, its ids
    are those of the text, reversed. There are no prompt tokens.
    """

    def __init__(
        self, tokenizer: str, bos: int, eos: int, vocabulary: Vocabulary, reverse: bool = False
    ) -> None:
        super().__init__(tokenizer)
        self.vocabulary, self.prompt, self.reverse = vocabulary, (), reverse
        self.bos, self.eos, self.pad = bos, eos, eos
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = sorted(i for i, token in added.items() if token.special)

    @classmethod
    def from_pretrained(
        cls, name: str, vocabulary: Vocabulary, reverse: bool = False
    ) -> PlainCodec:
        """The tokenizer of a hub id, a local folder or a GGUF file, with its end-of-text token on
        both sides of a text; ``UserError`` if it cannot be had."""
        tokenizer = load_tokenizer(name)
        end = tokenizer.get_vocab().get(END_OF_TEXT, tokenizer.eos_token_id)
        if end is None:
            raise UserError(f"the tokenizer of pretrained model '{name}' has no end token")
        return cls(tokenizer.backend_tokenizer.to_str(), end, end, vocabulary, reverse)

    @property
    def text_size(self) -> int:
        return len(self)

    def with_prompt(self, prompt: Sequence[str]) -> PlainCodec:
        if prompt:
            raise UserError("a pretrained model that is asked as it is reads no prompt tokens")
        return self

    def encode(self, words: Iterable[str]) -> list[int]:
        given = list(words)
        text = detokenize(given[::-1] if self.reverse else given)
        ids = list(self._tokenizer.encode(" " + text, add_special_tokens=False).ids) if text else []
        return ids[::-1] if self.reverse else ids

    @property
    def unknown(self) -> list[int]:
        return []

    def inner(self, word: str) -> int:
        return self.encode(["it", word])[-1]

    @property
    def forbidden(self) -> list[int]:
        return [i for i in self._special if i != self.eos]

    def words(self, ids: Sequence[int]) -> Words:
        text = _before(ids, self.eos)
        plain = self._tokenizer.decode(text[::-1] if self.reverse else text)
        words = _spacy()(plain)
        return words[::-1] if self.reverse else words

    @property
    def digest(self) -> str:
        """That of the pieces, whichever way they are read."""
        data = self.to_json() | {"reverse": False}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "plain",
            "tokenizer": self.base,
            "bos": self.bos,
            "eos": self.eos,
            "words": self.vocabulary.words,
            "reverse": self.reverse,
        }


@cache
def _spacy() -> Callable[[str], Words]:
    from tasks.corpora.rocstories import tokenizer

    return tokenizer()


def codec_from_json(data: dict[str, Any]) -> Codec:
    """The inverse of ``to_json``; ``UserError`` for anything else."""
    try:
        vocabulary = Vocabulary(data["words"])
        if data["kind"] == "words":
            return WordCodec(vocabulary, data["prompt"])
        if data["kind"] == "tokenizer":
            return TokenizerCodec(
                data["tokenizer"], data["bos"], data["eos"], vocabulary, data["prompt"]
            )
        if data["kind"] == "plain":
            return PlainCodec(
                data["tokenizer"], data["bos"], data["eos"], vocabulary, data["reverse"]
            )
    except UserError:
        raise
    except Exception as error:  # the library of tokenizers raises whatever it likes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"malformed codec: {reason}") from None
    raise unknown("codec", str(data["kind"]), ["words", "tokenizer", "plain"])


def load_codec(path: Path) -> Codec:
    """Raises ``UserError`` for a missing or damaged file."""
    return codec_from_json(read_config(path, dict[str, Any]))


def _before(ids: Sequence[int], end: int) -> list[int]:
    ids = list(ids)
    return ids[: ids.index(end)] if end in ids else ids


def _distinct(prompt: Sequence[str]) -> tuple[str, ...]:
    if len(set(prompt)) != len(prompt):
        raise UserError("prompt tokens must be distinct")
    return tuple(prompt)
