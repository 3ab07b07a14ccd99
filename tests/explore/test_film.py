"The denoising film: how it is made of a reverse process."

import pytest
import torch

from diffusion_math.explore.film import FilmExplorer
from diffusion_math.forward import ForwardProcess, linear_schedule
from diffusion_math.gaussian import Gaussian
from diffusion_math.laws.mixture import GaussianMixture
from diffusion_math.reverse import ExactReverse, ReverseProcess
from tests.truth import seed


@pytest.fixture
def path():
    return torch.randn(6, 3, 1, 8, 8, generator=seed())


class Naive(ReverseProcess):
    def step(self, x_t, t):
        return Gaussian(0.9 * x_t, 0.1)


def test_the_bytes_are_the_pictures(path):
    guess = path / 2
    ours = FilmExplorer(path, guess, frame=2, seed=1)
    sent = torch.frombuffer(bytearray(ours._frames), dtype=torch.uint8).view(3, 6, 2, 8, 8)
    for which, x in enumerate((path, guess)):
        values = sent[:, :, which].double() / 127.5 - 1
        torch.testing.assert_close(
            values, x[:, :, 0].transpose(0, 1).clamp(-1, 1).double(), rtol=0, atol=0.51 / 127.5
        )
    assert (ours.t, ours._times) == (3, [5, 4, 3, 2, 1, 0])


def test_the_distance_is_that_to_the_digit_that_comes_out(path):
    ours = FilmExplorer(path, path.flip(0))
    moves = torch.frombuffer(bytearray(ours._moves), dtype=torch.float32).view(3, 6)
    truth = ((path.flip(0) - path[-1]) ** 2).mean((2, 3, 4)).sqrt().T
    torch.testing.assert_close(moves, truth)


@pytest.mark.parametrize("T, frames", [(10, 51), (10, 4), (7, 2)])
def test_a_film_of_an_exact_reverse_process(T, frames):
    mixture = GaussianMixture(
        [0.5, 0.5], torch.randn(2, 1, 6, 6, generator=seed()), torch.tensor([0.05, 0.1])
    )
    p = ExactReverse(ForwardProcess(linear_schedule(T)), mixture)
    ours = FilmExplorer.of(p, n=2, frames=frames, generator=seed(1), like=torch.zeros(1))
    times, count = ours._times, min(frames, T + 1)
    assert len(times) == count and times[0] == T and times[-1] == 0
    path = p.sample(2, generator=seed(1), trajectory=True, like=torch.zeros(1))
    assert torch.equal(ours.x_t, path[times]) and torch.equal(ours.x0[-1], path[0])
    for i in range(count - 1):
        torch.testing.assert_close(
            ours.x0[i], mixture.denoise(path[times[i]], p.q.schedule.log_snr[times[i]])
        )


def test_a_process_that_guesses_nothing_has_a_film_all_the_same():
    ours = FilmExplorer.of(Naive(ForwardProcess(linear_schedule(5)), (1, 4, 4)), n=1)
    assert ours.x0 is None and ours._size == [1, 6, 4, 4, 0]


def test_a_process_that_predicts_is_asked():
    class Predicts(Naive):
        def predict(self, x_t, t):
            return type("Prediction", (), {"x0": x_t * 0 + t})

    ours = FilmExplorer.of(
        Predicts(ForwardProcess(linear_schedule(5)), (1, 4, 4)), n=1, generator=seed()
    )
    assert ours.x0[:-1, 0, 0, 0, 0].tolist() == [5, 4, 3, 2, 1] and torch.equal(
        ours.x0[-1], ours.x_t[-1]
    )


@pytest.mark.bad_input
def test_a_film_of_something_else():
    with pytest.raises(TypeError, match="p must be a ReverseProcess, got int"):
        FilmExplorer.of(3)
    with pytest.raises(ValueError, match=r"frames must lie in \[2, 1001\], got 1"):
        FilmExplorer.of(Naive(ForwardProcess(linear_schedule(5)), (1, 4, 4)), frames=1)
