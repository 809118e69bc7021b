"""The mapping of libraries' errors to ours, by tables: the raised error, the condition, and our error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from stage.errors import NaiadError


def always(_error: Exception) -> bool:
    """Hold for every error."""
    return True


class Becomes(NamedTuple):
    """A line of a table.

    Attributes:
        raised: The library's types.
        ours: Return the error to raise instead of the library's.
        when: Additional condition, for libraries that distinguish cases only by their text; see `says`.

    """

    raised: type[Exception] | tuple[type[Exception], ...]
    ours: Callable[[Any], NaiadError]
    when: Callable[[Any], bool] = always


@contextmanager
def map_errors(*table: Becomes) -> Iterator[None]:
    """Raise the error of the first matching line of `table`; our own errors, and those without a line, pass unchanged.

    The idea is httpx's `map_httpcore_exceptions`.
    """
    try:
        yield
    except NaiadError:
        raise
    except Exception as error:
        for line in table:
            if isinstance(error, line.raised) and line.when(error):
                raise line.ours(error) from None
        raise


def says(*words: str) -> Callable[[Exception], bool]:
    """Return the condition that an error's text contains one of `words`, ignoring case."""
    wanted = tuple(word.lower() for word in words)
    return lambda error: any(word in str(error).lower() for word in wanted)


def in_one_line(error: Exception) -> str:
    """Return the error's text with single spaces, at most 300 characters; the name of its type if it is empty."""
    return " ".join((str(error) or type(error).__name__).split())[:300]


def first_line(error: Exception) -> str:
    """Return the first line of the error's text, at most 240 characters; the name of its type if it is empty.

    Often the other lines are a stack.
    """
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return first if len(first) <= 240 else first[:237] + "..."
