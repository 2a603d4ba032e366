"""The page in a browser: it says nothing to the console, asks for nothing, and nothing overlaps."""

import http.server
import threading

import pytest
from support.browser import AXE, PROGRAM, Browser

from handshake_inspect import engine
from handshake_inspect.engine.explain import stories
from handshake_inspect.render import FORMATS, Options

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Chromium")
SAMPLES = [
    "syn-flood-hping3",
    "port-scan-connect",
    "tls13-hello-retry",
    "accept-queue-overflow",
    "closed-by-client-ipv6",
    "tls-resumption",
    "quic-blocked",
]
JENKINS = "sandbox; default-src 'none'; img-src 'self'; style-src 'self'"  # what it sends with artifacts
# Texts of a drawing that lie on each other, by more than a pixel.
OVERLAPS = """
[...document.querySelectorAll('svg')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].map(each => [each.getBoundingClientRect(), each.textContent]);
  return boxes.flatMap(([a, one], i) => boxes.slice(i + 1).filter(([b]) => a.width && b.width &&
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3
  ).map(([, other]) => `${one} | ${other}`));
}).join('; ')
"""
SIDEWAYS = """
[...document.querySelectorAll('.scroll:has(svg.ladder)')].filter(each => each.scrollWidth > each.clientWidth).length
"""
# Tables that do, without the shadow at their edges that shows it; and whether those that do have any.
UNSIGNED = """
[...document.querySelectorAll('.scroll:has(table)')].filter(each => each.scrollWidth > each.clientWidth &&
  !getComputedStyle(each).backgroundImage.includes('gradient')).length
"""
UNFOLD = "document.querySelectorAll('details').forEach(each => { each.open = true; })"
SHOWN = "[...document.querySelectorAll('details[data-outcome]')].filter(each => each.offsetParent !== null).length"


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def folder(pcaps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for sample in SAMPLES:
        path = pcaps / f"{sample}.pcap"
        report = engine.analyze([path])
        shown = stories([path], FORMATS["html"].starring(report, Options()), report)
        with (folder / f"{sample}.html").open("wb") as out:
            FORMATS["html"].render(report, out, Options(stories=shown))
    return folder


@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("sample", SAMPLES)
def test_it_is_quiet_and_fits(browser, folder, sample, width):
    browser.open(f"file://{folder}/{sample}.html", width=width, dark=width > 1000)
    browser.run(UNFOLD)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run(OVERLAPS) == ""
    assert browser.run(SIDEWAYS) == 0
    assert browser.run(UNSIGNED) == 0
    assert browser.said == []
    assert len(browser.asked) == 1


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm install --no-save axe-core, or HSI_AXE")
@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("sample", SAMPLES)
def test_everybody_can_use_it(browser, folder, sample, width):
    """The rules of axe: names, contrast in dark and light, and nothing that a keyboard does not reach."""
    browser.open(f"file://{folder}/{sample}.html", width=width, dark=width > 1000)
    browser.run(UNFOLD)
    browser.run(f"{AXE.read_text()}; 0")
    broken = browser.run("axe.run().then(({violations}) => violations.map(each => [each.id, each.nodes[0].html]))")
    assert broken == []


def test_it_filters_sorts_and_unfolds(browser, folder):
    browser.open(f"file://{folder}/syn-flood-hping3.html")
    assert browser.run(SHOWN) > 3
    assert browser.run("document.querySelector('.tools').offsetParent !== null")
    browser.run("document.querySelector('#filter').value = 'no such word'")
    browser.run("document.querySelector('#filter').dispatchEvent(new Event('input'))")
    assert browser.run(SHOWN) == 0
    browser.open(f"file://{folder}/syn-flood-hping3.html")
    browser.run("document.querySelector('#outcomes [data-word=timed-out] button').click()")
    assert browser.run("document.querySelectorAll('details[data-outcome=half-open]:not(.off)').length") == 0
    assert browser.run("document.querySelectorAll('details[data-outcome=timed-out]:not(.off)').length") > 0
    browser.run("document.querySelector('#unfold').click()")
    assert browser.run("document.querySelectorAll('details:not([open])').length") == 0
    browser.open(f"file://{folder}/port-scan-connect.html")
    first = "document.querySelector('table.sortable tbody tr').cells[2].textContent"
    browser.run("document.querySelectorAll('table.sortable th button')[2].click()")
    assert browser.run(first) == "100.0 %"
    browser.run("document.querySelectorAll('table.sortable th button')[2].click()")
    assert browser.run(first) == "0.0 %"
    assert browser.said == []


def test_it_says_all_without_scripts_and_styles(browser, folder):
    """As an artifact of Jenkins: everything but the text and the drawings is forbidden."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def end_headers(self):
            self.send_header("Content-Security-Policy", JENKINS)
            super().end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.open(f"http://127.0.0.1:{server.server_port}/accept-queue-overflow.html")
        server.shutdown()
    assert "accept queue of 10.0.0.2:80 is full" in browser.run("document.querySelector('h1').innerText").lower()
    arrow = "document.querySelector('svg.ladder path')"
    assert browser.run(f"getComputedStyle({arrow}).stroke") == "rgb(0, 158, 115)"
    assert browser.run("document.querySelector('.tools').offsetParent === null"), "what needs the script is not shown"
