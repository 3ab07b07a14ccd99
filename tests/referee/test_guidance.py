"Rules of guidance: both ways to count, each slip by its name, intervals, clips; and the package's own rule."

import pytest
import torch

from diffusion_math import GaussianMixture, cosine_schedule, guided
from diffusion_math.guidance import NO_GUIDANCE, guidance_weight
from diffusion_math.referee.clock import clock_of
from diffusion_math.referee.guidance import PICTURE, SLIPS, guidance, say
from diffusion_math.referee.loss import KINDS

BAR = cosine_schedule(30).alpha_bar[1:]
CLOCKS = {
    "steps": {"alphas_cumprod": BAR},
    "sigma": {"sigmas": torch.linspace(0.05, 20.0, 20)},
    "flow": {"flow_times": torch.linspace(0, 1, 21)},
}
EVERY = [
    (clock, s.name, i) for clock in (None, "steps") for s in SLIPS for i in range(len(s.makes))
]
EVERY += [(clock, "clipped before it is mixed", i) for clock in ("sigma", "flow") for i in (0, 1)]


def imagen(cond, uncond, w, *_):
    return uncond + w * (cond - uncond)


def by_zero(cond, uncond, w, *_):
    return (1 + w) * cond - w * uncond


@pytest.mark.parametrize("paper", NO_GUIDANCE)
def test_both_counts_are_right_and_each_paper_has_one_of_them(paper):
    own, other = (imagen, by_zero) if NO_GUIDANCE[paper] else (by_zero, imagen)
    assert guidance(own) and guidance(own, paper=paper).error < 1e-6
    said = guidance(other, paper=paper)
    assert said.slip == "another paper's zero" and said.error > 0.1
    mended = lambda cond, uncond, w: imagen(cond, uncond, guidance_weight(w, paper))
    assert guidance(mended, paper=paper)


def test_right_in_other_styles():
    for f in (
        lambda t, u, w: torch.lerp(u, t, w),
        lambda t, u, w: w * t + (1 - w) * u,
        lambda t, u, w: t + (w - 1) * (t - u),
        lambda t, u, w: u.add_((t - u).mul_(w)),  # what it was handed is its own
        lambda t, u, w: imagen(t, u, w) if w > 1 else t,
        lambda t, u, w: u.numpy() + w * (t.numpy() - u.numpy()),
        lambda t, u, w: torch.stack([imagen(x, y, w) for x, y in zip(t, u, strict=True)]),
    ):
        assert guidance(f) and guidance(f, event_shape=(2,), paper="Imagen")


