"""The published checkpoints and data sets, as the papers state them."""

from ktlib.captioning import CaptioningSettings
from ktlib.companion.scales.shapes import (
    ZOOM_SHOT_ENCODERS,
    Captioning,
    Films,
    Scale,
    Searching,
    Segmenting,
    Teaching,
    ZoomShot,
    each,
    vilt_inversion,
)
from ktlib.inversion import InversionSettings
from ktlib.transfer import MatchingSettings, TransferSettings
from ktlib.zoom_shot import AlignerSettings, ZoomShotSettings

PAPER = Scale(
    name="paper",
    clip=Teaching(
        models=each("imagenet", "openai/ViT-B-32", "openai/ViT-L-14"),
        inversion=InversionSettings(),
        transfer=TransferSettings(),
        rates=(1e-5, 2e-5, 3e-5, 4e-5, 5e-5),  # KT v1, Tab. 1
        rate=2e-5,  # of KT v1, Fig. 1: there are no validation concepts
    ),
    vilt=Teaching(
        models=each("imagenet-100", "dandelin/vilt-b32-mlm-itm"),
        inversion=vilt_inversion(side=384),
        transfer=MatchingSettings(),
        rates=(1e-5, 2e-5, 3e-5, 4e-5, 5e-5),  # KT v1, Tab. 1 and 11
        rate=2e-5,  # there are no validation concepts
    ),
    coca=Teaching(
        models=each("coco80", "laion/coca-ViT-L-14", "laion/coca-ViT-L-14-mscoco"),
        inversion=InversionSettings(),
        transfer=CaptioningSettings(),
        rates=(5e-6, 2e-5, 6e-5, 8e-5, 9e-5),  # KT v1, Tab. 6 and 9: all that are printed, for both models
    ),
    medclip=Teaching(
        models=each("films", "RyanWangZf/MedCLIP-ViT"),
        inversion=InversionSettings(),
        transfer=TransferSettings(),
        # KT v1, Tab. 2: the first five for benign nodules, the others for malignant ones
        rates=(1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 1e-4, 2e-4, 3e-4, 4e-4, 5e-4),
        rate=2e-4,  # there are no validation nodules; at this one the paper reads its gain (K7)
    ),
    scans=Teaching(
        models=each("lesions", "microsoft/BiomedCLIP"),
        inversion=InversionSettings(),
        transfer=TransferSettings(),
        rates=(1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 1e-4, 2e-4),  # KT v1, Tab. 7
    ),
    captioning=Captioning(gallery="mscoco", validation=500),
    films=Films(
        pair="films",
        outside=tuple(
            Teaching(
                models=each("outside", name),
                inversion=InversionSettings(),
                transfer=TransferSettings(batch=batch, epochs=epochs),
                rates=(rate,),
                rate=rate,
            )
            for name, batch, epochs, rate in (("openai/ViT-B-32", 8, 5, 5e-5), ("openai/ViT-L-14", 4, 2, 1e-5))
        ),
    ),
    segmenting=Segmenting(lesions="files", segmenter="facebook/sam-vit-huge"),
    medical="",
    retrieval=Searching(
        gallery="flickr30k",
        # KT v1, Tab. 8
        rates=(8e-7, 9e-7, 1e-6, 2e-6, 3e-6, 4e-6, 5e-6, 8e-6, 1e-5, 2e-5, 3e-5),
        batches=(16, 32, 64, 128, 256),
    ),
    zoom_shot=ZoomShot(
        clip="openai/ViT-B-16",
        encoders=ZOOM_SHOT_ENCODERS,
        strongest=ZOOM_SHOT_ENCODERS[-1],
        sets="files",
        settings=ZoomShotSettings(),
        aligner=AlignerSettings(),
        rates=(1e-4,),  # ZS Sec. 4.1
        aligner_rates=(0.01,),
    ),
    steps=(500, 1000, 2000, 3000, 5000),
)
