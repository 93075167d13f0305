"""Counting in whom a forgotten name wins, on embeddings made by hand."""

from __future__ import annotations

import torch

from unlearn.attacks.false_recall import false_recall, winners
from unlearn.attacks.figures import FalseRecall

TABLE = torch.eye(4)[None].repeat(3, 1, 1)  # three templates by which each of four names points its own way


def test_a_single_photo_is_won_by_the_name_of_most_templates() -> None:
    table = TABLE.clone()
    table[2] = table[2].roll(1, dims=0)  # by the last template, name 1 points where name 0 did
    assert winners([torch.eye(4)[:1]], table) == [0]


def test_nobody_wins_without_more_than_half_of_the_templates() -> None:
    table = TABLE.clone()
    table[1], table[2] = table[1].roll(1, dims=0), table[2].roll(2, dims=0)
    assert winners([torch.eye(4)[:1]], table) == [None]


def test_several_photos_of_one_person_vote() -> None:
    photos = torch.eye(4)
    assert winners([photos[[2, 2, 1]], photos[[1]], photos[[0, 1]]], TABLE) == [2, 1, None], "a tie is no majority"


def test_length_of_embeddings_does_not_matter() -> None:
    assert winners([5.0 * torch.eye(4)[:1]], TABLE * torch.tensor([1.0, 90.0, 0.1, 3.0])[None, :, None]) == [0]


def test_counts_of_forgotten_names_stand_beside_those_of_unknown_ones() -> None:
    result = false_recall([2, None, 3, 1], [0, 0, 3, None], forgotten={0}, unknown={2, 3})
    assert result == FalseRecall(4, recalled_original=0, recalled_defended=2, unknown_original=1.0, unknown_defended=0.5)


def test_without_faces_nothing_is_measured() -> None:
    assert false_recall([], [], forgotten={0}, unknown={1}) is None


def test_without_unknown_names_there_is_no_chance_level() -> None:
    result = false_recall([0], [0], forgotten={0}, unknown=set())
    assert result is not None and result.unknown_original is None and result.unknown_defended is None
