from __future__ import annotations

from PIL import Image


def test_map_is_drawn_kept_and_used_again(run_cellkin, painted_atlas, tmp_path):
    png, page = tmp_path / "map.png", tmp_path / "map.html"
    first = run_cellkin("map", painted_atlas, "--out", png, "--html", page)
    assert first.status == 0, first.stderr
    assert "cells with their pictures" in first.stdout
    with Image.open(png) as picture:
        assert picture.format == "PNG"
    kept = next((painted_atlas / "maps").glob("*.npz")).read_bytes()
    again = run_cellkin("map", painted_atlas, "--out", png, "--colour", "patient", "--place")
    assert again.status == 0, again.stderr
    assert next((painted_atlas / "maps").glob("*.npz")).read_bytes() == kept


def test_map_says_what_is_wrong(run_cellkin, painted_atlas, tmp_path):
    none = run_cellkin("map", painted_atlas, "--out", tmp_path / "map.png", "--place")
    assert none.status == 1
    assert "keeps no map" in none.stderr
    assert "--fit" in none.stderr
    wrong = run_cellkin("map", painted_atlas, "--out", tmp_path / "map.png", "--colour", "size")
    assert wrong.status == 2
