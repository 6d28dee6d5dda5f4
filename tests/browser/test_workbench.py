"""Everything a person can do on the pages, done in a browser against a running service."""

import json
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from prodrome.rules.guideline.guideline import load_guideline
from tests.browser.conftest import ARTEFACTS, LOOKS, OF_SIZE, Look, Looking, expect, faults, long_request
from tests.serving import PAGES_OF_A_CASE

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

Keep = Callable[[str], None]


def card(page: "Page", rule: str) -> "Locator":
    return page.locator("article.card", has=page.get_by_role("link", name=f"why {rule}?"))


def open_example(page: "Page", name: str, number: int = 1) -> str:
    page.goto(f"/examples/{name}/{number}")
    return page.url


def paste(page: "Page", document: dict[str, Any]) -> None:
    page.goto("/")
    page.get_by_label("A pasted request").check()
    page.get_by_label("CDS Hooks request (JSON)").fill(json.dumps(document))
    page.get_by_role("button", name="Show the cards").click()
    page.wait_for_load_state("load")


def request_of(page: "Page", case: str) -> dict[str, Any]:
    document: dict[str, Any] = page.request.get(f"{case}/request.json").json()
    return document


# Choose a patient


def test_the_first_card_is_one_click_away(page: "Page", keep: Keep) -> None:
    page.goto("/")
    keep("choose")
    page.get_by_role("link", name=re.compile("Three classes failed, three months")).click()
    expect(card(page, "DTT-01").get_by_role("heading", level=3)).to_be_visible()
    keep("cards")


def test_an_example_is_asked_about_at_a_chosen_hook_with_an_order_from_the_list(page: "Page") -> None:
    page.goto("/")
    page.get_by_label("Example patient").select_option("coronary/1")
    page.get_by_label(re.compile("^Hook")).select_option("order-sign")
    assert page.locator("#orders option[value='sumatriptan 50 mg']").count() == 1
    page.get_by_label(re.compile("^Order in hand")).fill("sumatriptan 50 mg")
    page.get_by_role("button", name="Show the cards").click()
    expect(card(page, "SAF-01")).to_contain_text("contraindicated")


def test_a_patient_of_a_fhir_server_is_fetched(page: "Page", fhir: str) -> None:
    page.goto("/")
    page.get_by_label("On a FHIR server").check()
    page.get_by_label("Address of the FHIR server").fill(fhir)
    page.get_by_label("Patient id").fill("prodrome-resistant")
    page.get_by_role("button", name="Show the cards").click()
    expect(card(page, "DTT-01")).to_be_visible()
    document = request_of(page, page.url)
    assert "fhirServer" not in document
    assert len(document["prefetch"]["medicationStatements"]["entry"]) == 3


def test_a_fhir_server_that_is_not_there_is_explained_and_the_form_keeps_its_values(page: "Page") -> None:
    page.goto("/")
    page.get_by_label("On a FHIR server").check()
    page.get_by_label("Address of the FHIR server").fill("http://127.0.0.1:9")
    page.get_by_label("Patient id").fill("p1")
    page.get_by_role("button", name="Show the cards").click()
    expect(page.get_by_role("alert")).to_contain_text("could not be asked")
    assert page.get_by_label("Patient id").input_value() == "p1"


def test_a_pasted_request_is_answered(page: "Page") -> None:
    document = request_of(page, open_example(page, "emergency"))
    paste(page, document)
    expect(card(page, "ED-01")).to_be_visible()


# Cards as an EHR shows them


def test_a_card_shows_its_urgency_its_text_its_source_suggestions_and_override_reasons(
    page: "Page", keep: Keep
) -> None:
    open_example(page, "coronary")
    shown = card(page, "SAF-01")
    assert "critical" in (shown.get_attribute("class") or "")
    expect(shown.get_by_text("Critical", exact=True)).to_be_visible()
    assert shown.locator(".detail strong").count() > 0
    assert "**" not in shown.inner_text()
    assert (shown.locator(".source a").first.get_attribute("href") or "").startswith("https://")
    shown.get_by_text("Override").click()
    assert shown.get_by_role("radio").count() > 1
    assert shown.locator("footer button").first.inner_text()
    keep("card-critical")


