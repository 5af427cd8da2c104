"""How good the oracles are: ``python -m tasks.oracles.measure data=DIR parser=FOLDER``.

The parser is measured on the held-out treebank sentences, parser and tagger on the targets that
the paper's authors released, which their own oracles (benepar_en3 and stanza) annotated.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tasks.common.commands import typed
from tasks.common.errors import UserError, unknown
from tasks.common.terminal import one_line, show_anyway
from tasks.oracles.base import Parser, Tagger
from tasks.oracles.trees import bracketing, leaves, spans
from tasks.targets import read_rows

USAGE = """\
usage: python -m tasks.oracles.measure data=DIR parser=FOLDER

Measures a parser on held-out treebank sentences, and it and the tagger on the released targets.

  data    folder of the official corpora, released targets and treebank
  parser  a trained parser of the artefact store (.store/parser-...), or benepar_en3
"""
SPANS = "control_targets/target_spans.jsonl"
TAGS = "control_targets/target_pos.jsonl"


def measure(parser: Parser, tagger: Tagger, data: Path) -> dict[str, float | str]:
    """Figures by name: ``held_out_f1`` and ``held_out_tags`` (percent, punctuation ignored in F1;
    the tags are the tree's own) on the held-out trees of the newer guidelines, which the parser is
    trained for; ``held_out_f1_original`` on the same sentences' trees of the first release, the
    parses brought back to its words (``guidelines.traditional``); ``spans`` of ``spans_total``
    released spans found, ``spans_before_newline`` of ``spans_before_newline_total`` that do not
    cover the newline, ``spans_by_label``; ``tags`` (percent of ``tags_total`` released tags,
    newline left out).

    The held-out sentences are those of ``treebank.load_treebank`` with its default seed, which no
    parser of this project is trained on. Raises ``UserError`` naming a missing file.
    """
    from tasks.oracles.parser import parser_scores
    from tasks.oracles.treebank import load_treebank

    bank = load_treebank(data)
    predicted = parser.parse([leaves(tree) for tree in bank.held_out])
    scores = parser_scores(bank.held_out, predicted)
    back = [_brought_back(*pair) for pair in zip(predicted, bank.originals, strict=True)]
    original = bracketing(bank.originals, back, ignore_punctuation=True)
    figures: dict[str, float | str] = {
        "parser": parser.id, "held_out_f1": scores["f1"], "held_out_tags": scores["tags"],
        "held_out_f1_original": 100 * original.f1,
    }  # fmt: skip
    figures |= span_agreement(parser, data)
    figures["tagger"] = tagger.id
    figures |= tag_agreement(tagger, data)
    return figures


def _brought_back(predicted: str, original: str) -> str:
    from nltk import Tree

    from tasks.oracles.guidelines import pieces, traditional

    words = Tree.fromstring(original).leaves()
    tree = traditional(Tree.fromstring(predicted), pieces(words), words)
    return " ".join(str(tree).split())


def span_agreement(parser: Parser, data: Path) -> dict[str, float | str]:
    """How many of the released spans the parser finds in their sentences."""
    from tasks.syntax_spans import from_row

    rows = read_rows(data / SPANS)
    texts = [row["words_"][1:-1] for _, row in rows]
    firsts = [from_row(row, place)[0] for place, row in rows]
    wanted = [(span.start, span.end, span.label) for span in firsts]
    matched = [w in spans(tree) for w, tree in zip(wanted, parser.parse(texts), strict=True)]
    # the parser sees no newline, so that only whole texts can end in it
    inner = [words[w[1]] != "\n" for words, w in zip(texts, wanted, strict=True)]
    labels = Counter(w[2] for w in wanted)
    hits = Counter(w[2] for w, f in zip(wanted, matched, strict=True) if f)
    return {
        "spans": sum(matched),
        "spans_total": len(matched),
        "spans_before_newline": sum(f for f, i in zip(matched, inner, strict=True) if i),
        "spans_before_newline_total": sum(inner),
        "spans_by_label": ", ".join(f"{k} {hits[k]}/{n}" for k, n in labels.most_common()),
    }


def tag_agreement(tagger: Tagger, data: Path) -> dict[str, float]:
    """How many of the released tags of words (no newlines) the tagger gives, in percent."""
    from tasks.parts_of_speech import from_row

    rows = read_rows(data / TAGS)
    texts = [row["words_"][1:-1] for _, row in rows]
    pos = [from_row(row, place).tags for place, row in rows]
    pairs = [
        (given, released)
        for words, theirs, tags in zip(texts, pos, tagger.tag(texts), strict=True)
        for word, released, given in zip(words, theirs, tags, strict=True)
        if word != "\n"
    ]
    right = sum(given == released for given, released in pairs)
    return {"tags": 100 * right / max(1, len(pairs)), "tags_total": len(pairs)}


def main(arguments: Sequence[str]) -> None:
    """``data=DIR`` and ``parser=FOLDER`` (of ``save_parser``) or ``parser=benepar_en3``."""
    if {"--help", "-h"} & set(arguments):
        print(typed(USAGE))
        return
    from tasks.oracles.parser import ChartParserOracle
    from tasks.oracles.pretrained import MODEL, BeneparParser
    from tasks.oracles.tagger import NltkTagger

    given = dict[str, str]()
    for name, _, text in (argument.partition("=") for argument in arguments):
        if name not in {"data", "parser"}:
            raise unknown("option", name, ("data", "parser"))
        if name in given:
            raise UserError(f"{name} is given twice: '{given[name]}' and '{text}'")
        given[name] = text
    for name in ("data", "parser"):
        if not given.get(name):
            raise UserError(f"say {name}=..., as in: data=DIR parser=FOLDER")
    data = Path(given["data"])
    parser: Parser = (
        BeneparParser() if given["parser"] == MODEL
        else ChartParserOracle.load(Path(given["parser"]))
    )  # fmt: skip
    for name, value in measure(parser, NltkTagger(data), data).items():
        print(f"{name}: {value:.2f}" if isinstance(value, float) else f"{name}: {value}")


if __name__ == "__main__":
    show_anyway()
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        sys.exit(2)
