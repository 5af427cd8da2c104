"""PPLM's attribute model: a linear head on a frozen language model (Dathathri et al. 2020).

It reads the mean of the model's last hidden states over START and the words, as the original's
discriminator does, and gives for each field one distribution over the field's values. It knows
nothing of positions, which is why the paper applies PPLM to semantic content alone (section 6.3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.base import stream_seed
from models.nets.artefact import WEIGHTS, load_network, save_network, unreadable
from models.nets.backbones import CausalLM
from models.nets.causal import by_length, load_lm, pad_rows
from models.nets.codec import Codec
from models.nets.config import AttributeHeadConfig
from models.nets.learned import ENTROPY, Learned, compared, surprise
from models.nets.train import fit
from tasks.base import Words
from tasks.common.batching import BatchPlan
from tasks.common.errors import UserError, unknown
from tasks.common.progress import Progress, silent
from tasks.controls import Control, FieldValue

Pairs = Sequence[tuple[Control, Words]]
"""Controls, each a ``FieldValue``, with a text in which they hold."""


class AttributeHead(nn.Module):
    """One softmax over the values of each field. ``values``: field -> its values, in order.

    Inputs are centred, and divided by one number, their spread over the training texts: the mean
    states of two texts differ by little beside what all texts share.
    """

    def __init__(self, width: int, values: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.values = {field: tuple(known) for field, known in values.items()}
        pairs = [(field, value) for field, known in self.values.items() for value in known]
        self.index = {pair: i for i, pair in enumerate(pairs)}
        fields = list(self.values)
        self.linear = nn.Linear(width, len(pairs))
        self.block: Tensor
        self.centre: Tensor
        self.spread: Tensor
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("spread", torch.ones(1))
        self.register_buffer(
            "block", torch.tensor([fields.index(field) for field, _ in pairs]), persistent=False
        )

    def wanted(self, controls: Iterable[Control]) -> Tensor:
        """Output numbers of field values. Raises ``UserError`` for one that it does not know."""
        indices = []
        for control in controls:
            if not isinstance(control, FieldValue):
                raise UserError(f"the attribute head reads field values, not {control}")
            if control.field not in self.values:
                raise unknown("field", control.field, self.values)
            if control.value not in self.values[control.field]:
                raise unknown(f"{control.field}", control.value, self.values[control.field])
            indices.append(self.index[control.field, control.value])
        return torch.tensor(indices, device=self.block.device)

    def log_probs(self, mean: Tensor, wanted: Tensor) -> Tensor:
        """``mean`` (R, D) hidden states, ``wanted`` (R,) -> (R, outputs): log-probabilities of the
        values of each row's field, -inf for those of other fields."""
        other = self.block != self.block[wanted][:, None]
        inputs = (mean - self.centre) / self.spread
        return self.linear(inputs).masked_fill(other, -torch.inf).log_softmax(-1)

    def log_prob(self, mean: Tensor, wanted: Tensor) -> Tensor:
        """log p(value | mean hidden state) of each row: (R,)."""
        return self.log_probs(mean, wanted).gather(-1, wanted[:, None])[:, 0]


@torch.no_grad()
def features(
    model: CausalLM, codec: Codec, texts: Sequence[Words], progress: Progress = silent
) -> Tensor:
    """The mean hidden state over bos and the words of each text: (texts, D), fp32."""
    room = model.positions
    rows = [np.array([codec.bos, *codec.encode(words)][:room]) for words in texts]
    out = torch.zeros(len(rows), model.width, device=model.device)
    done = 0
    for chosen in by_length([len(row) for row in rows], 128):
        ids = pad_rows([rows[i] for i in chosen], codec.pad).to(model.device)
        hidden = model.hidden(ids)
        lengths = torch.tensor([len(rows[i]) for i in chosen], device=model.device)
        real = torch.arange(ids.shape[1], device=model.device) < lengths[:, None]
        out[chosen] = (hidden * real[:, :, None]).sum(1) / lengths[:, None]
        done += len(chosen)
        progress(done, len(rows), "hidden states")
    return out


