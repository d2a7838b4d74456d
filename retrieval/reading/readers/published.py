"""Public data sets in the layout their authors ship them in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from retrieval.reading.found import Found, PassedOver, split_of
from retrieval.reading.readers.base import Request, first_names, found, once, subfolders

PREFIX = re.compile(r"([A-Za-z]+)_\d")


class PBC:
    """Acevedo 2020, Barcelona: eight folders; the file's prefix is the subclass."""

    name = "pbc"
    summary = (
        "PBC (Acevedo 2020): one folder a class, the prefix of the file (SNE_, PMY_ …) the subclass"
    )

    def recognises(self, request: Request) -> bool:
        """Whether most folders are classes whose files begin with the short name of a class."""
        folders = _inner(request.source)
        alike = [folder for folder in folders if self._is_class_folder(folder, request)]
        return len(alike) > len(folders) / 2

    def _is_class_folder(self, folder: Path, request: Request) -> bool:
        prefixes = [PREFIX.match(name) for name in first_names(folder, 3)]
        return (
            bool(prefixes)
            and request.known(folder.name)
            and all(
                prefix and prefix[1].upper() == prefix[1] and request.known(prefix[1])
                for prefix in prefixes
            )
            and any(prefix and prefix[1] != folder.name for prefix in prefixes)
        )

    def read(self, request: Request) -> Iterator[Found | PassedOver]:
        """Class from the folder, subclass from the prefix where a class has that name."""
        known = once(request.known)
        for entry in request.walk():
            if isinstance(entry, PassedOver):
                yield entry
                continue
            prefix = PREFIX.match(entry.name)
            text = prefix[1] if prefix and known(prefix[1]) else None
            folder = entry.folders[-1] if entry.folders else None
            yield found(entry, class_text=folder, subclass_text=text)


class JHU:
    """Sidhom 2021, Johns Hopkins: patients, signed or unsigned, classes."""

    name = "jhu"
    summary = "JHU APL/AML (Sidhom 2021): Patient_xx/Signed slides/class/…; unsigned have no label"

    patient = re.compile(r"patient[ _-]?\d+", re.IGNORECASE)

    def recognises(self, request: Request) -> bool:
        """Whether some patient's folder holds signed or unsigned slides."""
        return any(
            self.patient.fullmatch(folder.name) and any(map(_signed, _folder_names(folder)))
            for folder in _inner(request.source)
        )

    def read(self, request: Request) -> Iterator[Found | PassedOver]:
        """Patient and, for signed slides only, the class: unsigned ones no expert has seen."""
        for entry in request.walk():
            if isinstance(entry, PassedOver):
                yield entry
                continue
            folders = entry.folders
            patient = next((name for name in folders if self.patient.fullmatch(name)), None)
            signed = next((_signed(name) for name in folders if _signed(name)), None)
            labelled = signed == "signed" and not _signed(folders[-1])
            yield found(entry, patient=patient, class_text=folders[-1] if labelled else None)


class Munich:
    """Matek 2019, AML-Cytomorphology_LMU: a folder a three-letter code, TIFF."""

    name = "munich"
    summary = "AML-Cytomorphology_LMU (Matek 2019): folders BAS, NGS, MYO … of BAS_0001.tiff"

    code = re.compile(r"[A-Z]{3}")

    def recognises(self, request: Request) -> bool:
        """Whether most folders are codes that name a class and begin the names in them."""
        folders = _inner(request.source)
        alike = [
            folder
            for folder in folders
            if self.code.fullmatch(folder.name)
            and request.known(folder.name)
            and any(name.startswith(folder.name + "_") for name in first_names(folder, 3))
        ]
        return len(alike) > len(folders) / 2

    def read(self, request: Request) -> Iterator[Found | PassedOver]:
        """Class from the folder. Stacked pages are not expected: a picture is one cell."""
        for entry in request.walk():
            if isinstance(entry, PassedOver):
                yield entry
            else:
                yield found(entry, class_text=entry.folders[-1] if entry.folders else None)


class Raabin:
    """Kouzehkanan 2022: Train, TestA, TestB; slide and field in the file's name."""

    name = "raabin"
    summary = "Raabin-WBC (Kouzehkanan 2022): Train, TestA, TestB with one folder a class each"

    place = re.compile(r"(\d+(?:-\d+)+)_(\d+)")

    def recognises(self, request: Request) -> bool:
        """Whether one of the folders is TestA or TestB."""
        return any(
            split_of(folder.name) == "test" and folder.name[-1] in "abAB"
            for folder in _inner(request.source)
        )

    def read(self, request: Request) -> Iterator[Found | PassedOver]:
        """Class and split from the folders; slide and field where the name tells them."""
        for entry in request.walk():
            if isinstance(entry, PassedOver):
                yield entry
                continue
            splits = [split_of(name) for name in entry.folders]
            place = self.place.match(entry.name)
            yield found(
                entry,
                class_text=entry.folders[-1] if entry.folders else None,
                split=next((split for split in splits if split in ("train", "test")), None),
                slide=place[1] if place else None,
                field=place[0] if place else None,
            )


def _inner(source: Path) -> list[Path]:
    """The folders of the source, or of the one folder an archive wraps them in."""
    folders = subfolders(source)
    return subfolders(folders[0]) if len(folders) == 1 else folders


def _folder_names(folder: Path) -> list[str]:
    return [each.name for each in subfolders(folder)]


def _signed(name: str) -> str | None:
    """signed or unsigned, for the folder names ``Signed slides``, ``Unsigned`` and the like."""
    word = name.lower().replace("_", " ").split(" ")[0]
    return word if word in ("signed", "unsigned") else None
