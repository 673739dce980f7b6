"""Colours that people who see colour differently can tell apart.

The palette is the one of M. Okabe and K. Ito, "Color universal design" (2008),
https://jfly.uni-koeln.de/color/; for the fifth signal and later ones there are four darker colours
beside it. Signals and incident levels share no colour.
"""

from tocsin.pipeline.incidents import Level

BLUE = "#0072B2"
GREEN = "#009E73"
PURPLE = "#CC79A7"
GREY = "#777777"
SKY = "#56B4E9"
YELLOW = "#F0E442"
ORANGE = "#E69F00"
VERMILLION = "#D55E00"
NAVY = "#2B2F7F"
WINE = "#882255"
BROWN = "#7A5C00"
TEAL = "#00696B"

SIGNALS = (BLUE, GREEN, PURPLE, GREY, NAVY, WINE, BROWN, TEAL)
LEVEL_COLOURS: dict[Level, str] = {
    "info": SKY,
    "warning": YELLOW,
    "error": ORANGE,
    "critical": VERMILLION,
}
