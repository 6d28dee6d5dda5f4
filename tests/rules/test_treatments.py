"""Every treatment the guideline is about is recognised by a real code, or, where none exists, by its name."""

import pytest

from prodrome.rules.guideline.guideline import load_guideline

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
CPT = "http://www.ama-assn.org/go/cpt"

DRUG_CLASSES = {
    "analgesics": ("simple_analgesic", [("161", "acetaminophen")]),
    "combination analgesics": ("combination", [("466584", "asa_apap_caffeine")]),
    "NSAIDs": ("nsaid", [("5640", "ibuprofen"), ("7258", "naproxen"), ("1191", "aspirin")]),
    "ACE inhibitors": ("ace_inhibitors", [("29046", "lisinopril")]),
    "ARBs": ("arb", [("214354", "candesartan"), ("73494", "telmisartan")]),
    "antidepressants": ("antidepressants", [("704", "amitriptyline"), ("39786", "venlafaxine")]),
    "antiseizure drugs": ("antiseizure", [("38404", "topiramate"), ("266856", "valproate")]),
    "beta blockers": ("beta_blockers", [("8787", "propranolol"), ("6918", "metoprolol")]),
    "botulinum toxin": ("botulinum_toxin", [("860189", "onabotulinumtoxina"), ("860195", "onabotulinumtoxina")]),
    "calcium channel blockers": ("calcium_channel_blockers", [("4459", "flunarizine"), ("11170", "verapamil")]),
    "CGRP antibodies": (
        "cgrp_mab",
        [
            ("2045613", "erenumab"),
            ("2056691", "fremanezumab"),
            ("2058846", "galcanezumab"),
            ("2282660", "eptinezumab"),
        ],
    ),
    "preventive gepants": ("gepants_preventive", [("2571813", "atogepant"), ("2282307", "rimegepant")]),
    "acute gepants": ("gepant", [("2268216", "ubrogepant"), ("2637955", "zavegepant"), ("2282307", "rimegepant")]),
    "triptans": ("triptan", [("37418", "sumatriptan"), ("313161", "sumatriptan"), ("88014", "rizatriptan")]),
    "ditans": ("ditan", [("2256930", "lasmiditan")]),
    "ergots": ("ergot", [("3418", "dihydroergotamine"), ("4025", "ergotamine")]),
    "antiemetics": ("antiemetic", [("6915", "metoclopramide")]),
    "opioids": ("opioid", [("10689", "tramadol")]),
}


@pytest.mark.parametrize(
    ("drug_class", "code", "drug"),
    [(class_, code, drug) for class_, codes in DRUG_CLASSES.values() for code, drug in codes],
)
def test_a_drug_is_recognised_in_its_class(drug_class: str, code: str, drug: str) -> None:
    guideline = load_guideline()
    product = guideline.product(code)
    assert product is not None
    assert product.drug == drug
    entry = guideline.drugs[drug]
    classes = {use.drug_class for use in (entry.preventive, entry.acute) if use}
    assert drug_class in classes


@pytest.mark.parametrize(
    ("system", "code", "name"),
    [
        (SNOMED, "44868003", "acupuncture"),
        (SNOMED, "1453000", "biofeedback"),
        (CPT, "90875", "biofeedback"),
        (SNOMED, "228557008", "cbt"),
        (SNOMED, "284467003", "relaxation"),
        (SNOMED, "76601001", "intramuscular_injection"),
        (SNOMED, "736672007", "neurostimulation"),  # the vagus nerve
        (SNOMED, "25937001", "neurostimulation"),  # any neurostimulator
        (CPT, "64615", "chemodenervation"),
    ],
)
def test_a_treatment_that_is_no_drug_is_recognised(system: str, code: str, name: str) -> None:
    assert load_guideline().sets_of(system, code) == {name}


@pytest.mark.parametrize(("code", "drug"), [("6387", "lidocaine"), ("1815", "bupivacaine")])
def test_a_nerve_block_is_recognised_by_its_anaesthetic_for_want_of_a_code(code: str, drug: str) -> None:
    guideline = load_guideline()
    assert guideline.drug_of(RXNORM, code) == drug
    assert drug in guideline.options["nerve_block"].drugs


@pytest.mark.parametrize("word", ["suboccipital", "supraorbital", "transcranial"])
def test_no_code_tells_these_neurostimulators_apart_so_only_text_does(word: str) -> None:
    """Of the neurostimulators only the vagal one has a code of its own; the mappers read the others from text."""
    guideline = load_guideline()
    assert guideline.code_sets["neurostimulation"].exact[SNOMED] == {"736672007", "25937001"}
    devices = [option.name for option in guideline.options.values() if option.kind == "device"]
    assert any(word.removeprefix("sub") in device for device in devices)
