"""Revising with the network of edits: the beam against enumeration, draws against the law."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from edit_nets import WORDS, network
from scipy.stats import chisquare

from models.diffuser.beam import Beam, Path, likeliest_tags, search
from models.diffuser.draft import Draft, Writing
from models.diffuser.edits import Ids, Kind, Marks, applied, places
from models.diffuser.network import EditModel
from models.diffuser.pairs import Pair, batch
from models.diffuser.reviser import Drawn, Reviser, greedy
from tasks.vocabulary import END, PAD, SPECIALS, START, UNK, Vocabulary

#: two words, texts of at most two of them: few enough to enumerate all that a revision can do
SMALL = Vocabulary([*SPECIALS, "a", "b"])
A, B = 4, 5
NET = network(SMALL, length=4)
REVISER = Reviser(NET, 4)
MANY = 4**3 * 40


def nats(net: EditModel, draft: Draft, marks: Marks) -> float:
    """log p of tags and spans, without a cache and in one pass, as training computes it."""
    longest = net.encoder.positions
    made = batch([Pair(draft.words, marks)], longest, net.opening)
    at = made.said >= 0
    tags, words = net(made.ids, made.tags, made.tokens, made.places, at)
    total = 0.0
    for i, allowed in enumerate(draft.options()):
        free = [int(kind) for kind in allowed]
        row = tags[0, i, free].double().log_softmax(-1)
        total += float(row[free.index(int(marks.tags[i]))])
    kept = sum(tag in (Kind.KEEP, Kind.INSERT) for tag in marks.tags[1:])
    room = longest - 2 - kept
    written = iter(words.double())
    for span in marks.spans:
        size = 0
        for word in (*span, END):
            logits = next(written).clone()
            logits[[START, UNK, PAD]] = -torch.inf
            if not room:
                logits[:] = -torch.inf
                logits[END] = 0.0
            elif not size:
                logits[END] = -torch.inf
            total += float(logits.log_softmax(-1)[word])
            size, room = size + 1, room - (word != END)
    return total


def ways(draft: Draft, room: int = 2) -> Iterator[Marks]:
    """Every revision of a text of at most two words."""
    for tags in itertools.product(*draft.options()):
        if not draft.leaves(tags):
            continue
        kept = sum(tag in (Kind.KEEP, Kind.INSERT) for tag in tags[1:])
        yield from (Marks(tags, spans) for spans in _spans(len(places(tags)), room - kept))


def _spans(count: int, room: int) -> Iterator[tuple[Ids, ...]]:
    if not count:
        yield ()
        return
    sizes = range(1, room + 1) if room else [0]
    for size in sizes:
        for span in itertools.product((A, B), repeat=size):
            yield from ((span, *rest) for rest in _spans(count - 1, room - size))


def law(draft: Draft) -> dict[Marks, float]:
    return {marks: nats(NET, draft, marks) for marks in ways(draft)}


STATES = [Draft(words) for n in range(3) for words in itertools.product((A, B), repeat=n)]
LAWS = {draft: law(draft) for draft in STATES}


def test_all_revisions_are_a_law() -> None:
    """What may happen adds up to 1, but for revisions that would leave no word."""
    for draft, each in LAWS.items():
        total = sum(map(math.exp, each.values()))
        (read,) = REVISER.read([draft])
        none = 0.0
        if draft.words:
            gone = [Kind.KEEP, *[Kind.DELETE] * len(draft.words)]
            none = math.exp(sum(float(read.log_tags[i, kind]) for i, kind in enumerate(gone)))
        assert total + none == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("draft", STATES, ids=str)
def test_a_wide_beam_is_an_exhaustive_search(draft: Draft) -> None:
    (found,) = Beam(REVISER, MANY)([draft])
    wanted = sorted(LAWS[draft].items(), key=lambda one: -one[1])
    assert len(found) == len(wanted)
    for (p, made), (marks, q) in zip(found[:5], wanted[:5], strict=True):
        assert p == pytest.approx(q, abs=1e-4) and made.words == applied(draft.words, marks)


def moves(drafts: Sequence[Draft]) -> list[list[tuple[float, Draft]]]:
    return [[(q, draft.revised(marks)) for marks, q in LAWS[draft].items()] for draft in drafts]


def best_path(start: Draft, revisions: int) -> tuple[float, tuple[Draft, ...]]:
    """By trying every chain of revisions."""
    if not revisions:
        return 0.0, ()
    found = []
    for draft in STATES[1:]:
        step = max((q for q, made in moves([start])[0] if made == draft), default=-math.inf)
        rest, trace = best_path(draft, revisions - 1)
        found.append((step + rest, (draft, *trace)))
    return max(found)


def test_the_beam_of_both_dimensions_is_an_exhaustive_search() -> None:
    """With room for every candidate and every text, on the table and with the network."""
    for revisions in (1, 2, 3):
        wanted, trace = best_path(STATES[0], revisions)
        for expand in (moves, Beam(REVISER, MANY)):
            ((best, *_),) = search(STATES[:1], expand, len(STATES), revisions)
            assert best.log_p == pytest.approx(wanted, abs=1e-4) and best.trace == trace
            assert best.draft == trace[-1]


def plain_beam(net: EditModel, width: int, limit: int) -> tuple[Ids, float]:
    """A beam search for what is inserted into nothing, every prefix read anew."""
    ids = torch.tensor([[START, END, *[PAD] * 6]])
    tags = torch.zeros_like(ids)
    tags[0, 0] = int(Kind.INSERT)
    running: list[tuple[float, Ids, bool]] = [(0.0, (), False)]
    while not all(ended for _, _, ended in running):
        grown = [one for one in running if one[2]]
        for p, words, ended in running:
            if ended:
                continue
            tokens = torch.tensor([[START, net.opening, *words]])
            at = torch.zeros_like(tokens, dtype=torch.bool)
            at[0, -1] = True
            _, logits = net(ids, tags, tokens, torch.zeros_like(tokens), at)
            said = logits[0].double()
            said[[START, UNK, PAD]] = -torch.inf
            if not words:
                said[END] = -torch.inf
            if len(words) == limit:
                said[[i for i in range(len(said)) if i != END]] = -torch.inf
            for word, q in enumerate(said.log_softmax(-1).tolist()):
                if q > -math.inf:
                    more = words if word == END else (*words, word)
                    grown.append((p + q, more, word == END))
        running = sorted(grown, key=lambda one: -one[0])[:width]
    p, words, _ = running[0]
    return words, p


@pytest.mark.parametrize("width", [1, 3])
def test_one_kept_draft_is_an_ordinary_beam(width: int) -> None:
    """From nothing it is a beam search for the text; then each revision starts from the best."""
    net = network(length=16, scale=2.0)
    beam = Beam(Reviser(net, 16), width)
    ((best,),) = search([Draft(())], beam, 1, 1)
    words, p = plain_beam(net, width, 14)
    assert best.draft.words == words and best.log_p == pytest.approx(p, abs=1e-3)
    ((path,),) = search([Draft(())], beam, 1, 3)
    draft, total = Draft(()), 0.0
    for seen in path.trace:
        p, draft = max(beam([draft])[0], key=lambda one: one[0])
        total += p
        assert seen == draft
    assert path.log_p == pytest.approx(total)


def test_draws_follow_the_law() -> None:
    draft, count = Draft((A, B)), 3000
    rng = torch.Generator().manual_seed(0)
    (read,) = REVISER.read([draft])
    u = torch.rand(count, 16, dtype=torch.float64, generator=rng).tolist()
    begun = [REVISER.tags(read, row[:4]) for row in u]
    done = REVISER.write([read] * count, begun, Drawn([row[4:] for row in u], 1.0, 1.0))
    tally: dict[Marks, int] = {}
    for one in done:
        marks = Marks(one.tags, one.spans)
        tally[marks] = tally.get(marks, 0) + 1
    common = {marks: math.exp(q) for marks, q in LAWS[draft].items() if math.exp(q) * count > 8}
    # a start that inserts stands for what would leave no word, too
    common = {m: p for m, p in common.items() if set(m.tags[1:]) != {Kind.DELETE}}
    counts = [tally.get(marks, 0) for marks in common]
    rest = count - sum(counts)
    law = [p * count for p in common.values()]
    assert len(common) > 5
    assert chisquare([*counts, rest], [*law, count - sum(law)]).pvalue > 1e-3


def test_the_greedy_revision() -> None:
    net = network(length=16)
    reviser, drafts = Reviser(net, 16), [Draft((4, 5, 6)), Draft((4,) * 12), Draft(())]
    reads = reviser.read(drafts)
    done = reviser.write(reads, [reviser.tags(read, None) for read in reads], greedy)
    for one, read in zip(done, reads, strict=True):
        wanted = nats(net, read.draft, Marks(one.tags, one.spans))
        assert one.log_p == pytest.approx(wanted, abs=1e-3)
    alone = [reviser.write([r], [reviser.tags(r, None)], greedy)[0] for r in reads]
    assert [one.log_p for one in alone] == [one.log_p for one in done]


def test_given_words_stay() -> None:
    draft = Draft((4, 5, 6, 7), 1, 2)
    keep, every = (Kind.KEEP,), tuple(Kind)
    assert draft.options() == [keep, (Kind.KEEP, Kind.INSERT), every, keep, keep]
    assert Draft((4, 7), 1, 1).options() == [keep, (Kind.INSERT,), keep]
    assert not draft.leaves([Kind.KEEP, Kind.KEEP, Kind.DELETE, Kind.KEEP, Kind.KEEP])
    rng = torch.Generator().manual_seed(0)
    reviser = Reviser(network(length=16), 16)
    for _ in range(30):
        (read,) = reviser.read([draft])
        u = torch.rand(60, dtype=torch.float64, generator=rng).tolist()
        (one,) = reviser.write([read], [reviser.tags(read, u)], Drawn([u[16:]], 1.0, 0.9))
        draft = one.result
        assert draft.words[:1] == (4,) and draft.words[-2:] == (6, 7) and draft.middle
        assert len(draft.words) <= 14 and not {START, END, UNK, PAD} & set(draft.words)


def test_the_likeliest_tags() -> None:
    (read,) = REVISER.read([Draft((A, B))])
    every: Callable[[tuple[Kind, ...]], float] = lambda tags: sum(  # noqa: E731
        float(read.log_tags[i, tag]) for i, tag in enumerate(tags)
    )
    wanted = sorted(
        (t for t in itertools.product(*read.draft.options()) if read.draft.leaves(t)),
        key=lambda tags: -every(tags),
    )
    assert [tags for _, tags in likeliest_tags(read, 7)] == wanted[:7]
    assert len(likeliest_tags(read, 99)) == len(wanted) == 31


def test_a_bonus_chooses() -> None:
    """Guidance stands beside log p where candidates are kept."""
    ((best, *_),) = search(
        STATES[:1], moves, 2, 2, lambda owners, drafts: [99.0 * (d.words == (B,)) for d in drafts]
    )
    assert best.draft.words == (B,) and isinstance(best, Path) and len(best.trace) == 2
    assert Writing.of(Draft((A,)), (Kind.KEEP, Kind.KEEP), 0.0, 2, 6).done
    assert len(WORDS) == 8
