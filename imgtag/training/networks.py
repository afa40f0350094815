"""The network of a backbone: pictures in, features out, every library behind the same two functions.

The classifier for ImageNet's thousand classes is taken off; what reached it are the features. For the
EfficientNet-Lite rows they are the averages of eight layers, see `backbones`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imgtag.core.errors import BadModel
from imgtag.training.backbones import Backbone

if TYPE_CHECKING:
    import torch

_FEWEST_GROUPS, _MOST_GROUPS = 4, 9


def build(row: Backbone, weights: Mapping[str, torch.Tensor] | None) -> torch.nn.Module:
    """A frozen network, in evaluation mode, from pictures to float32 features (n, dimensions).

    Pictures are (n, size, size, 3), uint8 or float of 0..255. `weights` are those of `pretrained_weights`
    or of an earlier network without “net.”; None leaves the random start (for tests). Raises BadModel when
    the weights are another network's.
    """
    import torch

    class FeatureNetwork(torch.nn.Module):
        """Normalises inside the graph, so that every engine is fed the same bytes."""

        mean: torch.Tensor
        std: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.net: Any = whole_network(row)
            known = set(self.net.state_dict())
            _take_off_classifier(row, self.net)
            if weights is not None:
                _load(row, self.net, weights, known)
            self.register_buffer("mean", torch.tensor(row.preprocessing.mean).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(row.preprocessing.std).view(1, 3, 1, 1))

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            if row.library == "embedded":
                return torch.cat([layer.mean(dim=(2, 3)) for layer in self.layers(pictures)], dim=1)
            features: torch.Tensor = self.net(self.normalised(pictures))
            return features

        def normalised(self, pictures: torch.Tensor) -> torch.Tensor:
            return (pictures.permute(0, 3, 1, 2).float() - self.mean) / self.std

        def layers(self, pictures: torch.Tensor) -> list[torch.Tensor]:
            """What an embedded network's eight layers see, (n, channels, rows, columns): their means are features."""
            x = self.net.bn1(self.net.conv_stem(self.normalised(pictures)))
            seen = []
            for stage in self.net.blocks:
                x = stage(x)
                seen.append(x)
            return [*seen, self.net.bn2(self.net.conv_head(x))]

    return FeatureNetwork().eval().requires_grad_(False)


def whole_network(row: Backbone) -> torch.nn.Module:
    """The library's own network with its classifier and a random start: what a file of weights fits."""
    network: torch.nn.Module
    if row.library == "torchvision":
        from torchvision.models import get_model

        more: dict[str, Any] = {}
        if row.architecture in ("googlenet", "inception_v3"):
            # As torchvision builds them for its weights: the files hold two heads that only training from
            # nothing needs, and were made for pictures scaled to -1..1.
            more = {"transform_input": True, "init_weights": False}
        network = get_model(row.architecture, weights=None, **more)
        return network
    import timm

    logging.getLogger("timm").setLevel(logging.ERROR)  # it remarks on names it has renamed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = timm.create_model(row.architecture, pretrained=False)
    return network


def _take_off_classifier(row: Backbone, net: Any) -> None:
    """Leave out what turns features into classes: the last fully connected layer.

    AlexNet, VGG and MobileNet v3 keep their earlier ones: they were trained along, and what leaves them is what
    the last layer was made to tell apart.
    """
    from torch import nn

    if row.library == "timm":
        net.reset_classifier(0)
    elif row.architecture.startswith("squeezenet"):  # classifies each place, then averages
        net.classifier[1] = net.classifier[2] = nn.Identity()
    else:
        for auxiliary in ("aux1", "aux2", "AuxLogits"):
            if hasattr(net, auxiliary):
                net.aux_logits = False
                setattr(net, auxiliary, None)
        last = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)][-1]
        net.set_submodule(last, nn.Identity())


def _load(row: Backbone, net: Any, weights: Mapping[str, torch.Tensor], known: set[str]) -> None:
    """Load weights into a network without classifier; those of the classifier may be among them."""
    own = net.state_dict()
    chosen = type(own)((name, value) for name, value in weights.items() if name in own)
    chosen._metadata = own._metadata  # else torch takes them for an old version's, and MNASNet refuses them
    missing, foreign = own.keys() - chosen.keys(), weights.keys() - known
    if missing or foreign or any(own[name].shape != value.shape for name, value in chosen.items()):
        raise BadModel(
            f"The weights do not fit {row.title}.",
            "They were made for another network.",
            "Choose the network that they belong to.",
        )
    net.load_state_dict(chosen)


# ----------------------------------------------------------------------------- from the input to the output


def depth_groups(module: torch.nn.Module) -> list[list[str]]:
    """The names of all parameters of a built network in 3 to 9 groups, from the input to the output side.

    A group is a stage as far as the network has any (a ResNet's four, after its stem); long rows of equal
    blocks (a transformer's) are cut evenly.
    """
    groups: list[list[str]] = []
    for depth in range(2, 9):
        groups = _groups_at(module, depth)
        if len(groups) >= _FEWEST_GROUPS:
            break
    bins = min(len(groups), _MOST_GROUPS)
    merged: list[list[str]] = [[] for _ in range(bins)]
    for position, group in enumerate(groups):
        merged[position * bins // len(groups)] += group
    return merged


def _groups_at(module: torch.nn.Module, depth: int) -> list[list[str]]:
    """Parameters by the module that holds them at this depth of the tree.

    Single layers side by side (a convolution and its normalisation) share a group up to the next pooling.
    """
    groups: list[list[str]] = []
    single: tuple[str, ...] = ()
    before: tuple[str, ...] | None = None
    for path, part in module.named_modules():
        if before == single and "Pool" in type(part).__name__:
            before = None
        names = [f"{path}.{name}" for name, _ in part.named_parameters(recurse=False)]
        if not names:
            continue
        parts = tuple(path.split("."))
        is_stage = len(parts) > depth or (len(parts) == depth and len(list(part.parameters())) > len(names))
        place = parts[:depth] if is_stage else single
        if place != before:
            groups.append([])
        groups[-1] += names
        before = place
    return groups
