"The bound of many pictures: its terms by groups, on fewer steps and more, and what is said of it."

import json
import math

import pytest
import torch

from diffusion_math import (
    DDPM,
    ForwardProcess,
    GaussianMixture,
    Schedule,
    UNet,
    cosine_schedule,
    elbo,
    linear_schedule,
)  # fmt: skip
from diffusion_math.training.evaluation import (
    _bound_of,
    area_terms,
    bound_report,
    bound_table,
    bound_terms,
    every_step,
    flow_terms,
    step_groups,
    with_steps,
)


def blind(T: int = 20) -> DDPM:
    "A network that knows nothing."
    return DDPM(
        lambda x_t, log_snr: 0.1 * x_t, ForwardProcess(linear_schedule(T)), (1, 4, 4), images=True
    )


def pixels(n: int) -> torch.Tensor:
    return (
        torch.randint(0, 256, (n, 1, 4, 4), generator=torch.Generator().manual_seed(5)).float()
        / 127.5
        - 1
    )


@pytest.mark.parametrize("terms", [3, "all"])
def test_the_groups_are_those_of_the_bound(terms):
    p, x0, g = blind(), pixels(1500), torch.Generator().manual_seed(1)
    shares = torch.linspace(2, 1, 19, dtype=torch.float64)
    found = _bound_of(p, x0, terms, shares / shares.sum(), g, lambda: None)
    whole = elbo(p.q, p, x0, p.decode, generator=g)
    groups = [whole.steps[a - 2 : b - 1].sum(0) for a, b in step_groups(20)]
    for row, true in zip(found, [whole.prior, *groups, whole.reconstruction], strict=True):
        off = row - true
        assert off.mean().abs() <= 5 * off.std() / len(off) ** 0.5 + 1e-6
    assert found.shape == (4, 1500)


@pytest.mark.parametrize(
    "T, groups",
    [
        (1, []),
        (2, [(2, 2)]),
        (10, [(2, 10)]),
        (11, [(2, 10), (11, 11)]),
        (50, [(2, 10), (11, 50)]),
        (1000, [(2, 10), (11, 100), (101, 1000)]),
        (1001, [(2, 10), (11, 100), (101, 1000), (1001, 1001)]),
    ],
)
def test_every_step_is_in_one_group(T, groups):
    assert step_groups(T) == groups


def test_fewer_steps_and_more():
    p = blind()
    assert with_steps(p, None) is p is with_steps(p, 20)
    assert torch.equal(with_steps(p, 5).q.schedule.log_snr, p.respace(5).q.schedule.log_snr)
    for T in (5, 39):
        with pytest.raises(
            ValueError, match="another T needs variance='posterior' or 'beta', got a function of t"
        ):
            with_steps(DDPM(p.network, p.q, p.event_shape, p.predicts, lambda t: 0.1), T)
    finer = with_steps(p, 39)  # the 20 levels, and one between each two
    assert (
        finer.T == 39
        and (finer.q.schedule.log_snr[1::2] - p.q.schedule.log_snr[1:]).abs().max() < 1e-9
    )
    ends = DDPM(
        UNet(1, width=4), ForwardProcess(Schedule.from_log_snr([3.0, -math.inf])), (1, 4, 4), "v"
    )
    with pytest.raises(ValueError, match="T must be at most 2 for this model, got 3"):
        with_steps(ends, 3)


def test_no_step_of_the_bound_waits_for_a_device():
    "On the meta device every look at a value raises."
    p = DDPM(
        UNet(1, width=4, mults=(1,)),
        ForwardProcess(cosine_schedule(20)),
        (1, 4, 4),
        "v",
        images=True,
    ).to("meta")
    shares = torch.full((19,), 1 / 19, dtype=torch.float64, device="meta")
    with torch.no_grad():
        found = _bound_of(p, pixels(3).to("meta"), 5, shares, None, lambda: None)
    assert found.shape == (4, 3) and found.is_meta


def knowing(classes=None):
    "A network that is hardly one, but has weights."
    torch.manual_seed(0)
    network = UNet(1, width=4, mults=(1,), classes=classes)
    return DDPM(network, ForwardProcess(cosine_schedule(20)), (1, 4, 4), "v", images=True).eval()


def test_a_picture_s_bound_does_not_depend_on_the_batch():
    p, x0 = knowing(), pixels(6)
    found = [bound_terms(p, x0, terms="all", batch=batch, seed=2).sum(0) for batch in (1, 4, 6)]
    assert all(part.shape == (6,) and part.isfinite().all() for part in found)
    assert torch.equal(found[2], bound_terms(p, x0, terms=19, batch=6, seed=2).sum(0))


def test_a_few_terms_are_all_of_them_on_average():
    p, x0 = knowing(), pixels(1).expand(3000, -1, -1, -1)
    off = bound_terms(p, x0, terms=4, batch=3000) - bound_terms(
        p, x0, terms="all", batch=3000, seed=1
    )
    assert (off.mean(1).abs() <= 5 * off.std(1) / 3000**0.5 + 1e-6).all()


def test_it_is_told_the_classes():
    p, x0, y = knowing(classes=2), pixels(4), torch.tensor([0, 1, 0, 1])
    with torch.no_grad():
        for w in p.parameters():
            w += 0.1
    assert not torch.equal(bound_terms(p, x0, terms="all"), bound_terms(p, x0, y, terms="all"))


@pytest.mark.parametrize("terms, every", [("all", True), (19, True), (18, False), (40, True)])
def test_whether_a_picture_takes_every_step(terms, every):
    assert every_step(blind(), terms) == every


