"""The page in a real browser: what a person does there, by mouse, by keyboard, on a telephone and at night."""

from __future__ import annotations

import csv
import io
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("plotly")
uvicorn = pytest.importorskip("uvicorn")
playwright: Any = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

from fluvial import fit, load  # noqa: E402
from fluvial.interfaces.server.app import application  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no Chromium to open the page in: apt install chromium", allow_module_level=True)

RUNS = Path(__file__).parents[1] / "runs"
ODD = '<img src=x onerror=alert("x")>'
BOLD = "<b>n</b>"
TOKEN = "a token of many signs"
WIDTHS = (360, 768, 1280)
WAIT = 300_000  # milliseconds, for busy machines
expect.set_options(timeout=WAIT)


def table(rows: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    kind = rng.choice(["=a", ODD], rows)
    frame = pd.DataFrame({"size": rng.normal(size=rows) + 6 * (kind == "=a"), "kind": kind, BOLD: rng.poisson(3, rows)})
    frame.loc[:30, BOLD] = np.nan
    return frame.assign(day=pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, rows), unit="D"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mixed"
    options = {"hidden": (16,), "classes": 2}
    fit(table(), "mixed", out=folder, options=options, epochs=2, progress=False, kinds={"size": "real"})
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "shop"
    sold = np.random.default_rng(1).poisson(5, 150)
    options = {"layers": 2, "channels": 4, "gates": 4, "skips": 4, "hidden": (4,), "components": 2}
    days = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=150), "units sold": sold})
    fit(days, out=folder, options=options, epochs=1, progress=False)
    return folder


def serving(paths: list[Path], token: str | None = None) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(application(paths, token), port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)


@pytest.fixture(scope="module")
def address(run: Path, shop: Path) -> Iterator[str]:
    yield from serving([run, shop, RUNS / "images", RUNS / "sound", RUNS / "gaussian"])


@pytest.fixture(scope="module")
def window() -> Iterator[Any]:
    """A browser whose pages share what they have fetched, as tabs do."""
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        window = browser.new_context(accept_downloads=True)
        window.set_default_timeout(WAIT)
        yield window
        browser.close()


VIOLATIONS = """document.addEventListener('securitypolicyviolation', (e) => {
  (window.violations ??= []).push(`${e.effectiveDirective} ${e.blockedURI}`);
});"""


@pytest.fixture
def page(window: Any, address: str) -> Iterator[Any]:
    """A page of which no script fails, and that asks no other host for anything."""
    page, faults = window.new_page(), list[str]()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.add_init_script(VIOLATIONS)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda wish: faults.append(wish.url) if _foreign(wish.url) else None)
    page.goto(address)
    yield page
    # the charts' library brings along the style of maps, which the policy keeps out
    assert page.evaluate("window.violations ?? []") == ["style-src-elem inline"]
    page.close()
    assert faults == []


