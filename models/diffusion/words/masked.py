"""The network of masked words, whatever the order in which they are decided, and its bound.

Continuous-time masked diffusion (MDLM, Sahoo et al. 2024; MD4, Shi et al. 2024), any-order
autoregression (ARDM, Hoogeboom et al. 2022) and absorbing diffusion in ever smaller steps (Austin
et al. 2021) descend the same number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.diffusion.words.config import WordsConfig
from models.diffusion.words.objective import WordsObjective
from models.diffusion.words.role import words_role

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Bound(WordsObjective[WordsConfig]):
    """The continuous-time bound (Sahoo et al. 2024, equation 10), its integral over t written as a
    sum over how many of the n words are masked: k of them, uniform on 1 to n, weigh n / k where t
    weighs 1 / t (Ou et al. 2024, theorem 2). It is the same number, and no rare small t outweighs a
    batch. Of a batch's k, as of its t, one lies in each of B equal slices (section 3.5)."""

    def nats(self, ids: Tensor, free: Tensor, rng: torch.Generator | None) -> Tensor:
        from models.diffusion.words.noise import mask_some

        masked, share = mask_some(free, rng)
        return self.masked_nats(ids, masked, share) / share.to(self.module.device)

    def masked_nats(self, ids: Tensor, masked: Tensor, time: Tensor) -> Tensor:
        """-log p of the words ``masked`` (B, L) together, each given the others that are not, of
        texts ``ids`` at ``time`` (B,): (B,), fp32."""
        from torch.nn import functional as F

        from models.diffusion.words.noise import by_row

        device = self.module.device
        x, where = ids.masked_fill(masked, self.mask).to(device), masked.to(device)
        logits = self.module(x, time.to(device), where)[:, :-1]  # zero masking: the mask is no word
        nll = F.cross_entropy(logits, ids.to(device)[where], reduction="none")
        return by_row(nll, where)


NETWORK = "masked"
MASKED = words_role(
    NETWORK, WordsConfig, "models.diffusion.words.masked:Bound", title="masked diffusion"
)
