"""benepar's published English model, where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.oracles.segments import join, segment
from tasks.oracles.trees import escape

MODEL = "benepar_en3"
#: words of the longest sentence that is parsed in one piece (512 sub-words at most)
MAX_WORDS = 250


class BeneparParser:
    """The paper's parser, ``benepar_en3``, from NLTK's data folders; nothing is downloaded.

    As in the reference evaluation a text is parsed whole, however many sentences it holds;
    newline tokens alone are kept from the parser and become children of the root
    (``segments.join``). Raises ``UserError`` if the model is not available.
    """

    def __init__(self, model: str = MODEL) -> None:
        import benepar
        from benepar.integrations.downloader import locate_model

        try:
            locate_model(model)
        except LookupError:
            raise UserError(
                f"the parser {model} is not available: run benepar.download('{model}'), or use "
                "the parser that is trained here"
            ) from None
        _mend_tokenizer()
        self._parser = benepar.Parser(model)
        self._input: Any = benepar.InputSentence
        self.id = f"{model} (benepar 0.2.0)"

    def parse(self, sentences: Sequence[Sequence[str]], progress: Progress = silent) -> list[str]:
        trees: list[str] = []
        for done, words in enumerate(sentences, start=1):
            parts = segment(words, MAX_WORDS, split=False)
            pieces: list[str | None] = []
            for part in parts:
                pieces += [None] if part.newline else self._trees(part.words)
            trees.append(join(pieces))
            progress(done, len(sentences), "parsing")
        return trees

    def _trees(self, words: Sequence[str]) -> list[str]:
        """One tree, or one of each half where there are more sub-words than the network reads; a
        word that is too long by itself is a constituent of unknown kind."""
        try:
            return [self._one(words)]
        except ValueError as error:
            if "exceeds the maximum" not in " ".join(str(error).split()):
                raise
        if len(words) == 1:
            return [f"(TOP (X (XX {escape(words[0])})))"]
        half = len(words) // 2
        return [*self._trees(words[:half]), *self._trees(words[half:])]

    def _one(self, words: Sequence[str]) -> str:
        sentence = self._input(words=list(words), escaped_words=[escape(w) for w in words])
        return " ".join(str(self._parser.parse(sentence)).split())


def _mend_tokenizer() -> None:
    """Recent tokenizers lack the method with which benepar 0.2.0 adds the end token of T5."""
    import transformers

    kind: Any = transformers.T5TokenizerFast  # type: ignore[attr-defined]

    if not hasattr(kind, "build_inputs_with_special_tokens"):

        def build(self: Any, first: list[int], second: list[int] | None = None) -> list[int]:
            return [*first, self.eos_token_id, *([*second, self.eos_token_id] if second else [])]

        kind.build_inputs_with_special_tokens = build
