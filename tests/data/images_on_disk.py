"""Small image files, whole and damaged in the ways that files come damaged."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def content(form: str = "JPEG", number: int = 0, side: int = 64, **options) -> bytes:
    noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC).save(file, form, **options)
    return file.getvalue()


def folder(root: Path, count: int = 20, form: str = "JPEG") -> Path:
    """Two classes of whole images."""
    for name in ("ants", "bees"):
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number:02}.{form.lower()}").write_bytes(content(form, number))
    return root


def overwritten(whole: bytes, start: float = 0.4, length: int = 100) -> bytes:
    """Damages the middle and leaves the end as it is."""
    place = round(start * len(whole))
    return whole[:place] + bytes(length) + whole[place + length :]


def bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A PNG of a few bytes that claims to be enormous."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def many_frames(form: str, count: int = 200) -> bytes:
    frames = [Image.new("RGB", (16, 16), (number, 0, 0)) for number in range(count)]
    file = io.BytesIO()
    frames[0].save(file, form, save_all=True, append_images=frames[1:])
    return file.getvalue()


def odd_but_whole() -> dict[str, bytes]:
    """Files over which PIL warns, although nothing is wrong with their pixels."""
    palette = io.BytesIO()
    Image.new("P", (16, 16)).save(palette, "PNG", transparency=bytes([0, 5, 9]))
    exif = content("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x09\0\x0f\x01\x02\0\xff\xff\0\0\xff\xff\0\0")
    return {"palette.png": palette.getvalue(), "exif.jpg": exif}
