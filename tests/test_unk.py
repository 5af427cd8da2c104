"""The masked language model that replaces UNK, with a tiny BERT made here."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders
from tokenizers.models import BPE, WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from transformers import BertConfig, BertForMaskedLM, BertModel, PreTrainedTokenizerFast

from models.nets.unk import MaskedRepair, repairer, whole_words
from tasks.common.errors import UserError

WORDS = ("the", "cat", "dog", "purred", "barked", "and", "slept", ".", "END", "un", "##der")
PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
TEXTS = [
    "the cat purred and slept .",
    "the dog barked and slept .",
    "the cat slept and purred .",
    "the dog slept and barked .",
]


def tokenizer(**special: str) -> PreTrainedTokenizerFast:
    inner = Tokenizer(WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    inner.pre_tokenizer = BertPreTokenizer()
    inner.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
    names |= {"cls_token": "[CLS]", "sep_token": "[SEP]"} | special
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, **{name: token for name, token in names.items() if token}
    )


def bert(cls: Any = BertForMaskedLM) -> Any:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(PIECES), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=16,
        initializer_range=0.2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return cls(config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A masked language model of four sentences, in the hub's format."""
    made, network = tokenizer(), bert()
    ids = made(TEXTS, return_tensors="pt")["input_ids"]
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    rng = torch.Generator().manual_seed(0)
    for _ in range(100):
        hidden = (torch.rand(ids.shape, generator=rng) < 0.3) & (ids > 4)
        labels = ids.masked_fill(~hidden, -100)
        if not bool(hidden.any()):
            continue
        network(input_ids=ids.masked_fill(hidden, 4), labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    path = tmp_path_factory.mktemp("bert")
    made.save_pretrained(path)
    network.save_pretrained(path)
    return path


def test_unk_becomes_the_word_that_both_contexts_ask_for(folder: Path) -> None:
    repair = MaskedRepair.load(folder, torch.device("cpu"))
    assert repair.repair(["the"], ["UNK"], ["purred", "and", "slept", "."]) == ("cat",)
    assert repair.repair(["the"], ["UNK"], ["barked", "and", "slept", "."]) == ("dog",)
    assert repair.repair(["the", "cat"], ["slept", "and", "UNK"], ["."]) == (
        "slept", "and", "purred",
    )  # fmt: skip
    # two at once
    assert repair.repair(["the", "UNK"], ["UNK", "UNK"], ["slept", "."])[1] == "and"


def test_a_middle_without_unk_is_left_alone(folder: Path) -> None:
    repair = MaskedRepair.load(folder)
    repair.model = None
    assert repair.repair(["UNK"], ["cats", "[MASK]"], ["UNK"]) == ("cats", "[MASK]")
    assert repair.repair(["the"], [], ["dog"]) == ()


def test_mask_tokens_of_the_text_itself_are_no_places(folder: Path) -> None:
    repair = MaskedRepair.load(folder)
    middle = ["[MASK]", "UNK"]
    found = repair.repair(["[MASK]", "the"], middle, ["purred", "and", "slept", ".", "x[MASK]"])
    assert found == ("[MASK]", "cat")


def test_all_places_are_read_from_one_pass_as_the_plain_argmax(folder: Path) -> None:
    """Against the model and tokenizer used by hand, over whole words alone."""
    repair = MaskedRepair.load(folder)
    made, network = tokenizer(), BertForMaskedLM.from_pretrained(folder).eval()
    text = "the [MASK] [MASK] and [MASK] ."
    with torch.no_grad():
        logits = network(**made(text, return_tensors="pt", return_token_type_ids=False)).logits[0]
    allowed = [made.convert_tokens_to_ids(w) for w in WORDS if w not in ("END", "##der")]
    by_hand = tuple(
        PIECES[max(allowed, key=lambda i, at=at: float(logits[at, i]))] for at in (2, 3, 5)
    )
    assert repair.repair(["the"], ["UNK", "UNK", "and", "UNK"], ["."]) == (
        *by_hand[:2], "and", by_hand[2],
    )  # fmt: skip


@pytest.mark.parametrize("best", ["##der", "[SEP]", "[MASK]", "END"])
def test_only_whole_words_come_out(best: str) -> None:
    """However probable a word piece, a special token or one of the vocabulary's own specials is."""
    made, network = tokenizer(), bert()
    with torch.no_grad():
        network.cls.predictions.decoder.bias[PIECES.index(best)] = 100.0
        network.cls.predictions.decoder.bias[PIECES.index("dog")] = 50.0
    repair = MaskedRepair(made, network.eval())
    assert repair.repair(["the"], ["UNK"], ["."]) == ("dog",)
    assert {PIECES[i] for i in whole_words(made)} == {*WORDS} - {"END", "##der"}


def test_whole_words_of_a_byte_level_tokenizer() -> None:
    """Those behind a space that nothing continues; never the same letters within a word."""
    inner = Tokenizer(BPE(unk_token=None))
    inner.pre_tokenizer = ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=400, special_tokens=["<s>", "<mask>"], initial_alphabet=ByteLevel.alphabet()
    )
    inner.train_from_iterator([f"a {text}" for text in TEXTS] * 9, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", mask_token="<mask>")
    found = {made.convert_ids_to_tokens(i) for i in whole_words(made)}
    assert {"Ġcat", "Ġpurred", "Ġ."} <= found
    assert all(token.startswith("Ġ") for token in found)
    assert not {"a", "<s>", "<mask>"} & found


def test_models_that_do_not_do_are_one_line(folder: Path, tmp_path: Path) -> None:
    def refused(name: Path | str, match: str) -> None:
        with pytest.raises(UserError, match=match) as error:
            MaskedRepair.load(name)
        assert "\n" not in str(error.value)

    refused(tmp_path, "is not available")
    headless = tmp_path / "headless"
    bert(BertModel).save_pretrained(headless)
    tokenizer().save_pretrained(headless)
    refused(headless, "it lacks cls.predictions")
    plain = tmp_path / "plain"
    bert().save_pretrained(plain)
    tokenizer(mask_token="").save_pretrained(plain)
    refused(plain, "it has no mask token")
    with pytest.raises(UserError, match="a text of 19 tokens is longer .* which reads 14"):
        MaskedRepair.load(folder).repair(["the"] * 16, ["UNK"], [])


def test_a_hub_out_of_reach_is_told_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one question, without the six tries that a download makes for each of its files."""
    import huggingface_hub
    import transformers

    asked: list[object] = []

    def unreachable(*args: Any, **more: Any) -> None:
        asked.append("hub")
        raise ConnectionError("no network\nat all")

    def read(*args: Any, local_files_only: bool = False, **more: Any) -> None:
        asked.append("this machine" if local_files_only else "download")
        raise OSError("nothing there")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", read)
    with pytest.raises(UserError) as error:
        MaskedRepair.load("nobody/no-such-masked-model")
    assert asked == ["this machine", "hub"]
    assert "'nobody/no-such-masked-model' is not available (no network): name a local folder" in (
        str(error.value)
    )


def test_settings_decide_whether_there_is_a_repair(folder: Path) -> None:
    assert repairer("avoid", str(folder)) is None and repairer("keep", None) is None
    assert isinstance(repairer("repair", str(folder)), MaskedRepair)
    with pytest.raises(UserError, match="needs repair_model"):
        repairer("repair", None)
