"""The three searches against plain ones: one image at a time, the whole text run again for every word."""

import itertools
import math

import pytest
import torch

from ktlib.models import decoding
from ktlib.models.decoding import SEARCHES, Limits, search
from tests.tiny_coca import END, START, tiny_coca

LIMITS = Limits(START, END, longest=10, shortest=4)


def whole(model, seen):
    """Scores of the word that follows a text, from open_clip's own forward pass over all of it."""

    def scores(text):
        out = model.clip(None, torch.tensor([text]), image_latent=seen, image_embs=seen, output_labels=False)
        return out["logits"][0, -1]

    return scores


def plain_beam(scores, limits, *, beams, groups, raw):
    """open_clip's `_generate_beamsearch` and transformers' scorer, for one image, as they are written there.

    All groups are run, each with its own list of texts that have ended.
    """
    size = beams // groups
    open_ = [[([limits.start], 0.0 if beam == 0 else -1e9) for beam in range(size)] for _ in range(groups)]
    ended = [[] for _ in range(groups)]
    done = [False] * groups
    length = 1
    while True:
        for group in range(groups):
            if done[group]:
                continue
            found = []
            for beam, (text, total) in enumerate(open_[group]):
                told = scores(text)
                told = told if raw else told.log_softmax(-1)
                for word, value in enumerate(told.tolist()):
                    barred = word == limits.end and length < limits.shortest
                    found.append((-math.inf if barred else total + value, beam, word))
            best = sorted(found, key=lambda one: -one[0])[: 2 * size]
            going = []
            for rank, (total, beam, word) in enumerate(best):
                if word == limits.end:
                    if rank < size:
                        keep(ended[group], size, total / (length + 1), open_[group][beam][0])
                else:
                    going.append(([*open_[group][beam][0], word], total))
                if len(going) == size:
                    break
            full = len(ended[group]) == size
            done[group] = full and min(ended[group])[0] >= best[0][0] / (length + 1)
            open_[group] = going
        length += 1
        if all(done) or length >= limits.longest:
            break
    for group in range(groups):
        if not done[group]:
            for text, total in open_[group]:
                keep(ended[group], size, total / length, text)
    return max(itertools.chain(*ended))[1]


def keep(ended, size, score, text):
    if len(ended) < size or score > min(ended)[0]:
        ended.append((score, text))
        if len(ended) > size:
            ended.remove(min(ended))


def plain_greedy(scores, limits):
    text = [limits.start]
    while len(text) < limits.longest:
        told = scores(text).clone()
        if len(text) < limits.shortest:
            told[limits.end] = -math.inf
        word = int(told.argmax())
        if word == limits.end:
            break
        text.append(word)
    return text


PLAIN = {
    "beam_logits": lambda scores, limits: plain_beam(scores, limits, beams=6, groups=3, raw=True),
    "beam": lambda scores, limits: plain_beam(scores, limits, beams=6, groups=1, raw=False),
    "greedy": plain_greedy,
}


def continued(model, images):
    from ktlib.models.coca import Continuation

    return Continuation(model.clip.text, model.clip.text_decoder, model.see(images)[1], 0)


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_finds_what_a_plain_one_finds(kind):
    """Twelve random models, three images each: texts of many lengths, some cut off, some that hold padding."""
    lengths, padded = set(), 0
    for seed in range(12):
        model = tiny_coca(seed, sharp=(1.0, 3.0)[seed % 2], ending=(0.0, 2.0, 5.0, 8.0)[seed % 4])
        images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            found = search(continued(model, images), 3, LIMITS, kind=kind)
            for image, text in zip(images, found, strict=True):
                assert text == PLAIN[kind](whole(model, model.see(image[None])[1]), LIMITS), (seed, text)
                lengths.add(len(text))
                padded += 0 in text
    assert len(lengths) > 3 and max(lengths) == LIMITS.longest
    assert padded


def test_searches_differ():
    """Else the parity above would show little."""
    differ = {pair: 0 for pair in itertools.combinations(SEARCHES, 2)}
    for seed in range(8):
        model = tiny_coca(seed)
        images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            found = {kind: search(continued(model, images), 3, LIMITS, kind=kind) for kind in SEARCHES}
        for one, other in differ:
            differ[one, other] += sum(a != b for a, b in zip(found[one], found[other], strict=True))
    assert all(count >= 3 for count in differ.values()), differ


