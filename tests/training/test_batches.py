"""Data as it comes: what a step sees of tensors, arrays, levels, Datasets, loaders and iterators; what a network is told."""

import os
import signal

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from diffusion_math import DDPM, ForwardProcess, UNet, cosine_schedule, fit, simple_loss
from diffusion_math.data.digits import from_levels
from diffusion_math.training.batches import Batches, Stream
from diffusion_math.training.runs import checkpoints
from tests.runs import Points, digest, model, points

SHORT = dict(steps=12, batch=16, warmup=3, progress=False)
LOADED = dict(steps=12, warmup=3, progress=False)  # a loader brings its batches


class Told(nn.Module):
    "A network for points that is told a vector, and a picture of one channel."

    def __init__(self, default=0.0):
        super().__init__()
        self.default = default
        self.layers = nn.Sequential(nn.Linear(3 + 3 + 4, 16), nn.SiLU(), nn.Linear(16, 2))

    def forward(self, x, log_snr, text=None, depth=None):
        text = x.new_full((len(x), 3), self.default) if text is None else text
        depth = x.new_zeros(len(x), 1, 2, 2) if depth is None else depth
        level = torch.atan(log_snr / 4)[:, None].to(x.dtype)
        return self.layers(torch.cat([x, level, text, depth.flatten(1)], 1))


def told(default=0.0):
    torch.manual_seed(0)
    return DDPM(Told(default), ForwardProcess(cosine_schedule(20)), (2,), "v")


def beside(n=300):
    g = torch.Generator().manual_seed(5)
    return {"text": torch.randn(n, 3, generator=g), "depth": torch.rand(n, 1, 2, 2, generator=g)}


class Rows(Dataset):
    "Any items."

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


# ---- the same data in other forms gives the same bits


def test_a_tensor_an_array_and_datasets_are_one():
    x, want = points(), digest(fit(model(), points(), **SHORT))
    pairs = [
        (x[i], i % 3) for i in range(300)
    ]  # Points() was made without classes: y is not for it
    for data in (x.numpy(), TensorDataset(x), Rows(list(x)), list(x.numpy()), Rows(pairs),
                 Rows([{"x": row} for row in x])):  # fmt: skip
        assert digest(fit(model(), data, **SHORT)) == want


def test_levels_are_scaled():
    levels = torch.randint(0, 256, (40, 1, 4, 4), dtype=torch.uint8)
    p = lambda: DDPM(pictured(), ForwardProcess(cosine_schedule(9)), (1, 4, 4), "v", images=True)
    want = digest(fit(p(), from_levels(levels), **SHORT))
    for data in (levels, levels.numpy(), Rows(list(levels))):
        assert digest(fit(p(), data, **SHORT)) == want
    with pytest.raises(
        ValueError, match=r"must lie in \[-1, 1\] where p was made with images=True, got 2"
    ):
        fit(p(), levels.float(), **SHORT)


def pictured(**kind):
    torch.manual_seed(0)
    return UNet(1, width=8, mults=[1], **kind)


def test_classes_come_beside_or_within():
    x, y = points(), torch.arange(300) % 3
    want = digest(fit(model(classes=3), x, labels=y, drop=0.4, **SHORT))
    ways = [
        (x, dict(cond={"y": y})),
        (x, dict(labels=y.numpy())),
        (x.numpy(), dict(cond={"y": y.tolist()})),
        (TensorDataset(x, y), {}),
        (Rows([{"x": a, "y": b} for a, b in zip(x, y, strict=True)]), {}),
        (Rows(list(x)), dict(labels=y)),
    ]
    for data, more in ways:
        assert digest(fit(model(classes=3), data, drop=0.4, **more, **SHORT)) == want


# ---- loaders and iterators


def loader(x=None, shuffle=True, **kind):
    return DataLoader(TensorDataset(points(50) if x is None else x), 16, shuffle=shuffle, **kind)


def test_a_loader_gives_each_datum_once_an_epoch_and_its_order_is_the_seed_s():
    x = torch.arange(50.0)[:, None].expand(-1, 2)
    p = model()
    takes = lambda seed, steps: [Batches(p, loader(x), seed=seed)(k)[0][:, 0] for k in steps]
    one = Batches(p, loader(x), seed=1)
    batches = [one(k)[0][:, 0] for k in range(8)]
    assert [len(b) for b in batches] == [16, 16, 16, 2] * 2
    for epoch in (batches[:4], batches[4:]):
        assert torch.cat(epoch).sort().values.tolist() == list(range(50))
    assert not torch.equal(batches[0], batches[4])
    torch.manual_seed(99)  # whatever the program did before
    assert all(map(torch.equal, takes(1, [0, 5, 7]), [batches[k] for k in (0, 5, 7)]))
    assert not torch.equal(takes(2, [0])[0], batches[0])


