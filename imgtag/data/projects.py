"""Projects: one folder each under the home folder, readable and repairable by hand."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgtag.core import locks, storage
from imgtag.core.errors import BadName, NotFound
from imgtag.core.names import check_name, plain, same_name, tidy_name
from imgtag.core.settings import home


@dataclass(frozen=True)
class Project:
    """Where a project's parts are. Making one does not touch the disk."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name: the project's name in URLs and on the command line."""
        return self.path.name

    @property
    def images(self) -> Path:
        """Labelled pictures: images/<class>/<file>."""
        return self.path / "images"

    @property
    def unsorted(self) -> Path:
        """Pictures without a label yet."""
        return self.path / "unsorted"

    @property
    def trash(self) -> Path:
        """Removed pictures, under the place they came from."""
        return self.path / "trash"

    @property
    def runs(self) -> Path:
        """Training runs: runs/<id>/."""
        return self.path / "runs"

    @property
    def cache(self) -> Path:
        """Thumbnails, features, index: may be deleted at any time."""
        return self.path / "cache"

    @property
    def staging(self) -> Path:
        """Uploads that are not imported yet."""
        return self.cache / "uploads"

    @property
    def history(self) -> Path:
        """One line for every change to the pictures."""
        return self.path / "history.jsonl"

    @property
    def lock(self) -> Path:
        """Held while pictures are moved."""
        return self.path / "cache" / ".lock"

    @property
    def settings(self) -> dict[str, Any]:
        """The contents of project.json: name, classes, flags."""
        found = storage.read_json(self.path / "project.json", {})
        return found if isinstance(found, dict) else {}

    @property
    def title(self) -> str:
        """The name shown to people."""
        return str(self.settings.get("name") or self.name)

    def change_settings(self, **changes: Any) -> None:
        """Replace entries of project.json."""
        with self._changed_settings() as settings:
            settings.update(changes)

    @contextlib.contextmanager
    def changed_classes(self) -> Iterator[dict[str, dict[str, Any]]]:
        """What project.json says about each class, to be changed in a block; nobody else changes it meanwhile."""
        with self._changed_settings() as settings:
            entries = self.class_entries
            yield entries
            settings["classes"] = entries

    @contextlib.contextmanager
    def _changed_settings(self) -> Iterator[dict[str, Any]]:
        path = self.path / "project.json"
        with locks.locked(self.cache / ".settings.lock"):
            settings = self.settings
            if not settings and path.exists():  # spoilt by hand: a typo must not cost what else is in it
                storage.move(path, path.with_name("project.json.damaged"))
            yield settings
            storage.write_json(path, settings)

    @property
    def class_entries(self) -> dict[str, dict[str, Any]]:
        """What project.json says about each class; what a hand has spoilt there is passed over."""
        found = self.settings.get("classes")
        entries = found.items() if isinstance(found, dict) else ()
        return {name: entry for name, entry in entries if isinstance(entry, dict)}

    def display_name(self, class_name: str) -> str:
        """What people read for a class: its own display name, else its folder's name."""
        return str(self.class_entries.get(class_name, {}).get("display") or class_name)

    def display_names(self) -> dict[str, str]:
        """Display names that were given, by class folder."""
        return {name: str(e["display"]) for name, e in self.class_entries.items() if e.get("display")}

    def set_display_names(self, names: dict[str, str]) -> None:
        """Give classes display names; an empty one removes it."""
        with self.changed_classes() as entries:
            for class_name, display in names.items():
                entries[class_name] = {**entries.get(class_name, {}), "display": plain(display)}


def list_projects() -> list[Project]:
    """All projects under the home folder, the last changed first."""
    try:
        folders = [p for p in home().iterdir() if p.is_dir() and (p / "project.json").exists()]
    except OSError:
        return []
    return [Project(p) for p in sorted(folders, key=_last_change, reverse=True)]


def find_project(name: str) -> Project:
    """A project by its name under the home folder, or by path. Raises NotFound.

    Names from a browser must go through `find_listed`, which never leaves the home folder.
    """
    for candidate in (home() / name, Path(name)):
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # too long, no such “~user”, not a path at all
            path = candidate.expanduser().absolute()
            if (path / "project.json").is_file():
                return Project(path)
    raise _no_project(name)


