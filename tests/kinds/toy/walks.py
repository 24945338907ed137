"""A kind of data in one file: random walks, one a line of a .walk file, learnt by their steps."""

from dataclasses import asdict, dataclass

import numpy as np
import torch

from fluvial.core import DataError, batched
from fluvial.examine.page import Report
from fluvial.examine.verdict import few
from fluvial.kinds.fitted import Fitted, record_of
from fluvial.kinds.job import Lesson, Words
from fluvial.kinds.kind import Kind, Option
from fluvial.kinds.parts import Parts, judged
from fluvial.kinds.scores import Scores
from fluvial.training import Data


@dataclass(frozen=True)
class Start:
    start: float

    def to_json(self):
        return {"kind": Walks.name, **asdict(self)}


class WalkModel(Fitted):
    KIND = "walks"

    def score(self, data):
        steps = read(data, self.schema.start)
        return Scores("walk", np.arange(len(steps)), batched.score(self.density, steps).double().numpy())

    def sample(self, n, seed=0):
        return self.schema.start + batched.draw(self.density, n, seed=seed).cumsum(1).numpy()


class Walks(Kind):
    name, give, default = "walks", "a .walk file", "maf"
    fits = (Option("start", float, "where walks start."),)

    def claims(self, source):
        return str(source).endswith(".walk")

    def fit(self, data, model, job, context=(), options=None, start=0.0):
        steps = read(data, start)
        parts = Parts.of(len(steps), job.holdout, job.seed)
        config = {"model": model or self.default, "event_shape": list(steps.shape[1:]), "options": options or {}}
        train, stopping, judges = (Data(steps[part]) for part in (parts.train, parts.validation, parts.judges))
        sizes, split = {"train": len(train)}, judged("walks", len(train), len(stopping), len(parts.test))
        lesson = Lesson(job.build(config), config, Start(start), train, stopping, Words(), sizes, split)

        def conclude(record, metrics):
            scores = {"held_out": batched.score(lesson.density, judges.x).mean().item()}
            return WalkModel(lesson.density, lesson.schema, record | {"scores": scores}, metrics)

        return job.learn(lesson, self.restore, conclude)

    def restore(self, saved, path):
        return WalkModel(saved.density, Start(saved.config["schema"]["start"]), record_of(saved), saved.metrics)

    def summary(self, model):
        return [f"{model.record['sizes']['train']} walks: {model.record['scores']['held_out']:.3f} nats a walk"]

    def sample(self, model, wish):
        np.savetxt(wish.out, model.sample(wish.number, wish.seed))
        return [wish.out]

    def examine(self, model):
        words = ("Its probabilities can be trusted.", "Use them with care.", "Do not rely on them.")
        return Report(tuple(few("density", model.record["split"]["test"], "walks")), {"density": words})


def read(path, start):
    walks = np.loadtxt(path, ndmin=2, dtype=np.float32)
    if not np.isfinite(walks).all():
        raise DataError(f"{path}: expected numbers that are finite")
    return torch.from_numpy(np.diff(walks, axis=1, prepend=np.float32(start)))
