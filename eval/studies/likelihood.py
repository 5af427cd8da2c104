"""``python -m eval.likelihood run=results/SET``: the paper's Table 7 on a set's own networks.

Diffusion-LM's variational bound and the causal LM's exact negative log-likelihood, in nats a token,
of the same held-out texts: words and the end of the text count, START and padding do not. (What
follows END is PAD, so the padded sequence that Diffusion-LM models is a function of the text, and a
bound on its likelihood is one on the text's.)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.reading.intervals import DRAWS
from eval.reading.results import ResultSet
from eval.running.store import Store
from eval.studies.families import Family, bounds, families
from tasks.common.errors import UserError, unknown
from tasks.common.files import json_text, write_text
from tasks.common.ranges import Checked, a_seed, maybe_empty, ranged
from tasks.common.shipped import SHIPPED, ready

if TYPE_CHECKING:
    import torch

    from tasks.base import Words
    from tasks.common.progress import Progress
    from tasks.common.recipe import Recipe

USAGE = """\
usage: python -m eval.likelihood key=value ...

Measures Diffusion-LM's variational bound (equation 2 of the paper, with its terms), those of the
families of diffusion that the set was made with, and the exact likelihood of the causal LM on the
same validation texts, for Table 7. Needs the trained networks.

  python -m eval.likelihood run=results/demo
  python -m eval.likelihood run=results/demo train=bound,simplex train_steps=2000

Beside the keys below, the settings of the networks to train may be replaced: diffusion.KEY=VALUE,
as python -m eval.run --help lists them.
"""
LIKELIHOOD = "likelihood.json"
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


@dataclass(frozen=True)
class LikelihoodOptions(Checked):
    """What to measure, and where the networks lie."""

    #: folder of the result set
    run: str = "results/demo"
    #: validation texts, the first that fit Diffusion-LM whole
    texts: int = ranged(256, least=1, most=10**6)
    #: noise levels evaluated for each text, of all T; the sum over all is estimated without bias
    steps: int = ranged(64, least=1, most=10**6)
    #: texts at once
    batch: int = ranged(32, least=1, most=10**6)
    #: likelihood models to train and measure too, separated by commas: bound (the set's network
    #: trained under the bound itself), simplex (one-hot latents, appendix F)
    train: str = ""
    #: training steps of each; 0 takes those of the set's Diffusion-LM
    train_steps: int = ranged(0, least=0, most=10**9)
    #: seed of noise and noise levels
    seed: int = a_seed()
    #: folder of the official corpus files; by default that of the run
    data: str | None = None
    #: folder of trained artefacts
    store: str = ".store"
    #: read-only folders of ready artefacts, separated by commas; shipped: those that come with the
    #: program
    prebuilt: str = maybe_empty(SHIPPED)
    #: auto (a GPU where there is one), cpu, cuda, ...
    device: str = "auto"


def main(given: Sequence[str]) -> None:
    from eval.running.options import options, section

    rest, network = section("diffusion", given)
    chosen = options(LikelihoodOptions, rest, USAGE)
    if chosen is None:
        return
    from eval.running.display import Display
    from eval.running.plan import pick_device
    from tasks.corpora import load_corpus

    results = ResultSet(Path(chosen.run))
    store = Store(Path(chosen.store), ready(chosen.prebuilt))
    folders = {role: find(results, store, role) for role in ("diffusion", "lm")}
    data = chosen.data or results.settings.get("data")
    display, device = Display(), pick_device(chosen.device)
    for kind in (part for part in chosen.train.split(",") if part):
        wanted = likelihood_model(results, chosen, kind, data, network)
        folders[kind] = store.resolve(wanted, lambda part: display.stage(part.title))
    valid = load_corpus(results.corpus, Path(data) if data else None).valid
    with display.stage(f"measure the likelihood of {chosen.texts} texts") as progress:
        found = families(results, store)
        words = [t.words for t in valid]
        stored = measure(folders, words, chosen, device, progress, found=found)
    stored |= {"corpus": results.corpus, "artefacts": {r: f.name for r, f in folders.items()}}
    path = results.folder / LIKELIHOOD
    write_text(path, json_text(stored, indent=1) + "\n")
    for model in stored["models"]:
        display.say(f"{model['label']}: {model['nats']:.3f} nats, {model['bits']:.3f} bits a token")
    display.say(str(path))


def likelihood_model(
    results: ResultSet,
    chosen: LikelihoodOptions,
    kind: str,
    data: str | None,
    network: dict[str, str],
) -> Recipe:
    """A network trained under the bound, at the size and on the texts of the set's Diffusion-LM
    but for the settings ``network``. Raises ``UserError`` for an unknown kind or setting."""
    from eval.running.keys import override
    from eval.running.plan import Plan
    from models.diffusion.latents.bound import KINDS, train_bound
    from tasks.common.recipe import recipe, settings
    from tasks.corpora.stored import VALID, read_corpus, read_vocabulary

    if kind not in KINDS:
        raise unknown("likelihood model", kind, KINDS)
    base = results.config(chosen.store, chosen.prebuilt).having(data=data)
    run = Plan(base.having(device=chosen.device))
    # laid over the copy: the corpus and the vocabulary stay those of the set
    config = override(base, network).diffusion
    train = config.train.lasting(chosen.train_steps or config.train.steps)
    config = dataclasses.replace(config, train=train)

    def build(folder: Path, deps: Mapping[str, Path], progress: Progress) -> None:
        corpus = read_corpus(deps["corpus"])
        train, valid = ([t.words for t in part] for part in (corpus.train, corpus.valid[:VALID]))
        train_bound(
            folder,
            kind,
            train,
            valid,
            read_vocabulary(deps["vocabulary"]),
            config,
            seed=base.train_seed,
            device=run.device,
            progress=progress,
        )

    return recipe(
        f"likelihood_{kind}",
        f"train a likelihood model ({kind})",
        build,
        settings(config, seed=base.train_seed),
        deps={"corpus": run.role("corpus"), "vocabulary": run.role("vocabulary")},
        pace=config,
    )


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
    folders = [folder for key in sorted(named) if (folder := store.find(key)) is not None]
    if not folders:
        raise UserError(f"{', '.join(sorted(named))} ({role}) is not in {store.root}: set store=")
    return folders[0]


def measure(
    folders: Mapping[str, Path],
    texts: Sequence[Words],
    chosen: LikelihoodOptions,
    device: torch.device,
    progress: Progress,
    *,
    found: Sequence[Family] = (),
) -> dict[str, Any]:
    """What ``likelihood.json`` holds. ``folders``: the roles ``diffusion`` and ``lm``, and those
    models that were trained under the bound; ``found``: families with a bound of their own.
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
    nats, counts = map(np.array, zip(*Teacher.load(folders["lm"], device).score(used), strict=True))
    # words and one end, which either model predicts
    tokens = np.array([len(words) + 1 for words in used])
    if not np.array_equal(tokens, counts):
        raise UserError("the causal LM has other tokens than words: likelihoods a token differ")
    models: list[dict[str, Any]] = [
        {"model": "lm", "label": "causal LM, exact", **per_token(nats, tokens)}
    ]
    ids = encode(used, vocabulary, length, "pad").to(device)
    diffusion = [kind for kind in folders if kind != "lm"]
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
    chosen: LikelihoodOptions,
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
