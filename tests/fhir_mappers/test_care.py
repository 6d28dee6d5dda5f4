"""Hospital visits and what they were for; specialist contacts, appointments, referrals; non-drug treatments."""

import pytest

from prodrome.rules.guideline.guideline import load_guideline
from tests.fhir_mappers.build import (
    ACT_CODE,
    CPT,
    ICD10CM,
    LOCAL,
    MIGRAINE,
    SNOMED,
    Json,
    concept,
    condition,
    encounter,
    facts,
    period,
    procedure,
    resource,
)

NEUROLOGY = concept(SNOMED, "394591006")
HEADACHE = concept(ICD10CM, "R51.9")
FRACTURE = concept(ICD10CM, "S52.501A")
ROLE = "http://terminology.hl7.org/CodeSystem/diagnosis-role"


def reasons(*rows: Json) -> list[str]:
    return [visit.reason.value for visit in facts(*rows).hospital_visits]


def follow_ups(*rows: Json) -> list[tuple[str, str | None]]:
    return [(found.kind, str(found.when) if found.when else None) for found in facts(*rows).follow_ups]


# --- Hospital visits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("class_", "is_hospital"),
    [("EMER", 1), ("IMP", 1), ("ACUTE", 1), ("OBSENC", 1), ("AMB", 0), ("VR", 0), ("HH", 0), (None, 0)],
)
def test_a_hospital_visit_is_known_by_its_class(class_: str | None, is_hospital: int) -> None:
    assert len(reasons(encounter(class_))) == is_hospital


def test_a_class_may_be_one_of_several_concepts_as_in_r5() -> None:
    classes = [concept(LOCAL, "X"), concept(ACT_CODE, "EMER")]
    assert reasons(encounter() | {"class": classes}) == ["migraine"]
    assert reasons(encounter() | {"class": {"code": "EMER"}}) == ["migraine"]
    assert reasons(encounter() | {"class": {"system": LOCAL, "code": "EMER"}}) == []


def test_an_emergency_type_makes_a_hospital_visit() -> None:
    assert reasons(encounter("AMB", type=[concept(SNOMED, "4525004")])) == ["migraine"]
    assert reasons(encounter("AMB", type=[concept(CPT, "99284")])) == ["migraine"]


ENCOUNTER_STATUS = [
    ("in-progress", True),
    ("arrived", True),
    ("triaged", True),
    ("onleave", True),
    ("on-hold", True),  # R5's onleave
    ("finished", False),
    ("unknown", False),
    ("completed", False),
    ("discharged", False),
    ("planned", None),
    ("cancelled", None),
    ("entered-in-error", None),
]


@pytest.mark.parametrize(("status", "running"), ENCOUNTER_STATUS)
def test_a_visit_counts_by_its_status(status: str, running: bool | None) -> None:
    visits = facts(encounter(status=status, period=period("2026-06-10", None))).hospital_visits
    assert [visit.running for visit in visits] == ([] if running is None else [running])


def test_a_running_visit_that_ended_has_ended() -> None:
    (visit,) = facts(encounter(status="in-progress")).hospital_visits
    assert not visit.running
    assert str(visit.end) == "2026-05-01"


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-06", "2026-06", ("2026-06-01", "2026-06-15")),
        ("2026-06-10", "2026", ("2026-01-01", "2026-06-15")),
        ("2026-05", "2026-05", ("2026-05-01", "2026-05-31")),
        ("2026-06-20", "2026-06-20", ("2026-06-20", "2026-06-20")),  # the chart names a day ahead
    ],
)
def test_a_visit_that_is_over_was_on_no_day_ahead(start: str, end: str, days: tuple[str, str]) -> None:
    (visit,) = facts(encounter(period=period(start, end))).hospital_visits
    assert visit.end is not None
    assert (str(visit.end.first), str(visit.end.last)) == days
    assert (str(visit.start), str(visit.end)) == (start, end), "said as written"


