"What a wrong argument does in Part II: each public function, each argument, by its kind; an error must name it."

import inspect
import math

import pytest
import torch

from diffusion_math import (
    DDPM,
    ForwardProcess,
    GaussianMixture,
    Schedule,
    area,
    convert,
    flow,
    flow_likelihood,
    guidance,
    matching,
    quantile_flow,
    sde,
    solvers,
    velocity,
)  # fmt: skip

pytestmark = pytest.mark.bad_input
F64, NAN, INF = torch.float64, math.nan, math.inf
X, ONE = torch.zeros(2, 2, dtype=F64), torch.zeros(2, 1, dtype=F64)
LINE = GaussianMixture([1.0], torch.zeros(1, 1, dtype=F64), torch.ones(1, dtype=F64))
Q = ForwardProcess(Schedule.from_log_snr(torch.linspace(5, -5, 4, dtype=F64)))
SAYS = lambda x, level, **cond: 0.5 * x
P = DDPM(SAYS, Q, (2,), predicts="x0", variance="beta")
LAW = area.LogSNRLaw([-5.0, 5.0])

# kind -> one that is right, and what is wrong
ANY = (object(), {"a": 1}, 1j)
TENSOR = (*ANY, "3", 2.5, None, torch.zeros(2, 2).long(), torch.tensor(1.0))
LEVEL = (*ANY, "3", NAN, None, torch.zeros(3), torch.tensor(True))
END = (*ANY, "3", NAN, None, INF, 1e4, torch.zeros(2))
COUNT = (*ANY, "3", NAN, 2.5, True, 0, -1, 10**12)
NUMBER = (*ANY, "3", NAN, -1.0, INF)
FLAG = (*ANY, "no", 1, None)
DENOISER = (*ANY, "3", 2.5, None)
RANDOM = (*ANY, "3", 1)
GRID = (*ANY, "3", 2.5, None, [0.0], [1.0, 1.0], [0.0, NAN], [[0.0, 1.0]], [0.0, 81.0], ["a", "b"])
TIMES = (*ANY, "3", 2.5, None, [0.5], [1.0, 1.0], [1.0, NAN], [[1.0, 0.5]], [1.0, -0.1])
SOLVER = (*ANY, "best", 3, None)
TIME = (*LEVEL, -0.1, 1.1)
CALLS = [
    (velocity, dict(denoiser=(SAYS, DENOISER), x=(X, TENSOR), log_snr=(0.5, LEVEL))),
    (flow, dict(denoiser=(SAYS, DENOISER), x=(X, TENSOR), start=(-1.0, END), end=(1.0, END), steps=(2, COUNT),
     trajectory=(True, FLAG))),
    (quantile_flow, dict(law=(LINE, DENOISER), x=(ONE, (*TENSOR, X)), start=(-1.0, END[:6]), end=(1.0, END[:6]))),
    (sde.drift, dict(denoiser=(SAYS, DENOISER), x=(X, TENSOR), log_snr=(0.5, LEVEL), dial=(1.0, NUMBER))),
    (sde.diffusion, dict(x=(X, TENSOR), log_snr=(0.5, LEVEL), dial=(1.0, NUMBER))),
    (sde.walk, dict(denoiser=(SAYS, DENOISER), x=(X, TENSOR), start=(-1.0, END), end=(1.0, END), steps=(2, COUNT),
     dial=(1.0, NUMBER), generator=(None, RANDOM), trajectory=(True, FLAG))),
    (solvers.solve, dict(denoiser=(SAYS, DENOISER), x=(X, TENSOR), grid=([0.0, 1.0], GRID), solver=("2m", SOLVER),
     generator=(None, RANDOM), trajectory=(True, FLAG), progress=(False, FLAG))),
    (solvers.draw, dict(p=(P, DENOISER), n=(2, COUNT[:5]), steps=(2, COUNT), solver=("2m", SOLVER),
     grid=([0.0, 1.0], tuple(v for v in GRID if v is not None)), generator=(None, RANDOM), progress=(False, FLAG),
     trajectory=(False, FLAG), like=(X, (*ANY, "3", 2.5)))),
    (solvers.fitted, dict(nodes=([0.0, -1.0], (*ANY, "3", 2.5, None, [], [1.0, 1.0], [0.0, NAN], ["a", "b"])), h=(0.5,
     (*ANY, "3", NAN, INF, None)))),
    (solvers.even_grid, dict(start=(-1.0, END), end=(1.0, END), steps=(2, COUNT), clean=(True, FLAG))),
    (solvers.karras_grid, dict(start=(-1.0, END), end=(1.0, END), steps=(2, COUNT), rho=(7.0, (*NUMBER, 0.0)),
     clean=(True, FLAG))),
    (solvers.cosine_grid, dict(start=(-1.0, END), end=(1.0, END), steps=(2, COUNT), stretch=(2.0, (*NUMBER, 0.0)),
     clean=(True, FLAG))),
    (solvers.planned_grid, dict(denoiser=(SAYS, DENOISER), x=(X, (*TENSOR, X[:0], X * NAN)), levels=([0.0, 1.0, 2.0],
     GRID), steps=(2, (*COUNT, 3)), solver=("ddim", SOLVER))),
    (solvers.polished_grid, dict(denoiser=(SAYS, DENOISER), x=(X, (*TENSOR, X[:0], X * NAN)), grid=([0.0, 1.0, 2.0],
     GRID), solver=("2m", SOLVER), rounds=(1, COUNT), fine=(4, COUNT), power=(2.0, (*NUMBER, 0.0)))),
    (matching.log_snr_to_time, dict(log_snr=(0.5, (*ANY, "3", NAN, None)))),
    (matching.time_to_log_snr, dict(t=(0.5, (*ANY, "3", NAN, None, 1.5)))),
    (matching.FlowMatching, dict(network=(SAYS, DENOISER), noise_at=(1, (*COUNT[:6], 2)))),
    (matching.line_velocity, dict(denoiser=(SAYS, DENOISER), x_t=(X, TENSOR), t=(0.5, TIME))),
    (matching.flow_loss, dict(model=(SAYS, ()), x0=(X, TENSOR), generator=(None, RANDOM), t=(0.5, tuple(v for v in TIME
     if v is not None)), eps=(X, (*ANY, "3", 2.5, X[:1])))),
    (matching.line_walk, dict(denoiser=(SAYS, DENOISER), x=(X, TENSOR), times=([1.0, 0.5], TIMES), trajectory=(True,
     FLAG))),
    (matching.straightness, dict(path=(torch.zeros(2, 2, 2), TENSOR), times=([1.0, 0.5], TIMES))),
    (matching.pair_noise, dict(x0=(X, TENSOR), eps=(X, (*TENSOR, X[:1])))),
    (guidance.guided, dict(cond=(SAYS, DENOISER), uncond=(SAYS, DENOISER), w=(2.0, (*ANY, "3", NAN, INF, None)),
     low=(0.0, (*ANY, "3", NAN, None)), high=(1.0, (*ANY, "3", NAN, None, -1.0)))),
    (guidance.classified, dict(denoiser=(SAYS, DENOISER), log_prob=(SAYS, DENOISER))),
    (guidance.guidance_weight, dict(value=(2.0, (*ANY, "3", NAN, INF)), paper=("Imagen", (*ANY, "mine", 3)))),
    (flow_likelihood.divergence, dict(denoiser=(SAYS, DENOISER), x=(X, (*TENSOR, X * NAN)), log_snr=(0.5, (*LEVEL, INF,
     81.0)), signs=(torch.ones(1, 2, 2), (*ANY, "3", 2.5, X, torch.ones(0, 2, 2))))),
    (flow_likelihood.log_prob_by_flow, dict(denoiser=(LINE, DENOISER), x0=(ONE, (*TENSOR, ONE * NAN)), start=(2.0,
     END[:5] + (81.0, -3.0)), end=(-2.0, END[:5] + (-81.0, 3.0)), probes=(1, COUNT), tolerance=(1e-2, (*NUMBER, 0.0,
     2.0)), second=(False, FLAG), generator=(None, RANDOM), calls=(99, COUNT), progress=(False, FLAG))),
    (area.noise_error, dict(denoiser=(SAYS, DENOISER), x0=(X, TENSOR), log_snr=(0.5, (*LEVEL, INF, 81.0)), eps=(X,
     (*TENSOR, X[:1])))),
    (area.normal_error, dict(x0=(X, TENSOR), log_snr=(0.5, (*LEVEL, INF, 81.0)), eps=(X, (*ANY, "3", 2.5, X[:1])))),
    (area.error_curve, dict(denoiser=(SAYS, DENOISER), x0=(ONE, (*TENSOR, torch.zeros(2, 3))), log_snr=(torch.zeros(1),
     (*ANY, "3", 2.5, [0.0], torch.tensor([NAN]))), nodes=(20, (*COUNT, 19)))),
    (area.log_prob_by_area, dict(denoiser=(LINE, DENOISER), x0=(ONE, (*TENSOR, torch.zeros(2, 3))), nodes=(40, (*COUNT,
     19)), low=(-9.0, END), high=(9.0, (*END, -10.0)), step=(1.0, (*NUMBER, 0.0, 1e-9)))),
    (area.area_estimate, dict(denoiser=(SAYS, DENOISER), x0=(X, TENSOR), levels=(LAW, (*ANY, [0.0, 1.0])), n=(4,
     (*COUNT, 3)), replicates=(2, COUNT[:7]), normal=(True, FLAG), generator=(None, RANDOM))),
    (area.bound_by_area, dict(p=(P, DENOISER), x0=(X, (*TENSOR, ONE, X * NAN)), n=(4, (*COUNT, 3)), levels=(LAW, (*ANY,
     [0.0, 1.0], area.LogSNRLaw([0.0, 1.0]))), replicates=(2, COUNT[:7]), generator=(None, RANDOM))),
    (area.learn_levels, dict(denoiser=(SAYS, DENOISER), x0=(X, (*TENSOR, X[:0])), levels=(LAW, ANY), rounds=(1,
     COUNT[:5] + (-1, 10**12)), rate=(0.1, (*NUMBER, 0.0, 2.0)), generator=(None, RANDOM))),
    (area.best_variance, dict(q=(Q, DENOISER), error=(torch.ones(5), (*ANY, "3", 2.5, torch.ones(4), -torch.ones(5))))),
    (area.LogSNRLaw, dict(edges=([0.0, 1.0], GRID[:-2]), shares=([1.0], (*ANY, "3", [0.0], [NAN], [1.0, 1.0])))),
    (convert.from_kdiffusion, dict(model=(SAYS, DENOISER))),
    (convert.from_velocity, dict(model=(SAYS, DENOISER), data_at=(0, (*COUNT[:6], 2)))),
    (convert.from_score, dict(model=(SAYS, DENOISER), told=("sigma", (*ANY, "mine", 3)))),
    (convert.to_diffusers, dict(p=(P, DENOISER))),
]  # fmt: skip
CASES = [
    pytest.param(f, name, {k: good for k, (good, _) in args.items()}, wrong, id=f"{f.__name__}-{name}")
    for f, args in CALLS
    for name, (_, wrong) in args.items()
]  # fmt: skip


@pytest.mark.parametrize("f, name, right, wrong", CASES)
def test_what_is_wrong_is_refused_by_its_name(f, name, right, wrong):
    f(**right)
    for value in wrong:
        with pytest.raises((TypeError, ValueError), match=rf"\b{name}\b"):
            f(**right | {name: value})


def test_every_public_function_of_part_two_is_asked():
    rooms = (sde, solvers, matching, guidance, flow_likelihood, area, convert)
    public = {n for room in rooms for n in room.__all__} | {"flow", "velocity", "quantile_flow"}
    data = {"SOLVERS", "NO_GUIDANCE", "FlowLogProb"}
    own = {"Solver", "fixed", "Foreign", "from_diffusers"}  # asked in their own tests
    assert {f.__name__ for f, _ in CALLS} == public - data - own
    for f, args in CALLS:
        missing = set(inspect.signature(f).parameters) - set(args) - {"decoder", "cond"}
        assert not missing, (f.__name__, missing)
