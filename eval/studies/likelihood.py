"""``python -m eval.likelihood run=results/SET``: the paper's Table 7 on a set's own networks.

Diffusion-LM's variational bound and the causal LM's exact negative log-likelihood, in nats a token,
of the same held-out texts: words and the end of the text count, START and padding do not. (What
follows END is PAD, so the padded sequence that Diffusion-LM models is a function of the text, and a
bound on its likelihood is one on the text's.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.reading.results import ResultSet
from eval.reading.schema import Likelihood
from eval.running.store import Store
from eval.studies.bounds import beside, measure
from eval.studies.families import bounded, families, stored
from tasks.common.errors import UserError, unknown
from tasks.common.files import json_text, write_text
from tasks.common.ranges import Checked, a_seed, maybe_empty, ranged
from tasks.common.schema import read_json
from tasks.common.shipped import SHIPPED, ready

if TYPE_CHECKING:
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
    #: trained under the bound itself), simplex (one-hot latents, appendix F), and networks of
    #: families that the set was made without (masked, uniform, ...), with the set's settings
    train: str = ""
    #: training steps of bound and simplex; 0 takes those of the set's Diffusion-LM
    train_steps: int = ranged(0, least=0, most=10**9)
    #: models to measure, separated by commas: lm, diffusion, those of train=, and networks of the
    #: set's families (masked, ...); the others stay as they were measured; by default all
    only: str = ""
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
    from eval.running.values import several
    from models.diffusion.latents.bound import KINDS
    from tasks.corpora import load_corpus

    results = ResultSet(Path(chosen.run))
    store = Store(Path(chosen.store), ready(chosen.prebuilt))
    trained = several("train", chosen.train, "models") if chosen.train else ()
    only = several("only", chosen.only, "models") if chosen.only else ()
    named = families(results)
    for name in only:
        if name not in (known := ("diffusion", "lm", *trained, *named)):
            raise unknown("model", name, known)
    folders = {role: find(results, store, role) for role in ("diffusion", "lm")}
    data = chosen.data or results.settings.get("data")
    display, device = Display(), pick_device(chosen.device)
    found = stored((one for name, one in named.items() if not only or name in only), store)
    for kind in trained:
        if kind in named:
            continue
        wanted = likelihood_model(results, chosen, kind, data, network)
        folder = store.resolve(wanted, lambda part: display.stage(part.title))
        if kind in KINDS:
            folders[kind] = folder
        else:
            found.append((bounded()[kind], folder))
    valid = load_corpus(results.corpus, Path(data) if data else None).valid
    path = results.folder / LIKELIHOOD
    before: Any = read_json(path, Likelihood) if path.exists() else None
    with display.stage(f"measure the likelihood of {chosen.texts} texts") as progress:
        words = [t.words for t in valid]
        made = measure(folders, words, chosen, device, progress, found=found, only=only)
    measured = {one["model"] for one in made["models"]}
    folders |= {role.name: folder for role, folder in found}
    artefacts = {role: folder.name for role, folder in folders.items() if role in measured}
    made |= {"corpus": results.corpus, "artefacts": artefacts}
    whole, lost = beside(before, made)
    write_text(path, json_text(whole, indent=1) + "\n")
    for model in made["models"]:
        display.say(f"{model['label']}: {model['nats']:.3f} nats, {model['bits']:.3f} bits a token")
    if lost:
        display.say(f"left out, of other texts or steps: {', '.join(lost)}")
    display.say(str(path))


def likelihood_model(
    results: ResultSet,
    chosen: LikelihoodOptions,
    kind: str,
    data: str | None,
    network: dict[str, str],
) -> Recipe:
    """A network trained under the bound, at the size and on the texts of the set's Diffusion-LM
    but for the settings ``network``; of a family of diffusion, the network that its methods have.
    Raises ``UserError`` for an unknown kind or setting."""
    from eval.running.keys import override
    from eval.running.plan import Plan
    from models.diffusion.latents.bound import KINDS, train_bound
    from tasks.common.recipe import recipe, settings
    from tasks.corpora.stored import VALID, read_corpus, read_vocabulary

    if kind not in (known := (*KINDS, *bounded())):
        raise unknown("likelihood model", kind, known)
    base = results.config(chosen.store, chosen.prebuilt).having(data=data)
    run = Plan(base.having(device=chosen.device))
    if kind not in KINDS:
        return run.role(kind)
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
