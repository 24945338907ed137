"""Images as rows of the training loop: what is read, turned, counted and scored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training import toy

from fluvial.core import Chain, Density, Flow, Normal
from fluvial.kinds.images.read import Images, read_images
from fluvial.kinds.images.rows import ImageRows
from fluvial.kinds.images.schema import ImageSchema
from fluvial.training import Settings, train
from fluvial.transforms import Elementwise, ImageBatchNorm
from fluvial.univariate import Affine

CPU = torch.device("cpu")


def rows(n=60, flipped=False, bits=8, labels=None):
    array = np.random.default_rng(1).integers(0, 256, (n, 4, 6, 3), dtype=np.uint8)
    images = read_images(array, labels=labels)
    schema = ImageSchema.of(images, bits, flipped)
    given = schema.encode_labels(images)
    return ImageRows(images, schema, None if given is None else torch.from_numpy(given))


class Mean(Density):
    """A density whose score is the mean pixel: what reaches it can be read off."""

    event_shape = (3, 4, 6)

    def log_prob(self, x, context=None):
        return x.mean((1, 2, 3))


def test_rows_are_the_integers_of_the_bits():
    for bits in (8, 5, 1):
        data = rows(bits=bits, labels=["a", "b"] * 30)
        x, context = data.rows(torch.tensor([7, 3]), CPU)
        assert x.dtype == torch.float32
        assert np.array_equal(x.numpy(), data.images.read(np.array([7, 3])) >> (8 - bits))
        assert context is not None
        assert context.tolist() == [[1.0], [1.0]]
    assert rows().rows(torch.tensor([0]), CPU)[1] is None


def test_turned_images_are_half_of_them_anew_each_time_and_by_the_seed():
    data, plain = rows(200, flipped=True), rows(200)
    index = torch.arange(200)
    want = plain.rows(index, CPU)[0]

    def turned(seed):
        torch.manual_seed(seed)
        x = data.rows(index, CPU)[0]
        same = (x == want).flatten(1).all(1)
        mirrored = (x == want.flip(-1)).flatten(1).all(1)
        assert (same ^ mirrored).all()
        return mirrored

    assert 70 < turned(0).sum() < 130
    assert torch.equal(turned(0), turned(0))
    assert not torch.equal(turned(0), turned(1))


def test_scores_are_those_of_the_images_as_they_are():
    data = rows(700, flipped=True)
    assert data.score(Mean(), 0) == pytest.approx(data.images.read().mean(), rel=1e-6)


def test_sizes():
    data = rows(60)
    assert (len(data), data.count(), data.count(torch.arange(3)), data.batch_size) == (60, 60, 3, 3)
    assert data.size == (60 * 24, 3)
    assert rows(5000).batch_size == 64
    assert rows(2).batch_size == 2
    assert data.measured == 60
    parts = data.batches(torch.randperm(60), 8)
    assert sorted(torch.cat(parts).tolist()) == list(range(60))


def test_the_fingerprint_is_of_pixels_labels_bits_and_augmentation():
    seen = {rows().digest(), rows(59).digest(), rows(bits=5).digest(), rows(flipped=True).digest()}
    seen |= {rows(labels=["a", "b"] * 30).digest(), rows(labels=["a"] * 59 + ["b"]).digest()}
    assert len(seen) == 6
    assert rows().digest() == rows().digest()


def test_images_are_read_as_they_are_needed():
    class Watched:
        shape = (3, 4, 6)

        def __init__(self):
            self.most = 0

        def __len__(self):
            return 3000

        def read(self, index):
            self.most = max(self.most, len(index))
            return np.random.default_rng(int(index[0])).integers(0, 256, (len(index), 3, 4, 6), dtype=np.uint8)

    pixels = Watched()
    images = Images(pixels, np.arange(3000), ("x",) * 3000, {})
    data = ImageRows(images, ImageSchema.of(images, 8))

    class Learner(Density):
        event_shape = (3, 4, 6)

        def __init__(self):
            super().__init__()
            self.vectors = toy.Gaussian(72, jitter=1.0)

        def log_prob(self, x, context=None):
            return self.vectors.log_prob(x.flatten(1) / 128)

    for _ in train(Learner(), data, settings=Settings(epochs=1)):
        pass
    assert pixels.most <= 256


def test_batch_norm_is_judged_by_the_statistics_of_every_image(monkeypatch: pytest.MonkeyPatch):
    data = rows(60)
    monkeypatch.setattr(type(data), "measured", 16)  # four parts
    norm = ImageBatchNorm((3, 4, 6))
    density = Flow(Chain(norm, Elementwise(Affine(), (3, 1, 1))), Normal((3, 4, 6)), (3, 4, 6))
    list(train(density, data, None, Settings(epochs=1, batch_size=8, device="cpu")))
    want = ImageBatchNorm((3, 4, 6))
    want.measure(data.rows(torch.arange(60), CPU)[0])
    torch.testing.assert_close((norm.mean, norm.variance), (want.mean, want.variance), rtol=1e-4, atol=1e-4)