def _foreign(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def told(page: Any, text: str) -> None:
    """Wait until the page says so."""
    expect(page.get_by_text(text, exact=False).first).to_be_visible(timeout=WAIT)


def card(page: Any, name: str) -> Any:
    return page.get_by_role("region", name=name, exact=True)


def chart_of(page: Any, name: str) -> str:
    return card(page, name).locator(".chart").get_attribute("aria-label")


def fixed(page: Any) -> None:
    """Fix the label of a column."""
    told(page, "with nothing fixed")
    page.get_by_label("kind: what is known").select_option(label="=a")
    told(page, "draws given kind =a")


def test_fixing_a_column_changes_the_others(page: Any):
    told(page, "1,000 draws with nothing fixed")
    before = chart_of(page, "size")
    bars = card(page, "kind").locator("svg .bars .point path")
    expect(bars.first).to_be_visible(timeout=WAIT)
    fixed(page)
    assert "mostly =a: 100 %" in chart_of(page, "kind")
    assert (after := chart_of(page, "size")) != before
    assert after.startswith("size: median")
    expect(page.locator(".card.fixed")).to_have_count(1)
    page.get_by_label("size: what is known").select_option("between")
    page.get_by_label("size, from").last.fill("6")
    page.get_by_label("size, to").last.fill("7")
    told(page, "size between 6 and 7")
    assert 6 <= float(chart_of(page, "size").split("median ")[1].split(",")[0]) <= 7
    page.get_by_label("size, to").last.fill("5")
    told(page, "the wrong way round")
    page.get_by_role("button", name="Reset").click()
    told(page, "1,000 draws with nothing fixed")


def test_sliders_move_by_keyboard_and_say_their_value(page: Any):
    told(page, "with nothing fixed")
    page.get_by_label("day: what is known").select_option("low")
    slider = page.get_by_role("slider", name="day, from")
    slider.press("End")
    last = slider.get_attribute("aria-valuetext")
    told(page, f"day at least {last}")
    slider.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") < last


def test_two_columns_together(page: Any):
    told(page, "with nothing fixed")
    picture = page.locator(".chart.tall")
    picture.scroll_into_view_if_needed()
    expect(picture.locator("svg .scatterlayer path.point").first).to_be_visible(timeout=WAIT)
    page.get_by_role("combobox", name="Up").select_option(label="kind")
    expect(picture.locator("svg .ytick text", has_text="=a")).to_be_visible(timeout=WAIT)
    assert picture.get_attribute("aria-label").startswith("kind against size, 500 draws")


def test_how_likely_an_event_is(page: Any, run: Path):
    fixed(page)
    page.get_by_role("button", name="size > ").click()
    event = page.get_by_label("Event").input_value()
    page.get_by_role("button", name="How likely?").click()
    told(page, f"exactly: {event}, given kind =a")
    shown = float(page.locator(".said b").inner_text().removesuffix(" %")) / 100
    assert shown == pytest.approx(load(run).probability(event, {"kind": "=a"}).value, rel=6e-3)
    page.get_by_label("Event").fill("import os")
    page.get_by_label("Event").press("Enter")
    told(page, "comparisons such as")


def test_a_row_is_judged_and_the_odd_cell_is_marked(page: Any):
    told(page, "with nothing fixed")
    page.get_by_role("button", name="Draw a row").click()
    told(page, "A row that the model drew")
    page.locator(".cells").get_by_label("size").fill("90")
    page.get_by_role("button", name="How odd?").click()
    told(page, "The cell that makes it so: size")
    expect(page.locator(".field.odd")).to_have_text("size")


def test_a_file_is_scored_and_taken_along(page: Any, run: Path):
    rows = table().head(40)
    page.get_by_label("CSV or Parquet file").set_input_files(
        {"name": "mine.csv", "mimeType": "text/csv", "buffer": rows.to_csv(index=False).encode()}
    )
    page.get_by_role("button", name="Score it").click()
    expect(page.locator("tbody tr")).to_have_count(10, timeout=WAIT)
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save all scores as CSV").click()
    assert saving.value.suggested_filename == "mine-scored.csv"
    found = pd.read_csv(saving.value.path())
    np.testing.assert_allclose(found["log_prob"], load(run).log_prob(rows), rtol=1e-4, atol=1e-4)
    page.get_by_label("CSV or Parquet file").set_input_files(
        {"name": "other.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n"}
    )
    page.get_by_role("button", name="Score it").click()
    told(page, "The table lacks")


def test_new_rows_are_taken_along(page: Any):
    fixed(page)
    page.get_by_label("Rows", exact=True).fill("30")
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(saving.value.path()).read_text())))
    assert len(rows) == 30
    assert {row["kind"] for row in rows} == {"'=a"}  # a spreadsheet would run it
    told(page, "Saved 30 rows as mixed-sample.csv, given kind =a")


