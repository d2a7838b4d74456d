"""Every format gives the same RGB pixels; nothing that is wrong gets through or stops a run."""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from index import Atlas, CellRecord
from retrieval.reading.decode import (
    cell_path,
    decode,
    decode_pages,
    page_numbers,
    pixel_hash,
    read_cell,
)
from retrieval.reading.errors import (
    CellFileChangedError,
    CellFileMissingError,
    ImageError,
    ImageMissingError,
    ImageTooLargeError,
    ImageUnreadableError,
)

Painter = Callable[..., Path]
Pixels = Callable[..., np.ndarray]


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".ppm", ".tga", ".jp2"])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, picture: Pixels, suffix: str) -> None:
    file = tmp_path / f"cell{suffix}"
    Image.fromarray(picture(1)).save(file, **({"lossless": True} if suffix == ".webp" else {}))
    rgb = decode(file)
    assert rgb.dtype == np.uint8
    assert rgb.flags.writeable
    np.testing.assert_array_equal(rgb, picture(1))


def test_jpeg_is_what_pillow_decodes(tmp_path: Path, picture: Pixels) -> None:
    file = tmp_path / "cell.jpg"
    Image.fromarray(picture(1)).save(file, quality=95)
    np.testing.assert_array_equal(decode(file), np.array(Image.open(file)))


