"""Human evaluation: what raters see, what the key keeps, and the scores that come of it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from eval.reading.results import ResultSet
from eval.run import guarded
from eval.running.cells import withheld, write_lines
from eval.studies.human import export, key_path, main
from eval.studies.ratings import COLUMNS, Key, Pair, digest, import_ratings, read_ratings
from tasks.common.errors import UserError
from tasks.common.files import write_text
from tasks.controls import Infill, to_json

METHODS = ("diffusion_lm", "ar_infilling")
ITEMS = 12


def context(i: int) -> Infill:
    return Infill(("Ann", "had", f"{i}", "cats", "."), ("She", "did", "n't", "mind", "."))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "stories")


def make(folder: Path, hidden: bool = False) -> Path:
    """Two methods' candidates, three a target, of which the second and the third are chosen."""
    task = folder / "infilling"
    targets = [(f"valid-{i}", context(i)) for i in range(ITEMS)]
    controls = [(name, withheld(own) if hidden else own) for name, own in targets]
    write_lines(task / "targets.jsonl", [{"id": n, "control": to_json(c)} for n, c in controls])
    for method, chosen in zip(METHODS, (1, 2), strict=True):
        records = []
        for name, _ in targets:
            for index in range(3):
                words = ["They", "were", "n't", method[0] * 3, name, str(index), "."]
                own = {"target": name, "index": index, "of": 3, "nfe": 1.0, "chosen": chosen}
                records.append({**own, "words": words, "tokens": words})
        write_lines(task / method / "samples.jsonl", records)
    return folder


def written(folder: Path, **options: object) -> tuple[list[dict[str, str]], Key, Path]:
    out = folder.parent / f"pairs-{len(list(folder.parent.iterdir()))}.csv"
    main(["export", f"run={folder}", f"out={out}", *(f"{k}={v}" for k, v in options.items())])
    return list(csv.DictReader(io.StringIO(out.read_text()))), Key.read(key_path(out)), out


def rate(out: Path, said: Mapping[str, tuple[str, str, str]], to: Path | None = None) -> Path:
    """Fills in answer, rating A and rating B of these pairs."""
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    for row in rows:
        given = said.get(row["pair"], ("", "", ""))
        row.update(zip(COLUMNS[5:], given, strict=True))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    place = to or out
    place.write_text(text.getvalue())
    return place


# export


def test_pairs_are_blind_and_the_key_opens_them(folder: Path) -> None:
    rows, key, out = written(folder, items=10)
    assert len(rows) == len({row["pair"] for row in rows}) == 10
    assert not any(method in out.read_text() for method in METHODS)
    chosen = {"diffusion_lm": ("ddd", 1), "ar_infilling": ("aaa", 2)}
    for row in rows:
        pair = key.pairs[row["pair"]]
        assert {pair.a, pair.b} == set(METHODS)
        for side, method in (("text A", pair.a), ("text B", pair.b)):
            letters, index = chosen[method]
            assert row[side] == f"They weren't {letters} {pair.target} {index}."
        number = pair.target.removeprefix("valid-")
        assert row["left context"] == f"Ann had {number} cats."
        assert row["right context"] == "She didn't mind."
        assert row["answer"] == row["rating A"] == row["rating B"] == ""
    sides = {pair.a for pair in key.pairs.values()}
    assert sides == set(METHODS)  # no method is always A
    targets = [key.pairs[row["pair"]].target for row in rows]
    assert targets != sorted(targets, key=lambda name: int(name[6:]))


def test_the_seed_decides(folder: Path) -> None:
    results, methods = ResultSet(folder), list(METHODS)
    texts = [export(results, methods, 8, seed, lambda _: {})[0] for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]


def test_all_items_where_there_are_fewer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, _, _ = written(folder)
    assert len(rows) == ITEMS and f"{ITEMS} pairs of {ITEMS} items" in capsys.readouterr().out


def test_only_targets_that_all_methods_answered(folder: Path) -> None:
    path = folder / "infilling" / METHODS[0] / "samples.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:6]))  # two targets
    _, key, _ = written(folder)
    assert {pair.target for pair in key.pairs.values()} == {"valid-0", "valid-1"}


def test_every_two_of_three_methods(folder: Path) -> None:
    task = folder / "infilling"
    third = (task / METHODS[0] / "samples.jsonl").read_text().replace("ddd", "lll")
    write_text_at(task / "left_only" / "samples.jsonl", third)
    _, key, _ = written(folder, items=2, methods="diffusion_lm,ar_infilling,left_only")
    found = [(pair.target, frozenset((pair.a, pair.b))) for pair in key.pairs.values()]
    assert len(found) == len(set(found)) == 6


