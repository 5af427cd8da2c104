"""Causal language models behind one interface, whatever architecture they have.

:class:`CausalLM` is all that training, decoding and the methods know of; one file for each
architecture says how it is built, stored and had pretrained, and names what its library calls its
parts. An architecture more is a file and an entry of ``BACKBONES``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import nn

from models.nets.backbones.base import (
    CachedNetwork,
    CausalLM,
    Decoder,
    Past,
    cross_cache,
    cross_states,
)
from models.nets.config import LMConfig
from models.nets.pretrained import missing_pretrained, source
from tasks.common.errors import UserError

__all__ = [
    "CachedNetwork",
    "CausalLM",
    "Decoder",
    "Past",
    "cross_cache",
    "cross_states",
    "fresh",
    "fresh_body",
    "from_record",
    "load_pretrained",
]

#: the library's name of an architecture -> its class
BACKBONES = {
    "gpt2": "models.nets.backbones.gpt2:GPT2",
    "llama": "models.nets.backbones.llama:Llama",
}
#: any other, of which nothing is known but that it is sampled from
OTHER = "other"
#: what is trained from scratch (paper, section 6.3)
FRESH = "gpt2"


def backbone(kind: str) -> type[CausalLM]:
    """The class of an architecture."""
    module, name = BACKBONES.get(kind, "models.nets.backbones.other:Other").split(":")
    model_class: type[CausalLM] = getattr(import_module(module), name)
    return model_class


def fresh(vocabulary: int, config: LMConfig) -> CausalLM:
    """A network of random weights over ``vocabulary`` ids."""
    from models.nets.backbones.gpt2 import GPT2

    return GPT2.fresh(
        vocabulary, config.max_length, config.layers, config.width, config.heads, config.dropout
    )


def fresh_body(
    vocabulary: int,
    positions: int,
    *,
    layers: int,
    width: int,
    heads: int,
    dropout: float,
    feedforward: int | None = None,
    attention_dropout: float | None = None,
    cross: bool = False,
) -> nn.Module:
    """The same without an output layer, as part of another network; :class:`Decoder` reads with it.

    ``vocabulary`` 0: inputs are vectors, and it has no table of embeddings. ``feedforward``: 4
    times the width unless given; ``attention_dropout``: ``dropout`` unless given. ``cross``: its
    layers attend to what an encoder has read, too.
    """
    from models.nets.backbones.gpt2 import body

    return body(
        vocabulary,
        positions,
        layers,
        width,
        heads,
        dropout,
        feedforward=feedforward,
        attention_dropout=attention_dropout,
        cross=cross,
    )


def from_record(record: Mapping[str, Any]) -> CausalLM:
    """A network of the shape that :attr:`CausalLM.record` gave, its weights not yet read."""
    kind = next((name for name in (*BACKBONES, OTHER) if name in record), FRESH)
    return backbone(kind).from_record(record)


def load_pretrained(name: str, others: bool = False) -> CausalLM:
    """A pretrained network in fp32; ``name`` as :attr:`LMConfig.pretrained`. ``others``: of any
    architecture that the library knows, to be sampled from.

    Raises ``UserError`` if it cannot be had or is of an architecture that is not known here.
    """
    from transformers import AutoConfig

    place, more = source(name)
    file = more.pop("gguf_file", None)
    try:
        kind = AutoConfig.from_pretrained(place, gguf_file=file, **more).model_type
        if not (others or kind in BACKBONES) or (file and not backbone(kind).gguf):
            of_gguf = " and ".join(known for known in BACKBONES if backbone(known).gguf)
            raise UserError(
                f"pretrained model '{name}' is a {kind}; {' and '.join(BACKBONES)} are known, "
                f"of GGUF files {of_gguf}"
            )
        return backbone(kind).from_pretrained(place, file, more)
    except (OSError, ValueError, ImportError) as error:
        raise missing_pretrained(name, error) from None
