"""Low-rank adapters (LoRA): trained in place of the weights, and merged into them afterwards.

Source: Hu et al. 2021, through peft; ours here, KT does not use them.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import nn

from ktlib.models.protocols import Contrastive

TARGETS = ["attn", "c_fc", "c_proj"]


def put_in(model: Contrastive, rank: int, towers: Collection[str], draw: torch.Generator) -> list[nn.Parameter]:
    """Put adapters into a model and return those of the chosen towers, unfrozen.

    open_clip's attention is targeted as a whole (`attn`).

    Only blocks of transformers are given any: on convolutions, and around a projection that is read as a bare weight
    (the attention pool of CLIP's ResNets), they would be merged or trained wrongly, or not at all.

    Args:
        model: frozen; changed in place.
        rank: of the adapters.
        towers: `visual`, `text`, or both.
        draw: decides what the adapters start from; peft itself would take torch's global generator.

    Raises:
        ValueError: a tower has no such block.
    """
    from peft import LoraConfig, inject_adapter_in_model  # here: seconds to import, and most transfers need none of it

    own = {id(module) for module in model.visual.modules()}
    there = {("visual" if id(module) in own else "text") for name, module in model.clip.named_modules()
             if "resblocks." in name and name.rpartition(".")[2] in TARGETS}  # fmt: skip
    if bare := [tower for tower in towers if tower not in there]:
        raise ValueError(
            f"expected a {bare[0]} tower of open_clip's transformer blocks for adapters, found none in {model.name}; "
            "train the weights themselves: lora_rank=None"
        )
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=TARGETS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**63 - 1, (), generator=draw)))
        inject_adapter_in_model(config, model.clip)
    visual = {id(p) for p in model.visual.parameters()}
    adapters = [p for name, p in model.clip.named_parameters() if "lora_" in name]
    for parameter in adapters:
        parameter.requires_grad_(("visual" if id(parameter) in visual else "text") in towers)
    return [p for p in adapters if p.requires_grad]


def merge(model: Contrastive, plain: Contrastive) -> None:
    """Add what a model's adapters learnt to the weights, and write the sum into a model without adapters.

    Args:
        model: with adapters.
        plain: of the same layout; its weights are replaced.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer  # here: as above

    for module in model.clip.modules():
        if isinstance(module, BaseTunerLayer) and not module.merged:
            module.merge()
    state = model.clip.state_dict()
    plain.clip.load_state_dict({n.replace(".base_layer", ""): t for n, t in state.items() if "lora_" not in n})
