"""``python -m eval.tune task=... method=... key=value,value ...``: picks decoding options of a
method on held-out targets and writes what it chose.

The held-out targets come from validation texts; the first ``kept`` targets of results are not used.
Every combination of the values is tried; without any, those that the paper tried (appendix B).
Chosen is the highest control success among the combinations whose perplexity is at most ``within``
times the lowest one's; with by=evaluations, the fewest network evaluations among those that are as
good as the first one tried, within ``margin`` and ``lm_margin``; under infilling, the highest
``metric`` of the answers against the human middles. Interrupted and run again, it goes on with the
next combination. Of several tasks one combination is chosen for all, by the mean of their success
and the geometric mean of perplexity.

  python -m eval.tune task=syntax_spans method=diffusion_lm
  python -m eval.tune task=length method=fudge fudge.lam=1,2,4,8
  python -m eval.tune task=length,syntax_spans method=gedi
  python -m eval.tune task=infilling method=ar_infilling ar_infilling.temperature=1,0.7,0.5
  python -m eval.tune task=length method=diffusion_lm_fast by=evaluations \\
      diffusion_lm_fast.sampling.steps=100,50,25 diffusion_lm_fast.guidance.merge=1,3

Keys are those of ``python -m eval.run`` (one method; targets and samples are those that
it tunes on, by default 10 and 5, under infilling 100 and as many samples as results have), and
  within (float) = 1.25
      how much less fluent than the most fluent combination the chosen one may be
  by (control or evaluations) = control
      what the chosen combination is best in; the points of control, lm and distinct-2 against
      evaluations are drawn by python -m eval.plots
  margin (float) = 2.0
      with by=evaluations, how many percentage points of control the chosen one may lack of the
      first, the first value of every key
  lm_margin (float) = 5.0
      with by=evaluations, by how many percent its perplexity may exceed that of the first
  metric (bleu4, rouge_l, rouge_l_google or cider) = cider
      under infilling, what the chosen combination is best in; BLEU-4 is 0 for many short answers
      and ROUGE-L high for frequent words in a row
  kept (int) = 200
      targets that are kept for results (their number there), and not tuned on
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from baselines import METHODS
from eval.reading.equivalence import Margins
from eval.reading.intervals import perplexity
from eval.reading.stats import distinct, macro
from eval.reading.tuned import POINTS, TUNE
from eval.reading.tuned import tried as read_tried
from eval.running.cells import ANNOTATIONS, as_ratio
from eval.running.command import check_fits, parse
from eval.running.config import RunConfig
from eval.running.help import asks_help
from eval.running.keys import override, pairs
from eval.running.target_lists import TargetLists
from eval.running.values import several
from eval.studies.choosing import Best, Fewest, Fluent, Point, Rule, Tried, pooled
from eval.targets import split
from tasks import load_task
from tasks.base import Target, Task, Words
from tasks.common.errors import UserError
from tasks.common.files import json_text, write_text
from tasks.common.jsonl import append, mend
from tasks.common.lease import hold
from tasks.common.progress import Progress
from tasks.common.ranges import ranged
from tasks.common.recipe import Recipe
from tasks.vocabulary import to_end

if TYPE_CHECKING:
    from eval.running.runner import Run
    from models.base import TargetSamples

#: targets and samples where none are asked for
TARGETS, SAMPLES = 10, 5
#: targets of infilling, whose metrics are of a set
ITEMS = 100
CHOSEN = "chosen.json"
#: keys of by=evaluations
MARGINS = ("margin", "lm_margin")


@dataclass(frozen=True)
class TuneOptions(Margins):
    """The keys of the command's own; its page says what they mean."""

    by: Literal["control", "evaluations"] = "control"
    within: float = ranged(1.25, least=1, most=1e6)
    metric: Literal["bleu4", "rouge_l", "rouge_l_google", "cider"] = "cider"
    kept: int = ranged(200, least=0, most=10**6)


