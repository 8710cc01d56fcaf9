"""The pages of the dashboard, in the order of the menu. A page is one file and one line here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from texts.translations import mark

FOLDER = Path(__file__).with_name("pages")
ICON = Path(__file__).with_name("icon.svg")


@dataclass(frozen=True, slots=True)
class PageEntry:
    """`file` in the folder of pages; `path` in the address."""

    file: str
    title: str
    path: str

    @property
    def source(self) -> Path:
        """The page's program."""
        return FOLDER / self.file


PLAN_PAGE = PageEntry("plan.py", mark("Plan"), "plan")
UPGRADE_PAGE = PageEntry("upgrade.py", mark("Upgrade"), "upgrade")
PAGES = (
    PageEntry("start.py", mark("Start"), "start"),
    PLAN_PAGE,
    PageEntry("model.py", mark("Model"), "model"),
    PageEntry("compare.py", mark("Compare"), "compare"),
    PageEntry("catalog.py", mark("Catalog"), "catalog"),
    UPGRADE_PAGE,
    PageEntry("accuracy.py", mark("Accuracy"), "accuracy"),
    PageEntry("method.py", mark("Method"), "method"),
)
