"Letters and coins: against enumeration of all words, all masks, all orders, and against hand-made laws."

import itertools
import math
from collections import Counter

import pytest
import torch

from diffusion_math.letters import (
    ALPHABET,
    BinomialChain,
    CoinMixture,
    MarkovLaw,
    TableLaw,
    hidden_costs,
    hide,
    masked_bound,
    masked_loss,
    one_hot,
    prose,
    replay,
    spell,
    unmask,
    unmask_law,
)
from tests.truth import seed

f64 = torch.float64


def table(letters=3, length=4):
    return TableLaw(torch.rand([letters] * length, generator=seed(), dtype=f64) ** 3)


def markov(order=2, letters=3, length=5):
    start = torch.rand([letters] * order, generator=seed(), dtype=f64)
    step = torch.rand([letters] * (order + 1), generator=seed(), dtype=f64) ** 2
    step[(0,) * order] = torch.eye(letters, dtype=f64)[1]  # some words never come
    return MarkovLaw(start, step / step.sum(-1, keepdim=True), length)


def inconsistent(letters=3, length=4):
    "A denoiser whose answers contradict each other: a small network that was never trained."
    w = torch.randn(length * letters, length * letters, generator=seed(), dtype=f64)
    return lambda x, log_snr: (x.flatten(1).to(w) @ w).view(x.shape).softmax(2).to(x)


def masks(x0):
    "All masks of one word, as words with blanks."
    keep = torch.tensor(list(itertools.product([0.0, 1.0], repeat=x0.shape[1])), dtype=f64)
    return x0 * keep[:, :, None]


# ------------------------------------------------------------------------------------------------ the laws


def by_counting(law, x_t):
    "The chances of each letter, from the words that fit: a sum for every letter."
    words, p = law.words(), law.probs.flatten()
    said = torch.zeros_like(x_t)
    for b, x in enumerate(x_t):
        fits = ((words == x) | (x.sum(1, keepdim=True) == 0)).all(2).all(1)
        said[b] = (p[fits, None, None] * words[fits]).sum(0) / p[fits].sum()
    return said


def test_a_table_answers_by_counting():
    law = table()
    x_t = torch.cat([masks(x[None]) for x in law.sample(5, seed())])
    assert torch.allclose(law.denoise(x_t), by_counting(law, x_t), atol=1e-13, rtol=1e-13)
    assert torch.equal(law.denoise(x_t.float()), law.denoise(x_t).float())


