"The instruments of benchmarks/: what they measure is right where the answer is known."

import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from features import Classifier, accuracy, frechet, frechet_gaussians, train  # noqa: E402

from diffusion_math import digits, even_grid, linear_schedule  # noqa: E402


def random_cov(d: int) -> torch.Tensor:
    a = torch.randn(d, d + 3, dtype=torch.float64)
    return a @ a.T / d


def rounding(a: torch.Tensor, b: torch.Tensor) -> float:
    """How far rounding may move the Fréchet distance of covariances with eigenvalues a and b that share eigenvectors.

    The eigenvalues ab of A^(1/2) B A^(1/2) are known to delta = d eps |A| |B|: that is what rounding its entries and
    eigh do to them. A root moves by delta / (2 sqrt(ab)) where ab is large, and by sqrt(delta) at most: at 0, all of it.
    """
    eps = torch.finfo(torch.float64).eps
    delta = len(a) * eps * a.max() * b.max()
    roots = torch.minimum(delta.sqrt(), delta / (2 * (a * b).sqrt()))
    return (2 * roots.sum() + len(a) ** 2 * eps * (a + b).sum()).item()


@pytest.mark.parametrize("zeros", [0, 3], ids=["regular", "singular"])
@pytest.mark.parametrize("seed", range(5))
def test_frechet_of_commuting_gaussians_is_the_closed_form(zeros, seed):
    "Where A and B share their eigenvectors, trace((sqrt A - sqrt B)^2) is a sum over eigenvalues."
    d, generator = 12, torch.Generator().manual_seed(seed)
    like = dict(dtype=torch.float64, generator=generator)
    basis = torch.linalg.qr(torch.randn(d, d, **like)).Q
    a, b = torch.rand(2, d, **like) + 0.1
    a[:zeros] = 0  # a covariance may be singular
    shift = torch.randn(d, **like)
    want = shift.square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    got = frechet_gaussians(shift, basis * a @ basis.T, 0 * shift, basis * b @ basis.T)
    tolerance = rounding(a, b) + 1e-14 * want.item()
    assert tolerance < (1e-6 if zeros else 1e-12)  # the roots of 0 cost half the digits
    assert got.item() == pytest.approx(want.item(), rel=0, abs=tolerance)


def test_frechet_of_any_gaussians_agrees_with_scipy():
    from scipy.linalg import sqrtm

    a, b, mean = random_cov(9), random_cov(9), torch.randn(2, 9, dtype=torch.float64)
    root = torch.from_numpy(sqrtm((a @ b).numpy()).real)
    want = (mean[0] - mean[1]).square().sum() + (a + b - 2 * root).trace()
    got = frechet_gaussians(mean[0], a, mean[1], b).item()
    assert got == pytest.approx(want.item(), rel=1e-9)
    assert got == pytest.approx(frechet_gaussians(mean[1], b, mean[0], a).item(), rel=1e-9)
    assert frechet_gaussians(mean[0], a, mean[0], a).item() == pytest.approx(0, abs=1e-9)


def test_frechet_of_samples_uses_their_moments():
    x, y = torch.randn(500, 6), 2 * torch.randn(400, 6) + 1
    want = frechet_gaussians(
        x.double().mean(0), x.double().T.cov(), y.double().mean(0), y.double().T.cov()
    ).item()
    assert frechet(x, y) == pytest.approx(want)
    assert 10 < frechet(x, y) < 14  # 6 (1 + 1) = 12 for the laws themselves
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)


def test_features_are_what_the_last_layer_of_the_classifier_reads():
    x, y = digits(labels=True)
    model = train(x[:200], y[:200], epochs=1)
    assert isinstance(model, Classifier) and not model.training
    features = model.features(x[:7])
    assert features.shape == (7, 64) and features.dtype == torch.float64
    torch.testing.assert_close(model.head(features.float()), model(x[:7]))
    said = model(x[:30]).argmax(1)
    assert accuracy(model, x[:30], said) == 1
    assert accuracy(model, x[:30], torch.cat([said[:15], said[15:] + 1])) == 0.5