# The history


def test_a_mark_of_the_history_tells_what_was_read_on_hover_and_on_focus(page: "Page", keep: Keep) -> None:
    open_example(page, "refractory")
    read_out = page.locator("#read-out")
    bar = page.locator(".history svg a.bar").first
    bar.hover()
    expect(read_out).to_contain_text("MedicationStatement/")
    page.locator(".history svg a.bar").nth(2).focus()
    expect(read_out).to_contain_text("propranolol")
    expect(read_out).to_contain_text("2022")
    assert "MedicationStatement/prodrome-refractory-medication-1" in (
        page.locator(".history svg a.bar").nth(2).get_attribute("aria-label") or ""
    )
    keep("history")


def test_a_drug_in_a_card_lights_its_bar_and_a_bar_its_drug(page: "Page") -> None:
    open_example(page, "refractory")
    drug, bar = (
        card(page, "DTT-02").locator("a.drug", has_text="topiramate"),
        page.locator("a.bar[data-drug=topiramate]"),
    )
    drug.focus()
    expect(bar).to_have_class(re.compile(r"\blit\b"))
    expect(page.locator("a.bar.lit")).to_have_count(1)
    bar.locator(".label").hover()
    expect(drug).to_have_class(re.compile(r"\blit\b"))
    drug.press("Enter")
    expect(page.locator(".entries > div:target")).to_contain_text("topiramate")


def test_on_a_wide_screen_the_history_stays_beside_the_cards(page: "Page") -> None:
    open_example(page, "refractory")
    first, history = card(page, "DTT-02").bounding_box(), page.locator(".history").bounding_box()
    assert first
    assert history
    assert history["x"] > first["x"] + first["width"]
    page.mouse.wheel(0, 600)
    page.wait_for_function("() => scrollY > 500")
    expect(page.locator(".history svg a.bar").first).to_be_in_viewport()


def test_on_a_phone_the_picture_begins_at_today_with_its_lanes_named(looking: Looking) -> None:
    page = looking(next(look for look in LOOKS if look.name == "small"))
    open_example(page, "refractory")
    page.locator(".picture").scroll_into_view_if_needed()
    expect(page.locator(".picture text.today")).to_be_in_viewport()
    expect(page.locator(".lane-names .name").first).to_be_in_viewport()
    frame = page.locator(".picture .scroll")
    assert frame.evaluate("e => e.scrollWidth > e.clientWidth")
    expect(frame).to_have_class("scroll more-left")  # the older part fades out
    assert "gradient" in frame.evaluate("e => getComputedStyle(e).maskImage")
    frame.evaluate("e => e.scrollBy(-99999, 0)")
    expect(frame).to_have_class("scroll more-right")


def test_a_mark_leads_to_its_words(page: "Page") -> None:
    open_example(page, "refractory")
    page.locator(".history svg a.bar").first.press("Enter")
    entry = page.locator(".entries > div:target")
    expect(entry).to_be_visible()
    expect(entry).to_contain_text("amitriptyline")


def test_ten_years_with_sixty_trials_are_drawn_in_under_a_second_and_read_well(page: "Page", keep: Keep) -> None:
    paste(page, long_request())
    page.reload()
    spent = page.evaluate(
        "() => performance.getEntriesByType('navigation').map(n => n.domContentLoadedEventEnd - n.requestStart)[0]"
    )
    assert spent < 1000
    assert page.locator(".history svg a.bar").count() == 60
    assert page.locator(".months rect.attested").count() > 100
    boxes = page.evaluate(
        "() => [...document.querySelectorAll('.history .label')].map(t => t.getBBox()).map(b => [b.x, b.y, b.width])"
    )
    overlapping = [
        (one, other)
        for index, one in enumerate(boxes)
        for other in boxes[index + 1 :]
        if one[1] == other[1] and one[0] < other[0] + other[2] and other[0] < one[0] + one[2]
    ]
    assert not overlapping
    keep("history-long")