@pytest.mark.parametrize("order, letters, length", [(1, 3, 5), (2, 3, 5), (2, 2, 2), (3, 2, 6)])
def test_two_passes_answer_as_the_table_of_all_words_does(order, letters, length):
    law = markov(order, letters, length)
    every = table(letters, length).words()
    whole = TableLaw(law.log_prob(every).exp().view([letters] * length))
    assert law.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-13)
    assert law.entropy() == pytest.approx(whole.entropy(), abs=1e-12)
    x_t = torch.cat([masks(x[None]) for x in law.sample(6, seed())])
    assert torch.allclose(law.denoise(x_t), whole.denoise(x_t), atol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("law", [table(), markov()], ids=["table", "markov"])
def test_draws_come_as_often_as_the_law_says(law):
    x, n = law.sample(20_000, seed()), 20_000
    assert x.shape == (n, *law.event_shape) and law.log_prob(x).isfinite().all()
    off = (x.mean(0) - law.denoise(torch.zeros(1, *law.event_shape, dtype=f64))[0]).abs()
    assert (off <= 5 * (0.25 / n) ** 0.5).all()
    mean, stderr = -law.log_prob(x).mean(), law.log_prob(x).std() / n**0.5
    assert abs(mean - law.entropy()) <= 5 * stderr
    assert torch.equal(x, law.sample(n, seed()))


def test_a_text_is_counted_in_a_ring():
    law = MarkovLaw.fit("abcab", 4, alphabet="abc")
    assert law.start[0, 1] == 0.4 and law.start[2, 2] == 0 and law.start[1, 0] == 0.2
    assert law.step[0, 1].tolist() == [0.5, 0, 0.5]  # ab -> c, and in the ring ab -> a
    assert law.step[2, 2].tolist() == pytest.approx([1 / 3] * 3)  # never seen
    text = prose()
    law = MarkovLaw.fit(text, 16)
    runs = Counter(text[i : i + 3] for i in range(len(text) - 2))
    x = one_hot(["the the the the "])
    chance = (runs["the"] + 0) / sum(runs[f"th{c}"] for c in ALPHABET)
    assert law.step[20, 8, 5].item() == pytest.approx(chance, rel=1e-3)
    assert law.log_prob(x).isfinite().all() and set(text) == set(ALPHABET)


def test_a_ring_looks_alike_everywhere():
    "Each place of a word has the letters of the text, so it does not matter where one begins."
    law = MarkovLaw.fit("to be or not to be that is the question ", 7, order=1)
    chances = law.denoise(torch.zeros(1, 7, 27, dtype=f64))[0]
    assert torch.allclose(chances, chances[0].expand(7, 27), atol=1e-13, rtol=1e-13)


def test_letters_that_never_come_together():
    law = TableLaw(torch.tensor([[0.5, 0], [0, 0.5]]))
    wrong = torch.eye(2, dtype=f64)[None]
    assert law.denoise(wrong).tolist() == [[[0.5, 0.5], [0.5, 0.5]]]
    assert law.log_prob(wrong).item() == -math.inf
    chain = MarkovLaw(torch.ones(2), torch.eye(2), 4)
    x_t = torch.tensor([[[1.0, 0], [0, 0], [0, 0], [0, 1]], [[1, 0], [0, 0], [0, 0], [0, 0]]])
    said = chain.denoise(x_t)
    assert torch.allclose(said.sum(2), torch.ones(2, 4)) and said[1, 3].tolist() == [1, 0]


def test_texts_there_and_back():
    words = ["a_c", "___", "cab"]
    x = one_hot(words, "abc")
    assert x.shape == (3, 3, 3) and x[1].sum() == 0 and spell(x, "abc") == words
    assert spell(one_hot(["to be_"])) == ["to be_"]


# ------------------------------------------------------------------------------------------------ masks


def test_each_letter_stays_with_the_chance_of_its_level():
    x0 = table().sample(4, seed()).repeat(5_000, 1, 1)
    level = torch.tensor([-math.inf, -1.0, 2.0, math.inf]).repeat(5_000)
    kept = hide(x0, level, seed())
    assert torch.equal(kept * x0, kept)
    for k, v in enumerate((-math.inf, -1.0, 2.0, math.inf)):
        share, chance = kept[k::4].sum(2).mean().item(), 1 / (1 + math.exp(-v))
        assert abs(share - chance) <= 5 * (chance * (1 - chance) / 20_000) ** 0.5


def orders(denoiser, x0):
    return torch.stack([replay(denoiser, x0, torch.tensor(order))
                        for order in itertools.permutations(range(x0.shape[1]))])  # fmt: skip


def test_the_bound_is_an_average_over_orders_and_an_area():
    x0, says = table().words(), inconsistent()
    bound = masked_bound(says, x0)
    assert torch.allclose(bound, -orders(says, x0).mean(0), atol=1e-12, rtol=1e-12)
    t = torch.linspace(
        0, 1, 2001, dtype=f64
    )  # Simpson's rule is exact for cubes, and these are cubes
    costs = hidden_costs(says, x0)
    bump = sum(
        math.comb(4, h) * t[:, None] ** (h - 1) * (1 - t[:, None]) ** (4 - h) * costs[h - 1]
        for h in range(1, 5)
    )
    weight = torch.ones(2001, dtype=f64) * 2
    weight[1::2], weight[0], weight[-1] = 4, 1, 1
    assert torch.allclose(bound, (weight[:, None] * bump).sum(0) / 6000, atol=1e-12, rtol=1e-12)


def test_the_exact_answers_give_the_law_in_every_order():
    law = table()
    x0 = law.words()
    assert torch.allclose(orders(law, x0), law.log_prob(x0).expand(24, -1), atol=1e-12, rtol=1e-12)
    assert torch.allclose(masked_bound(law, x0), -law.log_prob(x0), atol=1e-12, rtol=1e-12)


def test_the_gap_is_never_below_zero():
    x0, says = table().words(), inconsistent()
    each = orders(says, x0)
    p = each.logsumexp(0) - math.log(24)
    assert p.exp().sum().item() == pytest.approx(1, abs=1e-12)
    given = (each - p - math.log(24)).exp()  # the chance of an order, given the word
    gap = -(given.new_tensor(1 / 24) * (24 * given).log()).sum(0)
    assert (
        torch.allclose(p + masked_bound(says, x0), gap, atol=1e-12, rtol=1e-12) and gap.min() > 1e-3
    )


def test_one_draw_has_the_bound_as_its_mean():
    x0, says, n = table().sample(3, seed()), inconsistent(), 20_000
    # all copies of a word side by side: strata that follow the batch would give each word one kind of mask
    each = masked_loss(says, x0.repeat_interleave(n, 0), seed()).view(3, n)
    stderr = each.std(1) / n**0.5
    assert ((each.mean(1) - masked_bound(says, x0)).abs() <= 5 * stderr).all()
    assert masked_loss(says, x0.float(), seed()).dtype == torch.float32


@pytest.mark.long
def test_each_word_of_a_batch_has_its_own_bound():
    x0, says, dice, hidden = table().sample(8, seed()), inconsistent(), seed(), []

    def asked(x, log_snr):
        hidden.append(4 - x.sum((1, 2)))
        return says(x, log_snr)

    each = torch.stack([masked_loss(asked, x0, dice) for _ in range(2000)])
    stderr = each.std(0) / 2000**0.5
    assert ((each.mean(0) - masked_bound(says, x0)).abs() <= 5 * stderr).all()
    # every number of hidden letters comes twice in each batch, and as often for each word
    h = torch.stack(hidden)
    assert (h.sort(1).values == torch.tensor([1, 1, 2, 2, 3, 3, 4, 4])).all()
    share = torch.stack([(h == k).double().mean(0) for k in range(1, 5)])
    assert ((share - 0.25).abs() <= 5 * (0.25 * 0.75 / 2000) ** 0.5).all()


@pytest.mark.long
def test_a_batch_that_does_not_divide_into_the_letters_has_all_masks_as_often():
    x0, dice, hidden = table().sample(3, seed()), seed(), []

    def asked(x, log_snr):
        hidden.append(4 - x.sum((1, 2)))
        return torch.full_like(x, 1 / 3)

    for _ in range(2000):
        masked_loss(asked, x0, dice)
    h = torch.stack(hidden)
    share = torch.stack([(h == k).double().mean(0) for k in range(1, 5)])
    assert ((share - 0.25).abs() <= 5 * (0.25 * 0.75 / 2000) ** 0.5).all()


def test_the_denoiser_is_told_the_share_that_is_shown():
    told = []

    def says(x, log_snr):
        told.append((torch.sigmoid(log_snr), x.sum((1, 2)) / 4))
        return torch.full_like(x, 1 / 3)

    masked_loss(says, table().sample(64, seed()), seed())
    masked_bound(says, table().sample(2, seed()))
    assert (
        all(torch.allclose(a.double(), b, atol=1e-12, rtol=1e-12) for a, b in told)
        and len(told) == 16
    )
    even = -math.log(1 / 3) * 4
    assert masked_bound(says, table().sample(2, seed())).tolist() == pytest.approx([even] * 2)


def test_gradients_pass():
    w = torch.zeros(3, requires_grad=True)
    says, x0 = lambda x, v: w.softmax(0).expand(x.shape), table().sample(32, seed()).float()
    masked_loss(says, x0, seed()).mean().backward()
    assert w.grad.abs().sum() > 0


# ------------------------------------------------------------------------------------------------ writing

WAYS = [("random", 1), ("random", 2), ("random", 4), ("left", 3), ("top probability", 2), ("top probability", 4),
        ("remask", 1), ("remask", 2), ("remask", 4), ("left", [1, 3])]  # fmt: skip


@pytest.mark.parametrize("pick, steps", WAYS)
def test_what_is_written_has_the_enumerated_law(pick, steps):
    says, n = inconsistent(), 20_000
    law = unmask_law(says, 4, 3, steps, pick)
    assert law.probs.sum().item() == pytest.approx(1, abs=1e-12)
    x = unmask(says, torch.zeros(n, 4, 3, dtype=f64), steps, pick, seed())
    assert (x.sum(2) == 1).all()
    # the chances of pairs of letters: some 150 numbers, each from many draws
    flat, of_law = x.flatten(1), law.words().flatten(1)
    pairs, truth = flat.T @ flat / n, of_law.T @ (law.probs.flatten()[:, None] * of_law)
    assert ((pairs - truth).abs() <= 5 * (truth * (1 - truth) / n).sqrt() + 5 / n).all()


def test_the_first_calls_set_the_more_letters():
    asked = []

    def says(x, log_snr):
        asked.append(5 - int(x.sum()))
        return torch.full_like(x, 1 / 3)

    for steps in (2, 3, [1, 4]):
        unmask(says, torch.zeros(1, 5, 3, dtype=f64), steps, generator=seed())
    assert asked == [5, 2, 5, 3, 1, 5, 4]


def kl(p, q):
    return torch.special.xlogy(p.probs, p.probs / q.probs).sum().item()


@pytest.mark.parametrize("pick", ["random", "left", "top probability"])
def test_letter_by_letter_with_exact_answers_draws_the_law_itself(pick):
    law = table()
    assert torch.allclose(unmask_law(law, 4, 3, 4, pick).probs, law.probs, atol=1e-13, rtol=1e-13)


def test_remasking_draws_something_else_and_less_of_it():
    law = table()
    kept = unmask_law(law, 4, 3, 4, "remask")
    assert kl(law, kept) > 0.1 and kept.entropy() < law.entropy() - 0.1
    # at once it is the product of the letters, as with all of them
    assert torch.allclose(unmask_law(law, 4, 3, 1, "remask").probs, unmask_law(law, 4, 3, 1).probs)


def test_letters_drawn_apart_cost_their_total_correlation():
    law = table()
    alone = law.denoise(torch.zeros(1, 4, 3, dtype=f64))[0]
    correlation = -torch.special.xlogy(alone, alone).sum() - law.entropy()
    assert kl(law, unmask_law(law, 4, 3, 1)) == pytest.approx(correlation.item(), abs=1e-12)


def test_two_sentences():
    length = 6
    weights = torch.zeros([2] * length)
    weights[(0, 1) * 3] = weights[(1, 0) * 3] = 1
    law = TableLaw(weights)
    right = law.probs > 0
    assert unmask_law(law, length, 2, 1).probs[right].sum().item() == pytest.approx(
        2 ** (1 - length)
    )
    assert unmask_law(law, length, 2, [1, 5]).probs[right].tolist() == [0.5, 0.5]


def test_what_is_shown_stays():
    law = MarkovLaw.fit(prose(), 8)
    start = one_hot(["the__xy_", "________"])
    for pick in ("random", "left", "top probability", "remask"):
        done = unmask(law, start, 3, pick, seed())
        assert torch.equal(done * start, start) and (done.sum(2) == 1).all()
        assert torch.equal(done, unmask(law, start, 3, pick, seed()))


# ------------------------------------------------------------------------------------------------ coins


def coins(rate=0.3):
    return CoinMixture(torch.tensor([[1.0, 1, 0, 0, 0], [0, 1, 0, 1, 1], [0, 0, 0, 0, 1]]), rate)


def test_a_step_forward_and_back_is_bayes_rule():
    "Against the joint law of x_0, x_{t-1} and x_t of one letter, and of a whole word."
    chain, law = BinomialChain(5, 0.3), coins()
    states = torch.tensor(list(itertools.product([0.0, 1.0], repeat=5)), dtype=f64)
    at = {t: law.log_prob(states, chain.log_snr[t]).exp() for t in range(6)}
    assert all(p.sum().item() == pytest.approx(1, abs=1e-12) for p in at.values())
    for t in range(1, 6):
        beta = 1 / (5 - t + 1)
        one = (1 - beta) * states + beta * 0.3  # the chance of a 1 after one more step
        forward = torch.where(states[None] > 0.5, one[:, None], 1 - one[:, None]).prod(2)
        assert torch.allclose(at[t - 1] @ forward, at[t], atol=1e-14, rtol=1e-14)
        joint = at[t - 1][:, None] * forward  # of x_{t-1} and x_t
        truth = (joint.T @ states) / at[t][:, None]
        came = at[t] > 1e-12
        guess = law.denoise(states, chain.log_snr[t])
        assert torch.allclose(
            chain.step(states, guess, t)[came], truth[came], atol=1e-12, rtol=1e-12
        )


def test_the_schedule_is_one_minus_t():
    chain = BinomialChain(2000, 0.2)
    assert torch.allclose(chain.alpha[1:], (1 - chain.beta[1:]).cumprod(0), atol=1e-13, rtol=1e-13)
    assert chain.alpha[-1] == 0 and chain.log_snr[0] == math.inf and chain.log_snr[-1] == -math.inf
    assert torch.allclose(torch.sigmoid(chain.log_snr), chain.alpha, atol=1e-15, rtol=1e-15)
    x0 = torch.tensor([[0.0, 1.0]], dtype=f64)
    assert chain.marginal(x0, 2000).tolist() == [[0.2, 0.2]] and torch.equal(
        chain.marginal(x0, 0), x0
    )
    t = torch.tensor([1, 2000])
    rows = chain.step(x0.expand(2, 2), torch.full((2, 2), 0.4, dtype=f64), t)
    assert torch.allclose(rows[1:], chain.step(x0, torch.full((1, 2), 0.4, dtype=f64), 2000))


def test_the_edges_of_coins():
    law = coins()
    words = law.words
    assert torch.equal(law.denoise(words, math.inf), words)
    strange = torch.tensor([[1.0, 1, 1, 1, 1]], dtype=f64)
    assert law.denoise(strange, math.inf).tolist() == [[0.5] * 5]
    assert torch.allclose(law.denoise(strange, -math.inf), words.mean(0)[None])


# ------------------------------------------------------------------------------------------------ bad input

X = one_hot(["ab", "ba"], "ab")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: TableLaw(torch.ones(3, 3)).denoise(X), "x_t must have shape"),
        (lambda: MarkovLaw(torch.ones(2), torch.ones(2, 2), 3), "step must hold chances"),
        (lambda: one_hot(["a!"]), "got '!'"),
        (lambda: hidden_costs(lambda x, v: x, torch.ones(1, 13, 1)), "at most 12"),
        (lambda: unmask_law(lambda x, v: x, 13, 2, 1), "letters \\*\\* length must be at most"),
    ],
)
def test_what_does_not_fit(call, words):
    "What tests/test_rooms_bad_input.py does not ask."
    with pytest.raises(ValueError, match=words):
        call()