@pytest.mark.parametrize("status", ["finished", "in-progress"])
def test_a_visit_of_which_only_the_end_is_said_was_on_that_day(status: str) -> None:
    (visit,) = facts(encounter(status=status, period=period(None, "2026-05-03"))).hospital_visits
    assert (str(visit.start), str(visit.end), visit.running) == ("2026-05-03", "2026-05-03", False)
    seen = encounter("AMB", serviceType=NEUROLOGY, period=period(None, "2026-05-03"))
    assert follow_ups(seen) == [("contact", "2026-05-03")]


@pytest.mark.parametrize("said", [None, period(None, None)])
def test_a_hospital_visit_of_no_day_is_told(said: Json | None) -> None:
    told = facts(encounter(period=said), encounter()).not_understood
    assert [(each.kind, each.what, each.why) for each in told] == [("Encounter", "period", "says no day")]


def test_a_visit_that_goes_on_began_by_today() -> None:
    (visit,) = facts(encounter(status="in-progress", period=period("2026-06", None))).hospital_visits
    assert visit.start is not None
    assert (str(visit.start), str(visit.start.last)) == ("2026-06", "2026-06-15")


def test_r5_calls_the_period_actual() -> None:
    (visit,) = facts(encounter(period=None, actualPeriod=period("2026-05-02", "2026-05-03"))).hospital_visits
    assert (str(visit.start), str(visit.end)) == ("2026-05-02", "2026-05-03")


def diagnosis(code: Json, use: str | None = None, rank: int | None = None) -> Json:
    made: Json = {"condition": {"reference": "#" + str(code["coding"][0]["code"])}}
    if use:
        made["use"] = concept(ROLE, use)
    if rank is not None:
        made["rank"] = rank
    return made


CONTAINED = [
    {"resourceType": "Condition", "id": code["coding"][0]["code"], "code": code}
    for code in (MIGRAINE, FRACTURE, HEADACHE)
]

REASONS: list[tuple[str, Json, str]] = [
    ("first reason", {"reasonCode": [MIGRAINE, FRACTURE]}, "migraine"),
    ("second reason", {"reasonCode": [FRACTURE, MIGRAINE]}, "other"),
    ("plain headache", {"reasonCode": [HEADACHE]}, "headache"),
    ("text only", {"reasonCode": [{"text": "migraine"}]}, "headache"),
    ("nothing", {"reasonCode": None}, "unstated"),
    ("an unknown system", {"reasonCode": [concept(LOCAL, "1", display="Migraine")]}, "headache"),
    (
        "two codes of one reason",
        {"reasonCode": [{"coding": [*concept(LOCAL, "1")["coding"], *MIGRAINE["coding"]]}]},
        "migraine",
    ),
    ("a reference", {"reasonCode": None, "reasonReference": [{"reference": "#G43.009"}]}, "migraine"),
    (
        "rank 1",
        {"reasonCode": None, "diagnosis": [diagnosis(FRACTURE, rank=2), diagnosis(MIGRAINE, rank=1)]},
        "migraine",
    ),
    ("rank 2", {"reasonCode": None, "diagnosis": [diagnosis(FRACTURE, rank=1), diagnosis(MIGRAINE, rank=2)]}, "other"),
    ("chief complaint", {"reasonCode": None, "diagnosis": [diagnosis(MIGRAINE, "CC")]}, "migraine"),
    ("discharge diagnosis", {"reasonCode": None, "diagnosis": [diagnosis(MIGRAINE, "DD")]}, "migraine"),
    ("billing diagnosis", {"reasonCode": None, "diagnosis": [diagnosis(MIGRAINE, "billing")]}, "migraine"),
    ("comorbidity", {"reasonCode": None, "diagnosis": [diagnosis(MIGRAINE, "CM")]}, "unstated"),
    (
        "R5 final diagnosis",
        {"reasonCode": None, "diagnosis": [diagnosis(FRACTURE, "working"), diagnosis(MIGRAINE, "final")]},
        "migraine",
    ),
    ("no rank, no use", {"reasonCode": None, "diagnosis": [diagnosis(MIGRAINE)]}, "migraine"),
    ("a reason beats a diagnosis", {"reasonCode": [FRACTURE], "diagnosis": [diagnosis(MIGRAINE, rank=1)]}, "other"),
    (
        "first by role, comorbid migraine",
        {"reasonCode": None, "diagnosis": [diagnosis(MIGRAINE, "CM", 1), diagnosis(FRACTURE, "DD", 1)]},
        "other",
    ),
    ("R5 reason", {"reasonCode": None, "reason": [{"value": [{"concept": MIGRAINE}]}]}, "migraine"),
    (
        "R5 reference",
        {"reasonCode": None, "reason": [{"value": [{"reference": {"reference": "#G43.009"}}]}]},
        "migraine",
    ),
    (
        "R5 second value",
        {"reasonCode": None, "reason": [{"value": [{"concept": FRACTURE}, {"concept": MIGRAINE}]}]},
        "other",
    ),
    (
        "R5 diagnosis",
        {"reasonCode": None, "diagnosis": [{"condition": [{"concept": MIGRAINE}], "use": [concept(ROLE, "DD")]}]},
        "migraine",
    ),
]


