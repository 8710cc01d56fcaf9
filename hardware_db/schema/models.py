"""Pydantic models of entries, one a kind, made from the table: frozen, unknown fields forbidden, no silent conversion.

Faults name the field as it is written, what is allowed and, for a misspelt name, the nearest known one.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError, create_model, model_validator
from pydantic import Field as Bound
from pydantic_core import ErrorDetails

from facts.errors import Fault, shown
from facts.yaml_files import Yaml
from hardware_db.schema.table import COMMON_HEAD, COMMON_TAIL, Field, Kind, Schema

_TEXT_LENGTH = 4000
_LIST_LENGTH = 1000
_ID = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]
_TEXT = Annotated[str, StringConstraints(max_length=_TEXT_LENGTH)]
_NAMED = Annotated[str, StringConstraints(min_length=1, max_length=_TEXT_LENGTH)]
_DATE_PATTERN = r"^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?|-Q[1-4]|-H[12]|-\d{4})?$"
DATE_FORMS = "YYYY, YYYY-MM, YYYY-MM-DD, YYYY-Qn, YYYY-Hn or YYYY-YYYY"


def _year_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_DATE = Annotated[str, BeforeValidator(_year_as_text), StringConstraints(pattern=_DATE_PATTERN)]
_SOURCES = (
    Annotated[list[_NAMED], Bound(min_length=1, max_length=_LIST_LENGTH)]
    | Annotated[dict[str, Annotated[list[_NAMED], Bound(min_length=1, max_length=_LIST_LENGTH)]], Bound(min_length=1)]
)
_SOURCES_FORM = "a list of places where it was read, or such a list for each group of fields"
_Annotation: TypeAlias = object  # what pydantic takes as the type of a field; made at run time


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Price(_Model):
    """A range, a typical value, or both; bounds are checked by the subclass that `Models` makes for a field."""

    low: float | None
    typical: float | None
    high: float | None

    @model_validator(mode="after")
    def _ordered(self) -> _Price:
        given = [value for value in (self.low, self.typical, self.high) if value is not None]
        if not given or given != sorted(given):
            msg = "low <= typical <= high"
            raise ValueError(msg)
        return self


class Models:
    """The models of one table, made when they are first needed."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._made: dict[str, type[BaseModel]] = {}

    def faults(self, values: Mapping[str, Yaml], where: str) -> tuple[Fault, ...]:
        """What is wrong with one entry taken for itself: unknown, missing, mistyped or unbounded fields."""
        kind = self._schema.kinds.get(str(values.get("kind")))
        if kind is None:
            known = tuple(self._schema.kinds)
            hint = difflib.get_close_matches(str(values.get("kind")), known, 1)
            return (Fault("catalog_unknown_kind", where, "kind", shown(values.get("kind")), ", ".join(known), "".join(hint)),)
        if kind.name not in self._made:
            self._made[kind.name] = self._model_of(kind)
        try:
            self._made[kind.name].model_validate(values)
        except ValidationError as error:
            return tuple(dict.fromkeys(self._fault(kind, detail, where) for detail in error.errors(include_url=False)))
        return ()

    def _model_of(self, kind: Kind) -> type[BaseModel]:
        fields: dict[str, tuple[_Annotation, object]] = {
            "id": (_ID, ...),
            "name": (_NAMED, ...),
            "kind": (_NAMED, ...),
            "basis": (_words(self._schema.fields["basis"].words), ...),
            "sources": (_SOURCES, ...),
            "notes": (_optional(_TEXT), None),
        }
        for name in kind.fields:
            annotation = self._annotation(kind, self._schema.fields[name])
            fields[name] = (annotation, ...) if name in kind.required else (_optional(annotation), None)
        return _model(kind.name, _Model, fields)

    def _annotation(self, kind: Kind, field: Field) -> _Annotation:
        if field.type == "price":
            return _model(field.name, _Price, {end: (_optional(_leaf(field)), None) for end in ("low", "typical", "high")})
        if field.type == "rows":
            columns = {name: self._schema.fields[name] for name in self._schema.columns(kind, field)}
            row = _model(
                field.name, _Model, {name: self._column(kind, column, needed=name in field.needs) for name, column in columns.items()}
            )
            return _many(row)
        leaf = _leaf(field)
        named = _named(_words(field.names) if field.names else _NAMED, leaf)
        return {"one": leaf, "list": _many(leaf), "map": named, "table": _named(_NAMED, named)}[field.shape]

    def _column(self, kind: Kind, column: Field, *, needed: bool) -> tuple[_Annotation, object]:
        annotation = self._annotation(kind, column)
        return (annotation, ...) if needed else (_optional(annotation), None)

    def _fault(self, kind: Kind, detail: ErrorDetails, where: str) -> Fault:
        path = [str(part) for part in detail["loc"]]
        code = _CODES.get(detail["type"], "catalog_wrong_type")
        if code == "catalog_missing_field":
            return Fault(code, where, ".".join(path))
        if code == "catalog_unknown_field":
            known = (*COMMON_HEAD, *kind.fields, *COMMON_TAIL, *kind.rows)
            hint = difflib.get_close_matches(path[-1], known, 1)
            return Fault(code, where, ".".join(path), shown(detail["input"]), f"a field of kind {kind.name}", "".join(hint))
        if path[0] == "sources":
            return Fault("catalog_wrong_type", where, "sources", "of another form", _SOURCES_FORM)
        field = self._schema.fields.get(next((part for part in reversed(path) if part in self._schema.fields), ""))
        allowed = _allowed(field) if field else ""
        if field is not None and field.type == "date":
            code, allowed = "catalog_bad_date", DATE_FORMS
        return Fault(code, where, ".".join(path), shown(detail["input"]), allowed)


