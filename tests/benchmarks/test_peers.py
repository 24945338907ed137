"""Every library's subject is a density: scores agree with the map from noise to data, and training steps run."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.speed import peers, ratios


@pytest.mark.parametrize("family", ratios.DEPTH)
@pytest.mark.parametrize("library", peers.LIBRARIES)
def test_scores_are_those_of_decoded_noise(library, family):
    torch.manual_seed(0)
    try:
        subject = peers.LIBRARIES[library](peers.Size(family, 4, 3, (16, 16)))
    except (ImportError, NotImplementedError) as error:
        pytest.skip(str(error))
    z, h = torch.randn(200, 4), 1e-2
    with torch.no_grad():
        columns = [(subject.decode(z + h * e) - subject.decode(z - h * e)) / (2 * h) for e in torch.eye(4)]
        want = -0.5 * (z.square() + peers.LOG_2PI).sum(1) - torch.stack(columns, -1).slogdet().logabsdet
        found = subject.log_prob(subject.decode(z))
        again = subject.log_prob(subject.decode(z.flip(0))).flip(0)
    assert (found - want).abs().quantile(0.8) < 0.01  # other rows stand at a kink
    torch.testing.assert_close(again, found, atol=1e-4, rtol=0)  # nothing is remembered of the last call
    ratios.train_step(subject, z)()
