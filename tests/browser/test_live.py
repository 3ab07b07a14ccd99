"The network at work in a page: its walks are torch's, the newest question wins, and without a Web Worker it goes on."

import base64
import math
import time

import pytest
import torch

from diffusion_math import ForwardProcess, Schedule, digits, explore, load_pretrained
from diffusion_math.explore.weights import DIGITS, network_bytes, network_name
from tests.browser.conftest import put_up
from tests.browser.explorable import as_grey, greys
from tests.truth import seed

NO_WORKER = "delete window.Worker"
REFUSED = "window.Worker = function () { throw new Error('not here'); }"  # as where a page's policy forbids it
DEAF = """window.Worker = class {
    constructor() { setTimeout(() => this.onerror(new ErrorEvent('error', { message: 'blocked' })), 20); }
    postMessage() {}
}"""
CLIENT = """async () => {
    const el = document.querySelector('[data-widget]'), { live } = el.module, stop = new AbortController();
    window.redrawn = 0;
    const ui = { root: el, signal: stop.signal, redraw: () => redrawn++ };
    window.stop = stop;
    window.net = live(ui, el.model);
    await net.wake();
    return [net.client.threaded, net.client.fast, net.client.classes, net.client.levels.length];
}"""
WALK = """request => new Promise(done => {
    const frames = [];
    net.walk(request, frame => {
        frames.push([frame.t, frame.x.map(x => [...x]), frame.x0.map(x => [...x])]);
        if (frame.done) done(frames);
    });
})"""


@pytest.fixture(scope="module")
def p():
    return load_pretrained(DIGITS)


@pytest.fixture(scope="module")
def clients(lend_page, tmp_path_factory):
    "A page with the network, and what runs before it; one after another, the same one as long as it is asked for."
    with lend_page() as page:
        page.before = "not yet"

        def client(before=None):
            if page.before != before:
                few = digits("test")[:2]
                widget = explore.NoisingExplorer(few, "linear", T=1000, t=300, generator=seed())
                file = tmp_path_factory.mktemp("live") / "page.html"
                put_up(page, file, widget, networks=[DIGITS], before=before or "")
                page.before = before
            page.told = page.evaluate(CLIENT)
            return page

        yield client


@pytest.fixture
def opened(clients):
    "A page with a client of the network's as net, which the test has for itself."
    pages = []

    def open_(before=None):
        pages.append(clients(before))
        return pages[-1]

    yield open_
    for page in pages:
        page.evaluate("stop.abort()")
        assert page.problems == []


