"""One picture in, RGB pixels out, the same for every format.

Rules, so that two machines agree on every pixel and so on every hash:

* EXIF and TIFF orientation is applied.
* Transparency is laid over white.
* Grey becomes three equal channels; palette, CMYK and YCbCr become RGB.
* More than 8 bits: the smallest of 8, 10, 12, 14 and 16 bits that holds the picture's maximum is
  taken as white and scaled to 255 (cameras store 12 bits in 16). Floats must lie in 0 to 1.
* The header is checked against setting ``max_pixels`` before anything is decoded.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image, ImageOps

from index.settings import setting
from retrieval.reading.arrays import array_row
from retrieval.reading.errors import (
    CellFileChangedError,
    CellFileMissingError,
    ImageError,
    ImageMissingError,
    ImageTooLargeError,
    ImageUnreadableError,
)

if TYPE_CHECKING:
    from index import Atlas, Cell

# Raster formats only: EPS and PDF would start an interpreter, video containers hold no cells.
FORMATS = (
    "JPEG", "PNG", "TIFF", "BMP", "DIB", "GIF", "WEBP", "JPEG2000", "PPM", "TGA", "PCX", "ICO",
    "SGI", "AVIF",
)  # fmt: skip
SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".tif", ".tiff", ".bmp", ".dib",
        ".gif", ".webp", ".jp2", ".j2k", ".jpx", ".mpo", ".ppm", ".pgm", ".pbm", ".pnm", ".tga",
        ".pcx", ".ico", ".sgi", ".rgb", ".avif",
    }
)  # fmt: skip
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Pillow's own guard is a process-wide constant that warns at one size and raises at another.
# `_check_size` below is stricter and follows setting `max_pixels`.
Image.MAX_IMAGE_PIXELS = None
Image.init()
# Pillow fails with a bare KeyError on a name it was built without; MPO comes with JPEG.
READABLE = [name for name in FORMATS if name in Image.OPEN]
# A damaged file is reported by name, once; what the libraries mutter of it adds nothing.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

# What Pillow and tifffile raise on damaged files, beyond OSError.
DAMAGE = (
    OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, KeyError, IndexError,
    TypeError, OverflowError, ZeroDivisionError, RuntimeError, MemoryError,
    tifffile.TiffFileError,
)  # fmt: skip

BOX = "box:"


def decode(path: Path, frame: int = 0, member: str | None = None) -> np.ndarray:
    """The pixels of one cell as uint8 [H, W, 3], RGB, 0 to 255.

    ``frame`` is the page of a TIFF, or the row of an array; animations and other multi-picture
    files give their first picture. ``member`` is the array's name inside an ``.npz``, or
    ``box:x,y,width,height`` in pixels for a cell that lies in a field.

    Raises ImageMissingError, ImageTooLargeError, or ImageUnreadableError; nothing else.
    """
    if member is not None and not member.startswith(BOX):
        return array_row(path, member, frame)
    with _opened(path) as file:
        rgb = _decode_file(file, path, frame)
    return rgb if member is None else _cut(rgb, member, path)


def decode_pages(path: Path) -> Iterator[tuple[int, np.ndarray | ImageError]]:
    """Every full-size page of a TIFF as (page number, pixels), or the one picture of another file.

    Pages marked as thumbnails or masks are left out. A damaged page is yielded as its error.
    """
    for frame in page_numbers(path):
        try:
            yield frame, decode(path, frame)
        except ImageError as error:
            yield frame, error


def page_numbers(path: Path) -> list[int]:
    """The pages of ``path`` that hold a cell: [0] for anything but a multi-page TIFF."""
    if path.suffix.lower() not in TIFF_SUFFIXES:
        return [0]
    try:
        with tifffile.TiffFile(path) as tiff:
            # Bit 0 of NewSubfileType marks a reduced copy, bit 2 a mask (TIFF 6.0, p. 36).
            pages = [
                number
                for number, page in enumerate(tiff.pages)
                if not int(getattr(page, "subfiletype", 0) or 0) & 0b101
            ]
    except DAMAGE:
        return [0]  # decode() says what is wrong with it
    return pages or [0]


def pixel_hash(rgb: np.ndarray) -> str:
    """SHA-256, in hexadecimal, of the size and the pixels of uint8 [H, W, 3]."""
    height, width = rgb.shape[:2]
    digest = hashlib.sha256(f"{height}x{width}x3:".encode())
    digest.update(np.ascontiguousarray(rgb).data)
    return digest.hexdigest()


def cell_path(atlas: Atlas, cell: Cell) -> Path:
    """Where the file of ``cell`` lies: the copy inside the atlas if there is one."""
    if cell.stored:
        return Path(atlas.path) / cell.stored
    return Path(cell.root) / cell.file


def read_cell(atlas: Atlas, cell: Cell) -> np.ndarray:
    """The pixels of a cell of the atlas, uint8 [H, W, 3] RGB, proved to be those imported.

    Raises CellFileMissingError or CellFileChangedError.
    """
    path = cell_path(atlas, cell)
    try:
        # A copy inside the atlas holds this one cell only.
        rgb = decode(path) if cell.stored else decode(path, cell.frame, cell.member)
    except ImageMissingError as error:
        raise CellFileMissingError(
            f"the file of cell {cell.id} is gone: {path}",
            f"put it back, or import data set {cell.dataset} again from where it lies now",
        ) from error
    except ImageError as error:
        raise CellFileChangedError(
            f"the file of cell {cell.id} can no longer be read: {error.message}",
            "put the original back, or import it again as a new cell",
        ) from error
    if pixel_hash(rgb) != cell.sha256:
        raise CellFileChangedError(
            f"the file of cell {cell.id} holds other pixels than when it was imported: {path}",
            "put the original back, or import it again as a new cell",
        )
    return rgb


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with os.fdopen(_open_regular(path), "rb") as file:
            yield file
    except FileNotFoundError as error:
        raise ImageMissingError(f"no file {path}", "check the path") from error
    except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
        raise ImageUnreadableError(
            f"{path} cannot be opened: {error.strerror}", "give a file that can be read"
        ) from error


def _open_regular(path: Path) -> int:
    """Open without waiting: a named pipe would block for ever, a device never ends."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise IsADirectoryError(21, "not a regular file")
    return handle


