"""UNK words of a generated sentence replaced by a masked language model (reference notes, 2.10)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from models.nets import finite
from tasks.base import Words
from tasks.common.errors import UserError
from tasks.common.hub import pinned, revised
from tasks.vocabulary import SPECIALS, UNKNOWN

#: seconds to find out whether the hub can be reached
HUB_TIMEOUT = 10.0


class MaskedRepair:
    """A masked language model that says which words may stand in the place of UNK.

    ``whole``: the ids of its vocabulary that are one whole word, among which it chooses.
    """

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self.tokenizer, self.model = tokenizer, model
        self.whole = torch.tensor(whole_words(tokenizer), device=model.device)

    @classmethod
    def load(cls, name: str | Path, device: torch.device | str = "cpu") -> MaskedRepair:
        """``name``: a local folder or a hub id (``bert-base-cased`` in the released code).

        Raises ``UserError`` where there is neither, without the retries of a hub that cannot be
        reached, and for a model without mask token, masked-language head or whole words.
        """
        from transformers import AutoModelForMaskedLM, AutoTokenizer

        name = str(name)

        try:
            place, options = pinned(name)
        except ValueError as error:
            raise _missing(name, error) from None

        def read(**more: Any) -> tuple[Any, Any]:
            more |= options
            tokenizer = AutoTokenizer.from_pretrained(place, **more)
            model, report = AutoModelForMaskedLM.from_pretrained(
                place, output_loading_info=True, dtype=torch.float32, **more
            )
            if report["missing_keys"]:
                raise ValueError(f"it lacks {min(report['missing_keys'])}")
            return tokenizer, model

        with _quiet():
            try:
                tokenizer, model = read(local_files_only=True)
            except (OSError, ValueError) as error:
                if Path(name).is_dir():
                    raise _missing(name, error) from None
                _ask_hub(name)
                try:
                    tokenizer, model = read()
                except (OSError, ValueError) as failure:
                    raise _missing(name, failure) from None
        if tokenizer.mask_token is None:
            raise _missing(name, ValueError("it has no mask token"))
        finite.check_weights(model, f"masked language model '{name}'")
        return cls(tokenizer, model.to(device).eval().requires_grad_(False))

    @torch.inference_mode()
    def repair(self, left: Sequence[str], middle: Sequence[str], right: Sequence[str]) -> Words:
        """``middle`` with every UNK replaced by the model's most probable whole word at its place.

        All places are masked at once and read from one pass, as in the released code; unlike
        there, ``left``, ``middle`` and ``right`` are joined by spaces. Raises ``UserError`` for a
        text that is longer than the model.
        """
        if UNKNOWN not in middle:
            return tuple(middle)
        mask = self.tokenizer.mask_token
        # a context that quotes the mask token must not count as a place to fill
        words = [
            *(word.replace(mask, "") for word in left),
            *(mask if word == UNKNOWN else word.replace(mask, "") for word in middle),
            *(word.replace(mask, "") for word in right),
        ]
        ids = self.tokenizer(" ".join(filter(None, words)), return_tensors="pt")["input_ids"]
        # RoBERTa's position table has two rows that no token uses
        longest = self.model.config.max_position_embeddings - 2
        if ids.shape[1] > longest:
            raise UserError(
                f"a text of {ids.shape[1]} tokens is longer than the masked language model "
                f"of unk=repair, which reads {longest}"
            )
        logits = self.model(input_ids=ids.to(self.model.device)).logits[0]
        places = (ids[0] == self.tokenizer.mask_token_id).nonzero()[:, 0]
        found = logits[places.to(logits.device)][:, self.whole]
        finite.check(finite.best(found), "the logits of the model that replaces UNK")
        best = self.whole[found.argmax(-1)]
        predictions = iter(best.tolist())
        return tuple(
            self.tokenizer.decode([next(predictions)]).strip() if word == UNKNOWN else word
            for word in middle
        )


def repairer(unk: str, name: str | None, device: torch.device | str = "cpu") -> MaskedRepair | None:
    """What an infilling method with these settings ``unk`` and ``repair_model`` repairs with."""
    if unk != "repair":
        return None
    if not name:
        raise UserError("unk=repair needs repair_model, such as bert-base-cased")
    return MaskedRepair.load(name, device)


def whole_words(tokenizer: Any) -> list[int]:
    """Ids of tokens that are one whole word: behind another word and a space, the word that such a
    token reads as is cut into that token alone. Special tokens and UNK, START, ... are none."""
    special = set(tokenizer.all_special_ids)
    ids = [i for i in range(len(tokenizer)) if i not in special]
    words = [tokenizer.decode([i]).strip() for i in ids]
    head = len(tokenizer("a", add_special_tokens=False)["input_ids"])
    cut = tokenizer([f"a {word}" for word in words], add_special_tokens=False)["input_ids"]
    whole = [
        i
        for i, word, pieces in zip(ids, words, cut, strict=True)
        if word and not word.isspace() and word not in SPECIALS and pieces[head:] == [i]
    ]
    if not whole:
        raise UserError("the tokenizer of the masked language model has no whole words")
    return whole


def _ask_hub(name: str) -> None:
    """Raises ``UserError`` unless the hub answers that it has such a model; loading would try six
    times for each of several files."""
    from huggingface_hub import HfApi

    try:
        place, revision = revised(name)
        HfApi().model_info(place, revision=revision, timeout=HUB_TIMEOUT)
    except Exception as error:  # of the hub, the network below it, or a malformed name
        raise _missing(name, error) from None


def _missing(name: str, error: Exception) -> UserError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return UserError(
        f"masked language model '{name}' is not available ({reason}): name a local folder with "
        "its weights and tokenizer, or choose unk=avoid"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' account of heads that a masked language model leaves unused."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
