"""From a file of one's own to a table, and texts for controls typed by hand, at toy size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from own_corpus import TOY, rows, write

from eval import generate, score, targets
from eval.run import guarded, main
from eval.running.cells import read_samples
from tasks.controls import FieldValue
from tasks.given import given

SOUP = given(FieldValue("dish", "soup"))


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    base = tmp_path_factory.mktemp("own")
    corpus = write(base / "moods.jsonl", rows())
    return [*TOY, "task=semantic_content", f"corpus={corpus}", f"store={base}/store"]


def test_own_labels_from_a_file_to_a_table(
    common: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*common, "method=diffusion_lm,ft_sample", "targets=3", f"out={tmp_path}/out"]
    assert main(given) == 0
    shown = capsys.readouterr().out
    assert "190 texts to train on, 10 held out" in shown
    asked = (tmp_path / "out/semantic_content/targets.jsonl").read_text()
    assert {json.loads(line)["control"]["field"] for line in asked.splitlines()} <= {
        "dish", "mood", "who",
    }  # fmt: skip
    table = (tmp_path / "out/table.md").read_text()
    assert "| ft_sample | value_stated |" in table
    assert "| human text | value_words |  | 100.0" in table
    assert main(given) == 0 and "nothing was left to do" in capsys.readouterr().out


def test_texts_for_a_control_typed_by_hand(
    common: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same samples as in a run with a file of that control, and eval.score judges them."""
    common = [*common, f"out={tmp_path}/out"]
    lists, file = tmp_path / "mine.jsonl", tmp_path / "samples.jsonl"
    asked = [*common, "method=ft_sample", "control=dish=soup"]
    assert guarded(generate.main, [*asked, f"file={file}"]) == 0
    shown = capsys.readouterr().out
    assert "dish is soup" in shown and "satisfied" in shown and "ft_sample" in shown
    samples = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(one["target"], one["index"]) for one in samples] == [(SOUP.id, 0), (SOUP.id, 1)]
    assert all(set(one["scores"]) == {"value_stated"} and one["lm"] > 1 for one in samples)

    assert guarded(targets.main, [*common, "control=dish=soup", f"file={lists}"]) == 0
    (line,) = map(json.loads, lists.read_text().splitlines())
    assert line["id"] == SOUP.id and line["prompt"] == ["dish", ":", "soup"]
    assert not (tmp_path / "out").exists()

    listed = [*common, f"controls={lists}"]
    assert main([*listed, "method=ft_sample"]) == 0
    cell = tmp_path / "out/semantic_content/ft_sample"
    assert [r["words"] for r in read_samples(cell)] == [one["words"] for one in samples]
    # there samples= is the file
    judged = [one for one in listed if not one.startswith("samples=")]
    assert guarded(score.main, [*judged, f"samples={file}", "name=theirs"]) == 0
    assert "| theirs | value_stated |" in (tmp_path / "out/table.md").read_text()
    # another list is another result
    lists.write_text(json.dumps({"control": "dish=cake"}) + "\n")
    assert main([*listed, "method=ft_sample"]) == 2
    assert "of other settings, controls" in capsys.readouterr().err


def test_several_methods_and_both_controls_at_once(
    common: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [one for one in common if not one.startswith("task=")]
    both = [*common, "task=length+semantic_content", f"file={tmp_path}/out.jsonl"]
    typed = ["length.control=9", "semantic_content.control=mood=sad"]
    methods = "method=diffusion_lm,ft_poe"
    assert guarded(generate.main, [*both, *typed, methods, f"out={tmp_path}/set"]) == 0
    shown = capsys.readouterr().out
    assert "9 words and mood is sad" in shown and "Length" in shown and "Semantic" in shown
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["out.diffusion_lm.jsonl", "out.ft_poe.jsonl"]
    for control in ("length.control=9", "lenght.control=9"):
        assert guarded(generate.main, [*both, control, methods]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert "write a control of each part" in said or "did you mean 'length.control'" in said
