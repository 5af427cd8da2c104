"""Tokens of raw outputs that are no words of a text: what begins, ends and fills up a sequence."""

from __future__ import annotations

import re

from tasks.texts import Words

#: what ends a text, by the programs that write it: this project and the reference code, BERT's kin,
#: T5's and LLaMA's, GPT-2's, chat models'
ENDS = frozenset(
    ("END", "[SEP]", "</s>", "<eos>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>")
) | {"<|im_end|>"}
#: what stands before a text or fills up the room behind it
FILLERS = frozenset(("START", "PAD", "[CLS]", "[PAD]", "<s>", "<bos>", "<pad>", "<PAD>")) | {
    "<|begin_of_text|>"
}
SPECIALS = ENDS | FILLERS
#: those that no word of a text looks like, so that they are found inside a string of other letters
_MARKED = re.compile("|".join(re.escape(one) for one in sorted(SPECIALS) if not one.isalpha()))


def parts(text: str) -> list[str]:
    """The text split at white space, special tokens apart."""
    return _MARKED.sub(lambda match: f" {match.group()} ", text).split()


def stripped(tokens: Words) -> Words:
    """Without special tokens: what lies before the first end, unless nothing does (GPT-2's begins a
    text too)."""
    words: list[str] = []
    for token in tokens:
        if token in ENDS and words:
            break
        if token not in SPECIALS:
            words.append(token)
    return tuple(words)
