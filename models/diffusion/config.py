"""Settings of diffusion that no family owns, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from models.nets.config import NO_KEY, EncoderConfig, TrainConfig, size
from tasks.common.ranges import Checked, ranged, share

#: diffusion steps, of training and of decoding
MOST_STEPS = 10**6
#: steps up to which a linear schedule would have betas of 1 and more
LINEAR_TOO_SHORT = 20


@dataclass(frozen=True)
class SamplingConfig(Checked):
    """How latents are drawn."""

    #: ancestral: q(x_s | x_t, x0), the DDPM posterior; ddim: with ``eta``
    sampler: Literal["ancestral", "ddim"] = "ddim"
    eta: float = share(1.0)
    #: decoding steps
    steps: int = ranged(200, least=1, most=MOST_STEPS)
    #: recompute: the schedule's formula anew with fewer steps, the network's time input 4.5 units
    #: (of 1000) below what training used, as in the reference code; respaced: every k-th step
    spacing: Literal["recompute", "respaced"] = "recompute"
    #: replace each x0 estimate by its nearest word embeddings (the clamping trick, section 4.2)
    clamp: bool = True
    #: on a GPU, compile the networks that decode and replay them as CUDA graphs: after a minute or
    #: two of compiling, and for many batches of one size; changes no key, and nothing on a CPU
    compile: bool = field(default=False, metadata=NO_KEY)


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
