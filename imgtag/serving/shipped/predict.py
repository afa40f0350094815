"""Classify pictures: python predict.py photo.jpg ... [--top 5] prints a line of JSON for each; see README.md."""

import argparse
import hashlib
import json
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from PIL import Image, ImageOps
from pillow_heif import HeifImagePlugin  # noqa: F401 -- being imported is all it does: HEIC opens
from safetensors.torch import load_file

FILE = Path(__file__).with_name("model.safetensors")
FACTS, W = json.loads(FILE.with_suffix(".json").read_text("utf-8")), load_file(FILE)
if hashlib.sha256(FILE.read_bytes()).hexdigest() != FACTS["sha256"][FILE.name]:
    raise SystemExit("model.safetensors is damaged, or belongs to another model.json.")


def network(number, name):
    """A member's network without its classifier for ImageNet's classes."""
    if name.startswith(("timm:", "efficientnet_lite")):
        net = timm.create_model(name.removeprefix("timm:") if ":" in name else f"tf_{name}", num_classes=0)
    else:
        net = torchvision.models.get_model(name, weights=None)
        net.transform_input = name in ("googlenet", "inception_v3")  # as it was for their weights
        last = [path for path, part in net.named_modules() if isinstance(part, torch.nn.Linear)][-1:]
        for path in last or ("classifier.1", "classifier.2"):  # SqueezeNet has no linear layer
            net.set_submodule(path, torch.nn.Identity())
    for key, value in net.state_dict().items():
        if not key.lower().startswith("aux"):  # heads that only training from nothing needs
            value.copy_(W[f"{number}.backbone.{key}"])
    return net.eval()


def features(name, net, x):
    """What a network sees in pictures; of EfficientNet-Lite, the means of eight layers."""
    if not name.startswith("efficientnet_lite"):
        return net(x)
    seen = list(accumulate(net.blocks, lambda x, stage: stage(x), initial=net.bn1(net.conv_stem(x))))[1:]
    return torch.cat([layer.mean((2, 3)) for layer in [*seen, net.bn2(net.conv_head(seen[-1]))]], 1)


def pixels(source, shorter, size):
    """A picture upright, 8 bits, on white; its shorter side scaled, the central square: uint8 (size, size, 3)."""
    picture = Image.open(source, formats=("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF"))
    picture.draft("RGB" if picture.mode == "RGB" else None, (shorter, shorter))  # JPEG decoded smaller: much faster
    with suppress(Exception):  # damaged camera notes do not matter: the pixels are whole
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.uint32)
        picture = Image.fromarray((values >> 8 * int(values.max(initial=0) > 255)).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    a, b = picture.size
    w, h = min(a, 4 * b), min(b, 4 * a)  # of a long strip, the middle
    middle = ((a - w) // 2, (b - h) // 2, (a + w) // 2, (b + h) // 2)
    a, b = (max(size, round(side * (shorter / min(w, h)))) for side in (w, h))
    picture = picture.convert("RGB").resize((a, b), Image.Resampling.BICUBIC, middle, reducing_gap=2.0)
    return np.asarray(picture)[(b - size) // 2 :, (a - size) // 2 :][:size, :size]


@torch.inference_mode()
def classify(source, top=5):
    """Tags of a picture (path or open file), likeliest first, and whether it is unknown (None: cannot be told)."""
    chances, alike, limits = 0, 1.0, FACTS["unknown_threshold"]
    for number, (member, net) in enumerate(zip(FACTS["members"], NETWORKS, strict=True)):
        how = member["preprocessing"]
        view = pixels(source, how["resize"], how["size"])
        views = torch.tensor(np.stack([view, view[:, ::-1]] if FACTS["mirror"] else [view])).permute(0, 3, 1, 2)
        mean, std = (torch.tensor(how[key]).view(3, 1, 1) for key in ("mean", "std"))
        x = seen = features(member["backbone"], net, (views - mean) / std)
        for head in [f"{number}.head.{n}" for n in range(member["layers"])]:
            x = (x if x is seen else torch.relu(x)) @ W[f"{head}.weight"].T + W[f"{head}.bias"]
        chances = chances + member["share"] * torch.softmax(x, 1).mean(0)
        if FACTS["familiar"] and FACTS["familiar"]["member"] == number:  # how much it is like the training pictures
            unit = torch.nn.functional.normalize((seen[0] - W["familiar.mean"]) / W["familiar.spread"], dim=0)
            alike = (W["familiar.references"].float() @ unit).sort().values[-5:].mean().item()
    chances = torch.softmax(chances.clamp(min=1e-12).log() / FACTS["temperature"], 0)
    tags = [{"class": FACTS["classes"][i], "probability": chances[i].item()} for i in chances.argsort(descending=True)]
    unknown = limits and bool(chances.max() < limits["probability"] or alike < (limits["familiarity"] or -1))
    return {"tags": tags[:top], "unknown": unknown}


NETWORKS = [network(number, member["backbone"]) for number, member in enumerate(FACTS["members"])]
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--top", type=int, default=5)
    for file in (options := parser.parse_args()).files:
        try:
            answer = {"file": file, **classify(file, options.top), "error": None}
        except Exception as error:  # one bad file must not hurt the others
            answer = {"file": file, "tags": [], "unknown": None, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
