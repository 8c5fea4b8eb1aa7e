"""The dashboard in a real browser, on real servers: what a person does, and what is said while a server is away."""

import asyncio
import os
import re
import shutil
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import axe_playwright_python
import httpx2
import psutil
import pytest
import pytest_asyncio
from playwright.async_api import async_playwright, expect

from iqstream.bench.servers import bench_servers
from iqstream.initialise import initialise
from tests.integration.dashboard_process import Dashboard, dashboard, with_dashboard_role
from tests.integration.pipeline import Pipeline

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="module")]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CAPTURE = {"capture_ms": 50, "chunk_ms": 10}
DESK, PHONE = {"width": 1200, "height": 800}, {"width": 360, "height": 740}
SOON_MS = 20_000


def chromium():
    """The browser's path; without one the tests are skipped, in CI they fail."""
    found = shutil.which("chromium")
    if found is None:
        reason = "no chromium is installed: apt install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    command = chromium()
    async with async_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        running = await playwright.chromium.launch(executable_path=command, args=flags)
        yield running
        await running.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(browser, tmp_path_factory):
    """Kafka, PostgreSQL and an object store of this file's own: they are killed."""
    async with bench_servers(tmp_path_factory.mktemp("servers") / "bench") as running:
        await initialise(running.settings())
        yield running


@dataclass
class Site:
    """The dashboard beside its three stages, and a way to start it again where it was."""

    pipeline: Pipeline
    """With the settings that it is given: no rights but those of its own role."""
    folder: Path
    stack: AsyncExitStack
    running: Dashboard

    @property
    def address(self) -> str:
        return self.running.address

    def api(self, method, path, **given):
        headers = {"authorization": f"Bearer {self.running.token}"}
        answer = httpx2.request(method, f"{self.address}/api/v1{path}", headers=headers, timeout=60, **given)
        assert answer.is_success, answer.text
        return answer.json()

    def submit(self, name, samples, **fields):
        body = {"name": name, "samples": samples, "seed": 5, "iq_samples": 0, "capture": CAPTURE} | fields
        return self.api("POST", "/datasets", json=body)["id"]

    async def end(self):
        await self.stack.aclose()

    def begin(self):
        port = int(self.address.rpartition(":")[2])
        self.running = self.stack.enter_context(dashboard(self.pipeline, self.folder, port=port))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(servers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    pipeline = Pipeline(servers.settings(), folder / "log", workers=1)
    limited = Pipeline(await with_dashboard_role(servers.settings()), pipeline.log)
    stack = AsyncExitStack()
    with pipeline.running():
        running = stack.enter_context(dashboard(limited, folder))
        yield Site(limited, folder, stack, running)
        await stack.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def visitor(browser, site):
    """A browser's profile that is signed in."""
    context = await browser.new_context(base_url=site.address, viewport=DESK)
    context.set_default_timeout(SOON_MS)
    page = await context.new_page()
    await page.goto("/sign-in")
    await page.get_by_label("Token").fill(site.running.token)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    await page.close()
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(visitor):
    """A tab in which no script fails and nothing is refused by the policy."""
    opened = await visitor.new_page()
    wrong = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    yield opened
    await opened.close()
    assert wrong == []


def field(page, name):
    """An input of the form."""
    return page.locator(f"[name='{name}']")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def complete(visitor, site):
    """The id of a dataset that was filled in on the form and watched to its end on the page that followed."""
    page = await visitor.new_page()
    await page.goto("/")
    await page.get_by_role("link", name="New").click()
    await page.locator("summary", has_text="Capture").click()
    for name, value in {
        "name": "By hand", "samples": "12", "seed": "5", "iq_samples": "4",
        "capture.capture_ms": "50", "capture.chunk_ms": "10",
    }.items():  # fmt: skip
        await field(page, name).fill(value)
    await expect(page.locator("#estimate")).to_contain_text("of 12; in 95 % of cases")
    await page.get_by_role("button", name="Submit").click()
    await page.wait_for_url(re.compile("/datasets/[0-9a-f-]{36}$"))
    await page.evaluate("window.isTheSamePage = true")
    await expect(page.locator("#standing")).to_contain_text("12 of 12", timeout=60_000)
    await expect(page.locator("#standing")).to_contain_text("complete")
    await expect(page.locator("#samples")).to_contain_text("12 samples, by index")
    assert await page.evaluate("window.isTheSamePage")
    made = page.url.rpartition("/")[2]
    await page.close()
    return made


async def test_a_dataset_is_submitted_by_the_form_and_watched_to_its_end(site, complete):
    shown = site.api("GET", f"/datasets/{complete}")
    assert (shown["dataset"]["status"], shown["dataset"]["decided"]) == ("complete", 12)
    assert shown["spec"]["capture"]["capture_ms"] == 50


async def test_what_is_wrong_is_told_at_its_field_and_the_rest_stays_filled_in(page):
    await page.goto("/new")
    await field(page, "name").fill("Wrong")
    await field(page, "samples").fill("many")
    await page.get_by_role("button", name="Submit").click()
    await expect(field(page, "samples")).to_be_focused()
    await expect(field(page, "samples")).to_have_attribute("aria-invalid", "true")
    told = page.locator(f"id={await field(page, 'samples').get_attribute('aria-describedby')}")
    await expect(told).to_contain_text("many")
    await expect(field(page, "name")).to_have_value("Wrong")


async def test_a_dataset_is_cancelled_and_the_other_tab_is_told(visitor, page, site):
    made = site.submit("To be cancelled", 3000)
    await page.goto(f"/datasets/{made}")
    other = await visitor.new_page()
    await other.goto("/?q=cancelled")
    await expect(other.locator("#list")).to_contain_text("running")
    await expect(page.locator("#rate")).to_contain_text(re.compile(r"3000 submitted, \d+ generated"))
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator("#standing")).to_contain_text("cancelled")
    await expect(other.locator("#list")).to_contain_text(re.compile(r"cancelled.* \d+ of 3,000"))
    await other.close()


