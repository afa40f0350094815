"""Every error a user may meet, each with what happened, why, and what to do next.

ImgtagError
├── NotFound       the project, run, class or picture is not there
├── BadName        a name that cannot be a folder on every system
├── BadPicture     the file is not a picture that can be read
├── BadUpload      the zip or the upload as a whole cannot be taken
├── Conflict       somebody else changed the same thing first
├── NotEnough      too few classes or pictures to train
├── BadRecipe      a training setting that does not exist or is out of range
├── BadModel       the model on disk is missing, damaged or not ours
├── Offline        a download is needed and there is no connection
├── DiskFull       no room left on the disk
├── NoAccess       the operating system refuses to read or write a file
└── NotYet         planned, but this version cannot do it
"""

from __future__ import annotations


class ImgtagError(Exception):
    """A problem in the words of the user: a short title, an explanation, and the next step."""

    def __init__(self, title: str, explanation: str = "", next_step: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.explanation = explanation
        self.next_step = next_step

    def __str__(self) -> str:
        return " ".join(part for part in (self.title, self.explanation, self.next_step) if part)

    def as_dict(self) -> dict[str, str]:
        """The shape used by the command line and the REST interface."""
        return {
            "title": self.title,
            "explanation": self.explanation,
            "next_step": self.next_step,
        }


class NotFound(ImgtagError):
    """The project, run, class or picture is not there."""


class BadName(ImgtagError):
    """A name that cannot be a folder on every system."""


class BadPicture(ImgtagError):
    """The file is not a picture that can be read."""


class BadUpload(ImgtagError):
    """The zip or the upload as a whole cannot be taken."""


class Conflict(ImgtagError):
    """Somebody else changed the same thing first."""


class NotEnough(ImgtagError):
    """Too few classes or pictures to train."""


class BadRecipe(ImgtagError):
    """A training setting that does not exist or is out of range."""


class BadModel(ImgtagError):
    """The model on disk is missing, damaged or not ours."""


class Offline(ImgtagError):
    """A download is needed and there is no connection."""


class DiskFull(ImgtagError):
    """No room left on the disk."""


class NoAccess(ImgtagError):
    """The operating system refuses to read or write a file."""


class NotYet(ImgtagError):
    """Planned, but this version cannot do it."""
