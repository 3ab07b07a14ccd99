"""fit: against an independent loop and an exact optimum; to the bit through every kind of stop; alone and in two."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from diffusion_math import (
    DDPM,
    DiT,
    ForwardProcess,
    GaussianMixture,
    UNet,
    cosine_schedule,
    elbo_loss,
    fit,
    flow_loss,
    linear_schedule,
    simple_loss,
)  # fmt: skip
from diffusion_math.training.batches import Batches, Rows
from diffusion_math.training.fit import Plan, TrainingRun
from tests.forks import ran
from tests.runs import (
    SHORT,
    Points,
    alone,
    digest,
    launch,
    model,
    points,
    same,
    scenarios,
    weights,
)  # fmt: skip

F64 = torch.float64


# ---- it learns


def test_overfits_one_batch():
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(4, 1, 8, 8, generator=generator) * 2 - 1

    def fixed(p, x0, t, eps):  # the same noise for a picture whenever it comes
        return simple_loss(p, x0, t=torch.full_like(t, 20), eps=torch.sin(40 * x0))

    torch.manual_seed(0)
    p = DDPM(UNet(1, width=16), ForwardProcess(linear_schedule(T=100)), (1, 8, 8))
    run = fit(p, x, steps=150, batch=4, lr=5e-3, warmup=10, loss=fixed, progress=False)
    assert run.losses[0] > 0.3 and max(run.losses[-5:]) < 0.01 * run.losses[0]


class Oracle(nn.Module):
    "A network that knows: the noise's exact mean, times `factor`."

    def __init__(self, mixture, factor=1.0):
        super().__init__()
        self.mixture, self.factor, self.nothing = mixture, factor, nn.Parameter(torch.zeros(1))

    def forward(self, x, log_snr):
        signal, noise = (
            torch.sigmoid(sign * log_snr.double()).sqrt()[:, None].to(x) for sign in (1, -1)
        )
        return self.factor * (x - signal * self.mixture.denoise(x, log_snr)) / noise + self.nothing


def least_loss(share, mean, std, schedule):
    "The mean over t of E[Var[eps | x_t]] for a mixture of numbers, by sums over a fine grid of x_t."
    total = 0.0
    for ab in schedule.alpha_bar[1:].tolist():
        x = torch.linspace(-9, 9, 20001, dtype=F64)[:, None]
        a, var = math.sqrt(ab), 1 - ab
        spread = ab * std**2 + var
        joint = (
            share * torch.exp(-0.5 * (x - a * mean) ** 2 / spread) / (2 * math.pi * spread).sqrt()
        )
        eps = (
            var**0.5 * (x - a * mean) / spread
        )  # E[eps | x_t, component]; its variance is a^2 std^2 / spread
        first, second = (joint * eps).sum(1), (joint * (eps**2 + ab * std**2 / spread)).sum(1)
        total += float(torch.trapezoid(second - first**2 / joint.sum(1), x[:, 0])) / schedule.T
    return total


def test_an_oracle_reaches_the_exact_optimum():
    "Nothing goes below it, and what knows a little less stays measurably above."
    share, mean, std = (torch.tensor(v, dtype=F64) for v in ([0.3, 0.7], [-1.0, 0.8], [0.15, 0.4]))
    mixture = GaussianMixture(share, mean[:, None].float(), std.square().float())
    q, n = ForwardProcess(linear_schedule(T=25)), 200_000
    x0 = mixture.sample(n, torch.Generator().manual_seed(2))
    want = least_loss(share, mean, std, q.schedule)
    runs = {}
    for factor in (1.0, 0.85):
        p = DDPM(Oracle(mixture, factor), q, (1,))
        losses = torch.tensor(
            fit(p, x0, steps=40, batch=n // 40, lr=0.0, progress=False).losses, dtype=F64
        )
        runs[factor] = (losses.mean().item(), losses.std().item() / math.sqrt(40))
    gap, stderr = runs[1.0][0] - want, runs[1.0][1]
    assert abs(gap) < 5 * stderr and stderr < 0.01 * want
    assert runs[0.85][0] - want > 5 * runs[0.85][1]


def test_classes_are_learned_and_given():
    "Four clouds: each class draws its own, and no class draws them all."
    centre = 1.5 * torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    labels = torch.arange(800) % 4
    data = centre[labels] + 0.1 * torch.randn(800, 2, generator=torch.Generator().manual_seed(3))
    p = model(classes=4, width=64, T=30)
    fit(p, data, steps=400, batch=128, lr=1e-2, labels=labels, drop=0.2, ema=0.98, progress=False)
    for y in (0, 3):
        x = p.given(y=y).sample(200, torch.Generator().manual_seed(1))
        assert (x.mean(0) - centre[y]).abs().max() < 0.2 and (x.sign() == centre[y].sign()).all(
            1
        ).float().mean() > 0.95
    x = p.sample(400, torch.Generator().manual_seed(2))
    share = [(x.sign() == c.sign()).all(1).float().mean().item() for c in centre]
    assert min(share) > 0.1


def test_labels_go_with_their_data_and_some_are_dropped():
    seen = []

    def look(p, x0, t, eps):
        seen.append((x0[:, 0], p.cond["y"]))
        return simple_loss(p, x0, t=t, eps=eps)

    data = torch.arange(50.0)[:, None].expand(-1, 2)
    fit(
        model(classes=50),
        data,
        labels=torch.arange(50),
        drop=0.25,
        loss=look,
        **SHORT | dict(steps=60),
    )
    x, y = (torch.cat(v) for v in zip(*seen, strict=True))
    dropped = y == 50
    assert torch.equal(y[~dropped], x[~dropped].long())
    assert abs(dropped.double().mean() - 0.25) < 5 * math.sqrt(0.25 * 0.75 / len(y))


# ---- one step, by other means


@pytest.mark.parametrize("clip, decay", [(0.05, 0.0), (0.0, 0.3)])
def test_the_same_as_a_plain_loop(clip, decay):
    "Batches apart, everything again in the plainest PyTorch, in float64: losses, weights, and their average."
    data = points(40)
    p, q = model(dtype=F64), model(dtype=F64)
    run = fit(
        p,
        data,
        20,
        16,
        0.01,
        ema=0.8,
        warmup=4,
        clip=clip,
        weight_decay=decay,
        seed=7,
        progress=False,
    )
    batches, net = Batches(q, data, 16, 7, F64), q.network
    optimizer = torch.optim.AdamW(net.parameters(), betas=(0.9, 0.99), weight_decay=decay)
    average = {}
    for step in range(20):
        x0, _, t, eps = batches(step)
        said = q.predict(q.q.marginal(x0, t).mean + q.q.marginal(x0, t).std * eps, t)
        ab = q.q.schedule.alpha_bar[t][:, None]
        loss = (said.v - (ab.sqrt() * eps - (1 - ab).sqrt() * x0)).square().mean()
        loss.backward()
        assert abs(loss.item() - run.losses[step]) < 1e-10
        if clip:
            nn.utils.clip_grad_norm_(net.parameters(), clip)
        progress = (step - 4) / 16
        rate = 0.01 * (step + 1) / 4 if step < 4 else 0.01 * (1 + math.cos(math.pi * progress)) / 2
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
        keep = 0 if step == 0 else min(0.8, (2 + step) / (11 + step))
        average = {
            k: keep * average.get(k, 0) + (1 - keep) * w.detach()
            for k, w in net.state_dict().items()
        }
    for name, w in p.network.state_dict().items():
        torch.testing.assert_close(
            w, average[name], rtol=1e-7, atol=1e-9
        )  # the average's share is a float32


@given(st.integers(1, 40), st.integers(1, 25), st.integers(0, 30), st.integers(0, 3))
@settings(max_examples=30)
def test_every_epoch_takes_each_datum_once(n, batch, step, seed):
    rows = Rows(n, batch, seed)
    taken = torch.cat([rows(k) for k in range(step + 3)]).tolist()
    for epoch in range(len(taken) // n):
        assert sorted(taken[epoch * n : (epoch + 1) * n]) == list(range(n))
    counts = Counter(taken)
    assert max(counts.values()) - (min(counts.values()) if len(counts) == n else 0) <= 1
    assert torch.equal(Rows(n, batch, seed)(step), rows(step))


def test_fewer_data_than_a_batch():
    run = fit(model(), points(3), **SHORT)
    assert len(run.losses) == 12 and all(map(math.isfinite, run.losses))


def test_learning_rate_rises_and_falls():
    plan = lambda warmup: Plan(100, 1, 0.5, "", 0.9, warmup, 1.0, 0.0, 0.0, 0, "AdamW")
    rates = [plan(10).lr_at(k) for k in range(100)]
    assert rates[0] == 0.05 and rates[9] == rates[10] == 0.5 and rates[55] == pytest.approx(0.25)
    assert 0 < rates[-1] < 1e-3 and rates[10:] == sorted(rates[10:], reverse=True)
    assert plan(0).lr_at(0) == 0.5


@pytest.mark.parametrize("images", [False, True])
def test_the_bound_is_in_bits_per_dim(images):
    generator = torch.Generator().manual_seed(0)
    x0 = -1 + torch.randint(0, 256, (30, 1, 4, 4), generator=generator) * 2 / 255
    torch.manual_seed(0)
    variance = "posterior" if images else "beta"
    p = DDPM(
        UNet(1, width=8, mults=[1]),
        ForwardProcess(linear_schedule(T=20)),
        (1, 4, 4),
        "v",
        variance,
        images,
    )
    x, _, t, eps = Batches(p, x0, 16)(0)
    want = elbo_loss(p, x, t=t, eps=eps).mean().item() / 16 / math.log(2)
    for loss in ("elbo", elbo_loss):
        assert fit(p, x0, lr=0.0, loss=loss, **SHORT).losses[0] == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("says", ["eps", "x0", "v"])
def test_flow_matching_has_times_of_its_own(says):
    "The velocity's squared error at T even times on the line, from what the network says at a variance of 1."
    torch.manual_seed(0)
    network, data = Points(), points()
    p = DDPM(network, ForwardProcess(linear_schedule(T=20)), data.shape[1:], says)
    x0, _, t, eps = Batches(p, data, 16)(0)
    time = ((t - 0.5) / 20)[:, None].double()
    c = ((1 - time) ** 2 + time**2).sqrt()
    x_t = ((1 - time) * x0 + time * eps) / c
    said = network(x_t.float(), 2 * ((1 - time) / time).log()[:, 0].float()).double()
    a, s = (1 - time) / c, time / c
    e = {"eps": said, "x0": (x_t - a * said) / s, "v": s * x_t + a * said}[says]
    want = (e - (x_t - s * e) / a - (eps - x0)).square().mean().item()
    for loss in ("flow", flow_loss):
        assert fit(p, data, lr=0.0, loss=loss, **SHORT).losses[0] == pytest.approx(want, rel=1e-4)


def test_flow_matching_learns():
    "A bell's best velocity network is linear in x, and its loss at time t is v / (v (1 - t)^2 + t^2)."
    torch.manual_seed(0)
    p = DDPM(Points(), ForwardProcess(cosine_schedule(T=100)), (2,), "v")
    data = 0.5 * torch.randn(4000, 2, generator=torch.Generator().manual_seed(1))
    losses = fit(p, data, steps=600, batch=256, loss="flow", progress=False).losses
    t = (torch.arange(100) + 0.5) / 100
    best = (0.25 / (0.25 * (1 - t) ** 2 + t**2)).mean().item()
    assert losses[0] > 1.25 * best
    assert sum(losses[-100:]) / 100 == pytest.approx(best, rel=0.05)


def test_seeds():
    a, b, c = (fit(model(), points(), seed=seed, **SHORT) for seed in (1, 1, 2))
    assert digest(a) == digest(b) != digest(c)
    assert not set(a.losses) & set(c.losses)


@pytest.mark.parametrize("kind", [{}, {"dropout": 0.3}])
def test_leaves_the_callers_random_numbers_alone(kind):
    "And takes none of them: dropout too comes from the run's own seed."
    p = model(**kind)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one = fit(p, points(), **SHORT)
    assert torch.equal(torch.get_rng_state(), before)
    p = model(**kind)
    torch.manual_seed(4)
    assert digest(fit(p, points(), **SHORT)) == digest(one)


# ---- the same numbers by other ways


def test_pieces_make_the_whole():
    whole, pieces = (fit(model(dtype=F64), points(), accumulate=k, **SHORT) for k in (1, 4))
    np.testing.assert_allclose(pieces.losses, whole.losses, rtol=1e-10)
    for a, b in zip(weights(whole.p).values(), weights(pieces.p).values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_a_compiled_network_trains_alike(tmp_path):
    p = model()
    p.network = compiled = torch.compile(p.network, backend="eager")
    run = fit(p, points(), folder=tmp_path / "run", every=5, callback=None, **SHORT)
    plain = fit(model(), points(), **SHORT)
    assert p.network is compiled and digest(run) == digest(plain)
    assert p.sample(3).shape == (3, 2)
    resumed = fit(
        model(), points(), folder=tmp_path / "run", resume=True, **SHORT
    )  # the checkpoint is for both
    assert digest(resumed) == digest(plain)


@pytest.mark.parametrize("compiled", [False, True])
def test_bf16_runs_and_leaves_the_network_as_it_was(compiled):
    p, plain = model(), fit(model(), points(), **SHORT)
    if compiled:
        p.network = torch.compile(p.network, backend="eager")
    own = vars(p.network).get("forward")
    run = fit(p, points(), precision="bf16", **SHORT)
    assert run.losses != plain.losses
    torch.testing.assert_close(
        torch.tensor(run.losses), torch.tensor(plain.losses), rtol=0.05, atol=0.01
    )
    inner = getattr(p.network, "_orig_mod", p.network)
    assert vars(p.network).get("forward") is own and "_original_forward" not in vars(inner)
    assert p.predict(points(4), 3).v.dtype == torch.float32
    assert {w.dtype for w in p.network.parameters()} == {torch.float32}
    fit(p, points(), **SHORT)  # and once more without


def test_an_accelerator_from_before_is_left_alone(monkeypatch):
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState

    plain = fit(model(), points(), accumulate=2, **SHORT)
    mine = Accelerator(mixed_precision="bf16", gradient_accumulation_steps=4)
    try:
        run = fit(model(), points(), accumulate=2, **SHORT)
        assert digest(run) == digest(plain)  # by its own precision and pieces, not by those
        assert mine.mixed_precision == "bf16" and mine.gradient_accumulation_steps == 4
        with pytest.raises(ValueError, match="precision must be one of no, bf16, got 'fp8'"):
            fit(model(), points(), precision="fp8", **SHORT)
        assert mine.state.mixed_precision == "bf16"
    finally:
        AcceleratorState._reset_state()
        GradientState._reset_state()
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "3")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert digest(fit(model(), points(), accumulate=2, **SHORT)) == digest(plain)


@pytest.mark.gpu
def test_on_a_gpu(tmp_path):
    settings = SHORT | dict(steps=40, every=10)
    here = fit(model().to("cuda"), points().to("cuda"), folder=tmp_path, **settings)
    assert (
        next(here.p.network.parameters()).device.type == "cuda" and here.losses[-1] < here.losses[0]
    )
    again = fit(model(), points(), folder=tmp_path, resume=True, **settings)
    assert again.losses == here.losses


# ---- what the caller sees


def test_callback_and_result():
    p, seen = model(), []

    def callback(run):
        assert isinstance(run, TrainingRun) and run.steps == 12 and len(run.losses) == run.step
        assert run.p.sample(2, torch.Generator().manual_seed(0)).shape == (2, 2)
        seen.append((run.step, run.images_per_second))

    run = fit(p, points(), callback=callback, log_every=5, **SHORT)
    assert [step for step, _ in seen] == [5, 10, 12] and all(speed > 0 for _, speed in seen)
    assert (
        run.step == 12 and run.loss == pytest.approx(sum(run.losses) / 12) and len(repr(run)) < 200
    )
    assert same(weights(p), weights(run.p)) and p.network is not run.p.network
    assert digest(run) == digest(fit(model(), points(), **SHORT))  # looking changes nothing


def test_progress_is_written_where_it_is_wanted(capsys):
    fit(model(), points(), **SHORT | dict(progress=True))
    assert "12/12" in (err := capsys.readouterr().err) and "images" in err and "loss" in err
    fit(model(), points(), **SHORT)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_leaves_the_averaged_weights(error):
    p, kept = model(), []

    def callback(run):
        if run.step == 6:
            kept.append(weights(run.p))
            raise error

    with pytest.raises(error):
        fit(p, points(), callback=callback, log_every=3, precision="bf16", **SHORT)
    assert same(weights(p), kept[0]) and "forward" not in vars(p.network)


# ---- trouble


def broken_at(step, how):
    "A loss that goes wrong at that step, in that way."
    calls = []

    def loss(p, x0, t, eps):
        calls.append(0)
        value = simple_loss(p, x0, t=t, eps=eps)
        if len(calls) != step:
            return value
        if how == "gradient":  # the loss is finite, its gradient is not
            return value + (next(p.network.parameters()).sum() * 0).sqrt()
        return value * float(how)

    return loss


@pytest.mark.parametrize("how", ["nan", "inf", "gradient"])
@pytest.mark.parametrize("step", [1, 7])
def test_a_loss_that_is_no_number_stops_the_run(tmp_path, how, step):
    "It is noticed later, when a line of the log is due; the weights are those of the step before, to the bit."
    kept = {0: weights(model())}

    def keep(run):
        kept[run.step] = weights(run.p)

    fit(model(), points(), callback=keep, log_every=1, loss=broken_at(99, how), **SHORT)
    p, folder = model(), tmp_path / "run"
    with pytest.raises(FloatingPointError) as caught:
        fit(p, points(), loss=broken_at(step, how), folder=folder, every=3, log_every=50, **SHORT)
    assert f"the loss or its gradient at step {step} was not finite" in str(caught.value)
    assert same(weights(p), kept[step - 1])
    if step == 7:
        assert "the last checkpoint is" in str(caught.value) and "step-00000006" in str(
            caught.value
        )
        resumed = fit(
            model(), points(), loss=broken_at(99, how), folder=folder, every=3, resume=True, **SHORT
        )
        assert digest(resumed) == digest(fit(model(), points(), loss=broken_at(99, how), **SHORT))
    else:
        assert not list(folder.glob("*"))


# ---- two processes


def test_two_processes_are_two_and_equal_one(tmp_path):
    done = ran(lambda: launch(tmp_path), env=alone())
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    one = dict(scenarios(tmp_path / "one", seed=0))
    for name in ("plain", "accumulate", "labels", "single", "resumed"):
        exact = name != "single"
        tol = dict(rtol=1e-9, atol=1e-12) if exact else dict(rtol=1e-6, atol=1e-6)
        assert first[name][0] == second[name][0] and same(first[name][1], second[name][1])
        np.testing.assert_allclose(first[name][0], one[name].losses, rtol=1e-10 if exact else 1e-6)
        for key, w in one[name].p.network.state_dict().items():
            torch.testing.assert_close(first[name][1][key], w, **tol)
    assert first["resumed"][1].keys() == first["plain"][1].keys() and same(
        first["resumed"][1], first["plain"][1]
    )
    assert first["seen"] == [5, 10, 12] and second["seen"] == []  # one of them speaks
    for out in (first, second):
        assert (
            out["batch"]
            == "batch must be a multiple of accumulate times the number of processes, 4, got 15"
        )
        assert out["pieces"].endswith("4, got 18")


def test_two_that_would_each_be_the_only_one(monkeypatch):
    "If accelerate was set up for one process, each of two would train a model of its own: an error instead."
    fit(model(), points(), **SHORT)
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RuntimeError, match="2 processes were launched, but accelerate counts 1"):
        fit(model(), points(), **SHORT)


def test_recomputed_blocks_change_no_number():
    "To the bit; and the network is left as it was."
    x, runs = torch.rand(64, 1, 8, 8) * 2 - 1, []
    for recompute in (False, True):
        torch.manual_seed(0)
        p = DDPM(DiT(1, width=8, depth=2), ForwardProcess(cosine_schedule(9)), (1, 8, 8), "v")
        runs.append(fit(p, x, steps=4, batch=8, warmup=1, recompute=recompute, progress=False))
        assert not p.network.recompute
    assert runs[0].losses == runs[1].losses and digest(runs[0]) == digest(runs[1])


# ---- what it refuses, and what it warns of


def test_labels_are_any_row_of_whole_numbers():
    x, y = torch.rand(8, 1, 8, 8) * 2 - 1, [0, 1, 2, 1, 0, 2, 2, 1]
    runs = []
    for labels in (y, np.array(y), torch.tensor(y)):
        torch.manual_seed(0)
        p = DDPM(UNet(width=8, classes=3), ForwardProcess(cosine_schedule(9)), (1, 8, 8), "v")
        runs.append(fit(p, x, steps=2, batch=4, labels=labels, progress=False).losses)
    assert runs[0] == runs[1] == runs[2]


def test_it_warns_of_what_was_hardly_meant(recwarn):
    "Pictures in [0, 1], and classes that nobody says; not of what is meant."
    x, y = torch.rand(8, 1, 8, 8), torch.arange(8) % 2
    q, how = ForwardProcess(cosine_schedule(9)), dict(steps=1, batch=8, progress=False)
    net = lambda classes=None: DDPM(UNet(width=8, classes=classes), q, (1, 8, 8), "v", images=True)
    fit(net(), 2 * x - 1, **how), fit(net(2), 2 * x - 1, labels=y, **how)
    fit(net(), torch.zeros(8, 1, 8, 8), **how)  # grey all over
    assert not recwarn.list
    with pytest.warns(UserWarning, match=r"no number below 0, .* 2 x - 1 takes \[0, 1\] there"):
        fit(net(), x, **how)
    with pytest.warns(UserWarning, match=r"made with classes and is told none, .* give labels"):
        fit(net(2), 2 * x - 1, **how)


@pytest.mark.bad_input
@pytest.mark.parametrize("change, error, words", [
    (dict(p="a model"), TypeError, "p must be a DDPM, got str"),
    (dict(p=DDPM(lambda x, level: x, ForwardProcess(cosine_schedule(9)), (2,))), TypeError,
     "p.network must be a torch.nn.Module to be trained, got function"),
    (dict(p=DDPM(nn.Identity(), ForwardProcess(cosine_schedule(9)), (2,))), ValueError,
     "p.network must have parameters to train, got none"),
    (dict(data=[1.0]), ValueError, r"a batch of data must have shape \(b, 2\), got \(16,\)"),
    (dict(data="photos"), TypeError, "data must be a floating-point or uint8 tensor or array, .* got str"),
    (dict(data=3), TypeError, "data must be a floating-point or uint8 tensor or array, .* got int"),
    (dict(data=torch.zeros(5, 2).long()), TypeError, "data must be a floating-point or uint8 tensor .* got torch.int64"),
    (dict(data=torch.zeros(0, 2)), ValueError, r"data must have shape \(n, 2\) with n of 1 or more, got \(0, 2\)"),
    (dict(data=torch.zeros(5, 3)), ValueError, r"data must have shape \(n, 2\) .* got \(5, 3\)"),
    (dict(p=DDPM(UNet(3, width=8), ForwardProcess(cosine_schedule(9)), (3, 4, 4), "v"), data=np.zeros((5, 4, 4, 3))),
     ValueError, r"data must have shape \(n, 3, 4, 4\) .* got \(5, 4, 4, 3\), with the channels last"),
    (dict(data=torch.tensor([[0.0, math.nan]])), ValueError, "data must be finite, got nan"),
    (dict(labels=["a", "b"]), TypeError, "labels must be a tensor of whole numbers, got list"),
    (dict(labels=[1, 2]), ValueError, r"labels must have shape \(300,\), .* got \(2,\)"),
    (dict(labels=torch.zeros(300)), TypeError, "labels must be a tensor of whole numbers, got torch.float32"),
    (dict(labels=torch.zeros(7, dtype=torch.long)), ValueError, r"labels must have shape \(300,\), .* got \(7,\)"),
    (dict(labels=torch.zeros(300).long()), ValueError, "labels with drop > 0 need a network made with classes"),
    (dict(steps=0), ValueError, "steps must be 1 or more, got 0"),
    (dict(batch=2.0), TypeError, "batch must be a whole number, got float"),
    (dict(lr=-1.0), ValueError, "lr must"),
    (dict(lr=math.nan), ValueError, "lr must"),
    (dict(ema=1.5), ValueError, r"ema must lie in \[0, 1\], got 1.5"),
    (dict(drop=-0.1), ValueError, r"drop must lie in \[0, 1\], got -0.1"),
    (dict(clip="no"), TypeError, "clip must be a number, got str"),
    (dict(weight_decay=-1), ValueError, "weight_decay must"),
    (dict(warmup=-1), ValueError, "warmup must be 0 or more, got -1"),
    (dict(seed=0.5), TypeError, "seed must be a whole number, got float"),
    (dict(every=0), ValueError, "every must be 1 or more, got 0"),
    (dict(log_every=0), ValueError, "log_every must be 1 or more, got 0"),
    (dict(accumulate=0), ValueError, "accumulate must be 1 or more, got 0"),
    (dict(accumulate=3), ValueError, "batch must be a multiple of accumulate times the number of processes, 3, got 16"),
    (dict(recompute=1), TypeError, "recompute must be True or False, got int"),
    (dict(recompute=True), TypeError, "recompute=True needs a UNet, a DiT, or .*, got "),
    (dict(precision="fp16"), ValueError, "precision must be one of no, bf16, got 'fp16'"),
    (dict(loss="mse"), ValueError, "loss must be one of simple, elbo, flow, or a function of p and x0, got 'mse'"),
    (dict(loss=3), ValueError, "loss must be one of simple, elbo, flow, or a function of p and x0, got 3"),
])  # fmt: skip
def test_refuses_what_does_not_fit(change, error, words):
    change = dict(change)
    p, data = change.pop("p", None) or model(), change.pop("data", points())
    with pytest.raises(error, match=words):
        fit(p, data, **SHORT | change)


@pytest.mark.bad_input
def test_a_label_that_the_network_does_not_know():
    p = DDPM(
        UNet(1, width=8, mults=[1], classes=2), ForwardProcess(cosine_schedule(9)), (1, 4, 4), "v"
    )
    for labels, got in (
        (torch.arange(20) % 2 + 1, "1 to 2"),
        (torch.arange(20) % 3 - 1, "-1 to 1"),
    ):
        for drop in (0.0, 0.1):
            with pytest.raises(
                ValueError, match=rf"labels must lie in 0\.\.1, or be 2 for none, got {got}"
            ):
                fit(p, torch.zeros(20, 1, 4, 4), labels=labels, drop=drop, **SHORT)
    for labels in (torch.arange(20) % 3, torch.full((20,), 2)):  # 2 says that none is given
        assert fit(p, torch.zeros(20, 1, 4, 4), labels=labels, **SHORT).step == SHORT["steps"]


def test_numbers_of_numpys_are_numbers(tmp_path, shape_checks_off):
    "A run with checkpoints, and one that goes on from them."
    kind = dict(steps=np.int64(4), batch=np.int32(8), lr=np.float32(1e-3), ema=np.float64(0.5), warmup=np.int64(1),
                seed=np.int64(3), clip=np.float32(1), drop=np.float32(0.25), every=np.int64(2),
                accumulate=np.int64(2), progress=False)  # fmt: skip
    plain = {name: value if name == "progress" else value.item() for name, value in kind.items()}
    with shape_checks_off():
        run = fit(model(), points(), folder=tmp_path, **kind)
    want = fit(model(), points(), **plain)
    assert digest(run) == digest(want) and same(weights(run.p), weights(want.p))
    assert fit(model(), points(), folder=tmp_path, resume=True, **plain).step == 4


@pytest.mark.bad_input
@pytest.mark.parametrize("change, words", [
    (dict(seed=np.float64(1.0)), "seed must be a whole number, got"),
    (dict(warmup=np.int64(-1)), "warmup must be 0 or more, got"),
    (dict(seed=True), "seed must be a whole number, got bool"),
])  # fmt: skip
def test_and_others_are_not(change, words, shape_checks_off):
    with shape_checks_off(), pytest.raises((TypeError, ValueError), match=words):
        fit(model(), points(), **SHORT | change)


def test_points_network_is_what_it_says():
    assert Points(classes=3)(torch.zeros(4, 2), torch.zeros(4)).shape == (4, 2)


@pytest.mark.parametrize("name", ["lr", "weight_decay"])
def test_an_infinite_step(name):
    with pytest.raises(ValueError, match=f"{name} must be finite, got inf"):
        fit(model(), points(), **SHORT | {name: math.inf})
