"""Rows that are read anew in each epoch: each once, shuffled, and the same again after an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from training.toy import Gaussian, rows

from fluvial.core.errors import RunError
from fluvial.training import Passes, Settings, train

SETTINGS = Settings(epochs=3, batch_size=16, device="cpu")


@dataclass(frozen=True)
class Numbered:
    """Groups whose rows are their numbers, from 1000 on; ``read`` counts what is taken off the disk."""

    counts: tuple[tuple[int, ...], ...] = ((40, 40, 7), (40,), (0, 40), (), (40, 40, 40, 1), (13,))
    marks: str = "numbers"
    read: list[int] | None = None

    def slices(self, group: int, start: int) -> Iterator[tuple[Tensor, None]]:
        first = 1000 + sum(map(sum, self.counts[:group]))
        for number, count in enumerate(self.counts[group]):
            if number >= start:
                if self.read is not None:
                    self.read.append(count)
                yield torch.arange(first, first + count).float()[:, None].expand(count, 2), None
            first += count


def made(**changes: object) -> Passes:
    return Passes(torch.arange(30).float()[:, None].expand(30, 2), groups=Numbered(**changes))  # pyright: ignore


def epoch(data: Passes, seed: int, size: int = 16) -> list[Tensor]:
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    parts = data.batches(order, size)
    return [data.rows(part, torch.device("cpu"))[0][:, 0] for part in parts]


def test_an_epoch_has_every_row_once_in_an_order_of_its_own():
    data = made()
    first, again, other = epoch(data, 0), epoch(data, 0), epoch(data, 1)
    total = 30 + sum(map(sum, Numbered().counts))
    assert data.count() == total
    assert sorted(torch.cat(first).int().tolist()) == [*range(30), *range(1000, 1000 + total - 30)]
    assert sorted(torch.cat(other).tolist()) == sorted(torch.cat(first).tolist())
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert not torch.equal(torch.cat(first), torch.cat(other))
    assert min(map(len, first)) >= 8
    assert max(map(len, first)) < 24


def test_a_batch_mixes_groups_and_the_rows_in_memory():
    kinds = [{int(v) < 30 for v in part} for part in epoch(made(), 3)]
    assert sum(len(k) == 2 for k in kinds) > len(kinds) / 2


def test_each_slice_is_read_once_an_epoch_and_rows_in_memory_never():
    read: list[int] = []
    data = made(read=read)
    epoch(data, 0)
    assert sorted(read) == sorted(n for counts in Numbered().counts for n in counts)
    data.rows(torch.arange(len(data)), torch.device("cpu"))
    assert len(read) == sum(map(len, Numbered().counts))


def test_going_on_in_the_middle_of_an_epoch_is_bit_for_bit_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fluvial.training.trainer._PULSE", 0.0)
    whole, broken, resumed = (Gaussian(jitter=1.0) for _ in range(3))
    list(train(whole, made(), rows(50, 1), SETTINGS))
    training = train(broken, made(), rows(50, 1), SETTINGS, tmp_path / "c.pt")
    for _ in range(1 + 30):
        next(training)
    training.close()
    list(train(resumed, made(), rows(50, 1), SETTINGS, tmp_path / "c.pt", resume=True))
    assert torch.equal(whole.mean, resumed.mean)
    assert torch.equal(whole.log_scale, resumed.log_scale)


def test_other_rows_on_the_disk_are_other_rows(tmp_path: Path):
    training = train(Gaussian(), made(), rows(50, 1), SETTINGS, tmp_path / "c.pt")
    next(training)
    next(training)
    training.close()
    with pytest.raises(RunError, match="other training rows"):
        list(train(Gaussian(), made(marks="more"), rows(50, 1), replace(SETTINGS), tmp_path / "c.pt", resume=True))
