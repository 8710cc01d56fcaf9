"""The description of the programs' interface, made from the records that check requests and hold plans."""

from __future__ import annotations

from functools import cache

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from facts.version import VERSION
from planner.answer import Plan
from planner.request import PlanRequest

_FAULT = {
    "type": "object",
    "required": ["code", "where", "field", "value", "allowed", "hint", "sentence"],
    "properties": {
        "code": {"type": "string", "description": "What is wrong, for programs."},
        "where": {"type": "string"},
        "field": {"type": "string", "description": "Dotted path in the request."},
        "value": {"type": "string", "description": "What was given."},
        "allowed": {"type": "string", "description": "What would be accepted."},
        "hint": {"type": "string", "description": "What was perhaps meant."},
        "sentence": {"type": "string", "description": "What is wrong and how to mend it, for people."},
    },
}
_REFUSALS = {
    "400": "The body is not JSON.",
    "405": "Another method is wanted.",
    "408": "The body came too slowly.",
    "413": "The body is too large.",
    "415": "The body is not declared as application/json.",
    "422": "The request has faults; each is named.",
    "429": "Too many plans are asked for at once; see Retry-After.",
    "500": "Something nobody foresaw; the server's log has it under the reference that is given.",
    "503": "The plan took too long; narrow the question.",
}


@cache
def document() -> dict[str, object]:
    """The interface in OpenAPI 3.1."""
    models: list[tuple[type[BaseModel], str]] = [(PlanRequest, "validation"), (Plan, "serialization")]
    references, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    asked, answered = (references[model] for model in models)  # type: ignore[index]
    faults = {"type": "object", "required": ["faults"], "properties": {"faults": {"type": "array", "items": _ref("Fault")}}}
    refusals = {status: {"description": meaning} | _json(_ref("Faults")) for status, meaning in _REFUSALS.items()}
    planned = {
        "operationId": "plan",
        "summary": "Ranked cluster configurations for a request.",
        "parameters": [{"name": "lang", "in": "query", "schema": {"enum": ["en", "zh"]}, "description": "Language of sentences."}],
        "requestBody": {"required": True} | _json(asked),
        "responses": {"200": {"description": "The plan; without recommendations when nothing fits."} | _json(answered)} | refusals,
    }
    health = {"type": "object", "properties": {"status": {"const": "ok"}, "version": {"type": "string"}, "ready": {"type": "boolean"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rackwright", "version": VERSION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": {
            "/api/v1/plan": {"post": planned},
            "/api/v1/openapi.json": {"get": _got("openapi", "This document.", _json({"type": "object"}))},
            "/healthz": {"get": _got("health", "That the server answers.", _json(health))},
            "/metrics": {"get": _got("metrics", "Counters for Prometheus.", {"content": {"text/plain": {"schema": {"type": "string"}}}})},
        },
        "components": {"schemas": definitions["$defs"] | {"Fault": _FAULT, "Faults": faults}},
    }


def _ref(name: str) -> dict[str, object]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: object) -> dict[str, object]:
    return {"content": {"application/json": {"schema": schema}}}


def _got(name: str, summary: str, content: dict[str, object]) -> dict[str, object]:
    return {"operationId": name, "summary": summary, "responses": {"200": {"description": summary} | content}}
