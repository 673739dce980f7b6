"""Codes are numbered by equality alone, with one number a channel for the unseen."""

import numpy as np

from tocsin.detectors.events.codes import codebook, shares


def test_a_channel_without_any_code_knows_none() -> None:
    book = codebook(np.array([[np.nan, 1.0], [np.nan, 2.0]]))
    assert book.numbered(np.array([[5.0, 1.0], [np.nan, 3.0]])).tolist() == [[0, 1], [-1, 3]]


def test_codes_need_not_be_whole_or_positive() -> None:
    book = codebook(np.array([[-1.5], [1e6], [0.0]]))
    assert book.numbered(np.array([[[-1.5], [-0.0]], [[1e6], [1.0]]])).tolist() == [
        [[0], [1]],
        [[2], [3]],
    ]


def test_shares_of_a_channel_are_one_together_and_leave_some_to_the_unseen() -> None:
    rows = np.array([[1.0, 7.0], [1.0, 8.0], [2.0, np.nan]])
    book = codebook(rows)
    found = shares(book.numbered(rows), book)
    np.testing.assert_allclose(found[:3], np.array([2.5, 1.5, 0.5]) / 4.5)
    np.testing.assert_allclose(found[3:], np.array([1.5, 1.5, 0.5]) / 3.5)
