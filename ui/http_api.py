"""Plain HTTP for programs, on the page's own port: POST /api/detect and /api/heatmap, GET /api/model.

gradio's own API takes three requests for one picture: upload, call, and the stream of the answer. This is a FastAPI
application of its own, which `Blocks.launch(app_kwargs={"routes": …})` mounts before gradio's routes; gradio.Server
would be an API without the page. How much may come, and how slowly, is the door's (ui/door.py).
"""

import io
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException  # fastapi's is a subclass, and Starlette raises this one
from starlette.requests import ClientDisconnect
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from detector import Detector, ImageError, ModelError, Verdict, picture
from detector.provenance import Finding, Origin
from detector.result import Evidence, ModelInfo, PictureInfo, WarningCode
from detector.shares import Share
from ui import about, detect, errors, http_docs, rate_limit

PREFIX = "/api"
_RETRY_SECONDS = 10  # after a full queue: what it holds is judged by then
_FORM_BYTES = 10_000  # of a multipart form, around the picture
_IN_MEMORY = 1_000_000  # bytes of a picture that is arriving; the rest goes to a file without a name
_FACE_DESCRIPTION = "Which face, 1 for the most suspicious, in the order of `faces`."
_HOW = "send it as the field `picture` of a form, as curl -F picture=@photo.jpg does, or as the body itself"
_STATUS = {"too_large": 413, "unsupported_format": 415}  # by code of an ImageError; the others are 400


class Problem(Exception):
    """A request that is not answered: HTTP status, a code for programs, a sentence for people, seconds to wait."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.retry_after = status, code, retry_after


# --- What is answered, for the description of the API -----------------------------------------------------------------


class FaceAnswer(BaseModel):
    box: tuple[int, int, int, int] = Field(description="Left, top, right, bottom, in pixels of the upright picture.")
    detection_score: float = Field(description="How sure the face detector is that this is a face, 0 to 1.")
    score: float = Field(description="How much speaks for a forgery, 0 to 1: it ranks faces and is no probability.")
    false_positive_share: Share | None = Field(description="The share of real faces that score at least this high.")
    unseen_share: Share | None = Field(description="The same of faces forged in ways that the model has never seen.")
    seen_share: Share | None = Field(description="The same of faces forged in ways that it was trained on.")
    verdict: Verdict
    evidence: Evidence = Field(description="Which part of the picture speaks most for a forgery.")
    roll: float = Field(description="Degrees by which the face is turned clockwise, -180 to 180.")
    doubts: list[WarningCode] = Field(description="Why it cannot be judged: then it is uncertain, whatever its score.")


class ResultAnswer(BaseModel):
    headline: str = Field(description="The answer in words: what the file declares goes before the verdict.")
    verdict: Verdict = Field(description="Of the picture: that of its most suspicious face.")
    score: float | None = Field(description="Of the most suspicious face; null where there is no face.")
    false_positive_share: Share | None = Field(
        description="Of photographs with as many real faces that can be judged, the share where one scores this high."
    )
    unseen_share: Share | None = Field(description="Of faces forged in ways that the model has never seen.")
    seen_share: Share | None = Field(description="Of faces forged in ways that it was trained on.")
    origin: Origin = Field(description="What the file declares of its origin, and how far that can be trusted.")
    faces: list[FaceAnswer] = Field(description="The most suspicious first.")
    provenance: list[Finding] = Field(description="What the file says of its origin; it never changes the score.")
    warnings: list[Any] = Field(description="What makes this verdict weak.")
    picture: PictureInfo
    model: ModelInfo
    seconds: dict[str, float] = Field(description="Time taken, by stage.")


class ErrorDetail(BaseModel):
    code: str = Field(description="For programs.")
    message: str = Field(description="One sentence for people: what was wrong and what to do.")


class ErrorAnswer(BaseModel):
    error: ErrorDetail


_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": description}
    for status, description in {
        400: "Not a picture, a damaged one, or one that took too much time or memory to read.",
        408: "The picture took too long to arrive.",
        413: f"More than {picture.MAX_BYTES / 1e6:.0f} MB or {picture.MAX_PIXELS / 1e6:.0f} megapixels.",
        415: f"A kind of file that is not read: use {picture.FORMAT_NAMES}.",
        422: "A field is missing or wrong.",
        429: "Too many pictures in a minute; the header Retry-After says how many seconds to wait.",
        503: "Too many requests are waiting; the header Retry-After says how many seconds to wait.",
    }.items()
}


def _body(**fields: Any) -> dict[str, Any]:
    """The description of a request's body: a form with the picture and `fields`, or the picture itself."""
    file = {"type": "string", "format": "binary"}
    form = {"type": "object", "required": ["picture"], "properties": {"picture": file, **fields}}
    kinds = {"multipart/form-data": {"schema": form}, "image/*": {"schema": file}}
    return {"requestBody": {"required": True, "content": kinds}}