def find_listed(name: str) -> Project:
    """A project of the home folder by exact name; the name is looked up, never used as a path."""
    with contextlib.suppress(OSError):
        for path in home().iterdir():
            if path.name == name and path.is_dir() and (path / "project.json").exists():
                return Project(path)
    raise _no_project(name)


def create_project(title: str) -> Project:
    """Make an empty project; its folder is a tidy form of the title. Raises BadName when taken."""
    title = check_name(title, "project")
    return create_at(home() / title, title)


def made_moments_ago(title: str, seconds: float = 3.0) -> Project | None:
    """The project of that title if it was created within the last seconds: a click was a double click."""
    for project in list_projects():
        created = project.settings.get("created", 0.0)
        if same_name(project.title, title.strip()) and isinstance(created, float) and time.time() - created < seconds:
            return project
    return None


def create_at(path: Path, title: str = "") -> Project:
    """Make an empty project in a folder that does not exist yet."""
    title = title or tidy_name(path.name, "project")
    _require_free_title(path, title)
    project = Project(path.absolute())
    for folder in (project.images, project.unsorted):
        storage.make_folder(folder)
    storage.write_json(path / "project.json", {"version": 1, "name": title, "created": time.time(), "classes": {}})
    return project


def free_title(wanted: str) -> str:
    """The wanted name, or with the first number behind it that no project has."""
    taken = [name for project in list_projects() for name in (project.title, project.name)]
    candidate, number = wanted, 2
    while any(same_name(candidate, name) for name in taken):
        candidate, number = f"{wanted[:55]} {number}", number + 1
    return candidate


def rename_project(project: Project, title: str) -> None:
    """Change the name people see. The folder keeps its name, so that scripts go on working."""
    title = check_name(title, "project")
    if any(same_name(title, p.title) for p in list_projects() if p.path != project.path):
        raise _name_taken(title)
    project.change_settings(name=title)


def duplicate_project(project: Project, title: str) -> Project:
    """A full copy under another name: pictures, splits and runs, without caches of uploads."""
    title = check_name(title, "project")
    target = home() / title
    _require_free_title(target, title)
    size = sum(p.stat().st_size for p in project.path.rglob("*") if p.is_file())
    storage.require_space(home(), size)
    storage.copy_folder(project.path, target, ignore=("cache/uploads", "cache/.lock", "*/.*.part"))
    copy = Project(target)
    copy.change_settings(name=title, created=time.time())
    return copy


def trash_project(project: Project) -> None:
    """Put a project aside; it can be restored until the user empties the trash by hand."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    storage.move(project.path, _trash_folder() / f"{project.name}~{stamp}")


def trashed_projects() -> list[Project]:
    """Projects in the trash, the last removed first."""
    try:
        folders = [p for p in _trash_folder().iterdir() if (p / "project.json").exists()]
    except OSError:
        return []
    return [Project(p) for p in sorted(folders, key=lambda p: p.name.rpartition("~")[2], reverse=True)]


def restore_project(project: Project) -> Project:
    """Bring a project back; if its place was taken meanwhile it gets a number."""
    place = storage.free_place(home() / project.name.rpartition("~")[0])
    return Project(storage.move(project.path, place))


def _trash_folder() -> Path:
    return home() / ".trash"


def _last_change(folder: Path) -> float:
    # history.jsonl grows with every change to the pictures, runs/ with every training.
    times = [p.stat().st_mtime for p in (folder / "history.jsonl", folder / "runs", folder) if p.exists()]
    return max(times, default=0.0)


def _require_free_title(path: Path, title: str) -> None:
    taken = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    titles = [p.title for p in list_projects()] if path.parent == home() else []
    if any(same_name(path.name, name) for name in taken) or any(same_name(title, t) for t in titles):
        raise _name_taken(title)


def _name_taken(title: str) -> BadName:
    return BadName(
        f"There is a project “{title}” already.", "Two projects cannot have the same name.", "Choose another name."
    )


def _no_project(name: str) -> NotFound:
    return NotFound(
        f"There is no project “{name}”.",
        f"Projects are looked for in {home()}.",
        "Look at the list of projects, or create it first.",
    )
