"""Vision encoders: the stated features, strict weights, honest preprocessing, and CLIP as a source."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from ktlib.data import manifests
from ktlib.models import VisionEncoder, inputs, load, vision

RESNET, MOBILENET = "torchvision/resnet18", "torchvision/mobilenet_v3_small"
DINO, DINOV2 = "timm/vit_base_patch16_224.dino", "timm/vit_base_patch14_dinov2.lvd142m"
WIDTHS = {MOBILENET: 576, "torchvision/densenet121": 1024, RESNET: 512, DINO: 768, DINOV2: 768}


@pytest.fixture(scope="module")
def resnet():
    return load(f"random/{RESNET}", VisionEncoder)


@pytest.mark.parametrize("name", vision.HEADS)
def test_published_architectures_have_the_stated_width(name):
    wanted = manifests.checkpoint(name)
    assert wanted.embedding_size == WIDTHS[name]
    with torch.device("meta"):  # shapes alone: nothing is computed and nothing takes memory
        network = vision.build(wanted)
        images = torch.empty(2, 3, wanted.image_size, wanted.image_size)
    assert network.eval()(images).shape == (2, WIDTHS[name])


def test_the_feature_of_mobilenet_is_pooled_and_not_behind_its_first_layer():
    import torchvision

    encoder, images = load(f"random/{MOBILENET}", VisionEncoder), torch.rand(2, 3, 224, 224)
    whole = torchvision.models.mobilenet_v3_small(weights=None).eval()
    whole.load_state_dict(encoder.network.state_dict(), strict=False)  # its classifier stays as it is
    x = (images - encoder.mean) / encoder.std
    with torch.inference_mode():
        assert torch.equal(encoder.features(images), whole.features(x).mean((2, 3), keepdim=True).flatten(1))


def test_the_feature_of_densenet_comes_after_the_last_relu():
    tiny = timm.create_model("densenet121", num_classes=0, growth_rate=4, block_config=(1, 1)).eval()
    with torch.inference_mode():
        features = tiny(torch.randn(4, 3, 64, 64))
    assert features.min() >= 0


@pytest.mark.parametrize("name", [DINO, DINOV2])
def test_the_feature_of_a_vision_transformer_is_the_normalised_class_token(name):
    wanted = manifests.checkpoint(name)
    small = {"patch_size": 32, "embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": 64}
    network = timm.create_model(wanted.library["model"], pretrained=False, num_classes=0, **small).eval()
    network.norm.weight.data.uniform_(0.5, 2)
    x = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        tokens = network.blocks(network.norm_pre(network._pos_embed(network.patch_embed(x))))
        expected = torch.layer_norm(tokens[:, 0], (32,), network.norm.weight, network.norm.bias, network.norm.eps)
        assert torch.allclose(network(x), expected, atol=1e-5)  # float32 rounding
    assert tokens.shape[1] == 1 + 4  # class token first, no registers


def test_dinov2_takes_224_pixels():
    with torch.device("meta"):
        network = vision.build(manifests.checkpoint(DINOV2))
    assert network.pos_embed.shape == (1, 1 + 16 * 16, 768)


def test_features_are_not_of_unit_length_and_do_not_depend_on_the_batch(resnet):
    images = torch.rand(3, 3, 224, 224)
    with torch.inference_mode():
        together, alone = resnet.train().features(images), resnet.features(images[:1])
    assert torch.allclose(together[:1], alone, rtol=1e-3, atol=1e-5)  # convolutions sum in another order
    assert not torch.allclose(together.norm(dim=1), torch.ones(3), atol=0.01)


def test_random_weights_are_the_same_every_time_and_leave_the_generator_alone(resnet):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert load(f"random/{RESNET}", VisionEncoder).digest() == resnet.digest()
    assert torch.equal(torch.get_rng_state(), before)


def weights_of(encoder, tmp_path, *, without=(), extra=()):
    state = {k: v.contiguous() for k, v in encoder.network.state_dict().items() if k not in without}
    state |= {key: torch.zeros(1000, 512) for key in extra}
    save_file(state, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_weights_from_a_file_are_taken_and_the_classifier_is_left_out(resnet, tmp_path):
    file = weights_of(resnet, tmp_path, extra=("fc.weight",))
    assert load(RESNET, VisionEncoder, weights=file).digest() == resnet.digest()
    pickle = tmp_path / "model.pth"
    torch.save(dict(resnet.network.state_dict()), pickle)
    assert load(RESNET, VisionEncoder, weights=pickle).digest() == resnet.digest()


def test_a_missing_or_unknown_key_is_an_error(resnet, tmp_path):
    with pytest.raises(
        RuntimeError, match="(?s)expected the weights of torchvision/resnet18.*Missing key.*layer4.1.conv2.weight"
    ):
        load(RESNET, VisionEncoder, weights=weights_of(resnet, tmp_path, without=("layer4.1.conv2.weight",)))
    with pytest.raises(RuntimeError, match="(?s)Unexpected key.*layer5.weight"):
        load(RESNET, VisionEncoder, weights=weights_of(resnet, tmp_path, extra=("layer5.weight",)))


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    torch.save({"conv1.weight": nn.Linear(1, 1)}, tmp_path / "model.pth")
    with pytest.raises(ValueError, match=r"a pickle of tensors in .*model\.pth, found one .*nothing of it was run"):
        load(RESNET, VisionEncoder, weights=tmp_path / "model.pth")


def test_clip_is_a_source_of_features(model, images):
    encoder = VisionEncoder.of(model)
    assert (encoder.name, encoder.dim, encoder.image_size) == ("tiny", 32, 32)
    assert torch.equal(encoder.features(images), model.encode_image(images, normalize=False))


def test_raw_pixels_reach_clip_as_they_are(model, images):
    raw = VisionEncoder.of(model, pixels="raw")
    assert raw.name == "tiny (raw pixels)"
    assert torch.equal(raw.features(images), model.visual(images))
    # what undoes the normalisation gives the same picture to the network, so the same feature
    undone = images * model.std + model.mean
    assert torch.allclose(VisionEncoder.of(model).features(undone), raw.features(images), atol=1e-5)


def test_features_of_raw_and_normalised_pixels_are_never_mistaken_for_each_other(model):
    assert VisionEncoder.of(model).digest() != VisionEncoder.of(model, pixels="raw").digest()


def test_an_unknown_kind_of_pixels_is_named(model):
    with pytest.raises(ValueError, match="expected pixels 'normalized' or 'raw', found 'RAW'"):
        VisionEncoder.of(model, pixels="RAW")


def test_pictures_of_another_size_are_resized_as_for_clip(model, images):
    large = torch.rand(2, 3, 50, 40)
    small = inputs.resize(large, (32, 32))
    assert torch.allclose(VisionEncoder.of(model).features(large), VisionEncoder.of(model).features(small), atol=1e-5)