@pytest.mark.parametrize(("more", "reason"), [case[1:] for case in REASONS], ids=[case[0] for case in REASONS])
def test_a_visit_was_for_its_first_reason_else_its_principal_diagnosis(more: Json, reason: str) -> None:
    assert reasons(encounter(contained=CONTAINED, **more)) == [reason]


def test_the_diagnosis_may_be_a_condition_of_the_record() -> None:
    problem = condition(id="c1", status="resolved")
    row = encounter(why=None, diagnosis=[{"condition": {"reference": "Condition/c1"}, "rank": 1}])
    assert reasons(problem, row) == ["migraine"]


VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("refuted", "unstated"),
        ("entered-in-error", "unstated"),
        ("differential", "unstated"),
        ("provisional", "migraine"),
        ("confirmed", "migraine"),
    ],
)
@pytest.mark.parametrize(
    "why",
    [
        {"diagnosis": [{"condition": {"reference": "Condition/c1"}, "rank": 1}]},
        {"reasonReference": [{"reference": "Condition/c1"}]},
        {"reason": [{"value": [{"reference": {"reference": "Condition/c1"}}]}]},
    ],
)
def test_a_visit_was_not_for_a_diagnosis_that_does_not_hold(why: Json, status: str, reason: str) -> None:
    problem = condition(id="c1", verificationStatus=concept(VERIFICATION, status))
    assert reasons(problem, encounter(why=None, **why)) == [reason]


@pytest.mark.parametrize(
    "why",
    [
        {"reasonReference": [{"reference": "Condition/none"}]},
        {"indication": [{"reference": "Condition/none"}]},
        {"diagnosis": [{"condition": {"reference": "Condition/none"}, "rank": 1}]},
        {"reason": [{"value": [{"reference": {"reference": "Condition/none"}}]}]},
        {"diagnosis": [{"condition": [{"reference": {"reference": "#none"}}]}]},
    ],
)
def test_a_visit_whose_reason_did_not_come_is_told(why: Json) -> None:
    def told(why: Json) -> list[tuple[str, str, str]]:
        read = facts(encounter(why=None, **why), condition(id="c"))
        return [(each.kind, each.what, each.why) for each in read.not_understood]

    assert told(why) == [("Encounter", "reason", "is of a Condition that did not come")]
    assert not told({"reasonReference": [{"reference": "Condition/c"}]})
    assert not told({"reasonReference": [{"reference": "Procedure/none"}]})
    assert not told({"reasonCode": [MIGRAINE], **why})


def test_a_reason_that_does_not_hold_is_passed_over() -> None:
    refuted = condition(FRACTURE, id="c1", verificationStatus=concept(VERIFICATION, "refuted"))
    both = [{"reference": "Condition/c1"}, {"reference": "Condition/c2"}]
    assert reasons(refuted, condition(id="c2"), encounter(why=None, reasonReference=both)) == ["migraine"]


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        ("treatment-diagnosis", "migraine"),
        ("hospital-main-diagnosis", "migraine"),
        ("principle-DRG", "migraine"),
        ("secondary-DRG", "unstated"),
        ("referral-diagnosis", "unstated"),
    ],
)
def test_a_german_visit_was_for_its_treatment_main_or_billing_diagnosis(use: str, reason: str) -> None:
    codes = "http://fhir.de/CodeSystem/KontaktDiagnoseProzedur"
    row = encounter(why=None, diagnosis=[{"condition": {"reference": "Condition/c1"}, "use": concept(codes, use)}])
    assert reasons(condition(id="c1"), row) == [reason]


