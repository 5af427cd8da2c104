"""Parsers: benepar's published model, and benepar's ``ChartParser`` trained from a treebank."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tasks.common.batching import BatchPlan
from tasks.common.errors import UserError
from tasks.common.files import open_as_others, write_text
from tasks.common.progress import Progress, silent
from tasks.common.schema import built, read_json
from tasks.oracles.config import ParserConfig
from tasks.oracles.files import ParserFile
from tasks.oracles.perceptron import Perceptron, load_perceptron, save_perceptron
from tasks.oracles.segments import join, segment
from tasks.oracles.trees import WRAPPERS, bracketing, escape, leaves, nodes, unescape

if TYPE_CHECKING:
    from tasks.oracles.chart import FeatureChartParser, Vocabularies

VERSION = 1


def build_vocabularies(
    trees: Sequence[Any], config: ParserConfig, input_tags: Sequence[str]
) -> Vocabularies:
    """Vocabularies of the training trees (NLTK's), as benepar builds them, rare labels left out."""
    from benepar.char_lstm import RetokenizerForCharLSTM
    from benepar.decode_chart import ChartDecoder, get_labeled_spans

    from tasks.oracles.chart import Vocabularies

    words = Counter(unescape(w) for tree in trees for w in tree.leaves())
    labels = Counter(label for tree in trees for *_, label in get_labeled_spans(tree) if label)
    kept = ["", *sorted(label for label, n in labels.items() if n >= config.min_label)]
    tags = sorted({tag for tree in trees for _, tag in tree.pos()})
    often = sorted(word for word, n in words.items() if n >= config.min_word)
    # the three ids below 3 are chart.PAD, chart.UNK and chart.EDGE
    return Vocabularies(
        tags={tag: i for i, tag in enumerate(["UNK", *(t for t in tags if t != "UNK")])},
        labels={label: i for i, label in enumerate(kept)},
        chars=RetokenizerForCharLSTM.build_vocab([list(words)]),
        words={word: i + 3 for i, word in enumerate(often)},
        inputs={tag: i + 3 for i, tag in enumerate(sorted(input_tags))},
        force_root=bool(ChartDecoder.infer_force_root_constituent(trees)),
    )


class ParserObjective:
    """Training of a ``ChartParser`` from bracketed trees, for ``models.nets.train.fit``.

    The loss is benepar's own (``compute_loss``: structured margin over charts plus the tags'
    cross-entropy). Trees longer than ``config.max_train_words`` are left out of training.
    ``validate`` gives the labelled bracketing F1 of ``valid`` in percent, punctuation ignored as
    is usual for treebanks, and the accuracy of the trees' tags. Raises ``UserError`` for a
    malformed tree or an empty list.
    """

    def __init__(
        self,
        train: Sequence[str],
        valid: Sequence[str],
        config: ParserConfig,
        seed: int,
        tagger: Perceptron | None = None,
    ) -> None:
        from nltk import Tree

        from tasks.oracles.chart import FeatureChartParser

        kept = [tree for tree in train if 0 < len(nodes(tree).leaves) <= config.max_train_words]
        if not kept:
            raise UserError(f"no training tree has 1 to {config.max_train_words} words")
        self.config, self.valid, self.tagger = config, list(valid), tagger
        # benepar collapses unary chains below a wrapper alone
        parsed = [Tree.fromstring(tree) for tree in kept]
        parsed = [t if t.label() in WRAPPERS else Tree("TOP", [t]) for t in parsed]
        vocabularies = build_vocabularies(parsed, config, sorted(tagger.classes) if tagger else ())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.module: FeatureChartParser = FeatureChartParser(vocabularies, config)
        self._examples = [self._example(tree) for tree in parsed]
        lengths = [len(e["words"]) for e in self._examples]
        self._plan = BatchPlan(len(lengths), config.batch, seed, lengths, pool=30)

    def _example(self, tree: Any) -> dict[str, Any]:
        from tasks.oracles.chart import features

        words = [unescape(w) for w in tree.leaves()]
        example = features(self.module, words, _input_tags(self.tagger, words))
        tags = [self.module.tag_vocab[tag] for _, tag in tree.pos()]
        example["span_labels"] = torch.tensor(self.module.decoder.chart_from_tree(tree))
        example["tag_labels"] = torch.tensor([-100, *tags, -100])
        return example

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        from tasks.oracles.chart import UNK, collate

        batch = collate(self.module, [self._examples[i] for i in self._plan(step)])
        for key, rate in (
            ("word_ids", self.config.word_dropout),
            ("input_ids", self.config.tag_dropout),
        ):
            ids = batch[key]
            # ids below 3 are padding, unknown and edges
            hidden = (torch.rand(ids.shape) < rate) & (ids >= 3)
            batch[key] = ids.masked_fill(hidden, UNK)
        loss: Tensor = self.module.compute_loss(batch)
        return loss, {}

    def validate(self) -> Mapping[str, float]:
        parser = ChartParserOracle(self.module, self.config, self.tagger, "in training")
        predicted = parser.parse([leaves(tree) for tree in self.valid])
        return parser_scores(self.valid, predicted)


def parser_scores(gold: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """``f1`` (labelled bracketing, punctuation ignored) and ``tags`` (accuracy), in percent."""
    pairs = [
        (a[1], b[1])
        for one, other in zip(gold, predicted, strict=True)
        for a, b in zip(nodes(one).leaves, nodes(other).leaves, strict=True)
    ]
    right = sum(a == b for a, b in pairs)
    return {
        "f1": 100 * bracketing(gold, predicted, ignore_punctuation=True).f1,
        "tags": 100 * right / max(1, len(pairs)),
    }


def _input_tags(tagger: Perceptron | None, words: Sequence[str]) -> list[str]:
    return [""] * len(words) if tagger is None else tagger.tag(words)


class ChartParserOracle:
    """A trained ``ChartParser``.

    A text is cut into sentences (``segments.segment``), each is parsed, and the trees are joined
    (``segments.join``); see there for newline tokens, several sentences and long texts.
    """

    def __init__(
        self,
        module: FeatureChartParser,
        config: ParserConfig,
        tagger: Perceptron | None,
        id: str,
    ) -> None:
        self.module, self.config, self.tagger, self.id = module, config, tagger, id

    @classmethod
    def load(cls, folder: Path) -> ChartParserOracle:
        """Reads what :func:`save_parser` wrote. Raises ``UserError`` if it is damaged."""
        from tasks.oracles.chart import FeatureChartParser, Vocabularies

        try:
            saved = read_json(folder / "parser.json", ParserFile)
            if saved["version"] != VERSION:
                raise UserError(f"{folder} holds parser version {saved['version']}, not {VERSION}")
            config = built(ParserConfig, saved["config"], str(folder / "parser.json"))
            vocabularies = Vocabularies(**saved["vocabularies"])
            with safe_open(folder / "parser.safetensors", framework="pt") as file:
                tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            module = FeatureChartParser(vocabularies, config)
            module.load_state_dict(tensors)
            if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
                raise UserError(f"damaged parser {folder}: its weights are not finite")
        except (
            OSError,
            SafetensorError,
            LookupError,
            TypeError,
            ValueError,
            AssertionError,
            RuntimeError,
        ) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"damaged or missing parser {folder}: {reason}") from None
        tagger = load_perceptron(folder / "tagger") if saved["tagger"] else None
        module.eval()
        return cls(module, config, tagger, f"chart-parser v{VERSION} {_digest(module)}")

    def parse(self, sentences: Sequence[Sequence[str]], progress: Progress = silent) -> list[str]:
        texts = [segment(words, self.config.max_words, self.config.split) for words in sentences]
        flat = [part.words for text in texts for part in text if not part.newline]
        trees = iter(self._parse(flat, progress))
        return [join([None if part.newline else next(trees) for part in text]) for text in texts]

    def _parse(self, sentences: Sequence[Sequence[str]], progress: Progress) -> list[str]:
        """Trees of sentences, each of 1 to ``max_words`` words; equal sentences once."""
        from tasks.oracles.chart import collate, features
        from tasks.oracles.decoding import best_trees

        distinct = sorted({tuple(words) for words in sentences}, key=lambda w: (len(w), w))
        parses: dict[tuple[str, ...], str] = {}
        self.module.eval()
        start = 0
        while start < len(distinct):
            # about equal chart areas a batch
            size = max(1, min(256, 40_000 // (len(distinct[start]) + 4) ** 2))
            rows = distinct[start : start + size]
            batch = collate(
                self.module,
                [features(self.module, w, _input_tags(self.tagger, w)) for w in rows],
            )
            with torch.inference_mode():
                scores, pairs, tag_scores = self.module.triangle(batch)
            lengths = [len(words) for words in rows]
            tags = tag_scores.argmax(-1).numpy()
            names = self.module.tag_from_index
            tagged = [
                [f"({names[int(t)]} {escape(w)})" for w, t in zip(words, tags[i, 1:], strict=False)]
                for i, words in enumerate(rows)
            ]
            parses.update(zip(rows, best_trees(self.module, scores, pairs, lengths, tagged)))
            start += size
            progress(start, len(distinct), "parsing")
        return [parses[tuple(words)] for words in sentences]


def save_parser(folder: Path, objective: ParserObjective, meta: Mapping[str, Any]) -> None:
    """Writes ``parser.safetensors`` (fp32), ``parser.json`` (sizes, vocabularies, ``meta``) and,
    where there is an input tagger, its weights as compressed JSON under ``tagger/``."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: t.detach().cpu().contiguous() for name, t in objective.module.state_dict().items()
    }
    try:
        save_file(tensors, folder / "parser.safetensors")
    except SafetensorError as error:  # of a full disk, for one
        raise UserError(f"cannot write {folder / 'parser.safetensors'}: {error}") from None
    open_as_others(folder / "parser.safetensors")
    if objective.tagger is not None:
        save_perceptron(folder / "tagger", objective.tagger, compress=True)
    saved = {
        "version": VERSION,
        "config": asdict(objective.config),
        "vocabularies": objective.module.vocabularies.to_json(),
        "tagger": objective.tagger is not None,
        "meta": dict(meta),
    }
    text = json.dumps(saved, indent=1, ensure_ascii=False, sort_keys=True)
    write_text(folder / "parser.json", text)


def _digest(module: torch.nn.Module) -> str:
    sha = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().numpy().tobytes())
    return sha.hexdigest()[:12]
