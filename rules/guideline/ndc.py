"""National Drug Codes: the spellings in which charts and the FDA write one product.

The FDA's own has hyphens: the labeler's 4 digits and the product's 4, 5 and 3, or 5 and 4, and one or two for the
package. Billing fills each part with zeros to 5, 4 and 2 and mostly leaves the hyphens out (45 CFR 162.1002, and the
chapter on NDC in the FHIR terminology).
"""

import re

_PART = re.compile(r"[\s*-]+")


def product_spellings(code: str) -> tuple[str, ...]:
    """The FDA's digits, without hyphens, of the product that a code of a product or package may be of; most: two.

    A labeler with 4 digits starts with 0, one with 5 does not; where zeros may have been filled in before the
    product's three digits, both spellings are given. Nothing for what is no such code.
    """
    parts = [part for part in _PART.split(code.strip()) if part]
    if not parts or not all(part.isascii() and part.isdigit() for part in parts):
        return ()
    if len(parts) == 1:
        return _unhyphenated(parts[0])
    labeler, product = parts[:2]
    if len(parts) > 3 or len(labeler) > 5 or len(product) > 4 or len("".join(parts[2:])) > 2:
        return ()
    return _spellings(labeler.zfill(5), product)


def package_digits(code: str) -> str:
    """The 11 digits that billing writes, where a code is of a package and its parts are known; else the code itself."""
    parts = [part for part in _PART.split(code.strip()) if part]
    if len(parts) == 1 and len(parts[0]) == 10 and parts[0][0] == "0" and product_spellings(code):
        return f"0{parts[0]}"
    if len(parts) == 3 and product_spellings(code):
        labeler, product, package = parts
        return labeler.zfill(5) + product.zfill(4) + package.zfill(2)
    return code


def _unhyphenated(digits: str) -> tuple[str, ...]:
    if len(digits) in (9, 11):  # a product or package, filled with zeros
        return _spellings(digits[:5], digits[5:9])
    if len(digits) == 10 and digits[0] != "0":
        return (digits[:8], digits[:9])
    return (digits[:8],) if len(digits) in (8, 10) else ()


def _spellings(labeler: str, product: str) -> tuple[str, ...]:
    if labeler[0] == "0":
        return (labeler[1:] + product.zfill(4),)
    if len(product) == 4 and product[0] == "0":
        return (labeler + product[1:], labeler + product)
    return (labeler + product.zfill(3),)
