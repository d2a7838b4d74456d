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
    same = "0 labels are new and will be added. 30 stand already the same and are not added again."
    seen.wait_for("#import-report", same)
    assert page.get_by_role("button", name="Add these labels").count() == 0


def test_what_contradicts_a_label_is_counted_and_shown(annotator, look, tmp_path: Path) -> None:
    (tmp_path / "second.csv").write_text("cell,class\n1,neutrophil\n2,monocyte\n31,monocyte\n")
    seen = look(annotator.address + "exchange")
    seen.page.get_by_label("File of labels").set_input_files(tmp_path / "second.csv")
    seen.page.get_by_role("button", name="Preview").click()
    words = "3 labels are new and will be added. 1 of them contradicts the label that its cell has."
    seen.wait_for("#import-report", words)
    first = seen.page.locator("#import-report table").last.locator("tbody tr").first
    assert first.inner_text().split() == ["2", "001.png", "Monocyte", "Lymphocyte", "contradicted",
                                          "ann"]  # fmt: skip
    seen.page.get_by_role("button", name="Add these labels").click()
    seen.wait_for(
        "#import-report", "3 labels added. 1 of them contradicts the label that its cell had."
    )


def test_a_file_of_no_known_format_is_said_so(annotator, look, tmp_path: Path) -> None:
    (tmp_path / "odd.bin").write_bytes(b"odd")
    seen = look(annotator.address + "exchange")
    seen.page.get_by_label("File of labels").set_input_files(tmp_path / "odd.bin")
    seen.page.get_by_role("button", name="Preview").click()
    seen.wait_for("#import-report .notice", "in no format that is known")
    seen.forgive("422")
