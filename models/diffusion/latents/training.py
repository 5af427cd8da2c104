"""Training Diffusion-LM end to end (paper, sections 4.1 and 4.2; reference notes, section 2.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.base import stream_seed
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.denoiser import make_denoiser
from models.diffusion.latents.network import Network, Noised, Normalised
from models.diffusion.latents.vdm import vdm_losses
from models.diffusion.latents.word_head import WordHead
from models.diffusion.rounding import rounding_nll
from models.diffusion.warp import spread
from models.nets import parallel
from models.nets.ahead import Draws, moved
from models.nets.artefact import load_network, save_network
from models.nets.pretraining import begin
from models.nets.sequences import encode
from models.nets.train import fit
from tasks.base import Words
from tasks.common.batching import BatchPlan
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.vocabulary import Vocabulary

VALIDATION_TEXTS = 256
#: (start, stop) of words of a text
Middle = tuple[int, int]


def around(middles: Sequence[Middle], length: int) -> Tensor:
    """(N, L): whether a position of the sequence that :func:`encode` pads is outside its text's
    middle; all are where the middle is cut off."""
    places = torch.arange(length) - 1  # START comes first
    bounds = torch.tensor(middles)
    return (places < bounds[:, :1]) | (places >= bounds[:, 1:])


def losses(
    network: Network,
    ids: Tensor,
    t: Tensor,
    noise: Tensor,
    start: Tensor,
    clean: Tensor | None = None,
    *,
    again: Tensor | None = None,
    prompts: Tensor | None = None,
    absorbed: Tensor | None = None,
) -> dict[str, Tensor]:
    """The terms of L_simple^e2e for each sequence, (B,) each; under another
    ``config.objective``, those of that.

    ``ids`` (B, L); ``t`` (B,) training steps; ``noise`` and ``start`` (B, L, D) standard normal:
    the noise of x_t given x_0, and of x_0 given the words. Terms: the network's own
    (:meth:`Network.terms`), among them the ``mse`` of its prediction (at t=0, of the clean
    embedding), ``tT`` that pulls x_T to the prior, and ``rounding``, the cross-entropy of the words
    given the noised x_0, with weight 1 at every t. Gradients reach the embeddings through both
    sides of the mse.

    ``clean`` (B, L): positions that hold their word's own embedding instead of a latent; all terms
    are means over the others, of which each sequence needs one. ``again`` (B,): sequences that are
    read twice, the second time with the first estimate (self-conditioning). ``prompts`` (B, P): of
    a network that reads them. ``absorbed`` (B, L): positions whose latent is nothing (soft masks).
    """
    mean = network.embedding(ids).float()  # (B, L, D)
    x0 = mean + network.start_std * start if network.start_std else mean
    x_t = network.process.corrupt(x0, t, noise)
    if absorbed is not None:
        x_t = x_t.masked_fill(absorbed[..., None], 0)
    if clean is not None:
        x_t = torch.where(clean[..., None], mean, x_t)
    texts = Noised(ids, mean, x0, x_t, t, noise, clean, prompts=prompts)
    if again is not None:
        texts = replace(texts, previous=first_estimates(network, texts, again))
    if network.config.objective == "bound":
        return vdm_losses(network, ids, t, noise, texts.previous)
    terms = network.terms(texts)
    if network.config.objective == "words":
        return terms
    last = float(network.schedule.alpha_bar[-1])
    if network.config.objective == "anchor":  # the words are those of the estimate
        return {**terms, "tT": last * texts.average(x0.square())}
    noised = slice(None) if clean is None else (~clean).nonzero(as_tuple=True)
    rounding = rounding_nll(x0[noised], network.embedding.weight, network.head_bias, ids[noised])
    if clean is not None:
        rounding = x0.new_zeros(ids.shape).index_put(noised, rounding)
    return {
        **terms,
        "tT": last * texts.average(x0.square()),
        "rounding": texts.average(rounding),
    }


@torch.no_grad()
def first_estimates(network: Network, texts: Noised, again: Tensor) -> Tensor:
    """The x_0 estimates (B, L, D) of the sequences ``again`` (B,), zeros of the others."""
    rows = again.nonzero()[:, 0]
    known = None if texts.known is None else texts.known[rows]
    found = network.x0(texts.x_t[rows], texts.t[rows], None, known) if len(rows) else texts.x_t[:0]
    return torch.zeros_like(texts.mean).index_copy(0, rows, found.to(texts.mean.dtype))


class DiffusionObjective:
    """What :func:`models.nets.train.fit` descends: the mean of the summed terms over a batch."""

    #: whether the law of the noise levels follows the losses, where it is a warp's
    measures = True

    def __init__(
        self,
        denoiser: Network,
        train: Tensor,
        valid: Tensor,
        batch: int,
        seed: int,
        contexts: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        """``contexts`` (N, L) of the training and of the validation sequences: the positions around
        a middle, which ``config.clean_contexts`` needs."""
        self.module = denoiser
        self.train_ids = train
        self.valid_ids = valid[:VALIDATION_TEXTS]
        self.contexts = contexts
        self.plan = BatchPlan(len(train), batch, seed)
        self.draws = Draws(self.draw, seed, self.device)

    @property
    def device(self) -> torch.device:
        return self.module.embedding.weight.device

    def draw(self, step: int, rng: torch.Generator | None) -> list[Tensor]:
        """The batch of a step as :func:`losses` takes it, on the CPU."""
        rows = torch.from_numpy(self.plan(step))
        ids, config = self.train_ids[rows], self.module.config
        shape = (*ids.shape, config.embedding)
        t = self.moments(len(ids), rng)
        noise, start = torch.randn(shape, generator=rng), torch.randn(shape, generator=rng)
        ours = [ids, t, noise, start]
        if self.contexts is not None:
            chosen = torch.rand(len(rows), generator=rng) < config.clean_contexts
            ours.append(self.contexts[0][rows] & chosen[:, None])
        if config.self_conditioning:
            ours.append(torch.rand(len(rows), generator=rng) < config.self_conditioning)
        return ours + self.told(rows, rng)

    def told(self, rows: Tensor, rng: torch.Generator | None, held: bool = False) -> list[Tensor]:
        """What a kind of training tells besides of the texts ``rows`` (B,), of training or
        ``held`` out."""
        return []

    def moments(self, count: int, rng: torch.Generator | None) -> Tensor:
        """Training steps (count,), or of a warp the warped times of these."""
        if self.module.warp is not None:
            return spread(count, rng)
        return torch.randint(0, self.module.config.steps, (count,), generator=rng)

    def terms(self, drawn: Sequence[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The training steps, and the terms of :func:`losses`, for what :meth:`draw` gives."""
        network, config = self.module, self.module.config
        ids, t, noise, start = drawn[:4]
        more = list(drawn[4:])
        clean = more.pop(0) if self.contexts is not None else None
        again = more.pop(0) if config.self_conditioning else None
        if network.warp is not None:
            t = network.warp.levels(t)
        told = self.named(more, t)
        return t, losses(network, ids, t, noise, start, clean=clean, again=again, **told)

    def named(self, told: Sequence[Tensor], t: Tensor) -> dict[str, Tensor]:
        """What :meth:`told` gives, at training steps ``t`` (B,), as :func:`losses` calls it."""
        return {}

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        network = self.module
        if isinstance(network, WordHead):
            network.evidence_weight = network.evidence_after(step)
        shared = list(map(parallel.share, moved(self.draws(step), self.device)))
        t, terms = self.terms(shared)
        measured = terms.pop("measured", None)
        if network.warp is not None and self.measures:
            if measured is None:
                (name,) = (one for one in ("words", "anchor") if one in terms)
                measured = terms[name].detach()
            network.warp.observe(t, measured)
        parts = {k: parallel.mean(v) for k, v in terms.items()}
        return torch.stack(list(parts.values())).sum(), parts

    def validate(self) -> Mapping[str, float]:
        """The same terms on fixed validation texts, steps and noise."""
        device = self.module.embedding.weight.device
        rng = torch.Generator().manual_seed(0)
        ids = self.valid_ids
        t = self.moments(len(ids), rng)
        shape = (*ids.shape, self.module.config.embedding)
        noise, start = torch.randn(shape, generator=rng), torch.randn(shape, generator=rng)
        given = [ids, t, noise, start]
        if self.contexts is not None:
            chosen = torch.rand(len(ids), generator=rng) < self.module.config.clean_contexts
            given.append(self.contexts[1][: len(ids)] & chosen[:, None])
        if self.module.config.self_conditioning:
            given.append(torch.rand(len(ids), generator=rng) < self.module.config.self_conditioning)
        given += self.told(torch.arange(len(ids)), rng, held=True)
        sums: dict[str, float] = {}
        for i in range(0, len(ids), 64):
            part = [v[i : i + 64].to(device) for v in given]
            for name, value in self.terms(part)[1].items():
                sums[name] = sums.get(name, 0.0) + float(value.sum()) / len(ids)
        sums.pop("measured", None)
        return {"loss": sum(sums.values()), **sums}


