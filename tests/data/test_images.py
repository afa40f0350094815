"""Pictures: right colours, upright, whole; everything else is refused quickly with a reason, by BadPicture alone."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgtag.core.errors import BadPicture
from imgtag.data.images import encode_png, is_picture_name, open_picture, thumbnail, to_input
from tests.drawing import COLOURS, draw, encode, picture, quadrants

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF")
EXTENSIONS = {"JPEG": ".jpg", "HEIF": ".heic"}
WITH_ORIENTATION = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF")

# How a camera stores an upright scene for each value of the EXIF orientation.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """The mean colour of the middle of each quarter, clockwise from the upper left."""
    assert image.mode == "RGB"
    pixels = np.asarray(image, dtype=float)
    height, width = pixels.shape[:2]
    centres = [(1, 1), (1, 3), (3, 3), (3, 1)]
    found = []
    for row, column in centres:
        y, x = row * height // 4, column * width // 4
        found.append(tuple(round(v) for v in pixels[y - 2 : y + 3, x - 2 : x + 3].mean(axis=(0, 1))))
    return found


def assert_looks_like_the_quadrants(image: Image.Image, within: int = 30) -> None:
    """The picture is upright and its colours are right, give or take lossy compression."""
    wanted = [COLOURS[name] for name in ("red", "green", "blue", "yellow")]
    assert np.abs(np.array(corners(image)) - wanted).max() <= within, corners(image)


# ----------------------------------------------------------------------------- right colours, upright


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_that_is_taken_opens_with_right_colours_and_true_facts(format_: str) -> None:
    opened, facts = open_picture(encode(quadrants(96), format_))
    assert_looks_like_the_quadrants(opened)
    assert (facts.format, facts.extension) == (format_, EXTENSIONS.get(format_, f".{format_.lower()}"))
    assert (facts.width, facts.height, facts.note) == (96, 96, "")


@pytest.mark.parametrize("format_", WITH_ORIENTATION)
@pytest.mark.parametrize("orientation", STORED)
def test_a_turned_camera_gives_an_upright_picture(orientation: int, format_: str) -> None:
    scene = quadrants(96).resize((96, 64))
    step = STORED[orientation]
    stored = scene.transpose(step) if step is not None else scene
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened, _ = open_picture(encode(stored, format_, exif=exif.tobytes()))
    assert opened.size == (96, 64)
    assert_looks_like_the_quadrants(opened)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("garbage", [b"garbage", b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_camera_notes_do_not_cost_the_picture(format_: str, garbage: bytes) -> None:
    opened, _ = open_picture(encode(quadrants(), format_, exif=garbage))
    assert_looks_like_the_quadrants(opened)


def test_four_colour_print_pictures_come_out_in_their_colours() -> None:
    opened, _ = open_picture(encode(quadrants(96).convert("CMYK"), "JPEG", quality=95))
    assert_looks_like_the_quadrants(opened)


def test_sixteen_bits_keep_their_greys() -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (64, 1))
    opened, _ = open_picture(encode(Image.fromarray(ramp), "PNG"))
    values = np.asarray(opened)
    assert len(np.unique(values)) == 256
    assert np.array_equal(values[0, :, 0], ramp[0] >> 8)


@pytest.mark.parametrize("depth", ["RGBA", "LA", "P", "L"])
def test_what_is_transparent_becomes_white_and_never_shows_its_hidden_colour(depth: str) -> None:
    image = Image.new("RGBA", (64, 64), (200, 0, 0, 255))
    image.paste((200, 0, 0, 0), (32, 0, 64, 64))
    if depth == "RGBA":
        data = encode(image)
    elif depth == "LA":
        data = encode(image.convert("LA"))
    elif depth == "P":
        palette = Image.new("P", (64, 64), 0)
        palette.putpalette([200, 0, 0, 10, 20, 30])
        palette.paste(1, (32, 0, 64, 64))
        data = encode(palette, transparency=1)
    else:
        grey = Image.new("L", (64, 64), 60)
        grey.paste(7, (32, 0, 64, 64))
        data = encode(grey, transparency=7)
    opened, _ = open_picture(data)
    assert opened.getpixel((48, 32)) == (255, 255, 255)
    seen = opened.getpixel((16, 32))
    assert seen == ((200, 0, 0) if depth in ("RGBA", "P") else (60, 60, 60))


def test_half_transparent_is_half_white() -> None:
    opened, _ = open_picture(encode(Image.new("RGBA", (8, 8), (0, 0, 0, 128))))
    assert abs(opened.getpixel((4, 4))[0] - 127) <= 1


@pytest.mark.parametrize("mode", ["1", "L"])
def test_black_and_white_and_grey_become_three_equal_channels(mode: str) -> None:
    image = Image.new("L", (64, 64), 255)
    image.paste(0, (0, 0, 32, 64))
    opened, _ = open_picture(encode(image.convert(mode)))
    assert (opened.getpixel((10, 10)), opened.getpixel((50, 10))) == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_frame_is_taken_and_that_is_said(format_: str) -> None:
    first, others = quadrants(), [draw("purple", n) for n in range(2)]
    data = encode(first, format_, save_all=True, append_images=others)
    opened, facts = open_picture(data)
    assert_looks_like_the_quadrants(opened)
    assert facts.note == "3 frames, only the first is used"


def test_two_pictures_in_one_phone_photo_are_a_jpeg_of_which_the_first_is_taken() -> None:
    data = encode(quadrants(), "MPO", save_all=True, append_images=[draw("purple")])
    opened, facts = open_picture(data)
    assert_looks_like_the_quadrants(opened)
    assert (facts.format, facts.extension, facts.note) == ("MPO", ".jpg", "2 frames, only the first is used")


def test_something_glued_on_behind_a_jpeg_does_no_harm() -> None:
    whole = picture("red", format="JPEG")
    glued, _ = open_picture(whole + b"<html>hello</html>")
    assert glued.tobytes() == open_picture(whole)[0].tobytes()


def test_the_name_does_not_matter_and_a_path_is_read_like_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "really-a-png.jpg"
    path.write_bytes(picture("green"))
    opened, facts = open_picture(path)
    assert facts.extension == ".png"
    assert opened.tobytes() == open_picture(path.read_bytes())[0].tobytes()


def test_a_jpeg_decoded_at_a_smaller_scale_is_as_large_as_asked_and_looks_the_same() -> None:
    data = encode(quadrants(1024), "JPEG")
    for at_least in (100, 224, 600, 4000):
        opened, facts = open_picture(data, at_least=at_least)
        assert min(opened.size) >= min(at_least, 1024)
        assert (facts.width, facts.height) == (1024, 1024)
        assert_looks_like_the_quadrants(opened)
    assert open_picture(data, at_least=100)[0].size == (128, 128)


# ----------------------------------------------------------------------------- refused, with a reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"<html><body>not found</body></html>", "a web page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "an SVG drawing"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"8BPS\0\1" + bytes(40), "Photoshop"),
        (b"II*\0" + bytes(40), "a TIFF picture"),
        (b"PK\x03\x04" + bytes(40), "a zip file"),
        (b"MZ" + bytes(100), "a program"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\n", "Git LFS pointer"),
        (b"just some words", "a text file"),
        (bytes(range(256)), "not a picture that can be read"),
    ],
)
def test_what_is_no_picture_is_refused_and_called_by_its_kind(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(BadPicture, match=reason) as caught:
            open_picture(source)
        assert caught.value.explanation
        assert caught.value.next_step


def test_a_real_tiff_is_refused_with_the_way_to_convert_it() -> None:
    with pytest.raises(BadPicture, match=r"a TIFF picture.*Save it as JPEG or PNG"):
        open_picture(encode(quadrants(), "TIFF"))


def test_a_file_that_is_missing_a_folder_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (tmp_path, tmp_path / "gone.png"):
        with pytest.raises(BadPicture, match="cannot be opened"):
            open_picture(path)
    monkeypatch.setenv("IMGTAG_MAX_PICTURE_MB", "1")
    large = picture() + bytes(1 << 20)
    (tmp_path / "large.png").write_bytes(large)
    for source in (large, tmp_path / "large.png"):
        with pytest.raises(BadPicture, match="up to 1 MB"):
            open_picture(source)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_picture_cut_short_anywhere_is_refused_or_the_same_as_the_whole(format_: str) -> None:
    data = encode(draw("blue", 3, size=(120, 90)), format_)
    whole = open_picture(data)[0].tobytes()
    for tenth in range(10):
        cut = data[: len(data) * tenth // 10]
        for at_least in (None, 16):
            with pytest.raises(BadPicture):
                open_picture(cut, at_least=at_least)
    for last in range(1, 13):  # behind the pixels stands little that matters
        try:
            assert open_picture(data[:-last])[0].tobytes() == whole
        except BadPicture:
            continue


SAMPLES = [encode(draw("red", n, size=(40, 30)), f) for n, f in enumerate(FORMATS)] + [
    encode(quadrants(32), "MPO", save_all=True, append_images=[quadrants(32)]),
    encode(quadrants(32).quantize(8), "PNG", transparency=1),
    encode(quadrants(32), "GIF", save_all=True, append_images=[draw("blue", 1, size=(32, 32))]),
]


@settings(max_examples=400, deadline=None)
@given(
    data=st.sampled_from(SAMPLES),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6),
)
@pytest.mark.filterwarnings("ignore")  # Pillow warns about what it finds odd; the verdict is what counts here
def test_changed_bytes_give_a_picture_or_a_refusal_and_nothing_else(
    data: bytes, changes: list[tuple[int, int]]
) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(data)] = value
    try:
        opened, _ = open_picture(bytes(damaged))
    except BadPicture:
        return
    assert opened.mode == "RGB"
    assert Image.open(io.BytesIO(thumbnail(opened, 64))).format == "JPEG"
    assert to_input(opened, 32, 28).shape == (28, 28, 3)


@settings(max_examples=150, deadline=None)
@given(start=st.sampled_from([s[:n] for s in SAMPLES for n in (4, 16, 40)]), rest=st.binary(max_size=200))
@pytest.mark.filterwarnings("ignore")
def test_random_bytes_behind_a_true_beginning_are_refused_or_read(start: bytes, rest: bytes) -> None:
    try:
        open_picture(start + rest)
    except BadPicture:
        return


# ----------------------------------------------------------------------------- bombs


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_size(width: int, height: int, *extra: bytes) -> bytes:
    """A grey 1-bit PNG that claims (and packs) this many pixels, with further chunks before them."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    packed = zlib.compress(bytes(((width + 7) // 8 + 1) * height), 9)
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")


