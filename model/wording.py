"""Numbers with their nouns and verbs, as messages say them."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Returns a number with its noun in the singular or plural.

    >>> counted(1, "file"), counted(2, "file"), counted(0, "entry", "entries")
    ('1 file', '2 files', '0 entries')
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def are(number: int) -> str:
    """Returns the verb that belongs to so many.

    >>> f"1 file {are(1)} missing", f"2 files {are(2)} missing"
    ('1 file is missing', '2 files are missing')
    """
    return "is" if number == 1 else "are"
