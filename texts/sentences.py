"""Faults as sentences: what is wrong, and what to do about it. One sentence a code; a code without one is a bug.

A part in square brackets is left out when a field in it is empty. Places: {field}, {value}, {allowed}, {hint} of the
fault; its `where` goes in front. Every code that the project raises stands here, in alphabetical order.
"""

from __future__ import annotations

import re

from facts.errors import Fault
from texts.translations import Language, translation

SENTENCES: dict[str, str] = {
    "bad_field": "[{field}: ]{value} is not accepted[: {allowed}].",
    "catalog_bad_date": "[{field}: ]{value} is not a date; write {allowed}.",
    "catalog_bad_name": "[{field}: ]{value} is not a name that is accepted[; write {allowed}].",
    "catalog_dangling": "{field}: no entry is called {value} and is of kind {allowed}[; perhaps you mean {hint}].",
    "catalog_disagrees": "{field} is {value}, the other fields give {allowed}; correct one of them.",
    "catalog_duplicate": "The id {value} is given twice; keep one entry or rename one.",
    "catalog_flag_missing": "{value} is odd; correct it, or add {allowed} to {field} if it is real.",
    "catalog_implausible": "{field} is {value}, which cannot be; {allowed} is possible.",
    "catalog_missing_field": "{field} is missing[; give {allowed}].",
    "catalog_not_a_list": "The file does not hold {allowed}; compare with the template of `rackwright catalog new`.",
    "catalog_not_one_of": "{field} is {value}; choose one of {allowed}.",
    "catalog_out_of_range": "{field} is {value}[; {allowed} is accepted].",
    "catalog_price_bounds": "{field} is {value}; {allowed} is plausible. Look at the currency, the period and the number of accelerators.",
    "catalog_price_order": "{field} is {value}; low, typical and high have to ascend.",
    "catalog_sparse_peak": "{field} is {value}; a dense rate is {allowed}. Halve a rate with sparsity, or set uneven_peaks if it is real.",
    "catalog_too_long": "{field} is too long[; {allowed} is accepted].",
    "catalog_unknown_field": "{field} is not {allowed}[; perhaps you mean {hint}].",
    "catalog_unknown_id": "[{field}: ]no entry is called {value}[; perhaps you mean {hint}].",
    "catalog_unknown_kind": "{value} is not a kind of entry; choose one of {allowed}[, perhaps {hint}].",
    "catalog_unverified_source": "{value} is not a source; name the place where the figure was read, or leave the figure out.",
    "catalog_wrong_type": "{field} is {value}[; {allowed} is wanted].",
    "config_field": "The configuration's {field} is {value}, which is not accepted[: {allowed}].",
    "config_field_missing": "The configuration lacks {field}; add it.",
    "config_not_understood": "A model of type {value} with {field} is not understood by its fields; describe it in a model file.",
    "csv_column_repeated": "{field} is given more than once in the header; rename or remove one.",
    "csv_damaged": "{field}: the CSV is damaged[: {value}]; save it again.",
    "csv_empty": "The file has no header; put the columns' names in the first row.",
    "csv_not_text": "The file is not text at {value}; save it as CSV.",
    "csv_row_too_long": "{field}: {value} cells under fewer columns; {allowed} are accepted.",
    "csv_too_many": "The file has too many {field} ({value}); {allowed} are accepted.",
    "draft_vocabulary": "{value} has another vocabulary than {allowed} and cannot draft for it; choose a smaller model of the same family.",
    "fabric_too_large": "{value} endpoints of the {field} network are too many for its switches ({allowed}); choose larger switches.",
    "file_too_large": "The file has {value}; give one with {allowed}.",
    "file_unreadable": "The file cannot be read[: {value}]; check its name and permissions.",
    "file_unwritable": "The file cannot be written[: {value}]; check its folder and permissions.",
    "http_body_too_large": "The body is too large; {allowed} are accepted.",
    "http_busy": "The server computes and holds {allowed} plans already; try again in a few seconds.",
    "http_ending": "The server is about to end; try again in a moment.",
    "http_failure": "Something went wrong; the server's log has it under reference {value}.",
    "http_media_type": "The body is declared as {value}; send {allowed}.",
    "http_method": "{value} is not answered here; use {allowed}.",
    "http_too_slow": "This took longer than {allowed}; narrow the question, or ask the command line, which has no limit.",
    "hub_not_installed": "{value} is not in the catalog; to ask the hub, install huggingface_hub, or give the model's config.json.",
    "hub_out_of_reach": "The Hugging Face hub did not answer within {allowed}; give the config.json of {value} instead.",
    "hub_unknown_model": "The Hugging Face hub has no model {value} with a public config.json; check its name.",
    "json_syntax": "The text is not valid JSON[: {value}].",
    "json_too_deep": "The JSON is nested too deeply; {allowed} levels are accepted.",
    "layer_list": "{field} is {value}; {allowed} is expected.",
    "link_damaged": "The link is damaged[ at {field}][: {value}]; copy it again, whole.",
    "link_key_repeated": "The link names {field} more than once; keep one of them.",
    "link_key_unknown": "{field} in the link was not used: this version does not know it.",
    "link_too_long": "The link[ of {value} characters] is too long; {allowed} are accepted. Share the request as a file instead.",
    "missing_field": "{field} is missing; say what it is.",
    "model_directory_empty": "There is no model in this directory; it needs {allowed}.",
    "model_file_damaged": "The file is damaged: {field} is {value}[, not {allowed}].",
    "model_file_kind": "[{value} is not a kind of model file; ]the known ones are {allowed}.",
    "model_kind_not_planned": "{value} is not a model that generates text; choose one that does.",
    "newer_version": "This was made by a newer version ({value}); this one reads up to {allowed}. Update rackwright to open it.",
    "no_accelerator_left": "No accelerator is left to consider; loosen the lists of accelerators, vendors or market status.",
    "no_prediction_layers": "{value} has no layers that predict several tokens; choose a draft model, or no speculation.",
    "not_a_mapping": "A list of fields with values was expected here, not {value}; compare with the examples.",
    "not_a_number": "{field} is {value}; give a plain number.",
    "not_allowed": "{field} is {value}[; choose one of {allowed}].",
    "out_of_range": "{field} is {value}[; it goes from {allowed}].",
    "room_liquid": "The room has no liquid cooling for {value}; choose air-cooled servers or add it.",
    "room_power": "The racks draw {value}, the room feeds {allowed} with one feed lost; use fewer servers or more power.",
    "room_rack_power": "A rack would draw {value}, {allowed} are possible; spread the servers or raise the limit.",
    "room_rack_units": "A server is {value} high, a rack has {allowed}; choose a flatter server or a taller rack.",
    "room_racks": "{value} are needed, the room has {allowed}; use denser servers or more room.",
    "text_not_utf8": "The text is not UTF-8 at {value}; save it as UTF-8.",
    "unknown_field": "{field} is not a field[; perhaps you mean {hint}].",
    "unknown_id": "{field}: nothing is called {value}[; perhaps you mean {hint}].",
    "unknown_model": "No model is called {value}[; perhaps you mean {hint}].",
    "unknown_model_type": "{value} in {field} is not a model type that is known; describe the model by its fields instead.",
    "unknown_weight_format": "{value} is not a weight format[; the known ones are {allowed}].",
    "validation_kind_not_yet": "Rows of kind {value} are not predicted yet; these are: {allowed}.",
    "validation_kind_unknown": "The columns are of no kind that is known; name one of {allowed}.",
    "wrong_form": "{field} is {value}[: {allowed}].",
    "yaml_duplicate_key": "{field}: {value} is given twice; keep one.",
    "yaml_key_not_text": "{field}: a name was expected in front of the colon; write it as plain text.",
    "yaml_number_not_finite": "{field}: {value} is not a finite number; write one that is.",
    "yaml_number_too_long": "{field}: the number {value} is too long; {allowed} are accepted.",
    "yaml_several_documents": "{field}: a second document begins here; give one document a file.",
    "yaml_syntax": "{field}[: {value}]; this is not valid YAML.",
    "yaml_tag": "{field}: the tag {value} is not accepted; remove it.",
    "yaml_too_deep": "{field}: nested too deeply; {allowed} are accepted.",
    "yaml_too_many_nodes": "{field}: the document holds too much; {allowed} values are accepted.",
    "yaml_unknown_alias": "{field}: the alias {value} stands for nothing; name an anchor of this file.",
}

_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_PLACE = re.compile(r"\{(\w+)\}")
_UNNAMED = {"", "link", "request"}  # there is one of each: nothing to tell apart
_PREFIX: dict[Language, str] = {"en": "{where}: ", "zh": "{where}："}


def sentence(fault: Fault, language: Language) -> str:
    """What is wrong and how to mend it, in `language`. Raises `KeyError` for a code that has no sentence."""
    fields = {name: getattr(fault, name) for name in ("field", "value", "allowed", "hint")}

    def kept(part: re.Match[str]) -> str:
        return part[1] if all(fields[place] for place in _PLACE.findall(part[1])) else ""

    template = _OPTIONAL.sub(kept, translation(SENTENCES[fault.code], language))
    prefix = _PREFIX[language].format(where=fault.where) if fault.where not in _UNNAMED else ""
    return prefix + template.format(**fields)
