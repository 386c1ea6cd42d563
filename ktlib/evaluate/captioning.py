"""Captions beside what people wrote: BLEU, METEOR, ROUGE-L, CIDEr and SPICE, as COCO's evaluation computes them.

The scorers are pycocoevalcap's. What is added: a metric that cannot be computed is named with its reason and
the others are still there; every metric of a whole set follows from counts that are summed over its images, so that
images can be drawn again (`CaptionScores.resampled`) without Java.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from jaxtyping import Float
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from ktlib.evaluate import java
from ktlib.evaluate.intervals import Estimate, Values

METRICS = ("bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rouge_l", "cider", "spice")
BLEU = METRICS[:4]


@dataclass(frozen=True)
class CaptionScores:
    """What captions are worth, for all images and for each.

    Attributes:
        corpus: by metric, of all images together; fractions, and CIDEr up to 10.
        per_image: by metric, then by image. BLEU of one caption says little: a caption without a four-word match has
            a BLEU@4 near zero.
        missing: metrics that could not be computed, and why.
        left_out: images that could not be scored, and why. A caption without a word is scored: it is worth 0.
        notes: what else was decided, with counts.
        statistics: by metric (images, counts), rows in the order of `images`: what is summed.
        plain: words were split without the PTB tokenizer; what was split otherwise is not to be compared.
    """

    corpus: dict[str, float]
    per_image: dict[str, dict[str, float]]
    missing: dict[str, str]
    left_out: dict[str, str]
    notes: tuple[str, ...]
    statistics: dict[str, np.ndarray]
    images: tuple[str, ...]
    plain: bool = False

    def resampled(self, metric: str, ids: Sequence[str]) -> float:
        """The metric of a whole set that consists of these images, some of them twice perhaps.

        BLEU and METEOR follow from summed counts; the others are means of the images' values (CIDEr's words keep
        the weights that they have among all images).

        Args:
            metric: one of those in `corpus`.
            ids: of scored images.

        Raises:
            ValueError: the metric is missing, no image, or one that was not scored.
        """
        if not len(ids):
            raise ValueError("expected images that were scored, found none")
        rows = {image: number for number, image in enumerate(self.images)}
        if strange := [image for image in ids if image not in rows]:
            raise ValueError(f"expected images that were scored, found {len(strange)} others: {strange[:3]}")
        counts = np.bincount([rows[image] for image in ids], minlength=len(rows))
        return float(_of_sums(metric, counts[None] @ self._counts(metric))[0])

    def redrawn(self, metric: str, counts: np.ndarray) -> np.ndarray:
        """`resampled` for many sets at once.

        Args:
            metric: one of those in `corpus`.
            counts: (sets, images), how often each of `images` stands in a set.

        Returns:
            (sets,).

        Raises:
            ValueError: the metric is missing.
        """
        return _of_sums(metric, counts @ self._counts(metric))

    def estimate(self, metric: str, *, seed: int = 0, draws: int = 1000) -> Estimate:
        """The metric of all images with a 95 % bootstrap interval over images (see `resampled`).

        Args:
            metric: one of those in `corpus`.
            seed, draws: of the resampling.

        Raises:
            ValueError: the metric is missing.
        """
        drawn = self.redrawn(metric, _draws(len(self.images), seed, draws))
        return _estimate(self.corpus[metric], drawn)

    def _counts(self, metric: str) -> np.ndarray:
        if metric not in self.statistics:
            raise ValueError(f"expected a metric of {', '.join(self.corpus)}, found {metric!r}"
                             f"{': ' + self.missing[metric] if metric in self.missing else ''}")  # fmt: skip
        return self.statistics[metric]


def captioning(
    generated: Mapping[str, str], references: Mapping[str, Sequence[str]], *, metrics: Sequence[str] = METRICS
) -> CaptionScores:
    """How well captions agree with what people wrote of the same images.

    Args:
        generated: a caption for each image, by the image's id.
        references: what people wrote of each image; their numbers may differ from image to image.
        metrics: of `METRICS`.

    Raises:
        ValueError: an unknown metric, a text where several references are expected, or no image that has both.

    Example:
        model = ktlib.load("pocket/coca-web", Captioner)
        said = dict(zip(ids, model.generate(pictures), strict=True))
        captioning(said, {"1": ["a red wheel", "one wheel in red"], ...}).corpus["meteor"]

    Source: Chen et al. 2015 (COCO's caption evaluation), through pycocoevalcap; KT v1 Tab. 6 and 9.
    """
    for what, given in (("captions", generated), ("references", references)):
        if not isinstance(given, Mapping):
            raise ValueError(f"expected {what} by the image's id, {{id: …}}, found {type(given).__name__}")
    if strange := sorted(set(metrics) - set(METRICS)):
        raise ValueError(f"expected metrics of {', '.join(METRICS)}, found {', '.join(strange)}")
    if alone := next((image for image, told in references.items() if isinstance(told, str)), None):
        raise ValueError(f"expected a list of references of image {alone}, found the one text {references[alone]!r}")
    if strange := [text for text in (*generated.values(), *chain(*references.values())) if not isinstance(text, str)]:
        raise ValueError(f"expected texts for captions and references, found {strange[0]!r}; where there is none, ''")
    said, told, plain, notes = _words(generated, references)
    left_out = {image: "no reference" for image in said if not references.get(image)}
    left_out |= {image: "no caption was generated" for image in told if image not in said}
    left_out |= {image: "no reference with a word in it" for image in said if image not in left_out and not told[image]}
    images = tuple(image for image in said if image not in left_out)
    if not images:
        raise ValueError(
            f"expected images with a caption and references, found none: captions of {len(said)} images "
            f"({', '.join(map(repr, [*said][:2]))}), references of {len(told)} ({', '.join(map(repr, [*told][:2]))}); "
            "both are kept by the image's id, a text"
        )
    notes += _counted(images, said, told, references)
    per_image: dict[str, list[float]] = {}
    statistics: dict[str, np.ndarray] = {}
    missing: dict[str, str] = {}
    scored = {"bleu": BLEU} | {metric: (metric,) for metric in METRICS if metric not in BLEU}
    for name, own in scored.items():
        if wanted := [metric for metric in own if metric in metrics]:
            try:
                values, counts = _SCORERS[name]([said[i] for i in images], [told[i] for i in images])
            except java.NoAnswer as error:
                missing |= dict.fromkeys(wanted, str(error))
                continue
            per_image |= {metric: values[own.index(metric)] for metric in wanted}
            statistics |= dict.fromkeys(wanted, counts)
    if len(images) == 1 and "cider" in per_image:
        del per_image["cider"], statistics["cider"]
        missing["cider"] = "CIDEr weighs a word by how few images have it: with one image nothing has weight"
    corpus = {metric: float(_of_sums(metric, counts.sum(0, keepdims=True))[0]) for metric, counts in statistics.items()}
    named = {metric: dict(zip(images, values, strict=True)) for metric, values in per_image.items()}
    return CaptionScores(corpus, named, missing, left_out, tuple(notes), statistics, images, plain)


def paired_difference(
    before: CaptionScores, after: CaptionScores, metric: str, *, seed: int = 0, draws: int = 1000
) -> Estimate:
    """A metric of a whole set `after` minus `before`, with a 95 % bootstrap interval over the images they share.

    Each draw takes the same images for both. BLEU and METEOR are computed anew from the counts of the images drawn;
    ROUGE-L, CIDEr and SPICE are means of the images' values (CIDEr's words keep their weights).

    Args:
        before, after: scores of the same images against the same references.
        metric: one that both have.
        seed, draws: of the resampling.

    Raises:
        ValueError: other images, words split otherwise, or a metric that one of them lacks.

    Source: paired bootstrap over a corpus metric, Koehn 2004.
    """
    if before.images != after.images:
        lacking = sorted(set(before.images) ^ set(after.images))[:3]
        raise ValueError(
            f"expected the same images in the same order, found {len(before.images)} and {len(after.images)}"
            f"{', not shared: ' + ', '.join(lacking) if lacking else ', in another order'}"
        )
    split_alike([before, after])
    drawn = _draws(len(before.images), seed, draws)
    first, second = (_of_sums(metric, drawn @ scores._counts(metric)) for scores in (before, after))
    return _estimate(after.corpus[metric] - before.corpus[metric], second - first)


def split_alike(scores: Iterable[CaptionScores]) -> None:
    """Check that all words were split in the same way, as they are not where Java failed for some captions alone.

    Raises:
        ValueError: some were split by the PTB tokenizer and some without.
    """
    if len({one.plain for one in scores}) > 1:
        raise ValueError(
            "expected captions whose words were split alike, found some split without the PTB tokenizer: Java failed "
            "for these alone (their notes say how); run again"
        )


# -- words ----------------------------------------------------------------------------------------------
def _words(
    generated: Mapping[str, str], references: Mapping[str, Sequence[str]]
) -> tuple[dict[str, str], dict[str, list[str]], bool, list[str]]:
    """Captions and references as words, whether they were split plainly, and notes; wordless references are gone."""
    texts = tuple(text for told in references.values() for text in told)
    notes = []
    try:
        # References come first, so that the next caller with the same ones finds them split.
        old, new = _split(texts), _split(tuple(generated.values()))
    except java.NoAnswer as error:
        notes.append(f"words were split without the PTB tokenizer: {error}")
        old, new = tuple(map(plain_words, texts)), tuple(map(plain_words, generated.values()))
    rest = (_worded(words) for words in old)
    told = {image: [words for _ in own if (words := next(rest))] for image, own in references.items()}
    return {image: _worded(words) for image, words in zip(generated, new, strict=True)}, told, bool(notes), notes


def _worded(words: str) -> str:
    """Nothing where there is no letter and no digit: the tokenizer takes `?!` for a word."""
    return words if any(map(str.isalnum, words)) else ""


@functools.lru_cache(maxsize=64)
def _split(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(java.tokenize(texts)) if texts else ()


def plain_words(text: str) -> str:
    """The words of a text where there is no Java: lower case, no punctuation, `don't` as `do n't`, `dog's` as `dog 's`.

    Ours; it splits ordinary captions as the PTB tokenizer does, and is named in the notes where it stood in.
    """
    text = re.sub(r"(n't|'(?:s|re|ve|ll|d|m))\b", r" \1", text.lower().replace("’", "'"))
    words = re.findall(r"(?:\w\.){2,}|n't|'(?:s|re|ve|ll|d|m)\b|\w[\w.,:/-]*\w|\w|[&%$#@+=*]", text)
    return " ".join(words)


def _counted(
    images: Sequence[str],
    said: Mapping[str, str],
    told: Mapping[str, Sequence[str]],
    references: Mapping[str, Sequence[str]],
) -> list[str]:
    fewest, most = (choose(len(told[image]) for image in images) for choose in (min, max))
    notes = [f"{len(images)} images, {fewest if fewest == most else f'{fewest} to {most}'} references each"]
    if silent := sum(not said[image] for image in images):
        notes.append(f"{silent} captions without a word: 0 in every metric")
    if bare := sum(len(references[image]) - len(told[image]) for image in images):
        notes.append(f"{bare} references without a word: not used")
    return notes


# -- scorers: for captions and references as words, values of each image and the counts that are summed ----
_Scored = tuple[list[list[float]], np.ndarray]


def _bleu(said: list[str], told: list[list[str]]) -> _Scored:
    scorer = BleuScorer(n=4)
    for words, references in zip(said, told, strict=True):
        scorer += (words, references)
    _, values = scorer.compute_score(option="closest", verbose=0)
    closest = [min((abs(n - one["testlen"]), n) for n in one["reflen"])[1] for one in scorer.ctest]
    rows = [[one["testlen"], n, *one["guess"], *one["correct"]] for one, n in zip(scorer.ctest, closest, strict=True)]
    return values, np.array(rows, float)


def _meteor(said: list[str], told: list[list[str]]) -> _Scored:
    found = java.find()
    try:
        meteor = java.meteor(found)
        counts = [meteor.statistics(words, references) for words, references in zip(said, told, strict=True)]
        values = meteor.scores(counts)[0]
    except java.NoAnswer:
        java.meteor.cache_clear()  # the next call starts another
        raise
    rows = np.array(counts)
    whole = (rows[:, 20] == 1) & (rows[:, 21:23] == rows[:, 0:2]).all(1)
    rows[whole, 20] = 0  # a caption that is a reference is not scattered: METEOR sums no chunk of it
    return [values], rows


def _means(values: Values) -> _Scored:
    return [[float(value) for value in values]], np.stack([np.asarray(values, float), np.ones(len(values))], 1)


def _rouge_l(said: list[str], told: list[list[str]]) -> _Scored:
    return _means([Rouge().calc_score([words], references) for words, references in zip(said, told, strict=True)])


def _cider(said: list[str], told: list[list[str]]) -> _Scored:
    given, found = dict(enumerate(told)), {number: [words] for number, words in enumerate(said)}
    return _means(Cider().compute_score(given, found)[1])


def _spice(said: list[str], told: list[list[str]]) -> _Scored:
    names = [str(number) for number in range(len(said))]
    scores = java.spice(dict(zip(names, said, strict=True)), dict(zip(names, told, strict=True)))
    return _means([scores[name] for name in names])


_SCORERS = {"bleu": _bleu, "meteor": _meteor, "rouge_l": _rouge_l, "cider": _cider, "spice": _spice}


# -- from sums of counts to a metric ------------------------------------------------------------------
def _of_sums(metric: str, sums: Float[np.ndarray, "sets counts"]) -> Float[np.ndarray, " sets"]:
    """A metric of each of some sets of images, from the counts that were summed over the set."""
    if metric in BLEU:
        return _bleu_of(sums, BLEU.index(metric) + 1)
    return _meteor_of(sums) if metric == "meteor" else sums[:, 0] / sums[:, 1]


def _bleu_of(sums: Float[np.ndarray, "sets counts"], order: int) -> Float[np.ndarray, " sets"]:
    """Geometric mean of the n-grams' precisions, less for what is shorter than the references.

    Source: Papineni et al. 2002; the small numbers are those of pycocoevalcap's `bleu_scorer.py`.
    """
    length, wanted, guessed, right = sums[:, 0], sums[:, 1], sums[:, 2:6], sums[:, 6:10]
    precision = ((right + 1e-15) / (guessed + 1e-9))[:, :order].prod(-1) ** (1 / order)
    ratio = (length + 1e-15) / (wanted + 1e-9)
    return precision * np.exp(np.minimum(0.0, 1 - 1 / ratio))


_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75  # of METEOR 1.5 for English (Denkowski and Lavie 2014, Tab. 1)
_KINDS = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase


def _meteor_of(sums: Float[np.ndarray, "sets counts"]) -> Float[np.ndarray, " sets"]:
    """Weighted precision and recall, less for what stands in another order.

    Source: Denkowski and Lavie 2014, Sec. 2; equal to the program's own `EVAL` (a test says so).
    """
    lengths, function_words = sums[:, 0:2], sums[:, 2:4]  # of captions and references
    kinds = sums[:, 4:20].reshape(-1, 4, 2, 2)  # kind of match, kind of word, caption or reference
    weights = np.array([_DELTA, 1 - _DELTA])[:, None]  # content words, function words
    weighted = ((kinds * weights).sum(-2) * _KINDS[:, None]).sum(-2)
    possible = _DELTA * (lengths - function_words) + (1 - _DELTA) * function_words
    precision, recall = _ratio(weighted, possible).T
    mean = _ratio(precision * recall, _ALPHA * precision + (1 - _ALPHA) * recall)
    scattered = _ratio(sums[:, 20], sums[:, 21:23].mean(-1))  # chunks, matched words
    return mean * (1 - _GAMMA * scattered**_BETA)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _draws(images: int, seed: int, draws: int) -> np.ndarray:
    """How often each image is drawn, (draws, images)."""
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=draws)


def _estimate(value: float, drawn: np.ndarray) -> Estimate:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, min(value, float(low)), max(value, float(high)))
