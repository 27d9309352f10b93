"""Language models examined before they touch a note: offline, repeatable, with intervals.

A model is anything that answers a prompt: a function, a server, or a file of
recorded answers. It is asked to find planted errors, to summarise, and to betray
canaries; how good the checker itself is, is measured beside what it finds.
"""

from commonwatt.clinic.engines.language.canaries import Canary, make_clinic_model_canaries
from commonwatt.clinic.engines.language.examine import (
    EXAMINED,
    LanguageExamination,
    examine_clinic_language_model,
)
from commonwatt.clinic.engines.language.models import (
    ChatModel,
    LocalModel,
    RecordedModel,
    RecordingModel,
    TextModel,
)
from commonwatt.clinic.engines.language.notes import (
    ClinicalNote,
    learning_and_held_out_notes,
    load_medec_clinic_notes,
)

__all__ = [
    "EXAMINED",
    "Canary",
    "ChatModel",
    "ClinicalNote",
    "LanguageExamination",
    "LocalModel",
    "RecordedModel",
    "RecordingModel",
    "TextModel",
    "examine_clinic_language_model",
    "learning_and_held_out_notes",
    "load_medec_clinic_notes",
    "make_clinic_model_canaries",
]