def test_by_keyboard_alone(page: Any):
    told(page, "with nothing fixed")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the model"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    names = []
    for _ in range(60):
        names.append(page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.id"))
        if names[-1] == "kind: what is known":
            break
        page.keyboard.press("Tab")
    assert names[-2:] == ["size: what is known", "kind: what is known"]
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("=")  # types ahead to the label
    told(page, "draws given kind =a")
    page.get_by_label("Event").focus()
    page.keyboard.type("size > 3")
    page.keyboard.press("Enter")
    told(page, "exactly: size > 3, given kind =a")


def test_what_can_be_used_has_a_name_and_what_is_said_is_announced(page: Any):
    told(page, "with nothing fixed")
    nameless = page.evaluate("""[...document.querySelectorAll('input, select, button, a, audio')].filter((e) =>
      !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map((e) => e.outerHTML)""")
    assert nameless == []
    assert page.locator("[role=status]").count() >= 5
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("h1").count() == 1
    assert [page.locator(f"{mark} h2").count() for mark in ("section.part", "main")] == [6, 6]


def test_nothing_is_wider_than_the_screen(page: Any):
    fixed(page)
    page.get_by_label("size: what is known").select_option("between")
    told(page, "size between")
    page.locator(".chart.tall").scroll_into_view_if_needed()
    expect(page.locator(".chart.tall svg").first).to_be_visible(timeout=WAIT)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_at_night_it_is_dark_and_so_are_the_charts(page: Any):
    told(page, "with nothing fixed")
    bar = card(page, "size").locator("svg .bars .point path").first
    paper, color = "getComputedStyle(document.body).backgroundColor", "(e) => getComputedStyle(e).fill"
    expect(bar).to_be_visible(timeout=WAIT)
    day = page.evaluate(paper), bar.evaluate(color)
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(300)
    night = page.evaluate(paper), bar.evaluate(color)
    assert night[0] == "rgb(21, 24, 28)"
    assert night[1] != day[1]


def test_names_and_labels_are_text_and_never_html(page: Any):
    fixed(page)
    expect(card(page, BOLD).get_by_role("heading")).to_have_text(BOLD)
    expect(card(page, "kind").locator("svg text", has_text="<img src=x")).to_be_visible(timeout=WAIT)
    page.get_by_role("combobox", name="Across").select_option(label=BOLD)
    picture = page.locator(".chart.tall")
    picture.scroll_into_view_if_needed()
    expect(picture.locator("svg .xtitle")).to_have_text(BOLD, timeout=WAIT)
    assert page.locator("main b:not(.said b), main img, main script").count() == 0


def test_series_images_sound_and_models_of_whole_rows(page: Any):
    which = page.get_by_label("Model")
    which.select_option(label="shop")
    told(page, "in the middle of the forecast")
    expect(page.locator(".chart.tall svg .fills path.js-fill").first).to_be_visible(timeout=WAIT)
    page.get_by_role("button", name="How likely?").click()
    told(page, "from 1,000 paths: max(`units sold`) >")
    which.select_option(label="images")
    sheet = page.get_by_role("img", name="16 images that the model drew, seed 0")
    expect(sheet).to_be_visible(timeout=WAIT)
    assert sheet.evaluate("(e) => e.naturalWidth") > 16
    page.get_by_role("button", name="Go").click()
    told(page, "From the image of seed 0 to that of seed 1.")
    page.get_by_label("Brightness").press("ArrowRight")
    told(page, "the same one with brightness +0.25, contrast 0.")
    expect(page.get_by_role("img", name="with brightness +0.25")).to_be_visible(timeout=WAIT)
    which.select_option(label="sound")
    page.get_by_label("Seconds").fill("0.01")
    page.get_by_role("button", name="Draw").click()
    told(page, "Three recordings.")
    assert page.locator("audio").first.evaluate("(e) => e.src").startswith("blob:")
    which.select_option(label="gaussian")
    told(page, "cannot be asked what follows from any columns")
    assert page.get_by_text("How likely is that?").count() == 0


def test_axe_finds_nothing_against_wcag(page: Any):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    for label, said in (("mixed", "draws with nothing fixed"), ("shop", "forecast"), ("images", "16 images of seed 0")):
        page.get_by_label("Model").select_option(label=label)
        told(page, said)
        found = axe.run(page, options=rules)
        assert not found.violations_count, found.generate_report()


def test_a_token_is_asked_for(window: Any, run: Path):
    server, page = serving([run], TOKEN), window.new_page()
    page.goto(next(server))
    told(page, "This server asks for a token")
    assert "=a" not in page.content()
    for typed, said in (("wrong", "A token is needed"), (TOKEN, "1,000 draws with nothing fixed")):
        page.get_by_label("Token").fill(typed)
        page.get_by_role("button", name="Open").click()
        told(page, said)
    assert page.evaluate("Object.keys(sessionStorage).length + Object.keys(localStorage).length") == 0
    page.close()
    next(server, None)
