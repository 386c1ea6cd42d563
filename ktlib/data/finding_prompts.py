"""What a report may say of a finding: ten phrases for each class of CheXpert-5x200.

MedCLIP scores a class by many prompts, drawn without a fixed seed from a grid of severity, kind and place, and
takes the largest or the mean (`MedCLIP.ensemble`). KT does not say which prompts it used. Here are ten for each
class, of the same three parts, fixed once and for all. The wording is ours: MedCLIP's repository has no licence.
"""

from __future__ import annotations

from types import MappingProxyType

# In the order of CheXpert's five competition tasks, which is that of KT v1, Tab. 3.
FINDINGS = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
COUNT = 10  # a class (MedCLIP's own evaluation)

PROMPTS = MappingProxyType(
    {
        "Atelectasis": (
            "mild linear atelectasis at the left base",
            "mild linear atelectasis at the right base",
            "minimal bandlike atelectasis in the mid lung",
            "minimal subsegmental atelectasis in the right lower lobe",
            "subsegmental atelectasis in the left lower lobe",
            "bibasilar atelectasis",
            "mild bibasilar atelectasis with low lung volumes",
            "retrocardiac atelectasis",
            "residual atelectasis in the upper lung",
            "platelike atelectasis at both lung bases",
        ),
        "Cardiomegaly": (
            "the heart is mildly enlarged",
            "the heart is moderately enlarged",
            "the heart is severely enlarged",
            "the cardiac silhouette is enlarged",
            "the cardiac silhouette is at the upper limit of normal",
            "borderline heart size",
            "stable cardiomegaly",
            "unchanged mild cardiomegaly",
            "severe cardiomegaly",
            "cardiomegaly with a prominent left ventricle",
        ),
        "Consolidation": (
            "consolidation in the right lower lobe",
            "consolidation in the left lower lobe",
            "patchy consolidation at the right base",
            "patchy consolidation at the left base",
            "airspace consolidation in the right upper lobe",
            "airspace consolidation in the left upper lobe",
            "increased retrocardiac consolidation",
            "improved consolidation in the lower lung",
            "new partial consolidation in the mid lung",
            "bilateral consolidation with air bronchograms",
        ),
        "Edema": (
            "pulmonary edema",
            "mild pulmonary edema",
            "moderate pulmonary edema",
            "severe pulmonary edema",
            "mild interstitial edema",
            "trace interstitial edema",
            "persistent interstitial edema",
            "improved pulmonary edema",
            "pulmonary vascular congestion with interstitial edema",
            "diffuse perihilar edema",
        ),
        "Pleural Effusion": (
            "small left pleural effusion",
            "small right pleural effusion",
            "moderate left pleural effusion",
            "moderate right pleural effusion",
            "large right pleural effusion",
            "trace left pleural effusion",
            "stable bilateral pleural effusions",
            "increased bilateral pleural effusions",
            "layering pleural effusion",
            "pleural effusion with blunting of the costophrenic angle",
        ),
    }
)


def prompts(finding: str) -> tuple[str, ...]:
    """The phrases that stand for a finding.

    Args:
        finding: one of `FINDINGS`.

    Raises:
        KeyError: there are none for a finding of that name.

    Source: ours, in the form of MedCLIP's grid (severity, kind, place); KT v1, Tab. 2 and 3 do not say (D60).
    """
    if finding not in PROMPTS:
        raise KeyError(f"expected a finding of {', '.join(FINDINGS)}, found {finding!r}; add its prompts here")
    return PROMPTS[finding]