@pytest.mark.parametrize("stop", [4, 6])
@pytest.mark.parametrize("kind", ["loader", "workers", "iterator"])
def test_a_run_on_a_stream_goes_on_to_the_bit(tmp_path, kind, stop):
    def data():
        if kind == "iterator":
            g = torch.Generator().manual_seed(3)
            return (torch.randn(16, 2, generator=g) for _ in range(12))
        return loader(num_workers=1 if kind == "workers" else 0)

    def stops(run):
        if run.step == stop + 1:
            raise SystemError

    straight = fit(model(), data(), **LOADED)
    how = LOADED | dict(folder=tmp_path, every=2)
    with pytest.raises(SystemError):
        fit(model(), data(), callback=stops, log_every=1, **how)
    assert max(checkpoints(tmp_path)) == stop
    assert digest(fit(model(), data(), resume=True, **how)) == digest(straight)


def test_a_batch_s_mean_is_over_its_data_however_it_is_cut():
    "Batches of 16 and 2 in three pieces: 2 data cannot be cut in three."
    x = points(48, 1).double()
    whole = fit(model(dtype=torch.float64), loader(x), **LOADED)
    pieces = fit(model(dtype=torch.float64), loader(x), accumulate=3, **LOADED)
    np.testing.assert_allclose(pieces.losses, whole.losses, rtol=1e-10)
    with pytest.raises(ValueError, match="a batch of data must hold 3 or more, got 2"):
        fit(model(), loader(), accumulate=3, **LOADED)


@pytest.mark.bad_input
def test_an_iterator_that_ends():
    with pytest.raises(
        ValueError, match="data must hold a batch for each step, and ended before step 4"
    ):
        fit(model(), iter([points(16)] * 3), **LOADED)
    with pytest.raises(
        ValueError, match="data must hold a batch for each step, and ended before step 1"
    ):
        fit(model(), DataLoader(TensorDataset(points(3)), 16, drop_last=True), **LOADED)


def test_a_stream_begins_in_the_epoch_of_the_step():
    "Whole epochs are not run through."
    begun = []

    class Counted(Rows):
        def __iter__(self):
            begun.append(0)
            return iter(self.items)

    assert Stream(Counted([10, 11, 12]), 0)(3001) == 11 and len(begun) == 1


# ---- transforms


def test_a_transform_draws_from_the_seed_and_may_change_the_shape(tmp_path):
    crop = lambda x: x[:, :2] * torch.where(torch.rand(len(x), 1) < 0.5, 1, -1)
    wide = torch.cat([points(), torch.full((300, 3), 9.0)], 1)
    p = model()
    torch.manual_seed(1)
    one = fit(p, wide, transform=crop, **SHORT)
    torch.manual_seed(2)
    assert digest(fit(model(), wide, transform=crop, **SHORT)) == digest(one)
    seen = torch.cat([Batches(p, wide, transform=crop)(k)[0] for k in range(3)])
    assert (seen.norm(dim=1) - 1).abs().max() < 1e-5
    with pytest.raises(
        ValueError, match=r"a batch of data must have shape \(b, 2\), got \(16, 5\)"
    ):
        fit(model(), wide, transform=lambda x: x, **SHORT)
    with pytest.raises(ValueError, match="data must be finite, got nan"):
        fit(model(), wide, transform=lambda x: x[:, :2] / 0 * 0, **SHORT)


# ---- conditions


def test_conditions_go_with_their_data_and_are_left_out_together():
    x = torch.arange(300.0)[:, None].expand(-1, 2)
    cond = beside() | {"text": x[:, :1].expand(-1, 3) + 1}
    batches = Batches(told(), x, 64, cond=cond, drop=0.25)
    rows, text, depth = [], [], []
    for k in range(30):
        x0, now, _, _ = batches(k)
        rows.append(x0[:, 0].long()), text.append(now["text"]), depth.append(now["depth"])
    rows, text, depth = map(torch.cat, (rows, text, depth))
    out = (text == 0).all(1)
    assert torch.equal(out, (depth == 0).flatten(1).all(1))  # all of one x's, or none
    assert torch.equal(text[~out], cond["text"][rows[~out]])
    assert torch.equal(depth[~out], cond["depth"][rows[~out]])
    assert abs(out.double().mean() - 0.25) < 5 * (0.25 * 0.75 / len(out)) ** 0.5


def test_conditions_are_learned_and_left_out_for_guidance():
    "The network draws where it is told to, and everywhere when it is told nothing."
    x = points(2000)
    p = told()
    cond = {"text": torch.cat([x.sign(), x[:, :1] * 0], 1)}
    fit(p, x, 500, 128, 1e-2, cond=cond, drop=0.2, ema=0.98, progress=False)
    there = lambda x: ((x[:, 0] < 0) & (x[:, 1] > 0)).double().mean()
    towards = torch.tensor([[-1.0, 1, 0]]).expand(400, -1)
    assert there(p.given(text=towards).sample(400, torch.Generator().manual_seed(0))) > 0.9
    assert 0.1 < there(p.sample(400, torch.Generator().manual_seed(0))) < 0.4


