"""A console in a real browser, as the tests of its page drive it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.tools.browser import SECONDS, expect
from tests.tools.wait import eventually
from twilio_taskrouter_worker.local import LocalTaskRouter

_NOTE_MESSAGES = """
window.said = [];
new MutationObserver(changes => {
    for (const change of changes) for (const node of change.addedNodes) {
        if (node.classList?.contains("message")) {
            window.said.push({text: node.textContent, animation: getComputedStyle(node).animationName});
        }
    }
}).observe(document, {childList: true, subtree: true});
"""
"""Notes the messages of the page, which go away by themselves after some seconds."""


class ConsolePage:
    """The console of a router in a window of a browser.

    Args:
        page: Playwright's page.
        router: The router.
    """

    def __init__(self, page: Any, router: LocalTaskRouter) -> None:
        self.page = page
        self.router = router
        self.problems: list[str] = []
        """What the browser complained about: errors of scripts, violations of the Content-Security-Policy."""
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._heard)
        page.add_init_script(_NOTE_MESSAGES)

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def open(self, view: str = "now") -> ConsolePage:
        """Open the link that the service prints, and go to a view.

        Args:
            view: Its name in the address, with the sid of what is to be open.
        """
        self.page.goto(self.router.console_url)
        self.is_live()
        return self.go(view)

    def go(self, view: str) -> ConsolePage:
        """Go to a view by the address."""
        self.page.evaluate("view => { location.hash = `#/${view}`; }", view)
        return self

    def is_live(self) -> None:
        """Wait until the page shows that it is connected."""
        expect(self.page.locator(".link")).to_have_text("Live")

    def row(self, table: str, text: str) -> Any:
        """Return the row of a table that contains a text."""
        return self.page.get_by_role("grid", name=table).get_by_role("row").filter(has_text=text)

    def section(self, name: str) -> Any:
        """Return a section of the details."""
        return self.page.get_by_role("complementary", name="Details").get_by_role("region", name=name, exact=True)

    def click(self, name: str) -> None:
        """Click the button of that name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def says(self, text: str) -> None:
        """Wait for a message, which may have gone away by then."""
        eventually(lambda: self.page.evaluate("text => said.some(each => each.text.includes(text))", text))


@contextmanager
def console_page(browser: Any, router: LocalTaskRouter, **options: Any) -> Iterator[ConsolePage]:
    """A window of its own, in which nothing goes wrong.

    Args:
        browser: Playwright's browser.
        router: The router.
        options: For the window, such as its size and colour scheme.
    """
    options.setdefault("viewport", {"width": 1280, "height": 800})
    context = browser.new_context(**options)
    context.set_default_timeout(SECONDS * 1000)
    try:
        console = ConsolePage(context.new_page(), router)
        yield console
        assert not console.problems, "\n".join(console.problems)
    finally:
        context.close()