def _decode_file(file: BinaryIO, path: Path, frame: int) -> np.ndarray:
    head = file.read(4)
    if not head:
        raise ImageUnreadableError(f"{path} is empty", "replace it by the whole file")
    file.seek(0)
    try:
        with Image.open(file, formats=READABLE) as image:
            if image.format == "TIFF":
                _seek(image, frame, path)
                if _is_deep_colour(image):
                    return _decode_tiff(file, path, frame)
            _check_size(image.width, image.height, path)
            image.load()
            return _to_rgb(image)
    except Image.UnidentifiedImageError as error:
        if head not in TIFF_MAGIC:
            raise ImageUnreadableError(
                f"{path} is no picture of a kind that can be read", "give JPEG, PNG or TIFF"
            ) from error
        return _decode_tiff(file, path, frame)
    except ImageError:
        raise
    except DAMAGE as error:
        if head in TIFF_MAGIC:
            return _decode_tiff(file, path, frame)
        raise ImageUnreadableError(
            f"{path} is damaged: {_first_line(error)}", "replace it by the whole file"
        ) from error


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether a TIFF has several channels of more than 8 bits, which Pillow cuts or garbles."""
    bits = image.tag_v2.get(258, (8,))  # type: ignore[attr-defined]
    return len(bits) > 1 and max(bits) > 8


def _seek(image: Image.Image, frame: int, path: Path) -> None:
    try:
        image.seek(frame)
    except EOFError as error:
        raise ImageUnreadableError(
            f"{path} has no page {frame}", "give a page that it holds"
        ) from error


def _check_size(width: int, height: int, path: Path) -> None:
    largest = int(setting("max_pixels"))
    if width * height > largest:
        raise ImageTooLargeError(
            f"{path} is {width} x {height} pixels, allowed are {largest} in all",
            "cut the cells out of it, or raise CELLKIN_MAX_PIXELS",
        )


def _to_rgb(image: Image.Image) -> np.ndarray:
    if "exif" in image.info or image.format in ("TIFF", "PNG", "WEBP", "AVIF"):
        image = ImageOps.exif_transpose(image)
    if image.mode == "RGB" and "transparency" not in image.info:
        return np.array(image)
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I", "F"):
        return _to_eight_bits(np.array(image))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def _to_eight_bits(values: np.ndarray) -> np.ndarray:
    """Scale [H, W] or [H, W, channels] of any number type to uint8 [H, W, 3]; see the module."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values.astype(np.float32), nan=-1.0, posinf=-1.0)
        if values.size and (values.min() < 0 or values.max() > 1):
            raise ValueError("floating-point pixels outside 0 to 1")
        scaled = np.rint(values * 255).astype(np.uint8)
    elif values.dtype == bool:
        scaled = values.astype(np.uint8) * 255
    elif values.dtype == np.uint8:
        scaled = values
    else:
        top = int(values.max(initial=0))
        if int(values.min(initial=0)) < 0 or top > 0xFFFF:
            raise ValueError("whole-number pixels outside 0 to 65535")
        white = next(2**bits - 1 for bits in (8, 10, 12, 14, 16) if top < 2**bits)
        scaled = np.rint(values.astype(np.float32) * (255 / white)).astype(np.uint8)
    if scaled.ndim == 2:
        return np.repeat(scaled[:, :, None], 3, axis=2)
    if scaled.shape[2] == 1:
        return np.repeat(scaled, 3, axis=2)
    if scaled.shape[2] == 2:
        return np.array(Image.fromarray(scaled, "LA").convert("RGB"))
    if scaled.shape[2] == 4:
        return _to_rgb(Image.fromarray(np.ascontiguousarray(scaled), "RGBA"))
    if scaled.shape[2] != 3:
        raise ValueError(f"{scaled.shape[2]} channels; 1, 2, 3 or 4 can be read")
    return np.ascontiguousarray(scaled)


