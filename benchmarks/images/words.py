# ruff: noqa: E501  (tables and sentences of a page)
"""The measured part of docs/images.md, from the record of ``benchmarks.images.gallery``."""

from __future__ import annotations

from typing import Any


def page(record: dict[str, Any]) -> str:
    """Markdown, its pictures named as docs/images.md sees them."""
    parts = [_by_default(record["default"])] if "default" in record else []
    parts += [_digits(record["mnist"])] if "mnist" in record else []
    parts += [_faces(record["frey"])] if "frey" in record else []
    return "\n".join(["% Written by python -m benchmarks.images.gallery.", "", *parts])


def _by_default(r: dict[str, Any]) -> str:
    return f"""## Digits by the default model

{_drawn(r, "images/mnist-default.png")}

Its noise stands for steps from coarse to fine and not for the look of a digit, so interpolations and edits are shown with `glow`.
"""


def _drawn(r: dict[str, Any], picture: str) -> str:
    asked = r["digit_asked_for"]
    mean, error = r["test_bits_per_dimension"]
    shares = ", ".join(f"{100 * asked[t]:.0f} % at T = {t}" for t in ("1.0", "0.85", "0.7"))
    exactly = ", exactly" if r.get("exact") else ", an upper bound"
    return f"""{_how(r)} Test images: **{mean:.3f} ± {error:.3f}** bits per dimension{_depth(r)}{exactly}.

![test digits and samples]({picture})

From the left: test digits; samples given the digit of their column at T = 1 and, from the same noise, at T = 0.7, none of them chosen. A classifier
({asked["classifier"]}) reads {100 * asked["real test digits"]:.0f} % of real test digits rightly, and the digit asked for in
{shares}; chance is 10 %."""


def _digits(r: dict[str, Any]) -> str:
    return f"""## Digits by Glow

{_drawn(r, "images/mnist-samples.png")}

![interpolations between digits](images/mnist-interpolation.png)

Interpolations between test digits (the outermost), given the digit.

![digits edited](images/mnist-edit.png)

Edits: in the middle a test digit, to the right thicker, to the left thinner. The direction is from the 300 training images
of the digit with the least ink to the 300 with the most, strengths −0.6 to 0.6.

{_foreign(r["foreign"], " (of the test digits it should be 5 %)")}
"""


def _faces(r: dict[str, Any]) -> str:
    d, held = r["direction"], r["held_out"]
    return f"""## Faces

{_how(r)} Held out: **{held["bits_per_dim"]:.3f} ± {held["standard_error"]:.3f}** bits per dimension{_depth(r)}. Frames of one film: held-out
ones have near twins in training.

![Frey faces and samples](images/frey-samples.png)

From the left: faces; samples at T = 1 and, from the same noise, at T = 0.7, none of them chosen.

![interpolations between faces](images/frey-interpolation.png)

![faces edited](images/frey-edit.png)

Edits towards frames whose mouth has the most contrast (teeth, an open mouth) and, to the left, the least. The direction is {d["length"]:.1f} long;
chance alone would make it {d["by_chance"]:.1f}.

{_foreign(r["foreign"])}
"""


def _how(r: dict[str, Any]) -> str:
    options = ", ".join(
        f"{k} {v}" for k, v in r["options"].items() if k in ("levels", "steps", "width", "bits", "couplings")
    )
    training = r.get("training") or {}
    minutes = training.get("seconds", 0) / 60
    where = r.get("device") or "wall clock, one thread of a CPU shared with other work"
    return f"""```text
{r["command"].removesuffix(" --resume")}
```

`{r["model"]}`: {options}; {r["parameters"]:,} parameters; {training.get("epochs")} epochs in {minutes:.1f} minutes ({where})."""


def _depth(r: dict[str, Any]) -> str:
    bits = r["options"]["bits"]
    return "" if bits == 8 else f" of {bits}-bit pixels"


def _foreign(kinds: dict[str, Any], note: str = "") -> str:
    rows = "\n".join(
        f"| {name} | {v['bits_per_dimension']:.2f} | {_share(v['likelier_than_held_out'])} | "
        f"{_share(v['foreign_by_low_likelihood'])} | {_share(v['foreign_by_typicality'])} | {_share(v['foreign_by_compressor'])} |"
        for name, v in kinds.items()
    )
    return f"""The model has seen none of these images. Median bits per dimension; share of held-out images that they are likelier than; share
called foreign at 5 % by low likelihood alone, by typicality, and by the bits beyond a compressor{note}:

| images | bits | likelier than held out | low likelihood | typicality | beyond a compressor |
|---|---|---|---|---|---|
{rows}"""


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"
