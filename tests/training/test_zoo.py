"""The table of torchvision's networks says what torchvision says."""

from __future__ import annotations

import pytest

from imgtag.training.zoo import FOLDER, Entry, read_table

ENTRIES = {entry.name: entry for entry in read_table()}
LEFT_OUT = {"vit_h_14", "regnet_x_32gf", "regnet_y_32gf", "regnet_y_128gf"}


def test_every_network_of_torchvision_is_there_but_the_giants() -> None:
    import torchvision

    assert len(ENTRIES) == len(read_table())
    assert set(torchvision.models.list_models(module=torchvision.models)) == set(ENTRIES) | LEFT_OUT


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_the_facts_are_torchvisions(entry: Entry) -> None:
    from torchvision.models import get_model_weights

    weights = get_model_weights(entry.name).DEFAULT
    facts, how = weights.meta, weights.transforms()
    assert FOLDER + entry.file_name == weights.url
    assert entry.megabytes == round(facts["_file_size"])
    assert entry.gflops == pytest.approx(facts["_ops"], abs=0.006)
    assert [entry.resize] == how.resize_size
    assert [entry.size] == how.crop_size
    assert entry.interpolation == how.interpolation.value
    plain = [0.5, 0.5, 0.5]
    mean, std = (plain, plain) if entry.from_minus_one else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert (how.mean, how.std) == (mean, std)
    if entry.family != "Swin":  # they need no least size: they pad
        assert entry.least_size >= max(facts["min_size"]) or entry.fixed_size


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_the_checksum_is_the_one_that_torchvision_checks(entry: Entry) -> None:
    from torch.hub import HASH_REGEX

    found = HASH_REGEX.search(entry.file_name)
    assert found
    assert entry.sha256 == found.group(1)
    assert len(entry.sha256) >= 8