def _decode_tiff(file: BinaryIO, path: Path, frame: int) -> np.ndarray:
    """The kinds of TIFF that Pillow cannot read, such as 16-bit colour."""
    file.seek(0)
    try:
        with tifffile.TiffFile(file, name=path.name) as tiff:
            if frame >= len(tiff.pages):
                raise ImageUnreadableError(
                    f"{path} has no page {frame}", "give a page that it holds"
                )
            page: Any = tiff.pages[frame]
            _check_size(page.imagewidth, page.imagelength, path)
            values = page.asarray()
            if values.ndim == 3 and page.planarconfig == 2:
                values = np.moveaxis(values, 0, -1)
            if page.photometric == 0:
                values = np.iinfo(values.dtype).max - values
            orientation = int(page.tags.valueof(274, 1))
            return _orient(_to_eight_bits(values), orientation)
    except ImageError:
        raise
    except DAMAGE as error:
        raise ImageUnreadableError(
            f"{path} is a TIFF that cannot be read: {_first_line(error)}",
            "replace it by the whole file, saved without compression or as PNG",
        ) from error


def _orient(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """Undo TIFF orientation 2 to 8 (TIFF 6.0, p. 36)."""
    if orientation in (2, 3, 7, 8):
        rgb = rgb[:, ::-1]
    if orientation in (3, 4, 6, 7):
        rgb = rgb[::-1]
    if orientation in (5, 6, 7, 8):
        rgb = rgb.transpose(1, 0, 2)
    return np.ascontiguousarray(rgb)


def _cut(rgb: np.ndarray, member: str, path: Path) -> np.ndarray:
    """The box of ``member`` out of a field, cut off at the border."""
    try:
        x, y, width, height = (int(part) for part in member[len(BOX) :].split(","))
    except ValueError as error:
        raise ImageUnreadableError(
            f"{member!r} is no box of {path}", "write box:x,y,width,height in pixels"
        ) from error
    cut = rgb[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
    if not cut.size:
        raise ImageUnreadableError(
            f"{member!r} lies outside {path}, {rgb.shape[1]} x {rgb.shape[0]} pixels",
            "correct the box",
        )
    return np.ascontiguousarray(cut)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