def test_the_report_says_what_the_terms_say():
    p, terms = blind(), torch.tensor([[1.0, 3.0], [2.0, 2.0], [4.0, 8.0], [5.0, 5.0]]).double()
    report = json.loads(json.dumps(bound_report(p, terms)))
    assert (report["T"], report["dims"], report["levels"]) == (20, 16, 256)
    assert report["nats"]["prior"] == {"mean": 2.0, "stderr": 1.0}
    assert [(step["from"], step["to"], step["mean"]) for step in report["nats"]["steps"]] == [
        (2, 10, 2.0),
        (11, 20, 6.0),
    ]
    assert report["nats"]["total"]["mean"] == 15.0
    assert report["bits_per_dim"]["mean"] == pytest.approx(15 / (16 * math.log(2)))
    lines = bound_table(report).splitlines()
    assert [line.split()[0] for line in lines[:6]] == [
        *("term", "prior", "steps", "steps", "reconstruction", "total")
    ]
    assert "15.00" in lines[5] and lines[-1].startswith("+-: the standard error")


def test_what_is_not_finite_is_said():
    report = bound_report(blind(), torch.full((4, 1), math.inf, dtype=torch.float64))
    assert report["bits_per_dim"] == {"mean": None, "stderr": None}
    assert "not finite" in bound_table(report)


CHANCES = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64)
GREYS = torch.tensor([0, 90, 91, 255], dtype=torch.float64) / 127.5 - 1


class Knows(torch.nn.Module):
    "The best guess of one pixel that has four grey levels, with a weight that does nothing."

    def __init__(self, classes=None):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.law = GaussianMixture(CHANCES, GREYS.view(4, 1, 1, 1), torch.zeros(4).double())
        self.told = []

    def forward(self, x_t, log_snr, y=None):
        self.told.append((len(x_t), None if y is None else tuple(y.tolist())))
        return self.law.denoise(x_t, log_snr)


def best():
    "The best chain for that pixel, from noise alone to a noise far below a grey level."
    levels = torch.linspace(17, -24, 50, dtype=torch.float64)
    q = ForwardProcess(Schedule.from_log_snr(levels))
    return DDPM(Knows(), q, (1, 1, 1), "x0", images=True)


def test_the_area_of_the_best_guess_is_the_surprise_of_a_level():
    k = torch.arange(4).repeat_interleave(4000)
    found = area_terms(best(), GREYS[k].view(-1, 1, 1, 1), terms=24, batch=5000)
    assert found.shape == (3, 16000) and found.dtype == torch.float64
    for each, chance in zip(found.sum(0).view(4, -1), CHANCES, strict=True):
        # the ends leave out far less than 1e-4: exp(-24), and a level that is mistaken
        stderr = each.std() / len(each) ** 0.5
        assert stderr < 0.05 and (each.mean() + chance.log()).abs() < 5 * stderr + 1e-4


@pytest.mark.long
def test_the_flow_of_the_best_guess_needs_the_surprise_of_a_level():
    "With one pixel any sign gives the exact trace, so each picture must, up to the integrator."
    found = flow_terms(best(), GREYS.view(4, 1, 1, 1), tolerance=1e-7, batch=3)
    assert found.shape == (3, 4)
    # where it ends a datum still moves the noise by exp(-12)
    assert torch.allclose(found.sum(0), -CHANCES.log(), atol=1e-4, rtol=0)
    # the noise's own entropy is not small: without its row the sum would be off by nats
    assert (found[1].abs() > 1).all()


@pytest.mark.long
def test_a_walk_of_many_sets_of_signs_is_their_mean():
    p, x = knowing(), pixels(3)
    with torch.no_grad():
        for w in p.parameters():
            w += 0.05
    one, many = (flow_terms(p, x, probes=k, tolerance=1e-3, seed=4) for k in (1, 3))
    assert torch.equal(one[1:], many[1:]) and not torch.equal(one[0], many[0])
    assert one.isfinite().all() and torch.equal(one, flow_terms(p, x, tolerance=1e-3, seed=4))


@pytest.mark.parametrize("terms_of", [area_terms, flow_terms])
def test_the_other_numbers_are_told_the_classes_of_their_batch(terms_of):
    p, y = best(), torch.tensor([0, 1, 2, 3, 4])
    terms_of(p, GREYS[[0, 1, 2, 3, 0]].view(-1, 1, 1, 1), y, batch=3)
    assert set(p.network.told) == {(3, (0, 1, 2)), (2, (3, 4))}


@pytest.mark.parametrize("terms_of", [area_terms, flow_terms])
def test_ends_without_noise_have_neither_area_nor_flow(terms_of):
    q = ForwardProcess(Schedule.from_log_snr([3.0, -math.inf]))
    p = DDPM(UNet(1, width=4, mults=(1,)), q, (1, 4, 4), "v", images=True)
    with pytest.raises(ValueError, match="the log SNR of the model's steps T and 1 must be finite"):
        terms_of(p, pixels(1))


@pytest.mark.parametrize(
    "bound, rows, means",
    [
        ("continuous", ["prior", "area", "reconstruction"], "infinitely many steps"),
        ("flow", ["walk", "added", "reconstruction"], "another model"),
    ],
)
def test_the_report_of_the_other_numbers(bound, rows, means):
    terms = torch.tensor([[1.0, 3.0], [2.0, 2.0], [5.0, 5.0]]).double()
    report = json.loads(json.dumps(bound_report(blind(), terms, bound)))
    assert report["bound"] == bound and list(report["nats"]) == [*rows, "total"]
    low, high = report["log_snr"]
    assert low < high and "T" not in report
    assert report["nats"][rows[0]] == {"mean": 2.0, "stderr": 1.0}
    assert report["nats"]["total"]["mean"] == 9.0
    lines = bound_table(report).splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["term", *rows, "total"]
    assert "9.00" in lines[4] and means in " ".join(lines[5:])
