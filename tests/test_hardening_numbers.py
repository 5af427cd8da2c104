"""Numbers are finite and in the range that their key has, before anything is trained."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from settable import configs, every_key

from eval.run import main
from eval.running.command import parse
from eval.running.keys import Key, keys, override
from tasks.common.errors import UserError
from tasks.common.ranges import WIDEST, Checked, Range, ranged, refusal
from tests.hardening import Tried

INTS = [one for one in every_key() if one[2].hint in (int, int | None)]
FLOATS = [one for one in every_key() if one[2].hint in (float, float | None)]
LISTS = [one for one in every_key() if "tuple[" in one[2].type]
#: floats that are none, and integers that nothing holds
NOT_FINITE = ("nan", "inf", "-inf", "NaN", "1e400", ".inf", "infinity")
TOO_WIDE = ("99999999999999999999", "-99999999999999999999", "9" * 5000)
#: keys without a range of their own: any finite number
FREE = {"seed"}
#: what bug reports and a hostile user tried, and what it must say
REPORTED = {
    "ft_sample.temperature=nan": "ft_sample.temperature=nan: a finite number",
    "ft_sample.temperature=0": "ft_sample.temperature=0: at least 1e-06",
    "ft_sample.temperature=-1": "ft_sample.temperature=-1: at least 1e-06",
    "ft_sample.top_p=0": "ft_sample.top_p=0: above 0 and at most 1",
    "ft_sample.top_p=nan": "ft_sample.top_p=nan: a finite number, above 0",
    "samples=0": "samples=0: at least 1",
    "floor=-1": "floor=-1: at least 0",
    "batch=0": "batch=0: at least 1",
    "targets=0": "targets=0: at least 1",
    "threads=-1": "threads=-1: at least 0",
    "device=gpu": "unknown device 'gpu' (valid: auto, cpu, cuda, cuda:N)",
    "fudge.lam=nan": "fudge.lam=nan: a finite number",
    "fudge.lams=[1,inf]": "fudge.lams=[1,inf]: a finite number",
    "pplm.step_size=1e38": "pplm.step_size=1e38: at least 0 and at most 1000",
    "diffusion_lm.guidance.lr=1e30": "guidance.lr=1e30: at least 0 and at most 1000",
    "diffusion_lm.guidance.updates=-1": "guidance.updates=-1: at least 0",
    "diffusion.network.dropout=2": "diffusion.network.dropout=2: at least 0 and below 1",
    "diffusion.network.heads=0": "diffusion.network.heads=0: at least 1",
    "diffusion.train.ema=1": "diffusion.train.ema=1: at least 0 and below 1",
    "diffusion.train.lr=nan": "diffusion.train.lr=nan: a finite number",
    "lm.train.batch=0": "lm.train.batch=0: at least 1",
    "parser.model.d_model=321": "parser.model: d_model=321: an even number",
    "vocabulary.above=-1": "vocabulary.above=-1: at least 0",
    "bertscore.layer=0": "bertscore.layer=0: at least 1",
    "targets=99999999999999999999": "targets=99999999999999999999: at least 1 and at most 1000000",
    "stop_after=inf": "stop_after=inf: a finite number, at least 0",
    "cold.noise=[1,nan,1,1,1]": "cold.noise=[1,nan,1,1,1]: a finite number",
    "mdlm.steps=0": "mdlm.steps=0: at least 1",
}
RANGED = [
    (name, key, bound)
    for _, name, key in [*INTS, *FLOATS]
    if "range" in key.metadata
    for bound in dataclasses.astuple(key.metadata["range"])
    if bound is not None
]
EXAMPLES = 200
TRIED = (
    Tried("command line", "a float that is nan or infinite", len(FLOATS) * len(NOT_FINITE)),
    Tried("command line", "an integer wider than 64 bits", len(INTS) * len(TOO_WIDE)),
    Tried("command line", "a number just out of its key's range", len(RANGED)),
    Tried("command line", "a setting out of range that was reported", len(REPORTED)),
    Tried("command line", "any number for any key", EXAMPLES, "in range, or a line"),
)


def test_every_number_has_a_range() -> None:
    """A seed of the human evaluation is any integer; everything else says what it may be."""
    for owner, name, key in [*INTS, *FLOATS, *LISTS]:
        assert "range" in key.metadata or name in FREE, (owner, name)


@pytest.mark.parametrize("text", NOT_FINITE)
def test_no_float_is_nan_or_infinite(text: str) -> None:
    for _, name, key in FLOATS:
        with pytest.raises(UserError, match=f"^{name}={re.escape(text)}: a finite number"):
            key.read(name, text)


@pytest.mark.parametrize("text", TOO_WIDE)
def test_no_integer_is_wider_than_it_can_be_stored(text: str) -> None:
    for _, name, key in INTS:
        with pytest.raises(UserError, match=f"^{name}=.*: (at (least|most)|from|a number of)"):
            key.read(name, text)


@pytest.mark.parametrize(("name", "key", "bound"), RANGED)
def test_what_is_just_out_of_range_is_refused(name: str, key: Key, bound: float) -> None:
    limits: Range = key.metadata["range"]
    whole = key.hint in (int, int | None)
    outer = bound in (limits.most, limits.below)
    at_bound = bound in (limits.least, limits.most)
    shown = int(bound) if whole else repr(float(bound))
    if at_bound:
        assert key.read(name, str(shown)) == bound
        step = 1 if whole else max(abs(bound) * 1e-9, 1e-9)
        beyond = bound + step if outer else bound - step
        shown = int(beyond) if whole else repr(float(beyond))
    with pytest.raises(UserError, match=f"^{name}={re.escape(str(shown))}: .*"):
        key.read(name, str(shown))


@pytest.mark.parametrize(("argument", "said"), REPORTED.items())
def test_what_was_reported_is_one_line(
    argument: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["task=length", argument]) == 2
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1 and not printed.out
    assert not list(tmp_path.iterdir())


def test_defaults_and_presets_are_in_range() -> None:
    for owner, name, key in every_key():
        assert refusal(key.default, key.metadata) is None, (owner, name)
    for preset in ("demo", "small", "paper"):
        for name, key in keys(type(configs()["RunConfig"]), parse([f"preset={preset}"])).items():
            assert refusal(key.default, key.metadata) is None, (preset, name)


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
@given(
    one=st.sampled_from([*INTS, *FLOATS]),
    value=st.one_of(st.floats(), st.integers(), st.integers(-5, 5), st.floats(-2, 2)),
)
def test_a_number_is_in_range_or_refused(one: tuple[str, str, Key], value: float) -> None:
    _, name, key = one
    try:
        found = key.read(name, str(value))
    except UserError as error:
        said = str(error)
    else:
        assert found == value and math.isfinite(found)
        assert found in key.metadata.get("range", Range())
        return
    assert said.startswith(f"{name}=") and "\n" not in said


# settings of a user's own, which say nothing of ranges


@dataclass(frozen=True)
class Inner:
    weights: tuple[float, ...] = (1.0,)
    table: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Own:
    rate: float = 0.5
    count: int | None = None
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self) -> None:
        if self.rate == 7:
            raise ValueError("seven is none")


def test_settings_of_the_users_own_are_finite_too() -> None:
    made = override(Own(), {"rate": "1e300", "count": "-5", "inner.weights": "1,2"})
    assert made == Own(1e300, -5, Inner((1.0, 2.0)))
    assert override(Own(), {"inner.table": '{"a": 1}'}).inner.table == {"a": 1.0}
    for key, text in {
        "rate": "nan",
        "count": str(WIDEST + 1),
        "inner.weights": "[1,inf]",
        "inner.table": "[1]",
    }.items():
        with pytest.raises(UserError, match=f"^{key}="):
            override(Own(), {key: text})
    with pytest.raises(UserError, match="ValueError: seven is none"):
        override(Own(), {"rate": "7"})


def test_ranges_hold_however_settings_are_made() -> None:
    @dataclass(frozen=True)
    class Limited(Checked):
        rate: float = ranged(0.5, above=0, most=1)
        many: tuple[int, ...] = ranged((1,), least=0)

    assert Limited(1.0).rate == 1.0
    for wrong in (0.0, 1.5, math.nan):
        with pytest.raises(UserError, match="^rate="):
            dataclasses.replace(Limited(), rate=wrong)
    with pytest.raises(UserError, match="^many="):
        Limited(many=(1, -1))