def write_text_at(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    write_text(path, text)


def test_withheld_contexts_come_from_the_corpus(tmp_path: Path) -> None:
    folder = make(tmp_path / "stories", hidden=True)
    out = tmp_path / "pairs.csv"
    given = {f"valid-{i}": context(i) for i in range(ITEMS)}
    command = ["export", f"run={folder}", f"out={out}", "items=3"]
    with pytest.raises(UserError, match="the corpus at hand has no such target valid-0"):
        main(command, lambda _: given | {"valid-0": context(5)})
    with pytest.raises(UserError, match="no such target valid-11"):
        main(command, lambda _: {k: v for k, v in given.items() if k != "valid-11"})
    assert not out.exists()
    main(command, lambda _: given)
    assert "She didn't mind." in out.read_text()


def test_ratings_are_never_overwritten(folder: Path) -> None:
    _, _, out = written(folder, items=2)
    with pytest.raises(UserError, match="exists, and may hold ratings"):
        main(["export", f"run={folder}", f"out={out}"])
    out.unlink()
    with pytest.raises(UserError, match=r"pairs-1\.key\.json exists"):
        main(["export", f"run={folder}", f"out={out}"])


def test_what_cannot_be_exported(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown method 'ar_infiling': did you mean"):
        written(folder, methods="diffusion_lm,ar_infiling")
    with pytest.raises(UserError, match="pairs need two methods or more"):
        written(folder, methods="diffusion_lm")
    with pytest.raises(UserError, match="items=0: at least 1"):
        written(folder, items=0)
    (folder / "infilling").rename(folder / "length")
    with pytest.raises(UserError, match="has no task that fills in a text"):
        written(folder)


# import


def answered(key: Key, method: str, better: int, worse: int) -> dict[str, tuple[str, str, str]]:
    """``method`` preferred in every pair, and these ratings of it and of the other."""
    found = {}
    for name, pair in key.pairs.items():
        first = pair.a == method
        ratings = (better, worse) if first else (worse, better)
        found[name] = ("A" if first else "b", str(ratings[0]), str(ratings[1]))
    return found


def test_scores_by_hand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, key, out = written(folder, items=4)
    names = list(key.pairs)
    said = answered(key, "diffusion_lm", 4, 2)
    said[names[0]] = ("tie", "3", "3")
    rate(out, said)
    main(["import", f"run={folder}", f"ratings={out}"])
    found = json.loads((folder / "infilling" / "human_ratings.json").read_text())
    ours, theirs = (found["methods"][method] for method in METHODS)
    # 4 is 3/4, 3 is 1/2, 2 is 1/4; three items and one
    assert ours["rating"]["score"] == pytest.approx((3 * 0.75 + 0.5) / 4, abs=1e-4)
    assert theirs["rating"]["score"] == pytest.approx((3 * 0.25 + 0.5) / 4, abs=1e-4)
    assert ours["preference"]["score"] == 0.875 and theirs["preference"]["score"] == 0.125
    assert (ours["quantity"], ours["score"]) == ("rating", ours["rating"]["score"])
    assert ours["rating"]["items"] == ours["rating"]["answers"] == 4
    assert ours["plus"] == pytest.approx(ours["high"] - ours["score"], abs=1e-4)
    assert ours["minus"] == pytest.approx(ours["score"] - ours["low"], abs=1e-4)
    (rated, _) = found["differences"]
    assert (rated["first"], rated["second"]) == METHODS
    assert rated["difference"] == pytest.approx(0.375, abs=1e-4)
    shown = capsys.readouterr().out
    arms = f"+{ours['plus']:.2f} -{ours['minus']:.2f}"
    assert f"diffusion_lm   0.69 {arms}  (4 items, 4 answers)" in shown
    assert "diffusion_lm less ar_infilling: +0.38" in shown


def test_the_interval_is_that_of_a_mean(folder: Path) -> None:
    # 400 items, ratings 1 and 5 in equal parts: 0.5 +- 1.96 * 0.5 / sqrt(400)
    pairs = {f"p-{i:04}": Pair(f"t{i}", *METHODS, digest("x", "y")) for i in range(400)}
    key = Key("stories", list(METHODS), 0, pairs)
    lines = [",".join(COLUMNS)]
    lines += [f"{name},l,r,x,y,,{1 + 4 * (i % 2)},3" for i, name in enumerate(pairs)]
    path = folder.parent / "many.csv"
    path.write_text("\n".join(lines))
    own = import_ratings([path], key)["methods"]["diffusion_lm"]
    assert own["score"] == 0.5 and "preference" not in own
    expected = 1.96 * 0.5 / math.sqrt(400)
    assert own["plus"] == pytest.approx(expected, rel=0.1)
    assert own["minus"] == pytest.approx(expected, rel=0.1)


def test_several_raters(folder: Path, tmp_path: Path) -> None:
    _, key, out = written(folder, items=4)
    one = rate(out, answered(key, "diffusion_lm", 5, 1))
    names = list(key.pairs)
    other = answered(key, "ar_infilling", 5, 1)
    two = rate(out, {names[0]: other[names[0]]}, tmp_path / "ada.csv")  # the rest is left open
    main(["import", f"run={folder}", f"ratings={one},{two}"])
    found = json.loads((folder / "infilling" / "human_ratings.json").read_text())
    own = found["methods"]["diffusion_lm"]["rating"]
    # the mean over items of the mean over an item's raters: (1/2 + 1 + 1 + 1) / 4
    assert own["score"] == 0.875 and (own["items"], own["answers"]) == (4, 5)
    assert found["raters"] == 2 and found["pairs"] == 4
    with pytest.raises(UserError, match="given twice"):
        main(["import", f"run={folder}", f"ratings={one},{one}"])


def test_preferences_alone(folder: Path) -> None:
    _, key, out = written(folder, items=4)
    said = answered(key, "ar_infilling", 5, 1)
    rate(out, {name: (answer, "", "") for name, (answer, _, _) in said.items()})
    main(["import", f"run={folder}", f"ratings={out}"])
    found = json.loads((folder / "infilling" / "human_ratings.json").read_text())["methods"]
    assert found["ar_infilling"]["quantity"] == "preference"
    assert (found["ar_infilling"]["score"], found["diffusion_lm"]["score"]) == (1.0, 0.0)
    assert "rating" not in found["ar_infilling"]


def test_every_malformed_line_is_named(folder: Path) -> None:
    _, key, out = written(folder, items=8)
    rows = list(csv.reader(io.StringIO(out.read_text())))
    names = list(key.pairs)
    rows[1][5] = "C"
    rows[2][6] = "7"
    rows[2][7] = "3"
    rows[3][6] = "4"
    rows[4][0] = "p-unknown"
    rows[5][0] = rows[6][0]
    rows[5][3:5] = rows[6][3:5]
    rows[7][3], rows[7][4] = rows[7][4], rows[7][3]
    rows[8][5] = " TIE "
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    out.write_text(text.getvalue())
    with pytest.raises(UserError) as caught:
        read_ratings(out, key)
    said = str(caught.value).split("; ")
    assert said == [
        f"{out}: line 2: answer 'C' is none of A, B, tie",
        "line 3: rating '7' is none of 1 to 5",
        "line 4: one rating of the two is missing",
        "line 5: 'p-unknown' is no pair of the key",
        f"line 7: pair {names[5]} stands twice",
        f"line 8: pair {names[6]} has other texts than were exported",
    ]


def test_what_spreadsheets_make_of_a_file(folder: Path) -> None:
    _, key, out = written(folder, items=3)
    rate(out, answered(key, "diffusion_lm", 5, 1))
    rows = list(csv.reader(io.StringIO(out.read_text())))
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="\r\n").writerows(rows)
    curly = text.getvalue().replace("'", "\u2019")
    out.write_bytes(("\ufeff" + curly).encode())
    assert len(read_ratings(out, key)) == 3
    out.write_bytes(text.getvalue().replace("'", "\x92").encode("latin-1"))
    with pytest.raises(UserError, match="line 1: not UTF-8|line 2: not UTF-8"):
        read_ratings(out, key)


def test_files_that_are_none(folder: Path, tmp_path: Path) -> None:
    _, key, out = written(folder, items=2)
    with pytest.raises(UserError, match="no line has an answer yet"):
        main(["import", f"run={folder}", f"ratings={out}"])
    with pytest.raises(UserError, match=r"other\.key\.json is missing"):
        main(["import", f"run={folder}", f"ratings={tmp_path / 'other.csv'}"])
    with pytest.raises(UserError, match=r"no file of ratings .*other\.csv"):
        read_ratings(tmp_path / "other.csv", key)
    (tmp_path / "bare.csv").write_text("pair,answer\n")
    with pytest.raises(UserError, match="has no column 'left context'"):
        read_ratings(tmp_path / "bare.csv", key)
    (tmp_path / "no.key.json").write_text("{}")
    with pytest.raises(UserError, match="is no key of pairs"):
        Key.read(tmp_path / "no.key.json")
    another = make(tmp_path / "another")
    with pytest.raises(UserError, match="exported from stories, not from another"):
        main(["import", f"run={another}", f"ratings={out}"])


def test_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(main, []) == guarded(main, ["exprt"]) == 2
    assert "did you mean 'export'" in capsys.readouterr().err
    assert guarded(main, ["--help"]) == 0
    shown = capsys.readouterr().out
    assert "Keys of export" in shown and "Keys of import" in shown and "rating A" in shown
    assert guarded(main, ["import", "--help"]) == 0
    assert "one a rater" in capsys.readouterr().out
    assert guarded(main, ["export", f"run={folder}", "itms=3"]) == 2
    assert "did you mean 'items'" in capsys.readouterr().err
