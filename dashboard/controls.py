"""One control per request field, a view of the session's draft."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from dashboard import session
from dashboard.fields import Choice, FormField
from dashboard.figures import given
from dashboard.language import say
from dashboard.options import FIRST
from dashboard.wording import plain
from planner.defaults import RequestField, field_table


def field_control(row: FormField, options: Mapping[Choice, str] | None = None, fault: str = "") -> None:
    """The control of `row`; `options` (value to label) where the choices come from the catalog; `fault` marks it wrong."""
    rules = field_table().fields[row.path]
    choices = options if options is not None else {value: say(label) for value, label in row.choices.items()}
    key = session.FIELD_KEY + row.path
    if choices or row.many:
        _choice(row, rules, key, choices)
    else:
        _number(row, rules, key)
    if fault:
        st.error(plain(fault))


def _choice(row: FormField, rules: RequestField, key: str, choices: Mapping[Choice, str]) -> None:
    value = session.draft()[row.path]
    _seed(key, value)
    label, about, empty = say(row.label), help_text(row, rules), say(row.empty) if row.empty else None
    if row.many:
        absent = [str(item) for item in value if item not in choices] if isinstance(value, list) else []  # a link may name what we lack
        st.multiselect(
            label,
            [*choices, *absent],
            format_func=lambda item: choices.get(item, item),
            key=key,
            help=about,
            placeholder=empty,
            on_change=_store,
            args=(row,),
        )
    else:
        st.selectbox(
            label,
            list(choices),
            index=None if rules.default is None else 0,
            format_func=lambda item: choices[item],
            key=key,
            help=about,
            placeholder=empty,
            on_change=_store,
            args=(row,),
        )


def _number(row: FormField, rules: RequestField, key: str) -> None:
    value = session.draft()[row.path]
    low, high, now = (_in_label_unit(row, number) for number in (rules.minimum, rules.maximum, value))
    _seed(key, now)
    draw: Callable[..., object] = st.number_input  # its overloads tell int from float; here the field does
    draw(
        say(row.label),
        low,
        high,
        None if rules.default is None else "min",
        step=None if row.step is None else (int(row.step) if row.integer else row.step),
        format="%d" if row.integer else "%g",
        key=key,
        help=help_text(row, rules),
        placeholder=say(row.empty) if row.empty else None,
        on_change=_store,
        args=(row,),
    )


def _in_label_unit(row: FormField, value: object) -> float | None:
    """`value` of the request in the unit of the label, whole where the field is; None stays None."""
    if not isinstance(value, int | float):
        return None
    return int(value) if row.integer else float(f"{value / row.scale:.12g}")


def _seed(key: str, value: object) -> None:
    """Give a widget that appears (first run, page switch, opened section) the draft's value."""
    if key not in st.session_state:
        st.session_state[key] = value


def _store(row: FormField) -> None:
    """Take a changed widget's value into the draft."""
    value = st.session_state[session.FIELD_KEY + row.path]
    if isinstance(value, int | float) and not isinstance(value, bool) and not row.integer:
        value = float(f"{value * row.scale:.12g}")
    if value is None and field_table().fields[row.path].default is not None:
        return  # an emptied field keeps the last value
    session.draft()[row.path] = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
    session.show_option(FIRST)


def help_text(row: FormField, rules: RequestField) -> str:
    """What the field means, its range in the label's unit, and what its default rests on."""
    low, high = _in_label_unit(row, rules.minimum), _in_label_unit(row, rules.maximum)
    texts = [plain(say("{meaning}.", meaning=say(rules.meaning)))]
    if low is not None and high is not None:
        texts.append(plain(say("From {low} to {high}.", low=given(low), high=given(high))))
    if rules.source:
        texts.append(plain(say("The default rests on: {source}.", source=rules.source)))
    return "\n\n".join(texts)
