"""What metrics, the parser and the corpus reader make of texts that others fail on: right values
that are to stay."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from stored import ROOT
from transformers import BertConfig, BertModel, BertTokenizerFast

from tasks.common.errors import UserError
from tasks.corpora import load_corpus
from tasks.metrics import infilling
from tasks.metrics.bertscore import BertScore
from tasks.oracles.parser import ChartParserOracle
from tasks.oracles.trees import leaves
from tests.hardening import Tried

PARSED: dict[str, tuple[str, ...]] = {
    "empty": (),
    "one word": (".",),
    "a newline": ("\n",),
    "newlines": ("\n",) * 3,
    "500 words": ("The",) * 500,
    "other scripts": ("\U0001f600", "é", "名"),
    "a long word": ("a" * 20_000,),
    "brackets": ("(", ")", "[", "]"),
}
EMPTIED = ((), ("\n",), ("\u200b",), ("\x00",), ("\ufffd",), ("\u0301",))
READ = {
    "a byte-order mark, CRLF": b'\xef\xbb\xbfmr,ref\r\n"name[A], area[x]","The A ."\r\n',
    "CR alone": b'mr,ref\r"name[A], area[x]","The A ."\r',
    "quotes in quotes": b'mr,ref\n"name[A], area[x]","The ""A"" ."\n',
    "a quote inside": b'mr,ref\n"name[A], area[x]",The 5" A .\n',
    "commas in a value": b'mr,ref\n"name[A, B & C], area[x]","A ."\n',
    "a pattern as a value": b'mr,ref\n"name[A.*+(x)?], area[x]","A ."\n',
}
REFUSED = {
    "brackets in a value": (b'mr,ref\n"name[A [x]]","A ."\n', "row 2"),
    "semicolons": (b'mr;ref\n"name[A]";"A ."\n', "row 1"),
    "another encoding": ('mr,ref\n"name[A]","£5 ."\n'.encode("cp1252"), "row 2"),
}
TRIED = (
    Tried("parser", "empty, long and odd texts", len(PARSED), "a tree over exactly those words"),
    Tried("BERTScore", "texts of which no token remains", len(EMPTIED), "0, never NaN"),
    Tried("CIDEr", "one item, or the same references everywhere", 2, "0, by its definition"),
    Tried("corpus files", "habits of CSV writers", len(READ), "read alike"),
    Tried("corpus files", "what no CSV of E2E is", len(REFUSED), "one line that names the row"),
)


@pytest.fixture(scope="module")
def parser() -> ChartParserOracle:
    folder = sorted((ROOT / "results" / "prebuilt").glob("parser-*"))[0]
    return ChartParserOracle.load(folder)


@pytest.mark.parametrize("name", PARSED)
def test_every_text_has_a_tree(name: str, parser: ChartParserOracle) -> None:
    (tree,) = parser.parse([PARSED[name]])
    assert leaves(tree) == PARSED[name]


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> BertScore:
    folder = tmp_path_factory.mktemp("bert")
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        ".",
        *(f"##{c}" for c in letters),
    ]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=len(words), num_hidden_layers=1, **shape)
    BertModel(config).save_pretrained(folder)
    return BertScore(str(folder), layer=1)


@pytest.mark.parametrize("text", EMPTIED)
def test_a_text_without_tokens_scores_0(text: tuple[str, ...], scorer: BertScore) -> None:
    reference = ("the", "mill", ".")
    assert scorer.score([text], [[reference]]) == [0.0]
    assert scorer.score([reference], [[reference]]) == pytest.approx([1.0], abs=1e-5)


@pytest.mark.parametrize("items", [1, 3])
def test_cider_of_what_all_items_share_is_0(items: int) -> None:
    text = ("the", "cat", "sat", "down")
    totals = infilling.totals(infilling.evaluate([text] * items, [[text]] * items))
    assert totals["cider"] == 0.0
    assert totals["bleu4"] == pytest.approx(100.0)
    assert totals["rouge_l"] == pytest.approx(100.0)


def folder_of(data: bytes, tmp_path: Path) -> Path:
    (tmp_path / "e2e").mkdir()
    good = b'mr,ref\n"name[A], area[x]","The A ."\n'
    (tmp_path / "e2e" / "trainset.csv").write_bytes(good)
    (tmp_path / "e2e" / "devset.csv").write_bytes(data)
    return tmp_path


@pytest.mark.parametrize("name", READ)
def test_habits_of_csv_writers(name: str, tmp_path: Path) -> None:
    (text,) = load_corpus("e2e", folder_of(READ[name], tmp_path)).valid
    assert dict(text.fields)["area"] == "x"
    assert text.words[-2:] == (".", "\n")


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_csv_of_e2e(name: str, tmp_path: Path) -> None:
    data, row = REFUSED[name]
    with pytest.raises(UserError, match=row):
        load_corpus("e2e", folder_of(data, tmp_path))
