"""What a sentence of a clinical text means, as far as a lexicon and closed grammars tell.

Read a sentence into concepts, attributes and quantities; compare a sentence of a summary
with the sentences of its source that speak of the same; and weigh what agrees, what excludes
each other and what is new into the chance that it is entailed, contradicted or not in the source.
"""

from commonwatt.clinic.engines.language.meaning.meter import (
    LABELS,
    FidelityMeter,
    PairVerdict,
    shipped_clinic_note_fidelity_meter,
)

__all__ = ["LABELS", "FidelityMeter", "PairVerdict", "shipped_clinic_note_fidelity_meter"]