def test_it_prints_with_the_words_and_without_the_controls(page: "Page") -> None:
    open_example(page, "refractory")
    page.emulate_media(media="print")
    assert not page.get_by_role("navigation", name="Pages").is_visible()
    expect(page.locator(".history svg").first).to_be_visible()
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.pdf(path=ARTEFACTS / "history.pdf")
    assert (ARTEFACTS / "history.pdf").read_bytes().startswith(b"%PDF")


# Ask who may have what


def test_the_history_for_a_payer_is_one_click_from_what_each_body_asks(page: "Page", keep: Keep) -> None:
    open_example(page, "resistant", 3)
    page.get_by_role("link", name="Eligibility", exact=True).click()
    page.get_by_label("Drug", exact=True).select_option("erenumab")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="Western Health Advantage: met")).to_be_visible()
    expect(page.get_by_role("row", name="beta blocker E3")).to_contain_text("failed")
    keep("eligibility")
    page.get_by_role("link", name="Summary for prior authorisation").click()
    expect(page.get_by_role("row", name="propranolol")).to_contain_text("stopped as ineffective")
    page.emulate_media(media="print")
    assert not page.locator("#summary").is_visible()
    expect(page.get_by_role("heading", name="Not recorded")).to_be_visible()


# Ask why


def test_a_rule_that_fired_opens_to_its_facts_references_parameters_and_sources(page: "Page", keep: Keep) -> None:
    page.goto(open_example(page, "resistant") + "/why")
    rule = page.locator("#DTT-01")
    expect(rule.locator("summary").first).to_contain_text("fired")
    rule.locator("summary").first.click()
    body = rule.inner_text()
    assert "3 classes of preventives that failed or are ruled out" in body
    assert "min_debilitating_days" in body
    assert rule.locator(".sources a").count() > 0
    row = rule.get_by_text("MedicationStatement/prodrome-resistant-medication-1").first
    expect(row).to_be_hidden()
    page.get_by_label("Show the FHIR rows").check()
    expect(row).to_be_visible()
    rule.get_by_text("from 3 facts").first.click()
    expect(rule.get_by_text("beta blockers: failed").first).to_be_visible()
    keep("why")


def test_a_rule_that_did_not_fire_tells_what_stopped_it_and_what_came_near(page: "Page") -> None:
    page.goto(open_example(page, "seven-days") + "/why")
    rule = page.locator("#DTT-01")
    rule.locator("summary").first.click()
    stopped = rule.locator("li.no").first.inner_text()
    assert "stopped here" in stopped
    assert "3 or more of the last 3 months at 8 debilitating days or more" in stopped
    assert "2 of the last 3 months at 8 debilitating days or more" in stopped


def test_a_rule_that_could_not_judge_tells_what_is_missing(page: "Page") -> None:
    document = request_of(page, open_example(page, "emergency"))
    del document["prefetch"]["appointments"]
    paste(page, document)
    page.goto(page.url + "/why")
    rule = page.locator("#ED-01")
    expect(rule.locator("summary").first).to_contain_text("could not judge")
    rule.locator("summary").first.click()
    expect(rule).to_contain_text("Not complete: Appointment")


def test_a_card_leads_to_its_rule(page: "Page") -> None:
    open_example(page, "resistant")
    page.get_by_role("link", name="why DTT-01?").click()
    expect(page.locator("#DTT-01[open]")).to_be_visible()


# What if


