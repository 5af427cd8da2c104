"""Language models behind one interface: each architecture gives what the library itself gives."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from models.nets.artefact import load_network, save_network
from models.nets.backbones import (
    BACKBONES,
    CachedNetwork,
    CausalLM,
    Decoder,
    backbone,
    fresh_body,
    from_record,
)
from models.nets.backbones.gpt2 import GPT2, gpt2
from models.nets.backbones.llama import Llama
from models.nets.config import TrainConfig
from tasks.common.errors import UserError

ROOT = Path(__file__).parent.parent
SIZE = 19
IDS = torch.randint(0, SIZE, (8, 6), generator=torch.Generator().manual_seed(0))


def llama(tied: bool) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=SIZE,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
        initializer_range=0.3,
        tie_word_embeddings=tied,
        attn_implementation="eager",
    )


def made(kind: str) -> CausalLM:
    torch.manual_seed(0)
    if kind == "gpt2":
        model: CausalLM = GPT2(GPT2LMHeadModel(gpt2(SIZE, 12, 2, 16, 4, 0.0)))
    else:
        model = Llama(LlamaForCausalLM(llama(kind == "llama")))
    return model.eval().requires_grad_(False)


every = pytest.mark.parametrize("kind", ["gpt2", "llama", "untied llama"])


@every
@torch.no_grad()
def test_it_gives_what_the_library_gives(kind: str) -> None:
    model = made(kind)
    theirs = model.network(input_ids=IDS, output_hidden_states=True, use_cache=False)
    hidden = model.hidden(IDS)
    assert torch.equal(hidden, theirs.hidden_states[-1])
    assert torch.equal(model.logits(hidden), theirs.logits)
    torch.testing.assert_close(hidden @ model.head.T, theirs.logits)
    assert (model.vocabulary, model.width, model.positions) == (SIZE, 16, 12)
    assert model.table.shape == model.head.shape == (SIZE, 16)
    assert torch.equal(model.embed(IDS), model.network.get_input_embeddings()(IDS))
    mask = torch.ones_like(IDS)
    mask[:, 0] = 0
    where = (mask.cumsum(1) - 1).clamp(min=0)
    given = {"attention_mask": mask, "position_ids": where}
    expected = model.network(input_ids=IDS, output_hidden_states=True, **given).hidden_states[-1]
    assert torch.equal(model.hidden(IDS, mask=mask, positions=where), expected)
    assert torch.equal(model.hidden(embeds=model.embed(IDS)), hidden)


@every
@torch.no_grad()
def test_a_cache_goes_on_where_it_stood(kind: str) -> None:
    """Token by token, in two parts, and with rows in another order: as the whole sequence read."""
    model = made(kind)
    whole = model.hidden(IDS)
    network = CachedNetwork(model)
    for at in range(IDS.shape[1]):
        torch.testing.assert_close(network.feed(IDS[:, at : at + 1]), whole[:, at])
    order = torch.tensor([3, 3, 0, 1, 2, 7, 5, 6])
    network = CachedNetwork(model)
    network.feed(IDS[:, :4])
    network.reorder(order)
    torch.testing.assert_close(network.feed(IDS[order, 4:]), whole[order, -1])

    first, past = model.read(model.embed(IDS[:, :2]))
    assert len(past) == 2 and past[0][0].shape[2] == 2
    for _ in range(2):  # the first part's cache is not used up
        second, longer = model.read(model.embed(IDS[:, 2:]), past)
        torch.testing.assert_close(torch.cat([first, second], 1), whole)
        assert past[0][0].shape[2] == 2 and longer[0][0].shape[2] == IDS.shape[1]


def wide() -> CausalLM:
    """A layer of the width of a model that people use."""
    torch.manual_seed(0)
    config = llama(True)
    config.hidden_size, config.num_attention_heads, config.num_key_value_heads = 576, 9, 3
    config.intermediate_size, config.max_position_embeddings, config.head_dim = 1536, 700, 64
    return Llama(LlamaForCausalLM(config)).eval().requires_grad_(False)


@torch.no_grad()
def test_a_prompt_that_rows_share_is_kept_once() -> None:
    """The states are those of rows that read it each for itself, and a row's are the same bit for
    bit whatever stands beside it, while rows end."""
    model = wide()
    rng = torch.Generator().manual_seed(1)
    prompt = torch.randint(0, SIZE, (1, 600), generator=rng)
    tokens = torch.randint(0, SIZE, (64, 3), generator=rng)

    def states(rows: Sequence[int], leaving: bool = False) -> torch.Tensor:
        network = CachedNetwork(model)
        first = network.feed(prompt)
        network.spread(len(rows))
        assert network.cache.front(0)[0].shape == (3, 600, 64)
        told = [first.expand(len(rows), -1)]
        here = torch.tensor(list(rows))
        for at in range(tokens.shape[1]):
            told.append(network.feed(tokens[here, at : at + 1]))
            if leaving and at == 1:
                here = here[:16]
                network.reorder(torch.arange(16))
        assert network.cache.get_seq_length() == 603
        return torch.stack([one[:16] for one in told], 1)

    alone = states(range(16))
    whole = torch.cat([prompt.expand(16, -1), tokens[:16]], 1)
    torch.testing.assert_close(alone, model.hidden(whole)[:, 599:], rtol=1e-4, atol=1e-5)
    for rows in (range(24), range(40), range(64)):
        assert torch.equal(states(rows), alone)
        assert torch.equal(states(rows, leaving=True), alone)
    back = states(range(15, -1, -1))
    assert torch.equal(back.flip(0), alone)


@pytest.mark.parametrize("width", [128, 256, 576])
@torch.no_grad()
def test_a_row_has_the_logits_that_it_has_among_others(width: int) -> None:
    """Plain products of fewer than 16 rows are summed in another order, from widths of 192 on."""
    torch.manual_seed(0)
    model = GPT2(GPT2LMHeadModel(gpt2(401, 12, 1, width, 4, 0.0))).eval()
    hidden = torch.randn(40, width)
    for rows in (1, 8, 15, 16, 24):
        assert torch.equal(model.logits(hidden[:rows]), model.logits(hidden)[:rows])
    assert torch.equal(model.logits(hidden[:8, None])[:, 0], model.logits(hidden[:8]))


@torch.no_grad()
def test_a_llama_reads_a_row_as_it_does_among_others() -> None:
    """Token by token behind prompts of their own, from a single row on."""
    model = wide()
    ids = torch.randint(0, SIZE, (40, 12), generator=torch.Generator().manual_seed(2))

    def states(rows: int) -> torch.Tensor:
        network = CachedNetwork(model)
        told = [network.feed(ids[:rows, :9])]
        told += [network.feed(ids[:rows, at : at + 1]) for at in range(9, 12)]
        return torch.stack(told, 1)

    whole = states(40)
    for rows in (8, 16, 24):
        assert torch.equal(states(rows), whole[:rows])


def test_gradients_pass_through_a_cache() -> None:
    model = made("gpt2")
    _, past = model.read(model.embed(IDS[:, :2]))
    leaf = past[0][1].clone().requires_grad_()
    hidden, _ = model.read(model.embed(IDS[:, 2:]), [(past[0][0], leaf), *past[1:]])
    hidden.sum().backward()
    assert leaf.grad is not None and float(leaf.grad.abs().sum()) > 0


@every
def test_it_is_stored_whole(kind: str, tmp_path: Path) -> None:
    """An output layer of its own comes back too."""
    model = made(kind)
    facts = {"kind": "test"}
    save_network(tmp_path, model.stored, TrainConfig(), facts)
    again, _, _ = load_network(
        tmp_path,
        TrainConfig,
        lambda _: (from_record(model.record), facts),
        stored=lambda one: one.stored,
    )
    again.served(torch.device("cpu"))
    assert again.record == model.record and type(again) is type(model)
    for ours, theirs in ((again.table, model.table), (again.head, model.head)):
        torch.testing.assert_close(ours.float(), theirs.bfloat16().float())
    assert (again.head is again.table) == (kind != "untied llama")


def test_prompts_need_rows_and_positions() -> None:
    model = made("gpt2")
    old, places = model.table.clone(), model.hidden(IDS)
    model.resize(SIZE + 3)
    model.lengthen(20)
    assert model.vocabulary == SIZE + 3 and model.positions == 20
    assert torch.equal(model.table[:SIZE], old) and torch.equal(model.hidden(IDS), places)
    assert model.hidden(torch.zeros(8, 20, dtype=torch.long)).shape == (8, 20, 16)
    model.lengthen(5)
    assert model.positions == 20
    with pytest.raises(UserError, match="lower max_length"):
        made("llama").lengthen(13)
    made("llama").lengthen(12)


def test_a_body_may_have_no_table() -> None:
    shape = {"layers": 1, "width": 8, "heads": 2, "dropout": 0.0}
    body = fresh_body(0, 6, **shape, feedforward=12, attention_dropout=0.5)
    names = [name for name, _ in body.named_parameters()]
    assert not any(name.startswith("wte") for name in names)
    assert body.h[0].mlp.c_fc.weight.shape == (8, 12) and body.config.attn_pdrop == 0.5
    assert Decoder(body.eval()).hidden(embeds=torch.randn(2, 3, 8)).shape == (2, 3, 8)
    assert Decoder(fresh_body(5, 6, **shape)).table.shape == (5, 8)


def test_what_an_architecture_can_be_asked_for() -> None:
    kinds = {name: backbone(name) for name in BACKBONES}
    assert all(cls.kind == name for name, cls in kinds.items())
    assert [name for name, cls in kinds.items() if cls.steerable] == ["gpt2"]
    assert [name for name, cls in kinds.items() if cls.gguf] == ["llama"]


#: what one architecture or its library calls its parts
NAMES = re.compile(
    r"\bGPT2\w*|\bLlama\w*|\.transformer\b|\.lm_head\b|\bn_(positions|embd|layer|head|inner)\b"
    r"|\.w[tp]e\b|\bDynamicCache\b|\bpast_key_values\b|\.last_hidden_state\b.*causal"
    r"|['\"](gpt2|llama)['\"]"
)


def test_no_other_file_names_an_architecture() -> None:
    rooms = ("tasks", "models", "baselines", "eval", "slurm")
    files = [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    inside = ROOT / "models" / "nets" / "backbones"
    odd = {
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        if inside not in path.parents
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if NAMES.search(line.split("#:")[0])
    }
    assert len(files) > 100 and not odd
