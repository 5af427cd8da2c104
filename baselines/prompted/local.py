"""A pretrained language model that is asked here, through its chat template where it has one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from typing_extensions import TypedDict

from baselines.autoregressive import Heads, uniforms
from baselines.prompted.asked import Said
from baselines.prompted.line import OneLine
from baselines.prompted.shots import Messages, as_text
from models.jobs import Job
from models.nets.backbones import CausalLM
from models.nets.causal import adopt_lm, load_lm
from models.nets.codec import Codec, PlainCodec
from models.nets.config import LMConfig
from models.nets.decoding import rows_at_once, sample
from models.nets.pretrained import load_tokenizer
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.common.files import write_text
from tasks.common.schema import read_json
from tasks.vocabulary import SPECIALS, Vocabulary

CHAT = "chat.json"


class _Chat(TypedDict):
    """``template``: of conversations, in Jinja; ``bos``, ``eos``: what begins a text and ends an
    answer, None where there is none."""

    template: str | None
    bos: str | None
    eos: str | None


def adopt(folder: Path, name: str) -> None:
    """Writes the pretrained model ``name`` as it is, and its chat template. Raises ``UserError`` if
    it cannot be had."""
    tokenizer = load_tokenizer(name)
    if tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer of pretrained model '{name}' has no end token")
    end = tokenizer.eos_token_id
    codec = PlainCodec(tokenizer.backend_tokenizer.to_str(), end, end, Vocabulary(SPECIALS))
    adopt_lm(folder, codec, LMConfig(pretrained=name, zero_shot=True), others=True)
    template = tokenizer.chat_template
    if isinstance(template, dict):  # several, by name
        template = template.get("default")
    chat = {"template": template, "bos": tokenizer.bos_token, "eos": tokenizer.eos_token}
    write_text(folder / CHAT, json.dumps(chat, ensure_ascii=False))


class Local:
    """What :func:`adopt` wrote, asked as :class:`baselines.prompted.asked.Asked`."""

    def __init__(self, network: CausalLM, codec: Codec, chat: Any, settings: Any) -> None:
        from transformers import PreTrainedTokenizerFast

        assert isinstance(codec, PlainCodec)
        self.network, self.codec, self.chat, self.settings = network, codec, chat, settings
        self.tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=codec._tokenizer,
            bos_token=chat["bos"],
            eos_token=chat["eos"],
            chat_template=chat["template"],
        )
        ids = [[i] for i in range(network.vocabulary)]
        pieces = codec._tokenizer.decode_batch(ids, skip_special_tokens=False)
        device = network.device
        self.visible = torch.tensor([bool(piece.strip()) for piece in pieces], device=device)
        self.breaks = torch.tensor(["\n" in piece for piece in pieces], device=device)

    @classmethod
    def load(cls, folder: Path, settings: Any, device: torch.device) -> Local:
        """Raises ``UserError`` for files that are missing or damaged."""
        chat: Any = read_json(folder / CHAT, _Chat)
        network, codec, _ = load_lm(folder, device)
        return cls(network, codec, chat, settings)

    def given(self, ways: Sequence[Messages], target: Target, limit: int) -> Heads:
        head = list[int]()
        for messages in ways:
            head = self.head(messages)
            if len(head) + limit <= self.network.positions:
                break
        room = self.network.positions - len(head)
        if room <= target.control.needed_words:
            raise UserError(
                f"target {target.id}: the prompt leaves room for {max(0, room)} of the "
                f"{self.network.positions} tokens that instruct.pretrained reads"
            )
        return Heads.of([head])

    def alike(self, given: Heads) -> object:
        """Answers to one prompt run together: it is what takes the memory, and is kept once."""
        return tuple(given.head)

    def rows(self, batch: int) -> int:
        return rows_at_once(batch, self.network.device)

    def head(self, messages: Messages) -> list[int]:
        """The ids that an answer stands behind. Raises ``UserError`` for a template that fails."""
        from jinja2 import TemplateError

        if self.chat["template"] is None:
            begin = self.tokenizer.bos_token_id
            text = self._encode(as_text(messages))
            return [self.codec.eos if begin is None else begin, *text]
        turns = [{"role": role, "content": said} for role, said in messages]
        try:
            filled: Any = self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )
        except (TemplateError, ValueError, TypeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"the chat template of instruct.pretrained fails: {reason}") from None
        return self._encode(str(filled))

    def _encode(self, text: str) -> list[int]:
        return list(self.codec._tokenizer.encode(text, add_special_tokens=False).ids)

    def answers(self, name: str, jobs: Sequence[Job[Heads]], seed: int, limit: int) -> list[Said]:
        """A line each."""
        heads, settings = [job.given.head for job in jobs], self.settings
        texts = sample(
            self.network,
            heads,
            uniforms(name, jobs, seed, min(limit, self.network.positions - len(heads[0]))),
            self.codec.eos,
            [*self.codec.forbidden, *range(len(self.codec), self.network.vocabulary)],
            temperature=settings.temperature,
            top_k=settings.top_k,
            top_p=settings.top_p,
            reweighting=OneLine(self.visible, self.breaks, self.codec.eos),
            one=True,
        )
        said = [self.codec._tokenizer.decode(ids) for ids in texts]
        return [
            Said(text, self.codec.tokens(ids), float(len(ids)))
            for text, ids in zip(said, texts, strict=True)
        ]