@pytest.mark.parametrize(
    ("label", "value", "gone"),
    [("End", "2024-03-01", "DTT-01"), ("Dose mg", "20", "DTT-01"), ("Why it ended", "none recorded", "DTT-01")],
)
def test_a_changed_date_dose_or_reason_shows_at_once_what_would_change(
    page: "Page", label: str, value: str, gone: str
) -> None:
    case = open_example(page, "resistant")
    page.goto(case + "/what-if")
    medicine = page.get_by_role("group", name=re.compile("propranolol"))
    field = medicine.get_by_label(label, exact=True)
    if label == "Why it ended":
        field.select_option(label=value)
    else:
        field.fill("2024-01-20" if label == "End" else value)
    outcome = page.locator("#outcome")
    outcome.locator("li.gone", has_text=gone).wait_for()
    expect(outcome).to_contain_text("Rules that turn")
    assert page.url == case + "/what-if"


def test_a_changed_parameter_shows_at_once_what_would_change(page: "Page", keep: Keep) -> None:
    page.goto(open_example(page, "seven-days") + "/what-if")
    page.get_by_text("Parameters of the rules").click()
    page.get_by_label("min debilitating days").fill("7")
    page.locator("#outcome li.new", has_text="DTT-01").wait_for()
    keep("what-if")
    page.get_by_role("button", name="Undo all changes").click()
    expect(page.locator("#outcome")).to_contain_text("Nothing is changed yet")


def test_what_was_changed_is_marked_and_rows_are_found(page: "Page") -> None:
    page.goto(open_example(page, "resistant") + "/what-if")
    dose = page.get_by_role("group", name=re.compile("propranolol")).get_by_label("Dose mg")
    dose.fill("20")
    expect(page.locator(".field.edited")).to_have_count(1)
    dose.fill("160")
    expect(page.locator(".field.edited")).to_have_count(0)
    page.get_by_label("Find a row or a parameter").fill("debilitating days")
    expect(page.get_by_role("group", name=re.compile("propranolol"))).to_be_hidden()
    expect(page.get_by_label("min debilitating days")).to_be_visible()


def test_a_rule_is_checked_and_tried_as_it_is_typed(page: "Page", keep: Keep) -> None:
    page.goto("/rules/DTT-01/edit")
    rule = page.get_by_label("The rule, as it stands")
    text = rule.input_value()
    rule.fill(text.replace("fact: adult", "fact: adlut"))
    expect(page.locator("#outcome .problem")).to_contain_text("adult")
    rule.fill(text.replace("$resistant_months", "2"))
    expect(page.locator("#outcome li.new")).to_contain_text("gets DTT-01")
    keep("rule-edited")


def test_a_link_that_holds_a_case_opens_it(page: "Page") -> None:
    page.goto(open_example(page, "triptan") + "/take-away")
    link = page.locator("#shared").inner_text()
    page.goto(link)
    page.get_by_role("button", name="Open the case").click()
    expect(card(page, "ACU-01")).to_be_visible()
    expect(page.get_by_role("region", name="Patient")).to_contain_text("shared link")


def test_undoing_right_after_typing_leaves_nothing_changed(page: "Page") -> None:
    """The change that was still waiting is not tried after it was undone."""
    page.goto(open_example(page, "seven-days") + "/what-if")
    page.get_by_text("Parameters of the rules").click()
    for _ in range(3):
        page.get_by_label("min debilitating days").press_sequentially("7")
        page.get_by_role("button", name="Undo all changes").click()
        page.wait_for_load_state("load")
        expect(page.locator("#outcome")).to_contain_text("Nothing is changed yet")
        page.wait_for_timeout(500)
        page.reload()
        expect(page.locator("#outcome")).to_contain_text("Nothing is changed yet")
        page.get_by_text("Parameters of the rules").click()


def test_a_change_on_a_page_that_is_too_old_is_not_passed_over_in_silence(page: "Page") -> None:
    case = open_example(page, "resistant")
    page.goto(case + "/what-if")
    token = page.locator("input[name=token]").first.input_value()
    page.request.post(case + "/forget", form={"token": token})
    page.get_by_label("Dose").first.fill("20")
    expect(page.locator("#outcome .problem")).to_contain_text("too old")