def test_the_reference_in_fifty_digits_is_the_schedules_own():
    from correctness import T, exact_alpha_bar, exact_laws

    from diffusion_math import ForwardProcess, cosine_schedule, linear_schedule

    for kind, schedule in (("linear", linear_schedule(T)), ("cosine", cosine_schedule(T))):
        exact = exact_alpha_bar(kind)
        want = torch.tensor([float(v) for v in exact], dtype=torch.float64)
        torch.testing.assert_close(schedule.alpha_bar, want, rtol=1e-10, atol=0)
        var = torch.tensor([float(v) for v in exact_laws(exact)["var"]], dtype=torch.float64)
        t = torch.arange(1, T + 1)
        law = ForwardProcess(schedule).posterior(var[:, None], var[:, None], t)
        torch.testing.assert_close(law.var[:, 0], var, rtol=1e-9, atol=0)


def test_the_deviation_in_a_mode_of_exact_draws_is_right_and_that_of_a_shrunk_law_is_not():
    from known_distribution import ring, within_modes

    law, std = ring()
    x = law.sample(2000, torch.Generator().manual_seed(0))
    assert within_modes(law, x, std) < 0.1
    nearest = law.means[torch.cdist(x.flatten(1), law.means.flatten(1)).argmin(1)]
    shrunk = nearest + (x - nearest) / 2
    assert within_modes(law, shrunk, std) == pytest.approx(0.5, abs=0.05)


def test_the_verdict_tells_a_lead_from_a_tie_and_from_a_defeat():
    from known_distribution import LEADER, level, verdict

    around = lambda middle: [middle + 0.01 * (i % 5 - 2) for i in range(400)]
    apart = lambda middle: [middle + 0.01 * (i % 7 - 3) for i in range(400)]
    assert level(around(1.0), apart(1.0)) and not level(around(1.0), apart(1.1))
    shown = {
        "first": {LEADER: around(1.0), "azula": apart(1.5), "diffusers": apart(1.2)},
        "second": {LEADER: around(1.0), "azula": apart(1.01), "diffusers": apart(1.2)},
        "third": {LEADER: around(1.0), "azula": apart(0.5), "diffusers": apart(0.8)},
        "alone": {LEADER: around(1.0)},
    }
    assert verdict(shown) == (
        "Of walks, ours: ahead of every peer in 1 (first); level with the best peer in 1 (second); "
        "behind in 1 (third, azula)."
    )


def test_the_choice_is_drawn_again_with_the_pilot():
    from known_distribution import REDRAWN, redrawn_choice, rows_of

    rows = rows_of(100, 0)
    assert rows.shape == (REDRAWN, 100) and torch.equal(rows, rows_of(100, 0))
    clear = torch.stack([torch.full((100,), v) for v in (3.0, 1.0, math.inf)])
    assert set(redrawn_choice(clear, rows)) == {1}
    noise = torch.randn(2, 100, generator=torch.Generator().manual_seed(1))
    near = noise - noise.mean(1, keepdim=True)  # two that a pilot of 100 cannot tell apart
    share = sum(redrawn_choice(near, rows)) / REDRAWN
    assert abs(share - 0.5) < 5 * 0.5 / REDRAWN**0.5


def test_nobody_chooses_among_more_samplers_than_the_budget(monkeypatch):
    import samplers

    offered = samplers.of_all()
    assert max(map(len, offered.values())) <= samplers.BUDGET
    ours = len(samplers.OURS) * len(samplers.our_grids())  # each has a name of its own
    assert len(offered["diffusion_math"]) == ours
    monkeypatch.setattr(samplers, "of_peers", lambda: {"greedy": dict.fromkeys(range(61))})
    with pytest.raises(ValueError, match="greedy offers 61 samplers, more than 60"):
        samplers.of_all()


