"""Sequential Monte Carlo steering (Lew et al. 2023; with learnt twists, Zhao et al. 2024).

A sample is drawn from the posterior

    p(y) p(control | y)^lam / Z,      Z = E_p [ p(control | y)^lam ],

of the language model p by K particles: each goes on with a token of the language model, and gets
the weight phi_t / phi_(t-1), phi_t = p(control | y_1..t)^lam by the discriminator of each prefix
(phi_0 = 1; a composition's multiply). Where the effective number of particles, (sum w)^2 / sum w^2,
falls below a share of K, they are resampled (systematically), so that hopeless beginnings are given
up early; the text is one of the last particles, by weight. The intermediate phi_t divide out:
whatever they are, the particles' mean weight is an unbiased estimate of Z, and as K grows the text
comes from the posterior. K = 1 is the language model.

Particles with one beginning are one text, so a sample costs K texts and gives one. Each has random
numbers of its own, and those of a sample depend on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from baselines.autoregressive import Heads, uniforms
from baselines.settings import SampleSettings
from baselines.steering import JUDGE, Steered, SteeringCard, naming_owners
from models.nets.recipes import DISCRIMINATOR
from tasks.common.ranges import ranged, share

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.autoregressive import Decoded
    from models.jobs import Job


@dataclass(frozen=True)
class SMCSettings(SampleSettings):
    """Sequential Monte Carlo; the sampling options are those of the language model's tokens, which
    the posterior is of."""

    #: particles of a sample
    particles: int = ranged(8, least=1, most=64)
    #: exponent of the discriminator's probability; 0: the language model, with one particle
    lam: float = ranged(1.0, least=0, most=1e6)
    #: particles are resampled where fewer than this share of them is effective; 0: never
    ess: float = share(0.5)


CARD = SteeringCard(
    "smc",
    "baselines.smc:SMC",
    label="SMC",
    paper="Lew et al. 2023, Sequential Monte Carlo Steering of Large Language Models",
    order=140,
    Settings=SMCSettings,
    role=JUDGE,
    brings=(DISCRIMINATOR,),
    tradeoff="lam",
    ranges={"lam": ("1", "2", "4", "8"), "particles": ("8", "32")},
)


def systematic(log_weights: Tensor, u: Tensor) -> Tensor:
    """Ancestors (B, K) of particles with ``log_weights`` (B, K), by one number ``u`` (B,) a row:
    particle k has floor or ceil of K w_k descendants."""
    import torch

    count = log_weights.shape[1]
    mass = log_weights.softmax(1).cumsum(1)
    at = (torch.arange(count, device=u.device) + u[:, None]) / count * mass[:, -1:]
    return torch.searchsorted(mass, at, right=True).clamp(max=count - 1)


class SMC(Steered):
    """Network evaluations: for each token of each particle one of the language model and one of
    each discriminator. ``log_z``: (target id, index of a sample) -> its estimate of log Z."""

    card: ClassVar[SteeringCard] = CARD

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.log_z: dict[tuple[str, int], float] = {}

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        from models.nets.decoding import DEVICE_ROWS

        count = self.settings.particles if self.settings.lam else 1
        at_once, made = DEVICE_ROWS // count, list[Decoded]()
        for at in range(0, len(jobs), at_once):
            part = jobs[at : at + at_once]
            with naming_owners([job for job in part for _ in range(count)]):
                made += self._particles(part, count, seed, limit)
        return made

    def _particles(
        self, jobs: list[Job[Heads]], count: int, seed: int, limit: int
    ) -> list[Decoded]:
        import torch

        from models.nets.decoding import draw

        def numbers(*uses: str) -> Tensor:
            return uniforms(self.name, jobs, seed, limit, *uses)

        streams = [numbers(*(("particle", str(k)) if k else ())) for k in range(count)]
        rows = [job for job in jobs for _ in range(count)]
        cloud = Cloud(self, rows, torch.stack(streams, 1).flatten(0, 1))
        jumps = numbers("resampling").to(cloud.weight.device)
        for step in range(limit):
            open_ = ~cloud.ended.view(-1, count)
            raise NotImplementedError
        return []
