"""Classify pictures with the exported model: python classify.py photo.jpg ... [--top 5] prints a line of JSON for each.

@list.txt stands for the files listed in it, one a line. labels.json, and model.onnx, model.xml or model.pt2, lie beside
this file. In a program of your own: from classify import Classifier; Classifier().classify(open("photo.jpg", "rb"))
"""

import argparse
import json
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from pillow_heif import register_heif_opener

HERE = Path(__file__).resolve().parent
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF")
register_heif_opener(thumbnails=False)


class Classifier:
    """The model in memory; may be asked from several threads."""

    def __init__(self, folder=HERE):
        self.facts = json.loads((folder / "labels.json").read_text("utf-8"))
        self.run = engine(folder)

    def classify(self, source, top=5):
        """A picture (path or open file): tags, likeliest first, and whether it is unknown (None: cannot be told)."""
        picture = upright(source, max(how["resize"] for how in self.facts["inputs"]))
        chances, *alike = self.run([square(picture, how["resize"], how["size"])[None] for how in self.facts["inputs"]])
        order = np.argsort(-chances[0], kind="stable")
        tags = [{"class": self.facts["classes"][i], "probability": float(chances[0][i])} for i in order[:top]]
        limits, unknown = self.facts["unknown_threshold"], None
        if limits:  # too unsure, or too unlike the pictures that it has learnt from
            unknown = bool(chances.max() < limits["probability"])
            if alike and limits["familiarity"] is not None:
                unknown = unknown or bool(alike[0][0] < limits["familiarity"])
        return {"tags": tags, "unknown": unknown}


def engine(folder):
    """A function from the inputs, uint8 (n, size, size, 3) each, to the outputs, by the file that is there."""
    if (folder / "model.onnx").exists():
        import onnxruntime

        session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        names = [wanted.name for wanted in session.get_inputs()]
        return lambda pictures: session.run(None, dict(zip(names, pictures, strict=True)))
    if (folder / "model.xml").exists():
        import openvino

        options = {"INFERENCE_PRECISION_HINT": "f32"}  # leave it out for more speed and less exact probabilities
        model = openvino.Core().compile_model(folder / "model.xml", "CPU", options)
        return lambda pictures: list(model.create_infer_request().infer(pictures).values())
    import torch

    module = torch.export.load(folder / "model.pt2").module()

    def run(pictures):
        with torch.inference_mode():
            return [found.numpy() for found in module(*map(torch.from_numpy, pictures))]

    return run


def upright(source, at_least):
    """A picture as it is meant to be seen: upright, 8 bits, on white; at least so many pixels on its shorter side."""
    picture = Image.open(source, formats=FORMATS)
    if picture.format in ("JPEG", "MPO"):  # decoded at a half, a quarter or an eighth of its size: much faster
        picture.draft("RGB" if picture.mode == "RGB" else None, (at_least, at_least))
    with suppress(Exception):  # damaged camera notes do not matter: the pixels are whole
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16 bits
        values = np.asarray(picture).astype(np.uint32)
        picture = Image.fromarray((values >> 8 * int(values.max(initial=0) > 255)).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    return picture.convert("RGB")


def square(picture, shorter, size):
    """Its shorter side scaled to `shorter` pixels (bicubic), and the central square: uint8 (size, size, 3)."""
    a, b = picture.size
    w, h = min(a, 4 * b), min(b, 4 * a)  # of a long strip, the middle
    middle = ((a - w) // 2, (b - h) // 2, (a + w) // 2, (b + h) // 2)
    a, b = (max(size, round(side * (shorter / min(w, h)))) for side in (w, h))
    pixels = np.asarray(picture.resize((a, b), Image.Resampling.BICUBIC, middle, reducing_gap=2.0))
    return np.ascontiguousarray(pixels[(b - size) // 2 :, (a - size) // 2 :][:size, :size])


def main():
    """Classify the files that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--top", type=int, default=5)
    options = parser.parse_args()
    classifier = Classifier()
    for file in options.files:
        try:
            answer = {"file": file, **classifier.classify(file, options.top), "error": None}
        except Exception as error:  # one bad file must not hurt the others
            answer = {"file": file, "tags": [], "unknown": None, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