def test_what_stands_for_nothing_may_be_said():
    cond = {"text": beside()["text"]}
    none = {"text": torch.tensor([2.0, 2, 2])}
    batches = Batches(told(2.0), points(), 16, cond=cond, drop=1.0, none=none)
    assert (batches(0)[1]["text"] == 2).all()
    fit(told(2.0), points(), cond=cond, none=none, **SHORT)
    with pytest.raises(
        ValueError, match=r"network\(x_t, log_snr\) must say what it says of text left out"
    ):
        fit(told(2.0), points(), cond=cond, **SHORT)
    fit(told(2.0), points(), cond=cond, drop=0, **SHORT)


def test_a_class_for_all_comes_as_one_for_each():
    "What training gives a network of one's own, sampling gives it too: (b,) whole numbers."
    seen = []

    def network(x, log_snr, y=None):
        seen.append(y)
        return x

    p = DDPM(network, ForwardProcess(cosine_schedule(9)), (2,), "v").given(y=3)
    p.sample(4), p.predict(points(5), 2)
    assert {y.dtype for y in seen} == {torch.int64} and {y.shape for y in seen} == {(4,), (5,)}
    assert all((y == 3).all() for y in seen)


class NeedsIt(nn.Linear):
    "No default: it cannot be asked without."

    def forward(self, x, log_snr, text):
        return super().forward(x) + text


@pytest.mark.bad_input
@pytest.mark.parametrize("change, error, words", [
    (dict(cond={"txt": torch.zeros(300, 3)}), ValueError, r"network is called as network\(x_t, log_snr, txt=...\).*failed"),
    (dict(cond={"text": torch.zeros(7, 3)}), ValueError, r"cond\['text'\] must have 300 rows, one for each x, got shape \(7, 3\)"),
    (dict(cond={"text": object()}), TypeError, r"cond\['text'\] must be a tensor or array, got object"),
    (dict(cond=torch.zeros(300)), TypeError, "cond must be a Mapping, got Tensor"),
    (dict(cond={"y": torch.zeros(300).long()}, labels=torch.zeros(300).long()), ValueError, "labels is cond's y: give one"),
    (dict(p=DDPM(NeedsIt(2, 2), ForwardProcess(cosine_schedule(9)), (2,), "v"), cond={"text": torch.zeros(300, 2)}),
     ValueError, r"and, for drop > 0, as network\(x_t, log_snr\), .* failed"),
    (dict(p=DDPM(nn.Linear(2, 3), ForwardProcess(cosine_schedule(9)), (2,), "v")), ValueError, "log_snr of shape"),
    (dict(transform=3), TypeError, "transform must be a function of x0, got int"),
    (dict(optimizer=3), TypeError, "optimizer must be a function of weights and lr, got int"),
    (dict(optimizer=lambda w, lr: lr), TypeError, "optimizer must return a Optimizer, got float"),
    (dict(data=Rows([])), ValueError, "data must hold at least one x, got none"),
    (dict(data=Rows([(points(2)[0], 1, 2)] * 3)), ValueError, r"data must give x, \(x, y\), or a dict"),
    (dict(data=Rows([{"image": points(2)[0]}] * 3)), ValueError, r"data must give x, \(x, y\), or a dict with 'x'"),
    (dict(data=Rows([object()] * 3)), TypeError, r"data\[\d\] must hold tensors or arrays .*PILToTensor"),
    (dict(data=Rows([torch.zeros(2), torch.zeros(3)])), TypeError, r"must hold tensors or arrays of one shape"),
    (dict(data=loader()), ValueError, r"batch goes with a tensor, an array or a Dataset; an iterable brings"),
    (dict(data=np.array(["a", "b"])), TypeError, "data must be .*, got an array of <U1"),
    (dict(data={"x": points()}), TypeError, "data must be a floating-point or uint8 tensor .* got dict"),
    (dict(steps=10**9), ValueError, "steps must be at most 10,000,000, got 1,000,000,000"),
])  # fmt: skip
def test_refuses_what_does_not_fit(change, error, words):
    change = dict(change)
    p, data = change.pop("p", None) or told(), change.pop("data", points())
    with pytest.raises(error, match=words):
        fit(p, data, **SHORT | change)


@pytest.mark.bad_input
@pytest.mark.parametrize("more", [dict(cond=beside()), dict(labels=torch.zeros(300).long())])
def test_conditions_of_a_stream_are_in_it(more):
    with pytest.raises(ValueError, match="cond goes with a tensor, an array or a Dataset"):
        fit(told(), iter([points(16)] * 20), **LOADED, **more)


