"""The shipped classes, the names that public data sets give them, and adding one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import Atlas
from index.errors import TaxonomyError, UnknownClassError
from index.taxonomy import LEVELS, Node, Taxonomy, shipped_taxonomy

TREE = shipped_taxonomy()
CODES = st.sampled_from(sorted(TREE.nodes))

PBC_CLASSES = (
    "neutrophil", "eosinophil", "basophil", "lymphocyte", "monocyte", "erythroblast",
    "immature_granulocyte", "platelet",
)  # fmt: skip

# What the published data sets call their classes.
NAMES = {
    "PBC": {
        "neutrophil": "neutrophil", "NEUTROPHIL": "neutrophil", "SNE": "segmented_neutrophil",
        "BNE": "band_neutrophil", "eosinophil": "eosinophil", "EO": "eosinophil",
        "basophil": "basophil", "BA": "basophil", "lymphocyte": "lymphocyte", "LY": "lymphocyte",
        "monocyte": "monocyte", "MO": "monocyte", "erythroblast": "erythroblast",
        "ERB": "erythroblast", "ig": "immature_granulocyte", "IG": "immature_granulocyte",
        "PMY": "promyelocyte", "MY": "myelocyte", "MMY": "metamyelocyte",
        "platelet": "platelet", "PLATELET": "platelet",
    },
    "BloodMNIST": {
        "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)":
            "immature_granulocyte",
    },
    "JHU": {
        "lymphocyte": "lymphocyte", "blast_no_lineage_spec": "blast",
        "smudge_cells": "smudge_cell", "segmented_neutrophils": "segmented_neutrophil",
        "monocyte": "monocyte", "promyelocyte": "promyelocyte", "erythroblast": "erythroblast",
        "lymphocyte_variant": "variant_lymphocyte", "myelocyte": "myelocyte",
        "band_neutrophils": "band_neutrophil", "eosinophils": "eosinophil",
        "promonocyte": "promonocyte", "metamyelocyte": "metamyelocyte", "basophil": "basophil",
        "giant_thrombocyte": "giant_platelet", "plasma_cells": "plasma_cell",
        "thrombocyte_aggregation": "platelet_aggregate", "prolymphocyte": "prolymphocyte",
        "artifact": "artifact",
    },
    "Munich": {
        "BAS": "basophil", "EBO": "erythroblast", "EOS": "eosinophil", "KSC": "smudge_cell",
        "LYA": "variant_lymphocyte", "LYT": "lymphocyte", "MMZ": "metamyelocyte",
        "MOB": "monoblast", "MON": "monocyte", "MYB": "myelocyte", "MYO": "myeloblast",
        "NGB": "band_neutrophil", "NGS": "segmented_neutrophil", "PMB": "promyelocyte",
        "PMO": "promyelocyte",
    },
    "Raabin": {
        "Basophil": "basophil", "Eosinophil": "eosinophil", "Lymphocyte": "lymphocyte",
        "Small Lymph": "lymphocyte", "Large Lymph": "lymphocyte", "Monocyte": "monocyte",
        "Neutrophil": "neutrophil", "Band": "band_neutrophil", "Meta": "metamyelocyte",
        "Burst": "smudge_cell", "Artifact": "artifact",
    },
    "BCCD": {
        "BASOPHIL": "basophil", "EOSINOPHIL": "eosinophil", "LYMPHOCYTE": "lymphocyte",
        "MONOCYTE": "monocyte", "NEUTROPHIL": "neutrophil",
    },
    "LISC": {
        "Baso": "basophil", "eosi": "eosinophil", "lymp": "lymphocyte", "mono": "monocyte",
        "neut": "neutrophil",
    },
    "Chula": {  # Chula-WBC-8
        "SNE": "segmented_neutrophil", "segmented neutrophils": "segmented_neutrophil",
        "BNE": "band_neutrophil", "band neutrophils": "band_neutrophil",
        "lymphocytes": "lymphocyte", "monocytes": "monocyte", "eosinophils": "eosinophil",
        "basophils": "basophil", "myeloblasts": "myeloblast", "metamyelocytes": "metamyelocyte",
    },
}  # fmt: skip


def test_the_eight_classes_of_pbc_stand_at_level_class() -> None:
    assert set(PBC_CLASSES) <= {node.code for node in TREE.classes("class")}


@pytest.mark.parametrize(
    ("name", "code"),
    [(name, code) for names in NAMES.values() for name, code in names.items()],
)
def test_published_names_resolve(name: str, code: str) -> None:
    assert TREE.resolve(name).code == code


@given(CODES, st.data())
def test_every_name_resolves_however_it_is_spelt(code: str, data: st.DataObject) -> None:
    node = TREE.node(code)
    name = data.draw(st.sampled_from([code, node.name, node.short, *node.aliases]))
    spelt = data.draw(st.sampled_from([name, name.upper(), name.replace("_", " "), f" {name}- "]))
    assert TREE.resolve(spelt) == node


@given(CODES)
def test_tree_is_consistent(code: str) -> None:
    node, above = TREE.node(code), [each.code for each in TREE.ancestors(code)]
    assert (above[0] if above else None) == node.parent
    assert all(code in TREE.descendants(each) for each in [code, *above])
    assert {other for other in TREE.nodes if TREE.is_within(other, code)} == TREE.descendants(code)
    assert {child.code for child in TREE.children(code)} == {
        other for other in TREE.nodes if TREE.node(other).parent == code
    }
    if above:
        assert LEVELS.index(TREE.node(above[0]).level) <= LEVELS.index(node.level)


@given(CODES)
def test_at_level(code: str) -> None:
    line = [code, *(each.code for each in TREE.ancestors(code))]
    classes = [each for each in line if TREE.node(each).level == "class"]
    assert TREE.at_level(code, "class") == (classes[0] if classes else None)
    assert TREE.at_level(code, "subclass") == (None if TREE.node(code).level == "group" else code)


@given(st.lists(CODES, min_size=1, max_size=4))
def test_agreed_is_the_deepest_of_one_line(codes: list[str]) -> None:
    lines = [{code, *(each.code for each in TREE.ancestors(code))} for code in codes]
    expected = [code for code, line in zip(codes, lines, strict=True) if set(codes) <= line]
    assert TREE.agreed(codes) == (expected[0] if expected else None)


def test_agreed_of_nothing() -> None:
    assert TREE.agreed([]) is None


def test_keys_shorts_and_colours_are_unique() -> None:
    for name in ("key", "short", "colour"):
        values = [getattr(node, name) for node in TREE.nodes.values() if getattr(node, name)]
        assert len(values) == len(set(values)), name
    for node in TREE.nodes.values():
        assert (node.key is not None) == (node.level != "group"), node.code


def test_ontology_ids_are_unique() -> None:
    given = [node.ontology for node in TREE.nodes.values() if node.ontology]
    assert len(given) == len(set(given))


# Machado, Oliveira, Fernandes 2009, full strength, on linear RGB.
DEFICIENCIES = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
}  # fmt: skip


def lab(colour: str, deficiency: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of an sRGB colour as someone with a deficiency sees it."""
    srgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(deficiency @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ linear / np.array([0.9505, 1.0, 1.089])
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = root
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_of_the_eight_classes_keep_apart(deficiency: str) -> None:
    seen = [lab(TREE.node(code).colour, DEFICIENCIES[deficiency]) for code in PBC_CLASSES]
    for first in range(8):
        for second in range(first):
            apart = np.linalg.norm(seen[first] - seen[second])
            assert apart > 10, (PBC_CLASSES[first], PBC_CLASSES[second], apart)


def test_unknown_class_names_the_closest() -> None:
    with pytest.raises(UnknownClassError, match="'neutrofil' is not in the taxonomy; did you mean"):
        TREE.resolve("neutrofil")
    with pytest.raises(UnknownClassError, match="cellkin taxonomy"):
        TREE.node("zzz")
    with pytest.raises(TaxonomyError, match="level is 'order'"):
        TREE.at_level("neutrophil", "order")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"code": "Big Cell"}, "class code is 'Big Cell'"),
        ({"code": "neutrophil"}, "'neutrophil' exists"),
        ({"parent": "nowhere"}, "'nowhere' is not in the taxonomy"),
        ({"level": "order"}, "level of new_cell is 'order'"),
        ({"parent": "band_neutrophil", "level": "class"}, "cannot stand below band_neutrophil"),
        ({"colour": "red"}, "colour of new_cell is 'red'"),
        ({"ontology": "0000775"}, "ontology id of new_cell"),
        ({"key": "n"}, "key 'n' is that of neutrophil"),
        ({"key": "nn"}, "key of new_cell is 'nn'"),
        ({"aliases": ("SNE",)}, "name 'SNE' is that of segmented_neutrophil"),
        ({"name": " - "}, "empty name"),
    ],
)
def test_a_wrong_class_is_refused(change: dict, message: str) -> None:
    values = {"code": "new_cell", "name": "New cell", "parent": "lymphocyte", **change}
    tree = shipped_taxonomy()
    before = dict(tree.nodes)
    with pytest.raises(TaxonomyError, match=message):
        tree.add(values.pop("code"), values.pop("name"), values.pop("parent"), **values)
    assert tree.nodes == before


