#!/usr/bin/env python3
"""Goal: the report's pages work in a browser as a person sees them. Method: example_reports writes pages of 1 to 256 ranks,
and headless Chromium opens them: nothing complains, nothing is fetched, every pair has its cell, the pointer and the keys
find what was measured, 256 ranks are there in 2 s, and without scripts the tables are.

Usage: report_page_test.py EXAMPLE_REPORTS [FOLDER]. With a folder, pictures of all pages are left there. Skips (77) where
there is no Chromium.
"""
import os
import subprocess
import sys
import tempfile

from browser import Browser, find_chromium

OPEN_SECONDS_MAX = 2.0
# Cells of each of the two maps: all ordered pairs, with those that have no figure.
CELLS = {"ranks-1": None, "ranks-4-together": 12, "ranks-8": 56, "ranks-64": 64 * 63, "ranks-256": 256 * 255,
         "hostile-names": 30}
failures = []


def expect(holds, what):
    if not holds:
        failures.append(what)
        print("FAILED:", what)


def open_page(browser, folder, name):
    path = os.path.join(folder, name + ".html")
    seconds = browser.load(path)
    expect(browser.messages == [], f"{name}: nothing is said on the console, not {browser.messages}")
    expect(browser.requested() == ["file://" + path], f"{name}: nothing but the page is loaded: {browser.requested()}")
    return seconds


def hover_words(browser):
    return browser.value("hover.hidden ? '' : hover.innerText")


def check_cells(browser, folder):
    for name, cells in CELLS.items():
        open_page(browser, folder, name)
        counted = browser.value("[...document.querySelectorAll('canvas[data-cells]')].map(each => +each.dataset.cells)")
        expect(counted == ([] if cells is None else [cells, cells]), f"{name}: {cells} cells a map, not {counted}")
        expect(browser.value("document.documentElement.scrollWidth <= innerWidth"), f"{name}: nothing stands out at the side")


def check_pointer(browser, folder):
    open_page(browser, folder, "ranks-64")
    browser.value("document.getElementById('maps').scrollIntoView()")
    place = browser.value("(() => { const map = heatMaps[0], box = map.canvas.getBoundingClientRect();"
                          "return [box.left + map.left + 9.5 * map.cell, box.top + map.top + 2.5 * map.cell]; })()")
    browser.point(*place)
    words = hover_words(browser)
    for part in ("rank 2 (node01) \u2192 rank 9 (node02)", "latency", "bandwidth", "p50", "p99", "GB/s", " to ", "same switch"):
        expect(part in words, f"the pointer shows {part!r}: {words!r}")
    dead = browser.value("(() => { const map = heatMaps[0], box = map.canvas.getBoundingClientRect();"
                         "return [box.left + map.left + 17.5 * map.cell, box.top + map.top + 2.5 * map.cell]; })()")
    browser.point(*dead)
    expect("no figure: rank 17 on node03 died" in hover_words(browser), f"a dead rank is named: {hover_words(browser)!r}")
    browser.value("heatMaps[1].canvas.focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        browser.press(key)
    words = hover_words(browser)
    expect("rank 1 (node01) \u2192" in words or "rank 1 (node01)" in words, f"arrow keys move over the cells: {words!r}")
    browser.press("Escape")
    expect(hover_words(browser) == "", "Escape puts the words away")
    before = browser.value("heatMaps[0].canvas.toDataURL()")
    browser.value("document.querySelectorAll('#map-loads button')[1].click()")
    expect(before != browser.value("heatMaps[0].canvas.toDataURL()"), "the loaded pass is another picture")
    browser.value("document.querySelectorAll('#map-views button')[1].click()")
    expect("times" in browser.value("document.querySelector('#bandwidth-map .scale').innerText"),
           "against its tier, a map counts in times")
    expect(browser.messages == [], f"using it is quiet: {browser.messages}")


def check_time(browser, folder):
    seconds = min(open_page(browser, folder, "ranks-256") for _ in range(2))
    drawn = browser.value("+document.documentElement.dataset.drawnMs") / 1000
    size = os.path.getsize(os.path.join(folder, "ranks-256.html")) / 1e6
    print(f"256 ranks, 65,280 directions twice: {size:.1f} MB, open in {seconds:.2f} s, drawn after {drawn:.2f} s")
    expect(seconds < OPEN_SECONDS_MAX, f"256 ranks are open in {OPEN_SECONDS_MAX} s, not {seconds:.2f}")
    expect(size < 4, f"256 ranks are less than 4 MB, not {size:.1f}")


def check_hostile_names(browser, folder):
    open_page(browser, folder, "hostile-names")
    expect(browser.value("document.scripts.length") == 2, "a host's name makes no script")
    expect(browser.value("document.images.length") == 0, "a host's name makes no image")
    expect("<script>console.error('ran')</script>" in browser.value("document.querySelector('h1').textContent"),
           "a host's name is shown as it is")


def check_without_scripts(browser, folder):
    browser.scripts(False)
    open_page(browser, folder, "ranks-64")
    words = browser.value("document.body.innerText")  # the protocol's own scripts do run
    for part in ("64 ranks on 8 hosts", "node06 (slow host)", "same switch", "As a table"):
        expect(part in words, f"without scripts it says {part!r}")
    expect("Point at a cell" not in words, "without scripts nothing is promised of them")
    expect(browser.value("document.querySelectorAll('table').length") >= 5, "without scripts there are the tables")
    browser.scripts(True)


def take_pictures(browser, folder, pictures):
    for name in CELLS:
        for scheme in ("light", "dark"):
            browser.scheme(scheme)
            browser.load(os.path.join(folder, name + ".html"))
            browser.picture(os.path.join(pictures, f"{name}-{scheme}.png"))


def main():
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    program = find_chromium()
    if program is None:
        print("skipped: there is no Chromium; install chromium, or name one in CHROMIUM")
        return 77
    with tempfile.TemporaryDirectory(prefix="gossamer-report-") as folder:
        subprocess.run([sys.argv[1], folder], check=True)
        with Browser(program) as browser:
            for check in (check_cells, check_pointer, check_time, check_hostile_names, check_without_scripts):
                check(browser, folder)
            if len(sys.argv) == 3:
                take_pictures(browser, folder, sys.argv[2])
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
