"""The pair scorer: what transformers computes, without its shuffled patches and without random heads."""

import pytest
import torch
from transformers import ViltConfig, ViltImageProcessor

from ktlib.models.protocols import Contrastive, Invertible, Matching
from ktlib.models.scoring import MATCH
from ktlib.models.vilt import PairScorer, from_folder, from_state
from ktlib.pocket.training import vilt as training
from tests.tiny_vilt import tiny_vilt

TEXTS = ["a red disk", "a round opening in a brick wall", "a photo of a moongate"]


@pytest.fixture
def scorer():
    return tiny_vilt()


@pytest.fixture
def pictures():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def theirs(scorer, pictures, texts):
    """Pooled output of transformers' own forward, shuffled patches and all."""
    ids = scorer.tokenize(texts)
    said = (ids != scorer.tokenizer.pad_token_id).long()
    pixels = (scorer.prepare(pictures) - scorer.mean) / scorer.std
    return scorer.vilt(input_ids=ids, attention_mask=said, pixel_values=pixels)


def test_the_logits_are_those_of_transformers_forward_and_the_checkpoint_s_head(scorer, pictures):
    expected = scorer.itm_score["fc"](theirs(scorer, pictures, TEXTS).pooler_output)
    # float32, and the last bits depend on the order of the patches
    torch.testing.assert_close(scorer.match(pictures, TEXTS), expected, atol=1e-5, rtol=0)


def test_reading_every_token_gives_the_same_logits_as_the_first_alone(scorer, pictures):
    logits, x = scorer.read(scorer.embed_image(pictures), scorer.tokenize(TEXTS))
    torch.testing.assert_close(logits, scorer.match(pictures, TEXTS), atol=1e-5, rtol=0)
    expected = theirs(scorer, pictures, TEXTS).last_hidden_state[:, : x.shape[1]]
    torch.testing.assert_close(x, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 48), (50, 40)])
def test_patches_are_those_of_transformers_put_back_in_their_places(scorer, height, width):
    picture = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    pixels = (scorer.prepare(picture) - scorer.mean) / scorer.std
    mask = torch.ones(1, *pixels.shape[-2:])
    shuffled, _, (index, (rows, columns)) = scorer.vilt.embeddings.visual_embed(pixels, mask, max_image_length=-1)
    order = (index[0, :, 0] * columns + index[0, :, 1]).argsort()
    assert rows * columns == len(order)
    ours = scorer.embed_image(picture)
    torch.testing.assert_close(ours[:, 1:], shuffled[:, 1:][:, order], atol=1e-6, rtol=0)
    torch.testing.assert_close(ours[:, :1], shuffled[:, :1])


def test_the_same_pair_scores_the_same_twice_and_draws_no_random_number(scorer, pictures):
    state = torch.get_rng_state()
    assert torch.equal(scorer.match(pictures, TEXTS), scorer.match(pictures, TEXTS))
    assert torch.equal(state, torch.get_rng_state())


def test_padding_changes_nothing(scorer, pictures):
    alone = scorer.match(pictures[:1], TEXTS[:1])
    torch.testing.assert_close(scorer.match(pictures, TEXTS)[:1], alone, atol=1e-5, rtol=0)


