"""Settings of a diffusion of latents, free of torch so that ``--help`` stays quick.

Defaults are the reference code's of Diffusion-LM, section by section of its notes; presets and the
families that came after it override them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from models.diffusion.config import LINEAR_TOO_SHORT, MOST_STEPS, LevelsConfig
from models.nets.config import EncoderConfig, TrainConfig, size
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
    #: ``models.diffusion.latents.score_interpolation``): learns a context far faster
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
