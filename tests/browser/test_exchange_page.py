"""Labels out by the page of the exchange, and in again."""

from __future__ import annotations

from pathlib import Path


def test_a_zip_goes_out_and_shows_what_it_would_add(annotator, look, tmp_path: Path) -> None:
    seen = look(annotator.address + "exchange")
    page = seen.page
    page.get_by_label("COCO").check()
    page.get_by_label("Licence").fill("CC0")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Export", exact=True).click()
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    assert file.name == "atlas-coco.zip"
    page.get_by_label("File of labels").set_input_files(file)
    page.get_by_role("button", name="Preview").click()
    seen.wait_for("#import-report", "30 labels will be added.")
    page.get_by_role("button", name="Add these labels").click()
    seen.wait_for("#import-report", "30 labels added.")


def test_a_file_of_no_known_format_is_said_so(annotator, look, tmp_path: Path) -> None:
    (tmp_path / "odd.bin").write_bytes(b"odd")
    seen = look(annotator.address + "exchange")
    seen.page.get_by_label("File of labels").set_input_files(tmp_path / "odd.bin")
    seen.page.get_by_role("button", name="Preview").click()
    seen.wait_for("#import-report .notice", "in no format that is known")
    seen.forgive("422")