# --- Specialist contacts --------------------------------------------------------------------------------------------


def role(**more: object) -> Json:
    return {"resourceType": "PractitionerRole", "id": "role1", "specialty": [NEUROLOGY], **more}


CONTACTS: list[tuple[str, list[Json], int]] = [
    ("service type by code", [encounter("AMB", serviceType=NEUROLOGY)], 1),
    ("service type as in R5", [encounter("AMB", serviceType=[{"concept": NEUROLOGY}])], 1),
    ("type by text", [encounter("AMB", type=[{"text": "Headache clinic"}])], 1),
    ("type of an unknown system", [encounter("AMB", type=[concept(LOCAL, "N", display="Neurology follow-up")])], 1),
    ("video", [encounter("VR", serviceType=NEUROLOGY)], 1),
    ("home", [encounter("HH", serviceType=NEUROLOGY)], 1),
    ("in hospital", [encounter("IMP", serviceType=NEUROLOGY)], 0),
    ("emergency", [encounter("EMER", serviceType=NEUROLOGY)], 0),
    ("another specialty", [encounter("AMB", serviceType=concept(SNOMED, "394579002"))], 0),
    (
        "a known code with a telling display",
        [encounter("AMB", serviceType=concept(SNOMED, "394579002", display="Neurology"))],
        0,
    ),
    ("neurosurgery", [encounter("AMB", type=[{"text": "Neurosurgery"}])], 0),
    ("planned", [encounter("AMB", serviceType=NEUROLOGY, status="planned")], 0),
    (
        "participant",
        [role(), encounter("AMB", participant=[{"individual": {"reference": "PractitionerRole/role1"}}])],
        1,
    ),
    (
        "participant in R5",
        [role(), encounter("AMB", participant=[{"actor": {"reference": "PractitionerRole/role1"}}])],
        1,
    ),
    (
        "contained participant",
        [encounter("AMB", contained=[role()], participant=[{"individual": {"reference": "#role1"}}])],
        1,
    ),
    ("unknown participant", [encounter("AMB", participant=[{"individual": {"reference": "Practitioner/1"}}])], 0),
    ("pain management", [encounter("AMB", serviceType=concept(SNOMED, "394882004"))], 0),
]


@pytest.mark.parametrize(("rows", "count"), [case[1:] for case in CONTACTS], ids=[case[0] for case in CONTACTS])
def test_a_specialist_contact(rows: list[Json], count: int) -> None:
    assert follow_ups(*rows) == [("contact", "2026-05-01")] * count


def test_a_site_may_count_pain_management() -> None:
    from prodrome.fhir_mappers import Record, read_facts
    from tests.fhir_mappers.build import COMPLETE, ME, TODAY

    guideline = load_guideline().with_parameters(
        {"pain_management_is_specialist": True, "neurology_is_specialist": False}
    )
    pain, nerves = encounter("AMB", serviceType=concept(SNOMED, "394882004")), encounter("AMB", serviceType=NEUROLOGY)
    read = read_facts(Record(ME, {"Encounter": [pain, nerves]}, COMPLETE), guideline, TODAY)
    assert [found.refs for found in read.follow_ups] == [(f"Encounter/{pain['id']}",)]


def appointment(status: str = "booked", start: str | None = "2026-07-01T09:00:00Z", **more: object) -> Json:
    made = resource("Appointment", **{"status": status, "start": start, "specialty": [NEUROLOGY]} | more)
    del made["subject"]
    return made