async def test_a_waterfall_is_zoomed_and_the_way_back_leads_back(page, complete):
    await page.goto(f"/datasets/{complete}")
    await page.get_by_role("row").get_by_role("link", name="3", exact=True).click()
    picture = page.get_by_role("img", name=re.compile("Waterfall of .*: 0 to 50 ms"))
    await expect(picture).to_have_js_property("complete", value=True)
    assert await picture.evaluate("one => one.naturalWidth") > 100
    whole = page.url
    await page.get_by_role("link", name="zoom in").click()
    await expect(page.get_by_role("img", name=re.compile(r"Waterfall of .*: 12\.5 to 37\.5 ms"))).to_be_visible()
    assert "start_ms=12.5" in page.url
    zoomed = page.url
    await page.go_back()
    await expect(page.get_by_role("img", name=re.compile("0 to 50 ms"))).to_be_visible()
    assert page.url == whole
    await page.goto(zoomed)
    await expect(page.get_by_role("img", name=re.compile(r"12\.5 to 37\.5 ms"))).to_be_visible()


async def test_a_rectangle_that_is_drawn_over_a_waterfall_shows_that_part_of_time_and_band(page, complete):
    await page.goto(f"/datasets/{complete}/samples/3")
    box = page.locator(".waterfall-box")
    await box.scroll_into_view_if_needed()
    frame = await box.bounding_box()

    def place(right, down):
        return frame["x"] + right * frame["width"], frame["y"] + down * frame["height"]

    await page.mouse.move(*place(0.2, 0.25))
    await expect(page.locator("#pointer")).to_contain_text(re.compile(r"^(9\.9|10\.0)\d* ms, (49|50)\.\d+ kHz"))
    await page.mouse.down()
    await page.mouse.move(*place(0.6, 0.75))
    await page.mouse.up()
    part = page.get_by_role(
        "img", name=re.compile(r"Waterfall of .*: (9\.9|10).* to (29\.9|30).* ms, -50.* to (49|50).* kHz")
    )
    await expect(part).to_have_js_property("naturalHeight", 512)  # the window; 2000 samples are a few columns
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="this part as SigMF").click()
    assert (await (await downloading.value).path()).stat().st_size > 10_000