def test_attention_is_a_distribution_with_the_text_in_front_and_the_patches_behind(scorer, pictures):
    found = scorer.attention(pictures[:1], TEXTS[:1])
    tokens = scorer.token_count(TEXTS[0]) + 1 + (32 // 16) ** 2
    assert found.shape == (2, 1, 2, tokens, tokens)
    torch.testing.assert_close(found.sum(-1), torch.ones_like(found[..., 0]))


@pytest.mark.parametrize(("height", "width"), [(333, 500), (500, 333), (100, 900), (384, 384), (1000, 410), (31, 40)])
def test_images_get_the_size_that_transformers_processor_gives_them(height, width):
    processor = ViltImageProcessor(size={"shortest_edge": 384}, size_divisor=32)
    pixels = processor(torch.zeros(3, height, width, dtype=torch.uint8), return_tensors="pt")["pixel_values"]
    scorer = tiny_vilt(image_size=384, patch=32)
    assert scorer.target_size(height, width) == tuple(pixels.shape[-2:])


def test_pixels_have_a_gradient(scorer, pictures):
    pictures.requires_grad_(True)
    scorer.match(pictures, TEXTS)[:, MATCH].sum().backward()
    assert pictures.grad.abs().sum() > 0


# -- texts ------------------------------------------------------------------------------------------------
def test_forty_tokens_are_the_limit_and_one_more_is_an_error():
    scorer = tiny_vilt(context=40)
    assert scorer.tokenize(["red " * 38]).shape == (1, 40)
    with pytest.raises(ValueError, match=r"expected at most 40 tokens for pocket/tiny, found 41 in .*shorten it"):
        scorer.tokenize(["red " * 39])


def test_unknown_words_and_a_single_string_are_refused(scorer):
    with pytest.raises(ValueError, match="does not know 'zebra'"):
        scorer.tokenize(["a red zebra"])
    with pytest.raises(ValueError, match="expected a list of texts, found one string"):
        scorer.tokenize("a red disk")


def test_counts_must_agree(scorer, pictures):
    with pytest.raises(ValueError, match="expected one text an image, found 3 images and 1 texts"):
        scorer.match(pictures, TEXTS[:1])


def test_masks_fall_on_words_only_and_labels_are_the_words(scorer):
    ids, labels = scorer.mask_words(TEXTS, torch.Generator().manual_seed(0), share=0.3)
    plain = scorer.tokenize(TEXTS)
    wanted = labels >= 0
    assert wanted.any(1).all()  # at least one word a text
    assert torch.equal(labels[wanted], plain[wanted])
    assert torch.equal(ids[~wanted], plain[~wanted])
    special = {scorer.tokenizer.pad_token_id, scorer.tokenizer.cls_token_id, scorer.tokenizer.sep_token_id}
    assert not special & set(labels[wanted].tolist())


def test_eight_in_ten_chosen_words_are_masked(scorer):
    draw, masked, chosen = torch.Generator().manual_seed(0), 0, 0
    for _ in range(300):
        ids, labels = scorer.mask_words(TEXTS, draw)
        masked += int((ids[labels >= 0] == scorer.tokenizer.mask_token_id).sum())
        chosen += int((labels >= 0).sum())
    assert masked / chosen == pytest.approx(0.8, abs=0.05)  # 900 draws: three standard deviations are 0.04


def test_the_pieces_of_a_word_are_masked_together():
    class Pieces:
        pad_token_id, cls_token_id, sep_token_id, mask_token_id, unk_token_id = 0, 14, 15, 13, 1

        def __call__(self, text):
            return type("Encoding", (), {"input_ids": [14, 2, 3, 4, 5, 15]})()

        def convert_ids_to_tokens(self, row):
            return [{2: "moon", 3: "##gate", 4: "##s", 5: "red"}.get(i, "[x]") for i in row]

    scorer = tiny_vilt()
    scorer.tokenizer, scorer.closed = Pieces(), False
    for seed in range(20):
        _, labels = scorer.mask_words(["moongates red"], torch.Generator().manual_seed(seed), share=0.5)
        inside = (labels[0, 1:4] >= 0).tolist()
        assert inside in ([True] * 3, [False] * 3)


def test_the_word_loss_is_cross_entropy_at_the_masked_words_and_its_head_is_tied(scorer, pictures):
    patches = scorer.embed_image(pictures)
    ids, labels = scorer.mask_words(TEXTS, torch.Generator().manual_seed(0))
    hidden = scorer.read(patches, ids)[1]
    logits = scorer.mlm_score(hidden)
    wanted = labels >= 0
    by_hand = -logits[wanted].log_softmax(1).gather(1, labels[wanted][:, None]).mean()
    assert scorer.word_loss(patches, ids, labels).item() == pytest.approx(by_hand.item(), abs=1e-5)
    assert scorer.mlm_score.decoder.weight is scorer.vilt.embeddings.text_embeddings.word_embeddings.weight


# -- checkpoints ------------------------------------------------------------------------------------------
def published_layout(scorer):
    """The tensors of `vilt-b32-mlm-itm`: the old place of the bias, a tied weight, a buffer of old."""
    state = {k: v.clone() for k, v in scorer.state_dict().items()}
    state["mlm_score.bias"] = state.pop("mlm_score.decoder.bias")
    state["vilt.embeddings.text_embeddings.position_ids"] = torch.arange(12)[None]
    return state


def test_the_published_layout_is_read_whole(scorer, pictures):
    again = from_state(published_layout(scorer), scorer.config, scorer.tokenizer, name="pocket/tiny")
    assert torch.equal(again.match(pictures, TEXTS), scorer.match(pictures, TEXTS))
    assert again.digest() == scorer.digest()


def test_a_checkpoint_without_its_matching_head_is_refused_and_not_filled_with_noise(scorer):
    state = {k: v for k, v in published_layout(scorer).items() if not k.startswith("itm_score")}
    with pytest.raises(ValueError, match=r"missing: itm_score\.fc\.bias, itm_score\.fc\.weight.*vilt-b32-mlm-itm"):
        from_state(state, scorer.config, scorer.tokenizer, name="vilt-b32-mlm")


def test_a_fine_tuned_checkpoint_with_another_head_is_refused(scorer):
    state = published_layout(scorer) | {"rank_output.weight": torch.zeros(1, 64)}
    del state["itm_score.fc.weight"]
    with pytest.raises(ValueError, match=r"missing: itm_score\.fc\.weight; unknown: rank_output\.weight"):
        from_state(state, scorer.config, scorer.tokenizer, name="vilt-b32-finetuned-flickr30k")


def test_transformers_own_class_would_have_left_the_head_random(scorer):
    """Why there is an adapter: no class of transformers has `itm_score`. If one ever does, this fails: use it."""
    from transformers import ViltForImageAndTextRetrieval

    model = ViltForImageAndTextRetrieval(scorer.config)
    report = model.load_state_dict(published_layout(scorer), strict=False)
    assert {"rank_output.weight", "rank_output.bias"} <= set(report.missing_keys)
    assert {"itm_score.fc.weight", "itm_score.fc.bias"} <= set(report.unexpected_keys)


def test_a_folder_in_the_published_layout_is_loaded_without_pickle(scorer, tmp_path, pictures):
    torch.save(published_layout(scorer), tmp_path / "pytorch_model.bin")
    facts = scorer.config.to_dict() | {"architectures": ["ViltForPreTraining"]}
    import json

    (tmp_path / "config.json").write_text(json.dumps(facts, default=str))
    words = tmp_path / "words"
    training.tokenizer().save_pretrained(words)
    again = from_folder(tmp_path, name="pocket/tiny", tokenizer=words)
    assert torch.equal(again.match(pictures, TEXTS), scorer.match(pictures, TEXTS))
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(FileNotFoundError, match="expected config.json and one of .* found config.json, words"):
        from_folder(tmp_path, name="pocket/tiny")


def test_a_copy_is_independent(scorer):
    other = scorer.copy()
    with torch.no_grad():
        other.itm_score["fc"].weight += 1
    assert other.digest() != scorer.digest()
    assert other.mlm_score.decoder.weight is other.vilt.embeddings.text_embeddings.word_embeddings.weight


def test_the_published_size_is_the_published_size():
    config = ViltConfig()
    assert (config.hidden_size, config.num_hidden_layers, config.image_size, config.patch_size) == (768, 12, 384, 32)
    assert config.max_position_embeddings == 40
    assert PairScorer.__doc__


# -- what the method asks ---------------------------------------------------------------------------------
def test_it_offers_what_inversion_and_a_lesson_by_matching_ask_for(scorer):
    assert isinstance(scorer, Invertible)
    assert isinstance(scorer, Matching)
    assert not isinstance(scorer, Contrastive)


def test_the_score_is_cross_entropy_towards_a_match_and_its_probability(scorer, pictures):
    far, probability = scorer.score(pictures, scorer.target(TEXTS))
    logits = scorer.match(pictures, TEXTS)
    torch.testing.assert_close(far, -logits.log_softmax(1)[:, MATCH])
    torch.testing.assert_close(probability, logits.softmax(1)[:, MATCH])


def test_an_open_vocabulary_takes_any_word(scorer):
    scorer.closed = False
    assert scorer.tokenize(["a red zebra"]).shape == (1, 5)


def test_an_image_too_narrow_for_a_patch_is_refused():
    with pytest.raises(ValueError, match=r"expected an image of which a patch .*found 3 x 300 for .*; cut it"):
        tiny_vilt().embed_image(torch.rand(1, 3, 3, 300))


def test_a_text_that_does_not_fit_is_cut_where_that_is_asked_for_as_transformers_cuts_it(scorer):
    text = "red " * 20 + "blue " * 30
    ids = scorer.tokenize([text, "a red disk"], too_long="cut")
    assert ids[0].tolist() == scorer.tokenizer(text, truncation=True, max_length=40).input_ids
    assert torch.equal(scorer.tokenize(["a red disk"], too_long="cut"), scorer.tokenize(["a red disk"]))
    with pytest.raises(ValueError, match="expected too_long to be refuse or cut, found 'drop'"):
        scorer.tokenize(["a red disk"], too_long="drop")