APPOINTMENTS = [
    ("booked", "2026-06-15T00:00:00Z", "appointment"),
    ("booked", "2026-06-14T23:00:00Z", None),
    ("arrived", "2026-06-15T08:00:00Z", "appointment"),
    ("checked-in", "2026-06-15T08:00:00Z", "appointment"),
    ("fulfilled", "2026-03-01T08:00:00Z", "contact"),
    ("booked", None, None),
    ("proposed", "2026-07-01T09:00:00Z", None),
    ("pending", "2026-07-01T09:00:00Z", None),
    ("waitlist", "2026-07-01T09:00:00Z", None),
    ("noshow", "2026-03-01T08:00:00Z", None),
    ("cancelled", "2026-07-01T09:00:00Z", None),
    ("entered-in-error", "2026-07-01T09:00:00Z", None),
]


@pytest.mark.parametrize(("status", "start", "kind"), APPOINTMENTS)
def test_an_appointment_counts_by_its_status(status: str, start: str | None, kind: str | None) -> None:
    assert follow_ups(appointment(status, start)) == ([(kind, start[:10])] if kind and start else [])


def test_an_appointment_is_with_a_specialist_by_specialty_or_service_type() -> None:
    other = concept(SNOMED, "394579002")
    assert not follow_ups(appointment(specialty=[other]))
    assert follow_ups(appointment(specialty=[other], serviceType=[NEUROLOGY]))
    assert follow_ups(appointment(specialty=None, serviceType=[{"concept": NEUROLOGY}]))
    assert follow_ups(appointment(specialty=[{"text": "Neurology"}]))


@pytest.mark.parametrize("specialty", [NEUROLOGY, {"text": "Neurologie"}])
def test_an_appointment_is_with_a_specialist_by_whose_role_takes_part(specialty: Json) -> None:
    def at(reference: str, **more: object) -> Json:
        actors = [{"actor": {"reference": "Patient/pat-1"}}, {"actor": {"reference": reference}}]
        return appointment(specialty=None, participant=actors) | more

    specialist = role(specialty=[specialty])
    assert follow_ups(at("PractitionerRole/role1"), specialist)
    assert follow_ups(at("#role1", contained=[specialist]))
    assert not follow_ups(at("PractitionerRole/role1"), role(specialty=[concept(SNOMED, "394579002")]))
    assert not follow_ups(at("PractitionerRole/role1"))


def test_an_appointment_of_another_patient_is_ignored() -> None:
    def actor(reference: str) -> Json:
        return {"actor": {"reference": reference}, "status": "accepted"}

    assert not follow_ups(appointment(participant=[actor("Practitioner/1"), actor("Patient/other")]))
    assert follow_ups(appointment(participant=[actor("Practitioner/1"), actor("Patient/pat-1")]))
    assert follow_ups(appointment(participant=[actor("Practitioner/1")]))
    assert follow_ups(appointment(participant=[actor("Practitioner/1")]) | {"subject": {"reference": "Patient/pat-1"}})
    assert not follow_ups(
        appointment(participant=[actor("Practitioner/1")]) | {"subject": {"reference": "Patient/other"}}
    )


def service_request(code: Json, status: str = "active", intent: str | None = "order", **more: object) -> Json:
    made = {"status": status, "intent": intent, "code": code, "authoredOn": "2026-06-05"} | more
    return resource("ServiceRequest", **made)


