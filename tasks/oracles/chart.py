"""benepar's ``ChartParser`` with word and tag features, made fast on a CPU.

Imported only where a parser is trained or loaded, because benepar takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from benepar.char_lstm import RetokenizerForCharLSTM
from benepar.decode_chart import pad_charts
from benepar.nkutil import HParams
from benepar.parse_chart import ChartParser
from torch import Tensor, nn

if TYPE_CHECKING:
    from tasks.oracles.config import ParserConfig

#: ids of the word and tag vocabularies that are no words
PAD, UNK, EDGE = 0, 1, 2


@dataclass(frozen=True)
class Vocabularies:
    """Everything that maps text to ids. ``words`` and ``inputs`` (tags predicted for the input)
    leave ids 0-2 to padding, unknown and the sentence edges; the rest are benepar's."""

    tags: Mapping[str, int]
    labels: Mapping[str, int]
    chars: Mapping[str, int]
    words: Mapping[str, int]
    inputs: Mapping[str, int]
    force_root: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class FeatureChartParser(ChartParser):  # type: ignore[misc]
    """``ChartParser`` (characters, margin loss, CKY of benepar 0.2.0) with three changes.

    1. The encoder's input is the character LSTM's output joined with embeddings of frequent words
       and of predicted part-of-speech tags.
    2. The encoder is a bidirectional LSTM (Gaddy et al. 2018), which learns from few thousand
       sentences what a Transformer does not, or benepar's own Transformer (``encoder``).
    3. The same scores at a fraction of the cost: the first layer of the span classifier is linear
       in the fencepost differences and therefore applied to the fenceposts, the rest to the upper
       triangle of the chart alone; characters are read once per distinct word of a batch.
    """

    def __init__(self, vocabularies: Vocabularies, config: ParserConfig) -> None:
        v, transformer = vocabularies, config.encoder == "transformer"
        hparams = HParams(
            use_chars_lstm=True,
            use_pretrained=False,
            use_encoder=transformer,
            d_model=config.d_model,
            d_char_emb=config.d_char,
            char_lstm_input_dropout=config.dropout / 2,
            encoder_max_len=config.max_words + 2,
            num_layers=config.layers,
            num_heads=4,
            d_kv=config.d_model // 4,
            d_ff=2 * config.d_model,
            morpho_emb_dropout=config.dropout,
            relu_dropout=config.dropout / 2,
            residual_dropout=config.dropout / 2,
            attention_dropout=config.dropout / 2,
            d_label_hidden=config.d_label,
            predict_tags=True,
            d_tag_hidden=config.d_label,
            tag_loss_scale=config.tag_loss,
            force_root_constituent=v.force_root,
        )
        super().__init__(dict(v.tags), dict(v.labels), dict(v.chars), hparams)
        self.vocabularies, self.settings = v, config
        self.word_embedding = nn.Embedding(len(v.words) + 3, config.d_word)
        self.input_embedding = nn.Embedding(len(v.inputs) + 3, config.d_input)
        nn.init.normal_(self.word_embedding.weight, std=0.1)
        joined = config.d_model // 2 + config.d_word + config.d_input
        self.drop = nn.Dropout(config.dropout)
        if transformer:
            self.project = nn.Linear(joined, config.d_model // 2)
        else:
            self.lstm = nn.LSTM(
                joined,
                config.d_model // 2,
                config.layers,
                batch_first=True,
                dropout=config.dropout,
                bidirectional=True,
            )

    def annotate(self, batch: Mapping[str, Any]) -> Tensor:
        """Encoder states, shape (batch, words + 2, d_model): left half forward, right backward."""
        mask = batch["valid_token_mask"]
        n_unique = len(batch["word_lens"])
        packed = nn.utils.rnn.pack_padded_sequence(
            batch["char_ids"], batch["word_lens"], batch_first=True, enforce_sorted=False
        )
        chars = self.char_encoder(packed, mask.new_ones(n_unique, 1)).squeeze(1)
        features = torch.cat(
            [
                chars[batch["char_rows"]],
                self.word_embedding(batch["word_ids"]).to(chars.dtype),
                self.input_embedding(batch["input_ids"]).to(chars.dtype),
            ],
            -1,
        )
        if self.encoder is not None:
            states = self.encoder(self.add_timing(self.project(self.drop(features))), mask)
            return torch.cat([states[..., 0::2], states[..., 1::2]], -1)
        lengths = mask.sum(-1)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.drop(features), lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        dropped: Tensor = self.drop(states)
        return dropped

    def triangle(self, batch: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """Label scores of the chart's upper triangle, shape (batch, pairs, labels - 1); its row
        and column indices, (2, pairs); tag scores, (batch, words + 2, tags)."""
        states = self.annotate(batch)
        tags = self.f_tag(states)
        half = self.d_model // 2
        fence = torch.cat([states[:, :-1, :half], states[:, 1:, half:]], -1)
        first = self.f_label[0]
        fence = nn.functional.linear(fence, first.weight)
        pairs = torch.triu_indices(fence.shape[1] - 1, fence.shape[1] - 1)
        hidden = fence[:, pairs[1] + 1] - fence[:, pairs[0]] + first.bias.to(fence.dtype)
        return self.f_label[1:](hidden), pairs, tags

    def forward(self, batch: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """Chart scores (batch, words, words, labels) with the empty label at 0; tag scores."""
        scores, pairs, tags = self.triangle(batch)
        n = int(pairs[1].max()) + 1
        chart = scores.new_zeros((scores.shape[0], n, n, scores.shape[-1] + 1))
        chart[:, pairs[0], pairs[1], 1:] = scores
        return chart.float(), tags.float()


def features(
    network: FeatureChartParser, words: Sequence[str], tags: Sequence[str]
) -> dict[str, Any]:
    """One sentence as ids, with the two sentence edges; ``tags`` are the tagger's."""
    v = network.vocabularies
    known = [v.words.get(w, v.words.get(w.lower(), UNK)) for w in words]
    return {
        "words": list(words),
        "word_ids": np.array([EDGE, *known, EDGE]),
        "input_ids": np.array([EDGE, *(v.inputs.get(t, UNK) for t in tags), EDGE]),
    }


def collate(network: FeatureChartParser, sentences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A padded batch of :func:`features`; with ``span_labels`` and ``tag_labels`` (benepar's) where
    the sentences have them."""
    chars = network.vocabularies.chars
    rows: dict[str, int] = {}
    for sentence in sentences:
        for word in sentence["words"]:
            rows.setdefault(word, len(rows) + 2)
    c = RetokenizerForCharLSTM
    spelled = [
        [chars[c.CHAR_START_WORD], *[chars[mark]] * 3, chars[c.CHAR_STOP_WORD]]
        for mark in (c.CHAR_START_SENTENCE, c.CHAR_STOP_SENTENCE)
    ]
    for word in rows:
        inner = [chars.get(char, c.CHAR_ID_UNK) for char in word[: network.settings.max_chars]]
        spelled.append([chars[c.CHAR_START_WORD], *inner, chars[c.CHAR_STOP_WORD]])
    word_lens = torch.tensor([len(s) for s in spelled])
    char_ids = torch.zeros(len(spelled), int(word_lens.max()), dtype=torch.long)
    for i, ids in enumerate(spelled):
        char_ids[i, : len(ids)] = torch.tensor(ids)

    lengths = [len(s["words"]) + 2 for s in sentences]
    shape = (len(sentences), max(lengths))
    arrays = {key: np.zeros(shape, dtype=np.int64) for key in ("word_ids", "input_ids", "rows")}
    for i, sentence in enumerate(sentences):
        n = lengths[i]
        arrays["word_ids"][i, :n] = sentence["word_ids"]
        arrays["input_ids"][i, :n] = sentence["input_ids"]
        arrays["rows"][i, 1 : n - 1] = [rows[w] for w in sentence["words"]]
        arrays["rows"][i, n - 1] = 1
    batch: dict[str, Any] = {
        "char_ids": char_ids,
        "word_lens": word_lens,
        "char_rows": torch.from_numpy(arrays["rows"]),
        "word_ids": torch.from_numpy(arrays["word_ids"]),
        "input_ids": torch.from_numpy(arrays["input_ids"]),
        "valid_token_mask": torch.arange(shape[1])[None] < torch.tensor(lengths)[:, None],
        "batch_size": len(sentences),
        "batch_num_tokens": sum(lengths) - 2 * len(sentences),
    }
    if "span_labels" in sentences[0]:
        batch["span_labels"] = pad_charts([s["span_labels"] for s in sentences])
        batch["tag_labels"] = nn.utils.rnn.pad_sequence(
            [s["tag_labels"] for s in sentences], batch_first=True, padding_value=-100
        )
    return batch
