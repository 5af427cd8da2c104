"""``eval.targets`` and ``eval.score``: another program's samples beside everyone else's."""

import json
import shutil
from pathlib import Path

import pytest

from eval import score, targets
from tasks.common.errors import UserError

PREBUILT = Path(__file__).parent.parent / "results" / "prebuilt"


@pytest.fixture(scope="module")
def common(tmp_path_factory):
    base = tmp_path_factory.mktemp("score")
    return [
        "task=length",
        "targets=3",
        f"out={base}/set",
        f"store={base}/store",
        f"prebuilt={PREBUILT}",
    ]


def test_targets_go_to_a_file_or_the_standard_output_and_samples_are_judged(
    common, tmp_path, capsys
):
    targets.main([*common, f"file={tmp_path}/t.jsonl"])
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    targets.main(common)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == lines
    assert [line["prompt"] for line in lines] == [[str(line["control"]["words"])] for line in lines]
    # where the folder holds those of other settings they are listed all the same, and it is left
    targets.main([common[0], "targets=2", *common[2:]])
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == lines[:2]
    assert len((Path(common[2][4:]) / "length" / "targets.jsonl").read_text().splitlines()) == 3

    path = tmp_path / "mine.jsonl"
    with open(path, "w") as file:
        for line in lines:
            for off in (0, 1):  # the second one is a word too long
                words = ["cheap"] * (line["control"]["words"] + off)
                file.write(json.dumps({"target": line["id"], "words": words}) + "\n")
    score.main([*common, f"samples={path}", "name=parrot"])
    out = Path(common[2].removeprefix("out="))
    table = (out / "table.md").read_text()
    assert (
        "| parrot |  | len_exact |  | 50.0 |" in table
        and "| parrot |  | len_pm2 |  | 100.0 |" in table
    )
    assert "| human text |  | len_exact |  | 100.0 |" in table
    assert "n/a: not run" in table  # no unconditional samples were made for it

    # other samples under the same name are refused, then replaced when asked
    path.write_text("".join(path.read_text().splitlines(keepends=True)[::2]))
    with pytest.raises(UserError, match="holds a result of other settings, external"):
        score.main([*common, f"samples={path}", "name=parrot"])
    score.main([*common, f"samples={path}", "name=parrot", "overwrite=true"])
    assert "| parrot |  | len_exact |  | 100.0 |" in (out / "table.md").read_text()


def test_rows_of_other_methods_stay(common: list[str], tmp_path: Path) -> None:
    targets.main([*common, f"file={tmp_path / 't.jsonl'}"])
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    texts = ({"target": line["id"], "text": "a b"} for line in lines)
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(one) + "\n" for one in texts))
    score.main([*common, f"samples={tmp_path / 's.jsonl'}", "name=first"])
    folder = Path(common[2].removeprefix("out=")) / "length"
    shutil.copytree(folder / "first", folder / "mine")  # as of a method in a file
    config = folder / "mine" / "config.json"
    facts = json.loads(config.read_text())
    facts["identity"] = {"method": "mine"}
    config.write_text(json.dumps(facts))
    score.main([*common, f"samples={tmp_path / 's.jsonl'}", "name=second"])
    table = (folder.parent / "table.md").read_text()
    assert all(f"| {name} |" in table for name in ("first", "mine", "second"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "samples=FILE is missing"),
        (["samples=none.jsonl"], "there is no samples file"),
        (["samples=x.jsonl", "name=fudge"], "choose another name"),
        (["samples=x.jsonl", "name=a/b"], "choose another name"),
        (["samples=x.jsonl", "task=length,syntax_spans"], "one task at a time"),
        (["samples=x.jsonl", "tsak=length"], "did you mean"),
    ],
)
def test_mistakes_are_named(common, given, said):
    rest = [c for c in common if c.partition("=")[0] not in {g.partition("=")[0] for g in given}]
    with pytest.raises(UserError, match=said):
        score.main([*rest, *given])


def test_targets_without_samples_are_counted(common, tmp_path):
    targets.main([*common, f"file={tmp_path}/t.jsonl"])
    first = json.loads((tmp_path / "t.jsonl").read_text().splitlines()[0])
    (tmp_path / "s.jsonl").write_text(json.dumps({"target": first["id"], "text": "a b"}) + "\n")
    with pytest.raises(UserError, match="no sample for 2 of 3 targets"):
        score.main([*common, f"samples={tmp_path}/s.jsonl"])
