"""The routes for pictures that are only looked at: by number, of a pile of the project, and nothing else."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from imgtag.data.piles import Pile, add_upload, new_pile, read_in
from imgtag.data.projects import Project, create_project
from imgtag.serving.answers_out import sorted_zip
from imgtag.serving.api import ROUTES
from tests.data.test_piles import upload
from tests.drawing import picture, write_tree


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=ROUTES), base_url="http://127.0.0.1")


@pytest.fixture
def pile(project: Project) -> Pile:
    made = new_pile(project)
    add_upload(made, upload(project, {"a.png": picture("red", 1), "b.png": b"no picture"}))
    read_in(made)
    return made


def test_a_thumbnail_may_be_kept_for_ever_and_facts_are_told(client: TestClient, pile: Pile) -> None:
    here = f"/api/projects/toys/answers/{pile.id}"
    answer = client.get(f"{here}/thumb/0")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    assert "64 × 64" in client.get(f"{here}/facts/0").json()["words"]


@pytest.mark.parametrize("rest", ["thumb/1", "thumb/2", "thumb/-1", "thumb/x", "facts/9999999999999", "sorted.zip"])
def test_what_is_not_there_is_refused_with_a_sentence(client: TestClient, pile: Pile, rest: str) -> None:
    answer = client.get(f"/api/projects/toys/answers/{pile.id}/{rest}")
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["title"]


def test_a_pile_of_another_project_or_a_path_is_not_found(client: TestClient, pile: Pile) -> None:
    create_project("other")
    for there in (f"other/answers/{pile.id}", "toys/answers/..%2F..", "toys/answers/thumbs"):
        assert client.get(f"/api/projects/{there}/thumb/0").status_code == 404


def test_a_page_of_another_site_gets_nothing(client: TestClient, pile: Pile) -> None:
    answer = client.get(f"/api/projects/toys/answers/{pile.id}/thumb/0", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


def test_the_zip_is_handed_out_under_the_name_of_the_project(client: TestClient, pile: Pile) -> None:
    write_tree(sorted_zip(pile).parent, {"sorted.zip": b"PK"})
    answer = client.get(f"/api/projects/toys/answers/{pile.id}/sorted.zip")
    assert answer.content == b"PK"
    assert "toys" in answer.headers["content-disposition"]
