"""How many suggestions make a page."""

from __future__ import annotations

from imgtag.ui.assistant import _FEWEST, _MOST, _page_of


def tags(chance: float, number: int = 200) -> dict[str, tuple[str, float]]:
    return {f"picture {n}": ("boat", chance) for n in range(number)}


def test_a_page_holds_more_pictures_the_surer_they_are() -> None:
    assert len(_page_of(tags(0.999))) == _MOST
    assert len(_page_of(tags(0.9595))) == 49  # fifty would hold two wrong ones
    assert len(_page_of(tags(0.5))) == _FEWEST
    assert list(_page_of(tags(0.5, 7))) == list(tags(0.5, 7)), "all that there are, in their order"
    assert _page_of({}) == {}
