"""Settings of Diffusion-LM, free of torch so that ``--help`` stays quick.

Defaults are the reference code's, section by section of its notes; presets override them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from models.diffusion.config import (
    LINEAR_TOO_SHORT,
    MOST_STEPS,
    GuidanceConfig,
    LevelsConfig,
    SamplingConfig,
)
from models.nets.config import EncoderConfig, TrainConfig, size
from tasks import load_task, parts
from tasks.common.errors import UserError
from tasks.common.ranges import Checked, ranged, share


@dataclass(frozen=True)
class DiffusionConfig(Checked):
    """Diffusion-LM: latents, noise schedule, denoising network, training (paper, section 4)."""

    #: tokens of a sequence, START, END and PAD included
    length: int = size(64, least=4)
    #: pad: one text a sequence, filled with PAD; block: texts run together and are cut
    padding: Literal["pad", "block"] = "pad"
    #: dimension of the word embeddings
    embedding: int = size(16)
    #: standard deviation of the word embeddings before training
    embedding_std: float = ranged(1.0, above=0, most=1000)
    #: word embeddings trained end to end (paper, section 4.1) or random and frozen
    learned_embedding: bool = True
    #: scale every word embedding to the norm of a vector of ``embedding`` coordinates of unit
    #: variance: embeddings cannot grow to make words easy to tell apart
    normalised: bool = False
    #: diffusion steps of training
    steps: int = ranged(2000, least=2, most=MOST_STEPS)
    schedule: Literal["sqrt", "linear", "cosine"] = "sqrt"
    #: what the network predicts (paper, section 4.2)
    predict: Literal["x0", "eps", "mu"] = "x0"
    #: standard deviation of the noise, at the variance of unit noise (Gao et al. 2022, the noise
    #: factor, rescaled): all of a schedule then hides words
    noise_factor: float = ranged(1.0, least=1, most=1000)
    #: the noise levels of training and decoding
    levels: LevelsConfig = field(default_factory=LevelsConfig)
    #: simple: the squared error and the rounding of the latents' words, as in the paper; anchor:
    #: the squared error and the words' cross-entropy under the rounding of the network's own
    #: estimate (Gao et al. 2022); words: the cross-entropy of the words alone (score interpolation,
    #: Dieleman et al. 2022); bound: the variational bound in continuous time (Gulrajani and
    #: Hashimoto 2023)
    objective: Literal["simple", "anchor", "words", "bound"] = "simple"
    #: linear: the Transformer reads and writes latents, as in the paper; words: it reads and writes
    #: words, and Bayes' rule joins what it says of them with their latents (see
    #: ``models.diffusion_lm.score_interpolation``): learns a context far faster
    output: Literal["linear", "words"] = "linear"
    #: what the Transformer reads of a noised position with output=words: the mean of its word
    #: vectors under Bayes' rule, or the latent itself
    reads: Literal["mixture", "latents"] = "mixture"
    #: with output=words, what the latent says of its own word by Bayes' rule is added to the
    #: logits; false, only with reads=latents, leaves all to the network
    evidence: bool = True
    #: training steps over which ``evidence`` rises to its full weight, with reads=latents
    evidence_warmup: int = ranged(0, least=0, most=10**9)
    #: share of the training texts that are read twice, the second time with the estimate that the
    #: first gave (self-conditioning, Chen et al. 2023); 0: the network has no such input
    self_conditioning: float = share(0.0)
    #: share of the training texts whose contexts stay clean while their middle sentence is noised,
    #: as in infilling (partial noising, Gong et al. 2023); needs window=3. 0: as in the paper, all
    #: positions are noised alike
    clean_contexts: float = share(0.0)
    #: a pretrained BERT that the Transformer and its words start from, with output=words: a local
    #: folder, a hub id (owner/name, or owner/name@revision), or PACKAGE/FOLDER of an installed
    #: package that carries it; the sizes of ``network`` must be its own. Empty: a fresh network, as
    #: in the paper
    init_pretrained: str = ""
    #: rows of the learned position table, of which ``length`` are used (bert-base has 512)
    positions: int = size(512)
    #: dimension of the sinusoidal time embedding; its MLP is four times as wide
    time: int = size(128, least=2)
    network: EncoderConfig = field(default_factory=EncoderConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(ema=0.9999))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schedule == "linear" and self.steps <= LINEAR_TOO_SHORT:
            raise UserError(
                f"steps={self.steps}: a linear schedule needs more than {LINEAR_TOO_SHORT}"
            )
        if self.positions < self.length:
            raise UserError(f"{self.positions} positions are too few for length {self.length}")
        if self.output == "words" and self.predict != "x0":
            raise UserError(f"output=words predicts x0, not {self.predict}")
        if self.init_pretrained and self.output != "words":
            raise UserError(
                "diffusion.init_pretrained needs output=words, which reads words as BERT does"
            )
        _refuse(self)

    @property
    def warped(self) -> bool:
        """Whether noise levels are those of a warp."""
        return self.levels.kind == "warped"

    @property
    def plain_words(self) -> bool:
        """Whether the network reads latents and writes words."""
        return self.output == "words" and self.reads == "latents"


def _refuse(config: DiffusionConfig) -> None:
    """Raises ``UserError`` for settings that do not go together."""
    said = f"objective={config.objective}"
    if config.reads == "latents" and config.output != "words":
        raise UserError("reads=latents is of output=words: a linear network reads nothing else")
    if not config.evidence and not config.plain_words:
        raise UserError("evidence=false needs output=words and reads=latents")
    if config.evidence_warmup and not (config.plain_words and config.evidence):
        raise UserError("evidence_warmup needs output=words, reads=latents and evidence=true")
    if config.objective in ("words", "bound") and config.output != "words":
        raise UserError(f"{said} needs output=words, not {config.output}")
    if config.objective == "anchor" and (config.output, config.predict) != ("linear", "x0"):
        raise UserError(f"{said} needs output=linear and predict=x0")
    if config.objective == "bound" and not (config.plain_words and config.warped):
        raise UserError(f"{said} needs reads=latents and levels.kind=warped")
    if config.warped and config.objective == "simple" and config.output == "linear":
        raise UserError("levels.kind=warped measures the words' cross-entropy: objective=anchor")
    if config.plain_words and not config.normalised:
        raise UserError("reads=latents needs normalised=true, or embeddings grow without end")
    if config.plain_words and config.objective == "simple":
        raise UserError("reads=latents is trained with objective=words or bound, not simple")
    free = config.learned_embedding and not config.normalised
    if config.objective == "words" and free:
        raise UserError(f"{said} needs normalised=true, or its embeddings grow without end")
    if config.normalised and not config.learned_embedding and config.embedding_std != 1:
        raise UserError("normalised embeddings have no embedding_std")
    if config.warped and config.predict != "x0":
        raise UserError(f"levels.kind=warped predicts x0, not {config.predict}")
    if config.warped and config.noise_factor != 1:
        raise UserError(
            "levels.kind=warped takes larger noise as levels.sigma_max, no noise_factor"
        )
    if config.warped and config.steps < config.levels.bins:
        raise UserError(f"steps={config.steps} cannot fill levels.bins={config.levels.bins}")
    if config.levels.warp == "variance" and config.warped and config.objective != "bound":
        raise UserError("levels.warp=variance needs objective=bound, whose variance it lowers")
    if config.clean_contexts and config.objective == "bound":
        raise UserError("objective=bound bounds whole texts: no clean_contexts")


def check_decoding(trained: DiffusionConfig, sampling: SamplingConfig, key: str) -> None:
    """Raises ``UserError`` for decoding steps that a network trained so has not; ``key``: of the
    section ``sampling``."""
    steps = sampling.steps
    if sampling.score_temperature != 1 and trained.output != "words":
        raise UserError(f"{key}.score_temperature needs a network with output=words")
    if trained.warped:
        if steps > trained.steps:
            raise UserError(f"{key}.steps={steps}: there are {trained.steps} trained levels")
        return
    if trained.steps % steps:
        raise UserError(
            f"{key}.steps={steps}: {steps} decoding steps do not divide the {trained.steps} "
            "trained ones (diffusion.steps)"
        )
    linear = trained.schedule == "linear" and sampling.spacing == "recompute"
    if linear and steps != trained.steps and steps <= LINEAR_TOO_SHORT:
        raise UserError(
            f"{key}.steps={steps}: a linear schedule needs more than {LINEAR_TOO_SHORT}"
        )


#: learning rate and lambda of each kind of control in the released code (reference notes, section
#: 2.6)
RELEASED = {
    "field_value": (0.1, 0.01),
    "tag_sequence": (0.1, 0.0001),
    "parse_tree": (0.1, 0.0005),
    "span": (0.1, 0.1),
    "length": (0.1, 0.01),
}


#: learning rate and lambda of each kind of control in the paper's Table 6
TABLE6 = {
    "field_value": (0.1, 0.01),
    "tag_sequence": (0.05, 0.0005),
    "parse_tree": (0.2, 0.0005),
    "span": (0.15, 0.1),
    "length": (0.1, 0.01),
}


@dataclass(frozen=True)
class InfillingConfig(Checked):
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
    slots: int = size(10)
    #: what contexts are overwritten with after each step: their clean embeddings, as released, or
    #: these under that step's noise
    context: Literal["clean", "noised"] = "clean"
    sampling: SamplingConfig = field(
        default_factory=lambda: SamplingConfig(sampler="ancestral", steps=2000)
    )
    #: temperature of p(word | context) where the network has one (``output=words``), as language
    #: models are sampled with; the latents' own evidence stays as it is
    word_temperature: float = ranged(1.0, least=1e-6, most=1e6)
    #: avoid: UNK is never generated; keep: it stays; repair: the masked language model
    #: ``repair_model`` replaces it
    unk: Literal["avoid", "keep", "repair"] = "avoid"
    #: hub id (bert-base-cased in the released code; name@revision pins it) or local folder
    repair_model: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
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


def control_kinds(task: str) -> dict[str, str]:
    """The kind of the controls of a task, or of each part of a composition, by name; empty where
    the task does not say."""
    controls = {part: load_task(part).control for part in parts(task)}
    return {part: control.kind if control else "" for part, control in controls.items()}


def guidance_for(settings: DiffusionLMSettings, task: str) -> GuidanceConfig:
    """The guidance constants of one task, or of a composition, under the chosen profile.

    A composition adds up its parts' log-probabilities and descends that sum with one fluency term
    (paper, section 7.2); its own constants are published nowhere, and the released code has none
    that run. It gets the smallest lambda and the smallest learning rate of its parts: under a
    larger lambda than a part was tuned with, the fluency term would drown that part's gradient
    (a mean over some 2,000 chart cells moves a coordinate far less than one over four words), and
    a larger learning rate was tuned for one control at a time. ``guidance.through`` is no constant
    and holds under every profile. Raises ``UserError`` for a task without constants.
    """
    if settings.profile == "custom":
        return settings.guidance
    table = RELEASED if settings.profile == "released" else TABLE6
    kinds = control_kinds(task)
    for part, kind in kinds.items():
        if kind not in table:
            raise UserError(f"profile '{settings.profile}' has no guidance constants for {part}")
    lr, fluency = map(min, zip(*(table[kind] for kind in kinds.values()), strict=True))
    through = settings.guidance.through
    if settings.profile == "released":
        return GuidanceConfig(lr=lr, fluency=fluency, through=through)
    return GuidanceConfig(
        lr=lr,
        fluency=fluency,
        reset="step",
        denominator="variance",
        unguided=0,
        length_time="t-1",
        through=through,
    )
