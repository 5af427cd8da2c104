"""Infilling judged for English: nats of parts of a story, what is made of them, and the command."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from eval.reading.in_context import FILE, Reader, middle, readers, story
from eval.reading.results import ResultSet
from eval.reading.tables.in_context import in_context_tables
from eval.reading.tables.infilling import infilling_tables
from eval.run import guarded
from eval.running.cells import CONFIG
from eval.studies.in_context import main
from models.nets.causal import adopt_lm
from models.nets.codec import END_OF_TEXT, PlainCodec
from models.nets.config import LMConfig
from models.nets.teacher import Teacher
from tasks.common.errors import UserError
from tasks.metrics.text import detokenize
from tasks.vocabulary import SPECIALS, Vocabulary

ROOT = Path(__file__).parent.parent
STORY = (("Ann", "had", "a", "cat", "."), ("It", "did", "n't", "eat", "."), ("She", "fed", "it"))
METHODS = ("diffusion_lm", "ar_infilling")


def gpt2(folder: Path, seed: int) -> Path:
    """A random GPT-2 of 64 positions over byte pairs, as its folder on a hub looks."""
    from tokenizers import ByteLevelBPETokenizer

    bpe = ByteLevelBPETokenizer()
    text = " ".join(map(detokenize, STORY))
    bpe.train_from_iterator([text] * 5, vocab_size=300, special_tokens=[END_OF_TEXT])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, eos_token=END_OF_TEXT)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    shape = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=16, n_layer=1, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    GPT2LMHeadModel(shape).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gpt2(tmp_path_factory.mktemp("gpt2"), 0)


# the teacher


def test_parts_are_given_what_stands_before_them(network: Path, tmp_path: Path) -> None:
    codec = PlainCodec.from_pretrained(str(network), Vocabulary(SPECIALS))
    adopt_lm(tmp_path, codec, LMConfig(pretrained=str(network), zero_shot=True))
    teacher = Teacher.load(tmp_path, torch.device("cpu"))
    long, empty = (STORY[0] * 30, *STORY[1:]), (STORY[0], (), STORY[2])
    found = teacher.parts([STORY, long, empty, ((), (), ())])
    plain = GPT2LMHeadModel.from_pretrained(network).eval()
    fast = PreTrainedTokenizerFast.from_pretrained(network)
    pieces = [fast.encode(" " + detokenize(part)) for part in STORY]
    ids = torch.tensor([[fast.eos_token_id, *(i for part in pieces for i in part)]])
    with torch.no_grad():
        said = plain(ids).logits[0, :-1].double().log_softmax(-1)
    nats = -said.gather(1, ids[0, 1:, None])[:, 0]
    wanted = [float(part.sum()) for part in nats.split([len(part) for part in pieces])]
    assert found[0] == pytest.approx(wanted, rel=1e-4)
    # the whole text is its parts and the end; a long one is read in windows, each token once
    joined = tuple(word for part in STORY for word in part)
    assert sum(found[0]) < teacher.score([joined])[0][0]
    assert teacher.long == 1 and found[1][0] > 10 * found[0][0]
    assert found[2][1] == 0 and found[2][0] == pytest.approx(found[0][0], rel=1e-4)
    assert found[3] == [0, 0, 0]


# what is made of it


def items(*rows: tuple[list[float], list[int]]) -> dict[str, Any]:
    return {
        str(i): {"nats": nats, "words": words, "copied": i == 0}
        for i, (nats, words) in enumerate(rows)
    }


def reader() -> Reader:
    rows = {
        "human": items(([9, 4, 6], [3, 2, 3]), ([9, 5, 5], [3, 5, 5])),
        "a": items(([9, 8, 12], [3, 2, 3]), ([9, 0, 5], [3, 0, 5])),
        "b": items(([9, 8, 12], [3, 2, 3])),
    }
    return Reader("m", "id", rows, {}, {}, {"c": "n/a: c uses m itself (lm)"})


def test_figures_follow_from_nats_and_words() -> None:
    one = reader()
    whole, own = one.perplexity("human", story), one.perplexity("human", middle)
    assert whole is not None and whole.ours == pytest.approx(math.exp((10 / 5 + 10 / 10) / 2))
    assert own is not None and own.ours == pytest.approx(math.exp((4 / 2 + 5 / 5) / 2))
    # an empty middle has no perplexity of its own
    empty = one.perplexity("a", middle)
    assert empty is not None and empty.ours == pytest.approx(math.exp(8 / 2))
    ratio = one.ratio("a", story)
    assert ratio is not None and ratio.ours == pytest.approx(math.exp(((4 - 2) + (1 - 1)) / 2))
    assert one.ratio("human", story) is None and one.perplexity("c", story) is None
    assert one.copied("a") == 50 and one.copied("c") is None


def test_a_likelier_story_wins_and_a_tie_counts_half() -> None:
    one = reader()
    # item 0: 20 nats to 10; item 1: 5 to 10
    won, by_word = one.likelier("a", "human"), one.likelier("a", "human", a_word=True)
    assert won is not None and won.ours == 50
    # a word, item 1 ties: 5 / 5 and 10 / 10
    assert by_word is not None and by_word.ours == 25
    tie = one.likelier("a", "b")
    assert tie is not None and tie.ours == 50
    assert one.likelier("a", "a") is None and one.likelier("a", "c") is None


# the command


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, network: Path) -> tuple[Path, list[str]]:
    """Two methods of the shipped stories, read by a random network; and the command's keys."""
    folder = tmp_path_factory.mktemp("in_context")
    shipped, out = ROOT / "results" / "demo-stories", folder / "stories"
    for method in METHODS:
        shutil.copytree(shipped / "infilling" / method, out / "infilling" / method)
    for name in ("run.json", "infilling/config.json", "infilling/targets.jsonl"):
        shutil.copy(shipped / name, out / name)
    shutil.copytree(shipped / "unconditional", out / "unconditional")
    keys = [f"run={out}", f"store={folder / 'store'}", "device=cpu"]
    main([*keys, f"model={network}"])
    return out, keys


