"""From a source's words to classes."""

from __future__ import annotations

import pytest

from index.taxonomy import shipped_taxonomy
from retrieval.reading.naming import Namer


@pytest.mark.parametrize(
    ("outer", "inner", "code"),
    [
        ("neutrophil", None, "neutrophil"),
        ("neutrophil", "SNE", "segmented_neutrophil"),
        ("neutrophil", "BNE", "band_neutrophil"),
        ("neutrophil", "NEUTROPHIL", "neutrophil"),
        ("neutrophil", "band", "band_neutrophil"),
        ("neutrophil", "segmented", "segmented_neutrophil"),
        ("ig", "IG", "immature_granulocyte"),
        ("ig", "PMY", "promyelocyte"),
        ("ig", "MY", "myelocyte"),
        ("ig", "MMY", "metamyelocyte"),
        ("ig", "metamyelocyte", "metamyelocyte"),
        ("platelet", "PLATELET", "platelet"),
        ("erythroblast", "basophilic", "basophilic_erythroblast"),
        ("erythroblast", "proerythroblast", "proerythroblast"),
        (None, "SNE", "segmented_neutrophil"),
        ("other", "plasma", "plasma_cell"),
        ("blast_no_lineage_spec", None, "blast"),
        ("segmented_neutrophils", None, "segmented_neutrophil"),
        ("SNE", "neutrophil", "segmented_neutrophil"),
        (None, None, None),
    ],
)
def test_the_deepest_class_meant(outer: str | None, inner: str | None, code: str | None) -> None:
    namer = Namer(shipped_taxonomy())
    assert namer.code(outer, inner) == code
    assert not namer.unknown
    assert not namer.unknown_subclasses


def test_unknown_words_are_counted_with_close_classes() -> None:
    namer = Namer(shipped_taxonomy())
    assert [namer.code("neutrophyl", None) for _ in range(3)] == [None] * 3
    assert namer.code("other", "zyx") is None
    names = namer.report(namer.unknown)
    assert [(each.text, each.cells) for each in names] == [("neutrophyl", 3), ("other / zyx", 1)]
    assert "neutrophil" in names[0].close


def test_a_subclass_outside_its_class_is_reported_and_the_class_counts() -> None:
    namer = Namer(shipped_taxonomy())
    assert namer.code("lymphocyte", "SNE") == "lymphocyte"
    assert namer.code("lymphocyte", "zyx") == "lymphocyte"
    assert dict(namer.unknown_subclasses) == {"lymphocyte / SNE": 1, "lymphocyte / zyx": 1}
    assert not namer.unknown
