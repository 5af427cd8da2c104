"""Pretrained starts: a BERT for Diffusion-LM, a Llama or GPT-2 that is asked as it is."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from carded import needs
from fetching import CODEC, CPU, TARGETS, stories
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from baselines.candidates import continuation
from baselines.cold.method import Cold
from baselines.cold.settings import ColdSettings
from baselines.delorean.method import Delorean
from baselines.delorean.settings import DeloreanSettings
from baselines.left_only.method import LeftOnly
from baselines.left_only.settings import LeftOnlySettings
from baselines.pplm.head import AttributeHeadConfig, train_attribute_head
from eval.running.command import parse
from eval.running.plan import Plan
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.score_interpolation import ScoreInterpolation
from models.nets.backbones.gpt2 import GPT2
from models.nets.bert import start_from_bert
from models.nets.causal import adopt_lm, load_lm, train_lm
from models.nets.codec import PlainCodec, TokenizerCodec, codec_from_json
from models.nets.config import EncoderConfig, LMConfig, TrainConfig
from models.nets.pretrained import located
from tasks.common.errors import UserError
from tasks.controls import FieldValue, Infill
from tasks.vocabulary import END, SPECIALS, START, UNK, Vocabulary

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "sat", "down", "##stairs", "."]
VOCABULARY = Vocabulary([*SPECIALS, "a", "Cat", "sat", "downstairs", "."])
NETWORK = EncoderConfig(
    layers=2, width=16, heads=2, feedforward=32, dropout=0.0, attention_dropout=0.0
)


def words_config(**changes: object) -> DiffusionConfig:
    config = DiffusionConfig(
        length=8, positions=8, embedding=4, steps=20, output="words", network=NETWORK
    )
    return replace(config, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(PIECES),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
    )
    model = BertModel(config)
    for parameter in model.parameters():  # norms and biases of their own
        torch.nn.init.normal_(parameter, std=0.5)
    model.save_pretrained(folder)
    vocabulary = {piece: i for i, piece in enumerate(PIECES)}
    BertTokenizerFast(vocab=vocabulary, do_lower_case=True).save_pretrained(folder)
    return folder


def test_a_network_that_starts_from_bert_says_what_bert_does(bert: Path) -> None:
    """Where all words are known and the time says nothing yet, the encoder's last state is that of
    the BERT itself on the same pieces."""
    torch.manual_seed(0)
    denoiser = ScoreInterpolation(words_config(), len(VOCABULARY)).eval()
    start_from_bert(denoiser, denoiser.words, str(bert), VOCABULARY, config=denoiser.config.network)
    words = ["a", "Cat", "sat", "."]
    ids = torch.tensor([[START, *VOCABULARY.encode(words), END]])
    read = BertTokenizerFast.from_pretrained(bert)(" ".join(words), return_tensors="pt")
    assert read.input_ids.shape == ids.shape
    with torch.no_grad():
        theirs = BertModel.from_pretrained(bert).eval()(**read).last_hidden_state
        x = denoiser.embedding(ids)
        for step in (0, 19):
            ours = denoiser._said(x, torch.tensor([step]), None, ids)
            torch.testing.assert_close(ours, denoiser.down(theirs), rtol=1e-4, atol=1e-5)


def test_a_word_is_the_mean_of_its_pieces(bert: Path) -> None:
    denoiser = ScoreInterpolation(words_config(), len(VOCABULARY))
    start_from_bert(denoiser, denoiser.words, str(bert), VOCABULARY, config=denoiser.config.network)
    table = BertModel.from_pretrained(bert).embeddings.word_embeddings.weight
    down, stairs = PIECES.index("down"), PIECES.index("##stairs")
    row = denoiser.words.weight[VOCABULARY.ids["downstairs"]]
    torch.testing.assert_close(row, (table[down] + table[stairs]) / 2)
    torch.testing.assert_close(denoiser.words.weight[UNK], table[PIECES.index("[UNK]")])
    assert denoiser.words.weight.requires_grad


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": replace(NETWORK, layers=3)}, "needs diffusion.network.layers=2, not 3"),
        ({"network": replace(NETWORK, width=8)}, "needs diffusion.network.width=16, not 8"),
        ({"positions": 64}, "has 12 positions, fewer than diffusion.positions=64"),
    ],
)
def test_a_bert_of_other_sizes_is_refused(
    bert: Path, changes: dict[str, object], message: str
) -> None:
    denoiser = ScoreInterpolation(words_config(**changes), len(VOCABULARY))
    with pytest.raises(UserError, match=message):
        start_from_bert(
            denoiser, denoiser.words, str(bert), VOCABULARY, config=denoiser.config.network
        )


def test_what_is_no_bert_or_not_there_is_refused(tmp_path: Path) -> None:
    denoiser = ScoreInterpolation(words_config(), len(VOCABULARY))
    with pytest.raises(UserError, match="'nowhere/at-all' is not available"):
        start_from_bert(
            denoiser, denoiser.words, "nowhere/at-all", VOCABULARY, config=denoiser.config.network
        )
    GPT2.fresh(20, 8, 1, 16, 2, 0.0).network.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="is a gpt2, not a BERT"):
        start_from_bert(
            denoiser, denoiser.words, str(tmp_path), VOCABULARY, config=denoiser.config.network
        )
    with pytest.raises(UserError, match="init_pretrained needs output=words"):
        DiffusionConfig(init_pretrained="some-bert")


def test_a_package_can_carry_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "carrier" / "model").mkdir(parents=True)
    (tmp_path / "carrier" / "__init__.py").write_text("raise ImportError('never imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert located("carrier/model") == str(tmp_path / "carrier" / "model")
    assert "carrier" not in sys.modules
    for name in ("carrier/other", "openai-community/gpt2", "gpt2", str(tmp_path)):
        assert located(name) == name


@pytest.fixture(scope="module")
def pieces() -> PreTrainedTokenizerFast:
    """Byte pairs of the errands as people write them."""
    from tokenizers import ByteLevelBPETokenizer

    bpe = ByteLevelBPETokenizer()
    texts = []
    for target in TARGETS:
        control = target.control
        assert isinstance(control, Infill)
        texts.append(" ".join(control.left).replace(" .", ".") + " it's " + control.right[0])
    special = ["<|endoftext|>", "<|other|>"]
    bpe.train_from_iterator(texts, vocab_size=300, special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer,
        eos_token="<|endoftext|>",
        additional_special_tokens=["<|other|>"],
    )


@pytest.fixture(scope="module")
def llama_folder(tmp_path_factory: pytest.TempPathFactory, pieces: PreTrainedTokenizerFast) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    torch.manual_seed(2)
    LlamaForCausalLM(llama_config(len(pieces))).save_pretrained(folder)
    pieces.save_pretrained(folder)
    return folder


def llama_config(vocabulary: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=4,
        intermediate_size=32,
        max_position_embeddings=64,
        rope_theta=5000.0,
        tie_word_embeddings=True,
        initializer_range=0.3,
    )


def asked(folder: Path) -> LMConfig:
    return LMConfig(pretrained=str(folder), zero_shot=True)


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory, llama_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("adopted")
    codec = PlainCodec.from_pretrained(str(llama_folder), CODEC.vocabulary)
    adopt_lm(folder, codec, asked(llama_folder))
    return folder


def test_a_plain_codec_writes_as_people_do(llama_folder: Path) -> None:
    codec = PlainCodec.from_pretrained(str(llama_folder), CODEC.vocabulary)
    words = ("it", "'s", "ann", ",", "did", "n't", "go", "Outside", ".")
    ids = codec.encode(words)
    assert codec._tokenizer.decode(ids) == " it's ann, didn't go Outside."
    assert codec.words([*ids, codec.eos, 7]) == words
    assert codec.unknown == [] and codec.encode(()) == []
    assert codec.bos == codec.eos == codec.pad and codec.eos not in codec.forbidden
    assert [codec.tokens([i]) for i in codec.forbidden] == [("<|other|>",)]
    assert codec.tokens([codec.inner(".")]) == (".",)
    assert [*codec.encode(words[:3]), *continuation(codec, words[:3], words[3:])] == ids
    with pytest.raises(UserError, match="reads no prompt tokens"):
        codec.with_prompt(["NP"])

    back = PlainCodec.from_pretrained(str(llama_folder), CODEC.vocabulary, reverse=True)
    assert back.encode(words[::-1]) == ids[::-1]
    assert back.words(ids[::-1]) == words[::-1]
    assert back.digest == codec.digest
    for one in (codec, back):
        again = codec_from_json(one.to_json())
        assert again.to_json() == one.to_json() and again.encode(words) == one.encode(words)


def test_an_adopted_llama_is_the_pretrained_one(llama_folder: Path, adopted: Path) -> None:
    model, codec, config = load_lm(adopted, CPU)
    assert config.zero_shot and model.positions == 64
    ids = torch.tensor([codec.encode(("ann", "went", "home", "."))])
    theirs = LlamaForCausalLM.from_pretrained(llama_folder)
    with torch.no_grad():
        found = model.network(input_ids=ids).logits.float()
        # weights are stored, and on some machines multiplied, in bf16
        torch.testing.assert_close(found, theirs(input_ids=ids).logits, rtol=0.05, atol=0.1)


def test_a_llama_is_trained_as_a_gpt2_is(llama_folder: Path, tmp_path: Path) -> None:
    """With the corpus's UNK and the prompt's tokens as rows of its own."""
    config = LMConfig(pretrained=str(llama_folder), max_length=40, train=TrainConfig(steps=3))
    config = replace(config, train=replace(config.train, batch=4, lr=1e-2, bf16=False, every=3))
    codec = TokenizerCodec.from_pretrained(str(llama_folder), CODEC.vocabulary, ["NP"])
    examples = [(("NP",), words) for _, words in stories(8)]
    train_lm(tmp_path, examples, examples[:2], codec, config, 0, device=CPU)
    model, loaded, _ = load_lm(tmp_path, CPU)
    assert loaded.digest == codec.digest and model.vocabulary == len(codec)
    start = LlamaForCausalLM.from_pretrained(llama_folder).model.embed_tokens.weight
    found = model.table[: len(start)].float()
    assert not torch.allclose(found, start, atol=0.02)


def test_methods_ask_a_llama(adopted: Path) -> None:
    """Left-only, DELOREAN and COLD without its right-to-left model; a target's samples do not
    depend on those beside it."""
    model, codec, _ = load_lm(adopted, CPU)
    left = LeftOnly(model, codec, LeftOnlySettings(max_words=4))
    delorean = Delorean(
        model, codec, DeloreanSettings(length=5, passes=2, backward_steps=2, step_size=0.05)
    )
    settings = ColdSettings(length=4, iterations=3, left_right=1.0, max_words=6)
    cold = Cold(model, None, codec, None, settings)
    for method in (left, delorean, cold):
        together = list(method.generate(TARGETS, 2, 0))
        assert [one.target_id for one in together] == [target.id for target in TARGETS]
        for one in together:
            assert all(s.tokens and "<|endoftext|>" not in s.words for s in one.samples)
        alone = [next(method.generate([target], 2, 0, batch=1)) for target in TARGETS[:2]]
        for one, other in zip(alone, together, strict=False):
            assert [s.tokens for s in one.samples] == [s.tokens for s in other.samples]
    assert needs(Cold, "infilling", settings) == ("lm",)
    assert needs(Cold, "infilling", ColdSettings()) == ("lm", "backward_lm")


def test_a_model_of_another_kind_is_refused(bert: Path, tmp_path: Path, adopted: Path) -> None:
    _, codec, _ = load_lm(adopted, CPU)
    with pytest.raises(UserError, match="is a bert; gpt2 and llama are known"):
        adopt_lm(tmp_path, codec, asked(bert))
    with pytest.raises(UserError, match=r"'nowhere\.gguf' is not available"):
        adopt_lm(tmp_path, codec, LMConfig(pretrained="nowhere.gguf", zero_shot=True))
    with pytest.raises(UserError, match=r"zero_shot needs lm\.pretrained"):
        LMConfig(zero_shot=True)


def test_pplm_refuses_a_llama(adopted: Path, tmp_path: Path) -> None:
    pairs = [(FieldValue("food", "tea"), ("tea", "is", "poured", "."))]
    with pytest.raises(UserError, match=r"steers a GPT-2, and lm\.pretrained is a llama"):
        train_attribute_head(tmp_path, adopted, pairs, pairs, AttributeHeadConfig(), 0, device=CPU)


def test_a_gguf_file_is_read(tmp_path: Path, llama_folder: Path) -> None:
    """The weights come back although GGUF stores the rows of queries and keys in another order."""
    gguf = pytest.importorskip("gguf", reason="needs the package gguf")
    model = LlamaForCausalLM.from_pretrained(llama_folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(llama_folder)
    path = tmp_path / "tiny.gguf"
    _write_gguf(gguf, path, model, tokenizer)
    codec = PlainCodec.from_pretrained(str(path), CODEC.vocabulary)
    words = ("ann", "went", "home", ".")
    assert codec.encode(words) == PlainCodec.from_pretrained(
        str(llama_folder), CODEC.vocabulary
    ).encode(words)
    adopt_lm(tmp_path / ".", codec, asked(path))
    found, _, _ = load_lm(tmp_path, CPU)
    ids = torch.tensor([codec.encode(words)])
    with torch.no_grad():
        torch.testing.assert_close(
            found.network(input_ids=ids).logits.float(),
            model(input_ids=ids).logits,
            rtol=0.05,
            atol=0.1,
        )


def _write_gguf(gguf: object, path: Path, model: LlamaForCausalLM, tokenizer: object) -> None:
    import json

    config = model.config
    writer = gguf.GGUFWriter(str(path), "llama")  # type: ignore[attr-defined]
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_embedding_length(config.hidden_size)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(5000.0)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    inner = json.loads(tokenizer.backend_tokenizer.to_str())["model"]  # type: ignore[attr-defined]
    writer.add_tokenizer_model("gpt2")
    order = sorted(inner["vocab"], key=inner["vocab"].get)
    special = {"<|endoftext|>", "<|other|>"}
    writer.add_token_list(order)
    writer.add_token_types([3 if token in special else 1 for token in order])
    writer.add_token_merges([" ".join(pair) for pair in inner["merges"]])
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(0)
    names = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    body = model.model
    writer.add_tensor("token_embd.weight", body.embed_tokens.weight.detach().numpy())
    writer.add_tensor("output_norm.weight", body.norm.weight.detach().numpy())
    for i, layer in enumerate(body.layers):
        for theirs, name in names.items():
            weight = layer.get_submodule(theirs).weight.detach()
            heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
            if name in heads:  # llama.cpp interleaves the two halves that rotate together
                n = heads[name]
                weight = weight.view(n, 2, weight.shape[0] // n // 2, -1).swapaxes(1, 2)
                weight = weight.reshape(-1, config.hidden_size)
            writer.add_tensor(f"blk.{i}.{name}.weight", weight.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_the_preset_trains_what_no_pretrained_model_does() -> None:
    """AR-infilling's network is the preset small's, and COLD does without a right-to-left one."""
    assert parse(["preset=pretrained"]).corpus == "rocstories"
    plan = Plan(parse(["preset=pretrained", "corpus=stories"]))
    small = Plan(parse(["task=infilling", "preset=small", "corpus=stories"]))
    assert plan.config.tasks == ["infilling"]
    assert plan.role("reordered_lm", "infilling").key == small.role("reordered_lm", "infilling").key
    for role in ("lm", "diffusion"):
        assert plan.role(role).key != small.role(role).key
    with pytest.raises(UserError, match="preset=pretrained fills in stories"):
        parse(["preset=pretrained", "corpus=e2e", "task=length"])