def test_every_row_is_read_and_shown(judged: tuple[Path, list[str]], network: Path) -> None:
    out, _ = judged
    results = ResultSet(out)
    (one,) = readers(results, "infilling")
    assert one.model == str(network)
    assert set(one.rows) == {*METHODS, "human", "unconditional", "left_context"}
    assert {len(row) for row in one.rows.values()} == {len(results.targets("infilling"))}
    assert one.copied("left_context") == 100 and one.copied("diffusion_lm") == 0
    summary, pairs = in_context_tables(results)
    assert len(summary.rows) == 5 and len(pairs.rows) == 5 == len(pairs.columns) - 1
    assert "no human judgement" in " ".join(pairs.notes)
    (table,) = infilling_tables(results, {})
    assert table.columns[-1].title == "in context ↓"
    named = {(row["method"], row["metric"]): row for row in table.records}
    assert float(named["diffusion_lm", "in_context"]["ours"]) > 1
    assert named["cold", "in_context"]["ours"] == named["cold", "in_context"]["reason"] == ""


def test_what_was_read_is_not_read_again(
    judged: tuple[Path, list[str]], network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, keys = judged
    before = (out / "infilling" / FILE).read_bytes()
    monkeypatch.setattr(Teacher, "load", None)
    main([*keys, f"model={network}"])
    assert (out / "infilling" / FILE).read_bytes() == before


def test_no_network_reads_what_it_wrote(
    judged: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, keys = tmp_path / "stories", judged[1][1:]
    shutil.copytree(judged[0], out)
    other = str(gpt2(tmp_path / "other", 1))
    for method in METHODS[1:]:
        place = out / "infilling" / method / CONFIG
        config = json.loads(place.read_text())
        config["config"]["lm"]["pretrained"] = other
        made = config["identity"]["artefacts"]
        config["identity"]["artefacts"] = {
            role: f"{key[:-16]}{'0' * 16}" for role, key in made.items()
        }
        place.write_text(json.dumps(config))
    main([f"run={out}", *keys, f"model={other}"])
    first, second = readers(ResultSet(out), "infilling")
    assert first.skipped == {} and set(second.rows) == set(first.rows) - {"ar_infilling"}
    assert "ar_infilling uses" in second.skipped["ar_infilling"]
    assert "n/a" in capsys.readouterr().out
    shutil.rmtree(out / "infilling" / METHODS[0])
    with pytest.raises(UserError, match="has no answers to read"):
        main([f"run={out}", *keys, f"model={other}"])


def test_settings_that_a_network_was_not_made_from_do_not_count(
    judged: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """A run may have a pretrained language model beside networks that know nothing of it."""
    out, keys = tmp_path / "stories", judged[1][1:]
    shutil.copytree(judged[0], out)
    other = str(gpt2(tmp_path / "other", 1))
    place = out / "infilling" / "diffusion_lm" / CONFIG
    config = json.loads(place.read_text())
    config["config"]["lm"]["pretrained"] = other
    place.write_text(json.dumps(config))
    main([f"run={out}", *keys, f"model={other}"])
    assert "diffusion_lm" not in readers(ResultSet(out), "infilling")[-1].skipped


def test_what_is_wrong_is_said(
    judged: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "stories"
    shutil.copytree(judged[0], out)
    keys = [f"run={out}", *judged[1][1:]]
    before = (out / "infilling" / FILE).read_bytes()
    assert guarded(main, [*keys, "model=nowhere/x.gguf"]) == 2
    assert "pretrained model 'nowhere/x.gguf' is not available" in capsys.readouterr().err
    assert (out / "infilling" / FILE).read_bytes() == before
    (out / "infilling" / FILE).write_text('{"readers": [{"model": "m"}]}')
    assert guarded(main, [*keys, "model=trained"]) == 2
    assert FILE in capsys.readouterr().err
