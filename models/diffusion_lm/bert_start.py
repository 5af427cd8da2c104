"""Starting the denoising Transformer from a pretrained BERT.

The paper trains from scratch on 98,000 stories; with a few thousand, what a network knows of
English beforehand decides what it learns of a context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from models.nets.pretrained import load_tokenizer, missing_pretrained, source
from tasks.common.errors import UserError
from tasks.vocabulary import END, PAD, START, UNK, Vocabulary

if TYPE_CHECKING:
    from models.diffusion_lm.network import Network
    from models.nets.config import EncoderConfig


def start_from_bert(
    network: Network, words: nn.Embedding, name: str, vocabulary: Vocabulary
) -> None:
    """Copies the encoder and its positions into ``network``, and its words into ``words``, the
    table that ``network`` reads words by; the rest (time embedding, what reads off h, word
    latents) starts afresh, the time embedding from zero. A word is the mean of its pieces'
    embeddings.

    Raises ``UserError`` if there is no such BERT or its sizes are not the network's.
    """
    bert, tokenizer = _load(name)
    _check_sizes(network.config.network, network.config.positions, bert.config, name)
    source = bert.embeddings
    with torch.no_grad():
        network.encoder.load_state_dict(bert.encoder.state_dict())
        network.norm.load_state_dict(source.LayerNorm.state_dict())
        positions = source.position_embeddings.weight[: network.config.positions]
        network.position_embedding.weight.copy_(positions + source.token_type_embeddings.weight[0])
        words.weight.copy_(_words(source.word_embeddings.weight, tokenizer, vocabulary))
        last = network.time[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)


def _load(name: str) -> tuple[Any, Any]:
    from transformers import AutoConfig, BertModel

    place, options = source(name)
    try:
        kind = AutoConfig.from_pretrained(place, **options).model_type
        if kind != "bert":
            raise UserError(f"diffusion.init_pretrained: '{name}' is a {kind}, not a BERT")
        bert = BertModel.from_pretrained(place, dtype=torch.float32, **options)
    except (OSError, ValueError) as error:
        raise missing_pretrained(name, error) from None
    return bert, load_tokenizer(name)


def _check_sizes(ours: EncoderConfig, positions: int, theirs: Any, name: str) -> None:
    for key, size, there in (
        ("diffusion.network.layers", ours.layers, theirs.num_hidden_layers),
        ("diffusion.network.width", ours.width, theirs.hidden_size),
        ("diffusion.network.heads", ours.heads, theirs.num_attention_heads),
        ("diffusion.network.feedforward", ours.feedforward, theirs.intermediate_size),
    ):
        if size != there:
            raise UserError(f"pretrained model '{name}' needs {key}={there}, not {size}")
    if positions > theirs.max_position_embeddings:
        raise UserError(
            f"pretrained model '{name}' has {theirs.max_position_embeddings} positions, fewer than "
            f"diffusion.positions={positions}"
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
