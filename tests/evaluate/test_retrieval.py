"""Retrieval: ranks by hand, ties, duplicates, resumed shards, and an independent count of hits."""

import numpy as np
import pytest
import torch

from ktlib.companion import sources
from ktlib.data.sets import Gallery
from ktlib.evaluate import retrieval
from ktlib.evaluate.retrieval import METRICS, chosen_score, ranks, retrieve, score_matrix
from ktlib.models.scoring import MATCH
from tests.tiny_vilt import tiny_vilt

TEXTS = [
    "a red disk", "a red disk left of a blue square", "a photo of a wheel", "a tree", "a wheel", "a large red rod",
]  # fmt: skip


@pytest.fixture
def pictures():
    return torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))


# Three images, two captions each, by hand. Rows are images; own captions are (0, 1), (2, 3), (4, 5).
HAND = torch.tensor(
    [
        [0.9, 0.1, 0.8, 0.0, 0.3, 0.2],
        [0.7, 0.6, 0.2, 0.5, 0.4, 0.1],
        [0.0, 0.3, 0.1, 0.6, 0.2, 0.5],
    ]
)
OWNER = (0, 0, 1, 1, 2, 2)


def test_ranks_of_a_case_worked_out_by_hand():
    found = ranks(HAND, OWNER)
    # image 0: 0.9 is first; image 1: 0.5 behind 0.7 and 0.6; image 2: 0.5 behind 0.6
    assert found.text_rank.tolist() == [1, 3, 2]
    # captions: 0.9 beats 0.7 and 0.0; 0.1 is behind 0.6 and 0.3; 0.2 behind 0.8; 0.5 behind 0.6; 0.2 last; 0.5 first
    assert found.image_rank.tolist() == [1, 3, 2, 2, 3, 1]
    rates = found.rates()
    assert rates["tr@1"] == pytest.approx(1 / 3)
    assert rates["ir@1"] == pytest.approx(2 / 6)
    assert rates["tr@5"] == rates["ir@5"] == 1
    assert found.by_image("ir@1") == [0.5, 0.0, 0.5]
    assert found.by_image("tr@1") == [1.0, 0.0, 0.0]


def test_ties_count_against_the_model():
    level = torch.zeros(3, 6)
    found = ranks(level, OWNER)
    assert found.text_rank.tolist() == [5, 5, 5]  # four captions of others, then the first of its own
    assert found.image_rank.tolist() == [3] * 6
    assert found.rates()["tr@1"] == found.rates()["ir@1"] == 0


def test_a_caption_that_reads_as_an_own_one_is_right_whoever_wrote_it():
    captions = ["a tree", "a", "a tree", "b", "c", "d"]
    scores = HAND.clone()
    scores[0, 2] = 0.95  # image 1's "a tree" scores highest for image 0, which has a tree of its own
    assert ranks(scores, OWNER).text_rank[0] == 2
    assert ranks(scores, OWNER, captions).text_rank[0] == 1


def naive_hits(scores, owner, k):
    """Hit rates from sorted lists, as ViLT's code counts them: another way than counting who is ahead."""
    text = np.mean([any(owner[j] == i for j in np.argsort(-row)[:k]) for i, row in enumerate(scores)])
    image = np.mean([owner[j] in np.argsort(-scores[:, j])[:k] for j in range(scores.shape[1])])
    return text, image


@pytest.mark.parametrize("seed", range(5))
def test_hit_rates_are_those_of_sorted_lists(seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(30, 150))  # no ties
    owner = tuple(np.repeat(np.arange(30), 5).tolist())
    scores[np.array(owner), np.arange(150)] += 1.5
    rates = ranks(torch.from_numpy(scores), owner).rates()
    for k in (1, 5, 10):
        text, image = naive_hits(scores, owner, k)
        assert rates[f"tr@{k}"] == pytest.approx(text)
        assert rates[f"ir@{k}"] == pytest.approx(image)