_CODES = {
    "extra_forbidden": "catalog_unknown_field",
    "missing": "catalog_missing_field",
    "greater_than_equal": "catalog_out_of_range",
    "less_than_equal": "catalog_out_of_range",
    "literal_error": "catalog_not_one_of",
    "value_error": "catalog_price_order",
    "string_pattern_mismatch": "catalog_bad_name",
    "string_too_long": "catalog_too_long",
    "too_long": "catalog_too_long",
}


def _leaf(field: Field) -> _Annotation:
    if field.type in ("number", "price"):
        return _bounded(float, field)
    if field.type == "count":
        return _bounded(int, field)
    if field.type == "word":
        return _words(field.words)
    return {"flag": bool, "date": _DATE, "reference": _ID}.get(field.type, _TEXT)


def _bounded(number: type[float], field: Field) -> _Annotation:
    return Annotated[number, Bound(ge=field.min, le=field.max)]


def _words(words: tuple[str, ...]) -> _Annotation:
    return Literal[words]


def _optional(annotation: _Annotation) -> _Annotation:
    return annotation | None  # type: ignore[operator]


def _many(annotation: _Annotation) -> _Annotation:
    return Annotated[list[annotation], Bound(max_length=_LIST_LENGTH)]  # type: ignore[valid-type]


def _named(names: _Annotation, annotation: _Annotation) -> _Annotation:
    return dict[names, _optional(annotation)]  # type: ignore[valid-type,misc]


def _model(name: str, base: type[BaseModel], fields: Mapping[str, tuple[_Annotation, object]]) -> type[BaseModel]:
    return create_model(name, __base__=base, **fields)  # type: ignore[call-overload,no-any-return]


def _allowed(field: Field) -> str:
    if field.words or field.names:
        return ", ".join(field.words or field.names)
    kind = {"number": "a number", "count": "a whole number", "price": "low, typical, high", "reference": "an id", "flag": "true or false"}
    shape = {"one": "", "list": "a list: ", "map": "name: ", "table": "name: name: "}[field.shape]
    text = shape + kind.get(field.type, field.type)
    return f"{text}, {field.range_text}" if field.range_text else text
