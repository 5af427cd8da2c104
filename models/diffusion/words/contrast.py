"""Networks that read prompts as one that says what classifier-free guidance makes of them.

Shapes: B batch, L length of prompts and text, V words and the mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.contrast import mixed
from models.diffusion.prompts import emptied
from models.diffusion.words.prompts import PromptedEncoder, starts


class Guided:
    """The networks of a composition's parts, or of a task, as one that decoding reads: texts behind
    the prompts of all parts -> guided logits (B, L, V), 0 where prompts stand. Whatever ``gamma``
    leaves out is not read."""

    def __init__(self, networks: Sequence[PromptedEncoder], gamma: float) -> None:
        self.networks, self.gamma = networks, gamma
        self.device, self.time = networks[0].device, networks[0].time
        #: whether texts are read under their controls, and under none
        self.under = gamma != 0, gamma != 1 or len(networks) > 1

    @property
    def passes(self) -> int:
        return len(self.networks) * sum(self.under)

    def __call__(self, ids: Tensor, time: Tensor) -> Tensor:
        mask = self.networks[0].mask
        *begins, text = edges = starts(ids[0].tolist(), mask)
        said, empty = [], []
        for network, begin, end in zip(self.networks, begins, edges[1:], strict=True):
            given = torch.cat([ids[:, begin:end], ids[:, text:]], 1)
            whole = torch.ones(len(ids), dtype=torch.bool, device=ids.device)
            rows = [given] if self.under[0] else []
            rows += [emptied(given, whole, mask)] if self.under[1] else []
            read = network(torch.cat(rows), time.repeat(len(rows)))[:, end - begin :]
            parts = read.split(len(ids))
            said.append(parts[0])
            empty.append(parts[-1])
        both = all(self.under)
        out = mixed(said, empty, self.gamma) if both else torch.stack(said).mean(0)
        return F.pad(out, (0, 0, text, 0))