def test_hash_is_of_size_and_pixels(picture: Pixels) -> None:
    rgb = picture(3)
    expected = hashlib.sha256(b"12x16x3:" + rgb.tobytes()).hexdigest()
    assert pixel_hash(rgb) == expected
    assert pixel_hash(rgb[:, ::-1]) != expected
    assert pixel_hash(np.asfortranarray(rgb)) == expected
    assert pixel_hash(rgb.reshape(16, 12, 3)) != expected


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :8] = (250, 20, 20)
    upright[:8, 16:] = (20, 20, 250)
    undo = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
    turn = Image.Exif()
    turn[274] = undo[orientation]
    stored = Image.fromarray(upright)
    stored.getexif()[274] = undo[orientation]
    stored = ImageOps.exif_transpose(stored)
    exif = Image.Exif()
    exif[274] = orientation
    file = tmp_path / f"cell{suffix}"
    options = {".jpg": {"quality": 95}, ".webp": {"lossless": True}}.get(suffix, {})
    stored.save(file, exif=exif, **options)
    rgb = decode(file).astype(int)
    assert rgb.shape == upright.shape
    assert np.abs(rgb - upright).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_sixteen_bit_colour(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((4, 6, 3), np.uint16)
    upright[0, 0] = 65535
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    file = tmp_path / "cell.tif"
    tifffile.imwrite(
        file, stored.copy(), photometric="rgb", extratags=[(274, "H", 1, orientation, True)]
    )
    np.testing.assert_array_equal(decode(file), (upright // 257).astype(np.uint8))


def test_alpha_lies_over_white(tmp_path: Path) -> None:
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = (10, 20, 30, 255)
    rgba[0, 1] = (10, 20, 30, 0)
    rgba[1, 0] = (0, 0, 0, 128)
    Image.fromarray(rgba).save(tmp_path / "cell.png")
    rgb = decode(tmp_path / "cell.png")
    assert rgb[0, 0].tolist() == [10, 20, 30]
    assert rgb[0, 1].tolist() == [255, 255, 255]
    assert abs(int(rgb[1, 0, 0]) - 127) <= 1


def test_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.putdata([0, 1])
    image.save(tmp_path / "cell.png", transparency=1)
    assert decode(tmp_path / "cell.png")[0].tolist() == [[200, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "CMYK", "YCbCr"])
def test_other_modes_become_rgb(tmp_path: Path, picture: Pixels, mode: str) -> None:
    image = Image.fromarray(picture(2)).convert(mode)
    suffix = ".jpg" if mode in ("CMYK", "YCbCr") else ".png"
    image.save(tmp_path / f"cell{suffix}")
    rgb = decode(tmp_path / f"cell{suffix}")
    assert rgb.shape == (12, 16, 3)
    if mode in ("L", "1", "LA"):
        assert (rgb[..., 0] == rgb[..., 1]).all()
        assert (rgb[..., 0] == rgb[..., 2]).all()


@pytest.mark.parametrize(
    ("top", "white"), [(200, 255), (1000, 1023), (4095, 4095), (9000, 16383), (65535, 65535)]
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_grey_scales_to_the_smallest_depth(
    tmp_path: Path, top: int, white: int, suffix: str
) -> None:
    values = np.array([[0, top // 2], [top // 3, top]], np.uint16)
    file = tmp_path / f"cell{suffix}"
    if suffix == ".png":
        Image.fromarray(values).save(file)
    else:
        tifffile.imwrite(file, values)
    expected = [round(float(value) * 255 / white) for value in values.ravel()]
    got = decode(file)[..., 0].ravel().tolist()
    assert np.abs(np.array(got) - expected).max() <= 1


@pytest.mark.parametrize("planar", [None, "separate"])
def test_sixteen_bit_colour_tiff(tmp_path: Path, picture: Pixels, planar: str | None) -> None:
    values = picture(4).astype(np.uint16) * 257
    values[0, 0] = 65535
    stored = np.moveaxis(values, -1, 0).copy() if planar else values
    tifffile.imwrite(tmp_path / "c.tif", stored, photometric="rgb", planarconfig=planar)
    np.testing.assert_array_equal(decode(tmp_path / "c.tif"), (values // 257).astype(np.uint8))


def test_float_tiff_must_lie_between_nought_and_one(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "good.tif", np.array([[0.0, 1.0]], np.float32))
    tifffile.imwrite(tmp_path / "bad.tif", np.array([[0.0, 7.0]], np.float32))
    assert decode(tmp_path / "good.tif")[0, :, 0].tolist() == [0, 255]
    with pytest.raises(ImageUnreadableError, match="outside 0 to 1"):
        decode(tmp_path / "bad.tif")


def test_pages_of_a_tiff_are_cells_and_thumbnails_are_not(tmp_path: Path, picture: Pixels) -> None:
    file = tmp_path / "stack.tif"
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(picture(1), photometric="rgb")
        tiff.write(picture(2)[::2, ::2].copy(), photometric="rgb", subfiletype=1)
        tiff.write(picture(3), photometric="rgb")
    assert page_numbers(file) == [0, 2]
    pages = dict(decode_pages(file))
    np.testing.assert_array_equal(pages[0], picture(1))
    np.testing.assert_array_equal(pages[2], picture(3))
    with pytest.raises(ImageUnreadableError, match="no page 9"):
        decode(file, 9)


def test_an_animation_is_its_first_picture(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), grey) for grey in (0, 255)]
    frames[0].save(tmp_path / "c.gif", save_all=True, append_images=frames[1:])
    assert page_numbers(tmp_path / "c.gif") == [0]
    assert decode(tmp_path / "c.gif").max() == 0


def test_a_box_of_a_field(tmp_path: Path, paint: Painter, picture: Pixels) -> None:
    field = paint(tmp_path / "field.png", 5)
    rgb = decode(field, member="box:2,3,5,4")
    np.testing.assert_array_equal(rgb, picture(5)[3:7, 2:7])
    assert decode(field, member="box:-2,-2,4,4").shape == (2, 2, 3)
    for wrong in ("box:100,100,5,5", "box:1,2,3", "box:a,b,c,d"):
        with pytest.raises(ImageUnreadableError, match="box"):
            decode(field, member=wrong)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ImageMissingError, match=r"no file .*nowhere\.png"):
        decode(tmp_path / "nowhere.png")


def test_a_huge_header_is_refused_before_decoding(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_header(60_000, 60_000))
    with pytest.raises(ImageTooLargeError, match=r"60000 x 60000 pixels, allowed are 50000000"):
        decode(tmp_path / "bomb.png")


def test_max_pixels_is_a_setting(
    tmp_path: Path, paint: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = paint(tmp_path / "c.png")
    monkeypatch.setenv("CELLKIN_MAX_PIXELS", "191")
    with pytest.raises(ImageTooLargeError, match="16 x 12"):
        decode(file)
    monkeypatch.setenv("CELLKIN_MAX_PIXELS", "192")
    assert decode(file).shape == (12, 16, 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".gif", ".webp"])
def test_truncated_files_are_damaged(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"cell{suffix}"
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(file)
    whole = file.read_bytes()
    for share in (0.02, 0.5, 0.9):
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ImageUnreadableError, match="cell"):
            decode(file)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"hello, this is text", "no picture"),
        (b"%PDF-1.4 not a picture", "no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
        (b"II*\0\x08\0\0\0", "has no page 0"),
        (b"\x89PNG\r\n\x1a\n", "damaged|no picture"),
    ],
)
def test_what_is_no_picture(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "cell.jpg").write_bytes(content)
    with pytest.raises(ImageUnreadableError, match=says):
        decode(tmp_path / "cell.jpg")


def test_pipes_and_folders_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "folder.png"):
        with pytest.raises(ImageUnreadableError, match="cannot be opened"):
            decode(tmp_path / name)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), suffix=st.sampled_from([".png", ".jpg", ".tif", ".bmp", ".gif"]))
def test_any_damage_raises_only_image_errors(
    tmp_path: Path, data: st.DataObject, suffix: str
) -> None:
    file = tmp_path / f"cell{suffix}"
    Image.fromarray(np.full((20, 20, 3), 77, np.uint8)).save(file)
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(bytes(content))
    try:
        rgb = decode(file)
    except ImageError:
        return
    assert rgb.dtype == np.uint8
    assert rgb.ndim == 3
    assert rgb.shape[2] == 3


def added(atlas: Atlas, file: Path, **more: object) -> int:
    rgb = decode(file)
    record = CellRecord(file.name, pixel_hash(rgb), rgb.shape[1], rgb.shape[0], **more)
    atlas.add_dataset("d", str(file.parent))
    atlas.add_cells("d", [record])
    return int(atlas.cell_ids()[0])


def test_read_cell_proves_the_pixels(
    tmp_path: Path, atlas: Atlas, paint: Painter, picture: Pixels
) -> None:
    file = paint(tmp_path / "pictures" / "c.png", 1)
    cell = atlas.cell(added(atlas, file))
    assert cell_path(atlas, cell) == file
    np.testing.assert_array_equal(read_cell(atlas, cell), picture(1))
    paint(file, 2)
    with pytest.raises(CellFileChangedError, match="other pixels"):
        read_cell(atlas, cell)
    file.write_bytes(b"text")
    with pytest.raises(CellFileChangedError, match="no longer be read"):
        read_cell(atlas, cell)
    file.unlink()
    with pytest.raises(CellFileMissingError, match=r"is gone.*put it back"):
        read_cell(atlas, cell)
