"""A library's errors become ours by one table."""

import pytest

from stage.errors import BadInput
from stage.library_errors import Becomes, first_line, in_one_line, map_errors, says


class Refused(BadInput):
    pass


TABLE = (
    Becomes(TimeoutError, lambda _: Refused("too slow")),
    Becomes(OSError, lambda error: Refused(f"refused: {in_one_line(error)}")),
    Becomes(RuntimeError, lambda error: Refused(f"no memory: {first_line(error)}"), says("out of memory")),
)


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (TimeoutError("30 s"), "too slow"),
        (ConnectionError("no\n  route"), "refused: no route"),
        (OSError(), "refused: OSError"),
        (RuntimeError("\nCUDA Out of memory.\nstack"), "no memory: CUDA Out of memory."),
    ],
)
def test_the_first_line_of_the_table_that_matches_is_raised(raised: Exception, said: str) -> None:
    with pytest.raises(Refused) as caught, map_errors(*TABLE):
        raise raised
    assert str(caught.value) == said
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "raised", [RuntimeError("shapes differ"), KeyError("x"), BadInput("ours"), KeyboardInterrupt()]
)
def test_errors_that_no_line_matches_and_our_own_pass_unchanged(raised: BaseException) -> None:
    with pytest.raises(type(raised)) as caught, map_errors(*TABLE):
        raise raised
    assert caught.value is raised


def test_a_long_text_is_cut() -> None:
    long = ValueError("x" * 500)
    assert len(in_one_line(long)) == 300
    assert first_line(long) == "x" * 237 + "..."
