"""The oracle tagger and the corpus tagged by it, as artefacts."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.running.inputs import nltk_folder
from tasks.base import Corpus
from tasks.common.errors import UserError
from tasks.common.files import canonical, file_digest, write_text
from tasks.common.progress import Progress
from tasks.common.recipe import Recipe, recipe
from tasks.common.schema import read_json
from tasks.corpora.stored import read_corpus, write_corpus
from tasks.oracles.files import TaggerFile

if TYPE_CHECKING:
    from tasks.oracles.base import Tagger

META = "tagger.json"
#: gold-tagged texts that the grammar's tagger learns from, and those that it is measured on
TRAIN, HELD_OUT = 4_000, 512
SPACY_MODEL = "en_core_web_sm"

Folders = Mapping[str, Path]


def tagger_source(source: str, gold: bool) -> str:
    """What ``auto`` stands for: for a corpus with gold tags a tagger trained on them, else stanza
    as in the paper, spaCy, or NLTK's perceptron, the first whose model is there."""
    if source != "auto":
        return source
    if gold:
        return "trained"
    stanza = Path(os.environ.get("STANZA_RESOURCES_DIR", Path.home() / "stanza_resources"))
    if importlib.util.find_spec("stanza") and (stanza / "en").is_dir():
        return "stanza"
    return "spacy" if importlib.util.find_spec(SPACY_MODEL) else "nltk"


def tagger_recipe(source: str, seed: int, corpus: Recipe, gold: bool, data: Path | None) -> Recipe:
    """The oracle tagger. ``data``: the folder of NLTK's data and of the released tags, on which a
    published tagger is measured where they are there. Raises ``UserError`` if it is missing."""
    source = tagger_source(source, gold)
    if source == "trained":
        if not gold:
            raise UserError("tagger.source=trained: the corpus has no gold tags to train it on")

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            _train(folder, read_corpus(deps["corpus"]), seed)

        config = {"source": source, "seed": seed, "train": TRAIN}
        return recipe("tagger", "train the oracle tagger", build, config, deps={"corpus": corpus})
    config = {"source": source}
    digest, perceptron = None, None
    if source == "nltk":
        from tasks.oracles.perceptron import find_perceptron

        perceptron = find_perceptron(nltk_folder(data))
        files = {path.name: file_digest(path) for path in sorted(perceptron.glob("*.json"))}
        digest = canonical(files)
    elif importlib.util.find_spec(source):
        config["version"] = version(source)

    def look_up(folder: Path, deps: Folders, progress: Progress) -> None:
        if perceptron is not None:
            from tasks.oracles.perceptron import FOLDER

            shutil.copytree(perceptron, folder / FOLDER)
        tagger = _open(folder, source)
        _write(folder, source, {"id": tagger.id} | _agreement(tagger, data))

    return recipe("tagger", f"look up the tagger of {source}", look_up, config, data=digest)


def tags_recipe(texts: Recipe, tagger: Recipe) -> Recipe:
    """``texts`` with tags on every text: the oracle's where it brings none."""

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        corpus, oracle = read_corpus(deps["corpus"]), load_tagger(deps["tagger"])
        both = corpus.train + corpus.valid
        tagged = []
        for start in range(0, len(both), TRAIN):
            chunk = both[start : start + TRAIN]
            tags = iter(oracle.tag([text.words for text in chunk if text.tags is None]))
            tagged += [t if t.tags else dataclasses.replace(t, tags=next(tags)) for t in chunk]
            progress(len(tagged), len(both), "texts tagged")
        n = len(corpus.train)
        write_corpus(folder, Corpus(corpus.name, tuple(tagged[:n]), tuple(tagged[n:])))

    deps = {"corpus": texts, "tagger": tagger}
    return recipe("tags", "tag the corpus", build, {}, deps=deps)


def load_tagger(folder: Path) -> Tagger:
    """The oracle tagger of an artefact."""
    return _open(folder, read_json(folder / META, TaggerFile)["source"])


def tagger_figures(folder: Path) -> dict[str, Any]:
    """What is known of the oracle tagger: what it was trained on, how well it does."""
    figures: dict[str, Any] = read_json(folder / META, TaggerFile)["meta"]
    return figures


def _open(folder: Path, source: str) -> Tagger:
    from tasks.oracles.tagger import NltkTagger, PerceptronTrained, SpacyTagger, StanzaTagger

    if source == "trained":
        return PerceptronTrained.load(folder)
    if source == "nltk":
        return NltkTagger(folder)
    return StanzaTagger() if source == "stanza" else SpacyTagger(SPACY_MODEL)


def _train(folder: Path, corpus: Corpus, seed: int) -> None:
    from tasks.oracles.tagger import PerceptronTrained

    texts = [text for text in corpus.train[:TRAIN] if text.tags]
    tagger = PerceptronTrained.train([t.words for t in texts], [t.tags or () for t in texts], seed)
    tagger.save(folder)
    held = [text for text in corpus.valid[:HELD_OUT] if text.tags]
    predicted = tagger.tag([text.words for text in held])
    hits = [
        a == b
        for text, tags in zip(held, predicted, strict=True)
        for a, b in zip(text.tags or (), tags, strict=True)
    ]
    facts = {"trained on": f"{corpus.name} gold tags", "held out": len(held)}
    _write(folder, "trained", facts | {"accuracy": 100 * sum(hits) / max(1, len(hits))})


def _agreement(tagger: Tagger, data: Path | None) -> dict[str, float]:
    """Percent of the released tags of words that the tagger gives, where the list is there."""
    from tasks.oracles.measure import TAGS, tag_agreement

    if data is None or not (data / TAGS).is_file():
        return {}
    return {"agreement with the released tags": tag_agreement(tagger, data)["tags"]}


def _write(folder: Path, source: str, meta: Mapping[str, Any]) -> None:
    text = json.dumps({"source": source, "meta": meta}, indent=1)
    write_text(folder / META, text)
