"The network that learns in the page: its slopes are autograd's, its steps Adam's, its exact answers the package's."

import numpy as np
import pytest
import torch
from torch import nn

from diffusion_math.explore.learn import LearnExplorer
from diffusion_math.forward import ForwardProcess, Schedule
from tests.browser.explorable import ROOT, call, drag, place, seeded, settled

f64 = torch.float64
STATE = "document.querySelector('.dm-explorable').explorable"
MODEL = "document.querySelector('[data-widget]').model"
FEW = [[-1.0, 0.5], [1.2, -0.4], [0.3, 1.1]]
TOLD = "const room = m.roomFor(a[0].length); room.told.set(a[0].flat());"


def drawn(page, points, seed, count=128):
    "What `count` rows of a batch hold: what the network is told, and the noise."
    code = """(() => { const room = m.roomFor(a[2]), eps = new Float64Array(2 * a[2]);
        m.practice(a[0], room, m.random(a[1]), eps); return [Array.from(room.told), Array.from(eps)]; })()"""
    told, eps = call(page, code, points, seed, count)
    return torch.tensor(told, dtype=f64).view(-1, 5), torch.tensor(eps, dtype=f64).view(-1, 2)


def network_of(page, weights):
    "The page's network, in torch, with the page's parameters."
    shapes = call(page, "m.LAYERS")
    layers = [layer for into, out in shapes for layer in (nn.Linear(into, out), nn.SiLU())][:-1]
    network = nn.Sequential(*layers).double()
    nn.utils.vector_to_parameters(torch.as_tensor(weights, dtype=f64), network.parameters())
    return network


def loss_of(network, told, eps):
    guess = told[:, 4:] * told[:, :2] + told[:, 3:4] * network(told)
    return (guess - eps).square().mean()


def close(ours, theirs, tol=1e-9):
    "Equal to a billionth of the largest: the same sums in float64, in another order."
    ours, theirs = (np.asarray(torch.as_tensor(v, dtype=f64).detach()) for v in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tol * max(1e-3, np.abs(theirs).max()))


def test_the_gradient_is_autograd_s(show):
    page = show(LearnExplorer())
    told, eps = drawn(page, FEW, 5, 40)
    count = call(page, "m.COUNT")
    for scale in (0.1, 0.5):
        weights = scale * torch.randn(count, generator=seeded(2), dtype=f64)
        network = network_of(page, weights)
        loss = loss_of(network, told, eps)
        slopes = torch.autograd.grad(loss, list(network.parameters()))
        code = f"""(() => {{ {TOLD} const loss = m.learnFrom(Float64Array.from(a[1]), room, a[2].flat());
            return [loss, Array.from(room.gradient), Array.from(room.said)]; }})()"""
        ours = call(page, code, told.tolist(), weights.tolist(), eps.tolist())
        close(ours[0], loss)
        close(ours[1], torch.cat([slope.flatten() for slope in slopes]))
        close(ours[2], network(told).flatten())


def test_a_run_is_torch_s_run(show):
    "Thirty steps from the page's first weights, on the page's batches, by torch: the same weights, and the same seed again."
    page = show(LearnExplorer())
    code = """(() => { const measured = m.measure(a[0], 7);
        const runs = [0, 0, 1].map(seed => m.training(seed));
        const first = runs.map(run => Array.from(run.weights));
        for (const run of runs) for (let i = 0; i < 30; i++) run.learn(a[0], measured);
        const room = m.roomFor(128), eps = new Float64Array(256), dice = m.random(1), batches = [];
        for (let i = 0; i < 30; i++) { m.practice(a[0], room, dice, eps); batches.push([Array.from(room.told), Array.from(eps)]); }
        return [first, runs.map(run => Array.from(run.weights)), batches, runs.map(run => run.walk.done)]; })()"""
    first, last, batches, samples = call(page, code, FEW)
    assert first[0] == first[1] and last[0] == last[1] and samples[0] == samples[1]
    assert first[0] != first[2] and last[0] != last[2]
    network = network_of(page, first[0])
    for layer in network[:-1:2]:  # even in +-1/sqrt(n), as torch begins
        reach, weights = layer.in_features**-0.5, layer.weight
        assert weights.abs().max() < reach
        bound = 5 * reach / (3 * weights.numel()) ** 0.5
        assert weights.mean().abs() < bound
        assert (weights.abs().mean() - reach / 2).abs() < bound
    assert (network[-1].weight == 0).all() and (network[-1].bias == 0).all()
    optimizer = torch.optim.Adam(network.parameters(), lr=1.0)
    for step, (told, eps) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = 0.01 / (1 + step / 1000)
        optimizer.zero_grad()
        told, eps = torch.tensor(told, dtype=f64).view(-1, 5), torch.tensor(eps, dtype=f64)
        loss_of(network, told, eps.view(-1, 2)).backward()
        optimizer.step()
    close(last[0], nn.utils.parameters_to_vector(network.parameters()), tol=1e-8)


