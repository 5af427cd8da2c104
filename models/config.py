"""Settings of every network and sampler, free of torch so that ``--help`` stays quick.

Defaults are the reference code's, section by section of its notes; presets override them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from tasks import parts
from tasks.errors import UserError


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained (paper, appendix B)."""

    #: optimiser steps; the learning rate has decayed by the last one
    steps: int = 200_000
    #: examples a step
    batch: int = 64
    #: peak learning rate of AdamW
    lr: float = 1e-4
    #: linear: to 0 at ``steps``; cosine: likewise along a half cosine; constant
    decay: Literal["linear", "cosine", "constant"] = "linear"
    #: steps over which the learning rate rises to its peak
    warmup: int = 0
    weight_decay: float = 0.0
    #: gradient-norm clipping; 0 switches it off
    clip: float = 0.0
    #: decay of the exponential moving average of the weights; 0 switches it off. It starts from
    #: the initial weights without bias correction, as in the reference code.
    ema: float = 0.0
    #: bf16 matrix products under autocast, where the hardware has them; weights and optimiser stay
    #: in fp32
    bf16: bool = True
    #: compile the network (needs a C++ compiler on a CPU): a third faster for the demo's
    #: Diffusion-LM after a minute of compiling; changes no key. Has no effect on causal language
    #: models and discriminators, whose batches differ in length from step to step.
    compile: bool = False
    #: seconds between checkpoints; changes no key
    checkpoint: float = 60.0
    #: steps between points of the training curve, each with its validation
    every: int = 500

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.every < 1:
            raise UserError("training needs steps, batch and every of at least 1")

    def lasting(self, steps: int) -> TrainConfig:
        """The same training for another number of steps: the average of the weights covers the
        same share of it."""
        if steps == self.steps:
            return self
        forgets = min(1.0, (1 - self.ema) * self.steps / steps)
        return replace(self, steps=steps, ema=1 - forgets if self.ema else 0.0)


