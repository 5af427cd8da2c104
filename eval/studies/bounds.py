"""Likelihoods of held-out texts under a set's networks, as ``likelihood.json`` holds them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from eval.reading.intervals import DRAWS
from eval.studies.families import Family, bounds
from tasks.common.errors import UserError

if TYPE_CHECKING:
    import torch

    from tasks.base import Words
    from tasks.common.progress import Progress

MODELS = {
    "diffusion": "Diffusion-LM, upper bound",
    "bound": "Diffusion-LM trained under the bound, upper bound",
    "simplex": "one-hot diffusion (appendix F), upper bound",
}
#: of families that a text's number of words comes first in
LENGTH_FIRST = {
    "length": "length: the number of words, from the training texts",
    "words": "words: the bound given their number",
}
LABELS = {
    "prior": "prior: x_T against pure noise",
    "denoising": "denoising: the sum over t",
    "start": "start: x_0 given the least noise",
    "rounding": "rounding: words given x_0",
}


class Amount(Protocol):
    """How much to measure (:class:`eval.studies.likelihood.LikelihoodOptions`)."""

    @property
    def texts(self) -> int: ...

    @property
    def steps(self) -> int: ...

    @property
    def batch(self) -> int: ...

    @property
    def seed(self) -> int: ...


def measure(
    folders: Mapping[str, Path],
    texts: Sequence[Words],
    chosen: Amount,
    device: torch.device,
    progress: Progress,
    *,
    found: Sequence[Family] = (),
    only: Collection[str] = (),
) -> dict[str, Any]:
    """What ``likelihood.json`` holds. ``folders``: the roles ``diffusion`` and ``lm``, and those
    models that were trained under the bound; ``found``: families with a bound of their own;
    ``only``: which of the former to measure, by default all. Raises ``UserError`` where no text
    fits, or models have other tokens than words.
    """
    from models.diffusion.latents.bound import load_bound
    from models.diffusion.latents.likelihood import bound_terms
    from models.diffusion.latents.training import load_diffusion
    from models.nets.sequences import encode
    from models.nets.teacher import Teacher

    denoiser, vocabulary = load_diffusion(folders["diffusion"], device)
    length = denoiser.config.length
    fitting = [words for words in texts if len(words) + 2 <= length]
    used = fitting[: chosen.texts]
    if not used:
        raise UserError(f"no validation text fits the {length} positions of this Diffusion-LM")
    # words and one end, which either model predicts
    tokens = np.array([len(words) + 1 for words in used])
    models: list[dict[str, Any]] = []
    if not only or "lm" in only:
        scored = Teacher.load(folders["lm"], device).score(used)
        nats, counts = map(np.array, zip(*scored, strict=True))
        if not np.array_equal(tokens, counts):
            raise UserError("the causal LM has other tokens than words: likelihoods a token differ")
        models.append({"model": "lm", "label": "causal LM, exact", **per_token(nats, tokens)})
    ids = encode(used, vocabulary, length, "pad").to(device)
    diffusion = [kind for kind in folders if kind != "lm" and (not only or kind in only)]
    for number, kind in enumerate(diffusion):
        loaded = (denoiser, bound_terms) if kind == "diffusion" else None
        module, terms = loaded or load_bound(folders[kind], kind, device)[:2]

        def report(done: float, total: float, note: str = "") -> None:
            progress(number * total + done, len(diffusion) * total, note)  # noqa: B023

        parts = _bound(module, terms, ids, chosen, report)
        models.append(_model(kind, MODELS[kind], parts, tokens, LABELS))
    labels = LABELS | LENGTH_FIRST
    for role, parts in bounds(found, used, chosen.steps, chosen.seed, device, progress):
        models.append(_model(role.name, f"{role.title}, upper bound", parts, tokens, labels))
    left_out = len(texts) - len(fitting)
    return {
        "models": models,
        "notes": [
            f"{len(used)} validation texts, {int(tokens.sum())} tokens: words and the end of each "
            f"text. {left_out} of {len(texts)} validation texts do not fit and are left out.",
            f"Bounds: {chosen.steps} of T = {denoiser.config.steps} noise levels for each text, an "
            "unbiased estimate of the sum over all.",
            "95 % interval: bootstrap over texts. The set's Diffusion-LM was trained under "
            "L_simple, which is no bound.",
        ],
    }


def beside(
    stored: Mapping[str, Any] | None, made: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """``made`` with those of ``stored`` that were not measured again, in their places; and which
    are left out, having been measured on other texts or at other steps."""
    if stored is None:
        return dict(made), []
    again = {one["model"]: one for one in made["models"]}
    kept = [one for one in stored["models"] if one["model"] not in again]
    if stored["notes"] != made["notes"]:
        return dict(made), [one["model"] for one in kept]
    places = [again.pop(one["model"], one) for one in stored["models"]]
    artefacts = {**stored.get("artefacts", {}), **made["artefacts"]}
    return {**made, "models": [*places, *again.values()], "artefacts": artefacts}, []


def _model(
    name: str,
    label: str,
    parts: Mapping[str, np.ndarray],
    tokens: np.ndarray,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """A bound and its terms, as ``likelihood.json`` has them."""
    return {
        "model": name,
        "label": label,
        **per_token(np.sum(list(parts.values()), axis=0), tokens),
        "terms": [
            {"term": term, "label": labels[term], **per_token(values, tokens)}
            for term, values in parts.items()
        ],
    }


def _bound(
    module: Any,
    terms: Callable[..., dict[str, torch.Tensor]],
    ids: torch.Tensor,
    chosen: Amount,
    progress: Progress,
) -> dict[str, np.ndarray]:
    """Each term in nats a text, (texts,)."""
    import torch

    from models.diffusion.latents.likelihood import TERMS

    rng, noise = np.random.default_rng(chosen.seed), torch.Generator().manual_seed(chosen.seed)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in TERMS}
    with torch.inference_mode():
        for start in range(0, len(ids), chosen.batch):
            batch = ids[start : start + chosen.batch]
            for name, value in terms(module, batch, chosen.steps, rng, noise).items():
                parts[name].append(value.cpu().numpy())
            progress(min(start + chosen.batch, len(ids)), len(ids), "texts")
    return {name: np.concatenate(values) for name, values in parts.items()}


def per_token(nats: np.ndarray, tokens: np.ndarray) -> dict[str, float]:
    """Sum over sum in nats and bits a token, with the 95 % interval of the nats."""
    value = float(nats.sum() / tokens.sum())
    drawn = np.random.default_rng(0).integers(len(nats), size=(DRAWS, len(nats)))
    low, high = np.quantile(nats[drawn].sum(1) / tokens[drawn].sum(1), [0.025, 0.975])
    figures = {"nats": value, "low": low, "high": high, "bits": value / math.log(2)}
    return {name: float(f"{figure:.8g}") for name, figure in figures.items()}