CONSULTATION = concept(SNOMED, "11429006")
REFERRALS: list[tuple[str, Json, int]] = [
    ("to a neurologist", service_request(concept(SNOMED, "308474002")), 1),
    ("to neurology", service_request(concept(SNOMED, "183521007")), 1),
    ("in R5", service_request({"concept": concept(SNOMED, "308474002")}), 1),
    ("a consultation", service_request(CONSULTATION), 0),
    ("a consultation with a neurologist", service_request(CONSULTATION, performerType=NEUROLOGY), 1),
    ("a consultation with a surgeon", service_request(CONSULTATION, performerType=concept(SNOMED, "304292004")), 0),
    (
        "a consultation with the role of a neurologist",
        service_request(CONSULTATION, performer=[{"reference": "#role1"}], contained=[role()]),
        1,
    ),
    (
        "a consultation with the role of a cardiologist",
        service_request(
            CONSULTATION,
            performer=[{"reference": "#role1"}],
            contained=[role(specialty=[concept(SNOMED, "394579002")])],
        ),
        0,
    ),
    ("in German, to neurologists", service_request({"text": "Überweisung an Neurologen"}), 1),
    ("to pain management", service_request(concept(SNOMED, "306265007")), 0),
    ("in text", service_request({"text": "Referral to neurology"}), 1),
    ("to a headache clinic in text", service_request({"text": "Refer to headache clinic"}), 1),
    ("a scan for headache", service_request({"text": "MRI brain for headache"}), 0),
    ("a headache diary", service_request({"text": "Headache diary"}), 0),
    ("completed", service_request(concept(SNOMED, "308474002"), "completed"), 1),
    ("draft", service_request(concept(SNOMED, "308474002"), "draft"), 0),
    ("revoked", service_request(concept(SNOMED, "308474002"), "revoked"), 0),
    ("on hold", service_request(concept(SNOMED, "308474002"), "on-hold"), 0),
    ("in error", service_request(concept(SNOMED, "308474002"), "entered-in-error"), 0),
    ("filler order", service_request(concept(SNOMED, "308474002"), intent="filler-order"), 1),
    ("proposal", service_request(concept(SNOMED, "308474002"), intent="proposal"), 0),
    ("plan", service_request(concept(SNOMED, "308474002"), intent="plan"), 0),
    ("option", service_request(concept(SNOMED, "308474002"), intent="option"), 0),
    ("not to be done", service_request(concept(SNOMED, "308474002"), doNotPerform=True), 0),
]


@pytest.mark.parametrize(("row", "count"), [case[1:] for case in REFERRALS], ids=[case[0] for case in REFERRALS])
def test_a_referral(row: Json, count: int) -> None:
    assert follow_ups(row) == [("referral", "2026-06-05")] * count


def test_an_order_of_the_specialty_itself_is_a_referral_to_it() -> None:
    assert follow_ups(service_request(NEUROLOGY)) == [("referral", "2026-06-05")]
    assert not follow_ups(service_request(concept(SNOMED, "394882004")))  # pain management, off by default


def test_a_referral_may_be_undated() -> None:
    assert follow_ups(service_request(concept(SNOMED, "308474002"), authoredOn=None)) == [("referral", None)]


# --- Treatments without drugs ---------------------------------------------------------------------------------------


def treatments(*rows: Json) -> list[tuple[str, str | None, str]]:
    return [
        (found.kind, str(found.when) if found.when else None, found.indication.value)
        for found in facts(*rows).non_drug_treatments
    ]


KINDS = [
    (concept(SNOMED, "44868003"), "acupuncture"),
    (concept(CPT, "90875"), "biofeedback"),
    (concept(SNOMED, "228557008"), "cbt"),
    (concept(SNOMED, "284467003"), "relaxation"),
    (concept(SNOMED, "736672007"), "neurostimulation"),
    (concept(text="Acupuncture"), "acupuncture"),
    (concept(text="Cognitive behavioural therapy"), "cbt"),
    (concept(text="Supraorbital nerve stimulation"), "neurostimulation"),
]


@pytest.mark.parametrize(("code", "kind"), KINDS)
def test_a_treatment_is_a_procedure_or_an_order(code: Json, kind: str) -> None:
    assert treatments(procedure(code, on="2026-01-05")) == [(kind, "2026-01-05", "unstated")]
    assert treatments(service_request(code)) == [(kind, "2026-06-05", "unstated")]


def test_a_treatment_says_what_it_was_for() -> None:
    assert treatments(procedure(KINDS[0][0], reasonCode=[MIGRAINE]))[0][2] == "migraine"
    assert treatments(procedure(KINDS[0][0], reasonCode=[FRACTURE]))[0][2] == "other"


@pytest.mark.parametrize("status", ["preparation", "not-done", "on-hold", "stopped", "entered-in-error", "unknown"])
def test_a_procedure_that_was_not_done_is_no_treatment(status: str) -> None:
    assert not treatments(procedure(KINDS[0][0], status=status))


