"""Pictures of cells as the browser gets them: proved pixels, small pictures made once.

A picture is named by the hash of its pixels, so a browser may keep it for ever. The full picture
is read from its file and proved each time it is not in memory; a thumbnail is kept in the atlas's
folder under that hash.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from retrieval.reading.decode import read_cell
from retrieval.reading.errors import CellFileMissingError, ImageError

if TYPE_CHECKING:
    import numpy as np

    from index.atlas import Atlas
    from index.records import Cell

THUMBNAIL = 192  # longer side in pixels: 96 CSS pixels on a dense screen
HASH_SHOWN = 16  # hexadecimal digits of the hash in an address: 64 bits
KEPT_FULL = 64 << 20  # bytes of full pictures kept in memory, and of thumbnails
KEPT_SMALL = 32 << 20
REMEMBERED = 100_000  # cells of which the hash is remembered: some 20 MB


@dataclass(frozen=True)
class PictureState:
    """Whether a cell's picture can be shown: ``ok``, ``missing`` or ``changed``, and why not."""

    state: str
    message: str = ""
    remedy: str = ""


def picture_names(cell_id: int, sha256: str) -> tuple[str, str]:
    """The addresses of a cell's full picture and of its thumbnail."""
    base = f"/images/{cell_id}/{sha256[:HASH_SHOWN]}"
    return f"{base}/full.png", f"{base}/thumb.webp"


class _Recent:
    """The most recently used byte strings, by name; safe for several threads.

    ``most`` is how many bytes are kept; the newest is kept whatever its size.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._items: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes | None:
        with self._lock:
            if name in self._items:
                self._items.move_to_end(name)
            return self._items.get(name)

    def put(self, name: str, data: bytes) -> bytes:
        with self._lock:
            self._held += len(data) - len(self._items.pop(name, b""))
            self._items[name] = data
            while self._held > self._most and len(self._items) > 1:
                self._held -= len(self._items.popitem(last=False)[1])
        return data


class Pictures:
    """Full pictures (PNG, every pixel) and thumbnails (WebP) of the cells of an atlas."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._full = _Recent(KEPT_FULL)
        self._small = _Recent(KEPT_SMALL)
        self._folder = Path(atlas.path) / "thumbnails"
        self._hashes: dict[int, str] = {}  # of the cells whose thumbnail was asked for

    def full(self, cell: Cell) -> bytes:
        """PNG of the whole picture. Raises ImageError where the file is gone or changed."""
        known = self._full.get(cell.sha256)
        if known is not None:
            return known
        out = io.BytesIO()
        Image.fromarray(self._pixels(cell)).save(out, "PNG", compress_level=1)
        return self._full.put(cell.sha256, out.getvalue())

    def thumbnail(self, cell: Cell) -> bytes:
        """WebP of at most THUMBNAIL pixels a side. Raises ImageError as ``full``."""
        if len(self._hashes) >= REMEMBERED:
            self._hashes.clear()
        self._hashes[cell.id] = cell.sha256
        known = self._small.get(cell.sha256) or self._stored(cell.sha256)
        if known is not None:
            return known
        image = Image.fromarray(self._pixels(cell))
        image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        image.save(out, "WEBP", quality=88, method=2)
        data = out.getvalue()
        # An atlas that may only be read, or a full disk, costs time but no answer.
        with contextlib.suppress(OSError):
            _write(self._file(cell.sha256), data)
        return self._small.put(cell.sha256, data)

    def _file(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / f"{sha256}-{THUMBNAIL}.webp"

    def _stored(self, sha256: str) -> bytes | None:
        """The thumbnail that was made before, None where none was."""
        try:
            return self._small.put(sha256, self._file(sha256).read_bytes())
        except OSError:
            return None

    def _pixels(self, cell: Cell) -> np.ndarray:
        """The proved pixels of a cell, uint8 [H, W, 3]. Raises ImageError."""
        return read_cell(self._atlas, cell)

    def kept_thumbnail(self, cell_id: int, digest: str) -> bytes | None:
        """The thumbnail of a cell, if it was given before, without asking the catalogue.

        The pixels of a cell never change, so neither does this. ``digest`` begins its hash.
        """
        sha256 = self._hashes.get(cell_id, "")
        if not digest or sha256[:HASH_SHOWN] != digest:
            return None
        return self._small.get(sha256) or self._stored(sha256)

    def state(self, cell: Cell) -> PictureState:
        """Whether the picture can be shown, found by reading it."""
        try:
            self.full(cell)
        except ImageError as error:
            return problem(error)
        return PictureState("ok")


def problem(error: ImageError) -> PictureState:
    """What to tell the reader of a picture that cannot be shown."""
    state = "missing" if isinstance(error, CellFileMissingError) else "changed"
    return PictureState(state, error.message, error.remedy)


def placeholder(state: str) -> bytes:
    """An SVG that stands where a picture cannot be shown. ``state`` as in PictureState."""
    words = "file missing" if state == "missing" else "file changed"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 192 192" width="192" height="192">'
        '<rect width="192" height="192" fill="#e4e1ea"/>'
        '<g fill="none" stroke="#6b6478" stroke-width="4" stroke-linecap="round">'
        '<circle cx="96" cy="82" r="38" stroke-dasharray="9 11"/>'
        '<path d="M82 68l28 28M110 68l-28 28"/></g>'
        '<text x="96" y="156" text-anchor="middle" font-family="system-ui,sans-serif" '
        f'font-size="20" fill="#4a4456">{words}</text></svg>'
    ).encode()


def _write(file: Path, data: bytes) -> None:
    """Put ``data`` at ``file`` so that no reader ever sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
