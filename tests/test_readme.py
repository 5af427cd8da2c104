"""The README's two worked examples run as they stand."""

import re
import sys
import types
from pathlib import Path

import pytest
import torch

from baselines import METHODS
from models.nets.causal import train_lm
from models.nets.codec import WordCodec
from models.nets.config import LMConfig, TrainConfig
from tasks import TASKS
from tasks.base import Annotation, Corpus, Target, Text
from tasks.controls import Length, from_json, to_json
from tasks.vocabulary import Vocabulary

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
TEXTS = [("a", "b", "."), ("b", "c", "a", "."), ("c", ".")]


def example(name: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The code block headed ``# name`` as a module of that name."""
    (block,) = re.findall(rf"```python\n# {re.escape(name)}\n(.*?)```", README, re.DOTALL)
    assert len(block.splitlines()) < 40
    module = types.ModuleType(name.removesuffix(".py").replace("/", "."))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block, name, "exec"), module.__dict__)
    return module


def registered(line: str, registry: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds the registry line that the README names."""
    (place,) = re.findall(rf'`"{line}": "([\w.:]+)",`', README)
    monkeypatch.setitem(registry._entries, line, place)  # type: ignore[attr-defined]


def test_adding_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example("baselines/lm_sample.py", monkeypatch)
    registered("lm_sample", METHODS, monkeypatch)
    words = Vocabulary(["START", "END", "UNK", "PAD", "a", "b", "c", "."])
    train = TrainConfig(steps=2, batch=2, every=1)
    config = LMConfig(layers=1, width=16, heads=2, max_length=80, train=train)
    data = [((), text) for text in TEXTS]
    cpu = torch.device("cpu")
    train_lm(tmp_path, data, data, WordCodec(words), config, 0, device=cpu)
    cls = METHODS.load("lm_sample")
    method = cls.load({"lm": tmp_path}, TASKS.load("length")(), cls.card.Settings(), cpu)
    targets = [Target("x", Length(3)), Target("y", Length(4))]
    one = list(method.generate(targets, 3, seed=0, batch=1))
    many = list(method.generate(targets, 3, seed=0))
    assert [result.target_id for result in many] == ["x", "y"]
    assert [[s.words for s in r.samples] for r in one] == [
        [s.words for s in r.samples] for r in many
    ]


def test_adding_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    example("tasks/last_word.py", monkeypatch)
    registered("last_word", TASKS, monkeypatch)
    task = TASKS.load("last_word")()
    texts = tuple(Text(words) for words in TEXTS)
    targets = task.targets(Corpus("toy", texts, texts), 2, "validation", 0)
    assert [to_json(t.control)["word"] for t in targets] == ["b", "a"]
    assert from_json(to_json(targets[0].control)) == targets[0].control
    assert task.score(targets[0], Annotation(("x", "b", "."))) == {"ends_right": 1.0}
    assert task.score(targets[0], Annotation((".",))) == {"ends_right": 0.0}
    controls = {task.prompt(control)[0] for control, _ in task.examples(texts, 0)}
    assert controls <= set(task.prompt_tokens(texts))


def test_results_are_the_committed_ones() -> None:
    """Every row of the README's result tables stands in the committed tables."""
    results = Path(__file__).parent.parent / "results"
    shown = [("small-e2e", 2), ("small-e2e", 4), ("demo", 2), ("demo", 4)]
    shown += [("pretrained-anlg", 5), ("small-anlg", 5), ("demo-stories", 5)]
    files = [results / name / "tables" / f"table{number}.md" for name, number in shown]
    stored = [line for path in files for line in path.read_text("utf-8").split("\n")]
    first, rest = README.split("```\npip install", 1)
    more = rest.split("## More results\n", 1)[1].split("\n## ", 1)[0]
    for part in (first, more):
        rows = [line for line in part.splitlines() if line.startswith("|")]
        assert len(rows) > 10
        assert [row for row in rows if row not in stored] == []
