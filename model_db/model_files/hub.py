"""The configuration of a model by its name on the Hugging Face hub, through `huggingface_hub` where that is installed."""

from __future__ import annotations

from pathlib import Path

from facts.errors import Fault, RackwrightError, shown

_LONGEST_NAME = 200


def hub_config(name: str, timeout_s: float = 10.0) -> bytes:
    """The `config.json` of `organisation/model`, from the local cache or the hub within `timeout_s`.

    Raises RackwrightError: a name of another form, the library not installed, the hub out of reach, or no such model.
    """
    if len(name) > _LONGEST_NAME or name.count("/") != 1 or ".." in name:
        raise RackwrightError(Fault("wrong_form", field="model", value=shown(name), allowed="organisation/model"))
    try:
        from huggingface_hub import hf_hub_download  # noqa: PLC0415  optional, and slow to import
        from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError  # noqa: PLC0415
    except ImportError:
        raise RackwrightError(Fault("hub_not_installed", value=shown(name))) from None
    try:
        path = hf_hub_download(name, "config.json", etag_timeout=timeout_s)
    except LocalEntryNotFoundError:
        raise RackwrightError(Fault("hub_out_of_reach", value=shown(name), allowed=f"{timeout_s:g} s")) from None
    except (RepositoryNotFoundError, EntryNotFoundError, HFValidationError):
        raise RackwrightError(Fault("hub_unknown_model", value=shown(name))) from None
    except OSError:  # connection errors of the library's client that it does not wrap
        raise RackwrightError(Fault("hub_out_of_reach", value=shown(name), allowed=f"{timeout_s:g} s")) from None
    return Path(path).read_bytes()
