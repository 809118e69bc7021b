"""Flags made from a pydantic model: the help, the parsed model, and the refusal of a wrong value."""

import argparse
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from stage.command import Parser
from stage.flags import FlagError, add_flags, read_flags

Rate = Annotated[float, Field(gt=0, description="peak rate, 100% of it")]


class Wanted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["wanted"] = "wanted"
    batch_size: Annotated[int, Field(ge=1, le=512)] = Field(default=64, description="rows per step")
    rate: Rate = 0.5
    index: Literal["auto", "exact"] = Field(default="auto", description="of the items")
    mask: bool = Field(default=True, description="leave duplicates out")
    half: bool = Field(default=False, description="compute in half precision")
    stored: bool | None = Field(default=None, description="hold the vectors (default on where there are any)")
    candidates: Annotated[int, Field(ge=1)] | None = Field(default=None, description="items to rank (default 500)")
    log_file: Path | None = Field(default=None, description="where to write")

    @model_validator(mode="after")
    def _exact_ranks_few(self) -> "Wanted":
        if self.index == "exact" and self.candidates == 7:
            raise ValueError("--index exact: does not give 7 candidates, drop one of them")
        return self


def parsed(*words: str, unset: bool = False) -> argparse.Namespace:
    parser = Parser(prog="try")
    add_flags(parser, Wanted, skip=("kind",), unset=unset)
    return parser.parse_args(words)


def test_without_flags_the_model_has_its_defaults() -> None:
    assert read_flags(parsed(), Wanted) == Wanted()
    assert parsed().batch_size == 64


def test_what_is_given_comes_back_in_the_types_of_the_fields() -> None:
    words = "--batch-size 8 --rate 1e-3 --index exact --no-mask --half --no-stored --candidates 9 --log-file a/b"
    assert read_flags(parsed(*words.split()), Wanted) == Wanted(
        batch_size=8, rate=1e-3, index="exact", mask=False, half=True, stored=False, candidates=9, log_file=Path("a/b")
    )


def test_a_flag_that_is_not_given_can_be_left_out_while_its_help_shows_the_default() -> None:
    assert vars(parsed("--half", unset=True)) == {"half": True}
    assert read_flags(parsed("--half", unset=True), Wanted) == Wanted(half=True)


@pytest.mark.parametrize("unset", [False, True])
def test_the_help_shows_the_description_and_the_default_once(unset: bool) -> None:
    parser = Parser(prog="try")
    names = add_flags(parser, Wanted, skip=("kind",), unset=unset)
    assert names == tuple(Wanted.model_fields)[1:]
    shown = " ".join(parser.format_help().split())
    for line in (
        "--batch-size N rows per step (default 64)",
        "--rate N peak rate, 100% of it (default 0.5)",
        "--index {auto,exact} of the items (default auto)",
        "--mask, --no-mask leave duplicates out (default on)",
        "--half, --no-half compute in half precision (default off)",
        "--stored, --no-stored hold the vectors (default on where there are any)",
        "--candidates N items to rank (default 500)",
        "--log-file FILE where to write",
    ):
        assert line in shown
    assert "None" not in shown
    assert "(default:" not in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--batch-size 0", "--batch-size: Input should be greater than or equal to 1, seen 0"),
        ("--batch-size 99999999999999999999", "--batch-size: Input should be less than or equal to 512, seen 9999"),
        ("--rate nan", "--rate: Input should be a finite number, seen nan"),
        ("--candidates 0", "--candidates: Input should be greater than or equal to 1, seen 0"),
        ("--index exact --candidates 7", "--index exact: does not give 7 candidates"),
    ],
)
def test_a_value_out_of_range_is_one_line_that_names_the_flag(words: str, said: str) -> None:
    with pytest.raises(FlagError) as error:
        read_flags(parsed(*words.split()), Wanted)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--batch-size 1.5", "argument --batch-size: seen '1.5', expected a whole number"),
        ("--batch-size " + "9" * 5000, "expected a whole number"),
        ("--rate fast", "argument --rate: seen 'fast', expected a number"),
        ("--index tree", "argument --index: invalid choice: 'tree'"),
    ],
)
def test_a_value_of_another_type_is_one_line_that_names_the_flag(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parsed(*words.split())
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert error.count("\n") == 1
    assert said in error
