"""What a causal Transformer offers to whoever trains it, decodes with it or steers it.

Shapes: R rows, n tokens, D width, V ids. Rows are never padded along the sequence unless a mask
says so (see :mod:`models.nets.decoding`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nets.precision import by_token

if TYPE_CHECKING:
    from models.nets.backbones.lean import Reading

Past = Sequence[tuple[Tensor, Tensor]]
"""Each layer's cached keys and values, (R, heads, tokens, D / heads) both."""


class Decoder(nn.Module):
    """A causal Transformer without its output layer: ids or embeddings in, hidden states out.

    ``body``: a network of the ``transformers`` library. A network that has one among its parts
    (and so stores it under a name of its own) reads with ``Decoder(part)``.
    """

    def __init__(self, body: Any) -> None:
        from models.nets.backbones.readings import reading

        super().__init__()
        self.body, self._reading = body, reading(body)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.body.device
        return device

    @property
    def positions(self) -> int:
        """The longest sequence that it can read, in tokens."""
        return int(self.body.config.max_position_embeddings)

    @property
    def width(self) -> int:
        """D."""
        return int(self.body.config.hidden_size)

    @property
    def vocabulary(self) -> int:
        """How many ids there are, V."""
        return int(self.body.config.vocab_size)

    @property
    def table(self) -> Tensor:
        """The embedding of every id, (V, D)."""
        weight: Tensor = self.body.get_input_embeddings().weight
        return weight

    def embed(self, ids: Tensor) -> Tensor:
        """``ids`` (...) -> their embeddings (..., D), positions not added."""
        return F.embedding(ids, self.table)

    def hidden(
        self,
        ids: Tensor | None = None,
        *,
        embeds: Tensor | None = None,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """``ids`` (R, n) or ``embeds`` (R, n, D) -> hidden states (R, n, D), without a cache.

        ``mask``: which tokens are read, (R, n), or what is added to attention, (R, 1, n, n) or
        broadcast to it; ``positions`` (R, n) or broadcast to it, 0, 1, 2 ... unless given.
        """
        states: Tensor = self.body(
            input_ids=ids,
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state
        return states

    def read(
        self,
        embeds: Tensor,
        past: Past = (),
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> tuple[Tensor, Past]:
        """``embeds`` (R, n, D) behind ``past`` -> hidden states (R, n, D) and the cache of all that
        was read so far; differentiable in both. ``past`` stays as it is and can be used again.

        ``mask`` (R, past + n): 1 for the tokens that are read; ``positions`` (R, n).
        """
        if (lean := self._lean) is not None:
            from models.nets.backbones.caches import Joined

            joined = Joined(past)
            return lean(self.body, embeds, joined, mask, positions), joined.layers
        from transformers import DynamicCache

        config = self.body.config
        cache = DynamicCache(past, config=config) if past else DynamicCache(config=config)
        out = self.body(
            inputs_embeds=embeds,
            past_key_values=cache,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
        )
        layers: Any = cache.layers
        return out.last_hidden_state, [(layer.keys, layer.values) for layer in layers]

    def go_on(self, ids: Tensor, cache: Any) -> Tensor:
        """``ids`` (R, n) behind ``cache``, a :class:`models.nets.backbones.caches.RoomyCache`,
        which grows -> hidden states (R, n, D)."""
        if (lean := self._lean) is not None:
            return lean(self.body, self.embed(ids), cache)
        read: Tensor = self.body(
            input_ids=ids, past_key_values=cache, use_cache=True
        ).last_hidden_state
        return read

    @property
    def _lean(self) -> Reading | None:
        return None if self.body.training else self._reading


def cross_cache(body: nn.Module) -> Any:
    """An empty cache of a decoder beside a memory: of its own keys, and of the memory's."""
    from transformers import DynamicCache, EncoderDecoderCache

    config: Any = body.config
    return EncoderDecoderCache(DynamicCache(config=config), DynamicCache(config=config))


def cross_states(
    body: nn.Module, embeds: Tensor, memory: Tensor, seen: Tensor, cache: Any = None
) -> Tensor:
    """Last hidden states (B, M, D) of ``embeds`` (B, M, D) beside ``memory`` (B, L, D), of which
    ``seen`` (B, L) is read; ``cache``: of what was read before, which grows."""
    states: Tensor = body(
        inputs_embeds=embeds,
        encoder_hidden_states=memory,
        encoder_attention_mask=seen.long(),
        past_key_values=cache,
        use_cache=cache is not None,
    ).last_hidden_state
    return states


class CachedNetwork:
    """A decoder with its key-value cache: feeds tokens in, gives the last hidden state back."""

    def __init__(self, decoder: Decoder) -> None:
        from models.nets.backbones.caches import RoomyCache

        self.decoder = decoder
        self.cache = RoomyCache(decoder.body.config)

    def feed(self, ids: Tensor) -> Tensor:
        """``ids`` (R, n) following what was fed before -> hidden state of the last one (R, D)."""
        return self.decoder.go_on(ids, self.cache)[:, -1]

    def reorder(self, rows: Tensor) -> None:
        """Row i goes on from what row ``rows[i]`` has read; there may be fewer rows than before."""
        self.cache.reorder_cache(rows)  # type: ignore[arg-type]

    def spread(self, rows: int) -> None:
        """What one row has read is from now on what ``rows`` have read."""
        from models.nets.backbones.readings import shares

        if shares(self.decoder.body):
            self.cache.share()
        else:
            self.reorder(torch.zeros(rows, dtype=torch.long, device=self.decoder.device))


class CausalLM(Decoder):
    """A causal language model: a decoder and its output layer.

    ``network``: the library's whole network, which training descends.
    """

    #: the library's name of the architecture
    kind: ClassVar[str]
    #: whether steps on cached keys and values are the steps that PPLM describes: one key and value
    #: for each head, and positions that are no part of them (Dathathri et al. 2020)
    steerable: ClassVar[bool]
    #: whether it can be had from a GGUF file
    gguf: ClassVar[bool] = False

    def __init__(self, network: Any) -> None:
        super().__init__(network.base_model)
        self.network = network

    @property
    def head(self) -> Tensor:
        """The output layer's weights, (V, D)."""
        weight: Tensor = self.network.get_output_embeddings().weight
        return weight

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., D) -> logits of the next token (..., V)."""
        return by_token(self.network.get_output_embeddings(), hidden)

    @classmethod
    @abstractmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """A network of the shape that :attr:`record` gave, its weights not yet read. Raises
        ``TypeError`` or ``ValueError`` for a record of another kind."""

    @classmethod
    @abstractmethod
    def from_pretrained(cls, place: str, gguf_file: str | None, options: Mapping[str, Any]) -> Self:
        """A pretrained network in fp32. ``place``: hub id or folder; ``gguf_file``: the file in it,
        where it is one; ``options``: as :func:`models.nets.pretrained.source` has them. Raises
        ``OSError`` or ``ValueError`` if it cannot be had."""

    @property
    @abstractmethod
    def record(self) -> dict[str, Any]:
        """The shape of the network as JSON, for :func:`models.nets.backbones.from_record`."""

    @property
    def stored(self) -> nn.Module:
        """The part that holds every parameter once: the body, where the output layer is the
        transposed embedding."""
        whole: nn.Module = self.body if self.head is self.table else self.network
        return whole

    def served(self, device: torch.device) -> Self:
        """The network as it is asked, on ``device``: in eval mode, frozen, in fp32 unless the
        architecture says otherwise."""
        self.network.tie_weights()
        return self.to(device).eval().requires_grad_(False)

    def resize(self, vocabulary: int) -> None:
        """Drops the last ids, or adds ids with fresh embeddings."""
        self.network.resize_token_embeddings(vocabulary, mean_resizing=False)

    def set_dropout(self, p: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.p = p

    @abstractmethod
    def lengthen(self, positions: int) -> None:
        """Adds positions that the network lacks. Raises ``UserError`` where it cannot."""