def test_hit_rates_are_those_of_torchmetrics():
    torchmetrics = pytest.importorskip("torchmetrics.retrieval")
    generator = torch.Generator().manual_seed(0)
    scores, owner = torch.randn(20, 100, generator=generator), torch.arange(20).repeat_interleave(5)
    rates = ranks(scores, owner.tolist()).rates()
    for k in (1, 5, 10):
        rate = torchmetrics.RetrievalHitRate(top_k=k)
        right = torch.arange(20)[:, None] == owner
        query = torch.arange(20)[:, None].expand(20, 100)
        assert rates[f"tr@{k}"] == pytest.approx(rate(scores.flatten(), right.flatten(), query.flatten()).item())
        query = torch.arange(100)[None].expand(20, 100)
        assert rates[f"ir@{k}"] == pytest.approx(rate(scores.flatten(), right.flatten(), query.flatten()).item())


def test_scores_that_are_not_numbers_or_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"expected numbers for 5 captions, found \(3, 6\), 0 of them nan"):
        ranks(HAND, OWNER[:5])
    with pytest.raises(ValueError, match="1 of them nan"):
        ranks(HAND.masked_fill(HAND == 0.9, float("nan")), OWNER)


# -- scoring ----------------------------------------------------------------------------------------------
def test_every_pair_has_the_score_that_it_has_alone(pictures):
    scorer = tiny_vilt()
    scores = score_matrix(scorer, [*pictures], TEXTS, batch=4)
    assert scores.shape == (5, 6, 2)
    for i in range(5):
        for j, text in enumerate(TEXTS):
            alone = scorer.match(pictures[i : i + 1], [text])[0]
            torch.testing.assert_close(scores[i, j], alone, atol=1e-5, rtol=0)  # float32, other order of sums


def test_images_of_several_sizes_are_scored_each_in_its_own():
    scorer = tiny_vilt()
    draw = torch.Generator().manual_seed(0)
    sizes = [(32, 32), (32, 32), (64, 32), (32, 48), (32, 32)]
    images = [torch.rand(3, *size, generator=draw) for size in sizes]
    scores = score_matrix(scorer, images, TEXTS)
    for i, image in enumerate(images):
        torch.testing.assert_close(scores[i, 2], scorer.match(image[None], TEXTS[2:3])[0], atol=1e-5, rtol=0)


def test_a_run_killed_half_way_resumes_to_identical_scores(pictures, tmp_path):
    scorer = tiny_vilt()
    whole = score_matrix(scorer, [*pictures], TEXTS, identity="x", store=tmp_path / "whole", shard=2)

    class Killed:
        def __init__(self, last):
            self.last, self.asked = last, []

        def __len__(self):
            return len(pictures)

        def __getitem__(self, index):
            self.asked.append(index)
            if index >= self.last:
                raise KeyboardInterrupt
            return pictures[index]

    with pytest.raises(KeyboardInterrupt):
        score_matrix(scorer, Killed(3), TEXTS, identity="x", store=tmp_path / "cut", shard=2)
    assert len(list((tmp_path / "cut").iterdir())) == 1  # the first two images; the shard of 2 and 3 was not finished
    rest = Killed(99)
    resumed = score_matrix(scorer, rest, TEXTS, identity="x", store=tmp_path / "cut", shard=2)
    assert rest.asked == [2, 3, 4]
    assert torch.equal(resumed, whole)
    assert torch.equal(whole, score_matrix(scorer, [*pictures], TEXTS, shard=2))


def test_another_model_other_texts_and_other_images_take_no_shard_of_these(pictures, tmp_path):
    one = score_matrix(tiny_vilt(), [*pictures], TEXTS, identity="x", store=tmp_path)
    assert not torch.equal(one, score_matrix(tiny_vilt(1), [*pictures], TEXTS, identity="x", store=tmp_path))
    score_matrix(tiny_vilt(), [*pictures], TEXTS[::-1], identity="x", store=tmp_path)
    dark = score_matrix(tiny_vilt(), [*(pictures * 0)], TEXTS, identity="dark", store=tmp_path)
    assert not torch.equal(one, dark)
    assert len(list(tmp_path.iterdir())) == 4
    with pytest.raises(ValueError, match="expected an identity of the images beside a store"):
        score_matrix(tiny_vilt(), [*pictures], TEXTS, store=tmp_path)


