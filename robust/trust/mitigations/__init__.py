"""The mitigations, which avoid what hides a gradient: one a file, from a Context and a MitigatedAttack."""
