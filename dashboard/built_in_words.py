"""The framework's own words, which are English whatever the page speaks, put into the reader's language in the browser.

The same small script tells the browser (and so a screen reader, its voice) which language the page is in. What stands in
Markdown is ours and left alone.
"""

from __future__ import annotations

import re

import streamlit as st

from texts.translations import Language, mark, translation

WORDS = (
    mark("Error: Number is outside the allowed range. Please enter a value between {low} and {high}."),
    mark("Error: Number is below the allowed range. Please enter a value greater than or equal to {low}."),
    mark("Error: Number is above the allowed range. Please enter a value less than or equal to {high}."),
    mark("Press Enter to apply"),
    mark("Press Ctrl+Enter to apply"),
    mark("No results"),
    mark("Upload"),
    mark("Drag and drop a file here"),
    mark("{size} per file"),
    mark("Sort ascending"),
    mark("Sort descending"),
    mark("Autosize"),
    mark("Pin column"),
    mark("Unpin column"),
    mark("Hide column"),
    mark("Show/hide columns"),
    mark("Download as CSV"),
    mark("Search"),
    mark("Clear selection"),
    mark("Fullscreen"),
    mark("Close fullscreen"),
    mark("Show data"),
    mark("Download as PNG"),
    mark("Copy Vega-Lite spec"),
    mark("Show/hide columns: {element}"),
    mark("Download as CSV: {element}"),
    mark("Search: {element}"),
    mark("Clear selection: {element}"),
    mark("Fullscreen: {element}"),
    mark("Close fullscreen: {element}"),
    mark("Show data: {element}"),
    mark("Download as PNG: {element}"),
    mark("Copy Vega-Lite spec: {element}"),
    mark("Help for {label}"),
    mark("Open"),
    mark("Increment"),
    mark("Decrement"),
    mark("Clear all"),
    mark("Clear value"),
    mark("Sidebar"),
    mark("Collapse sidebar"),
    mark("Expand sidebar"),
    mark("App pages"),
    mark("Main menu"),
    mark("Skip to main content"),
    mark("Rerun"),
    mark("Settings"),
    mark("Print"),
    mark("Record screen"),
    mark("Running..."),
    mark("Stop"),
)
PAGE_LANGUAGES: dict[Language, str] = {"en": "en", "zh": "zh-CN"}

_SCRIPT = """
const originals = new Map();
let observer = null;
let rules = [];

function translated(text) {
  for (const [pattern, words] of rules) if (pattern.test(text)) return text.replace(pattern, words);
  return text;
}

function translate(node) {
  if (node.nodeType === Node.TEXT_NODE) {
    if (node.parentElement?.closest("[data-testid=stMarkdownContainer]")) return;
    const words = translated(node.data);
    if (words !== node.data) { originals.set(node, node.data); node.data = words; }
    return;
  }
  if (node.nodeType !== Node.ELEMENT_NODE) return;
  for (const name of ["aria-label", "title"]) {
    const text = node.getAttribute(name);
    if (text && translated(text) !== text) node.setAttribute(name, translated(text));
  }
  node.childNodes.forEach(translate);
}

export default function ({ data }) {
  document.documentElement.lang = data.language;
  observer?.disconnect();
  originals.forEach((text, node) => { node.data = text; });
  originals.clear();
  rules = data.words.map(([pattern, words]) => [new RegExp(pattern), words]);
  if (rules.length === 0) return;
  observer = new MutationObserver((changes) => changes.forEach((change) => {
    if (change.type === "childList") change.addedNodes.forEach(translate);
    else translate(change.target);
  }));
  translate(document.body);
  const watched = { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["aria-label", "title"] };
  observer.observe(document.body, watched);
}
"""
_COMPONENT = st.components.v2.component("rackwright.built_in_words", html="<span></span>", js=_SCRIPT)


def translate_built_in_words(spoken: Language) -> None:
    """Tell the browser the language `spoken`, and say the framework's words in it."""
    _COMPONENT(data={"language": PAGE_LANGUAGES[spoken], "words": rules(spoken)}, key="built_in_words", height="content")


def rules(spoken: Language) -> list[tuple[str, str]]:
    """Pattern and replacement of every word, as the script takes them; none where the page speaks the framework's language."""
    if spoken == "en":
        return []
    return [(_pattern(words), _replacement(words, translation(words, spoken))) for words in WORDS]


def _pattern(words: str) -> str:
    """`words` as the whole of a text, anything where a placeholder stands."""
    return "^" + re.sub(r"\\{\w+\\}", "(.+?)", re.escape(words).replace(r"\ ", " ").replace("/", r"\/")) + "$"


def _replacement(words: str, translated: str) -> str:
    """`translated` with its placeholders as the groups of the pattern."""
    for number, name in enumerate(re.findall(r"\{\w+\}", words), start=1):
        translated = translated.replace(name, f"${number}")
    return translated