def grid(method: str, given: Mapping[str, str]) -> list[Point]:
    """Every combination of the values given for keys of ``method``, or of its card's ranges."""
    values: dict[str, Sequence[str]] = {}
    for key, text in given.items():
        values[key] = several(key, text, "values")
    if not values:
        ranges = METHODS.card(method).ranges
        values |= {f"{method}.{key}": tried for key, tried in ranges.items()}
    if not values:
        raise UserError(f"nothing to tune: give values, as {method}.KEY=0.1,0.2")
    return [
        dict(zip(values, combination, strict=True))
        for combination in itertools.product(*values.values())
    ]


def held_out(run: Run, task: str, n: int, kept: int) -> list[Target]:
    """``n`` targets that no result of ``kept`` targets has: those of a validation draw, first what
    comes after its first ``kept``, then those of the results' own source beyond ``kept``. Controls
    that recur from text to text (lengths) are too few for that: theirs may come again, from other
    texts. Raises ``UserError`` if there are fewer."""

    def sources(config: RunConfig) -> list[Target]:
        return TargetLists(run.folder, config, run.plan, run.corpus).sources(task)

    draw = sources(run.config.having(source="validation", targets=kept + n))
    result_targets = sources(run.config.having(targets=kept + n)) if kept else []
    reported = [target.control for target in result_targets[:kept]]
    targets = list[Target]()
    for target in draw[kept:] + draw[:kept] + result_targets[kept:]:
        if target.control not in [*reported, *(one.control for one in targets)]:
            targets.append(target)
    if len(targets) < n and run.plan.task(task).recurs:
        targets = draw[kept:]
    if len(targets) < n:
        raise UserError(
            f"{task} has {len(targets)} held-out targets beyond the {kept} kept for results, not "
            f"{n}: lower kept= or targets="
        )
    return targets[:n]


def main(given: Sequence[str]) -> None:
    if asks_help(given, f"{__doc__}", keys_too=False):
        return
    options, rest = split(given, ("within", "kept", "metric", "by", *MARGINS))
    asked = pairs(rest, RunConfig)
    method = asked.get("method", "")
    ranges = {key: value for key, value in asked.items() if key.startswith(f"{method}.")}
    rest = [f"{key}={value}" for key, value in asked.items() if key not in ranges]
    asked_tasks = parse(rest).tasks
    filling = load_task(asked_tasks[0]).fills
    for key, value in (("targets", ITEMS if filling else TARGETS), ("samples", SAMPLES)):
        if not ((filling and key == "samples") or key in asked):
            rest.append(f"{key}={value}")
    config = parse(rest)
    if len(config.methods) != 1:
        raise UserError(f"one method at a time, as method={config.methods[0]}")
    chosen = override(TuneOptions(), options)
    rules = [_rule(load_task(task), chosen, options) for task in config.tasks]
    rule = rules[0]
    if len(rules) > 1 and Best in map(type, rules):
        raise UserError(f"one task at a time where gaps are filled, not {config.task}")
    points = grid(method, ranges)
    for point in points:  # mistyped keys and values show before anything is trained
        check_fits(override(config, point))
    method = config.methods[0]
    tried = []
    for task in config.tasks:
        alone = config.having(task=task)
        tried.append(tune(alone, task, method, points, rule, kept=chosen.kept, given=given))
    if len(tried) > 1:
        for_all(config, tried, rule)


def for_all(config: RunConfig, tried: Sequence[Sequence[Tried]], rule: Rule) -> Tried:
    """Chooses one combination for all tasks, and writes it to ``out/tune/METHOD.json``."""
    from eval.running.display import Display

    together, method, display = pooled(tried), config.methods[0], Display()
    best = rule.choose(together)
    display.say(f"for {', '.join(config.tasks)} together:")
    for one in together:
        display.say(f"  {_shown(one.figures)}  {_name(one.point)}")
    file = config.folder / TUNE / f"{method}.json"
    record = {
        "chosen": best.point,
        **best.figures,
        **dataclasses.asdict(rule),
        "tasks": config.tasks,
        "tried": [{"point": one.point, **one.figures} for one in together],
    }
    write_text(file, json_text(record, indent=1))
    display.say(f"chosen for all: {_name(best.point)}  (all of it: {file})")
    return best


