"""Every error a user may meet, each with what happened, why, and what to do next.

ImgtagError
├── NotFound       the project, run, class or picture is not there
├── BadName        a name that cannot be a folder on every system
├── BadPicture     the file is not a picture that can be read
├── BadUpload      the zip or the upload as a whole cannot be taken
│   ├── TooLarge   more than is taken at once
│   └── NotAForm   not a multipart form
├── Busy           so many requests wait already: try again later
├── Conflict       somebody else changed the same thing first
├── NotEnough      too few classes or pictures to train
├── BadRecipe      a training setting that does not exist or is out of range
├── BadModel       the model on disk is missing, damaged or not ours
├── Offline        a download is needed and there is no connection
├── DiskFull       no room left on the disk
├── NoAccess       the operating system refuses to read or write a file
├── BadPin         not the PIN of the demo, or none that can be used
└── TooManyTries   too many wrong PINs: wait
"""

from __future__ import annotations

from imgtag.core.words import duration


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


class TooLarge(BadUpload):
    """More than is taken at once."""


class NotAForm(BadUpload):
    """Not a multipart form."""


class Busy(ImgtagError):
    """So many requests wait already. wait_s: seconds after which it is worth trying again."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = max(1, round(wait_s))
        super().__init__(
            "The server has too much to do.",
            "More pictures wait for an answer than it takes at once; nothing is wrong with this request.",
            f"Send it again in {duration(self.wait_s)}.",
        )


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


class BadPin(ImgtagError):
    """Not the PIN of the demo, or none that can be used."""


class TooManyTries(ImgtagError):
    """Too many wrong PINs. wait_s: seconds until the next try."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = max(1, round(wait_s))
        super().__init__("Too many wrong tries.", f"The next one is possible in {duration(self.wait_s)}.", "")