async def test_eight_tabs_of_one_browser_are_all_kept_up_to_date(visitor, site):
    tabs = [await visitor.new_page() for _ in range(8)]
    for tab in tabs:
        await tab.goto("/?q=eight")
    made = site.submit("Seen by eight", 3000)
    for tab in tabs:
        await expect(tab.locator("#list")).to_contain_text("Seen by eight")
    site.api("DELETE", f"/datasets/{made}")
    for tab in tabs:
        await expect(tab.locator("#list")).not_to_contain_text("Seen by eight")
        await tab.close()


async def test_samples_are_processed_again_and_the_task_is_followed_to_its_end(page, complete):
    await page.goto(f"/datasets/{complete}/replay?samples=0-1")
    await page.get_by_role("button", name="Process them again").click()
    await expect(page.locator("#tasks")).to_contain_text("Replay of By hand, samples 0-1")
    await expect(page.locator("#tasks")).to_contain_text(re.compile(r"done.*2 of 2"), timeout=60_000)


@asynccontextmanager
async def killed(servers, name):
    servers.kill(name)
    try:
        yield
    finally:
        await servers.start(name)


async def test_a_database_that_is_killed_is_told_and_what_is_shown_goes_on_when_it_is_back(page, site, servers):
    await page.goto("/?q=outage")
    async with killed(servers, "postgres"):
        await expect(page.locator("#banner")).to_contain_text(re.compile("PostgreSQL|server"), timeout=30_000)
        other = await page.context.new_page()
        await other.goto("/")
        await expect(other.get_by_role("alert")).to_contain_text("PostgreSQL")
    await expect(page.locator("#banner")).to_be_hidden(timeout=30_000)
    await expect(other.get_by_role("heading", name="Datasets")).to_be_visible()
    await other.close()
    made = site.submit("After the outage", 1)
    await expect(page.locator("#list")).to_contain_text("After the outage")
    site.api("DELETE", f"/datasets/{made}")


async def test_what_could_not_be_fetched_is_fetched_again_although_no_event_comes(page, complete):
    """What the stream's first event makes the page fetch fails, and nothing changes that another would tell."""
    failed = []

    async def fail_once(route):
        if route.request.resource_type == "fetch" and not failed:
            failed.append(route.request.url)
            await route.fulfill(status=503, content_type="text/html", body='<p class="problem">It is away.</p>')
        else:
            await route.continue_()

    await page.goto("/?q=hand")
    await expect(page.locator("#list")).to_contain_text("By hand")
    await page.route("**/?q=hand", fail_once)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # a new stream tells the state anew
    await expect(page.locator("#banner")).to_contain_text("It is away. Trying again.")
    await expect(page.locator("#banner")).to_be_hidden(timeout=10_000)
    assert failed


async def test_a_broker_that_is_killed_is_told_on_the_lag_and_read_again_when_it_is_back(page, servers):
    await page.goto("/lag")
    await expect(page.get_by_role("heading", name="iqstream-sink")).to_be_visible(timeout=30_000)
    async with killed(servers, "kafka"):
        await expect(page.locator("#banner")).to_contain_text("Kafka", timeout=45_000)
    await expect(page.locator("#banner")).to_be_hidden(timeout=45_000)


async def test_a_dashboard_that_ended_is_told_and_its_pages_go_on_when_it_is_back(page, site):
    await page.goto("/?q=return")
    await site.end()
    await expect(page.locator("#banner")).to_contain_text("does not answer")
    site.begin()
    made = site.submit("After its return", 1)
    await expect(page.locator("#list")).to_contain_text("After its return")
    await expect(page.locator("#banner")).to_be_hidden()
    site.api("DELETE", f"/datasets/{made}")


