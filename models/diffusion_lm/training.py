"""Training Diffusion-LM end to end (paper, sections 4.1 and 4.2; reference notes, section 2.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.base import stream_seed
from models.diffusion.rounding import rounding_nll
from models.diffusion_lm.config import DiffusionConfig
from models.diffusion_lm.denoiser import make_denoiser
from models.diffusion_lm.network import Network, Noised, initial_std
from models.nets import parallel
from models.nets.ahead import Draws, moved
from models.nets.artefact import load_network, save_network
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
) -> dict[str, Tensor]:
    """The terms of L_simple^e2e for each sequence, (B,) each.

    ``ids`` (B, L); ``t`` (B,) training steps; ``noise`` and ``start`` (B, L, D) standard normal:
    the noise of x_t given x_0, and of x_0 given the words. Terms: the network's own
    (:meth:`Network.terms`), among them the ``mse`` of its prediction (at t=0, of the clean
    embedding), ``tT`` that pulls x_T to the prior, and ``rounding``, the cross-entropy of the words
    given the noised x_0, with weight 1 at every t. Gradients reach the embeddings through both
    sides of the mse.

    ``clean`` (B, L): positions that hold their word's own embedding instead of a latent; all terms
    are means over the others, of which each sequence needs one.
    """
    mean = network.embedding(ids).float()  # (B, L, D)
    x0 = mean + initial_std(network.schedule) * start
    x_t = network.process.corrupt(x0, t, noise)
    if clean is not None:
        x_t = torch.where(clean[..., None], mean, x_t)
    texts = Noised(ids, mean, x0, x_t, t, noise, clean)
    terms = network.terms(texts)
    last = float(network.schedule.alpha_bar[-1])
    noised = slice(None) if clean is None else (~clean).nonzero(as_tuple=True)
    rounding = rounding_nll(x0[noised], network.embedding.weight, network.head_bias, ids[noised])
    if clean is not None:
        rounding = x0.new_zeros(ids.shape).index_put(noised, rounding)
    return {
        **terms,
        "tT": last * texts.average(x0.square()),
        "rounding": texts.average(rounding),
    }


class DiffusionObjective:
    """What :func:`models.nets.train.fit` descends: the mean of the summed terms over a batch."""

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
        t = torch.randint(0, config.steps, (len(ids),), generator=rng)
        noise, start = torch.randn(shape, generator=rng), torch.randn(shape, generator=rng)
        ours = [ids, t, noise, start]
        if self.contexts is not None:
            chosen = torch.rand(len(rows), generator=rng) < config.clean_contexts
            ours.append(self.contexts[0][rows] & chosen[:, None])
        return ours

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        shared = map(parallel.share, moved(self.draws(step), self.device))
        parts = {k: parallel.mean(v) for k, v in losses(self.module, *shared).items()}
        return torch.stack(list(parts.values())).sum(), parts

    def validate(self) -> Mapping[str, float]:
        """The same terms on fixed validation texts, steps and noise."""
        device = self.module.embedding.weight.device
        rng = torch.Generator().manual_seed(0)
        ids = self.valid_ids
        t = torch.randint(0, self.module.config.steps, (len(ids),), generator=rng)
        shape = (*ids.shape, self.module.config.embedding)
        noise, start = torch.randn(shape, generator=rng), torch.randn(shape, generator=rng)
        given = [ids, t, noise, start]
        if self.contexts is not None:
            chosen = torch.rand(len(ids), generator=rng) < self.module.config.clean_contexts
            given.append(self.contexts[1][: len(ids)] & chosen[:, None])
        sums: dict[str, float] = {}
        for i in range(0, len(ids), 64):
            part = [v[i : i + 64].to(device) for v in given]
            for name, value in losses(self.module, *part).items():
                sums[name] = sums.get(name, 0.0) + float(value.sum()) / len(ids)
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
) -> None:
    """Trains on ``train`` and writes weights, vocabulary, config and curve to ``folder``.

    ``middles``: of each text of ``train`` and of ``valid``, its words (start, stop) that
    ``config.clean_contexts`` noises alone. Raises ``UserError`` if that is asked for without.
    """
    torch.manual_seed(stream_seed(seed, "diffusion", "init"))
    denoiser = make_denoiser(config, len(vocabulary)).to(device)
    ids = encode(train, vocabulary, config.length, config.padding)
    held = encode(valid, vocabulary, config.length, config.padding)
    denoiser.prepare(ids, vocabulary)
    contexts = None
    if config.clean_contexts:
        if middles is None or config.padding == "block":
            raise UserError("diffusion.clean_contexts needs window=3 and padding=pad")
        ours, others = (around(m, config.length) for m in middles)
        ids, held = ids[~ours.all(1)], held[~others.all(1)]
        contexts = ours[~ours.all(1)], others[~others.all(1)]
    objective = DiffusionObjective(denoiser, ids, held, config.train.batch, seed, contexts)
    fit(objective, config.train, folder, seed, device, progress)
    save_network(folder, denoiser, config, _facts(config), words=("vocabulary", vocabulary))


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
