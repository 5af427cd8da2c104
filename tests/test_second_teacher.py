"""The teacher of subwords, words that the first teacher does not know, and both forms of a text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from eval import score, targets
from eval.reading.notes import warnings
from eval.reading.rows import Number, Row
from eval.run import guarded
from eval.running import scoring
from eval.running.cells import outside
from eval.running.command import parse
from eval.running.external import Form
from eval.running.plan import Plan
from eval.running.schema import ScoreFits
from models.nets.causal import adopt_lm
from models.nets.codec import END_OF_TEXT, PlainCodec
from models.nets.config import AUTO, LMConfig, TeacherConfig
from models.nets.teacher import LOGITS, WINDOW, Teacher
from tasks.common.errors import UserError
from tasks.corpora import load_corpus, tokenizer, traits
from tasks.metrics.text import detokenize
from tasks.vocabulary import SPECIALS, Vocabulary

PREBUILT = Path(__file__).parent.parent / "results" / "prebuilt"
CPU = torch.device("cpu")
TEXT = "The Red Kite, a cheap pub, isn't near the river."


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random GPT-2 of 32 positions over byte pairs, as its folder on a hub looks."""
    from tokenizers import ByteLevelBPETokenizer

    folder = tmp_path_factory.mktemp("gpt2")
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator([TEXT] * 5, vocab_size=300, special_tokens=[END_OF_TEXT])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, eos_token=END_OF_TEXT)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = GPT2Config(
        vocab_size=len(tokenizer), n_positions=32, n_embd=16, n_layer=1, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    GPT2LMHeadModel(shape).save_pretrained(folder)
    return folder


def test_the_figure_is_a_word_s_over_all_pieces_and_the_end(gpt2: Path, tmp_path: Path) -> None:
    codec = PlainCodec.from_pretrained(str(gpt2), Vocabulary(SPECIALS))
    adopt_lm(tmp_path, codec, LMConfig(pretrained=str(gpt2), zero_shot=True))
    teacher = Teacher.load(tmp_path, CPU)
    words = tokenizer("e2e")(TEXT)
    ((nats, pieces),) = teacher.score([words])
    plain = GPT2LMHeadModel.from_pretrained(gpt2).eval()
    fast = PreTrainedTokenizerFast.from_pretrained(gpt2)
    ids = [fast.eos_token_id, *fast.encode(" " + detokenize(words)), fast.eos_token_id]
    assert detokenize(words) == TEXT and pieces == len(ids) - 1 > len(words)
    with torch.no_grad():
        loss = float(plain(torch.tensor([ids]), labels=torch.tensor([ids])).loss)
    assert nats == pytest.approx(pieces * loss, rel=1e-4)
    # an unknown word costs as many nats as its pieces do, and a long text is read in windows
    (odd, long) = teacher.score([("Zq\u00e9x",), words * 9])
    assert odd[1] > 3 and long[1] > 32 and teacher.long == 1


def test_large_vocabularies_are_read_a_few_rows_at_once(gpt2: Path, tmp_path: Path) -> None:
    codec = PlainCodec.from_pretrained(str(gpt2), Vocabulary(SPECIALS))
    adopt_lm(tmp_path, codec, LMConfig(pretrained=str(gpt2), zero_shot=True))
    teacher = Teacher.load(tmp_path, CPU)
    lengths = [5] * 70 + [9]
    assert sorted(i for part in teacher._batches(lengths) for i in part) == list(range(71))
    assert max(len(part) for part in teacher._batches(lengths)) == 64

    class Wide:
        vocabulary, positions = LOGITS // 20, WINDOW

    teacher.model = Wide()  # type: ignore[assignment]
    assert max(len(part) for part in teacher._batches(lengths)) == 4


FORMS = (
    "The Mill isn't cheap, it's \u00a320-25.",
    'She said: "they\'ll cannot (re)open!"',
    "Loch Fyne\u2019s caf\u00e9 \u2013 na\u00efve \u201cchef\u201d \u2026",
    "THE rice boat. The Rice Boat? the RICE-boat;",
    "gonna   gotta\n\nnear Z\u00fcrich",
    "\U0001f600 is 5/5, e.g. e\u0301 and \u540d",
    "",
)


@pytest.mark.parametrize("corpus", ["e2e", "grammar", "stories"])
@pytest.mark.parametrize("text", FORMS)
def test_both_forms_of_a_text_are_the_same_words(corpus: str, text: str) -> None:
    form = Form(tokenizer(corpus), traits(corpus).closing)
    words = form.of_text(text)
    assert form.of_words(words) == words
    closing = len(traits(corpus).closing)
    bare = words[: len(words) - closing]
    assert form.of_words(bare) == words and all(bare)
    # what a program that joins the tokens with spaces writes is split alike once more
    assert form.of_text(" ".join(form.of_text(" ".join(bare)))) == form.of_text(" ".join(bare))


def test_the_embedded_corpora_are_split_as_they_are_written() -> None:
    for corpus in ("grammar", "stories"):
        split = tokenizer(corpus)
        for text in load_corpus(corpus).valid[:60]:
            assert split(" ".join(text.words)) == text.words == split(detokenize(text.words))
    assert tokenizer("grammar")("It isn't family-friendly.") == (
        "It", "is", "n't", "family-friendly", ".",
    )  # fmt: skip


# eval.score


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    base = tmp_path_factory.mktemp("second")
    whole, scoring.HUMAN_TEXTS = scoring.HUMAN_TEXTS, 5
    yield [
        "task=length", "targets=2", f"out={base}/set", f"store={base}/store",
        f"prebuilt={PREBUILT}", "threads=1",
    ]  # fmt: skip
    scoring.HUMAN_TEXTS = whole


def folder(common: list[str]) -> Path:
    return Path(common[2].removeprefix("out="))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_second_teacher_judges_what_the_first_does_not_know(
    common: list[str], gpt2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    targets.main([*common, f"file={tmp_path}/t.jsonl"])
    ids = [line["id"] for line in lines(tmp_path / "t.jsonl")]
    text = "The Red Kite is cheap, isn't it? Zounds!"
    for name, form in (("text", text), ("words", tokenizer("grammar")(text))):
        records = [{"target": one, name: form} for one in ids]
        (tmp_path / f"as_{name}.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in records))
        command = [*common, f"samples={tmp_path}/as_{name}.jsonl", f"teacher.pretrained={gpt2}"]
        assert guarded(score.main, command) == 0
    task = folder(common) / "length"
    first, second = (lines(task / name / "scores.jsonl") for name in ("as_text", "as_words"))
    assert first == second and first[0]["subword_nll"] > 0
    assert first[0]["subword_words"] == len(tokenizer("grammar")(text)) + 1
    config = json.loads((task / "as_text" / "config.json").read_text())
    assert config["outside"]["words"] == 2 * (first[0]["subword_words"] - 1)
    assert config["outside"]["unknown"] >= 2
    assert config["oracles"]["subwords"]["model"] == str(gpt2)
    # cached under the judge's identity, as the other judges' readings are
    (reading,) = lines(task / "as_text" / "annotations.jsonl")
    assert reading["judges"]["subwords"] == config["judges"]["subwords"]
    assert reading["subword_nll"] == first[0]["subword_nll"]
    said = capsys.readouterr()
    printed = " ".join((said.out + said.err).split())
    assert "warning: as_text:" in printed and "its lm is not to be trusted; lm (subwords) is" in (
        printed
    )
    table = (folder(common) / "table.md").read_text()
    head = next(line for line in table.splitlines() if line.startswith("| method"))
    assert head.endswith("| outside | lm (subwords) | 95 % interval |")
    human = next(line for line in table.splitlines() if line.startswith("| human text"))
    assert "0.0 %" in human.replace("\\", "")
    assert f"(model {gpt2})" in table.replace("\\", "")


def test_without_a_second_teacher_the_first_is_said_not_to_be_enough(
    common: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    targets.main([*common, f"file={tmp_path}/t.jsonl"])
    ids = [line["id"] for line in lines(tmp_path / "t.jsonl")]
    records = [{"target": one, "text": "Gadzooks, thou art verily unknowable."} for one in ids]
    (tmp_path / "odd.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in records))
    command = [*common, f"samples={tmp_path}/odd.jsonl", "teacher.pretrained="]
    assert guarded(score.main, command) == 0
    said = capsys.readouterr()
    assert "teacher.pretrained=NAME" in " ".join((said.out + said.err).split())
    config = json.loads((folder(common) / "length" / "odd" / "config.json").read_text())
    assert "subwords" not in config["judges"] and config["outside"]["unknown"] > 5


def build(plan: Plan, place: Path) -> None:
    made = plan.role("subwords")
    place.mkdir()
    made.build(place, {}, lambda *_: None)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("none.gguf", "there is no such file"),
        ("EMPTY", "is not available"),
        ("~/x", "is not available"),
    ],
)
def test_a_second_teacher_that_cannot_be_had_is_one_line(
    common: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str, said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    given = str(tmp_path) if value == "EMPTY" else value
    (tmp_path / "s.jsonl").write_text('{"target": "x", "text": "a"}\n')
    rest = [one for one in common if not one.startswith("out=")]
    command = [*rest, f"out={tmp_path}/set", f"samples={tmp_path}/s.jsonl"]
    run = parse([*rest, f"teacher.pretrained={given}"])
    with pytest.raises(UserError, match=said):
        build(Plan(run), tmp_path / "built")
    if value == "none.gguf":
        assert guarded(score.main, [*command, f"teacher.pretrained={given}"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and said in error and not (tmp_path / "set").exists()


# what it changes, and what it does not


def test_the_first_teacher_is_the_one_that_is_shipped() -> None:
    asked = ([], ["teacher.pretrained="], ["teacher.pretrained=some/model"])
    keys = {Plan(parse(given)).role("teacher").key for given in asked}
    assert len(keys) == 1 and (PREBUILT / keys.pop()).is_dir()
    tuned = TeacherConfig(pretrained="gpt2", zero_shot=False)
    assert (tuned.first, tuned.second) == (LMConfig(pretrained="gpt2"), "")
    plain = TeacherConfig()
    assert (plain.pretrained, plain.second, plain.first) == (AUTO, "", LMConfig())


def test_words_outside_are_counted_without_white_space() -> None:
    assert outside([("a", "b", "\n"), ("UNK",)], {"a"}) == {"unknown": 2, "words": 3}
    assert outside([], {"a"}) == {"unknown": 0, "words": 0}


def test_warnings_stand_above_a_stated_share() -> None:
    rows = [
        Row("a", "m", Number(None, 1.0), None, outside=share, subwords=second)
        for share, second in ((None, None), (5.0, None), (5.1, None), (40.0, Number(None, 3.0)))
    ]
    first, second = warnings(rows)
    assert "5.1 % of its words" in first and "teacher.pretrained=NAME" in first
    assert "more than 5 %" in first and second.endswith("lm (subwords) is")


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([{"subword_nll": 2.0}], "no 'subword_words'"),
        ([{"subword_words": 2}], "no 'subword_nll'"),
        ([{"subword_nll": 2.0, "subword_words": 2}, {}], "some lines have one"),
        ([{"subword_nll": 1e9, "subword_words": 2}], "beyond any perplexity"),
    ],
)
def test_stored_figures_of_the_second_teacher_are_checked(
    records: list[dict[str, Any]], said: str
) -> None:
    fits = ScoreFits()
    found = [fits({"scores": {}, "nll": None, **record}) for record in records]
    assert said in str(found[-1])