def test_a_damaged_shard_is_scored_again(pictures, tmp_path):
    scorer = tiny_vilt()
    whole = score_matrix(scorer, [*pictures], TEXTS, identity="x", store=tmp_path)
    (shard,) = tmp_path.iterdir()
    shard.write_bytes(shard.read_bytes()[:100])
    assert torch.equal(whole, score_matrix(scorer, [*pictures], TEXTS, identity="x", store=tmp_path))


def test_the_logit_and_the_softmax_can_order_pairs_differently():
    logits = torch.tensor([[[0.0, 1.0], [5.0, 2.0]]])
    assert chosen_score(logits).argmax() == 1
    assert chosen_score(logits, "softmax").argmax() == 0
    torch.testing.assert_close(chosen_score(logits, "softmax").exp(), logits.softmax(-1)[..., MATCH])
    with pytest.raises(ValueError, match="expected the score logit or softmax, found 'margin'"):
        chosen_score(logits, "margin")


def small_gallery(pictures):
    owner = (0, 0, 1, 2, 3, 4)
    return Gallery([*pictures], tuple(TEXTS), owner, "digest", "small")


def test_retrieval_ranks_the_score_matrix(pictures):
    scorer, gallery = tiny_vilt(), small_gallery(pictures)
    both = score_matrix(scorer, gallery.images, gallery.captions)
    expected = ranks(both[..., MATCH], gallery.owner, gallery.captions)
    found = retrieve(scorer, gallery)
    assert torch.equal(found.text_rank, expected.text_rank)
    assert torch.equal(found.image_rank, expected.image_rank)


def test_an_image_without_captions_is_refused(pictures):
    with pytest.raises(ValueError, match=r"expected captions of every image, found none of number \[4\]"):
        Gallery([*pictures], tuple(TEXTS[:5]), (0, 0, 1, 2, 3), "digest", "small")


def test_an_estimate_lies_within_its_interval_and_is_the_rate():
    found = ranks(HAND, OWNER)
    for metric in METRICS:
        estimate = found.estimate(metric)
        assert estimate.value == found.rates()[metric]
        assert estimate.low <= estimate.value <= estimate.high


def test_the_pocket_flickr_has_twins_that_words_alone_cannot_tell_apart():
    gallery = sources.gallery("pocket", "validation")
    first, second = ([c for c, o in zip(gallery.captions, gallery.owner, strict=True) if o == i] for i in (0, 1))
    assert sorted(first[0].split()) != first[0].split()
    swap = {"left": "right", "right": "left", "above": "below", "below": "above"}
    assert [" ".join(swap.get(w, w) for w in c.split()) for c in first] == second
    assert retrieval.METRICS == ("tr@1", "tr@5", "tr@10", "ir@1", "ir@5", "ir@10")


LONG = "a red disk left of a blue square " * 6


def test_captions_that_do_not_fit_are_an_error_unless_they_are_to_be_cut_and_then_they_are_counted(pictures):
    scorer = tiny_vilt()
    with pytest.raises(ValueError, match="expected at most 40 tokens for pocket/tiny, found 50"):
        score_matrix(scorer, [*pictures], [*TEXTS, LONG])
    with pytest.warns(UserWarning, match="1 of 7 texts are longer than 40 tokens: cut"):
        cut = score_matrix(scorer, [*pictures], [*TEXTS, LONG], too_long="cut")
    shorter = " ".join(LONG.split()[:38])
    assert torch.equal(cut, score_matrix(scorer, [*pictures], [*TEXTS, shorter]))  # 38 words, a start and an end


def test_a_gallery_says_how_many_captions_do_not_fit(pictures):
    gallery = Gallery([*pictures[:2]], ("a tree", LONG), (0, 1), "", "two", ("2 images",))
    found = retrieval.noted(gallery, tiny_vilt())
    assert found.notes == ("2 images", "1 captions are longer than 40 tokens: cut, as ViLT's code does")
    assert found.digest == gallery.digest
    short = Gallery([*pictures[:2]], ("a tree", "a wheel"), (0, 1), "", "two")
    assert retrieval.noted(short, tiny_vilt()) is short