# Act on a card


def test_accepting_a_suggestion_shows_before_and_after_and_counts_in_the_feedback(page: "Page", keep: Keep) -> None:
    before = counts(page, "ACU-01")
    open_example(page, "triptan")
    card(page, "ACU-01").get_by_role("button", name="Change to 50 mg").click()
    shown = card(page, "ACU-01")
    expect(shown.locator("td.removed")).to_contain_text('"value": 25')
    expect(shown.locator("td.added")).to_contain_text('"value": 50')
    keep("accepted")
    assert counts(page, "ACU-01") == (before[0] + 1, before[1] + 1, before[2])


def test_overriding_a_card_sends_feedback_with_its_reason(page: "Page", keep: Keep) -> None:
    before = counts(page, "SAF-01")
    open_example(page, "coronary")
    shown = card(page, "SAF-01")
    shown.get_by_text("Override").click()
    reason = shown.get_by_role("radio").first
    words = shown.locator("fieldset label").first.inner_text().strip()
    reason.check()
    shown.get_by_role("button", name="Send feedback").click()
    expect(card(page, "SAF-01")).to_contain_text("Overridden")
    assert counts(page, "SAF-01") == (before[0] + 1, before[1], before[2] + 1)
    expect(page.get_by_role("row", name=re.compile("SAF-01"))).to_contain_text(words)
    keep("feedback")


def counts(page: "Page", rule: str) -> tuple[int, int, int]:
    """Shown, accepted and overridden, as the feedback page has them."""
    page.goto("/feedback")
    row = page.get_by_role("row", name=re.compile(rule))
    if not row.count():
        return 0, 0, 0
    shown, accepted, overridden = (int(text) for text in row.locator("td.number").all_inner_texts()[:3])
    return shown, accepted, overridden


# Take it away