_FACE = {"type": "integer", "minimum": 1, "default": 1}
_DETECT: dict[str, Any] = {
    "summary": "Judge every face of a picture",
    "description": detect.API_DESCRIPTION,
    "responses": {200: {"model": ResultAnswer, "description": "The result."}, **_ERRORS},
    "openapi_extra": _body(),
}
_HEATMAP: dict[str, Any] = {
    "summary": "Show where in a face the traces of a forgery lie",
    "description": "The face as it was cut out of the picture, with the traces of a forgery in colour.",
    "response_class": Response,
    "responses": {200: {"content": {"image/png": {}}, "description": "The heat map, a PNG."}, **_ERRORS},
    "openapi_extra": {
        **_body(face={**_FACE, "description": _FACE_DESCRIPTION}),
        "parameters": [
            {
                "name": "face",
                "in": "query",
                "description": f"{_FACE_DESCRIPTION} For a picture that is the body itself.",
                "schema": _FACE,
            }
        ],
    },
}
_MODEL: dict[str, Any] = {
    "summary": "Which model answers, and how good it is",
    "description": about.API_DESCRIPTION,
    "response_description": "The model and its figures.",
}


# --- The application --------------------------------------------------------------------------------------------------


def routes(detector: Callable[[], Detector], *, at_once: int, waiting: int) -> list[Mount]:
    """What `launch` is given. `at_once` pictures are judged at the same time, `waiting` more wait for their turn."""
    api = build(detector, at_once=at_once, waiting=waiting)

    async def below_root_path(scope: Scope, receive: Receive, send: Send) -> None:
        """Where gradio has a root_path, Starlette expects it in the path too, below a Mount: proxies take it away."""
        root = scope["root_path"].removesuffix(PREFIX)
        if not scope["path"].startswith(f"{root}/"):
            scope = {**scope, "path": root + scope["path"]}
        await api(scope, receive, send)

    return [Mount(PREFIX, below_root_path)]


def build(detector: Callable[[], Detector], *, at_once: int, waiting: int) -> FastAPI:
    """The application. `detector` is called when a request comes, not before."""
    api, turns = _application(), _Turns(at_once, waiting)

    @api.post("/detect", **_DETECT)
    async def detect_picture(request: Request) -> Response:
        def judge(file: bytes, fields: dict[str, str]) -> Response:
            _refuse_unknown(fields, set())
            return JSONResponse(detect.judge(detector(), file).to_dict())

        return await turns.answer(request, judge)

    @api.post("/heatmap", **_HEATMAP)
    async def heatmap(request: Request) -> Response:
        def judge(file: bytes, fields: dict[str, str]) -> Response:
            number = _face_number(fields)
            drawn = io.BytesIO()
            detect.heatmap_of(detect.judge(detector(), file), number).save(drawn, "PNG")
            return Response(drawn.getvalue(), media_type="image/png")

        return await turns.answer(request, judge)

    @api.get("/model", **_MODEL)
    def model() -> dict[str, Any]:
        return about.describe(detector().model)

    @api.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(http_docs.page(api.openapi()))

    return api


def _application() -> FastAPI:
    handlers: dict[Any, Any] = {  # each takes one kind of error, which Starlette's types do not allow for
        Problem: _answer_problem,
        ImageError: _answer_image_error,
        ModelError: _answer_model_error,
        errors.Refused: _answer_refused,
        HTTPException: _answer_http_error,
        Exception: _answer_unexpected,
    }
    return FastAPI(
        title="Deepfake Image Detector",
        description="Was a face in a photograph forged? One request, one answer. Pictures are kept nowhere.",
        version="1",
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
        servers=[{"url": f"..{PREFIX}"}],  # relative to this description: right behind every proxy
        root_path_in_servers=False,
        exception_handlers=handlers,
    )


