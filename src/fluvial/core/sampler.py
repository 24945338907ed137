"""Models that are known by their draws alone."""

from __future__ import annotations

from typing import NoReturn

from torch import Tensor

from fluvial.core.density import Density
from fluvial.core.errors import UsageError


class Sampler(Density):
    """A distribution that can be drawn from and has no log-density to ask for, such as a GAN's.

    Every method that needs log p refuses with a sentence, UsageError; subclasses write ``sample``.
    """

    exact = False
    static = False

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        self._refuse()

    def sample_and_log_prob(self, n: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UsageError(
            f"a {type(self).__name__} only draws samples: it has no log-density. Choose a model with an exact one, "
            "such as the default, or a bound, such as vae_iaf; flow_gan learns as a GAN does and keeps an exact one"
        )
