"""The HTTP route for exported models: the zips that were made, and verified, on the page Share."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from imgtag.core.errors import NotFound
from imgtag.data.projects import find_listed
from imgtag.serving.handing_out import Export, find_format, last_export
from imgtag.training.runs import find_run


async def model_zip(request: Request) -> Response:
    """A model that was exported on the page Share, with an example and what the verification found."""

    def looked_up() -> Export:
        run = find_run(find_listed(request.path_params["name"]), request.path_params["run"])
        found = last_export(run, find_format(request.path_params["form"]))
        if found is None:
            raise NotFound("There is no such export yet.", "It is made on the page Share.", "Make it there first.")
        return found

    found = await run_in_threadpool(looked_up)
    name = f"{request.path_params['name']}-{found.form.name}.zip"
    return FileResponse(found.path, media_type="application/zip", filename=name)
