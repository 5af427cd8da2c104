"""Starting the denoising Transformer from a pretrained BERT.

The paper trains from scratch on 98,000 stories; with a few thousand, what a network knows of
English beforehand decides what it learns of a context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from models.nets.pretrained import load_tokenizer, missing_pretrained, source
from tasks.common.errors import UserError
from tasks.vocabulary import END, PAD, START, UNK, Vocabulary

if TYPE_CHECKING:
    from models.nets.config import EncoderConfig


class Startable(Protocol):
    """A denoising Transformer over BERT's encoder."""

    encoder: nn.Module
    norm: nn.Module
    position_embedding: nn.Embedding
    time: nn.Sequential | None


def start_from_bert(
    network: Any,
    words: nn.Embedding,
    name: str,
    vocabulary: Vocabulary,
    *,
    config: EncoderConfig,
    keys: tuple[str, str] = ("diffusion", "positions"),
) -> None:
    """Copies the encoder and its positions into ``network`` (:class:`Startable`), and its words
    into ``words``, the table that ``network`` reads words by; the rest (time embedding, what reads
    off h, word latents) starts afresh, the time embedding from zero. A word is the mean of its
    pieces' embeddings; a row beyond the vocabulary is BERT's mask. ``keys``: the section of the
    settings ``config``, and its key of the number of positions.

    Raises ``UserError`` if there is no such BERT or its sizes are not the network's.
    """
    made: Startable = network
    bert, tokenizer = _load(name, keys[0])
    positions = made.position_embedding.num_embeddings
    _check_sizes(config, positions, bert.config, name, keys)
    source = bert.embeddings
    with torch.no_grad():
        made.encoder.load_state_dict(bert.encoder.state_dict())
        made.norm.load_state_dict(source.LayerNorm.state_dict())
        rows = source.position_embeddings.weight[:positions]
        made.position_embedding.weight.copy_(rows + source.token_type_embeddings.weight[0])
        table = _words(source.word_embeddings.weight, tokenizer, vocabulary)
        if len(words.weight) > len(table):
            mask = source.word_embeddings.weight[tokenizer.mask_token_id]
            table = torch.cat([table, mask[None]])
        words.weight.copy_(table)
        if made.time is not None:
            last = made.time[-1]
            assert isinstance(last, nn.Linear)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)


def _load(name: str, section: str) -> tuple[Any, Any]:
    from transformers import AutoConfig, BertModel

    place, options = source(name)
    try:
        kind = AutoConfig.from_pretrained(place, **options).model_type
        if kind != "bert":
            raise UserError(f"{section}.init_pretrained: '{name}' is a {kind}, not a BERT")
        bert = BertModel.from_pretrained(place, dtype=torch.float32, **options)
    except (OSError, ValueError) as error:
        raise missing_pretrained(name, error) from None
    return bert, load_tokenizer(name)


def _check_sizes(
    ours: EncoderConfig, positions: int, theirs: Any, name: str, keys: tuple[str, str]
) -> None:
    section, length = keys
    for key, size, there in (
        ("layers", ours.layers, theirs.num_hidden_layers),
        ("width", ours.width, theirs.hidden_size),
        ("heads", ours.heads, theirs.num_attention_heads),
        ("feedforward", ours.feedforward, theirs.intermediate_size),
    ):
        if size != there:
            asked = f"{section}.network.{key}={there}"
            raise UserError(f"pretrained model '{name}' needs {asked}, not {size}")
    if positions > theirs.max_position_embeddings:
        raise UserError(
            f"pretrained model '{name}' has {theirs.max_position_embeddings} positions, fewer than "
            f"{section}.{length}={positions}"
        )


def _words(table: Tensor, tokenizer: Any, vocabulary: Vocabulary) -> Tensor:
    """(V, W): the mean of each word's pieces; START, END, PAD and UNK are BERT's own."""
    special = {
        START: tokenizer.cls_token_id,
        END: tokenizer.sep_token_id,
        PAD: tokenizer.pad_token_id,
        UNK: tokenizer.unk_token_id,
    }
    rows = []
    for i, word in enumerate(vocabulary.words):
        pieces = [special[i]] if i in special else tokenizer.encode(word, add_special_tokens=False)
        rows.append(table[pieces or [tokenizer.unk_token_id]].mean(0))
    return torch.stack(rows)