def test_add_fills_in_what_is_left_out() -> None:
    tree = shipped_taxonomy()
    node = tree.add("sezary_cell", "Sézary cell", "lymphocyte", aliases=["Sezary"])
    assert node == Node(
        "sezary_cell", "Sézary cell", "lymphocyte", "subclass", "SEZ", None, ("Sezary",),
        tree.node("lymphocyte").colour, None,
    )  # fmt: skip
    assert tree.add("other", "Other", "leukocyte").level == "class"
    assert tree.at_level("sezary_cell", "class") == "lymphocyte"


def test_a_class_added_to_an_atlas_stays_and_is_recorded(new_atlas: Callable[..., Atlas]) -> None:
    atlas, other = new_atlas(), new_atlas()
    node = atlas.add_class("sezary_cell", "Sezary cell", "LY", "ana", key="9")
    assert node.parent == "lymphocyte"
    assert other.taxonomy.node("sezary_cell") == node  # opened before, sees it when asked
    assert other.taxonomy.resolve("SEZARY-CELL") == node
    assert new_atlas().taxonomy.node("sezary_cell") == node
    (event,) = atlas.events()
    assert (event["author"], event["action"]) == ("ana", "add class")
    assert event["detail"]["code"] == "sezary_cell"
    with pytest.raises(TaxonomyError, match="exists"):
        other.add_class("sezary_cell", "Again", "LY", "bo")


