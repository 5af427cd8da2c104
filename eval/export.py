"""``python -m eval.export what=texts file=texts.jsonl key=value ...``: the texts or the vocabulary
of a corpus, for those who train elsewhere.

``texts``: one JSON object a line, with ``split`` (train, valid), ``words``, ``text``, and
``fields``, ``tags``, ``tree`` and ``sentences`` where the corpus has them. ``text`` is plain text
that splits into the very words, E2E's newline at the end left out; ``words`` are what judges count.
Such a file is a corpus here again, corpus=texts.jsonl, but for E2E's newline tokens.

``vocabulary``: one token a line in the order of ids, from 0, then a tab and how often training
texts have it. Tokens stand as in JSON, without its quotes (E2E's newline as \\n). START, END, UNK
and PAD come first; UNK counts the words that are not in the list.

Keys are those of ``python -m eval.run`` that say which corpus (corpus, data, preset, vocabulary.*,
store), and
  what (str) = texts
      texts or vocabulary
  file (str) = the standard output
      where it goes
  oracles (bool) = false
      of texts: tags and trees by the oracle tagger and parser where the corpus has none
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from eval.run import guarded
from eval.running.options import explains
from eval.targets import split, writable
from tasks.base import Corpus, Text
from tasks.common.errors import unknown
from tasks.common.files import write_text
from tasks.common.terminal import shows_all
from tasks.corpora import joiner
from tasks.corpora.stored import read_corpus, read_vocabulary
from tasks.vocabulary import UNK, UNKNOWN, Vocabulary

WHAT = ("texts", "vocabulary")
BOOL = {"false": False, "true": True}


def main(given: Sequence[str]) -> None:
    if explains(given, __doc__):
        return
    from rich.console import Console

    from eval.running.command import parse
    from eval.running.display import Display
    from eval.running.fitting import notes
    from eval.running.plan import Plan
    from eval.running.store import Store

    options, rest = split(given, ("what", "file", "oracles"))
    what, oracles = options.get("what", WHAT[0]), options.get("oracles", "false")
    if what not in WHAT:
        raise unknown("what", what, WHAT)
    if oracles not in BOOL:
        raise unknown("value of oracles", oracles, BOOL)
    if "file" in options:
        writable(Path(options["file"]))
    config = parse(rest)
    display = Display(Console(stderr=True, soft_wrap=True, highlight=False))
    for note in notes(config):
        display.say(note)
    plan, store = Plan(config), Store(Path(config.store), [*map(Path, _folders(config.prebuilt))])
    role = "corpus"
    if BOOL[oracles] and what == "texts":
        role = "texts" if "tree" not in plan.gold else role
        role = f"tagged_{role}" if "tags" not in plan.gold else role
    wanted = [plan.role(role), *([plan.role("vocabulary")] if what == "vocabulary" else [])]
    folders = [store.resolve(recipe, lambda part: display.stage(part.title)) for recipe in wanted]
    corpus = read_corpus(folders[0])
    # where other letters cannot be shown they are escaped, and the lines read as the same
    plain = "file" not in options and not shows_all(sys.stdout)
    if what == "texts":
        lines = texts(corpus, joiner(config.corpus), plain)
    else:
        lines = tokens(read_vocabulary(folders[1]), corpus.train, plain)
    if "file" in options:
        write_text(Path(options["file"]), "".join(lines))
    else:
        sys.stdout.writelines(lines)


def _folders(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def texts(corpus: Corpus, join: Callable[[Sequence[str]], str], plain: bool) -> Iterator[str]:
    """A line for each text, those of training first; ``plain``: in ASCII alone."""
    for name, part in (("train", corpus.train), ("valid", corpus.valid)):
        for text in part:
            record: dict[str, Any] = {"split": name, "words": text.words, "text": join(text.words)}
            if text.fields:
                record["fields"] = _by_label(text)
            for key, value in (("tags", text.tags), ("tree", text.tree)):
                if value is not None:
                    record[key] = value
            if text.sentences:
                record["sentences"] = [join(words) for words in text.split()]
            yield json.dumps(record, ensure_ascii=plain) + "\n"


def _by_label(text: Text) -> dict[str, Any]:
    """Label -> value; a list of them where a text has several."""
    values: dict[str, list[str]] = {}
    for label, value in text.fields:
        values.setdefault(label, []).append(value)
    return {label: several if len(several) > 1 else several[0] for label, several in values.items()}


def tokens(vocabulary: Vocabulary, train: Sequence[Text], plain: bool) -> Iterator[str]:
    """A line for each token, by id."""
    counts = Counter(word for text in train for word in text.words)
    known = set(vocabulary.words)
    counts[UNKNOWN] = sum(n for word, n in counts.items() if word not in known - {UNKNOWN})
    for number, token in enumerate(vocabulary.words):
        special = number < 4 and number != UNK
        shown = json.dumps(token, ensure_ascii=plain)[1:-1]
        yield f"{shown}\t{0 if special else counts[token]}\n"


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
