"""Pictures out of the multipart form of a request, within limits: how many, how large, and all requests together.

What arrives is counted while it arrives, so that a request that is too large is refused before it fills the memory, be
it with or without a Content-Length. All requests at work or waiting share one amount of memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from imgtag.core.errors import BadUpload, Busy, NotAForm, TooLarge
from imgtag.core.settings import limit

_EXAMPLE = "For example: curl -F image=@photo.jpg …/classify"
_MOST_FIELDS, _LONGEST_FIELD = 64, 64 << 10  # what is not a file is not needed
_LINGER_S = 5.0  # how long a refused request may go on sending: its client then reads the reason
_AGAIN_S = 2.0


class _Held:
    """The bytes of all requests that are being received, wait or are worked on."""

    def __init__(self) -> None:
        self.bytes = 0

    def check(self, more: int) -> None:
        """Raises Busy when so many more bytes have no room."""
        if self.bytes and self.bytes + more > 2 * limit("max_classify_mb") << 20:
            raise Busy(_AGAIN_S)


_held = _Held()


@contextlib.asynccontextmanager
async def received_pictures(request: Request) -> AsyncIterator[list[tuple[str, bytes]]]:
    """The files of a form as (name, bytes), for the length of a block, within which they count as held in memory.

    Of a file over the limit for pictures just so much is given that it is seen to be too large. Raises NotAForm,
    TooLarge for too many files or bytes, Busy when all requests together hold too much, and BadUpload for a form that
    cannot be read or holds no file.
    """
    own = _Counted(request)
    try:
        own.expect()
        yield await _files(request, own)
    finally:
        own.release()


async def let_finish(request: Request) -> None:
    """Let the client of a refused request finish sending, for a while, and keep nothing of it.

    A connection closed in its face would hide the reason from it. Source: nginx, "lingering_close".
    """
    with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):  # the last: it has been read to its end
        async with asyncio.timeout(_LINGER_S):
            async for _ in request.stream():
                pass


class _Counted:
    """The body of one request, counted."""

    def __init__(self, request: Request) -> None:
        self._stream, self._headers, self._bytes = request.stream(), request.headers, 0

    def expect(self) -> None:
        """Refuse by the announced length, before anything is read."""
        announced = self._headers.get("content-length", "")
        size = int(announced) if announced.isdecimal() else 0
        if size > limit("max_classify_mb") << 20:
            raise _too_large()
        _held.check(size)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What arrives; raises TooLarge or Busy as soon as it is too much."""
        async for chunk in self._stream:
            if self._bytes + len(chunk) > limit("max_classify_mb") << 20:
                raise _too_large()
            _held.check(len(chunk))
            self._bytes += len(chunk)
            _held.bytes += len(chunk)
            yield chunk

    def release(self) -> None:
        """Give the memory back."""
        _held.bytes -= self._bytes
        self._bytes = 0


async def _files(request: Request, own: _Counted) -> list[tuple[str, bytes]]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise NotAForm("This is not a form with files.", "Content-Type must be multipart/form-data.", _EXAMPLE)
    most, largest = limit("max_classify_files"), limit("max_picture_mb") << 20
    parser = MultiPartParser(
        request.headers, own.chunks(), max_files=most, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD
    )
    parser.spool_max_size = limit("max_classify_mb") << 20  # it is counted: no detour over the disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            title = f"There are more than {most} files in the request."
            raise TooLarge(title, f"Up to {most} are taken at once.", "Send several requests.") from error
        raise _unreadable(error.message) from error
    except ClientDisconnect as error:
        raise _unreadable("it broke off") from error
    try:
        uploads = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        # One byte over the limit is enough to see that a file is too large.
        named = [(upload.filename or "picture", upload.file.read(largest + 1)) for upload in uploads]
    finally:
        await form.close()
    if not named:
        raise BadUpload("There is no picture in the request.", "A multipart form with files is expected.", _EXAMPLE)
    return named


def _unreadable(reason: str) -> BadUpload:
    return BadUpload("The request could not be read.", f"The form in it is damaged: {reason}", _EXAMPLE)


def _too_large() -> TooLarge:
    return TooLarge(
        "The request is too large.",
        f"Up to {limit('max_classify_mb')} MB are taken at once.",
        "Send fewer pictures, or smaller ones: a long side of 1000 pixels is plenty.",
    )
