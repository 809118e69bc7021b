"""Lists of different lengths become rows of equal length."""

import numpy as np
import pytest

from preprocessing.ragged import pad, pad_lists

LISTS = [np.array([7, 8, 9]), np.array([], dtype=np.int64), np.array([5])]


def test_lists_are_padded_right_with_0_to_the_longest_or_to_a_width() -> None:
    assert pad_lists(LISTS).tolist() == [[7, 8, 9], [0, 0, 0], [5, 0, 0]]
    assert pad_lists(LISTS, 4).tolist() == [[7, 8, 9, 0], [0, 0, 0, 0], [5, 0, 0, 0]]
    flat, lengths = np.array([7, 8, 9, 5], dtype=np.int32), np.array([3, 0, 1])
    assert pad(flat, lengths).tolist() == pad_lists(LISTS).tolist()
    assert pad(flat, lengths).dtype == np.int64


def test_empty_lists_are_one_wide_and_no_lists_are_no_rows() -> None:
    assert pad_lists([LISTS[1]] * 2).tolist() == [[0], [0]]
    assert pad_lists([]).shape == (0, 1)
    assert pad_lists([], 4).shape == (0, 4)


def test_a_list_longer_than_the_width_is_not_cut() -> None:
    with pytest.raises(ValueError, match="cannot assign"):
        pad_lists(LISTS, 2)
