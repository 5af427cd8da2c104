"""``python -m eval.likelihood run=results/SET``: the paper's Table 7 on a set's own networks.

Diffusion-LM's variational bound and the causal LM's exact negative log-likelihood, in nats a token,
of the same held-out texts: words and the end of the text count, START and padding do not. (What
follows END is PAD, so the padded sequence that Diffusion-LM models is a function of the text, and a
bound on its likelihood is one on the text's.)
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.results import ResultSet
from eval.run import guarded
from eval.stats import DRAWS
from eval.store import Store, write_text
from tasks.errors import UserError

if TYPE_CHECKING:
    import torch

    from tasks.base import Words
    from tasks.progress import Progress

USAGE = """\
usage: python -m eval.likelihood key=value ...

Measures Diffusion-LM's variational bound (equation 2 of the paper, with its terms) and the exact
likelihood of the causal LM on the same validation texts, for Table 7. Needs the trained networks.

  python -m eval.likelihood run=results/demo
"""
LIKELIHOOD = "likelihood.json"
LABELS = {
    "prior": "prior: x_T against pure noise",
    "denoising": "denoising: the sum over t",
    "start": "start: x_0 given the least noise",
    "rounding": "rounding: words given x_0",
}


@dataclass(frozen=True)
class LikelihoodOptions:
    """What to measure, and where the networks lie."""

    #: folder of the result set
    run: str = "results/demo"
    #: validation texts, the first that fit Diffusion-LM whole
    texts: int = 256
    #: noise levels evaluated for each text, of all T; the sum over all is estimated without bias
    steps: int = 64
    #: texts at once
    batch: int = 32
    #: seed of noise and noise levels
    seed: int = 0
    #: folder of the official corpus files; by default that of the run
    data: str | None = None
    #: folder of trained artefacts
    store: str = ".store"
    #: read-only folders of ready artefacts, separated by commas
    prebuilt: str = "results/prebuilt"
    #: auto (a GPU where there is one), cpu, cuda, ...
    device: str = "auto"


def main(given: Sequence[str]) -> None:
    from eval.options import options

    chosen = options(LikelihoodOptions, given, USAGE)
    if chosen is None:
        return
    for name in ("texts", "steps", "batch"):
        if getattr(chosen, name) < 1:
            raise UserError(f"{name}={getattr(chosen, name)}: at least 1")
    from eval.display import Display
    from eval.recipes import pick_device
    from tasks.corpora import load_corpus

    results = ResultSet(Path(chosen.run))
    store = Store(Path(chosen.store), [Path(p) for p in chosen.prebuilt.split(",") if p])
    folders = {role: find(results, store, role) for role in ("diffusion", "lm")}
    data = chosen.data or results.settings.get("data")
    valid = load_corpus(results.corpus, Path(data) if data else None).valid
    display = Display()
    with display.stage(f"measure the likelihood of {chosen.texts} texts") as progress:
        device = pick_device(chosen.device)
        stored = measure(folders, [t.words for t in valid], chosen, device, progress)
    stored |= {"corpus": results.corpus, "artefacts": {r: f.name for r, f in folders.items()}}
    path = results.folder / LIKELIHOOD
    write_text(path, json.dumps(stored, indent=1, ensure_ascii=False) + "\n")
    for model in stored["models"]:
        display.say(f"{model['label']}: {model['nats']:.3f} nats, {model['bits']:.3f} bits a token")
    display.say(str(path))


def find(results: ResultSet, store: Store, role: str) -> Path:
    """The artefact that the set's cells name in a role. Raises ``UserError`` where no cell names
    one, or the store lacks it."""
    named = {
        key
        for cell in results.cells()
        for name, key in cell.config.get("identity", {}).get("artefacts", {}).items()
        if name == role
    }
    if not named:
        raise UserError(f"no cell of {results.folder} was made with an artefact '{role}'")
    found = [folder for key in sorted(named) if (folder := store.find(key)) is not None]
    if not found:
        raise UserError(f"{', '.join(sorted(named))} ({role}) is not in {store.root}: set store=")
    return found[0]


def measure(
    folders: Mapping[str, Path],
    texts: Sequence[Words],
    chosen: LikelihoodOptions,
    device: torch.device,
    progress: Progress,
) -> dict[str, Any]:
    """What ``likelihood.json`` holds. ``folders``: the roles ``diffusion`` and ``lm``."""
    import torch

    from models.diffusion_training import encode, load_diffusion
    from models.likelihood import TERMS, bound_terms
    from models.teacher import Teacher

    denoiser, vocabulary = load_diffusion(folders["diffusion"], device)
    length = denoiser.config.length
    fitting = [words for words in texts if len(words) + 2 <= length]
    used = fitting[: chosen.texts]
    if not used:
        raise UserError(f"no validation text fits the {length} positions of this Diffusion-LM")
    nats, counts = map(np.array, zip(*Teacher.load(folders["lm"], device).score(used), strict=True))
    ids = encode(used, vocabulary, length, "pad").to(device)
    rng = np.random.default_rng(chosen.seed)
    noise = torch.Generator().manual_seed(chosen.seed)
    parts: dict[str, list[Any]] = {name: [] for name in TERMS}
    with torch.inference_mode():
        for start in range(0, len(ids), chosen.batch):
            batch = ids[start : start + chosen.batch]
            for name, value in bound_terms(denoiser, batch, chosen.steps, rng, noise).items():
                parts[name].append(value.cpu().numpy())
            progress(min(start + chosen.batch, len(ids)), len(ids), "texts")
    terms = {name: np.concatenate(values) for name, values in parts.items()}
    # an identity under which END is predicted by either model: words and one end
    tokens = np.array([len(words) + 1 for words in used])
    if not np.array_equal(tokens, counts):
        raise UserError("the causal LM has other tokens than words: likelihoods a token differ")
    total = np.sum(list(terms.values()), axis=0)
    left_out = len(texts) - len(fitting)
    return {
        "models": [
            {"model": "lm", "label": "causal LM, exact", **per_token(nats, tokens)},
            {
                "model": "diffusion",
                "label": "Diffusion-LM, upper bound",
                **per_token(total, tokens),
                "terms": [
                    {"term": name, "label": LABELS[name], **per_token(terms[name], tokens)}
                    for name in TERMS
                ],
            },
        ],
        "notes": [
            f"{len(used)} validation texts, {int(tokens.sum())} tokens: words and the end of each "
            f"text. {left_out} of {len(texts)} validation texts do not fit and are left out.",
            f"Bound: {chosen.steps} of T = {denoiser.config.steps} noise levels for each text, an "
            "unbiased estimate of the sum over all.",
            "95 % interval: bootstrap over texts. Training was under L_simple, which is no bound.",
        ],
    }


def per_token(nats: np.ndarray, tokens: np.ndarray) -> dict[str, float]:
    """Sum over sum in nats and bits a token, with the 95 % interval of the nats."""
    value = float(nats.sum() / tokens.sum())
    drawn = np.random.default_rng(0).integers(len(nats), size=(DRAWS, len(nats)))
    low, high = np.quantile(nats[drawn].sum(1) / tokens[drawn].sum(1), [0.025, 0.975])
    figures = {"nats": value, "low": low, "high": high, "bits": value / math.log(2)}
    return {name: float(f"{figure:.8g}") for name, figure in figures.items()}


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