def views(complete):
    """Every view, by the name of its picture."""
    return {
        "datasets": "/",
        "new": "/new",
        "dataset": f"/datasets/{complete}",
        "sample": f"/datasets/{complete}/samples/3",
        "distributions": f"/datasets/{complete}/distributions",
        "accuracy": f"/datasets/{complete}/accuracy",
        "replay": f"/datasets/{complete}/replay",
        "delete": f"/datasets/{complete}/delete",
        "export": f"/datasets/{complete}/export",
        "lag": "/lag",
        "move": "/stages/extractor/move?to=earliest",
        "dead-letters": "/dead-letters",
        "remove": "/dead-letters/purge",
        "tasks": "/tasks",
        "sign-in": "/sign-in",
        "not-there": "/datasets/nothing",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_view_breaks_a_rule_of_accessibility_and_none_is_wider_than_a_phone(page, complete, scheme):
    await page.emulate_media(color_scheme=scheme)
    for name, address in views(complete).items():
        await page.set_viewport_size(DESK)
        await page.goto(address)
        await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        await page.evaluate(AXE)
        found = await page.evaluate(
            "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})", RULES
        )
        assert found["passes"], name
        broken = [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found["violations"]]
        assert broken == [], name
        await page.set_viewport_size(PHONE)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"], name


PICTURES = (
    ("datasets", "light", DESK), ("dataset", "light", DESK), ("sample", "light", DESK), ("sample", "dark", DESK),
    ("new", "light", PHONE), ("lag", "dark", PHONE),
)  # fmt: skip
"""Of which views, in which colours and at which width."""


async def test_pictures_are_taken_of_the_views(page, complete, tmp_path):
    folder = Path(os.environ.get("IQSTREAM_PICTURES", tmp_path))  # `make pictures` keeps them
    for name, scheme, size in PICTURES:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size(size)
        await page.goto(views(complete)[name], wait_until="networkidle" if name == "sample" else "load")
        width = "desk" if size == DESK else "phone"
        taken = folder / f"{name}-{scheme}-{width}.png"
        await page.screenshot(path=taken, full_page=name == "dataset")  # its map is below its counts
        assert taken.stat().st_size > 5_000


@pytest.mark.acceptance
@pytest.mark.timeout(600)
async def test_a_page_that_is_open_for_five_minutes_grows_by_nothing_and_costs_next_to_nothing(page, complete, site):
    await stays_open(page, site, seconds=300)


async def test_a_page_that_is_open_for_a_while_grows_by_nothing_and_costs_next_to_nothing(page, complete, site):
    await stays_open(page, site, seconds=15)


async def stays_open(page, site, *, seconds):
    """The browser's heap after a collection, the server's memory and its share of a core, over so long a time."""
    devtools = await page.context.new_cdp_session(page)

    async def heap_mib():
        await devtools.send("HeapProfiler.collectGarbage")
        return (await devtools.send("Runtime.getHeapUsage"))["usedSize"] / 2**20

    server = psutil.Process(site.running.process.pid)

    def cpu_s():
        spent = server.cpu_times()
        return spent.user + spent.system

    await page.goto("/")
    await expect(page.locator("#list")).to_contain_text("By hand")
    await asyncio.sleep(3)  # what starting brought
    heap, memory, spent, began = await heap_mib(), server.memory_info().rss, cpu_s(), time.monotonic()
    await asyncio.sleep(seconds)
    share = (cpu_s() - spent) / (time.monotonic() - began)
    assert await heap_mib() - heap < 1
    assert (server.memory_info().rss - memory) / 2**20 < 5
    assert share < 0.1, share  # that of a page is measured by benchmarks/dashboard.py; the lag is read beside it
