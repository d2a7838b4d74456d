"""Folders as anyone makes them: one a class, or all pictures in one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from retrieval.reading.found import SPLITS, Found, PassedOver
from retrieval.reading.readers.base import Request, found, once, subfolders

# Folders that hold the class folders, and say nothing of a class themselves.
PLAIN = frozenset({"images", "image", "imgs", "img", "cells", "data", "pictures", "crops"})
PATIENT = re.compile(r"(?:patient|pat|subject|case)[ _-]*\w+", re.IGNORECASE)
SLIDE = re.compile(r"(?:slide|smear)[ _-]*\w+", re.IGNORECASE)


class ClassFolders:
    """``neutrophil/…``, also below ``train/``, ``Patient_3/``, and with subclasses below."""

    name = "class_folders"
    summary = "one folder a class; below splits, patients or slides; subclasses as folders within"

    def recognises(self, request: Request) -> bool:
        """Whether some folder within three levels says more than ``images`` or ``train``."""
        level = [request.source]
        for _ in range(3):
            level = [folder for each in level for folder in subfolders(each)]
            if any(not _is_plain(folder.name) for folder in level):
                return True
        return False

    def read(self, request: Request) -> Iterator[Found | PassedOver]:
        """The class is the deepest folder the taxonomy knows, else the folder of the file."""
        known = once(request.known)
        folders: tuple[str, ...] | None = None
        texts: dict[str, str | None] = {}
        for entry in request.walk():
            if isinstance(entry, PassedOver):
                yield entry
                continue
            if entry.folders != folders:
                folders = entry.folders
                texts = _meaning(folders, [name for name in folders if known(name)])
            yield found(entry, **texts)


class Flat:
    """Pictures without labels, at any depth."""

    name = "flat"
    summary = "pictures at any depth, without labels"

    def recognises(self, request: Request) -> bool:
        """Whether the source is a folder."""
        return request.source.is_dir()

    def read(self, request: Request) -> Iterator[Found | PassedOver]:
        """Every picture."""
        for entry in request.walk():
            yield entry if isinstance(entry, PassedOver) else found(entry)


def _is_plain(name: str) -> bool:
    return name.lower() in PLAIN or name.lower() in SPLITS


def _meaning(folders: tuple[str, ...], classes: list[str]) -> dict[str, str | None]:
    """What the folders around a picture say of it."""
    texts: dict[str, str | None] = {}
    for name in folders:
        if name.lower() in SPLITS:
            texts["split"] = SPLITS[name.lower()]
        elif name in classes:
            continue
        elif PATIENT.fullmatch(name):
            texts["patient"] = name
        elif SLIDE.fullmatch(name):
            texts["slide"] = name
    said = {texts.get("patient"), texts.get("slide")}
    if classes:
        texts["class_text"] = classes[-2] if len(classes) > 1 else classes[-1]
        texts["subclass_text"] = classes[-1] if len(classes) > 1 else None
    elif folders and not _is_plain(folders[-1]) and folders[-1] not in said:
        texts["class_text"] = folders[-1]
    return texts