def train_diffusion(
    folder: Path,
    train: Sequence[Words],
    valid: Sequence[Words],
    vocabulary: Vocabulary,
    config: DiffusionConfig,
    seed: int,
    *,
    device: torch.device,
    progress: Progress = silent,
    middles: tuple[Sequence[Middle], Sequence[Middle]] | None = None,
    table: Tensor | None = None,
    Objective: type[DiffusionObjective] = DiffusionObjective,
    init: Path | None = None,
) -> None:
    """Trains on ``train`` and writes weights, vocabulary, config and curve to ``folder``.

    ``middles``: of each text of ``train`` and of ``valid``, its words (start, stop) that
    ``config.clean_contexts`` noises alone; ``table`` (V, D): the embeddings that words start with;
    ``init``: folder of another such network to start from.
    Raises ``UserError`` if contexts are asked for without middles, or for a table of another size.
    """
    torch.manual_seed(stream_seed(seed, "diffusion", "init"))
    denoiser = make_denoiser(config, len(vocabulary)).to(device)
    ids = encode(train, vocabulary, config.length, config.padding)
    held = encode(valid, vocabulary, config.length, config.padding)
    denoiser.prepare(ids, vocabulary)
    if table is not None:
        adopt(denoiser, table)
    begin(denoiser, init, **_facts(config), vocabulary=vocabulary.digest)
    contexts = None
    if config.clean_contexts:
        if middles is None or config.padding == "block":
            raise UserError("diffusion.clean_contexts needs window=3 and padding=pad")
        ours, others = (around(m, config.length) for m in middles)
        ids, held = ids[~ours.all(1)], held[~others.all(1)]
        contexts = ours[~ours.all(1)], others[~others.all(1)]
    objective = Objective(denoiser, ids, held, config.train.batch, seed, contexts)
    fit(objective, config.train, folder, seed, device, progress)
    save_network(folder, denoiser, config, _facts(config), words=("vocabulary", vocabulary))


@torch.no_grad()
def adopt(network: Network, table: Tensor) -> None:
    """Gives words the embeddings ``table`` (V, D), scaled where the network's are. Raises
    ``UserError`` where they have another number of coordinates."""
    own = network.embedding
    weight = own.directions if isinstance(own, Normalised) else own.weight
    if table.shape != weight.shape:
        raise UserError(
            f"embedding={weight.shape[1]}: the words to start with have {table.shape[1]} "
            "coordinates"
        )
    weight.copy_(table)


def load_diffusion(folder: Path, device: torch.device) -> tuple[Network, Vocabulary]:
    """The trained network in eval mode, fp32, parameters frozen.

    Raises ``UserError`` if a file is missing, cut short, or made for another vocabulary.
    """

    def build(config: DiffusionConfig, words: Vocabulary) -> tuple[Network, dict[str, Any]]:
        return make_denoiser(config, len(words)), _facts(config)

    denoiser, _, vocabulary = load_network(
        folder, DiffusionConfig, build, words=("vocabulary", Vocabulary.load)
    )
    return denoiser.to(device), vocabulary


def _facts(config: DiffusionConfig) -> dict[str, Any]:
    return {"kind": "diffusion", "padding": config.padding, "steps": config.steps}