class HeadObjective:
    """Mean cross-entropy of the values that hold, the language model's features fixed."""

    def __init__(
        self,
        head: AttributeHead,
        train: tuple[Tensor, Tensor, Tensor],
        valid: tuple[Tensor, Tensor, Tensor],
        batch: int,
        seed: int,
    ) -> None:
        """``train``, ``valid``: features (texts, D), and for each example its text (n,) and the
        output that it asks for (n,)."""
        self.module: nn.Module = head
        self.head, self.data, self.held = head, train, valid
        self.plan = BatchPlan(len(train[1]), batch, seed)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        inputs, text, wanted = self.data
        chosen = torch.as_tensor(self.plan(step), device=inputs.device)
        return -self.head.log_prob(inputs[text[chosen]], wanted[chosen]).mean(), {}

    def validate(self) -> Mapping[str, float]:
        """Nats an example, and the share whose likeliest value is the one that holds."""
        inputs, text, wanted = self.held
        if not len(wanted):
            return {}
        log_probs = self.head.log_probs(inputs[text], wanted)
        right = (log_probs.argmax(-1) == wanted).float().mean()
        nll = -log_probs.gather(-1, wanted[:, None]).mean()
        return {"nll": float(nll), "accuracy": float(right)}

    def learned(self) -> Learned | None:
        """Of the value that each field has in a held-out text."""
        inputs, text, wanted = self.held
        if not len(wanted):
            return None
        loss = -self.head.log_prob(inputs[text], wanted).float().cpu().numpy()
        chance = surprise(wanted.cpu(), self.head.block[wanted].cpu())
        return compared(loss, chance, text.tolist(), ENTROPY)


def train_attribute_head(
    folder: Path,
    lm: Path,
    train: Pairs,
    valid: Pairs,
    config: AttributeHeadConfig,
    seed: int,
    *,
    device: torch.device,
    progress: Progress = silent,
) -> None:
    """Trains on the language model in ``lm``; writes weights, config, values and curve.

    Validation examples of values that training has not are left out. Raises ``UserError`` without
    examples, for controls that are no field values, and for a language model that is no GPT-2, into
    whose cache PPLM reaches.
    """
    if not train:
        raise UserError("no training examples for the attribute head")
    values: dict[str, dict[str, None]] = {}
    for control, _ in train:
        if not isinstance(control, FieldValue):
            raise UserError(f"the attribute head reads field values, not {control}")
        values.setdefault(control.field, {})[control.value] = None
    model, codec, _ = load_lm(lm, device)
    if not model.steerable:
        raise UserError(f"PPLM steers a GPT-2, and lm.pretrained is a {model.kind}")
    torch.manual_seed(stream_seed(seed, "attribute_head", "init"))
    head = AttributeHead(model.width, {field: sorted(known) for field, known in values.items()})
    head.to(device)

    def prepare(pairs: Pairs) -> tuple[Tensor, Tensor, Tensor]:
        known = [(c, w) for c, w in pairs if (c.field, c.value) in head.index]  # type: ignore[attr-defined]
        texts = {words: i for i, words in enumerate(dict.fromkeys(w for _, w in known))}
        of = torch.tensor([texts[words] for _, words in known], device=device)
        return features(model, codec, list(texts), progress), of, head.wanted(c for c, _ in known)

    inputs = prepare(train)
    head.centre.copy_(inputs[0].mean(0))
    head.spread.copy_(inputs[0].var(0, correction=0).mean().sqrt() + 1e-6)
    objective = HeadObjective(head, inputs, prepare(valid), config.train.batch, seed)
    fit(objective, config.train, folder, seed, device, progress)
    save_network(folder, head, Stored(config, model.width, head.values), _facts(head, lm))


@dataclass(frozen=True)
class Stored:
    """What config.json holds: the settings of training, the width of the hidden states and the
    values of each field."""

    config: AttributeHeadConfig
    width: int
    values: dict[str, tuple[str, ...]]


def load_attribute_head(folder: Path, lm: Path, device: torch.device) -> AttributeHead:
    """The head in eval mode, frozen. ``lm``: the language model that it is to read. Raises
    ``UserError`` for files that are missing or damaged, and for another language model."""

    def build(stored: Stored) -> tuple[AttributeHead, dict[str, Any]]:
        head = AttributeHead(stored.width, stored.values)
        return head, _facts(head, lm)

    head, _, _ = load_network(folder, Stored, build)
    return head.to(device)


def _facts(head: AttributeHead, lm: Path) -> dict[str, Any]:
    try:
        digest = hashlib.sha256((lm / WEIGHTS).read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise unreadable(lm / WEIGHTS, error) from None
    return {"kind": "attribute_head", "outputs": len(head.index), "language_model": digest}