@pytest.mark.parametrize("before", [None, NO_WORKER, REFUSED, DEAF])
@pytest.mark.long
def test_a_walk_is_torch_s(opened, p, before):
    "DDIM without noise, from the same x_T, step by step; in a worker, and in the page where none can be had."
    page, steps = opened(before), 20
    assert page.told == [before is None, True, p.network.config["classes"], p.T + 1]
    x_T = torch.randn(1, 1, 28, 28, generator=seed(1))
    start = {"x": x_T.flatten().tolist(), "label": 3}
    frames = page.evaluate(WALK, {"starts": [start], "steps": steps, "eta": 0})
    few = p.respace(steps).given(y=3)
    with torch.inference_mode():
        x, told = x_T, [p.T * k // steps for k in range(steps, -1, -1)]
        for t, (at, ours, guess) in zip(range(steps, -1, -1), frames, strict=True):
            assert at == told[steps - t]
            torch.testing.assert_close(torch.tensor(ours[0]), x.flatten(), rtol=0, atol=1e-4)
            x0 = few.clean(x, t) if t else x
            torch.testing.assert_close(torch.tensor(guess[0]), x0.flatten(), rtol=0, atol=1e-4)
            x = few.ddim(x, t, eta=0.0).mean if t else x


@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_a_step_with_noise_is_ddim_s(opened, p, eta):
    "What a step adds to its mean is noise of DDIM's variance: the numbers of a step, and its spread over 3,000 pixels."
    page = opened()
    few = p.respace(10)
    start = {"x": torch.randn(784, generator=seed(2)).tolist(), "label": None}
    starts = [start | {"seed": k} for k in range(4)]
    frames = page.evaluate(WALK, {"starts": starts, "steps": 10, "eta": eta})
    with torch.inference_mode():
        for k in (0, 5):
            x, after = (torch.tensor(frames[i][1]).view(4, 1, 28, 28) for i in (k, k + 1))
            law = few.ddim(x, 10 - k, eta)
            z = (after - law.mean) / law.var.sqrt()
            n = z.numel()
            assert abs(z.mean().item()) < 5 / math.sqrt(n)
            assert abs(z.square().mean().item() - 1) < 5 * math.sqrt(2 / n)
    first, second = (torch.tensor(frames[-1][1][k]) for k in (0, 1))
    assert (first - second).abs().max() > 0.1  # other seeds, other walks


def test_what_is_asked_is_what_torch_says(opened, p):
    "At every noise level of a schedule that is not its own, with and without a label."
    page = opened()
    x, label = torch.randn(1, 1, 28, 28, generator=seed(3)), 7
    for level in (-9.0, -2.0, 1.5, 9.0):
        ask = "([x, logSnr, label]) => new Promise(done => net.ask({ x, logSnr, label }, x0 => done([...x0])))"
        q = ForwardProcess(Schedule.from_log_snr(torch.tensor([level], dtype=torch.float64)))
        for told, at in ((None, p.changed(q=q)), (label, p.changed(q=q).given(y=label))):
            ours = torch.tensor(page.evaluate(ask, [x.flatten().tolist(), level, told]))
            with torch.inference_mode():
                theirs = at.predict(x, 1).x0.flatten()
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_the_newest_question_wins(opened):
    "Two hundred at once: the first is on its way, the last is answered, and nothing between."
    page = opened()
    told = page.evaluate("""() => new Promise(done => {
        const answered = [], before = net.client.calls, x = new Float32Array(784);
        for (let i = 0; i < 200; i++) {
            net.ask({ x, logSnr: i / 20, label: null }, () => {
                answered.push(i);
                if (i === 199) done([answered, net.client.calls - before]);
            });
        }
    })""")
    assert told[0] == [0, 199] and told[1] <= 3


@pytest.mark.parametrize("before", [None, NO_WORKER])
def test_a_walk_that_is_stopped_or_replaced_comes_to_an_end(opened, before):
    page = opened(before)
    told = page.evaluate("""async () => {
        const request = (seed) => ({ starts: [{ seed, label: null }], steps: 500, eta: 0 });
        const heard = { one: 0, two: 0, three: 0 };
        net.walk(request(1), () => heard.one++);
        await new Promise((some) => net.walk(request(2), () => ++heard.two === 2 && some()));
        net.stop();
        const stopped = { ...heard };
        await new Promise(done => net.ask({ x: new Float32Array(784), logSnr: 0, label: null }, done));
        const { calls } = net.client;
        await new Promise(done => setTimeout(done, 300));
        await new Promise(done => net.ask({ x: new Float32Array(784), logSnr: 1, label: null }, done));
        const after = [heard.two - stopped.two, net.client.calls - calls];
        net.walk(request(3), () => heard.three++);
        stop.abort();
        await new Promise(done => setTimeout(done, 300));
        return [heard.one, ...after, heard.three];
    }""")
    assert told == [0, 0, 1, 0]  # the last question is the only call of the network


def test_a_question_is_heard_while_a_walk_goes_on(opened):
    "Ten walks of a hundred steps: the answer comes long before their end, also where the page itself does the work."
    page = opened(NO_WORKER)
    told = page.evaluate("""async () => {
        let steps = 0;
        const before = net.client.calls;
        const starts = Array.from({ length: 10 }, (_, seed) => ({ seed, label: seed }));
        net.walk({ starts, steps: 100, eta: 1 }, () => steps++);
        await new Promise(done => net.ask({ x: new Float32Array(784), logSnr: 0, label: null }, done));
        await new Promise(done => net.ask({ x: new Float32Array(784), logSnr: 1, label: null }, done));
        const calls = net.client.calls - before;
        net.stop();
        return [steps, calls];
    }""")
    assert told[0] <= 1 and told[1] <= 14


def test_the_weights_come_once_a_page(show):
    "Two explorables, one client; and none where the page has no weights and no kernel."
    few = digits("test")[:2]
    page = show(
        explore.NoisingExplorer(few, t=5), explore.NoisingExplorer(few, t=7), networks=[DIGITS]
    )
    ready = "[...document.querySelectorAll('.dm-explorable')].every(e => e.explorable.guess)"
    page.wait_for_function(ready)
    assert page.evaluate("[...diffusionMathNetworks.keys()]") == [DIGITS]
    assert page.locator(".dm-beside").count() == 2
    bare = show(explore.NoisingExplorer(few, t=5))
    assert bare.locator(".dm-beside").count() == 0 and not bare.evaluate(
        "!!window.diffusionMathNetworks"
    )


def test_a_page_may_name_a_script_that_brings_the_weights(show, tmp_path):
    "As a site does, whose pages share them: it is a script, since nothing else can be read from a file."
    page = show(explore.NoisingExplorer(digits("test")[:2], t=5))
    text = base64.b64encode(network_bytes(DIGITS)).decode()
    (tmp_path / "weights.js").write_text(
        f"document.getElementById('dm-network-{DIGITS}').textContent = '{text}';"
    )
    page.evaluate(
        """name => {
        const place = document.createElement('script');
        Object.assign(place, { id: `dm-network-${name}`, type: 'text/plain' });
        place.dataset.src = 'weights.js';
        document.body.append(place);
        const el = document.querySelector('[data-widget]');
        el.close();
        el.module.default.render({ model: el.model, el });
    }""",
        DIGITS,
    )
    page.wait_for_function("document.querySelector('.dm-explorable').explorable.guess")


def test_weights_that_are_damaged_are_said(show):
    page = show(explore.NoisingExplorer(digits("test")[:2], t=5))
    page.evaluate(
        """name => {
        const place = document.createElement('script');
        Object.assign(place, { id: `dm-network-${name}`, type: 'text/plain', textContent: btoa('nonsense, and no network') });
        document.body.append(place);
        const el = document.querySelector('[data-widget]');
        el.close();
        el.module.default.render({ model: el.model, el });
    }""",
        DIGITS,
    )
    page.wait_for_function("document.querySelector('.dm-beside .dm-number').textContent.length > 4")


def test_noising_shows_what_the_network_says(show, p):
    widget = explore.NoisingExplorer(digits("test")[:2], "linear", T=1000, t=300, generator=seed())
    page = show(widget, networks=[DIGITS])

    def same():
        page.wait_for_function("document.querySelector('.dm-explorable').explorable.guess")
        page.wait_for_timeout(200)
        t = int(page.get_by_label("t steps taken", exact=True).input_value())
        widget.t = t
        with torch.inference_mode():
            x0 = p.changed(q=widget.q).predict(widget.x_t[None], t).x0
        assert abs(greys(page, ".dm-beside canvas") - as_grey(x0)).max() <= 1
        off = (x0 - widget.x0[0]).square().mean().sqrt()
        assert f"off by {off:.2f} a pixel" in page.locator(".dm-beside").inner_text()

    same()
    page.get_by_label("t steps taken", exact=True).press("PageUp")
    same()
    page.get_by_label("t steps taken", exact=True).press("Home")  # t = 0: x_0 itself
    same()
    said = page.locator("[aria-live]").text_content
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.includes('off by 0.00 a pixel')"
    )
    assert "The network's guess" in said()