def test_request_response_and_test_case_can_be_taken_away(page: "Page", tmp_path: Path) -> None:
    page.goto(open_example(page, "resistant") + "/take-away")
    taken = {}
    for name in ("Request (JSON)", "Response (JSON)", "Test case"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        download.value.save_as(tmp_path / "taken.json")
        taken[name] = json.loads((tmp_path / "taken.json").read_text())
    assert taken["Request (JSON)"]["hook"] == "patient-view"
    assert len(taken["Response (JSON)"]["cards"]) == 4
    assert taken["Test case"]["expected"]["cards"] == ["DTT-01", "NPH-01", "PRV-04", "REF-01"]


def test_the_curl_command_asks_the_same_and_can_be_copied(page: "Page", base: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(open_example(page, "resistant") + "/take-away")
    page.locator("[data-copy=curl]").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    words = shlex.split(copied)
    assert words[0] == "curl"
    body, address = words[words.index("--data-binary") + 1], words[-1]
    assert address.startswith(base)
    answer = httpx.post(address, content=body, headers={"Content-Type": "application/json"})
    assert "DTT-01" in [one["source"]["topic"]["code"] for one in answer.json()["cards"]]


def test_the_permanent_link_of_an_example_opens_it_again(page: "Page") -> None:
    page.goto(open_example(page, "triptan") + "/take-away")
    page.goto(page.locator("#permalink").inner_text())
    expect(card(page, "ACU-01")).to_be_visible()


# The rulebook


def test_a_rule_can_be_read_with_its_statement_conditions_parameters_sources_examples_and_feedback(
    page: "Page", keep: Keep
) -> None:
    page.goto("/rules")
    keep("rulebook")
    page.get_by_role("link", name="DTT-01", exact=True).click()
    keep("rule")
    text = page.locator("main").inner_text()
    for part in ("The statement behind it", "It holds when", "unless", "Thresholds", "Sources", "Feedback"):
        assert part in text
    assert "3 or more classes of preventives that failed or are ruled out (resistant min classes)" in text
    page.get_by_role("link", name="Three classes failed, three months of eight days and more").first.click()
    expect(card(page, "DTT-01")).to_be_visible()


# Check a request


def test_a_request_is_told_what_it_breaks_and_what_the_service_does(page: "Page", keep: Keep) -> None:
    document = request_of(page, open_example(page, "resistant"))
    document["context"]["patientId"] = "Patient/prodrome-resistant"
    document["hookInstance"] = "42"
    del document["prefetch"]["appointments"]
    page.goto("/check")
    page.get_by_label("Request (JSON)").fill(json.dumps(document))
    page.get_by_role("button", name="Check it").click()
    rows = page.get_by_role("region", name="Faults", exact=True).inner_text()
    assert "REQ-15" in rows
    assert "REQ-04" in rows
    text = page.locator("main").inner_text()
    assert "answers 200" in text
    assert "Appointment is missing" in text
    keep("check")
    page.locator("a.place").first.click()
    assert page.evaluate("() => document.activeElement.id") == "request"
    assert page.evaluate("() => getSelection().toString() || document.activeElement.selectionEnd")
    dropped = page.evaluate_handle(
        "(text) => { const all = new DataTransfer(); all.items.add(new File([text], 'request.json')); return all }",
        '{"hook": "patient-view"}',
    )
    page.dispatch_event("#request", "drop", {"dataTransfer": dropped})
    expect(page.get_by_label("Request (JSON)")).to_have_value('{"hook": "patient-view"}')
    page.get_by_role("button", name="Check it").click()
    expect(page.locator("main")).to_contain_text("It answers 400: hookInstance is missing.")


# For everyone


PAGES = [
    "/",
    "/population",
    "/rules",
    "/rules/DTT-01",
    "/rules/SAF-01",
    "/rules/DTT-01/edit",
    "/search?q=triptan",
    "/drugs",
    "/drugs/sumatriptan",
    "/drugs/topiramate",
    "/parameters",
    "/rules/compare",
    "/shared",
    "/feedback",
    "/check",
    "/case/gone",
    "/no-such-page",
]
BROKEN = """() => [...document.querySelectorAll("time, .date, .rule-id, a.rule, .one-word, tbody th code")]
    .filter(word => word.getClientRects().length > 1).map(word => word.textContent)"""
"""Ids and dates that stand on more than one line."""


@pytest.mark.parametrize(("example", "paths"), [("refractory", ["/why"]), ("coronary", PAGES_OF_A_CASE)])
def test_axe_finds_nothing_wrong_with_a_case_when_all_of_it_is_open(
    page: "Page", example: str, paths: Sequence[str]
) -> None:
    case = open_example(page, example)
    for path in paths:
        page.goto(case + path)
        page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert faults(page) == [], path


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_every_page_is_right_in_every_look_and_nothing_sticks_out(look: Look, looking: Looking) -> None:
    """A picture of each page is kept for people to look at.

    Colours are looked at in two looks and what comes of the size in two others; a small dark page has both of theirs.
    """
    page = looking(look)
    rules = () if look.name in ("light", "dark") else OF_SIZE
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    case = open_example(page, "refractory")
    for path in [*PAGES, *(f"case:{tab}" for tab in PAGES_OF_A_CASE)]:
        page.goto(case + path.removeprefix("case:") if path.startswith("case:") else path)
        if look.name != "small-dark":
            assert faults(page, rules) == [], path
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), path
        assert page.evaluate(BROKEN) == [], path
        name = re.sub(r"\W", "-", path.strip("/").replace(":", "")) or "first"
        if look.name != "enlarged":
            page.screenshot(path=ARTEFACTS / f"{name}.{look.name}.png", full_page=True)


def test_axe_finds_nothing_wrong_with_a_changed_and_an_answered_case(page: "Page") -> None:
    page.goto(open_example(page, "triptan"))
    card(page, "ACU-01").get_by_role("button", name="Change to 50 mg").click()
    assert faults(page) == []
    page.get_by_role("link", name="What if").click()
    page.wait_for_url("**/what-if")  # loaded, scripts and all
    page.get_by_label("Dose").first.fill("50")
    page.locator("#outcome li.gone").wait_for()
    assert faults(page) == []


def test_the_whole_way_goes_by_keyboard(page: "Page") -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    tab_to(page, "select#example")
    page.keyboard.type("A triptan is ordered")
    tab_to(page, "button.primary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/case/*")
    assert outlined(page, "article.card footer button")
    page.keyboard.press("Enter")
    page.locator(".answered").wait_for()
    tab_to(page, ".tabs a[href$='/what-if']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/what-if")
    tab_to(page, ".field input")
    page.keyboard.press("Control+A")
    page.keyboard.type("2026-01")
    assert outlined(page, "form button")


def tab_to(page: "Page", selector: str) -> None:
    """Press Tab until the focus is on the first element a selector names."""
    for _ in range(300):
        page.keyboard.press("Tab")
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"{selector} cannot be reached with the Tab key")


