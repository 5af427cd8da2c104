"""JSON from files that others write."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from tasks.common.errors import UserError


def loads(text: str, place: str) -> Any:
    """The value of a JSON text. ``place``: what to name in an error. Raises ``UserError`` for what
    is no JSON, and for what no file here could hold afterwards: half a letter (a surrogate that
    stands alone), NaN, or a nesting without end."""
    try:
        value = json.loads(text, parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise UserError(f"{place}: not JSON: nested too deep") from None
    except UnicodeEncodeError:
        raise UserError(f"{place}: a letter is a surrogate that stands alone") from None
    except ValueError as error:
        raise UserError(f"{place}: not JSON: {getattr(error, 'msg', error)}") from None
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
