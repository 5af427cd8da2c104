"""What is shown of samples: scores in words, and the asked-for words marked."""

from eval.reading.marks import mark_all
from eval.reading.results import Judged
from eval.reading.samples import Shown, headlines, show
from tasks import load_task
from tasks.controls import AllOf, FieldValue, Length, Span, TagSequence

WORDS = ("The", "Mill", "serves", "food", ".", "\n")
NAME = FieldValue("name", "The Mill")
READING = {"tree": "(S (NP (NN The) (NN Mill)) (VP (NN serves) (NP (NN food))) (NN .) (NN \n))"}


TASKS = {
    FieldValue: "semantic_content",
    Length: "length",
    Span: "syntax_spans",
    TagSequence: "parts_of_speech",
}


def judged(control, reading):
    return Judged(control, reading, load_task(TASKS[type(control)]))


def lines(control, *scores):
    marks = mark_all(WORDS, [judged(part, READING) for part in control.parts])
    return [line.plain for line in show([Shown("fudge", control, WORDS, scores, marks)])]


def test_a_stated_value_is_marked():
    assert lines(NAME, 1.0) == [
        "name is The Mill",
        "  yes fudge         [The Mill] serves food . ⏎",
    ]


def test_a_span_is_marked_without_colour_too_whether_it_is_there_or_not():
    words, found = ("The", "Fig", "is", "[", "cheap", "\n"), []
    for tree in ("(S (NN The) (NP (NN Fig) (NN is)) (NN *))", "(S (NP (NN The) (NN Fig)) (NN *))"):
        marks = mark_all(words, [judged(Span(1, 2, "NP"), {"tree": tree})])
        found.append(Shown("fudge", Span(1, 2, "NP"), words, (1.0,), marks))
    good, bad = show(found)[1:]
    assert good.plain == bad.plain == "  yes fudge         The [Fig is] [ cheap ⏎"
    assert "bold green" in {s.style for s in good.spans}
    assert "bold red" in {s.style for s in bad.spans}


def test_a_share_is_told_in_percent_and_a_long_sequence_is_cut():
    title, sample = lines(TagSequence(("NOUN",) * 14), 0.75)
    assert title.endswith("... (14 tags)") and sample.startswith("  75 % fudge")


def test_a_composition_shows_each_verdict_and_marks_what_each_control_asked_for():
    both = AllOf((NAME, Span(1, 3, "VP")))
    title, sample = lines(both, 1.0, 0.0)
    assert title == "name is The Mill and words 1 to 3 are a constituent VP"
    assert sample == "  yes no fudge         [The] [Mill serves food] . ⏎"
    apart = lines(AllOf((NAME, Span(2, 3, "VP"))), 1.0, 1.0)[1]
    assert apart.endswith("[The Mill serves food] . ⏎")
    assert lines(AllOf((NAME, Length(6))), 1.0, 1.0)[1].endswith(
        "(6 words) [The Mill] serves food . ⏎"
    )


def test_what_is_missing_is_named_in_one_pair_of_brackets():
    assert lines(Length(8), 0.0)[1].endswith("(6 words) The Mill serves food . ⏎ [missing 2 words]")


def test_headlines_are_the_first_metric_of_each_part():
    assert headlines({"len_exact": 0.0, "len_pm2": 1.0}) == (0.0,)
    assert headlines({"tree_f1": [6, 8], "tree_f1_mean": 0.7}) == (0.75,)
    assert headlines({"tree_f1": [0, 0]}) == (0.0,)
    assert headlines({"a.x": 1.0, "a.y": 0.0, "b.z": [1, 4]}) == (1.0, 0.25)