@dataclass(frozen=True)
class EncoderConfig:
    """A bidirectional Transformer encoder; the defaults are bert-base's."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    feedforward: int = 3072
    #: dropout on embeddings and hidden states
    dropout: float = 0.1
    #: dropout on attention weights; 0 allows the fused kernel on a CPU
    attention_dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UserError(f"width {self.width} is no multiple of heads {self.heads}")


@dataclass(frozen=True)
class DiffusionConfig:
    """Diffusion-LM: latents, noise schedule, denoising network, training (paper, section 4)."""

    #: tokens of a sequence, START, END and PAD included
    length: int = 64
    #: pad: one text a sequence, filled with PAD; block: texts run together and are cut
    padding: Literal["pad", "block"] = "pad"
    #: dimension of the word embeddings
    embedding: int = 16
    #: standard deviation of the word embeddings before training
    embedding_std: float = 1.0
    #: word embeddings trained end to end (paper, section 4.1) or random and frozen
    learned_embedding: bool = True
    #: diffusion steps of training
    steps: int = 2000
    schedule: Literal["sqrt", "linear", "cosine"] = "sqrt"
    #: what the network predicts (paper, section 4.2)
    predict: Literal["x0", "eps", "mu"] = "x0"
    #: linear: the Transformer reads and writes latents, as in the paper; words: it reads and writes
    #: words, and Bayes' rule joins what it says of them with their latents (see
    #: ``models.word_denoiser``): learns a context far faster
    output: Literal["linear", "words"] = "linear"
    #: share of the training texts whose contexts stay clean while their middle sentence is noised,
    #: as in infilling (partial noising, Gong et al. 2023); needs window=3. 0: as in the paper, all
    #: positions are noised alike
    clean_contexts: float = 0.0
    #: a pretrained BERT that the Transformer and its words start from, with output=words: a local
    #: folder, a hub id, or PACKAGE/FOLDER of an installed package that carries it; the sizes of
    #: ``network`` must be its own. Empty: a fresh network, as in the paper
    init_pretrained: str = ""
    #: rows of the learned position table, of which ``length`` are used (bert-base has 512)
    positions: int = 512
    #: dimension of the sinusoidal time embedding; its MLP is four times as wide
    time: int = 128
    network: EncoderConfig = field(default_factory=EncoderConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(ema=0.9999))

    def __post_init__(self) -> None:
        if self.length < 4 or self.steps < 2:
            raise UserError("diffusion needs a length of at least 4 and at least 2 steps")
        if not self.embedding_std > 0:
            raise UserError(f"embedding_std must be positive, not {self.embedding_std}")
        if self.positions < self.length:
            raise UserError(f"{self.positions} positions are too few for length {self.length}")
        if self.output == "words" and self.predict != "x0":
            raise UserError(f"output=words predicts x0, not {self.predict}")
        if self.init_pretrained and self.output != "words":
            raise UserError(
                "diffusion.init_pretrained needs output=words, which reads words as BERT does"
            )
        if not 0 <= self.clean_contexts <= 1:
            raise UserError(f"clean_contexts={self.clean_contexts}: a share from 0 to 1")


@dataclass(frozen=True)
class ClassifierConfig:
    """A control classifier on noisy latents (paper, appendix D)."""

    #: decoding steps whose noise levels it is trained on
    steps: int = 200
    #: hidden units of the span scorer
    span_hidden: int = 768
    #: in training, noise the words of an attribute as the text is noised, as the reference code
    #: does, or leave them clean, as they are when guiding (and in the paper's p(c | x_t))
    noised_attribute: bool = False
    network: EncoderConfig = field(default_factory=EncoderConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(lr=5e-5, batch=10))


#: fields of ClassifierConfig that one task's classifier alone reads
CLASSIFIER_FIELDS = {"span_hidden": "syntax_spans", "noised_attribute": "semantic_content"}


@dataclass(frozen=True)
class SamplingConfig:
    """How latents are drawn."""

    #: ancestral: q(x_s | x_t, x0), the DDPM posterior; ddim: with ``eta``
    sampler: Literal["ancestral", "ddim"] = "ddim"
    eta: float = 1.0
    #: decoding steps
    steps: int = 200
    #: recompute: the schedule's formula anew with fewer steps, the network's time input 4.5 units
    #: (of 1000) below what training used, as in the reference code; respaced: every k-th step
    spacing: Literal["recompute", "respaced"] = "recompute"
    #: replace each x0 estimate by its nearest word embeddings (the clamping trick, section 4.2)
    clamp: bool = True


@dataclass(frozen=True)
class GuidanceConfig:
    """Gradient steps on the latents (paper, section 5.1), with the reference code's quirks named.

    The defaults are the released code's; :func:`guidance_for` gives those of the paper.
    """

    #: weight of the fluency term, lambda
    fluency: float = 0.01
    #: learning rate of Adagrad
    lr: float = 0.1
    #: gradient steps for each diffusion step
    updates: int = 3
    #: when Adagrad's accumulator is emptied: at each update (released: every coordinate then moves
    #: by lr times the sign of its gradient), at each diffusion step, or never
    reset: Literal["update", "step", "never"] = "update"
    #: fluency term: squared distance to the mean over sigma (released) or over 2 sigma^2, the
    #: Gaussian log-density (paper)
    denominator: Literal["std", "variance"] = "std"
    #: diffusion steps at the end of decoding without guidance
    unguided: int = 10
    #: step index at which length control calls the denoiser on x_{t-1}: t (released) or t-1
    length_time: Literal["t", "t-1"] = "t"


#: learning rate and lambda of each task in the released code (reference notes, section 2.6)
RELEASED = {
    "semantic_content": (0.1, 0.01),
    "parts_of_speech": (0.1, 0.0001),
    "syntax_tree": (0.1, 0.0005),
    "syntax_spans": (0.1, 0.1),
    "length": (0.1, 0.01),
}
#: learning rate and lambda of each task in the paper's Table 6
TABLE6 = {
    "semantic_content": (0.1, 0.01),
    "parts_of_speech": (0.05, 0.0005),
    "syntax_tree": (0.2, 0.0005),
    "syntax_spans": (0.15, 0.1),
    "length": (0.1, 0.01),
}


@dataclass(frozen=True)
class InfillingConfig:
    """Sentence infilling with Diffusion-LM: contexts pinned, the middle sampled, no guidance.

    The defaults are the released code's (reference notes, section 2.10), but for ``unk``.
    """

    #: released: left context, slots, right context and nothing else, positions counted from 0;
    #: framed: the sequence that training has, START left middle right END PAD ..., all of it given
    #: but the middle, which then holds words alone
    layout: Literal["released", "framed"] = "released"
    #: fixed: ``slots`` tokens, of which PADs are dropped; variable: each sample draws its number
    #: from the middle sentences of the training stories
    middle: Literal["fixed", "variable"] = "fixed"
    #: tokens of a fixed middle
    slots: int = 10
    #: what contexts are overwritten with after each step: their clean embeddings, as released, or
    #: these under that step's noise
    context: Literal["clean", "noised"] = "clean"
    sampling: SamplingConfig = field(
        default_factory=lambda: SamplingConfig(sampler="ancestral", steps=2000)
    )
    #: temperature of p(word | context) where the network has one (``output=words``), as language
    #: models are sampled with; the latents' own evidence stays as it is
    word_temperature: float = 1.0
    #: avoid: UNK is never generated; keep: it stays; repair: the masked language model
    #: ``repair_model`` replaces it
    unk: Literal["avoid", "keep", "repair"] = "avoid"
    #: hub id (bert-base-cased in the released code) or local folder
    repair_model: str | None = None

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise UserError(f"infilling needs at least 1 slot, not {self.slots}")
        if not self.word_temperature > 0:
            raise UserError(f"word_temperature must be positive, not {self.word_temperature}")
        if self.unk == "repair" and not self.repair_model:
            raise UserError("unk=repair needs repair_model, such as bert-base-cased")


@dataclass(frozen=True)
class DiffusionLMSettings:
    """Decoding options of Diffusion-LM."""

    #: released: the reference code's constants and quirks; paper: Table 6 and the paper's text;
    #: custom: the fields of ``guidance`` as they stand
    profile: Literal["released", "paper", "custom"] = "released"
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    #: read by the task infilling alone, which reads nothing else; None as stored with other tasks
    infilling: InfillingConfig | None = field(default_factory=InfillingConfig)


@dataclass(frozen=True)
class UnconditionalSettings:
    """Decoding options of unconditional samples (the floor of every task)."""

    sampling: SamplingConfig = field(default_factory=SamplingConfig)


def guidance_for(settings: DiffusionLMSettings, task: str) -> GuidanceConfig:
    """The guidance constants of one task, or of a composition, under the chosen profile.

    A composition adds up its parts' log-probabilities and descends that sum with one fluency term
    (paper, section 7.2); its own constants are published nowhere, and the released code has none
    that run. It gets the smallest lambda and the smallest learning rate of its parts: under a
    larger lambda than a part was tuned with, the fluency term would drown that part's gradient
    (a mean over some 2,000 chart cells moves a coordinate far less than one over four words), and
    a larger learning rate was tuned for one control at a time. Raises ``UserError`` for a task
    without constants.
    """
    if settings.profile == "custom":
        return settings.guidance
    table = RELEASED if settings.profile == "released" else TABLE6
    for part in parts(task):
        if part not in table:
            raise UserError(f"profile '{settings.profile}' has no guidance constants for {part}")
    lr, fluency = map(min, zip(*(table[part] for part in parts(task)), strict=True))
    if settings.profile == "released":
        return GuidanceConfig(lr=lr, fluency=fluency)
    return GuidanceConfig(
        lr=lr, fluency=fluency, reset="step", denominator="variance", unguided=0, length_time="t-1"
    )
