"""A guard around every call of the page and its endpoints inside Gradio: checks before, a sentence for every error, less memory.

Gradio's own answers repeat values in tracebacks, and it keeps a state of 0.3 MB for every call.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.exceptions import InvalidPathError
from gradio.utils import LRUCache
from pydantic import ValidationError

from ui.page import arguments
from ui.page.refusals import Refusal, log_refused, log_unexpected, unexpected
from unlearn.errors import InputError, UnlearnError

KEPT_SESSIONS = 200  # states of open pages and clients; a page that returns later is sent everything again
KEPT_ANSWERS = 1000  # sessions whose answers wait to be fetched
KEPT_PATHS = 500  # of uploads, before those that were deleted are removed from the list
MAX_WAITING_CALLS = 100
MAX_DEPTH = 20  # of lists and objects within an argument
REFUSED = "unlearn.refused"  # in a request's scope: the fault is the caller's
NOT_READ = "The arguments of this call cannot be used ({kind}); /gradio_api/info lists what it takes."


def guard(blocks: gr.Blocks) -> None:
    """Guard the calls of a complete page. All of Gradio's routes go through `process_api`."""
    _bound_memory(blocks)
    inner = blocks.process_api

    async def process_api(block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        block_fn = blocks.fns[block_fn] if isinstance(block_fn, int) else block_fn
        where = f"call of {block_fn.api_name or block_fn.name}"
        try:
            _check_inputs(block_fn, inputs)
            return await inner(block_fn, inputs, *args, **kwargs)
        except gr.Error as error:  # ours, or the platform's
            error.print_exception = False
            if not isinstance(error, Refusal):
                log_refused(error, where)
            raise _marked(error, kwargs) from None
        except UnlearnError as error:
            log_refused(error, where)
            raise _marked(Refusal(str(error)), kwargs) from None
        except Exception as error:
            raise _marked(_refusal(block_fn, error, where), kwargs) from None
        finally:
            _drop_session(blocks, kwargs.get("session_hash"), kwargs.get("event_id"))

    vars(blocks)["process_api"] = process_api  # in place of the method, for these blocks alone


def _refusal(block_fn: Any, error: Exception, where: str) -> Refusal:
    """The sentence for the caller about an error that has none yet."""
    if isinstance(error, InvalidPathError | ValidationError):
        log_refused(error, where)
        return Refusal("A file of this call was not uploaded to this server; send it with gradio_client.handle_file and a path.")
    if block_fn.api_visibility == "public":  # an endpoint's own errors already are sentences here
        log_refused(error, where)
        return Refusal(NOT_READ.format(kind=type(error).__name__))
    log_unexpected(error, where)
    return Refusal(unexpected(error), is_ours=True)


def _marked(error: gr.Error, kwargs: dict[str, Any]) -> gr.Error:
    """The error; where it is not the server's fault, the request is marked, and the answer gets the status 400."""
    request = kwargs.get("request")
    request = request[0] if isinstance(request, list) else request
    if not getattr(error, "is_ours", False) and (web := getattr(request, "request", None)) is not None:
        web.scope[REFUSED] = True
    return error


def _check_inputs(block_fn: Any, inputs: Sequence[Any]) -> None:
    """Check arguments before Gradio reads them.

    Raises:
        InputError: a wrong number of them, nested too deep, or a file given by a web address, which Gradio would fetch.
    """
    if len(inputs) != len(block_fn.inputs):
        if block_fn.api_visibility == "public":
            raise InputError(arguments.expected(block_fn.fn, len(inputs)))
        raise InputError(f"This call takes {len(block_fn.inputs)} values, but got {len(inputs)}.")
    level: list[Any] = list(inputs)
    for _ in range(MAX_DEPTH):
        if any(isinstance(value, dict) and _is_address(value.get("path")) for value in level):
            raise InputError("A file is given by a web address; send the file itself (gradio_client.handle_file with a path).")
        level = [item for value in level if isinstance(value, dict | list)
                 for item in (value.values() if isinstance(value, dict) else value)]  # fmt: skip
    if level:
        raise InputError(f"An argument is nested more than {MAX_DEPTH} deep; send lists and objects as the endpoint takes them.")


def _is_address(path: Any) -> bool:
    return isinstance(path, str) and path.strip().lower().startswith(("http:", "https:"))


def _bound_memory(blocks: gr.Blocks) -> None:
    """Keep nothing per call for ever, and no statistics, which nobody reads and which cost more with each call."""
    queue = blocks._queue
    queue.max_size = MAX_WAITING_CALLS
    queue.pending_messages_per_session = LRUCache(KEPT_ANSWERS)
    queue.pending_event_ids_session = LRUCache(KEPT_ANSWERS)
    queue.ANALYTICS_MAX_EVENTS, queue.ANAYLTICS_CACHE_FREQUENCY = 1, sys.maxsize


def _drop_session(blocks: gr.Blocks, session: str | None, event: str | None) -> None:
    """Drop the state of a call without a session: Gradio invents one, named as the event, and nobody uses it again."""
    holder = getattr(blocks, "state_holder", None)
    if session is not None and session == event and holder is not None:
        with holder.lock:
            holder.session_data.pop(session, None)
            holder.time_last_used.pop(session, None)
    for paths in blocks.temp_file_sets:
        if len(paths) > KEPT_PATHS:
            paths.intersection_update([path for path in paths if Path(path).is_file()])
