"""Our readers and writers of BYTES tensors against those of Triton's wheel, whose place they take.

One difference is wanted: a string ends at its first NUL, as NVIDIA's onnxruntime backend reads it.
"""

import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

# Short ones and long ones, as 255 and 256 bytes are written from different tables; some end in NUL, as padding does.
TEXTS = st.one_of(
    st.sampled_from(["", "\0", "käse 寿司 🧀", "trailing\0\0\0\0", "2223\0junk", "a" * 255, "a" * 256, "é" * 200]),
    st.text(),
)
SHAPES = st.sampled_from([(0,), (1, 0), (0, 3), (1,), (1, 1), (2, 1), (1, 5), (3, 4), (2, 3, 2)])


@pytest.fixture(scope="module")
def theirs() -> Iterator[ModuleType]:
    spec = importlib.util.find_spec("pytriton")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(spec.submodule_search_locations[0]) / "tritonserver" / "backends" / "python"))
        yield importlib.import_module("triton_python_backend_utils")


@pytest.fixture(scope="module")
def ours(theirs: ModuleType) -> ModuleType:
    assert theirs.__name__ == "triton_python_backend_utils"
    return importlib.import_module("serving.backends.byte_tensors")


def filled(data: st.DataObject, elements: st.SearchStrategy[Any]) -> np.ndarray[Any, Any]:
    shape = data.draw(SHAPES)
    array = np.empty(shape, dtype=object)
    count = array.size
    array.ravel()[:] = data.draw(st.lists(elements, min_size=count, max_size=count))
    return array


def packed(array: np.ndarray[Any, Any], theirs: ModuleType) -> np.ndarray[Any, Any]:
    """As the stub gets it: the bytes of the request."""
    return np.frombuffer(bytes(theirs.serialize_byte_tensor(array)), dtype=np.uint8)


@given(data=st.data())
def test_strings_are_read_as_by_triton_up_to_their_first_nul(
    ours: ModuleType, theirs: ModuleType, data: st.DataObject
) -> None:
    array = filled(data, TEXTS)
    tensor = packed(array, theirs)
    expected = [each.partition(b"\0")[0].decode() for each in theirs.deserialize_bytes_tensor(tensor)]
    texts = ours.read_strings(tensor)
    assert texts.dtype == object
    assert texts.tolist() == expected
    assert texts.reshape(array.shape).shape == array.shape


@given(data=st.data())
def test_bytes_that_are_not_utf8_become_replacement_characters(
    ours: ModuleType, theirs: ModuleType, data: st.DataObject
) -> None:
    array = filled(data, st.one_of(st.binary(), st.sampled_from([b"\xff", b"\x80\0\0", b"ok \xc3", b"\0" * 256])))
    tensor = packed(array, theirs)
    parts = [each.partition(b"\0")[0] for each in theirs.deserialize_bytes_tensor(tensor)]
    expected = [each.decode("utf-8", "replace") for each in parts]
    assert ours.read_strings(tensor).tolist() == expected


@pytest.mark.parametrize("size", [0, 1, 250, 251, 252, 255, 256, 257, 508, 65536])
@pytest.mark.parametrize("letter", ["a", "é"])
def test_one_string_of_any_length_is_read_whole(ours: ModuleType, theirs: ModuleType, size: int, letter: str) -> None:
    array = np.array([letter * size], dtype=object)
    assert ours.read_strings(packed(array, theirs)).tolist() == array.tolist()


@pytest.mark.parametrize("neighbours", [[], ["milk"], [""], ["a" * 256, ""], ["b" * 257]])
def test_a_string_ends_at_its_first_nul_whatever_is_next_to_it(
    ours: ModuleType, theirs: ModuleType, neighbours: list[str]
) -> None:
    array = np.array([*neighbours, "2223\0junk", "\0", "a" * 300 + "\0", *neighbours], dtype=object)
    expected = [*neighbours, "2223", "", "a" * 300, *neighbours]
    assert ours.read_strings(packed(array, theirs)).tolist() == expected
    assert ours.read_strings(packed(np.array(["2223\0junk"], dtype=object), theirs)).tolist() == ["2223"]


@given(data=st.data())
def test_strings_are_written_as_by_triton(ours: ModuleType, theirs: ModuleType, data: st.DataObject) -> None:
    array = filled(data, st.one_of(TEXTS, st.binary(), st.none(), st.integers(), st.booleans()))
    for each in (array, array[::-1], array.T):
        assert ours.write_strings(each).tobytes() == bytes(theirs.serialize_byte_tensor(each))