def _rule(task: Task, chosen: TuneOptions, options: Mapping[str, str]) -> Rule:
    """What to choose by. Raises ``UserError`` for a rule that the task does not have, and for a key
    of another rule than the one asked for."""
    for wrong in ("within", "by", *MARGINS) if task.fills else ("metric",):
        if wrong in options:
            by = "metric=, as it has no control" if task.fills else "control and within="
            raise UserError(f"{wrong}= says nothing under {task.name}: it is tuned by {by}")
    if task.fills:
        return Best(chosen.metric)
    for wrong in ("within",) if chosen.by == "evaluations" else MARGINS:
        if wrong in options:
            other = "control" if wrong == "within" else "evaluations"
            raise UserError(f"{wrong}= is that of by={other}, not of by={chosen.by}")
    if chosen.by == "evaluations":
        return Fewest(chosen.margin, chosen.lm_margin)
    return Fluent(chosen.within)


def tune(
    config: RunConfig,
    task: str,
    method: str,
    points: Sequence[Point],
    rule: Rule,
    *,
    kept: int,
    given: Sequence[str],
) -> list[Tried]:
    """Tries what is not stored yet in ``out/tune/TASK/METHOD`` and writes ``chosen.json``."""
    from eval.running.display import Display
    from eval.running.runner import Run

    run = Run(config, Display(), ["python", "-m", "eval.tune", *given])
    if run.refused:
        raise UserError(f"{method} under {task}: {next(iter(run.refused.values()))}")
    job, _ = run.jobs[0], run.plan.device  # one that is not there is said at once
    needed = [r for point in points for r in recipes(run, job, point).values()]
    run.build([*needed, *run.judges.values(), run.plan.texts_for(task)])
    targets = held_out(run, task, config.targets, kept)
    if "tags" in run.plan.task(task).needs:
        targets = run.plan.task(task).retag(targets, run.judges.judge.oracle("tagger").tag)
    folder = config.folder / TUNE / task / method
    same = {
        "identity": {k: v for k, v in job.cell.identity.items() if k != "settings"},
        "targets": [target.id for target in targets],
    }
    same = json.loads(json.dumps(same))
    known = (r for r in read_tried(folder) if r["under"] == same and {*rule.needs} <= r.keys())
    stored = {_name(r["point"]): r for r in known}
    run.display.total = run.display.done + sum(_name(p) not in stored for p in points)
    tried = []
    for point in points:
        if _name(point) not in stored:
            with run.display.stage(f"try {_name(point)}") as progress:
                figures = attempt(run, task, point, targets, folder, progress)
            stored[_name(point)] = {"point": point, "under": same, **figures}
            with hold(folder / ".lock"):
                mend(folder / POINTS)
                append(folder / POINTS, [stored[_name(point)]])
        record = stored[_name(point)]
        measured = {k: v for k, v in record.items() if k not in ("point", "under")}
        tried.append(Tried(point, measured))
        run.display.say(f"  {_shown(measured)}  {_name(point)}")
    best = rule.choose(tried)
    record = {
        "chosen": best.point,
        **best.figures,
        **dataclasses.asdict(rule),
        "tried": [{"point": one.point, **one.figures} for one in tried],
        **same,
        **run.provenance,
    }
    write_text(folder / CHOSEN, json_text(record, indent=1))
    run.display.say(f"chosen: {_name(best.point)}  (all of it: {folder / CHOSEN})")
    extra = "".join(f"{method}.{key}={value} " for key, value in job.card.free.items())
    run.display.say(
        f"python -m eval.run task={task} method={method} {extra}{_name(best.point)} ..."
    )
    return tried