def test_newer_shipped_classes_reach_an_old_atlas_and_leave_the_users(
    new_atlas: Callable[..., Atlas], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = new_atlas()
    first.add_class("mine", "Mine", "lymphocyte", "ana", short="MINE")
    first.close()
    changed = [
        Node(**{**vars(node), "aliases": (*node.aliases, "nu")}) if code == "neutrophil" else node
        for code, node in TREE.nodes.items()
    ]
    newer = Taxonomy([*changed, Node("extra", "Extra", "leukocyte", "class", "EXT")])
    monkeypatch.setattr("index.atlas.shipped_taxonomy", lambda: newer)
    monkeypatch.setattr("index.atlas.shipped_version", lambda: 99)
    tree = new_atlas().taxonomy
    assert tree.resolve("nu").code == "neutrophil"
    assert tree.node("mine").short == "MINE"
    assert tree.node("extra").level == "class"
    assert next(iter(tree.nodes)) == "cell"


def test_newer_shipped_names_leave_those_that_the_user_has_taken(
    new_atlas: Callable[..., Atlas], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = new_atlas()
    first.add_class("mine", "Nu", "lymphocyte", "ana", short="EXT", key="9")
    first.close()
    changed = [
        replace(node, aliases=(*node.aliases, "nu", "nuu")) if code == "neutrophil" else node
        for code, node in TREE.nodes.items()
    ]
    extra = Node("extra", "Extra", "leukocyte", "class", "EXT", key="9")
    monkeypatch.setattr("index.atlas.shipped_taxonomy", lambda: Taxonomy([*changed, extra]))
    monkeypatch.setattr("index.atlas.shipped_version", lambda: 99)
    tree = new_atlas().taxonomy
    assert (tree.resolve("nu").code, tree.resolve("nuu").code) == ("mine", "neutrophil")
    assert (tree.node("mine").short, tree.node("mine").key) == ("EXT", "9")
    assert (tree.node("extra").short, tree.node("extra").key) == ("EXTRA", None)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Lymphozyten", "lymphocyte"),
        ("stabkernige", "band_neutrophil"),
        ("Eosinófilos", "eosinophil"),
        ("eosinofilo", "eosinophil"),
        ("Neutrófilo en banda", "band_neutrophil"),
        ("Métamyélocyte", "metamyelocyte"),
        ("plaquettes", "platelet"),
    ],
)
def test_names_in_other_languages_are_known_with_or_without_accents(name: str, code: str) -> None:
    assert TREE.resolve(name).code == code


def test_the_page_shows_the_shipped_tree() -> None:
    """Each row of docs/taxonomy.md is what the table says; print rows() to renew the page."""
    page = (Path(__file__).parents[2] / "docs" / "taxonomy.md").read_text(encoding="utf-8")
    shown = [line for line in page.splitlines() if line.startswith("| ") and "`#" in line]
    assert shown == rows()


def rows() -> list[str]:
    """The rows of the table in docs/taxonomy.md."""
    found = []
    for node in TREE.nodes.values():
        depth = "· " * len(TREE.ancestors(node.code))
        cells = (
            f"{depth}{node.name}", f"`{node.code}`", node.level, node.short, node.key or "",
            node.ontology or "", f"`{node.colour}`", ", ".join(node.aliases),
        )  # fmt: skip
        found.append(f"| {' | '.join(cells)} |")
    return found
