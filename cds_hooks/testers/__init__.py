"""What integration testers use: example patients for a sandbox FHIR server, and consultations without an EHR."""
