"""The schema of images: bits, labels, files of it, and sentences."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial.core.errors import DataError, RunError
from fluvial.kinds.images.read import read_images
from fluvial.kinds.images.schema import ImageSchema


@given(st.integers(1, 8), st.sampled_from([1, 3]))
def test_pictures_of_any_bits_are_from_black_to_white_and_read_back_as_they_were(bits, channels):
    values = np.tile(np.arange(2**bits, dtype=np.uint8), (2, channels, 3, 1))
    schema = ImageSchema((channels, 3, 2**bits), bits, {})
    pictures = schema.decode(values)
    assert pictures.dtype == np.uint8
    assert (pictures.min(), pictures.max()) == (0, 255)
    assert pictures.shape == ((2, 3, 2**bits) if channels == 1 else (2, 3, 2**bits, 3))
    assert np.array_equal(schema.encode(read_images(pictures).read()), values)


def test_a_schema_survives_its_file():
    images = read_images(np.zeros((4, 5, 6), dtype=np.uint8), (3, 2), list("badb"))
    schema = ImageSchema.of(images, 5, True)
    assert (schema.shape, schema.size, schema.numbers) == ((1, 2, 3), (3, 2), 6)
    assert (schema.context, schema.resized, schema.augmentation) == (
        {"label": tuple("abd")},
        True,
        ("horizontal flip",),
    )
    text = json.loads(json.dumps(schema.to_json()))
    assert text["kind"] == "images"
    assert ImageSchema.from_json(text) == schema
    for key, value in (("shape", [2, 2, 2]), ("shape", [1, 0, 2]), ("shape", [1]), ("bits", 9), ("context", 3)):
        with pytest.raises(RunError, match="schema of the images is damaged"):
            ImageSchema.from_json({**text, key: value})
    with pytest.raises(RunError, match="bits"):
        ImageSchema.from_json({k: v for k, v in text.items() if k != "bits"})


def test_labels_are_numbers_for_the_model():
    images = read_images(np.zeros((4, 5, 6), dtype=np.uint8), labels=list("badb"))
    schema = ImageSchema.of(images, 8)
    numbers = schema.encode_labels(images)
    assert numbers is not None
    assert numbers.tolist() == [[1], [0], [2], [1]]
    assert schema.words(numbers[2]) == {"label": "d"}
    assert schema.encode_context({"label": "d"}, 2).tolist() == [[2], [2]]
    other = read_images(np.zeros((2, 5, 6), dtype=np.uint8), labels=["a", "c"])
    with pytest.raises(DataError, match="label has the value 'c', which the model has never seen; it knows a, b, d"):
        schema.encode_labels(other)
    with pytest.raises(DataError, match="'label' is missing"):
        schema.encode_labels(read_images(np.zeros((2, 5, 6), dtype=np.uint8)))
    with pytest.raises(DataError, match=r"images#0 is 6 x 5 pixels .* are 6 x 4: .*--size"):
        ImageSchema((1, 4, 6), 8, {}).check(other)