def long_animation() -> bytes:
    """A GIF of 10,000 frames."""
    frames = [Image.new("L", (8, 8), n % 256) for n in range(10_000)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("name", "reason"),
    [("pixels", "too many pixels"), ("text", "damaged"), ("claim", "too many pixels"), ("frames", "")],
)
def test_a_bomb_is_dealt_with_in_under_a_second_and_200_megabytes(name: str, reason: str, tmp_path: Path) -> None:
    data = {
        "pixels": lambda: png_of_size(20_000, 20_000),
        "text": lambda: png_of_size(8, 8, png_chunk(b"zTXt", b"t\0\0" + zlib.compress(bytes(300_000_000), 1))),
        "claim": lambda: encode(quadrants(), "BMP").replace(
            struct.pack("<ii", 64, 64), struct.pack("<ii", 60_000, 60_000)
        ),
        "frames": long_animation,
    }[name]()
    path = tmp_path / "bomb"
    path.write_bytes(data)
    code = (
        "import resource, sys, time; from pathlib import Path\n"
        "from imgtag.data.images import open_picture; from imgtag.core.errors import BadPicture\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; start = time.monotonic()\n"
        "try: print(open_picture(Path(sys.argv[1]))[1].note)\n"
        "except BadPicture as error: print(error.title)\n"
        "print(time.monotonic() - start)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    said, seconds, megabytes = done.stdout.splitlines()
    assert reason in said if reason else said == "10000 frames, only the first is used"
    assert float(seconds) < 1
    assert float(megabytes) < 200


def test_a_very_long_strip_does_not_fill_the_memory_when_it_is_scaled(tmp_path: Path) -> None:
    path = tmp_path / "strip.png"
    path.write_bytes(encode(Image.new("RGB", (60_000, 2), "white")))
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from imgtag.data.images import open_picture, to_input\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "print(to_input(open_picture(Path(sys.argv[1]))[0], 256, 224).mean())"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "255.0", done.stderr[-500:]


def test_more_megapixels_than_allowed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = png_of_size(1100, 1000)
    assert open_picture(data)[0].size == (1100, 1000)
    monkeypatch.setenv("IMGTAG_MAX_PICTURE_MEGAPIXELS", "1")
    with pytest.raises(BadPicture, match="Up to 1 megapixels"):
        open_picture(data)


# ----------------------------------------------------------------------------- smaller pictures


def test_a_thumbnail_is_small_keeps_its_shape_and_carries_no_camera_notes() -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    opened, _ = open_picture(encode(quadrants(400).resize((400, 200)), "JPEG", exif=exif))
    data = thumbnail(opened, 100)
    small = Image.open(io.BytesIO(data))
    assert (small.format, small.size, small.getexif()) == ("JPEG", (100, 50), Image.Exif())
    assert b"where I live" not in data
    assert_looks_like_the_quadrants(small)
    assert opened.size == (400, 200)


def test_a_small_picture_is_not_enlarged_for_its_thumbnail() -> None:
    assert Image.open(io.BytesIO(thumbnail(quadrants(20), 100))).size == (20, 20)


@pytest.mark.parametrize("size", [(100, 100), (300, 100), (90, 400), (7, 5), (1, 1), (3000, 4)])
def test_the_network_sees_the_middle_square(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "white")
    seen = to_input(image, 64, 56)
    assert (seen.shape, seen.dtype, seen.min()) == ((56, 56, 3), np.uint8, 255)


def test_what_lies_outside_of_the_middle_square_is_not_seen_and_the_middle_is() -> None:
    wide = Image.new("RGB", (400, 100), "red")
    wide.paste("lime", (150, 0, 250, 100))
    seen = to_input(wide, 64, 48)
    assert np.abs(seen.astype(int) - (0, 255, 0)).max() <= 2
    wide.paste("blue", (195, 45, 205, 55))
    assert to_input(wide, 64, 48)[24, 24, 2] > 128


def test_a_long_strip_is_cut_around_its_middle() -> None:
    strip = Image.new("RGB", (5000, 50), "red")
    strip.paste("lime", (2450, 0, 2550, 50))
    assert np.abs(to_input(strip, 64, 48).astype(int) - (0, 255, 0)).max() <= 2


def test_a_grey_drawing_becomes_a_square_png() -> None:
    opened, facts = open_picture(encode_png(np.array([[0, 255], [255, 0]], dtype=np.uint8), 32))
    assert (facts.format, opened.size) == ("PNG", (32, 32))
    assert opened.getpixel((2, 2))[0] < 60 < 190 < opened.getpixel((30, 2))[0]


@pytest.mark.parametrize("name", ["a.jpg", "b.JPEG", "c.jfif", "no extension", "x.HEIC", "F.pergan.28(f).jpg"])
def test_names_that_may_belong_to_a_picture(name: str) -> None:
    assert is_picture_name(name)


@pytest.mark.parametrize("name", ["a.txt", "b.svg", "c.tif", "d.pt", "e.jpg.exe", "f.zip"])
def test_names_that_do_not(name: str) -> None:
    assert not is_picture_name(name)


def test_opening_a_toy_picture_takes_milliseconds() -> None:
    data = picture()
    start = time.monotonic()
    for _ in range(20):
        open_picture(data)
    assert time.monotonic() - start < 2