# ---- the optimiser, the raw weights, more steps, Ctrl-C


def test_ones_own_optimiser_and_the_raw_weights(tmp_path):
    "Against the plainest loop; and to the bit through a stop. SGD has no flag for gradients that are not finite."
    from functools import partial

    sgd = partial(torch.optim.SGD, momentum=0.9)
    p, q = model(), model()
    run = fit(p, points(), lr=0.05, clip=0, optimizer=sgd, **SHORT)
    plain = sgd(q.network.parameters(), lr=0.05)
    batches = Batches(q, points(), 16)
    for k in range(12):
        x0, _, t, eps = batches(k)
        for group in plain.param_groups:
            group["lr"] = 0.05 * (k + 1) / 3 if k < 3 else 0.025 * (1 + np.cos(np.pi * (k - 3) / 9))
        plain.zero_grad()
        simple_loss(q, x0, t=t, eps=eps).mean().backward()
        plain.step()
    for a, b in zip(run.raw.parameters(), q.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert not torch.equal(next(run.raw.parameters()), next(run.p.parameters()))

    def stops(now):
        if now.step == 7:
            raise SystemError

    how = SHORT | dict(lr=0.05, clip=0, optimizer=sgd, folder=tmp_path, every=3)
    with pytest.raises(SystemError):
        fit(model(), points(), callback=stops, log_every=1, **how)
    again = fit(model(), points(), resume=True, **how)
    assert digest(again) == digest(run)
    assert all(map(torch.equal, again.raw.parameters(), run.raw.parameters()))


def test_an_optimiser_without_a_flag_stops_too():
    calls, kept = [], {}

    def breaks(p, x0, t, eps):
        calls.append(0)
        return simple_loss(p, x0, t=t, eps=eps) / (len(calls) != 5)

    def keep(run):
        kept[run.step] = [w.clone() for w in run.p.parameters()]

    with pytest.raises(FloatingPointError, match="step 5"):
        p = model()
        fit(p, points(), loss=breaks, optimizer=torch.optim.SGD, **SHORT)
    calls[:] = [0] * 9
    fit(
        model(),
        points(),
        loss=breaks,
        optimizer=torch.optim.SGD,
        callback=keep,
        log_every=1,
        **SHORT,
    )
    assert all(map(torch.equal, p.parameters(), kept[4]))


def test_a_finished_run_is_made_longer(tmp_path):
    how = SHORT | dict(folder=tmp_path, every=4)
    first = fit(model(), points(), **how)
    more = fit(model(), points(), resume=True, **how | dict(steps=20))
    assert more.losses[:12] == first.losses and len(more.losses) == 20 and more.step == 20
    assert digest(fit(model(), points(), resume=True, **how | dict(steps=20))) == digest(more)
    with pytest.raises(
        ValueError, match="holds a run of 20 steps already: steps must be as many or more, got 12"
    ):
        fit(model(), points(), resume=True, **how)


@pytest.mark.skipif(os.name != "posix", reason="other signals elsewhere")
def test_ctrl_c_ends_the_step_and_keeps_it(tmp_path):
    calls = []

    def stopped(p, x0, t, eps):
        calls.append(0)
        if len(calls) == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return simple_loss(p, x0, t=t, eps=eps)

    how = SHORT | dict(folder=tmp_path, loss=stopped, every=100)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 7 of 12"):
        fit(model(), points(), **how)
    assert [*checkpoints(tmp_path)] == [7]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    straight = fit(model(), points(), **SHORT)
    assert digest(fit(model(), points(), resume=True, **how)) == digest(straight)


def test_modes(tmp_path):
    "Dropout and BatchNorm learn while it trains, and rest when it is sampled: in a callback and afterwards."
    p, seen = model(dropout=0.3), []
    p.network.eval()

    def loss(p, x0, t, eps):
        seen.append(p.network.training)
        return simple_loss(p, x0, t=t, eps=eps)

    run = fit(
        p,
        points(),
        loss=loss,
        callback=lambda run: seen.append(not run.p.network.training),
        **SHORT,
    )
    assert all(seen) and not any(q.network.training for q in (p, run.p, run.raw))


def test_a_network_with_batch_norm_is_left_alone_by_the_first_look():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    first = network[1].running_mean.clone()

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x, log_snr):
            return self.network(x)

    p = DDPM(Wrapped(), ForwardProcess(cosine_schedule(9)), (2,), "v")
    run = fit(p, points(), **SHORT)
    assert not torch.equal(network[1].running_mean, first)
    assert (
        int(network[1].num_batches_tracked)
        == 12
        == int(run.raw.network.network[1].num_batches_tracked)
    )


def test_ones_own_points_are_points():
    assert Points()(torch.zeros(3, 2), torch.zeros(3)).shape == (3, 2)