def test_the_defaults_walk_to_the_data():
    "Ours is draw(p, n, calls); those of each package that is installed end near the flow."
    from samplers import defaults

    from diffusion_math import DDPM, ForwardProcess, GaussianMixture, draw, linear_schedule
    from diffusion_math.solvers import even_grid, solve

    means = torch.tensor([-0.4, 0.4])[:, None, None, None].expand(2, 1, 2, 2).contiguous()
    law = GaussianMixture(torch.ones(2) / 2, means, torch.full((2,), 0.2**2))
    z = torch.randn(64, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    truth = solve(law, z.double(), even_grid(-12.0, 12.0, 200), "rk4").float()
    denoise = lambda x, level: law.denoise(x, torch.tensor(level))
    schedule = linear_schedule(1000)
    found = defaults(schedule, "linear")
    asked = lambda x, level: law.denoise(x, level)
    p = DDPM(asked, ForwardProcess(schedule), (1, 2, 2), predicts="x0")
    own = draw(p, 64, 8, generator=torch.Generator().manual_seed(1))
    z_own = torch.randn(64, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(found["diffusion_math (unipc2)"](denoise, z_own, 8), own)
    for who, sampler in found.items():
        off = (sampler(denoise, z, 200) - truth).square().mean().sqrt().item()
        assert off < 0.1, f"{who}: {off:.3f}"


def test_the_quick_denoiser_is_the_law_s_own():
    from known_distribution import Exact, blurred_digits, ring

    for make in (ring, blurred_digits):
        law, std = make()
        exact = Exact.of(law, std)
        for dtype, rtol in ((torch.float64, 1e-12), (torch.float32, 1e-3)):
            for level in (-12.0, -2.0, 1.0, 4.0, 12.0):
                x = torch.randn(7, *law.event_shape, generator=torch.Generator().manual_seed(0)).to(
                    dtype
                )
                want = law.denoise(x, torch.tensor(level, dtype=torch.float64))
                torch.testing.assert_close(exact(x, level), want, rtol=rtol, atol=rtol)
                torch.testing.assert_close(
                    exact(x, torch.full((7,), level)), want, rtol=rtol, atol=rtol
                )


def test_across_the_means_the_flow_only_scales():
    from known_distribution import Exact, blurred_digits, flow

    from diffusion_math.solvers import even_grid, solve

    exact = Exact.of(*blurred_digits())
    z = torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    smaller, x, back = exact.along_means(z)
    torch.testing.assert_close(back(x), z.double(), rtol=0, atol=1e-12)
    grid = even_grid(-8.0, 7.0, 5)
    whole = solve(exact, z.double(), grid, "ipndm")
    torch.testing.assert_close(back(solve(smaller, x, grid, "ipndm")), whole, rtol=0, atol=1e-10)
    fine = solve(exact, z.double(), even_grid(-12.0, 12.0, 160), "rk4")
    torch.testing.assert_close(flow(exact, z), fine.float(), rtol=0, atol=1e-6)


def test_a_sampler_asks_for_the_level_that_it_names_and_no_more_often_than_it_may():
    from samplers import Counted, counted, of_ours

    from diffusion_math import GaussianMixture
    from diffusion_math.solvers import SOLVERS, even_grid, solve

    law = GaussianMixture(torch.ones(1), torch.full((1, 1, 2, 2), 0.3), torch.tensor([0.5]))
    z = torch.randn(50, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    told = []
    denoise = lambda x, level: told.append(level) or law.denoise(x, torch.tensor(level))
    grid = lambda steps: even_grid(-8.0, 6.0, steps, clean=True)
    for name in ("2m", "heun"):
        told.clear()
        found = of_ours({"even": grid}, (SOLVERS[name],))[f"{name}, even"](denoise, z, 10)
        torch.testing.assert_close(found, solve(law, z, grid(10 // SOLVERS[name].calls), name))
        assert len(told) <= 10 and told[0] == pytest.approx(-8)
    seen = Counted(denoise)
    seen(z * 3, 0.6, 2.4)  # a scale that is not variance preserving
    assert told[-1] == pytest.approx(2 * math.log(0.25)) and seen.calls == 1
    with pytest.raises(ValueError, match="may ask 2 times, and asked 3"):
        counted(lambda oracle, z, calls: [oracle(z, 0.6, 0.8) for _ in range(3)][0])(denoise, z, 2)


def test_every_samplers_walk_ends_where_the_flow_does():
    "With many calls, or five times as many: ours always, and those of each package that is installed."
    from samplers import of_ours, of_peers

    from diffusion_math import GaussianMixture
    from diffusion_math.solvers import even_grid, solve

    means = torch.tensor([-0.4, 0.4])[:, None, None, None].expand(2, 1, 2, 2).contiguous()
    law = GaussianMixture(torch.ones(2) / 2, means, torch.full((2,), 0.2**2))
    z = torch.randn(64, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    truth = solve(law, z.double(), even_grid(-12.0, 12.0, 200), "rk4").float()
    denoise = lambda x, level: law.denoise(x, torch.tensor(level))
    ours = of_ours({"even": lambda steps: even_grid(-9.0, 9.0, steps, clean=True)})
    left_out = ("SDE", "sde", "ancestral", "DDPM", "eta 1")  # these throw dice
    left_out += ("REAB", "DEIS-3, beta")  # whose steps do not come to the flow
    for who, samplers in ({"ours": ours} | of_peers()).items():
        for name, sampler in samplers.items():
            if any(word in name for word in left_out):
                continue
            if "(3M)" in name and name.endswith("to sigma_min"):  # it divides by 0 at its last step
                continue
            for calls in (60, 300):
                off = (sampler(denoise, z, calls) - truth).square().mean().sqrt().item()
                if off < 0.1:
                    break
            assert off < 0.1, f"{who}, {name}: {off:.3f}"


def test_the_distance_has_a_slope_by_the_second_pair_of_moments():
    "Beside differences of it."
    a, b, mean = random_cov(5), random_cov(5), torch.randn(2, 5, dtype=torch.float64)
    distance = lambda m, c: frechet_gaussians(mean[0], a, m, c @ c.T)
    assert torch.autograd.gradcheck(distance, (mean[1].requires_grad_(), b.requires_grad_()))


def test_the_same_noise_gives_the_floors_picture_exactly():
    "What is timed as ours does what the floor does, and nothing less."
    from noising import T, floor
    from reverse_step import ancestral_floor, posterior_floor

    from diffusion_math import DDPM, ForwardProcess, linear_schedule

    q, x, other = (
        ForwardProcess(linear_schedule(T)),
        torch.randn(5, 1, 4, 4),
        torch.randn(5, 1, 4, 4),
    )
    t, p = torch.tensor([1, 2, 10, 500, T]), DDPM(lambda x, log_snr: other, q)
    for ours, bare in (
        (lambda: q.marginal(x, t).sample(), lambda: floor(q)(x, t)),
        (lambda: q.posterior(x, other, t).sample(), lambda: posterior_floor(q)(x, other, t)),
        (lambda: p.step(x, 500).sample(), lambda: ancestral_floor(q)(x, other, 500)),
    ):
        torch.manual_seed(3)
        got = ours()
        torch.manual_seed(3)
        torch.testing.assert_close(got, bare(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_the_gpu_row_trains_and_samples_by_turns(device):
    import gpu

    one = gpu.Ours(device)
    before = [w.clone() for w in one.network.parameters()]
    for dtype in (torch.float32, torch.bfloat16):
        made = gpu.calls(one, torch.zeros(2, *gpu.SHAPE, device=device), dtype)
        assert made["training"]().isfinite() and made["sampling"]().shape == (2, *gpu.SHAPE)
    assert any(not torch.equal(a, b) for a, b in zip(before, one.network.parameters(), strict=True))
    figures = gpu.measure(device, compiled=False, repeats=2, batch=2)
    ours = [f for f in figures if f["who"] == gpu.Ours.name]
    assert [f["case"] for f in ours] == [
        f"{a}, {b}" for b in ("float32", "bfloat16") for a in ("training", "sampling")
    ]
    assert all(f["value"] == 1 and f["seconds"] > 0 for f in ours)


@pytest.mark.long
def test_the_page_is_written_from_the_results(tmp_path, monkeypatch):
    import json

    import report
    from run import ROWS

    monkeypatch.setattr(report, "HERE", tmp_path)
    monkeypatch.setattr(report, "PICTURES", tmp_path / "pictures")
    report.write(json.loads((BENCHMARKS / "results.json").read_text(encoding="utf-8")), ROWS)
    for name in ("README.md", "TABLES.md"):
        written = (tmp_path / name).read_text(encoding="utf-8")
        assert written == (BENCHMARKS / name).read_text(encoding="utf-8")
    for path in (tmp_path / "pictures").iterdir():
        assert (BENCHMARKS / "pictures" / path.name).is_file()


def test_the_readme_counts_the_targets_that_are_missed():
    counts = dict(
        enumerate(
            "No One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve Thirteen Fourteen".split()
        )
    )
    page = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    readme = (BENCHMARKS.parent / "README.md").read_text(encoding="utf-8")
    assert f"{counts[page.count('**Missed.**')]} targets are missed" in readme
    rows = json.loads((BENCHMARKS / "results.json").read_text(encoding="utf-8"))["rows"]
    long = sum(f["value"] > f["most"] for f in rows["course"]["figures"] if "most" in f)
    assert f"{counts[long].lower()} chapters run for longer than their target" in readme


def test_the_front_page_names_the_chapters_that_take_longer_than_a_minute():
    page = json.loads((BENCHMARKS.parent / "nbs" / "index.ipynb").read_text(encoding="utf-8"))
    text = "\n".join("".join(cell["source"]) for cell in page["cells"])
    results = json.loads((BENCHMARKS / "results.json").read_text(encoding="utf-8"))["rows"]
    chapters = [
        f for f in results["course"]["figures"] if f["case"] == "chapters" and f["who"] != "total"
    ]
    long = {f["who"].partition("_")[0]: f["value"] for f in chapters if f["value"] > 60}
    (named,) = re.findall(
        r"Fourteen[^(]* longer \(([^)]*)\) and take one to eight minutes, 17 eleven\.", text
    )
    assert named.split(", ") == [re.sub(r"^0(?=\d)", "", name) for name in sorted(long)]
    # to a sixth of what was measured: the machine was shared
    longest = long.pop("17")
    assert min(long.values()) < 70 and 400 < max(long.values()) < 560 and 560 < longest < 780


def row_of(**values: list[float]) -> dict:
    "A row of one case a word: what ours and two peers got in each, with errors of 0.1."
    whos = "diffusion_math (told)", "floor", "azula", "diffusers"
    return {
        "base": "floor",
        "figures": [
            {"who": who, "case": case, "value": v, "low": v - 0.1, "high": v + 0.1}
            for case, got in values.items()
            for who, v in zip(whos, got, strict=True)
        ],
    }


def test_a_target_can_be_missed():
    import report

    good, tied = row_of(a=[1.0, 0.5, 2.0, 3.0]), row_of(a=[1.0, 0.5, 0.95, 3.0])
    behind = row_of(a=[1.0, 0.5, 2.0, 3.0], b=[1.0, 0.5, 3.0, 0.5])
    assert report.within(1.0)(good) and not report.within(0.9)(good)
    assert [report.ahead(row) for row in (good, tied, behind)] == [True, False, False]
    assert [report.nearest(row) for row in (good, tied, behind)] == [True, True, False]
    mine, others = report.of_case(behind, "b")
    assert mine["value"] == 1.0 and [f["who"] for f in others] == ["diffusers", "azula"]
    assert set(report.MET) <= set(__import__("run").ROWS)


def test_the_stored_draws_of_the_plain_loss_are_as_their_script_says():
    "As many as it looks, of a loss that fell from look to look; and its walk is right where the answer is known."
    import plain_loss

    stored = np.load(plain_loss.ASSET)
    assert tuple(stored["batches"]) == plain_loss.LOOKS
    assert stored["draws"].shape == (len(plain_loss.LOOKS), 10, 28, 28)
    assert (np.diff(stored["losses"]) < 0).all()
    alpha_bar = linear_schedule(1000).alpha_bar
    point = torch.full((1, 1, 28, 28), 0.5)

    def noise_in(x_t, t):
        return (x_t - alpha_bar[t] ** 0.5 * point) / (1 - alpha_bar[t]) ** 0.5

    drawn = plain_loss.draw(noise_in, alpha_bar, 2, jump=20)
    torch.testing.assert_close(drawn, point.expand(2, -1, -1, -1))


def test_the_stored_distances_of_digits_are_as_their_script_says():
    "Of its shapes, and in the mean nearer with more calls, on each grid."
    import digit_grids as script

    stored = np.load(script.ASSET)
    shape = tuple(map(len, (script.MODELS, script.TRIED, script.BUDGETS, script.GRIDS)))
    assert stored["far"].shape == stored["read"].shape == (*shape, script.N)
    assert stored["flow_read"].shape == (len(script.MODELS), script.N)
    assert stored["read"].dtype == stored["flow_read"].dtype == bool
    assert stored["read"].mean(-1).min() > 0.85 and stored["flow_read"].mean(-1).min() > 0.9
    assert stored["read"][:, 0, :, :4].mean(-1).min() > 0.9
    assert 0 < stored["far"].min() and stored["far"].max() < 1
    assert (np.diff(stored["far"].astype(float).mean(-1), axis=2) < 0).all()
    assert stored["even"].shape == (*shape[:3], script.FIRST)
    assert 0 < stored["even"].min() and stored["even"].max() < 1
    assert (np.diff(stored["even"].astype(float).mean(-1), axis=2) < 0).all()


def test_even_steps_are_walked_and_compared_noise_by_noise():
    import digit_grids as script

    x = torch.linspace(-1, 1, 2 * script.PART)[:, None, None, None].expand(-1, 1, 2, 2)
    fine = torch.full_like(x, 0.5)
    far = script.on_even_steps(lambda x, level: torch.full_like(x, 0.25), x, fine, -8.0, 6.0)
    assert far.shape == (len(script.TRIED), len(script.BUDGETS), len(x))
    np.testing.assert_allclose(far.astype(float), 0.25, rtol=1e-3)


def test_the_grids_of_the_stored_digits_are_the_page_s():
    "Chapter 13's own cells and the script place the same levels, where the law is known."
    import json

    import digit_grids as script

    import diffusion_math
    from diffusion_math import DDPM, ForwardProcess, GaussianMixture

    means = torch.tensor([-0.6, 0.4])[:, None, None, None].expand(2, 1, 28, 28).contiguous()
    law = GaussianMixture(torch.tensor([0.3, 0.7]), means, torch.tensor([0.1**2, 0.2**2]))
    answer = lambda x, level, y: law.denoise(x, level)
    p = DDPM(answer, ForwardProcess(linear_schedule(1000)), (1, 28, 28), predicts="x0")
    page = json.loads((BENCHMARKS.parent / "nbs" / "13_solvers.ipynb").read_text(encoding="utf-8"))
    cells = {cell["id"]: "".join(cell["source"]) for cell in page["cells"]}
    names = vars(diffusion_math) | {"math": math, "np": np, "torch": torch, "f64": torch.float64}
    names["load_pretrained"] = lambda name: p
    with torch.no_grad():
        for cell in ("8c5f33fc", "6c750896", "13gap002"):  # the gap, the grids, the walk measured
            exec(cells[cell], names)
        stored = script.grids_of(p, names["clipped"], names["NOISE"], names["DATA"])
    assert tuple(stored) == script.GRIDS
    for calls in script.BUDGETS:
        for name in script.GRIDS[:4]:
            levels = names["grids"][name](calls)
            torch.testing.assert_close(stored[name](calls), levels, rtol=1e-9, atol=1e-9)
        # stretched, by (13.7): from the same level, to the other's last call
        for name, like, k, shift in (("trailing, late end", "cosine grid", 1.0, 1.0),
                                     ("cosine, early end", "trailing", 2.0, 0.0)):  # fmt: skip
            levels, last = stored[name](calls), stored[like](calls)[-2]
            torch.testing.assert_close(levels[-2], last.double(), rtol=1e-9, atol=1e-9)
            u = torch.atan(torch.exp(-(levels[:-1] + shift) / 2 / k))
            torch.testing.assert_close(u.diff(), u.diff().mean().expand(calls - 1))
            assert levels[0] == names["NOISE"] and levels[-1] == math.inf
    # and the law decides: the gap's grid is another than even steps
    evenly = names["grids"]["even"](10)
    assert (stored["by the gap"](10)[:-1] - evenly[:-1]).abs().max() > 0.5


def test_in_how_many_calls_the_stored_digits_were_drawn():
    import digit_grids as script

    asked = []

    def point(x, level):
        asked.append(len(x))
        return torch.full_like(x, 0.5)

    grids = dict.fromkeys(script.GRIDS, lambda c: even_grid(-8.0, 6.0, c, clean=True))
    x = torch.zeros(2 * script.PART, 1, 2, 2)
    for solver, calls in {"unipc2": (5, 10, 20), "heun": (5, 9, 19)}.items():
        asked.clear()
        ends = script.in_calls(point, x, grids, solver)
        runs = 2 * len(script.GRIDS)  # two parts each
        assert ends.shape == (3, 6, *x.shape) and asked == [script.PART] * runs * sum(calls)
        assert not script.apart(ends[0, 0], torch.full_like(x, 0.5)).any()