def test_a_digit_in_twenty_calls(opened, p):
    "Told, not asserted: how long a digit takes here, and how a step compares with torch's on one thread."
    page = opened()
    took = page.evaluate("""async () => {
        const times = [];
        for (let i = 0; i < 4; i++) {
            const begin = performance.now();
            await new Promise(done => net.walk({ starts: [{ seed: i, label: i }], steps: 20, eta: 0 }, f => f.done && done()));
            times.push(performance.now() - begin);
        }
        return Math.min(...times.slice(1));
    }""")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    x, best = torch.randn(1, 1, 28, 28), math.inf
    with torch.inference_mode():
        for _ in range(8):
            begin = time.perf_counter()
            p.network(x, torch.zeros(1))
            best = min(best, time.perf_counter() - begin)
    torch.set_num_threads(threads)
    print(
        f"a digit in 20 calls: {took:.0f} ms, {took / 20 / (1000 * best):.2f} times torch's step on one thread"
    )
    assert network_name(p) == DIGITS and took > 0


def test_python_is_asked_once_and_may_take_its_time(show, page):
    "Two explorables, one message; while nothing comes the reader is told; and when it comes, both are answered."
    few = digits("test")[:2]
    page.clock.install()
    show(explore.NoisingExplorer(few, t=5), explore.NoisingExplorer(few, t=7))
    page.evaluate("""() => {
        window.sent = [];
        for (const el of document.querySelectorAll('[data-widget]')) {
            el.model.send = content => sent.push(content);
            el.close();
            el.close = el.module.default.render({ model: el.model, el });
        }
    }""")
    said = "document.querySelector('.dm-beside .dm-number').textContent"
    told = f"{said}.includes('on its way from Python')"
    page.clock.fast_forward(3_000)
    assert not page.evaluate(told)
    page.clock.fast_forward(2_000)
    page.wait_for_function(told)
    assert page.evaluate("sent") == [{"network": DIGITS}]
    page.evaluate(
        """([name, text]) => {
        const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0)), el = document.querySelector('[data-widget]');
        for (const heard of el.listeners.get('msg:custom')) heard({ network: name }, [new DataView(bytes.buffer)]);
    }""",
        [DIGITS, base64.b64encode(network_bytes(DIGITS)).decode()],
    )
    every = "[...document.querySelectorAll('.dm-explorable')].every(e => e.explorable.guess && e.explorable.quiet())"
    page.wait_for_function(every)
    assert page.evaluate(f"{said}.includes('off by')")


def test_who_asked_and_is_gone_is_replaced(show):
    page = show(explore.NoisingExplorer(digits("test")[:2], t=5))
    told = page.evaluate("""async () => {
        const el = document.querySelector('[data-widget]'), sent = [];
        el.model.send = content => sent.push(content);
        el.close();
        for (let i = 0; i < 3; i++) {
            const close = el.module.default.render({ model: el.model, el });
            await new Promise(done => setTimeout(done, 300));
            close();
        }
        return [sent.length, (el.listeners.get('msg:custom') ?? []).length];
    }""")
    assert told == [3, 0]
