"""The documentation's page of a GPU, from its record: ``python -m benchmarks.speed.gpu_page``."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.common import DOCS, RECORDS

RECORD = RECORDS / "gpu.jsonl"
PAGE = DOCS / "gpu.md"
INTRODUCTION = """# On a GPU

Written by `python -m benchmarks.speed.gpu_page`, from `benchmarks/records/gpu.jsonl`,
the record of `benchmarks.speed.gpu`.

Training on CUDA records the whole step (loss, gradients, clipping, AdamW, the average, the check for steps that are not
finite) as one CUDA graph and replays it; the host never waits for the device in between. Splines and the inverse of
masked networks are Triton kernels. All peers build the same flow and run on the same GPU in the same process, in turn;
best rounds are compared. `high` is torch's setting that lets products run in TF32, `highest` its default, full float32.
"""


def page(lines: list[dict[str, Any]]) -> str:
    """The page of a record's lines; where a part was measured twice, the later one counts."""

    def of(part: str) -> list[dict[str, Any]]:
        return [r for r in lines if r["part"] == part and "error" not in r]

    parts = [INTRODUCTION, "## Training, D = 63, batch 4096, two hidden layers of 256\n", *_training(of("train"))]
    parts += [f"\nWith zuko's loss under `torch.compile`: {_compiled(lines)}\n"]
    parts += ["## Sampling 1,000 rows\n", *_sampling(of("sample")), ""]
    parts += ["## Exactness\n", *_exactness(of("kernels"), of("contract"), of("step")), ""]
    where = of("environment")[-1]
    shown = ("device", "torch", "cuda", "triton", "zuko", "python", "commit")
    parts.append("Measured with: " + ", ".join(f"{k} {where[k]}" for k in shown if where.get(k)) + ".")
    return "\n".join(parts) + "\n"


def _training(rows: list[dict[str, Any]]) -> list[str]:
    names = [n for n in ("fluvial", "fluvial-bf16", "fluvial-eager", "zuko") if any(n in r["ratio"] for r in rows)]
    table = [
        "Thousands of rows a second (and times fluvial's time), then the most memory in MiB.\n",
        "| model | products | " + " | ".join(names) + " | memory: fluvial | zuko |",
        "|---" * (len(names) + 4) + "|",
    ]
    for r in {(r["model"], r["precision"]): r for r in rows}.values():
        cells = [
            f"{r['rows_per_second'][n] / 1e3:,.0f} ({r['ratio'][n]:.2f})" if n in r["ratio"] else "" for n in names
        ]
        memory = [f"{r['mebibytes'][n]:,.0f}" for n in ("fluvial", "zuko")]
        table.append(f"| {r['model']} | {r['precision']} | {' | '.join([*cells, *memory])} |")
    return table


def _compiled(lines: list[dict[str, Any]]) -> str:
    last = [r for r in lines if r["part"] == "compiled"]
    if not last:
        return "not measured."
    if "error" in last[-1]:
        return last[-1]["error"].strip().splitlines()[-1] + "."
    r = last[-1]
    speeds = ", ".join(f"{name} {value:,} rows/s" for name, value in r["rows_per_second"].items())
    wait = r["seconds_of_the_first_six_steps"]["zuko-compiled"]
    return f"{speeds}; fluvial is {r['ratio']['zuko-compiled']:.2f} times as fast. Compiling took {wait:.0f} s."


def _sampling(rows: list[dict[str, Any]]) -> list[str]:
    table = ["| model | columns | hidden | fluvial, ms | zuko, ms | ratio | round trip |", "|---" * 7 + "|"]
    cases = {(r["model"], r["columns"], r["hidden"]): dict[str, Any]() for r in rows}
    for r in rows:
        cases[r["model"], r["columns"], r["hidden"]].update(r)
    for r in cases.values():
        cells = [r["model"], r["columns"], r["hidden"], f"{1e3 * r['seconds']:.1f}"]
        cells += [f"{1e3 * r['zuko_seconds']:.0f}", f"{r['ratio']:.0f}", f"{r['round_trip']:.1g}"]
        table.append("| " + " | ".join(map(str, cells)) + " |")
    return table


def _exactness(kernels: list[dict[str, Any]], models: list[dict[str, Any]], steps: list[dict[str, Any]]) -> list[str]:
    text = []
    for dtype in ("float64", "float32"):
        errors = [v for r in kernels if r["dtype"].endswith(dtype) for v in r.get("relative_errors", {}).values()]
        if errors:
            text.append(f"- The spline's kernels and torch's, steep splines, {dtype}: {max(errors):.1g} relative.")
        ours = [r for r in models if r["dtype"].endswith(dtype)]
        numbers = {k: max(r.get(k, 0.0) for r in ours) for k in ("log_prob", "gradient", "round_trip", "sample")}
        said = ", ".join(f"{k.replace('_', ' ')} {v:.1g}" for k, v in numbers.items())
        text.append(f"- {len(ours)} models beside the CPU, {dtype}, largest differences: {said}.")
    same = sum(r["same_bits"] for r in steps)
    text.append(f"- Recorded and unrecorded training, 20 steps: the same bits in {same} of {len(steps)} cases.")
    return text


def main() -> None:
    PAGE.write_text(page([json.loads(line) for line in RECORD.read_text().splitlines()]))
    print(f"wrote {PAGE.name}")


if __name__ == "__main__":
    main()
