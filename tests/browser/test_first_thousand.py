"""The tutorial "Label your first thousand" done as it says, with fewer painted cells."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from index import Atlas
from index import sheets as kept

PAGE = Path(__file__).resolve().parents[2] / "docs" / "first-thousand.md"
PER_CLASS = 14  # of eight classes, where the page paints 125: enough for sheets of most
DRAWN = 200  # milliseconds in which the page draws what it has been told
STEPS = 120  # more would mean that there is no end
NEXT = """before => { const at = (id) => document.getElementById(id);
  return (at("single").checkVisibility() && at("single-picture").getAttribute("src") !== before)
    || at("grid").checkVisibility()
    || at("stage-title").textContent === "Nothing left for sheets"; }"""


def blocks(language: str) -> list[str]:
    """The examples of the page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def keys_of(page, address: str) -> dict[str, str]:
    """The key by which the page names a class, by code."""
    listed = page.request.get(f"{address}api/v1/classes").json()["classes"]
    return {each["code"]: each["direct_key"] for each in listed if each["direct_key"]}


@pytest.fixture
def ward(tmp_path, monkeypatch, run_cellkin):
    """The atlas that the page's commands make, in an empty folder; the true class of each cell."""
    monkeypatch.chdir(tmp_path)
    (painting,) = blocks("python")
    assert "per_class=125" in painting
    exec(compile(painting.replace("125", str(PER_CLASS)), PAGE.name, "exec"), {})
    commands = [shlex.split(line) for each in blocks("sh") for line in each.splitlines()]
    for words in commands:
        if words[1] in ("import", "embed"):
            assert run_cellkin(*words[1:]).status == 0
    with Atlas.open("ward.atlas") as atlas:
        truth = {cell.id: Path(cell.file).parts[-2] for cell in atlas.cells()}
    return tmp_path, commands, truth


def single_of(page) -> int:
    return int(page.get_attribute("#single-picture", "src").split("/")[2])


def take_out(seen, sheet, truth) -> None:
    """Untick what is no cell of the sheet's class, as the reader of the page would."""
    for place, cell in enumerate(sheet.displayed):
        tile = seen.page.locator("#grid .tile").nth(place)
        foreign = truth[cell.cell_id] != sheet.class_code
        if foreign == (tile.get_attribute("aria-selected") == "true"):
            tile.click()


def work(seen, atlas: Path, keys: dict[str, str], truth: dict[int, str]) -> None:
    """Name what stands alone and accept what comes as a sheet, until nothing is left."""
    page = seen.page
    page.wait_for_function(NEXT, arg="")
    for _ in range(STEPS):
        if page.inner_text("#stage-title") == "Nothing left for sheets":
            return
        if page.locator("#single").is_visible():
            before = page.get_attribute("#single-picture", "src")
            seen.press(keys[truth[single_of(page)]])
        else:
            with Atlas.open(atlas) as opened:
                take_out(seen, kept.open_sheets(opened, "ann")[0], truth)
            with page.expect_response("**/sheets/round"):
                seen.press("Enter")
            page.wait_for_timeout(DRAWN)
            before = ""
        page.wait_for_function(NEXT, arg=before)
    raise AssertionError(f"there was no end after {STEPS} steps")


@pytest.mark.slow
def test_the_page_does_what_it_says(ward, start_annotator, look, run_cellkin) -> None:
    folder, commands, truth = ward
    running = start_annotator(folder / "ward.atlas", folder / "run", "--author", "ann")
    seen = look(f"{running.address}sheets")
    work(seen, running.atlas, keys_of(seen.page, running.address), truth)
    with Atlas.open(running.atlas) as atlas:
        found = atlas.present_labels()
        log = list(atlas.log())
        right = sum(found[cell] == truth[cell] for cell in found)
        assert len(found) == len(truth)
        assert right / len(found) >= 0.97
        # Sheets begin small; of as many cells as the page paints most would come by them.
        assert sum(label.how == "bulk" for label in log) > len(truth) / 5
    seen.page.goto(f"{running.address}progress")
    seen.wait_for("main", "What is left")
    for words in commands:
        if words[1] in ("info", "export"):
            here = [str(running.atlas) if word == "ward.atlas" else word for word in words[1:]]
            assert run_cellkin(*here).status == 0
    table = folder / "labels" / "labels.csv"
    assert len(table.read_text(encoding="utf-8").splitlines()) == len(truth) + 1