def test_the_packages_own_rule_is_right():
    law = [GaussianMixture([1.0], torch.tensor([[m, 0.0]]).double(), torch.ones(1).double()) for m in (0, 1)]  # fmt: skip
    x, level = torch.randn(4, 2).double(), torch.tensor(0.3).double()
    by, off = (one.denoise(x, level) for one in law)

    def f(cond, uncond, w):
        rule = guided(lambda x, _: cond.to(x), lambda x, _: uncond.to(x), w)
        return rule(torch.zeros_like(cond), torch.zeros(len(cond)))

    assert guidance(f, paper="Imagen", event_shape=(2,))
    due = by_zero(by, off, 1.5)
    torch.testing.assert_close(guided(*law, 2.5)(x, level), due, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("clock, name, i", EVERY)
def test_every_slip_is_named_and_none_is_taken_for_another(clock, name, i):
    "With and without the time; a picture's slips where a picture is known."
    make = next(s for s in SLIPS if s.name == name).makes[i]
    bare, first = clock is None, name == "clipped before it is mixed"
    predicts = "x0" if bare and first else {"flow": "velocity", "sigma": "v"}.get(clock, "eps")
    given = {} if bare else CLOCKS[clock]

    def f(cond, uncond, w, x=None, t=None):
        read = write = lambda y: y
        if first and not bare:
            a, s = (c[0].to(x.dtype) for c in clock_of(**given).scales(t))
            read, write = (lambda y: PICTURE[predicts](y, x, a, s)), (lambda y: say(predicts, y, x, a, s))  # fmt: skip
        return make(cond=cond, uncond=uncond, w=w, read=read, write=write)

    said = guidance(f, **given, predicts=predicts)
    assert not said and said.slip == name, said


@pytest.mark.parametrize("predicts", PICTURE)
def test_pictures_are_read_and_written_as_their_definitions_say(predicts):
    x0, eps = torch.randn(2, 5, 3).double()
    for a, s in ((0.6, 0.8), (1.0, 3.0), (0.3, 0.7)):
        a, s = torch.tensor(a).double(), torch.tensor(s).double()
        x_t, said = a * x0 + s * eps, KINDS[predicts](x0=x0, eps=eps, a=a, s=s)
        torch.testing.assert_close(PICTURE[predicts](said, x_t, a, s), x0, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(say(predicts, x0, x_t, a, s), said, rtol=1e-9, atol=1e-9)


def test_a_clip_of_the_mix_is_right_only_where_it_is_a_picture():
    clipped = lambda cond, uncond, w: imagen(cond, uncond, w).clamp(-1, 1)
    said = guidance(clipped, predicts="x0")
    assert said and "clipped to [-1, 1] as a picture" in str(said)
    assert guidance(clipped).slip == "clipped where it is no picture"
    ours = clock_of(BAR)

    def last(cond, uncond, w, x, t):
        a, s = (c[0].to(x.dtype) for c in ours.scales(t))
        x0 = (x - s * imagen(cond, uncond, w)) / a
        return (x - a * x0.clamp(-1, 1)) / s

    assert guidance(last, BAR)


def only(low, high, inside=imagen, outside=lambda cond, uncond, w: cond):
    return lambda cond, uncond, w, x, t: (inside if low <= t <= high else outside)(cond, uncond, w)


@pytest.mark.parametrize(
    "f, slip",
    [
        (only(5, 20), ""),
        (only(5, 20, by_zero), ""),
        (only(6, 20), "an end of the interval one entry off"),
        (only(4, 21), "an end of the interval one entry off"),
        (only(9, 24), "the interval counted from the other end"),
        (only(5, 20, lambda t, u, w: t, imagen), "the interval turned around"),
        (imagen, "the interval is not looked at"),
        (only(5, 20, outside=lambda t, u, w: u), "uncond outside of the interval"),
        (only(99, 99), "the scale is not used"),
        (only(5, 20, lambda t, u, w: imagen(u, t, w)), "cond and uncond swapped"),
    ],
)
def test_intervals(f, slip):
    said = guidance(f, BAR, interval=(5, 20))
    assert bool(said) == (not slip) and said.slip == slip, said
    assert slip or "t = 5 to 20" in str(said)


def test_an_interval_is_found_and_in_sigma_too():
    assert "It guides at t = 5 to 20" in str(guidance(only(5, 20), BAR))
    assert "in 2 pieces" in str(guidance(only(5, 20, lambda t, u, w: t, imagen), BAR))
    unknown = guidance(only(10, 15), BAR, interval=(5, 20))
    assert not unknown and not unknown.slip and "t = 10 to 15, where t = 5 to 20" in str(unknown)
    assert guidance(only(0.5, 5), **CLOCKS["sigma"], interval=(0.5, 5.0))


def test_no_guidance_is_the_conditional_answer():
    off = lambda other: lambda t, u, w: imagen(t, u, w) if w > 1 else other(t, u)
    assert guidance(off(lambda t, u: u)).slip == "uncond where there is no guidance"
    said = guidance(off(lambda t, u: (t + u) / 2))
    assert not said and not said.slip and "something else" in str(said)


def test_what_is_unknown_is_weighed():
    said = guidance(lambda t, u, w: u + 1.1 * w * (t - u))
    assert (
        not said
        and not said.slip
        and "cond with 1.65 and uncond with -0.65, together 1." in str(said)
    )
    said = guidance(lambda t, u, w: imagen(t, u, w).tanh())
    assert not said and not said.slip and "no weighted sum" in str(said)


def test_what_gives_no_answer():
    assert "ZeroDivisionError" in str(guidance(lambda *a: 1 / 0))
    assert "another shape" in str(guidance(lambda t, u, w: t[0]))
    assert "not finite" in str(guidance(lambda t, u, w: imagen(t, u, w) / 0))
    assert "takes 3 positional" in str(guidance(lambda t, u, w: t, BAR))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "more, error, words",
    [
        ({"paper": "mine"}, ValueError, "paper must be one of"),
        ({"predicts": "noise"}, ValueError, "predicts must be one of"),
        ({"interval": (1, 2)}, TypeError, "interval needs the table"),
        ({"interval": 3, "alphas_cumprod": BAR}, TypeError, "interval must be two times"),
        ({"interval": (3, 2), "alphas_cumprod": BAR}, ValueError, "high must be 3 or more"),
        ({"betas": BAR, "sigmas": BAR}, TypeError, "give one of"),
    ],
)
def test_what_makes_no_sense_is_refused(more, error, words):
    with pytest.raises(error, match=words):
        guidance(imagen, **more)
