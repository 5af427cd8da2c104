"""The particle filter of methods that steer by sequential Monte Carlo (Del Moral et al. 2006).

Free of torch until something is loaded, so that a method's file may hold its card.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from baselines.autoregressive import Decoded, Heads, uniforms
from baselines.settings import SampleSettings
from baselines.steering import Steered, naming_owners
from tasks.common.ranges import ranged, share

if TYPE_CHECKING:
    from models.jobs import Job


@dataclass(frozen=True)
class ParticleSettings(SampleSettings):
    """Particles of a sample; the sampling options are those of the language model's tokens, which
    the posterior is of."""

    #: particles of a sample
    particles: int = ranged(8, least=1, most=64)
    #: exponent of the discriminator's probability of each prefix
    lam: float = ranged(1.0, least=0, most=1e6)
    #: particles are resampled where fewer than this share of them is effective; 0: never
    ess: float = share(0.5)


class Filtered(Steered):
    """Each particle goes on with a token of the language model, and gets the weight phi_t /
    phi_(t-1), phi_t = p(control | y_1..t)^lam by the discriminators (phi_0 = 1); a complete text
    gets :meth:`closing` in place of its last phi. Network evaluations: for each token of each
    particle one of the language model and one of each discriminator that is asked.

    A sample's ``log_z`` is the log of its particles' mean weight, -inf where none is left."""

    @property
    def particles(self) -> int:
        """How many a sample has."""
        count: int = self.settings.particles
        return count

    @property
    def judged(self) -> bool:
        """Whether discriminators are asked."""
        return bool(self.settings.lam)

    def closing(self, job: Job[Heads], ids: list[int]) -> float | None:
        """The log of a complete text's potential; None: that of its last prefix stays."""
        return None

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        import torch

        from models.nets.decoding import DEVICE_ROWS

        count, made = self.particles, list[Decoded]()
        at_once = DEVICE_ROWS // count
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
        judges = judges if self.judged else []
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
            over = going if step + 1 == limit else going & ended
            for row in over.nonzero()[:, 0].tolist():
                value = self.closing(rows[row], until(texts[row].tolist(), eos))
                if value is not None:
                    weights.log.view(-1)[row] += value - log_phi[row]
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
        none_left = weights.log.amax(1, keepdim=True) == -torch.inf
        chosen = draw(weights.log.masked_fill(none_left, 0.0), numbers("choice")[:, 0].to(device))
        last = places.gather(1, chosen[:, None])[:, 0]
        spent *= 1 + len(judges)
        rows_made = zip(texts[last].tolist(), spent.tolist(), weights.log_z.tolist(), strict=True)
        return [(until(ids, eos), nfe, log_z) for ids, nfe, log_z in rows_made]
