"""Settings of diffusion that no family owns, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from models.nets.config import NO_KEY, EncoderConfig, TrainConfig, size
from tasks.common.errors import UserError
from tasks.common.ranges import Checked, ranged, share

#: how latents are drawn (:class:`SamplingConfig`)
Sampler = Literal["ancestral", "ddim", "euler", "dpmpp_2m", "dpmpp_2m_sde"]
#: noise of embeddings, as a multiple of what is noised, beyond that of every schedule
LARGEST_SIGMA = 1e9
#: diffusion steps, of training and of decoding
MOST_STEPS = 10**6
#: steps up to which a linear schedule would have betas of 1 and more
LINEAR_TOO_SHORT = 20


@dataclass(frozen=True)
class SamplingConfig(Checked):
    """How latents are drawn."""

    #: ancestral: q(x_s | x_t, x0), the DDPM posterior; ddim: with ``eta``; euler: Euler's method on
    #: the probability-flow ODE, which is ddim with eta=0; dpmpp_2m: DPM-Solver++ of second order on
    #: it, from the last two estimates (Lu et al. 2022): fewer steps for the same error;
    #: dpmpp_2m_sde: the same with the noise of ``eta``
    sampler: Sampler = "ddim"
    eta: float = share(1.0)
    #: decoding steps
    steps: int = ranged(200, least=1, most=MOST_STEPS)
    #: recompute: the schedule's formula anew with fewer steps, the network's time input 4.5 units
    #: (of 1000) below what training used, as in the reference code; respaced: every k-th step;
    #: log_snr: trained steps in equal distances of the logarithm of signal over noise
    spacing: Literal["recompute", "respaced", "log_snr"] = "recompute"
    #: divides the logits of words, where the network has them: below 1 it sharpens what it says
    #: (score temperature)
    score_temperature: float = ranged(1.0, least=1e-6, most=1e6)
    #: replace each x0 estimate by its nearest word embeddings (the clamping trick, section 4.2)
    clamp: bool = True
    #: a whole text ends, and leaves its batch, when the words of its estimates were the same in so
    #: many steps in a row, in which signal outweighs noise (before that estimates are alike because
    #: they say little); 0: never
    settled: int = ranged(0, least=0, most=MOST_STEPS)
    #: on a GPU, compile the networks that decode and replay them as CUDA graphs: after a minute or
    #: two of compiling, and for many batches of one size; changes no key, and nothing on a CPU
    compile: bool = field(default=False, metadata=NO_KEY)


@dataclass(frozen=True)
class LevelsConfig(Checked):
    """Which noise levels a network of latents knows, and how often it is trained on each.

    A level is a standard deviation sigma of the noise that is added to embeddings before all is
    scaled to unit variance: alpha_bar = 1 / (1 + sigma^2).
    """

    #: steps: those of ``schedule``, all alike; warped: sigma from ``sigma_min`` to ``sigma_max`` in
    #: equal ratios, drawn and decoded as ``warp`` says
    kind: Literal["steps", "warped"] = "steps"
    #: of embeddings of 16 coordinates of unit variance; the range grows as the square root of
    #: their number
    sigma_min: float = ranged(0.3, above=0, most=1e6)
    sigma_max: float = ranged(10.0, above=0, most=1e6)
    #: loss: in proportion to how much the measured cross-entropy grows from level to level, so that
    #: it is linear in warped time (Dieleman et al. 2022); gumbel: a Gumbel law of log sigma with
    #: the mean and the variance of that growth (LangFlow); variance: in proportion to the root mean
    #: square of a level's part of the bound, which minimises the variance of its estimate (what
    #: Gulrajani and Hashimoto 2023 learn by gradients); none: uniform in log sigma
    warp: Literal["loss", "gumbel", "variance", "none"] = "loss"
    #: intervals of log sigma whose losses are measured apart
    bins: int = size(64, least=2)
    #: how much of what was measured stays after each training step
    memory: float = ranged(0.998, above=0, below=1)
    #: share of the draws that stays uniform in log sigma
    floor: float = ranged(0.1, above=0, most=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma_max <= self.sigma_min:
            raise UserError(
                f"levels.sigma_max={self.sigma_max:g} is not above sigma_min={self.sigma_min:g}"
            )


@dataclass(frozen=True)
class GuidanceConfig(Checked):
    """Gradient steps on the latents (paper, section 5.1), with the reference code's quirks named.

    The defaults are the released code's; :func:`guidance_for` gives those of the paper.
    """

    #: weight of the fluency term, lambda
    fluency: float = ranged(0.01, least=0, most=1e6)
    #: learning rate of Adagrad
    lr: float = ranged(0.1, least=0, most=1000)
    #: gradient steps for each diffusion step
    updates: int = ranged(3, least=0, most=10**6)
    #: when Adagrad's accumulator is emptied: at each update (released: every coordinate then moves
    #: by lr times the sign of its gradient), at each diffusion step, or never
    reset: Literal["update", "step", "never"] = "update"
    #: fluency term: squared distance to the mean over sigma (released) or over 2 sigma^2, the
    #: Gaussian log-density (paper)
    denominator: Literal["std", "variance"] = "std"
    #: diffusion steps at the end of decoding without guidance
    unguided: int = ranged(10, least=0, most=MOST_STEPS)
    #: step index at which length control calls the denoiser on x_{t-1}: t (released) or t-1
    length_time: Literal["t", "t-1"] = "t"
    #: what classifiers read, under every profile: latent, the noisy latents at their level (the
    #: paper's guidance); estimate, at their clean level, the unclamped x_0 estimate, through which
    #: the gradient goes back to the latents: one evaluation of the denoiser more an update
    through: Literal["latent", "estimate"] = "latent"
    #: noise sigma (of embeddings, before all is scaled to unit variance) above which nothing guides
    #: yet, under every profile (guidance in an interval, Kynkaanniemi et al. 2024)
    since: float = ranged(LARGEST_SIGMA, least=0, most=LARGEST_SIGMA)
    #: noise sigma below which nothing guides any more, under every profile
    until: float = ranged(0.0, least=0, most=LARGEST_SIGMA)
    #: guided diffusion steps to each that evaluates what guides, under every profile: in those
    #: between, its last gradient is used again, and the fluency term is exact
    every: int = ranged(1, least=1, most=MOST_STEPS)
    #: gradient steps taken as one that is as long as these would be under one gradient, under every
    #: profile: 3 makes one evaluation of the three of a diffusion step
    merge: int = ranged(1, least=1, most=10**6)
    #: gradient steps are so many times as long as ``lr`` or the profile has them: fewer diffusion
    #: steps ask for longer ones
    stretch: float = ranged(1.0, above=0, most=1e6)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_interval(self.since, self.until)

    @property
    def taken(self) -> int:
        """Gradient steps for each diffusion step, once merged."""
        return -(-self.updates // self.merge)

    @property
    def length(self) -> float:
        """The learning rate of each of them."""
        return self.lr * (self.stretch * (self._way(self.updates) / self._way(self.taken)))

    def _way(self, updates: int) -> float:
        """How far so many steps of Adagrad go under one gradient and a rate of 1."""
        if self.reset == "update" or not updates:
            return float(max(1, updates))
        if self.reset == "step":
            return sum(i**-0.5 for i in range(1, updates + 1))
        return float(updates**0.5)  # of so many more at each diffusion step, in the long run


def refuse_interval(since: float, until: float) -> None:
    """Raises ``UserError`` where guidance would end before it begins."""
    if until > since:
        raise UserError(f"guidance until={until:g} begins at since={since:g} and never acts")


@dataclass(frozen=True)
class ClassifierConfig(Checked):
    """A control classifier on noisy latents (paper, appendix D)."""

    #: decoding steps whose noise levels it is trained on
    steps: int = ranged(200, least=1, most=MOST_STEPS)
    #: hidden units of the span scorer
    span_hidden: int = size(768)
    #: in training, noise the words of an attribute as the text is noised, as the reference code
    #: does, or leave them clean, as they are when guiding (and in the paper's p(c | x_t))
    noised_attribute: bool = False
    network: EncoderConfig = field(default_factory=EncoderConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(lr=5e-5, batch=10))
