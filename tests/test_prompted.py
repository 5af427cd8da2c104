"""Prompting: what a language model is told, what is made of its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from test_steering import content
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from baselines import METHODS
from baselines.prompted.card import InstructConfig, PromptedSettings
from baselines.prompted.local import CHAT, Local, adopt
from baselines.prompted.method import Prompted
from baselines.prompted.shots import ASK, Shots, as_text, turns, writing
from baselines.rules import full
from eval.running.command import parse
from eval.running.plan import Plan
from models.nets.causal import load_lm
from tasks import load_task
from tasks.base import Annotation, Corpus, Target, Text
from tasks.common.errors import UserError
from tasks.controls import FieldValue, Length
from tasks.corpora import load_corpus, tokenizer
from tasks.corpora.stored import write_corpus

CPU = torch.device("cpu")
CORPUS = load_corpus("grammar", size_train=120, size_valid=20)
WRITING = writing(CORPUS)
TASKS = (
    "semantic_content", "parts_of_speech", "syntax_tree", "syntax_spans", "length",
    "semantic_content+syntax_tree", "length+parts_of_speech",
)  # fmt: skip
TARGETS = [Target(f"t{n}", Length(n)) for n in (12, 9, 5)]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


# prompts


@pytest.mark.parametrize("name", TASKS)
def test_examples_satisfy_their_controls(name: str) -> None:
    task = load_task(name)
    shots = Shots(task, CORPUS.train, 64, 0)
    assert len(shots.pool) > 100
    by_words = {text.words: text for text in CORPUS.train}
    for one in shots.pool[:25]:
        text, target = by_words[one.words], Target("t", one.control)
        read = Annotation(text.words, text.tree, text.tags)
        assert all(full(task.score(target, read)[metric]) for metric in task.headlines)
    control = shots.pool[0].control
    asked = turns(control, shots.of(Target("t", control), 3, "nearest"), WRITING.join)
    assert [role for role, _ in asked] == ["user", "assistant"] * 3 + ["user"]
    for part in control.parts:
        assert part.say().rstrip(".")[1:] in asked[-1][1]
    assert asked[0][1].startswith(ASK.format(like=", like those of the examples"))
    assert sum("Answer with the text alone" in said for _, said in asked) == 1
    answers = [said for role, said in asked if role == "assistant"]
    for said in answers:
        assert WRITING.answer(said, 64) in by_words


def test_examples_follow_from_seed_and_target() -> None:
    task = load_task("length")

    def of(seed: int, target: Target, pick: Any = "random") -> Any:
        return Shots(task, CORPUS.train, 64, seed).of(target, 4, pick)

    assert of(0, TARGETS[0]) == of(0, TARGETS[0])
    assert of(0, TARGETS[0]) != of(1, TARGETS[0]) and of(0, TARGETS[0]) != of(0, TARGETS[1])
    near = [abs(one.control.needed_words - 12) for one in of(0, TARGETS[0], "nearest")]
    assert near == sorted(near, reverse=True) and near[-1] == 0 and len(near) == 4
    field = FieldValue("name", CORPUS.train[0].fields[0][1])
    task = load_task("semantic_content")
    found = Shots(task, CORPUS.train, 64, 0).of(Target("t", field), 2, "nearest")
    assert all(one.control.field == "name" for one in found)  # type: ignore[attr-defined]
    assert all(len(one.words) <= 9 for one in Shots(load_task("length"), CORPUS.train, 9, 0).pool)


def test_prompts_without_examples_and_without_a_template() -> None:
    (role, said), *others = turns(Length(3), [], WRITING.join)
    assert (role, others) == ("user", []) and "examples" not in said
    assert said.endswith("\n\nCondition: The text has 3 words.\nText:")
    one = Shots(load_task("length"), CORPUS.train, 64, 0).pool[:1]
    text = as_text(turns(Length(3), one, WRITING.join))
    assert f"Text: {WRITING.join(one[0].words)}\n\nCondition: The text has 3" in text
    assert text.endswith("\nText:")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("The Mill is cheap.", "The Mill is cheap ."),
        ("\n\n  The Mill is cheap. \nIt has 4 words.", "The Mill is cheap ."),
        ('Text: "The Mill is cheap."', "The Mill is cheap ."),
        ("**Answer:** \u201cIt isn't cheap.\u201d", "It is n't cheap ."),
        ("", ""), (" \n ", ""), ('"', '"'),
        ("a b c d e f g h i j", "a b c d e f"),
        ("half \ud800 pair", "half ? pair"),
    ],
)  # fmt: skip
def test_an_answer_is_one_text_in_the_corpus_words(said: str, words: str) -> None:
    assert WRITING.answer(said, 6) == tuple(words.split())


def test_an_answer_ends_as_the_corpus_does() -> None:
    e2e = writing(Corpus("e2e", (), (), "-"))
    assert e2e.answer("The Mill is cheap.", 9) == ("The", "Mill", "is", "cheap", ".", "\n")
    assert e2e.answer("The Mill is cheap.", 3) == ("The", "Mill", "\n")


def test_a_corpus_of_ones_own_is_split_as_its_texts_are() -> None:
    plain = tuple(Text(tokenizer("rocstories")(f"It isn't number {n}.")) for n in range(9))
    spaced = tuple(Text((f"({n}),", "isn't", "it.")) for n in range(9))
    assert writing(Corpus("mine", plain, (), "-")).answer("It isn't.", 9) == (
        "It", "is", "n't", ".",
    )  # fmt: skip
    assert writing(Corpus("mine", spaced, (), "-")).answer("It isn't.", 9) == ("It", "isn't.")


# a model that is asked here


@pytest.fixture(scope="module")
def pieces() -> PreTrainedTokenizerFast:
    from tokenizers import ByteLevelBPETokenizer

    bpe = ByteLevelBPETokenizer()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    texts = [WRITING.join(text.words) for text in CORPUS.train]
    bpe.train_from_iterator([*texts, ASK], vocab_size=400, special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>",
        chat_template=TEMPLATE,
    )  # fmt: skip


def shape(kind: str, size: int, positions: int = 1024) -> Any:
    torch.manual_seed(1)
    if kind == "gpt2":
        config = GPT2Config(
            vocab_size=size, n_positions=positions, n_embd=16, n_layer=1, n_head=2,
            initializer_range=0.5,
        )  # fmt: skip
        return GPT2LMHeadModel(config)
    given: dict[str, Any] = {
        "vocab_size": size, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 32, "max_position_embeddings": positions,
        "tie_word_embeddings": True, "initializer_range": 0.5,
    }  # fmt: skip
    if kind == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**given))
    return LlamaForCausalLM(LlamaConfig(**given))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, pieces: Any) -> dict[str, Path]:
    """Of three architectures, the GPT-2 without a chat template, and one that reads little."""
    place, every = tmp_path_factory.mktemp("instruct"), dict[str, Path]()
    write_corpus(place / "texts", CORPUS) if (place / "texts").mkdir() is None else None
    for name, kind, positions in (
        ("llama", "llama", 1024), ("gpt2", "gpt2", 1024), ("qwen2", "qwen2", 1024),
        ("short", "llama", 220), ("shortest", "llama", 40),
    ):  # fmt: skip
        source = place / f"{name}-source"
        shape(kind, len(pieces) + 5, positions).save_pretrained(source)
        pieces.chat_template = None if kind == "gpt2" else TEMPLATE
        pieces.save_pretrained(source)
        every[name] = place / name
        every[name].mkdir()
        adopt(every[name], str(source))
    return {**every, "texts": place / "texts"}


def prompted(folders: dict[str, Path], name: str = "llama", **options: Any) -> Prompted:
    places = {"task_texts": folders["texts"], "instruct": folders[name]}
    given = PromptedSettings(**{"shots": 2, "max_words": 14, **options})
    return Prompted.load(places, load_task("length"), given, CPU)


@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen2"])
def test_a_sample_depends_on_nothing_but_its_names(folders: dict[str, Path], name: str) -> None:
    generator = prompted(folders, name)
    targets = TARGETS[1:]
    whole = content(generator.generate(targets, 3, seed=3))
    assert content(generator.generate(targets[::-1], 3, seed=3, batch=2)) == whole
    assert content(generator.generate(targets[1:], 2, seed=3)) == {"t5": whole["t5"][:2]}
    assert content(generator.generate(targets[1:], 2, seed=4)) != {"t5": whole["t5"][:2]}
    for rows in whole.values():
        assert len({tokens for tokens, _ in rows}) > 1
        assert all(nfe == len(tokens) for tokens, nfe in rows)


def test_answers_are_one_line_of_words(folders: dict[str, Path]) -> None:
    for result in prompted(folders).generate(TARGETS[:2], 8, seed=0):
        for sample in result.samples:
            assert len(sample.words) <= 14 and not any("\n" in word for word in sample.words)
            broken = [i for i, token in enumerate(sample.tokens) if "\u010a" in token]
            shown = [
                i for i, token in enumerate(sample.tokens)
                if token.strip("\u0120\u010a") and not token.startswith("<|")
            ]  # fmt: skip
            late = [i for i in broken if shown and i > shown[0]]
            # nothing but the end stands behind the first line
            assert not late or list(sample.tokens[late[0] + 1 :]) in ([], ["<|im_end|>"])


def test_a_chat_is_written_as_the_tokenizer_writes_it(
    folders: dict[str, Path], pieces: Any
) -> None:
    asked = prompted(folders).prompts(TARGETS[:1], 0)[0][0]
    turned = [{"role": role, "content": said} for role, said in asked]
    local = Local.load(folders["llama"], PromptedSettings(), CPU)
    pieces.chat_template = TEMPLATE
    text = pieces.apply_chat_template(turned, tokenize=False, add_generation_prompt=True)
    assert local.head(asked) == pieces(text, add_special_tokens=False)["input_ids"]
    assert text.count("<|im_start|>assistant") == 3
    bare = Local.load(folders["gpt2"], PromptedSettings(), CPU)
    wanted = pieces(as_text(asked), add_special_tokens=False)["input_ids"]
    assert bare.head(asked) == [pieces.bos_token_id, *wanted]


def test_any_architecture_is_stored_as_it_is(folders: dict[str, Path], pieces: Any) -> None:
    model, _, _ = load_lm(folders["qwen2"], CPU)
    theirs = Qwen2ForCausalLM.from_pretrained(folders["qwen2"].parent / "qwen2-source")
    ids = torch.arange(12)[None]
    stored, own = theirs.state_dict(), model.network.state_dict()
    assert stored.keys() == own.keys()
    for name, weight in own.items():  # matrices are stored in bf16
        torch.testing.assert_close(weight, stored[name], rtol=2**-8, atol=0)
    theirs.load_state_dict(own)
    with torch.no_grad():
        found = model.logits(model.hidden(ids))
        torch.testing.assert_close(found, theirs(input_ids=ids).logits, rtol=1e-4, atol=1e-4)
    # ids that the tokenizer does not have are never drawn
    local = Local.load(folders["qwen2"], PromptedSettings(), CPU)
    assert local.network.vocabulary == len(local.codec) + 5


def test_as_many_examples_as_fit(folders: dict[str, Path]) -> None:
    generator = prompted(folders, "short", max_words=12, shots=8)
    ways = generator.prompts(TARGETS[:1], 0)[0]
    given = generator.asked.given(ways, TARGETS[0], generator.limit)
    heads = [generator.asked.head(one) for one in ways]  # type: ignore[attr-defined]
    assert len(ways) == 9 and sorted(map(len, heads), reverse=True) == list(map(len, heads))
    fitting = [head for head in heads if len(head) + generator.limit <= 220]
    assert list(given.head) == fitting[0] and 0 < len(fitting) < 9
    with pytest.raises(UserError, match="target t12: the prompt leaves room for 0 of the 40"):
        list(prompted(folders, "shortest").generate(TARGETS, 1, seed=0))
    with pytest.raises(UserError, match="target t12 needs 12 words"):
        list(prompted(folders, max_words=11).generate(TARGETS, 1, seed=0))


def test_damaged_files_and_templates(folders: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    def refused(match: str, stored: str | None) -> None:
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        shutil.copytree(folders["llama"], place)
        if stored is None:
            (place / CHAT).unlink()
        else:
            (place / CHAT).write_text(stored)
        with pytest.raises(UserError, match=match) as caught:
            Local.load(place, PromptedSettings(), CPU).head([("user", "a")])
        assert "\n" not in str(caught.value)

    refused("chat.json", None)
    refused("chat.json", '{"template": 3, "bos": null, "eos": null}')
    for template in ("{{ raise_exception('no\nuser') }}", "{% for %}"):
        stored = {"template": template, "bos": None, "eos": "<|im_end|>"}
        refused("the chat template of instruct.pretrained fails", json.dumps(stored))
    with pytest.raises(UserError, match=r"'nowhere\.gguf' is not available"):
        adopt(tmp_path, "nowhere.gguf")


# cards


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (["prompted.shots=-1"], "shots=-1"), (["prompted.pick=best"], "pick"),
        (["prompted.endpoint=http://127.0.0.1:1"], "needs prompted.model"),
        (["prompted.endpoint=127.0.0.1:1", "prompted.model=a"], "is an address without"),
        (["prompted.endpoint=http://a:b@c/v1", "prompted.model=a"], "is an address without"),
        (["prompted.endpoint=http://c/v1?key=b", "prompted.model=a"], "is an address without"),
        (["prompted.endpoint=http://c:99999", "prompted.model=a"], "is an address without"),
        (["prompted.endpoint=http://c", "prompted.model=a", "prompted.top_k=3"], "top_p alone"),
        (["prompted.key_variable=sk-very-secret"], "never a key"),
        (["prompted.timeout=0"], "timeout"), (["prompted.parallel=0"], "parallel"),
        (["instruct.pretraind=a"], "instruct.pretrained"),
    ],
)  # fmt: skip
def test_bad_settings_are_refused_in_one_line(given: list[str], match: str) -> None:
    with pytest.raises(UserError, match=match) as caught:
        parse(["method=prompted", "task=length", *given])
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_its_card(folders: dict[str, Path]) -> None:
    card, task = METHODS.card("prompted"), load_task("length")
    assert not card.trained and not card.knows_rule and not card.corner
    assert card.refuses(load_task("infilling")) == "it reads controls and no contexts"
    assert all(card.refuses(load_task(name)) is None for name in TASKS)
    assert card.needs(task, PromptedSettings()) == ("task_texts", "instruct")
    away = PromptedSettings(endpoint="http://127.0.0.1:1/v1", model="a")
    assert card.needs(task, away) == ("task_texts",)
    assert parse(["method=prompting", "task=length"]).methods == ["prompted"]
    assert "SmolLM2-135M-Instruct" in InstructConfig().pretrained

    def plan(name: str) -> Plan:
        return Plan(parse(["method=prompted", "task=length", f"instruct.pretrained={name}"]))

    source = folders["llama"].parent
    one, other = (
        plan(str(source / f"{name}-source")).role("instruct") for name in ("llama", "short")
    )
    assert one.key != other.key and one.cheap and not one.deps
    with pytest.raises(UserError, match=r"instruct\.pretrained=, or a server with"):
        plan("").role("instruct")
