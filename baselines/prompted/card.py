"""The card of prompting, its settings, and the role of the language model that it asks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from baselines.settings import SampleSettings
from models.base import Card, Plan, Role
from models.nets.config import NO_KEY
from models.nets.presets import SMOLLM
from tasks.base import Task
from tasks.common.errors import UserError
from tasks.common.progress import Progress
from tasks.common.ranges import Checked, maybe_empty, ranged
from tasks.common.recipe import Folders, Recipe, recipe

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")


@dataclass(frozen=True)
class InstructConfig(Checked):
    """The language model that is told controls in words, as it is."""

    #: hub id (owner/name, or owner/name@revision) or local folder of a causal language model,
    #: GGUF file of a Llama, or PACKAGE/PATH of an installed package that carries one; best one that
    #: is tuned to follow instructions, whose chat template is then used, and never code
    pretrained: str = maybe_empty(SMOLLM)


@dataclass(frozen=True)
class PromptedSettings(SampleSettings):
    """Prompting; with an endpoint, what samples is elsewhere, and top_k is not to be had."""

    #: examples in a prompt: controls in words with training texts that satisfy them; fewer where
    #: a model has no room for all
    shots: int = ranged(4, least=0, most=64)
    #: which: nearest, the controls that have most in common with the one that is asked for, among
    #: a draw of them; random
    pick: Literal["nearest", "random"] = "nearest"
    #: ask a server with OpenAI's interface instead of instruct.pretrained: its address without
    #: /chat/completions, as http://127.0.0.1:8000/v1
    endpoint: str = ""
    #: what the server calls its model
    model: str = ""
    #: the environment variable that holds the server's key; never the key, which is stored nowhere
    key_variable: str = ranged("OPENAI_API_KEY", **NO_KEY)
    #: seconds until an answer that does not come is asked for again
    timeout: float = ranged(120.0, above=0, most=1e5, **NO_KEY)
    #: how often it is asked for again, also where the server is busy (429) or fails (5xx)
    retries: int = ranged(5, least=0, most=100, **NO_KEY)
    #: questions at once
    parallel: int = ranged(4, least=1, most=256, **NO_KEY)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not VARIABLE.fullmatch(self.key_variable):
            raise UserError(  # the key itself, given by mistake, must not be shown
                "prompted.key_variable is the name of an environment variable, in capitals, as "
                "OPENAI_API_KEY, and never a key"
            )
        if not self.endpoint:
            return
        try:
            parts = urlsplit(self.endpoint)
            address = parts.scheme in ("http", "https") and bool(parts.hostname)
            address = address and (parts.port is None or parts.port > 0)
        except ValueError:
            parts, address = urlsplit(""), False
        if not address or parts.query or parts.fragment or parts.username is not None:
            raise UserError(
                "prompted.endpoint is an address without user, key and query, as "
                "http://127.0.0.1:8000/v1"
            )
        if not self.model:
            raise UserError("prompted.endpoint needs prompted.model, what it calls its model")
        if self.top_k:
            raise UserError(f"prompted.top_k={self.top_k}: an endpoint knows top_p alone")


@dataclass(frozen=True)
class PromptedCard(Card):
    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        elsewhere = settings is not None and settings.endpoint
        return ("task_texts",) if elsewhere else ("task_texts", INSTRUCT.name)


def instruct(plan: Plan, task: str) -> Recipe:
    """The pretrained model, stored as it is. Raises ``UserError`` where none is named."""
    from models.nets.pretrained import content

    name = plan.config.instruct.pretrained
    if not name:
        raise UserError(
            "prompting needs a language model: name one with instruct.pretrained=, or a server "
            "with prompted.endpoint="
        )

    def build(folder: Any, deps: Folders, progress: Progress) -> None:
        from baselines.prompted.local import adopt

        adopt(folder, name)

    title = "fetch the language model that is told controls in words"
    config = {"pretrained": name}
    return recipe("instruct", title, build, config, data=content(name), cheap=True)


INSTRUCT = Role(
    "instruct",
    instruct,
    section="instruct",
    Config=InstructConfig,
    title="prompted language model",
)
CARD = PromptedCard(
    "prompted",
    "baselines.prompted.method:Prompted",
    label="Prompted LM",
    paper="Brown et al. 2020, Language Models are Few-Shot Learners",
    order=145,
    Settings=PromptedSettings,
    brings=(INSTRUCT,),
    group="prompting",
    tradeoff="temperature",
    ranges={"shots": ("2", "4", "8"), "temperature": ("0.5", "0.7", "1")},
)