# -- by hand --------------------------------------------------------------------------------------------------
def fixed(table, default=-9.0, words=8):
    """A step whose scores depend on the last word alone: `table[last][next]`."""

    def step(last, rows):
        scores = torch.full((*last.shape, words), default)
        for place in itertools.product(*map(range, last.shape)):
            for word, score in table.get(int(last[place]), {}).items():
                scores[(*place, word)] = score
        return scores

    return step


S, A, B, C, E = 0, 1, 2, 3, 7
HAND = Limits(S, E, longest=6, shortest=1)


def test_greedy_takes_the_best_word_and_stops_at_the_end():
    step = fixed({S: {A: 2.0, B: 1.0}, A: {C: 3.0, E: 1.0}, C: {E: 0.5}})
    assert search(step, 2, HAND, kind="greedy") == [[S, A, C]] * 2


def test_no_text_ends_before_it_may_or_goes_on_after_it_must():
    step = fixed({S: {E: 5.0, A: 1.0}, A: {E: 5.0, A: 1.0}})
    for kind, shortest in itertools.product(SEARCHES, (1, 3, 5)):
        (text,) = search(step, 1, Limits(S, E, 6, shortest), kind=kind, beams=3, groups=3)
        assert len(text) == shortest, kind
    endless = fixed({S: {A: 1.0}, A: {A: 1.0}})
    assert search(endless, 1, HAND, kind="greedy") == [[S, A, A, A, A, A]]


def test_raw_scores_favour_a_text_of_high_scores_that_is_not_likely():
    """Behind A all words score high, so none is likely; behind B one is certain. Only raw sums prefer A."""
    table = {S: {A: 1.0, B: 1.0}, A: {word: 5.0 for word in (1, 2, 3, 4, 5, 6, 7)}, B: {E: 1.0}}
    step = fixed(table, default=-20.0)
    (raw,) = search(step, 1, HAND, kind="beam_logits", beams=2, groups=1)
    (likely,) = search(step, 1, HAND, kind="beam", beams=2)
    assert raw[1] == A and likely == [S, B]


def test_groups_only_divide_the_beams():
    """Six in three groups that do the same are two in one."""
    model = tiny_coca(3)
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        six, two = (
            search(continued(model, images), 4, LIMITS, kind="beam_logits", beams=b, groups=g)
            for b, g in ((6, 3), (2, 1))
        )
    assert six == two


def test_an_image_whose_search_is_over_leaves_the_batch():
    asked = []
    step = fixed({S: {A: 1.0}, A: {A: 1.0, E: 0.5}})

    def counted(last, rows):
        asked.append(len(last))
        scores = step(last, rows)
        if len(asked) == 2:
            scores[0, :, E] = 9.0  # the first image ends here
        return scores

    found = search(counted, 2, HAND, kind="greedy")
    assert found == [[S, A], [S, A, A, A, A, A]]
    assert asked == [2, 2, 1, 1, 1]


@pytest.mark.parametrize(
    ("kind", "limits", "beams", "groups", "said"),
    [
        ("best", HAND, 6, 3, "expected a search of beam_logits, beam, greedy, found 'best'"),
        ("beam_logits", HAND, 6, 4, "expected beams in equal groups, found 6 in 4"),
        ("beam", HAND, 0, 1, "expected beams in equal groups, found 0 in 1"),
        ("greedy", Limits(S, E, 4, 4), 6, 3, "expected shortest below longest, found 4 and 4"),
        ("beam", HAND, 4, 1, "expected a vocabulary of more than 8 words for 4 beams, found 8"),
    ],
)  # fmt: skip
def test_numbers_that_do_not_fit_are_refused(kind, limits, beams, groups, said):
    with pytest.raises(ValueError, match=said):
        search(fixed({}), 1, limits, kind=kind, beams=beams, groups=groups)


def test_the_defaults_are_those_of_open_clip():
    import inspect

    from open_clip import CoCa

    wanted = inspect.signature(CoCa.generate).parameters
    assert (decoding.BEAMS, decoding.GROUPS) == (wanted["num_beams"].default, wanted["num_beam_groups"].default)
    limits = Limits(S, E)
    assert (limits.longest, limits.shortest) == (wanted["seq_len"].default, wanted["min_seq_len"].default)


@pytest.mark.parametrize("kind", SEARCHES)
def test_scores_that_are_no_number_find_no_text(kind):
    """topk takes NaN for the largest: a model that diverged would say something."""

    def step(words, rows):
        scores = torch.zeros(*words.shape, 16)
        scores[-1] = float("nan")
        return scores

    with pytest.raises(ValueError, match=r"expected scores of words, found what is no number \(NaN\)"):
        search(step, 2, LIMITS, kind=kind)