def outlined(page: "Page", selector: str) -> bool:
    """Whether an element that the Tab key reaches shows that it has the focus."""
    tab_to(page, selector)
    return bool(page.evaluate("() => parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2"))


def test_marks_of_the_history_show_the_focus(page: "Page") -> None:
    open_example(page, "refractory")
    tab_to(page, ".history svg a.bar")
    stroke = page.evaluate("() => getComputedStyle(document.activeElement.querySelector('.focus')).stroke")
    assert stroke != "none"


def test_everything_works_without_javascript(plain_page: "Page") -> None:
    page = plain_page
    page.goto("/")
    page.get_by_label("Example patient").select_option("triptan/1")
    page.get_by_role("button", name="Show the cards").click()
    page.get_by_role("button", name="Change to 50 mg").click()
    expect(page.locator("td.added")).to_contain_text('"value": 50')
    page.get_by_role("link", name="Why", exact=True).click()
    page.locator("#ACU-01 summary").first.click()
    expect(page.locator("#ACU-01")).to_contain_text("It rests on")
    page.get_by_role("navigation", name="This patient").get_by_role("link", name="What if").click()
    page.get_by_label("Dose").first.fill("50")
    page.get_by_role("button", name="Show what changes").click()
    assert page.locator("#outcome li.gone").inner_text()


def test_colours_of_endings_stand_out_and_every_ending_has_a_shape_of_its_own(page: "Page") -> None:
    paste(page, long_request())
    shapes = page.evaluate(
        "() => Object.fromEntries([...document.querySelectorAll('.history svg a.bar')].map(a =>"
        " [a.classList[1], a.querySelector('.sign').innerHTML.replace(/\\s+/g, ' ')]))"
    )
    assert len(shapes) >= 5
    assert len(set(shapes.values())) == len(shapes)
    colours = page.evaluate(
        "() => ['inefficacy', 'intolerance', 'contraindicated', 'ongoing', 'succeeded', 'other'].map(n =>"
        " getComputedStyle(document.documentElement).getPropertyValue('--' + n).trim())"
    )
    assert all(contrast_with_white(colour) >= 3 for colour in colours)


def contrast_with_white(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


def test_what_was_pasted_is_gone_when_it_is_forgotten(page: "Page") -> None:
    case = open_example(page, "resistant")
    page.get_by_role("button", name="Forget this patient").click()
    page.goto(case)
    expect(page.get_by_role("alert")).to_contain_text("no longer in memory")
    stored = page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "resistant" not in stored
    assert "Medication" not in stored


def test_every_rule_with_a_card_is_on_the_page_that_asks_why(page: "Page") -> None:
    page.goto(open_example(page, "resistant") + "/why")
    with_cards = [rule.id for rule in load_guideline().rulebook.rules.values() if rule.card]
    assert page.locator("details.reading").count() == len(with_cards)
