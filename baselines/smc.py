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
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from baselines.autoregressive import Decoded, Heads, uniforms
from baselines.settings import SampleSettings
from baselines.steering import JUDGE, Steered, SteeringCard, naming_owners
from models.nets.recipes import DISCRIMINATOR
from tasks.common.ranges import ranged, share

if TYPE_CHECKING:
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


class SMC(Steered):
    """Network evaluations: for each token of each particle one of the language model and one of
    each discriminator. ``log_z``: (target id, index of a sample) -> its estimate of log Z."""

    card: ClassVar[SteeringCard] = CARD

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.log_z: dict[tuple[str, int], float] = {}

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        import torch

        from models.nets.decoding import DEVICE_ROWS

        count = self.settings.particles if self.settings.lam else 1
        at_once, made = DEVICE_ROWS // count, list[Decoded]()
        for at in range(0, len(jobs), at_once):
            part = jobs[at : at + at_once]
            with torch.inference_mode(), naming_owners([j for j in part for _ in range(count)]):
                made += self._particles(part, count, seed, limit)
        return made

    def _particles(
        self, jobs: list[Job[Heads]], count: int, seed: int, limit: int
    ) -> list[Decoded]:
        """Rows are jobs x particles, and fillers behind them, which stay as they are."""
        import torch

        from baselines.particles import Weights
        from models.nets.backbones import CachedNetwork
        from models.nets.decoding import draw, stack, truncate, until
        from models.nets.discriminator import PrefixScorer
        from models.nets.finite import check

        options, eos, device = self.settings, self.codec.eos, self.model.device
        numbers = partial(uniforms, self.name, jobs, seed, limit)
        rows = [job for job in jobs for _ in range(count)]
        network = CachedNetwork(self.model)
        hidden = network.feed(stack([job.given.head for job in rows], device))
        total, real = len(hidden), len(rows)
        judges = [PrefixScorer(*pair) for pair in zip(self.others, self.prompts(rows), strict=True)]
        judges = judges if options.lam else []
        own = [numbers(*(("particle", str(k)) if k else ())) for k in range(count)]
        u = torch.zeros(total, limit, dtype=torch.float64)
        u[:real] = torch.stack(own, 1).flatten(0, 1)
        u, jumps = u.to(device), numbers("resampling").to(device)
        places, fillers = torch.arange(total, device=device).tensor_split([real])
        places = places.view(-1, count)
        ended = torch.arange(total, device=device) >= real
        texts = torch.empty(total, 0, dtype=torch.long, device=device)
        log_phi, weights = u.new_zeros(total), Weights(len(jobs), count, device)
        spent = u.new_zeros(len(jobs))
        for step in range(limit):
            going = ~ended
            spent += going[places].sum(1)
            logits = self.model.logits(hidden).float()
            logits[:, list(self.codec.forbidden)] = -torch.inf
            logits = truncate(logits, options.temperature, options.top_k, options.top_p)
            token = draw(logits, u[:, step]).masked_fill(ended, eos)
            texts = torch.cat([texts, token[:, None]], 1)
            if judges:
                said = [judge.log_prob(token[:, None])[:, 0].double() for judge in judges]
                phi = torch.where(going, options.lam * torch.stack(said).sum(0), log_phi)
                check(phi.isfinite(), "the discriminator's weighted log-probabilities")
                weights.log, log_phi = weights.log + (phi - log_phi)[places], phi
            ended = ended | (token == eos)
            origin = weights.resampled(options.ess, going[places].any(1), jumps[:, step])
            if origin is not None:
                rows_of = torch.cat([places.gather(1, origin).flatten(), fillers])
                token, ended, log_phi = token[rows_of], ended[rows_of], log_phi[rows_of]
                texts = texts[rows_of]
                for one in (network, *(judge.cached for judge in judges)):
                    one.reorder(rows_of)
            if step + 1 == limit or bool(ended.all()):
                break
            hidden = network.feed(token[:, None])
            for judge in judges:
                judge.advance(token)
        chosen = draw(weights.log, numbers("choice")[:, 0].to(device))
        last = places.gather(1, chosen[:, None])[:, 0]
        for job, value in zip(jobs, weights.log_z.tolist(), strict=True):
            self.log_z[job.target.id, job.index] = value
        nfe = (spent * (1 + len(judges))).tolist()
        return [(until(ids, eos), n) for ids, n in zip(texts[last].tolist(), nfe, strict=True)]
