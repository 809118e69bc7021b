"""An output is separate from the inputs of its command."""

from pathlib import Path

import pytest

from stage.inputs import require_apart
from stage.output import OutputError, rewritten_folder, whole_folder


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "mine" / "logs" / "log.csv"
    file.parent.mkdir(parents=True)
    file.write_text("user,item,time\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return file


@pytest.mark.parametrize("output", ["mine", "mine/logs", "mine/x/../logs", "other/../mine", "link", "link/logs"])
def test_an_output_that_holds_an_input_is_refused_before_any_work(log: Path, output: str) -> None:
    Path("link").symlink_to("mine")
    Path("other").mkdir()
    with pytest.raises(OutputError, match=f"^{output}: contains {log}, which this command reads: give another folder$"):
        whole_folder(output, overwrite=True, inputs=[log]).__enter__()
    assert log.is_file()


def test_an_output_that_is_or_lies_in_an_input_is_refused(log: Path) -> None:
    data = log.parent
    with pytest.raises(OutputError, match=f"^mine/logs: is {data}, which this command reads: give another folder$"):
        whole_folder("mine/logs", overwrite=True, inputs=[data]).__enter__()
    with pytest.raises(OutputError, match=f"^{data}: is what this command reads: give another folder$"):
        whole_folder(data, overwrite=True, inputs=[data]).__enter__()
    with pytest.raises(OutputError, match=f"^mine/logs/model: lies in {data}, which this command reads"):
        whole_folder("mine/logs/model", inputs=[data]).__enter__()
    assert list(data.iterdir()) == [log]


def test_an_input_that_is_reached_by_a_link_inside_the_output_is_seen(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "log.csv").symlink_to(log)
    (out / "logs").symlink_to(log.parent)
    for seen in ("out/log.csv", "out/logs/log.csv"):
        with pytest.raises(OutputError, match=f"out: contains {seen}, which this command reads"):
            require_apart("out", [seen])


def test_an_input_that_is_not_there_yet_is_kept_apart_too(log: Path) -> None:  # noqa: ARG001
    with pytest.raises(OutputError, match=r"new: contains new/mlflow\.db, which this command reads"):
        require_apart("new", ["new/mlflow.db"])
    with pytest.raises(OutputError, match="new/model: lies in new, which this command reads"):
        require_apart("new/model", ["new"])


def test_a_file_that_is_another_name_of_an_input_is_refused(log: Path) -> None:
    Path("same.csv").hardlink_to(log)
    Path("link.csv").symlink_to(log)
    for name in ("same.csv", "link.csv", "mine/logs/log.csv"):
        with pytest.raises(OutputError, match=f"^{name}: is {log}, which this command reads: give another file$"):
            require_apart(name, [log], "give another file")


@pytest.mark.parametrize("output", ["mine/data", "mine/logs/data", "mine2", "mine/logs/log.csv2", "mine/x/../data"])
def test_neighbours_of_an_input_are_fine(log: Path, output: str) -> None:
    require_apart(output, [log, "nowhere/log.csv"])


def test_a_folder_that_is_rewritten_does_not_hold_what_it_is_rewritten_from(log: Path) -> None:
    with pytest.raises(OutputError, match=f"^mine: contains {log}, which this command reads: move it out of there$"):
        rewritten_folder("mine", [log]).__enter__()