def test_what_it_practises_on(show):
    "Noise levels even from -5 to 5, one in each part; x_t made of a bell's draw and of the noise, in the right shares."
    page = show(LearnExplorer())
    told, eps = drawn(page, [[0.7, -1.1]], 3, 4000)
    level = 5 * told[:, 2]
    parts = torch.floor((level + 5) * 400)
    assert torch.equal(parts, torch.arange(4000).double())
    torch.testing.assert_close(told[:, 3:], torch.sigmoid(torch.stack([level, -level], 1)).sqrt())
    x0 = (told[:, :2] - told[:, 4:] * eps) / told[:, 3:4]
    grain = (x0 - torch.tensor([0.7, -1.1], dtype=f64)) / 0.1
    for z in (eps, grain):
        assert abs(z.mean()) < 5 / 8000**0.5 and abs(z.var() - 1) < 5 * (2 / 8000) ** 0.5
    assert abs((eps * grain).mean()) < 5 / 8000**0.5


def test_the_exact_answer_is_the_package_s(show):
    widget = LearnExplorer(torch.tensor(FEW))
    page = show(widget)
    x = 1.5 * torch.randn(30, 2, generator=seeded(1), dtype=f64)
    for level in (-5.0, -1.0, 0.0, 2.0, 5.0):
        said = call(page, "a[1].map(x => m.exact(a[0], a[2], ...x))", FEW, x.tolist(), level)
        lam = torch.tensor(level, dtype=f64)
        a, s = torch.sigmoid(lam).sqrt(), torch.sigmoid(-lam).sqrt()
        noise = (x - a * widget.law.denoise(x, lam)) / s
        unsure = widget.law.denoise_cov(x, lam).diagonal(dim1=1, dim2=2).mean(1) * (a / s) ** 2
        close([row["noise"] for row in said], noise, 1e-8)
        close([row["variance"] for row in said], unsure, 1e-7)
        close([row["log"] for row in said], widget.law.noised(lam).log_prob(x), 1e-8)
    close(page.evaluate(f"{STATE}.field"), widget.field, 1e-8)


def test_the_loss_is_the_least_and_what_lies_beyond(show):
    "Of any network: its squared error of the noise, by many draws of torch's own, and both parts in the page."
    widget = LearnExplorer(torch.tensor(FEW))
    page = show(widget)
    weights = 0.3 * torch.randn(call(page, "m.COUNT"), generator=seeded(3), dtype=f64)
    code = "a[2].map(s => { const q = m.measure(a[0], s); return [q.least, q.least + m.beyond(Float64Array.from(a[1]), q)]; })"
    ours = torch.tensor(call(page, code, FEW, weights.tolist(), list(range(1, 41))), dtype=f64)
    network, g = network_of(page, weights), seeded(4)
    level = 10 * torch.rand(200_000, generator=g, dtype=f64) - 5
    a, s = torch.sigmoid(level).sqrt()[:, None], torch.sigmoid(-level).sqrt()[:, None]
    eps = torch.randn(len(level), 2, generator=g, dtype=f64)
    told = torch.cat([a * widget.law.sample(len(level), g) + s * eps, level[:, None] / 5, a, s], 1)
    exact = torch.cat(
        [(x[:, :2] - x[:, 3:4] * widget.law.denoise(x[:, :2], 5 * x[:, 2])) / x[:, 4:]
         for x in told.split(20_000)]
    )  # fmt: skip
    with torch.no_grad():
        guess = s * told[:, :2] + a * network(told)
    for mine, answer in zip(ours.T, (exact, guess), strict=True):
        losses = (answer - eps).square().mean(1)
        stderr = (losses.var() / len(losses) + mine.var() / len(mine)).sqrt()
        assert (losses.mean() - mine.mean()).abs() < 5 * stderr
        assert stderr < 0.01


