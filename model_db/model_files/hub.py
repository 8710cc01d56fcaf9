"""The configuration of a model by its name on the Hugging Face hub, through `huggingface_hub` where that is installed."""

from __future__ import annotations

from pathlib import Path
from queue import Empty, Queue
from threading import Thread

from facts.errors import Fault, RackwrightError, shown

_LONGEST_NAME = 200


def hub_config(name: str, timeout_s: float = 10.0) -> bytes:
    """The `config.json` of `organisation/model`, from the local cache or the hub, within `timeout_s`.

    The library tries a hub that does not answer six times, with a timeout each: it is asked beside, and left where it takes
    longer. Raises RackwrightError: a name of another form, the library not installed, the hub out of reach, or no such model.
    """
    if len(name) > _LONGEST_NAME or name.count("/") != 1 or ".." in name:
        raise RackwrightError(Fault("wrong_form", field="model", value=shown(name), allowed="organisation/model"))
    out_of_reach = Fault("hub_out_of_reach", value=shown(name), allowed=f"{timeout_s:g} s")
    answers: Queue[bytes | Fault] = Queue()
    Thread(target=lambda: answers.put(_asked(name, timeout_s, out_of_reach)), daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except Empty:
        answer = out_of_reach
    if isinstance(answer, Fault):
        raise RackwrightError(answer)
    return answer


def _asked(name: str, timeout_s: float, out_of_reach: Fault) -> bytes | Fault:
    """What the library answers, or the fault that its error means."""
    try:
        from huggingface_hub import hf_hub_download  # noqa: PLC0415  optional, and slow to import
        from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError  # noqa: PLC0415
        from huggingface_hub.utils import logging  # noqa: PLC0415
    except ImportError:
        return Fault("hub_not_installed", value=shown(name))
    logging.set_verbosity_error()  # its warnings about each attempt
    try:
        return Path(hf_hub_download(name, "config.json", etag_timeout=timeout_s)).read_bytes()
    except LocalEntryNotFoundError:
        return out_of_reach
    except (RepositoryNotFoundError, EntryNotFoundError, HFValidationError):
        return Fault("hub_unknown_model", value=shown(name))
    except OSError:  # connection errors of the library's client that it does not wrap
        return out_of_reach
