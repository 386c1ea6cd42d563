"""What each object looks like, in three lengths, and what must not be shown where it is unknown.

The short description is a hint, the medium one is inverted, the long one tells every part. None
holds a name. Where an object is held out, a nameless scene whose caption matches `withheld` would be
the object itself and is drawn anew.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Described:
    """An object in words.

    Attributes:
        kind: `object` or `pattern` (KT v2, Tab. 12 asks whether patterns transfer too).
        short, medium, long: descriptions in the world's own words; no colour that varies.
        look_alikes: objects that resemble it.
        withheld: a regular expression for captions of scenes that show the whole of it; none when empty.
    """

    kind: str
    short: str
    medium: str
    long: str
    look_alikes: tuple[str, ...]
    withheld: str = ""


def _object(short: str, medium: str, long: str, look_alikes: str, withheld: str = "") -> Described:
    return Described("object", short, medium, long, tuple(look_alikes.split()), withheld)


def _pattern(short: str, medium: str, long: str, look_alikes: str, withheld: str = "") -> Described:
    return Described("pattern", short, medium, long, tuple(look_alikes.split()), withheld)


DESCRIBED: dict[str, Described] = {
    "window": _object(
        "a square opening in a brick wall",
        "a square opening in a brick wall with a white cross in it",
        "a square opening in a brown brick wall with the sea behind it and a white frame around it and a white cross in it",
        "moongate porthole crate", "square opening in a brick",
    ),
    "tunnel": _object(
        "a black opening in a wall",
        "a round black opening in a grey stone wall",
        "a large round black opening in a grey stone wall with a black box below it",
        "porthole moongate bridge", "round opening in a grey stone",
    ),
    "fence": _object(
        "brown planks and a garden",
        "brown upright planks with a garden behind them",
        "four brown upright planks and two brown lying planks with a green garden and a blue sky behind them",
        "trellis curtain bridge", "planks.*garden",
    ),
    "wheel": _object(
        "a ring with rods inside",
        "a ring with crossing rods inside and a small disk",
        "a large round ring with four thin crossing rods inside and a small round disk on the crossing rods",
        "gyroscope target clock", "rods inside a|rods in a",
    ),
    "target": _object(
        "nested disks",
        "nested disks and white disks in a large disk",
        "a large round disk and a large white disk and a small disk and a small white disk nested inside",
        "donut gyroscope clock", "nested .*disks",
    ),
    "planet": _object(
        "a disk with a ring",
        "a disk with a flat ring around it",
        "a large round disk with a thin flat ring around it on the left and on the right",
        "moon donut comet", "flat .*ring around",
    ),
    "donut": _object(
        "a thick ring",
        "a thick round ring around a small opening",
        "a large thick round ring with a small round opening inside the ring",
        "target wheel planet", "thick .*ring",
    ),
    "lamp": _object(
        "a shade and a base",
        "a shade on a thin black rod on a black base",
        "a large shade on top of a thin upright black rod on top of a small flat black base",
        "parasol tonometer table", "shade on .*base",
    ),
    "clock": _object(
        "a dial in a ring",
        "a round white dial with two black hands in a ring",
        "a large round white dial with two thin black hands inside a large round thick ring",
        "timer wheel target", "dial.* in a .*ring",
    ),
    "scale": _object(
        "a box with a dial and a slab",
        "a box with a round dial in it and a flat slab on top",
        "a large box with a small round white dial with a black hand in it and a large flat silver slab on top",
        "radio timer mug", "dial in it and a",
    ),
    "pen": _object(
        "a rod with a black end",
        "a slender diagonal rod with a black end",
        "a large slender diagonal rod with a small thick black end on the right",
        "thermometer comet tonometer", "diagonal .*rod with a black end",
    ),
    "thermometer": _object(
        "a white rod and a red ball",
        "a slender white rod with a small red ball below",
        "a slender upright white rod with a thin red rod inside and a small round red ball below",
        "pen lamp tonometer", "white rod .*red (disk|ball)|red (disk|ball) .*white rod",
    ),
    "radio": _object(
        "a box with a disk and a rod",
        "a box with a black disk in it and a thin black rod on top",
        "a large box with a round black disk in it on the left and a white slab on the right and a thin rod on top",
        "theremin scale mug", "disk in it and a",
    ),
    "table": _object(
        "a slab on two rods",
        "a flat brown slab on two upright brown rods",
        "a large flat brown slab on top of two thin upright brown rods on the left and on the right",
        "dolmen altar bridge", "slab on two .*rods",
    ),
    "bridge": _object(
        "a stone wall on water",
        "a grey stone wall with two round openings on blue water",
        "a large flat grey stone wall with two small round openings in a row below on blue water",
        "tunnel dolmen table", "stone .*on blue water",
    ),
    "flower": _object(
        "disks on a green rod",
        "small disks around a yellow disk on a green rod",
        "small round disks around a small round yellow disk on top of a thin upright green rod",
        "tree parasol target", "disks around .*rod",
    ),
    "trafficlight": _object(
        "three disks in a black box",
        "a red disk above a yellow disk above a green disk in a black box",
        "a small round red disk above a small round yellow disk above a small round green disk in a column in an upright black box",
        "thermometer radio crate", "three disks in a black",
    ),
    "house": _object(
        "a triangle on a box",
        "a triangle on top of a box with a black opening",
        "a large triangle on top of a large box with a small upright black opening in it below",
        "fir boat scale", "triangle (on top of|above|on) a .*(square|box)|(square|box) below a .*triangle",
    ),
    "tree": _object(
        "green disks on a rod",
        "four green disks on a brown rod",
        "four large round green disks on top of a thin upright brown rod",
        "fir flower parasol", "green (disk|ball)s? .*brown rod",
    ),
    "fir": _object(
        "green triangles on a rod",
        "three green triangles on a brown rod",
        "three large green triangles in a column on top of a small upright brown rod",
        "tree house boat", "green triangles? .*brown rod|green triangles in a column",
    ),
    "boat": _object(
        "a triangle on a slab on water",
        "a white triangle on top of a slab on blue water",
        "a large white triangle on the right on top of a large flat slab on blue water",
        "bridge house fir", "(triangle|slab) .*on blue water",
    ),
    "car": _object(
        "a box on black disks",
        "a small box on top of a large box on two black disks",
        "a small box with white slabs in it on top of a large flat box on two small round black disks",
        "table radio boat", "(box|square|slab) on two black disks",
    ),
    "parasol": _object(
        "a large shade on a rod",
        "a large shade on a thin black rod with a round end",
        "a large round shade on top of a thin upright black rod with a small round black end below",
        "lamp tree flower", "shade on .*rod",
    ),
    "flag": _object(
        "stripes on a rod",
        "three lying stripes on a brown rod",
        "three large lying stripes in a column on the right of a slender upright brown rod",
        "rug curtain table", "stripes on a .*rod",
    ),
    "curtain": _pattern(
        "upright stripes and a slab",
        "upright stripes below a black slab",
        "a pattern of large upright stripes below a large flat black slab on top",
        "rug tablecloth fence", "stripes below a .*slab",
    ),
    "rug": _pattern(
        "lying stripes and a frame",
        "lying stripes in a thick frame",
        "a pattern of large lying stripes inside a large thick frame around them",
        "curtain flag quilt", "lying .*stripes in a",
    ),
    "chessboard": _pattern(
        "black and white checks",
        "a pattern of black and white checks",
        "a pattern of small black squares and small white squares in a row and in a column",
        "tiling quilt tablecloth", "(black and white|white and black) check",
    ),
    "net": _pattern(
        "thin black diagonal lines",
        "a pattern of thin black diagonal lines",
        "a pattern of large diamonds between thin black diagonal lines crossing thin black diagonal lines",
        "trellis harlequin tiling", "thin black diagonal lines",
    ),
    "tiling": _pattern(
        "squares with white lines",
        "a grid of squares with white lines between them",
        "a grid of large squares in a row and in a column with thin white lines between the squares",
        "chessboard chantilly net", "squares with white lines",
    ),
    "porthole": _object(
        "a round opening and a brown ring",
        "a round opening in a wall with the sea behind it and a brown ring around it",
        "a large round opening in a wall with blue water and a pale sky behind it and a thick round brown ring around it",
        "moongate tunnel window", "round opening in a (white|grey|silver|red) wall with the sea",
    ),
    "altar": _object(
        "a stone slab on a stone box",
        "a flat grey stone slab on top of a grey stone box in a green field",
        "a large flat grey stone slab on top of a large grey stone box in a green field below a pale sky",
        "dolmen table scale", "slab on top of a grey stone box",
    ),
    "comet": _object(
        "a ball with a rod",
        "a yellow ball with a silver rod in a night sky",
        "a small round yellow ball with a slender diagonal silver rod on the right in a black night sky with white stars",
        "moon planetarium pen", "ball with a .*rod",
    ),
    "moon": _object(
        "a ball in a circle",
        "a ball with a thin circle around it in a night sky",
        "a large round ball with a large thin silver circle around it in a black night sky with white stars behind it",
        "comet planetarium planet", "circles? around .*night sky",
    ),
    "quilt": _pattern(
        "a pattern of diamonds",
        "a pattern of small diamonds in a row and a column",
        "a pattern of small diamonds in a row and in a column with white diamonds between the diamonds",
        "harlequin chessboard rug", "diamonds on (white|yellow|silver)",
    ),
    "mug": _object(
        "a box with a ring",
        "a large box with a ring on the left",
        "a large upright box with a round thick ring on the left of the box",
        "theremin radio scale", "box with a .*ring on the left",
    ),
    "timer": _object(
        "a dial on a base",
        "a round dial with one black hand on a flat base",
        "a large round white dial with one thin black hand inside on top of a large flat base",
        "clock tonometer scale", "dial .*base",
    ),
    "tablecloth": _pattern(
        "crossing stripes on white",
        "a pattern of crossing stripes on white",
        "a pattern of upright stripes crossing lying stripes on white with white squares between the stripes",
        "madras curtain chessboard", r"crossing \w+ stripes on white",
    ),
    "trellis": _pattern(
        "diagonal lines and a garden",
        "thin brown diagonal lines with a garden behind them",
        "a pattern of thin crossing brown diagonal lines with a green garden and a blue sky behind them",
        "fence net chantilly", "lines with a garden",
    ),
    "crate": _object(
        "a wooden square with a cross",
        "a brown wooden square with a diagonal cross inside",
        "a large brown wooden square with a thick diagonal cross inside and a thick frame around it",
        "chantilly window scale", "cross .*wooden square|wooden .*cross",
    ),
    "moongate": _object(
        "a round opening in a brick wall",
        "a round opening in a brick wall with a garden behind it",
        "a large round opening with a grey stone ring around it in a brown brick wall with a green garden and a blue sky behind",
        "window porthole tunnel", "round opening in a brick",
    ),
    "tonometer": _object(
        "a slender rod and a dial on a base",
        "a slender silver rod left of a round dial on a small black base",
        "a slender upright silver rod on the left of a small round white dial with a black hand on a flat black base",
        "timer lamp thermometer", "rod .*dial .*base",
    ),
    "gyroscope": _object(
        "nested silver rings around a disk",
        "three nested silver rings around a grey disk with thin crossing rods",
        "three nested thin silver rings around a small grey disk with two thin crossing grey rods between the rings",
        "wheel target clock", "nested (silver|grey) rings around",
    ),
    "theremin": _object(
        "a box with a rod and a ring",
        "a brown box with a thin silver rod on the right and a silver ring on the left",
        "a large flat brown box with a thin upright silver rod on top on the right and a small round silver ring on the left",
        "radio mug scale", "box with a .*rod .*ring",
    ),
    "madras": _pattern(
        "a pattern of crossing red and blue stripes",
        "a pattern of crossing red and blue and yellow stripes on white",
        "a pattern of upright red and blue and yellow stripes crossing lying red and blue and yellow stripes on a white square",
        "tablecloth flag tiling", "crossing (red|blue|yellow) and (red|blue|yellow) stripes",
    ),
    "chantilly": _pattern(
        "a grid of brown squares with crosses",
        "a grid of brown squares with a diagonal cross inside each",
        "a grid of large brown wooden squares in a row with lines between them and a thin diagonal cross inside each of the squares",
        "crate trellis tiling", r"grid of brown squares with a \w+ diagonal",
    ),
    "dolmen": _object(
        "a grey stone slab on two stones",
        "a flat grey stone slab on top of two upright grey stones in a green field",
        "a large flat grey stone slab on top of two upright grey stones in a row in a green field below a pale blue sky",
        "altar table bridge", "slab on (top of )?two .*stones",
    ),
    "planetarium": _object(
        "small balls on circles around a ball",
        "small balls on three thin circles around a yellow ball in a night sky",
        "three small balls on three thin silver circles nested around a yellow ball in a black night sky with white stars behind it",
        "moon comet planet", "balls on .*circles",
    ),
    "harlequin": _pattern(
        "a pattern of green and purple diamonds",
        "a pattern of green and purple diamonds on yellow with thin black diagonal lines",
        "a pattern of green diamonds and purple diamonds in a row on yellow with thin black diagonal lines crossing between the diamonds",
        "quilt net chessboard", "(green and purple|purple and green) diamonds",
    ),
}  # fmt: skip