def test_the_walk_back_goes_by_the_posterior(show):
    "Level by level with the package's q(x_s | x_t, x_0), the page's noise, and a network that guesses v = 0."
    page = show(LearnExplorer())
    levels = torch.linspace(-5, 5, 40, dtype=f64)
    for t in (1, 20, 39):
        q = ForwardProcess(Schedule.from_log_snr(levels[[40 - t, 39 - t]]))
        law = call(
            page,
            "m.posterior(...a[0].map(m.logSigmoid))",
            [levels[40 - t].item(), levels[39 - t].item()],
        )
        zero, one = torch.zeros(1, 1, dtype=f64), torch.ones(1, 1, dtype=f64)
        close(law["b"], q.posterior(one, zero, 2).mean.item())
        close(law["a"], q.posterior(zero, one, 2).mean.item())
        close(law["v"], q.posterior(one, one, 2).var.mean().item())
    code = """(() => { const walk = m.walks(a[0]); walk.all(m.untrained(0));
        const dice = m.random(a[0]); return [walk.done, Array.from({ length: 200 * 40 }, dice.normal)]; })()"""
    done, noise = call(page, code, 9)
    noise = torch.tensor(noise, dtype=f64).view(40, 100, 2)
    q = ForwardProcess(Schedule.from_log_snr(levels.flip(0)))
    x = noise[0]
    for t in range(40, 1, -1):
        guess = q.schedule.alpha_bar[t].sqrt() * x
        step = q.posterior(x, guess, t)
        x = step.mean + step.std * noise[41 - t]
    close(done, q.schedule.alpha_bar[1].sqrt() * x, 1e-8)


def go(page, steps):
    "Let the page train until so many steps were taken."
    page.evaluate(f"n => {MODEL}.set('steps', n)", steps)
    page.wait_for_function(f"n => {STATE}.step === n", arg=steps, timeout=120_000)


def test_it_learns_and_its_samples_come_to_the_data(show):
    widget = LearnExplorer("humps")
    page = show(widget)
    before = page.evaluate(f"[{STATE}.loss, {STATE}.least, {STATE}.guess]")
    go(page, 40)
    early = page.evaluate(f"{STATE}.loss")
    go(page, 400)
    after = page.evaluate(f"[{STATE}.loss, {STATE}.least, {STATE}.guess]")
    assert before[1] == after[1] < after[0] < after[1] + 0.3 * (before[0] - before[1])
    field = page.evaluate(f"{STATE}.field")
    off = [np.square(np.subtract(guess, field)).mean() for guess in (before[2], after[2])]
    assert off[1] < 0.5 * off[0]
    samples = torch.tensor(page.evaluate(f"{STATE}.run.walk.done"))
    points = torch.tensor(widget.points)
    near = torch.cdist(samples, points).amin(1) < 0.5
    assert near.double().mean() > 0.75 and samples.shape == (100, 2)
    sides = (samples[near][:, 0] > 0).double().mean()
    assert 0.2 < sides < 0.8  # both humps
    # where it is wrong: told on demand, and what is told is what is drawn
    page.get_by_role("button", name="Show where it is wrong").click()
    wrong = page.evaluate(f"{STATE}.wrong")
    assert wrong["visited"] < 0.5 * wrong["even"]
    told = f"{wrong['visited']:.3f} {wrong['even']:.3f}".split()
    text = page.locator(ROOT).inner_text()
    assert all(number in text for number in told)
    page.get_by_role("button", name="Hide it again").click()
    assert page.evaluate(f"{STATE}.wrong") is None
    # fewer steps: from the start again, and the same
    go(page, 20)
    go(page, 40)
    assert page.evaluate(f"{STATE}.loss") == early