class _Turns:
    """`at_once` pictures are judged at the same time, `waiting` more wait for their turn."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._turns, self._waiting = CapacityLimiter(at_once), waiting

    async def answer(self, request: Request, judge: Callable[[bytes, dict[str, str]], Response]) -> Response:
        """What `judge` makes of the picture and the fields that came with it, when it is their turn."""
        self._refuse_if_full()
        rate_limit.admit(request)
        upload, fields = await _received(request)
        try:
            self._refuse_if_full()
            async with self._turns:
                if await request.is_disconnected():
                    return Response(status_code=400)  # for nobody
                return await run_sync(lambda: judge(upload.file.read(), fields))
        finally:
            await upload.close()

    def _refuse_if_full(self) -> None:
        if self._turns.statistics().tasks_waiting >= self._waiting:
            raise Problem(503, "busy", errors.BUSY, _RETRY_SECONDS)


# --- What is sent -----------------------------------------------------------------------------------------------------


async def _received(request: Request) -> tuple[UploadFile, dict[str, str]]:
    """The picture, at its beginning, and the other fields: of a form, or of the address where it is the body."""
    is_form = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
    try:
        return await (_from_form(request) if is_form else _from_body(request))
    except ClientDisconnect:
        raise Problem(400, "damaged", "The picture did not arrive whole: send it again.") from None


async def _from_form(request: Request) -> tuple[UploadFile, dict[str, str]]:
    try:
        form = await request.form(max_files=1, max_fields=4, max_part_size=_FORM_BYTES)
    except (HTTPException, UnicodeError):  # it cannot be read, in the charset that it names say, or has more than these
        raise Problem(400, "malformed_form", f"The form could not be read; for the picture, {_HOW}.") from None
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    upload = form.get("picture")
    if not isinstance(upload, UploadFile):
        await form.close()
        raise _missing_picture()
    return upload, fields


async def _from_body(request: Request) -> tuple[UploadFile, dict[str, str]]:
    upload = UploadFile(SpooledTemporaryFile(_IN_MEMORY), size=0)  # type: ignore[arg-type]  # noqa: SIM115  as Starlette does
    try:
        async for chunk in request.stream():
            await upload.write(chunk)
        if not upload.size:
            raise _missing_picture()
        await upload.seek(0)
    except BaseException:
        await upload.close()
        raise
    return upload, dict(request.query_params)


def _missing_picture() -> Problem:
    return Problem(422, "missing_picture", f"No picture came with the request: {_HOW}.")


def _face_number(fields: dict[str, str]) -> int:
    _refuse_unknown(fields, {"face"})
    number = fields.get("face", "1")
    if not (number.isascii() and number.isdecimal() and len(number) < 6):
        raise Problem(422, "wrong_field", "The field face must be a whole number, 1 for the first face.")
    return int(number)


def _refuse_unknown(fields: dict[str, str], known: set[str]) -> None:
    if fields.keys() - known:
        words = " and ".join(["picture", *sorted(known)])
        raise Problem(422, "wrong_field", f"Unknown field: send only {words}.")


# --- What went wrong --------------------------------------------------------------------------------------------------


def _error(status: int, code: str, message: str, retry_after: int | None = None) -> JSONResponse:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


def _answer_problem(_: Request, problem: Problem) -> JSONResponse:
    return _error(problem.status, problem.code, str(problem), problem.retry_after)


def _answer_image_error(_: Request, error: ImageError) -> JSONResponse:
    if isinstance(error, detect.NoSuchFace):
        return _error(422, "no_such_face", str(error))
    return _error(_STATUS.get(error.code, 400), error.code, str(error))


def _answer_model_error(_: Request, error: ModelError) -> JSONResponse:
    return _error(500, "model", errors.sentence_of(error))


def _answer_refused(_: Request, refused: errors.Refused) -> JSONResponse:
    return _error(429, "too_many_pictures", str(refused), refused.retry_after)


def _answer_http_error(request: Request, error: HTTPException) -> JSONResponse:
    if error.status_code == 405:
        response = _error(405, "method_not_allowed", "This address takes another method: see /api/docs.")
        response.headers.update(error.headers or {})
        return response
    return _error(error.status_code, "not_found", "There is nothing at this address: see /api/docs.")


def _answer_unexpected(_: Request, error: Exception) -> JSONResponse:
    return _error(500, "unexpected", errors.UNEXPECTED)  # Starlette raises the error once more, for the log


# For gradio's own routes. FastAPI would send back what came, and fail where that cannot be sent: NaN, half a letter,
# bytes that are no text. A codec that a client names may fail with any UnicodeError.
GRADIO_ERRORS: dict[Any, Any] = {
    RequestValidationError: lambda *_: _error(
        422, "malformed", "The request does not have the form that is expected here."
    ),
    UnicodeError: lambda *_: _error(400, "malformed", "The request could not be read as text: send it in UTF-8."),
}