def attempt(
    run: Run,
    task: str,
    point: Point,
    targets: Sequence[Target],
    folder: Path,
    progress: Progress,
) -> dict[str, float]:
    """The figures of samples under one combination, see :class:`Tried`."""
    from models.contract import answers, loaded

    job, control = run.jobs[0], run.plan.task(task)
    settings = with_point(run, job, point)
    folders = {role: run.path(one) for role, one in recipes(run, job, point).items()}
    cls = METHODS.load(job.method)
    done = answers(
        loaded(cls, folders, control, settings, run.plan.device),
        targets,
        run.config.samples,
        run.config.seed,
        settings=settings,
        batch=run.config.batch,
        progress=progress,
    )
    if control.fills:
        return _overlap(targets, list(done))
    over: list[list[list[float]]] = [[] for _ in control.headlines]
    under: list[list[list[float]]] = [[] for _ in control.headlines]
    nll: list[list[float]] = []
    tokens: list[list[float]] = []
    nfe, texts = list[float](), list[Words]()
    for target, finished in zip(targets, done, strict=True):
        pairs = [(target, to_end(sample.words)) for sample in finished.samples]
        annotated = run.judges.judge.annotate(control, pairs, folder / ANNOTATIONS)
        scores = [control.score(target, one) for one in annotated]
        for i, metric in enumerate(control.headlines):
            ratios = [as_ratio(one[metric]) for one in scores]
            over[i].append([a for a, _ in ratios])
            under[i].append([b for _, b in ratios])
        nll.append([one.nll or 0.0 for one in annotated])
        tokens.append([one.tokens or 1 for one in annotated])
        nfe += [sample.nfe for sample in finished.samples]
        texts += [words for _, words in pairs]
    # a ratio is that of a target's sums, as in the tables
    parts = [macro(values, weights) for values, weights in zip(over, under, strict=True)]
    figures = {"ctrl": sum(parts) / len(parts), "ppl": perplexity(nll, tokens)["ppl"]}
    figures["nfe"] = sum(nfe) / len(nfe)
    diversity = distinct(texts)
    return figures if math.isnan(diversity) else {**figures, "distinct2": diversity}


def _overlap(targets: Sequence[Target], answers: Sequence[TargetSamples]) -> dict[str, float]:
    """The metrics of the chosen samples against the human middles."""
    from tasks.metrics.infilling import evaluate, totals

    words = [one.samples[one.chosen or 0].words for one in answers]
    return totals(evaluate(words, [target.references for target in targets]))


def with_point(run: Run, job: Any, point: Point) -> Any:
    """The method's options for the task with those of ``point`` in their place."""
    resolved = job.card.resolve(run.own(job.card), run.plan.task(job.task))
    # constants that depend on the task, filled in by ``resolve``, become the starting point
    resolved = dataclasses.replace(resolved, **job.card.free)
    base = run.config.having(**{job.method: resolved})
    return getattr(override(base, point), job.method)


def recipes(run: Run, job: Any, point: Point) -> dict[str, Recipe]:
    """Role -> what the method under ``point`` needs of it."""
    needed = job.card.needs(run.plan.task(job.task), with_point(run, job, point))
    return {role: run.plan.role(role, job.task) for role in needed}


def _shown(figures: Mapping[str, float]) -> str:
    if "ppl" not in figures:
        return "  ".join(f"{name} {figure:5.2f}" for name, figure in figures.items())
    shown = f"ctrl {100 * figures['ctrl']:5.1f}  lm {figures['ppl']:6.2f}"
    if "nfe" in figures:
        shown += f"  evaluations {figures['nfe']:6.1f}"
    return f"{shown}  distinct-2 {figures['distinct2']:.3f}" if "distinct2" in figures else shown


def _name(point: Point) -> str:
    return " ".join(f"{key}={value}" for key, value in point.items())