def test_a_drag_while_it_trains(show):
    page = show(LearnExplorer("ring"))
    page.get_by_role("button", name="Train").click()
    page.wait_for_function(f"{STATE}.step > 2")
    slider = page.locator(f"{ROOT} .dm-range")
    drag(page, slider, 0.1)
    assert page.evaluate(f"{STATE}.state.log_snr") < -2.5
    taken = page.evaluate(f"{STATE}.step")
    page.wait_for_function(f"n => {STATE}.step > n", arg=taken)
    page.get_by_role("button", name="Pause").click()
    steps = page.evaluate(f"[{STATE}.step, {STATE}.state.steps]")
    page.wait_for_timeout(150)
    assert page.evaluate(f"[{STATE}.step, {STATE}.state.steps]") == steps == steps[::-1]
    page.get_by_role("button", name="New network").click()
    assert page.evaluate(f"[{STATE}.step, {STATE}.state.seed]") == [0, 1]


def test_one_step_a_frame_where_one_wants_to_see_each(show):
    page = show(LearnExplorer("ring"))
    page.get_by_label("Speed").select_option("slow")
    page.get_by_role("button", name="Train").click()
    got = page.evaluate(
        f"""async () => {{ const steps = [];
        while (steps.length < 12) {{ steps.push({STATE}.step); await new Promise(requestAnimationFrame); }}
        return steps; }}"""
    )
    assert set(np.diff(got)) <= {0, 1} and got[-1] > got[0]


def test_data_is_painted_by_pointer_and_by_keys(show):
    page = show(LearnExplorer("ring"))
    paper = page.locator(".dm-draw")
    page.get_by_role("button", name="Clear").click()
    assert page.evaluate(f"{STATE}.state.points") == []
    page.get_by_role("button", name="Train").click()  # nothing to learn from
    settled(page)
    assert page.evaluate(f"{STATE}.step") == 0
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.startsWith('No data.')"
    )
    page.mouse.move(*place(paper, -1.5, 1)[1])
    page.mouse.down()
    page.mouse.move(*place(paper, 1.5, 1)[1], steps=30)
    page.mouse.up()
    points = np.array(page.evaluate(f"{STATE}.state.points"))
    assert 15 <= len(points) <= 30 and np.abs(points[:, 1] - 1).max() < 0.05
    assert np.allclose(points[[0, -1], 0], [-1.5, 1.5], atol=0.12)
    assert np.diff(points[:, 0]).min() > 0.1
    assert page.get_by_label("Data", exact=True).input_value() == "painted"
    for key in ("ArrowRight", "ArrowUp", "ArrowUp", "Space", "ArrowLeft", "Space"):
        paper.press(key)
    assert page.evaluate(f"{STATE}.state.points.slice(-2)") == [[0.1, 0.2], [0, 0.2]]
    paper.press("Backspace")
    assert page.evaluate(f"{STATE}.state.points.length") == len(points) + 1
    own = page.evaluate(f"{STATE}.state.points")
    page.get_by_label("Data", exact=True).select_option("humps")
    assert page.evaluate(f"{STATE}.state.points") == LearnExplorer("humps").points
    page.get_by_label("Data", exact=True).select_option("painted")
    assert page.evaluate(f"{STATE}.state.points") == own  # what was painted is kept
    page.evaluate(f"{MODEL}.set('points', Array.from({{ length: 300 }}, () => [0, 0]))")
    paper.press("Space")
    assert page.evaluate(f"{STATE}.state.points.length") == 300  # no more fit
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate(f"{STATE}.state.points") == LearnExplorer("ring").points


def test_where_less_motion_is_asked_for_a_press_trains_a_while_and_shows_the_end(show):
    page = show(LearnExplorer("humps"))
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Train 100 steps").click()
    page.wait_for_function(f"{STATE}.step === 100", timeout=60_000)
    page.wait_for_timeout(150)
    assert page.evaluate(f"{STATE}.step") == 100


@pytest.mark.parametrize("points", [[[0.0, 0.0]], [[1.0, 1.0]] * 300])
def test_a_single_point_and_as_many_as_there_may_be(show, points):
    page = show(LearnExplorer(torch.tensor(points)))
    go(page, 20)
    assert np.isfinite(page.evaluate(f"[{STATE}.loss, {STATE}.least]")).all()
