"""Which rows train, stop and judge."""

import numpy as np

from fluvial.kinds.parts import Parts


def test_copies_of_a_row_are_in_one_part():
    whole = np.random.default_rng(0).permutation(np.arange(300) % 60)
    parts, single = Parts.of(300, 0.2, 0, whole=whole), Parts.of(60, 0.2, 0)
    found = [parts.train, parts.validation, parts.test]
    assert sorted(np.concatenate(found)) == list(range(300))
    members = [np.unique(whole[part]) for part in found]
    assert [m.tolist() for m in members] == [sorted(p) for p in (single.train, single.validation, single.test)]