@pytest.mark.parametrize(
    "text",
    [
        "Vagus nerve stimulator",
        "External trigeminal nerve stimulation",
        "Occipital nerve stimulator",
        "Single-pulse transcranial magnetic stimulator",
        "Remote electrical neuromodulation device",
        "Supraorbital stimulator",
    ],
)
def test_a_device_is_known_by_its_text(text: str) -> None:
    use = resource("DeviceUseStatement", status="completed", device={"display": text}, timingDateTime="2026-02-01")
    order = resource(
        "DeviceRequest", status="active", intent="order", codeCodeableConcept={"text": text}, authoredOn="2026-02-01"
    )
    usage = resource("DeviceUsage", status="active", device={"concept": {"text": text}}, timingDateTime="2026-02-01")
    for row in (use, order, usage):
        assert treatments(row) == [("neurostimulation", "2026-02-01", "unstated")]


def test_a_device_still_in_use_is_used_today() -> None:
    device = {"display": "Vagus nerve stimulator"}
    use = resource("DeviceUseStatement", status="active", device=device, timingPeriod=period("2024-01-01", None))
    assert treatments(use) == [("neurostimulation", "2026-06-15", "unstated")]


@pytest.mark.parametrize("kind", ["DeviceUseStatement", "DeviceUsage"])
def test_a_device_that_is_active_since_long_ago_is_used_today(kind: str) -> None:
    device: Json = {"display": "Vagus nerve stimulator"}
    device = {"reference": device} if kind == "DeviceUsage" else device

    def used(status: str) -> list[str | None]:
        rows = [
            resource(kind, status=status, device=device, **{name: "2024-01-01"})
            for name in ("dateAsserted", "recordedOn")
        ]
        return [when for _, when, _ in treatments(*rows)]

    assert used("active") == ["2026-06-15", "2026-06-15"]
    assert used("completed") == used("stopped") == ["2024-01-01", "2024-01-01"]


@pytest.mark.parametrize(
    "names",
    [
        {"deviceName": [{"name": "External trigeminal nerve stimulator", "type": "user-friendly-name"}]},
        {"name": [{"value": "External trigeminal nerve stimulator", "type": "user-friendly-name"}]},  # R5
    ],
)
def test_a_device_is_known_by_the_name_of_its_resource(names: Json) -> None:
    device = {"resourceType": "Device", "id": "d", **names}
    use = resource("DeviceUseStatement", status="active", device={"reference": "#d"}, contained=[device])
    usage = resource("DeviceUsage", status="active", device={"reference": {"reference": "#d"}}, contained=[device])
    assert [kind for kind, _, _ in treatments(use, usage)] == ["neurostimulation"] * 2


@pytest.mark.parametrize(
    "text",
    [
        "Non-invasive vagus nerve stimulation (nVNS)",
        "Nicht-invasive Vagusnervstimulation",
        "non invasive neuromodulation",
        "Cefaly Dual",
        "gammaCore Sapphire",
        "Nerivio",
        "Relivion MG",
        "SAVI Dual",
    ],
)
def test_neurostimulation_is_known_by_what_charts_call_it(text: str) -> None:
    assert [kind for kind, _, _ in treatments(procedure({"text": text}))] == ["neurostimulation"]


def test_what_is_denied_beside_an_adjective_is_denied() -> None:
    assert not treatments(procedure({"text": "No vagus nerve stimulation"}))
    assert not treatments(procedure({"text": "No non-invasive vagus nerve stimulation"}))
    assert [kind for kind, _, _ in treatments(procedure({"text": "Non-pharmacologic therapy - acupuncture"}))] == [
        "acupuncture"
    ]


def test_other_devices_and_procedures_are_passed_over() -> None:
    device = {"display": "Knee brace"}
    assert not treatments(resource("DeviceUseStatement", status="active", device=device))
    assert not treatments(procedure(concept(SNOMED, "80146002")), service_request({"text": "Physiotherapy"}))
