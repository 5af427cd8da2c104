"""D3PM (Austin et al. 2021), absorbing and uniform: discrete time, and the bound of its steps.

Shapes: B batch, L length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import WordsConfig, WordsSettings
from models.diffusion.words.method import WordDiffusion
from models.diffusion.words.objective import WordsObjective
from models.diffusion.words.role import words_role
from tasks.common.ranges import ranged

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class D3PMConfig(WordsConfig):
    #: steps of the chain
    T: int = ranged(1000, least=1, most=10**6)
    #: weight, beside a step's term of the bound, of plain cross-entropy (equation 5; the paper's
    #: best masked model has 0.01, the uniform one none)
    hybrid: float = ranged(0.0, least=0, most=1e6)


class Absorbing(WordsObjective[D3PMConfig]):
    """Masks that come as 1 / (T - t + 1) of what is left: step t of T costs the cross-entropy of
    its masked words over t, which is its KL divergence (appendix A.3)."""

    def nats(self, ids: Tensor, free: Tensor, rng: torch.Generator | None) -> Tensor:
        return self._costs(ids, free, rng)[0]

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Any]]:
        ids, free = self.batch(step)
        bound, plain = self._costs(ids, free, None)
        words = free.sum()
        # the paper's loss is one step's term and ``hybrid`` times the cross-entropy, in the mean
        # over steps; this is the sum, over what brings it back to the size of the bound
        scale = 1 + self.config.T * self.config.hybrid
        total = (bound + self.config.hybrid * plain).sum() / words / scale
        return total, {"bound": bound.sum() / words}

    def _costs(
        self, ids: Tensor, free: Tensor, rng: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """The bound, and the cross-entropy of all masked words summed over steps, (B,) each."""
        from torch.nn import functional as F

        from models.diffusion.words.noise import by_row, hit, weighted_steps

        t, weight = weighted_steps(len(ids), self.config.T, rng)
        masked = hit(free, (t + 1) / self.config.T, rng)
        device = self.module.device
        x, where = ids.masked_fill(masked, self.mask).to(device), masked.to(device)
        logits = self.module(x, ((t + 1) / self.config.T).to(device), where)[:, :-1]
        nll = F.cross_entropy(logits, ids.to(device)[where], reduction="none")
        cost = by_row(nll, where) * weight.float().to(device)
        return cost / (t + 1).to(device), cost


class Uniform(WordsObjective[D3PMConfig]):
    """Words replaced by words, cosine noise: the KL divergence of each step's reverse."""

    def nats(self, ids: Tensor, free: Tensor, rng: torch.Generator | None) -> Tensor:
        import torch

        from models.diffusion.words.chains import step_cost
        from models.diffusion.words.levels import Cosine
        from models.diffusion.words.noise import hit, replaced, weighted_steps

        device, steps = self.module.device, self.config.T
        keep = torch.tensor([*Cosine().grid(steps), 1.0], dtype=torch.float64)
        t, weight = weighted_steps(len(ids), steps, rng)
        now, before = keep[t], keep[t - 1]
        x = replaced(ids, hit(free, 1 - now, rng), self.words, rng)
        logits = self.module(x.to(device), ((t + 1) / steps).to(device))
        cost = step_cost(
            logits[..., self.words.to(device)],
            self.counted(ids).to(device),
            self.counted(x).to(device),
            now[:, None].to(device),
            before[:, None].to(device),
        )
        return torch.where(free.to(device), cost, 0.0).sum(1) * weight.float().to(device)


NETWORKS = {
    "absorbing": words_role(
        "steps_absorbing", D3PMConfig, "models.d3pm:Absorbing", title="D3PM, absorbing",
        hybrid=0.01,
    ),
    "uniform": words_role(
        "steps_uniform", D3PMConfig, "models.d3pm:Uniform", title="D3PM, uniform", time=True
    ),
}  # fmt: skip
CARDS = tuple(
    WordsCard(
        f"d3pm_{kind}",
        f"models.d3pm:D3PM{kind.capitalize()}",
        label=role.title,
        paper="Austin et al. 2021, Structured Denoising Diffusion Models in Discrete State-Spaces",
        order=order,
        Settings=WordsSettings,
        brings=(role, CLASSIFIER),
        network=role.name,
    )
    for order, (kind, role) in enumerate(NETWORKS.items(), 72)
)
ABSORBING, UNIFORM = CARDS


class D3PMAbsorbing(WordDiffusion):
    card: ClassVar[WordsCard] = ABSORBING

    def process(self, free: Tensor) -> Any:
        from models.diffusion.words.orders import Unmasking, independently

        return Unmasking(self.decoder.reader.words, free, self.settings.steps, independently)


class D3PMUniform(WordDiffusion):
    card: ClassVar[WordsCard] = UNIFORM

    def process(self, free: Tensor) -> Any:
        from models.diffusion.words.chains import Uniform as Chain
        from models.diffusion.words.frame import word_ids
        from models.diffusion.words.levels import Cosine

        words = word_ids(self.decoder.reader.words)
        # the released code's reverse: the bound teaches no mixture's estimate
        return Chain(Cosine().grid(self.settings.steps), words, "plug_in")
