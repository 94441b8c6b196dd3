"""Colours that differ as much as a byte allows, for classes that come without colours."""


def voc_colour(index: int) -> list[int]:
    """Returns the colour (RGB) of an index in the colour map of PASCAL VOC's development kit.

    Each three bits of the index, from the lowest, give the next lower bit of red, green and blue.
    """
    colour = [0, 0, 0]
    for place in range(8):
        bits = index >> (3 * place)
        for channel in range(3):
            colour[channel] |= ((bits >> channel) & 1) << (7 - place)
    return colour


def distinct_colours(count: int) -> list[list[int]]:
    """Returns `count` colours (RGB), all different and never black, which means no class."""
    return [voc_colour(index + 1) for index in range(count)]
