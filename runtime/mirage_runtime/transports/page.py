"""HTTP on the daemon's port: the page, its files, health and metrics (SPEC.md section 7)."""

from __future__ import annotations

import functools
import json
import mimetypes
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from mirage_runtime.transports.security import authorized

_PAGE = Path(__file__).parent.parent / "page"
_CHECKOUT_CLIENT = Path(__file__).parents[3] / "sdk" / "javascript" / "mirage.js"
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


def respond(status: HTTPStatus, body: bytes | str, content_type: str = "text/plain", **headers: str) -> Response:
    """Return a whole HTTP response. Header names are given with underscores."""
    data = body.encode() if isinstance(body, str) else body
    fields = {
        "Content-Type": f"{content_type}; charset=utf-8",
        "Content-Length": str(len(data)),
        "Connection": "close",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status.value, status.phrase, Headers(fields), data)


@functools.cache
def page_files() -> dict[str, Path]:
    """Return the page's files by the path that they are served under."""
    files = {f"/{path.name}": path for path in _PAGE.iterdir() if path.is_file()}
    if _CHECKOUT_CLIENT.is_file():
        files["/mirage.js"] = _CHECKOUT_CLIENT  # a wheel carries its own copy in page/
    return files


class Pages:
    """Answers plain HTTP requests; `health` says why no frame can be transformed, or None."""

    def __init__(
        self,
        *,
        token: str | None,
        health: Callable[[], tuple[str | None, dict[str, object]]],
        metrics: Callable[[], bytes],
        tree: Callable[[str, str], Response | None],
        listed: Callable[[str], bool],
    ) -> None:
        self._token = token
        self._health = health
        self._metrics = metrics
        self._tree = tree
        self._listed = listed

    def answer(self, request: Request, host: str) -> Response:
        """Return the response to a request from ``host`` that asks for no WebSocket."""
        path, _, query = request.path.partition("?")
        guarded = path in ("/health", "/metrics")
        if guarded and not authorized(request.headers.get_all("Authorization"), self._token):
            return respond(
                HTTPStatus.UNAUTHORIZED, "this needs: Authorization: Bearer TOKEN\n", WWW_Authenticate="Bearer"
            )
        if path == "/health":
            return self._answer_health()
        if path == "/metrics":
            return respond(HTTPStatus.OK, self._metrics(), "text/plain; version=0.0.4")
        html = any("text/html" in value for value in request.headers.get_all("Accept"))
        # OSCQuery asks with bare names of attributes, and the page's own address has names with values.
        if path == "/" and html and (not query or "=" in query):
            return _answer_file("/index.html")
        if path in page_files():
            return _answer_file(path)
        return self.refuse_query(request, host) or self._tree(path, query) or _answer_file(path)

    def refuse_query(self, request: Request, host: str) -> Response | None:
        """Return the refusal of whoever may not see the tree of addresses, None for others.

        OSC has no token, and programs that speak OSCQuery know of none: where the daemon asks for one, addresses that
        may send OSC because they were named may look as well.
        """
        if authorized(request.headers.get_all("Authorization"), self._token) or self._listed(host):
            return None
        body = "this needs: Authorization: Bearer TOKEN, or an address that --osc-allow names\n"
        return respond(HTTPStatus.UNAUTHORIZED, body, WWW_Authenticate="Bearer")

    def _answer_health(self) -> Response:
        reason, details = self._health()
        status = HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE
        body = {
            "status": "ok" if reason is None else "unavailable",
            **({"reason": reason} if reason else {}),
            **details,
        }
        return respond(status, json.dumps(body) + "\n", "application/json", Cache_Control="no-store")


def _answer_file(path: str) -> Response:
    file = page_files().get(path)
    if file is None:
        return respond(HTTPStatus.NOT_FOUND, "there is nothing here\n")
    content_type = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return respond(
        HTTPStatus.OK, file.read_bytes(), content_type, Cache_Control="no-cache", Content_Security_Policy=_POLICY
    )
